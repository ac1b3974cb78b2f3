//! Tests of the store as a whole.

mod basics;
mod duck;
mod faults;
mod life;
mod size;
mod support;
