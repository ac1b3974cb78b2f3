//! Which time zones exist: the IANA database that is compiled in.

/// Whether the IANA time zone database has a zone of that name.
#[must_use]
pub fn is_known(name: &str) -> bool {
    jiff::tz::TimeZone::get(name).is_ok()
}
