//! Cohorts against a naive computation over the rows; as conditions and breakdowns of reports; what a wrong one is told.

use super::members::Finder;
use super::{Cohort, CohortDefinition, Cohorts};
use crate::columns::Context;
use crate::people::People;
use crate::testing::{EVENTS, Row, T0, catalog, context, parts};
use crate::{Progress, QueryError, QueryLimits};
use cofferdam_model::{MergeMap, PersonNumber, TimestampMs};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const DAY: i64 = 86_400_000;

fn find(
    rows: &[Row],
    merges: &MergeMap,
    cohorts: &Cohorts,
    definition: &Value,
) -> Result<BTreeSet<u32>, QueryError> {
    let (known, limits) = (catalog(), QueryLimits::default());
    let context = Context {
        cohorts,
        ..context(&known, &limits)
    };
    let definition: CohortDefinition = serde_json::from_value(definition.clone()).unwrap();
    let found = Finder {
        context,
        merges,
        zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(),
        now: TimestampMs(T0 + 2 * DAY),
        progress: &Progress::default(),
        parts: &|_, _| parts(rows, 2),
        behind: &|_| Ok(People::from_iter([2])),
    }
    .members(&definition)?;
    Ok(found.numbers().collect())
}

fn of(rows: &[Row], conditions: &Value) -> Vec<u32> {
    let definition = json!({ "conditions": conditions });
    let found = find(rows, &MergeMap::new(), &Cohorts::none(), &definition).unwrap();
    found.into_iter().collect()
}

fn did(person: u32, hours: i64, event: usize) -> Row {
    Row {
        person,
        time: T0 + hours * 3_600_000,
        seq: 0,
        event,
        plan: Some(person as usize % 2),
        n: None,
    }
}

#[test]
fn windows_are_days_of_the_time_zone() {
    // 2026-03-28T23:30 and 2026-03-29T00:30 in Berlin; the present day is the 30th.
    let rows = [did(1, 22, 0), did(2, 23, 0), did(3, 47, 0)];
    let login = |window: Value| {
        of(
            &rows,
            &json!([{ "kind": "did", "selection": { "event": "login" }, "window": window }]),
        )
    };
    assert_eq!(
        login(json!({ "from": "2026-03-28", "to": "2026-03-28" })),
        [1]
    );
    assert_eq!(login(json!({ "last_days": 2 })), [2, 3]);
    assert_eq!(login(json!({ "last_days": 1 })), [3]);
    assert_eq!(
        of(
            &rows,
            &json!([{ "kind": "did", "selection": { "event": "login" } }])
        ),
        [1, 2, 3]
    );
}

#[test]
fn who_never_did_anything_is_in_no_cohort() {
    let rows = [did(1, 1, 0), did(1, 2, 0), did(2, 1, 1), did(7, 1, 2)];
    let login = |more: Value| {
        let mut all = json!({ "kind": "did", "selection": { "event": "login" } });
        for (key, value) in more.as_object().unwrap() {
            all[key] = value.clone();
        }
        of(&rows, &json!([all]))
    };
    assert_eq!(login(json!({ "not": true })), [2, 7]);
    assert_eq!(
        login(json!({ "times": { "op": "at_most", "count": 1 } })),
        [2, 7]
    );
    assert_eq!(
        login(json!({ "times": { "op": "at_most", "count": 2 } })),
        [1, 2, 7]
    );
    assert_eq!(
        login(json!({ "times": { "op": "exactly", "count": 2 } })),
        [1]
    );
    assert_eq!(
        login(json!({ "times": { "op": "exactly", "count": 0 } })),
        [2, 7]
    );
    assert_eq!(
        login(json!({ "times": { "op": "at_least", "count": 0 } })),
        [1, 2, 7]
    );
}

