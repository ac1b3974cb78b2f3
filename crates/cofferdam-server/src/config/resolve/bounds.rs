//! Bounds of the numbers in the configuration.
//!
//! Invariant: every duration that passes can be counted in milliseconds and added to a day without overflow.

use super::super::problem::{Problem, Severity, SourceFile};
use super::super::sections::{MainFile, VendorFile};
use std::ops::RangeInclusive;

/// Ten years, in hours.
const TEN_YEARS_HOURS: u64 = 87_600;
/// Ten years, in days.
const TEN_YEARS_DAYS: u64 = 3_650;
/// A hundred years, in days.
const CENTURY_DAYS: u64 = 36_500;
/// One day, in seconds.
const DAY_SECONDS: u64 = 86_400;
/// Fewest bytes of a body that a request can have any use for: below this, nothing would ever be accepted.
const BODY_BYTES_MIN: u64 = 1_000;
/// Most bytes of a body: 1 GiB.
const BODY_BYTES_MAX: u64 = 1 << 30;

pub(super) fn main_file(source: &SourceFile, main: &MainFile, problems: &mut Vec<Problem>) {
    let body_bytes = u64::try_from(main.limits.body_bytes_max).unwrap_or(u64::MAX);
    let (journal, store) = (&main.journal, &main.store);
    for (section, key, value, allowed) in [
        (
            "limits",
            "body_bytes_max",
            body_bytes,
            BODY_BYTES_MIN..=BODY_BYTES_MAX,
        ),
        (
            "journal",
            "keep_hours",
            journal.keep_hours,
            0..=TEN_YEARS_HOURS,
        ),
        (
            "journal",
            "keep_days",
            journal.keep_days,
            0..=TEN_YEARS_DAYS,
        ),
        (
            "store",
            "retention_days",
            store.retention_days,
            0..=CENTURY_DAYS,
        ),
        (
            "store",
            "usage_retention_days",
            store.usage_retention_days,
            0..=CENTURY_DAYS,
        ),
        (
            "store",
            "flush_seconds",
            store.flush_seconds,
            0..=DAY_SECONDS,
        ),
    ] {
        check(source, (section, key), value, &allowed, problems);
    }
}

pub(super) fn vendor_file(source: &SourceFile, vendor: &VendorFile, problems: &mut Vec<Problem>) {
    let days = vendor.contract.retention_days.map_or(0, u64::from);
    let key = ("contract", "retention_days");
    check(source, key, days, &(0..=CENTURY_DAYS), problems);
}

fn check(
    source: &SourceFile,
    (section, key): (&str, &str),
    value: u64,
    allowed: &RangeInclusive<u64>,
    problems: &mut Vec<Problem>,
) {
    if allowed.contains(&value) {
        return;
    }
    let (least, most) = (allowed.start(), allowed.end());
    problems.push(source.problem(
        Severity::Error,
        "out_of_bounds",
        source.span_of(section, key),
        format!("{section}.{key} = {value} is out of bounds"),
        format!("write a number from {least} to {most}"),
    ));
}
