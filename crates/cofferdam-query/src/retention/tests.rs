//! Retention against a naive computation over the rows, and its rules by hand.

use super::{Plan, Retention, RetentionRequest};
use crate::sweep::Sweep;
use crate::testing::{EVENTS, Part, Row, T0, catalog, context, parts};
use crate::{Progress, QueryError, QueryLimits};
use cofferdam_model::{MergeMap, PersonNumber, TimestampMs};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400_000;

fn request(more: &Value) -> RetentionRequest {
    let mut all = json!({ "project": "console", "born": { "event": "login" }, "returned": { "event": "click" },
        "from": "2026-03-28", "to": "2026-03-30", "brackets": [1, 2, 3, 4] });
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

fn try_run(
    parts: &[Part],
    merges: &MergeMap,
    more: &Value,
    now: i64,
) -> Result<Retention, QueryError> {
    let limits = QueryLimits::default();
    let known = catalog();
    let plan = Plan::new(&request(more), context(&known, &limits))?;
    let progress = Progress::default();
    let sweep = Sweep::new(parts, &plan.wanted, merges, &progress);
    super::compute(sweep, &plan, TimestampMs(now), &limits)
}

fn run(rows: &[Row], more: &Value) -> Retention {
    try_run(&parts(rows, 1), &MergeMap::new(), more, i64::MAX).unwrap()
}

fn row(person: u32, hours: i64, event: usize) -> Row {
    Row {
        person,
        time: T0 + hours * 3_600_000,
        seq: 0,
        event,
        plan: Some(person as usize % 2),
        n: None,
    }
}

fn counts(retention: &Retention) -> Vec<(u64, Vec<u64>)> {
    retention
        .cohorts
        .iter()
        .map(|cohort| (cohort.size, cohort.counts.clone()))
        .collect()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((0..10_u32, 0..180_i64, 0..2_usize, 0..2_usize), 0..120).prop_map(
        |rows| {
            (0..)
                .zip(rows)
                .map(|(seq, (person, hour, event, plan))| Row {
                    person,
                    time: T0 - DAY + hour * 3_600_000,
                    seq,
                    event,
                    plan: Some(plan),
                    n: None,
                })
                .collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn counts_are_those_of_sets_of_people(
        rows in rows(),
        links in prop::collection::vec((0..10_u32, 0..10_u32), 0..5),
        recurring in any::<bool>(),
        calendar in any::<bool>(),
        counted in 0..3_usize,
        birth_returns in any::<bool>(),
        same_event in any::<bool>(),
        pieces in 1..3_u64,
        zone in prop::sample::select(vec!["Europe/Berlin", "UTC", "America/New_York"]),
    ) {
        let links: Vec<_> = links.iter().map(|&(a, b)| (PersonNumber(a), PersonNumber(b))).collect();
        let merges = MergeMap::from_links(&links);
        let back = if same_event { 0 } else { 1 };
        let more = json!({
            "births": if recurring { "recurring" } else { "first" },
            "alignment": if calendar { "calendar" } else { "rolling" },
            "counted": (["on", "on_or_after", "on_or_before"][counted]),
            "birth_returns": birth_returns, "returned": { "event": EVENTS[back] }, "timezone": zone,
        });
        let mut known = catalog();
        known.days = rows.iter().map(|row| TimestampMs(row.time).day()).min().map(|day| (day, day));
        let limits = QueryLimits::default();
        let plan = Plan::new(&request(&more), context(&known, &limits)).unwrap();
        let parts = parts(&rows, pieces);
        let progress = Progress::default();
        let sweep = Sweep::new(&parts, &plan.wanted, &merges, &progress);
        let answer = super::compute(sweep, &plan, TimestampMs(i64::MAX), &limits).unwrap();

        let zone = TimeZone::get(zone).unwrap();
        let date = |time: i64| jiff::Timestamp::from_millisecond(time).unwrap().to_zoned(zone.clone()).date();
        let cohorts: Vec<jiff::civil::Date> = (28..=30).map(|day| jiff::civil::date(2026, 3, day)).collect();
        let mut sorted = rows;
        sorted.sort_by_key(|row| (row.time, row.seq));
        let mut born: BTreeMap<(u32, jiff::civil::Date), Row> = BTreeMap::new();
        let mut first: BTreeSet<u32> = BTreeSet::new();
        for row in sorted.iter().filter(|row| row.event == 0) {
            let person = merges.canonical(PersonNumber(row.person)).0;
            if first.insert(person) || recurring {
                born.entry((person, date(row.time))).or_insert(*row);
            }
        }
        for (at, cohort) in cohorts.iter().enumerate() {
            let members: Vec<_> = born.iter().filter(|((_, day), _)| day == cohort).collect();
            prop_assert_eq!(answer.cohorts[at].size, members.len() as u64);
            for bucket in 0..4_i64 {
                let comes_back = |((person, day), birth): &(&(u32, jiff::civil::Date), &Row)| {
                    sorted.iter().any(|row| {
                        let is_same = merges.canonical(PersonNumber(row.person)).0 == *person && row.event == back;
                        let later = (row.time, row.seq) > (birth.time, birth.seq)
                            || birth_returns && row.seq == birth.seq;
                        let units = if calendar {
                            i64::from((date(row.time) - *day).get_days())
                        } else {
                            (row.time - birth.time) / DAY
                        };
                        let fits = match counted {
                            0 => units == bucket,
                            1 => units >= bucket,
                            _ => (0..=bucket).contains(&units),
                        };
                        is_same && later && fits
                    })
                };
                let expected = members.iter().filter(|member| comes_back(member)).count() as u64;
                prop_assert_eq!(answer.cohorts[at].counts[bucket as usize], expected, "cohort {} bucket {}", at, bucket);
            }
        }
    }
}

#[test]
fn rolling_days_begin_at_the_birth_and_calendar_days_at_midnight() {
    // Born at 23:00, back two hours later: the same day by the clock of the person, the next one by the calendar.
    let rows = [row(1, 23, 0), row(1, 25, 1)];
    let on = json!({ "counted": "on" });
    assert_eq!(counts(&run(&rows, &on))[0], (1, vec![1, 0, 0, 0]));
    let calendar = json!({ "counted": "on", "alignment": "calendar" });
    assert_eq!(counts(&run(&rows, &calendar))[0], (1, vec![0, 1, 0, 0]));
}

#[test]
fn buckets_are_not_nested_unless_asked_for() {
    let late = [row(1, 0, 0), row(1, 24 * 40, 1)];
    assert_eq!(
        counts(&run(&late, &json!({ "counted": "on_or_after" })))[0],
        (1, vec![1; 4])
    );
    let rows = [row(1, 0, 0), row(1, 50, 1)];
    for (counted, expected) in [
        ("on", [0, 0, 1, 0]),
        ("on_or_after", [1, 1, 1, 0]),
        ("on_or_before", [0, 0, 1, 1]),
    ] {
        let retention = run(&rows, &json!({ "counted": counted }));
        assert_eq!(counts(&retention)[0], (1, expected.to_vec()), "{counted}");
    }
}

#[test]
fn brackets_take_several_units() {
    let rows = [
        row(1, 0, 0),
        row(1, 24 * 2, 1),
        row(1, 24 * 6 + 23, 1),
        row(2, 0, 0),
        row(2, 24 * 7, 1),
    ];
    let retention = run(&rows, &json!({ "counted": "on", "brackets": [1, 3, 7] }));
    assert_eq!(retention.buckets, [(0, 0), (1, 2), (3, 6)]);
    assert_eq!(counts(&retention)[0], (2, vec![0, 1, 1]));
}

#[test]
fn averages_are_weighed_and_skip_what_is_not_over() {
    // Three born on the 28th, one of them back on day 1; one on the 29th, back on day 1, which is not over for it.
    let rows = [
        row(1, 0, 0),
        row(2, 0, 0),
        row(3, 0, 0),
        row(1, 30, 1),
        row(4, 24, 0),
        row(4, 50, 1),
    ];
    let now = T0 + 3 * DAY;
    let parts = parts(&rows, 1);
    let retention = try_run(&parts, &MergeMap::new(), &json!({ "counted": "on" }), now).unwrap();
    assert_eq!(retention.cohorts[0].incomplete, [false, false, true, true]);
    assert_eq!(retention.cohorts[1].incomplete, [false, true, true, true]);
    assert_eq!(retention.average[1], Some(1.0 / 3.0));
    assert_eq!(retention.average[2], None);
}

#[test]
fn segments_are_those_of_the_birth() {
    let rows = [
        row(1, 0, 0),
        row(1, 1, 1),
        row(2, 0, 0),
        row(3, 0, 0),
        row(3, 2, 1),
    ];
    let retention = run(&rows, &json!({ "counted": "on", "breakdown": ["plan"] }));
    let segments: Vec<_> = retention
        .segments
        .iter()
        .map(|one| (one.segment[0].as_deref(), one.size, one.counts[0]))
        .collect();
    assert_eq!(segments, [(Some("Pro"), 2, 2), (Some("free"), 1, 0)]);
}

#[test]
fn a_wrong_request_is_told_where() {
    for (more, path) in [
        (json!({ "born": { "event": "logn" } }), "born.event"),
        (
            json!({ "returned": { "event": "click", "filters": [{ "property": "pln", "op": "is_set" }] } }),
            "returned.filters[0].property",
        ),
        (json!({ "brackets": [] }), "brackets"),
        (json!({ "brackets": [2, 2] }), "brackets"),
        (json!({ "brackets": [367] }), "brackets"),
        (json!({ "breakdown": ["pln"] }), "breakdown[0]"),
        (json!({ "to": "2026-03-27" }), "to"),
    ] {
        let error = try_run(&[], &MergeMap::new(), &more, 0).unwrap_err();
        let QueryError::Invalid { path: told, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(told, path);
    }
}

#[test]
fn there_may_be_as_many_buckets_as_days_in_a_year() {
    let rows = [row(1, 0, 0), row(1, 24 * 70, 1), row(1, 24 * 365, 1)];
    let ends: Vec<u32> = (1..=366).collect();
    let retention = run(&rows, &json!({ "counted": "on", "brackets": ends }));
    let counts = &retention.cohorts[0].counts;
    let back: Vec<usize> = (0..366).filter(|bucket| counts[*bucket] == 1).collect();
    assert_eq!(back, [70, 365]);
}
