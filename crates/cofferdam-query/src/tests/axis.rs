//! The time axis by hand: clock changes, the calendar, windows, and which range is compared.

use super::*;
use crate::buckets::{Axis, Buckets};
use crate::compare::earlier;
use crate::measure::Window;
use crate::{Compare, CompareUnit, NamedRange};
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

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn axis(from: &str, to: &str, unit: Unit) -> Axis {
    Axis {
        from: day(from),
        to: day(to),
        unit,
        week_start: WeekStart::Monday,
        history: None,
    }
}

fn on(axis: &Axis, zone: &str) -> Buckets {
    Buckets::on(axis, &TimeZone::get(zone).unwrap(), 10_000).unwrap()
}

#[test]
fn minutes_follow_the_clock() {
    let spring = on(
        &axis("2026-03-29", "2026-03-29", Unit::Minute),
        "Europe/Berlin",
    );
    assert_eq!(spring.len(), 23 * 60);
    let labels = spring.shown_labels();
    assert_eq!(
        labels[119..121],
        ["2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00"]
    );
    let autumn = on(
        &axis("2026-10-25", "2026-10-25", Unit::Minute),
        "Europe/Berlin",
    );
    assert_eq!(autumn.len(), 25 * 60);
    // Lord Howe's clocks change by half an hour.
    let half = on(
        &axis("2026-04-05", "2026-04-05", Unit::Minute),
        "Australia/Lord_Howe",
    );
    assert_eq!(half.len(), 24 * 60 + 30);
    for (bucket, time) in [
        (0, half.from().0),
        (1469, half.to().0 - 1),
        (700, half.from().0 + 700 * 60_000),
    ] {
        let (first, last) = half.of_day(TimestampMs(time).day());
        assert_eq!(half.within(time, first, last), bucket);
    }
    let zone = TimeZone::UTC;
    let long = Buckets::on(
        &axis("2026-03-01", "2026-03-08", Unit::Minute),
        &zone,
        10_000,
    );
    assert!(matches!(long, Err(QueryError::TooLarge { .. })));
}

#[test]
fn quarters_and_weeks_are_cut_to_the_range() {
    let quarters = on(&axis("2025-11-15", "2026-07-01", Unit::Quarter), "UTC");
    assert_eq!(
        quarters.shown_labels(),
        ["2025-11-15", "2026-01-01", "2026-04-01", "2026-07-01"]
    );
    let whole = Window::Trailing(1);
    assert_eq!(
        quarters.incomplete_over(whole, TimestampMs(i64::MAX)),
        [true, false, false, true]
    );
    let sunday = Axis {
        week_start: WeekStart::Sunday,
        ..axis("2026-03-01", "2026-03-14", Unit::Week)
    };
    let weeks = on(&sunday, "UTC");
    assert_eq!(weeks.shown_labels(), ["2026-03-01", "2026-03-08"]);
    assert_eq!(
        weeks.incomplete_over(whole, TimestampMs(i64::MAX)),
        [false, false]
    );
}

#[test]
fn windows_read_whole_buckets_before_the_range_and_stay_marked() {
    let months = Axis {
        history: Some(2),
        ..axis("2026-03-15", "2026-05-31", Unit::Month)
    };
    let months = on(&months, "UTC");
    assert_eq!(months.from(), day("2026-01-01").start());
    assert_eq!(
        months.shown_labels(),
        ["2026-03-01", "2026-04-01", "2026-05-01"]
    );
    let window = Window::Trailing(3);
    let now = day("2026-04-20").start();
    assert_eq!(months.incomplete_over(window, now), [false, true, true]);
    let hours = Axis {
        history: Some(30),
        ..axis("2026-03-30", "2026-03-30", Unit::Hour)
    };
    let hours = on(&hours, "Europe/Berlin");
    assert_eq!(hours.shown_labels().len(), 24);
    // Thirty hours before Berlin's midnight, of which the clock left one out.
    assert_eq!(
        hours.from().0,
        day("2026-03-30").start().0 - 2 * 3_600_000 - 30 * 3_600_000
    );
    let cut = on(&axis("2026-03-15", "2026-04-20", Unit::Month), "UTC");
    let over = TimestampMs(i64::MAX);
    assert_eq!(cut.incomplete_over(Window::Trailing(2), over), [true, true]);
    assert_eq!(cut.incomplete_over(Window::Cumulative, over), [true, true]);
}

#[test]
fn the_earlier_range_follows_the_calendar() {
    let range = |from: &str, to: &str, compare: &Compare| {
        let mut request = simple(Measure::default(), &[]);
        (request.from, request.to) = (day(from), day(to));
        let (from, to) = earlier(&request, compare).unwrap();
        format!("{from}..{to}")
    };
    let offset = |offset, unit| Compare::Offset { offset, unit };
    let previous = Compare::Named(NamedRange::Previous);
    let month = offset(1, CompareUnit::Month);
    let cases = [
        (
            "2026-03-10",
            "2026-03-16",
            &previous,
            "2026-03-03..2026-03-09",
        ),
        (
            "2026-03-01",
            "2026-03-31",
            &previous,
            "2026-02-01..2026-02-28",
        ),
        (
            "2026-01-01",
            "2026-03-31",
            &previous,
            "2025-10-01..2025-12-31",
        ),
        (
            "2026-02-01",
            "2026-02-28",
            &previous,
            "2026-01-01..2026-01-31",
        ),
        ("2026-03-31", "2026-03-31", &month, "2026-02-28..2026-02-28"),
        ("2026-03-30", "2026-04-29", &month, "2026-02-28..2026-03-29"),
        ("2026-02-01", "2026-02-28", &month, "2026-01-01..2026-01-31"),
        (
            "2024-02-29",
            "2024-02-29",
            &offset(1, CompareUnit::Year),
            "2023-02-28..2023-02-28",
        ),
        (
            "2026-05-31",
            "2026-05-31",
            &offset(1, CompareUnit::Quarter),
            "2026-02-28..2026-02-28",
        ),
        (
            "2026-03-31",
            "2026-03-31",
            &offset(2, CompareUnit::Week),
            "2026-03-17..2026-03-17",
        ),
        (
            "2026-03-01",
            "2026-03-01",
            &offset(1, CompareUnit::Day),
            "2026-02-28..2026-02-28",
        ),
    ];
    for (from, to, compare, expected) in cases {
        assert_eq!(
            range(from, to, compare),
            expected,
            "{from}..{to} {compare:?}"
        );
    }
}
