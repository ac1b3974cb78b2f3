//! The funnel against naive computations over the rows themselves, and what a wrong request is told.

use super::plan::Plan;
use super::{Funnel, FunnelRequest};
use crate::sweep::Sweep;
use crate::testing::{Part, Row, T0, catalog, context, parts};
use crate::{Progress, QueryError, QueryLimits};
use cofferdam_model::{MergeMap, PersonNumber, TimestampMs};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn request(more: &Value) -> FunnelRequest {
    let mut all = json!({ "project": "console", "from": "2026-03-28", "to": "2026-03-29",
        "steps": [{ "event": "login" }, { "event": "click" }, { "event": "export" }] });
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

fn run(parts: &[Part], merges: &MergeMap, more: &Value) -> Funnel {
    let now = TimestampMs(i64::MAX);
    super::run(parts, &catalog(), merges, &request(more), now).unwrap()
}

fn counts(funnel: &Funnel) -> Vec<u64> {
    funnel.steps.iter().map(|step| step.count).collect()
}

/// Rows by canonical person, in the order of time and arrival.
fn people(rows: &[Row], merges: &MergeMap) -> BTreeMap<u32, Vec<Row>> {
    let mut people: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
    for row in rows {
        let person = merges.canonical(PersonNumber(row.person)).0;
        people.entry(person).or_default().push(*row);
    }
    for rows in people.values_mut() {
        rows.sort_by_key(|row| (row.time, row.seq));
    }
    people
}

const DAYS: std::ops::Range<i64> = T0..T0 + 2 * 86_400_000;

/// The longest chain of steps 0, 1, 2 at later and later rows from any entry in the range, by trying all.
fn longest(rows: &[Row], window: i64) -> usize {
    let mut best = 0;
    for (at, entry) in rows.iter().enumerate() {
        if entry.event != 0 || !DAYS.contains(&entry.time) {
            continue;
        }
        let mut step = 1;
        for row in rows.iter().skip(at + 1) {
            if row.time - entry.time <= window && row.event == step && step < 3 {
                step += 1;
            }
        }
        best = best.max(step);
    }
    best
}

/// How far the first entry in the range leads, and the times it takes.
fn from_first(rows: &[Row], window: i64) -> Vec<i64> {
    let mut times = Vec::new();
    for row in rows {
        let fits = match times.first() {
            None => row.event == 0 && DAYS.contains(&row.time),
            Some(entry) => row.event == times.len() && row.time - entry <= window,
        };
        if fits && times.len() < 3 {
            times.push(row.time);
        }
    }
    times
}

fn row() -> impl Strategy<Value = Row> {
    (0..12_u32, 0..300_i64, 0..3_usize, 0..2_usize).prop_map(|(person, time, event, plan)| Row {
        person,
        // Few different times, so that many are equal, over three days.
        time: T0 + time * 863_000,
        seq: 0,
        event,
        plan: Some(plan),
        n: None,
    })
}

fn numbered(mut rows: Vec<Row>) -> Vec<Row> {
    for (seq, row) in (0..).zip(&mut rows) {
        row.seq = seq;
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn counts_are_those_of_trying_everything(
        rows in prop::collection::vec(row(), 0..150).prop_map(numbered),
        links in prop::collection::vec((0..12_u32, 0..12_u32), 0..6),
        hours in 1..60_u32,
        pieces in 1..4_u64,
        is_best in any::<bool>(),
    ) {
        let links: Vec<_> = links.iter().map(|&(a, b)| (PersonNumber(a), PersonNumber(b))).collect();
        let merges = MergeMap::from_links(&links);
        let entry = if is_best { "best" } else { "first" };
        let more = json!({ "entry": entry, "window": { "length": hours, "unit": "hour" }, "breakdown": ["plan"], "attribution": "last" });
        let funnel = run(&parts(&rows, pieces), &merges, &more);
        let window = i64::from(hours) * 3_600_000;
        let (mut expected, mut took, mut by_plan) = (vec![0; 3], Vec::new(), BTreeMap::new());
        for rows in people(&rows, &merges).values() {
            let times = from_first(rows, window);
            let reached = if is_best { longest(rows, window) } else { times.len() };
            for count in expected.iter_mut().take(reached) {
                *count += 1;
            }
            if let [entry, .., last] = times.as_slice() && times.len() == 3 {
                took.push(last - entry);
            }
            *by_plan.entry(reached).or_insert(0) += u64::from(reached > 0);
        }
        prop_assert_eq!(counts(&funnel), expected);
        // Everybody has one last step, so that with `last` the segments add up.
        let segments: u64 = funnel.segments.iter().map(|segment| segment.steps[0].count).sum();
        prop_assert_eq!(segments, by_plan.values().sum::<u64>());
        if !is_best {
            let mean = funnel.steps[2].from_first.map(|took| took.average);
            let expected = took.iter().sum::<i64>() as f64 / 1000.0 / took.len() as f64;
            prop_assert!(mean.map_or(took.is_empty(), |mean| (mean - expected).abs() < 1e-6));
        }
    }
}

#[test]
fn a_person_appears_once_in_each_segment_that_it_enters_with() {
    let mut rows: Vec<Row> = Vec::new();
    for (seq, (person, hour, event, plan)) in (0..).zip([
        (1, 0, 0, 0),
        (1, 1, 0, 1),
        (1, 2, 1, 1),
        (2, 0, 0, 1),
        (3, 3, 0, 0),
        (3, 4, 1, 0),
    ]) {
        rows.push(Row {
            person,
            time: T0 + hour * 3_600_000,
            seq,
            event,
            plan: Some(plan),
            n: None,
        });
    }
    let more = json!({ "breakdown": ["plan"], "steps": [{ "event": "login" }, { "event": "click" }], "trend": "day" });
    let funnel = run(&parts(&rows, 1), &MergeMap::new(), &more);
    assert_eq!(counts(&funnel), [3, 2]);
    let segments: Vec<_> = funnel
        .segments
        .iter()
        .map(|one| {
            (
                one.segment[0].as_deref(),
                one.steps[0].count,
                one.steps[1].count,
            )
        })
        .collect();
    assert_eq!(segments, [(Some("Pro"), 2, 1), (Some("free"), 2, 2)]);
    let trend = funnel.trend.unwrap();
    assert_eq!(
        (trend.buckets.len(), trend.steps),
        (2, vec![vec![3, 0], vec![2, 0]])
    );
    assert_eq!(funnel.histogram.iter().map(|bin| bin.count).sum::<u64>(), 2);
}

#[test]
fn a_wrong_request_is_told_where() {
    for (more, path) in [
        (json!({ "steps": [{ "event": "login" }] }), "steps"),
        (
            json!({ "steps": [{ "event": "logn" }, { "event": "click" }] }),
            "steps[0].event",
        ),
        (
            json!({ "window": { "length": 0, "unit": "day" } }),
            "window.length",
        ),
        (
            json!({ "window": { "length": 367, "unit": "day" } }),
            "window.length",
        ),
        (json!({ "hold_constant": ["pln"] }), "hold_constant[0]"),
        (
            json!({ "exclusions": [{ "event": "click", "after": 2, "before": 2 }] }),
            "exclusions[0].before",
        ),
        (json!({ "attribution": { "step": 4 } }), "attribution.step"),
        (json!({ "count": "totals", "entry": "best" }), "entry"),
        (json!({ "grace_ms": 2000, "order": "any" }), "grace_ms"),
        (json!({ "from": "2026-03-30" }), "to"),
    ] {
        let error = super::run::<Part>(
            &[],
            &catalog(),
            &MergeMap::new(),
            &request(&more),
            TimestampMs(0),
        )
        .unwrap_err();
        let crate::QueryError::Invalid { path: told, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(told, path);
    }
}

#[test]
fn a_step_may_have_filters_and_an_expression() {
    let row = |person, hour: i64, event, n| Row {
        person,
        time: T0 + hour * 3_600_000,
        seq: 0,
        event,
        plan: None,
        n: Some(n),
    };
    let rows = [
        row(1, 0, 0, 1),
        row(1, 1, 1, 5),
        row(2, 0, 0, 1),
        row(2, 1, 1, 2),
        row(2, 2, 1, 9),
    ];
    let click = |more: Value| {
        let mut step = json!({ "event": "click" });
        step.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "steps": [{ "event": "login" }, step] })
    };
    let filtered = click(json!({ "filters": [{ "property": "n", "op": "gt", "value": 5 }] }));
    assert_eq!(
        counts(&run(&parts(&rows, 1), &MergeMap::new(), &filtered)),
        [2, 1]
    );
    let expression =
        click(json!({ "where": "properties[\"n\"] % 2 == 1 and properties[\"n\"] < 6" }));
    assert_eq!(
        counts(&run(&parts(&rows, 1), &MergeMap::new(), &expression)),
        [2, 1]
    );
}

#[test]
fn a_trend_is_a_funnel_of_its_own_for_every_bucket() {
    let mut rows = Vec::new();
    for (seq, (person, minutes, event)) in (0..).zip([
        (1, -5, 0),
        (1, 10, 0),
        (1, 20, 1),
        (1, 130, 0),
        (1, 250, 1),
        (2, 15, 0),
        (2, 2_900, 0),
        (3, 140, 1),
        (3, 150, 0),
    ]) {
        rows.push(Row {
            person,
            time: T0 + minutes * 60_000,
            seq,
            event,
            plan: None,
            n: None,
        });
    }
    let more = json!({ "steps": [{ "event": "login" }, { "event": "click" }], "trend": "hour" });
    let trend = run(&parts(&rows, 1), &MergeMap::new(), &more)
        .trend
        .unwrap();
    assert_eq!(trend.buckets.len(), 48);
    let reached = |step: usize| -> Vec<(usize, u64)> {
        let counts = trend.steps[step].iter().copied().enumerate();
        counts.filter(|(_, count)| *count > 0).collect()
    };
    // What came before the range and after it begins nothing; both of the first person's attempts convert.
    assert_eq!(
        (reached(0), reached(1)),
        (vec![(0, 2), (2, 2)], vec![(0, 1), (2, 1)])
    );
}

#[test]
fn a_cancelled_report_ends() {
    let rows = [Row {
        person: 1,
        time: T0,
        seq: 0,
        event: 0,
        plan: None,
        n: None,
    }];
    let (parts, merges, limits) = (parts(&rows, 1), MergeMap::new(), QueryLimits::default());
    let known = catalog();
    let plan = Plan::new(&request(&json!({})), context(&known, &limits)).unwrap();
    let answer = |progress: &Progress| {
        let mut sweep = Sweep::new(&parts, &plan.wanted, &merges, progress);
        super::compute(&mut sweep, &plan, TimestampMs(0), &limits)
    };
    let progress = Progress::default();
    assert!(answer(&progress).is_ok());
    assert_eq!(progress.parts(), (1, 1));
    progress.cancel();
    assert!(matches!(answer(&progress), Err(QueryError::Cancelled)));
    let late = Progress::with_limit(std::time::Duration::ZERO);
    assert!(matches!(answer(&late), Err(QueryError::TooSlow { .. })));
}

#[test]
fn people_who_do_not_fit_at_once_are_followed_in_turns() {
    let rows: Vec<Row> = (0..400)
        .map(|at| Row {
            person: at % 97,
            time: T0 + i64::from(at) * 60_000,
            seq: u64::from(at),
            event: at as usize % 3,
            plan: Some(0),
            n: None,
        })
        .collect();
    let parts = parts(&rows, 2);
    let (known, limits) = (catalog(), QueryLimits::default());
    let by_plan = request(&json!({ "breakdown": ["plan"] }));
    let plan = Plan::new(&by_plan, context(&known, &limits)).unwrap();
    let funnel = |timeline_bytes_max| {
        let limits = QueryLimits {
            timeline_bytes_max,
            ..QueryLimits::default()
        };
        let (merges, progress) = (MergeMap::new(), Progress::default());
        let mut sweep = Sweep::new(&parts, &plan.wanted, &merges, &progress);
        super::compute(&mut sweep, &plan, TimestampMs(i64::MAX), &limits)
    };
    assert_eq!(funnel(2_000).unwrap(), funnel(1 << 20).unwrap());
    assert!(matches!(funnel(100), Err(QueryError::TooLarge { .. })));
}

#[test]
fn a_key_that_means_nothing_is_refused_at_every_level() {
    let parsed = |step: Value| {
        let request = json!({ "project": "console", "from": "2026-03-28", "to": "2026-03-28", "steps": [step] });
        serde_json::from_value::<FunnelRequest>(request)
    };
    let full = json!({ "event": "login", "filters": [{ "property": "plan", "op": "is_set" }], "optional": false, "label": "In" });
    let known = parsed(full).unwrap();
    assert_eq!(known.steps[0].selection.filters.len(), 1);
    let wrong = parsed(json!({ "event": "login", "optinal": true })).unwrap_err();
    assert!(wrong.to_string().contains("optinal"), "{wrong}");
}
