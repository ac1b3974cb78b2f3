//! The time axis by hand: clock changes and the calendar.

use super::*;
use crate::buckets::Buckets;
use jiff::tz::TimeZone;

#[test]
fn buckets_follow_the_clock_and_the_calendar() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let day = |text: &str| Day::parse(text).unwrap();
    let make = |from, to, unit| Buckets::new(day(from), day(to), &zone, unit, 1000).unwrap();
    assert_eq!(make("2026-03-29", "2026-03-29", Unit::Hour).len(), 23);
    let long = make("2026-10-25", "2026-10-25", Unit::Hour);
    assert_eq!(long.len(), 25);
    assert_eq!(
        long.labels[2..4],
        ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]
    );
    let months = make("2026-01-15", "2026-03-31", Unit::Month);
    assert_eq!(months.labels, ["2026-01-15", "2026-02-01", "2026-03-01"]);
    assert_eq!(
        months.incomplete(TimestampMs(i64::MAX)),
        [true, false, false]
    );
    let weeks = make("2026-03-04", "2026-03-15", Unit::Week);
    assert_eq!(weeks.labels, ["2026-03-04", "2026-03-09"]);
    assert_eq!(weeks.incomplete(TimestampMs(i64::MAX)), [true, false]);
    assert_eq!(weeks.incomplete(day("2026-03-15").start()), [true, true]);
    assert!(
        Buckets::new(
            day("2026-01-01"),
            day("2026-12-31"),
            &zone,
            Unit::Hour,
            1000
        )
        .is_err()
    );
}
