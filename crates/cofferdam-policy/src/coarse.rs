//! The coarse forms: family, origin, path, subnet, day and the place forms, each from a value to less of it.
//!
//! Invariant: what comes out tells less than what went in; `None` means that the form does not fit the value.

use crate::rules::{FieldKind, RuleSwitches};

/// A user agent, browser, system, version or device as its family (and major version).
#[must_use]
pub fn family(_kind: FieldKind, _value: &str) -> Option<String> {
    None
}

/// An address as its network: /24 of IPv4, /48 of IPv6.
#[must_use]
pub fn subnet(_value: &str) -> Option<String> {
    None
}

/// A URL as scheme, host and port; a bare domain as itself.
#[must_use]
pub fn origin(_value: &str) -> Option<String> {
    None
}

/// A URL as origin and path, its ids and secrets replaced; without user info, query and fragment.
#[must_use]
pub fn path(_value: &str, _switches: &RuleSwitches) -> Option<String> {
    None
}

/// A time in text (ISO 8601) as its UTC day, `YYYY-MM-DD`.
#[must_use]
pub fn day(_value: &str) -> Option<String> {
    None
}

/// A numeric time (epoch seconds or milliseconds) as the start of its UTC day, in the same unit.
#[must_use]
pub fn day_number(_value: f64) -> Option<f64> {
    None
}
