//! `cargo fuzz run -s none mixpanel`: any bytes as a request of Mixpanel's dialect.

#![no_main]

#[path = "../check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
