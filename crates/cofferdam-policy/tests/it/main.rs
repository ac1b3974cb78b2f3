//! Policy from the outside: events in, what each recipient gets out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cases;
mod consent;
mod forgotten;
mod hostile;
mod intersection;
mod names;
mod properties;
mod records;
mod support;
mod vendors;
mod wrapped;
