//! Flows against a naive computation over the rows, and the rules by hand.

use super::{Flows, FlowsRequest, Plan};
use crate::sweep::Sweep;
use crate::testing::{EVENTS, Part, Row, T0, catalog, context, parts};
use crate::{Progress, QueryError, QueryLimits};
use cofferdam_model::{MergeMap, PersonNumber};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn request(more: &Value) -> FlowsRequest {
    let mut all = json!({ "project": "console", "anchor": { "event": "login" }, "from": "2026-03-28", "to": "2026-03-29" });
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

fn try_run(parts: &[Part], merges: &MergeMap, more: &Value) -> Result<Flows, QueryError> {
    let limits = QueryLimits::default();
    let known = catalog();
    let plan = Plan::new(&request(more), context(&known, &limits))?;
    let progress = Progress::default();
    let mut sweep = Sweep::new(parts, &plan.wanted, merges, &progress);
    let paths = super::paths(&mut sweep, &plan, &limits)?;
    Ok(super::answer(&plan, &paths, sweep.events()))
}

fn row(person: u32, minutes: i64, event: usize) -> Row {
    Row {
        person,
        time: T0 + minutes * 60_000,
        seq: 0,
        event,
        plan: None,
        n: None,
    }
}

fn top(flows: &Flows) -> Vec<(String, u32, u64)> {
    flows
        .top
        .iter()
        .map(|path| (path.events.join(" "), path.anchor, path.count))
        .collect()
}

/// Whole paths of one person's events, `(time, event)` in order.
fn naive(
    rows: &[(i64, usize)],
    before: usize,
    after: usize,
    collapse: bool,
    unique: bool,
) -> Vec<(Vec<usize>, usize)> {
    const WINDOW: i64 = 7_200_000;
    let mut paths = Vec::new();
    let mut free = 0;
    for (at, (time, event)) in rows.iter().enumerate() {
        let in_range = (T0..T0 + 2 * 86_400_000).contains(time);
        if *event != 0 || at < free || !in_range || (unique && !paths.is_empty()) {
            continue;
        }
        let mut path = vec![*event];
        free = at + 1;
        for (later, (then, next)) in rows.iter().enumerate().skip(at + 1) {
            if path.len() > after || then - time > WINDOW {
                break;
            }
            free = later + 1;
            if !(collapse && path.last() == Some(next)) {
                path.push(*next);
            }
        }
        // Equal events in a row are the last of them.
        let mut earlier: Vec<(i64, usize)> = Vec::new();
        for (then, event) in rows.iter().take(at).filter(|(then, _)| *then >= T0) {
            match earlier.last_mut() {
                Some(last) if collapse && last.1 == *event => last.0 = *then,
                _ => earlier.push((*then, *event)),
            }
        }
        let near = earlier
            .iter()
            .rev()
            .take(before)
            .take_while(|(then, _)| time - then <= WINDOW);
        let mut whole: Vec<usize> = near.map(|(_, event)| *event).collect();
        whole.reverse();
        let anchor = whole.len();
        whole.extend(path);
        paths.push((whole, anchor));
    }
    paths
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn paths_are_those_of_reading_each_story(
        rows in prop::collection::vec((0..8_u32, 0..400_i64, 0..3_usize), 0..120),
        links in prop::collection::vec((0..8_u32, 0..8_u32), 0..4),
        before in 0..3_usize,
        after in 1..4_usize,
        collapse in any::<bool>(),
        unique in any::<bool>(),
        pieces in 1..3_u64,
    ) {
        let rows: Vec<Row> = (0..).zip(rows).map(|(seq, (person, time, event))| Row {
            seq, ..row(person, time * 11, event)
        }).collect();
        let links: Vec<_> = links.iter().map(|&(a, b)| (PersonNumber(a), PersonNumber(b))).collect();
        let merges = MergeMap::from_links(&links);
        let more = json!({ "before": before, "after": after, "collapse_repeats": collapse,
            "count": if unique { "uniques" } else { "totals" }, "window": { "length": 2, "unit": "hour" } });
        let flows = try_run(&parts(&rows, pieces), &merges, &more).unwrap();
        let mut people: BTreeMap<u32, Vec<&Row>> = BTreeMap::new();
        for row in &rows {
            people.entry(merges.canonical(PersonNumber(row.person)).0).or_default().push(row);
        }
        let mut expected: BTreeMap<(String, u32), u64> = BTreeMap::new();
        let mut all = 0;
        for rows in people.values_mut() {
            rows.sort_by_key(|row| (row.time, row.seq));
            let rows: Vec<(i64, usize)> = rows.iter().map(|row| (row.time, row.event)).collect();
            for (path, anchor) in naive(&rows, before, after, collapse, unique) {
                let names: Vec<&str> = path.iter().map(|event| EVENTS[*event]).collect();
                *expected.entry((names.join(" "), anchor as u32)).or_default() += 1;
                all += 1;
            }
        }
        prop_assert_eq!(flows.paths, all);
        for (path, anchor, count) in top(&flows) {
            prop_assert_eq!(expected.get(&(path.clone(), anchor)), Some(&count), "{}", path);
        }
        prop_assert_eq!(flows.top.len(), expected.len().min(20));
        // What goes into a step comes out of it.
        for step in &flows.steps {
            for event in &step.events {
                let sum = |wanted: &dyn Fn(&&super::FlowsLink) -> bool| flows.links.iter().filter(wanted).map(|link| link.count).sum::<u64>();
                if step.offset < after as i32 {
                    prop_assert_eq!(sum(&|link| link.offset == step.offset && link.from == event.event), event.count);
                }
                if step.offset > -(before as i32) {
                    prop_assert_eq!(sum(&|link| link.offset == step.offset - 1 && link.to == event.event), event.count);
                }
            }
        }
    }
}

#[test]
fn hidden_events_are_as_if_nobody_had_sent_them_and_the_rest_is_other() {
    let rows = [
        row(1, 0, 0),
        row(1, 1, 1),
        row(1, 2, 2),
        row(2, 0, 0),
        row(2, 1, 2),
        row(3, 0, 0),
        row(3, 1, 1),
    ];
    let parts = parts(&rows, 1);
    let hidden = try_run(
        &parts,
        &MergeMap::new(),
        &json!({ "after": 1, "hide": ["click"] }),
    )
    .unwrap();
    assert_eq!(
        top(&hidden),
        [
            ("login export".to_owned(), 0, 2),
            ("login".to_owned(), 0, 1)
        ]
    );
    let few = try_run(
        &parts,
        &MergeMap::new(),
        &json!({ "after": 1, "events_max": 1 }),
    )
    .unwrap();
    let events: Vec<_> = few.steps[1]
        .events
        .iter()
        .map(|event| (event.event.as_str(), event.count))
        .collect();
    assert_eq!(events, [("click", 2), ("$other", 1)]);
    assert_eq!(few.links.iter().map(|link| link.count).sum::<u64>(), 3);
}

#[test]
fn a_wrong_request_is_told_where() {
    for (more, path) in [
        (json!({ "anchor": { "event": "logn" } }), "anchor.event"),
        (json!({ "after": 0 }), "after"),
        (json!({ "events_max": 0 }), "events_max"),
        (
            json!({ "window": { "length": 0, "unit": "day" } }),
            "window.length",
        ),
        (json!({ "to": "2026-03-27" }), "to"),
    ] {
        let error = try_run(&[], &MergeMap::new(), &more).unwrap_err();
        let QueryError::Invalid { path: told, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(told, path);
    }
    assert!(matches!(
        try_run(&[], &MergeMap::new(), &json!({ "after": 11 })),
        Err(QueryError::TooLarge { .. })
    ));
}