#[test]
fn conditions_join_and_cohorts_hold_other_cohorts_and_bars() {
    let rows = [did(1, 1, 0), did(2, 1, 0), did(3, 1, 1)];
    let mut cohorts = Cohorts::none();
    let people = Arc::new(People::from_iter([2, 3]));
    let name = Arc::from("Some");
    cohorts.insert("some".to_owned(), Cohort { name, people });
    let find = |definition: Value| {
        let found = find(&rows, &MergeMap::new(), &cohorts, &definition)?;
        Ok::<_, QueryError>(found.into_iter().collect::<Vec<_>>())
    };
    let login = json!({ "kind": "did", "selection": { "event": "login" } });
    let some = json!({ "kind": "cohort", "cohort": "some" });
    assert_eq!(find(json!({ "conditions": [login, some] })).unwrap(), [2]);
    assert_eq!(
        find(json!({ "matching": "any", "conditions": [login, some] })).unwrap(),
        [1, 2, 3]
    );
    let bar = json!({ "kind": "bar", "bar": { "kind": "flows", "bar": { "offset": 0, "event": "login" },
        "request": { "project": "console", "anchor": { "event": "login" }, "from": "2026-03-28", "to": "2026-03-29" } } });
    assert_eq!(find(json!({ "conditions": [login, bar] })).unwrap(), [2]);
    // A cohort narrows the events of a selection, too.
    let among = json!({ "event": "login", "cohorts": [{ "cohort": "some", "not": true }] });
    let among = json!({ "conditions": [{ "kind": "did", "selection": among }] });
    assert_eq!(find(among).unwrap(), [1]);

    let wrong = json!({ "conditions": [login, { "kind": "cohort", "cohort": "sme" }] });
    match find(wrong) {
        Err(QueryError::Invalid {
            path, suggestions, ..
        }) => {
            assert_eq!(
                (path.as_str(), suggestions.as_slice()),
                ("conditions[1].cohort", &["some".to_owned()][..])
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_definition_is_told_where() {
    let fails = |definition: Value, at: &str| {
        let found = find(
            &[did(1, 1, 0)],
            &MergeMap::new(),
            &Cohorts::none(),
            &definition,
        );
        let Err(QueryError::Invalid { path, .. }) = found else {
            panic!("{found:?}")
        };
        assert_eq!(path, at);
    };
    let did = |more: Value| json!({ "conditions": [{ "kind": "did", "selection": { "event": "login" }, "window": more }] });
    fails(json!({ "conditions": [] }), "conditions");
    fails(
        did(json!({ "last_days": 0 })),
        "conditions[0].window.last_days",
    );
    fails(
        did(json!({ "from": "2026-03-29", "to": "2026-03-28" })),
        "conditions[0].window.to",
    );
    let unknown = json!({ "conditions": [{ "kind": "did", "selection": { "event": "logn" } }] });
    fails(unknown, "conditions[0].selection.event");
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        0..12_u32,
        0..3 * DAY,
        0..EVENTS.len(),
        prop::option::of(0..3_usize),
    );
    prop::collection::vec(row, 0..80).prop_map(|rows| {
        let rows = rows.into_iter().zip(0..);
        rows.map(|((person, after, event, plan), seq)| Row {
            person,
            time: T0 + after,
            seq,
            event,
            plan,
            n: None,
        })
        .collect()
    })
}

proptest! {
    #[test]
    fn members_are_those_of_a_naive_count(
        rows in rows(),
        links in prop::collection::vec((0..12_u32, 0..12_u32), 0..4),
        event in 0..EVENTS.len(),
        (op, count, not) in (0..3_usize, 0..4_u32, any::<bool>()),
        pro in any::<bool>(),
    ) {
        let links: Vec<_> = links.into_iter().map(|(one, other)| (PersonNumber(one), PersonNumber(other))).collect();
        let merges = MergeMap::from_links(&links);
        let op = ["at_least", "at_most", "exactly"][op];
        let mut selection = json!({ "event": EVENTS[event] });
        if pro {
            selection["filters"] = json!([{ "property": "plan", "op": "equals", "value": "Pro" }]);
        }
        let definition = json!({ "conditions": [{ "kind": "did", "selection": selection,
            "times": { "op": op, "count": count }, "not": not }] });
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for row in &rows {
            let counted = row.event == event && (!pro || row.plan == Some(1));
            *counts.entry(merges.canonical(PersonNumber(row.person)).0).or_default() += u32::from(counted);
        }
        let fits = |times: u32| match op {
            "at_least" => times >= count,
            "at_most" => times <= count,
            _ => times == count,
        };
        let expected: BTreeSet<u32> = counts.into_iter().filter(|(_, times)| fits(*times) != not).map(|(person, _)| person).collect();
        prop_assert_eq!(find(&rows, &merges, &Cohorts::none(), &definition).unwrap(), expected);
    }
}
