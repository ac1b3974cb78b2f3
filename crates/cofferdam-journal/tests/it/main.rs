//! The journal's promises, each with a test that tries to break it.

mod fake;
mod faults;
mod grouping;
mod kill;
mod model;
mod support;
mod torn;
mod window;
