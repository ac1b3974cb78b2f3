//! As many people are behind a bar as the report counts, and bars that exclude each other share nobody.

use crate::people::People;
use crate::sweep::Sweep;
use crate::testing::{EVENTS, PLANS, Part, Row, T0, catalog, context, parts};
use crate::{
    FlowsBar, FlowsRequest, FunnelBar, FunnelOutcome, FunnelRequest, Progress, QueryError,
    QueryLimits, RetentionBar, RetentionRequest,
};
use cofferdam_model::{MergeMap, PersonNumber, TimestampMs};
use proptest::prelude::*;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;
const NOW: TimestampMs = TimestampMs(i64::MAX);

/// A store and its merges.
#[derive(Debug)]
struct Given {
    parts: Vec<Part>,
    merges: MergeMap,
}

fn given() -> impl Strategy<Value = Given> {
    let row = (
        0..12_u32,
        0..2 * DAY,
        0..EVENTS.len(),
        prop::option::of(0..PLANS.len()),
    );
    let links = prop::collection::vec((0..12_u32, 0..12_u32), 0..4);
    (prop::collection::vec(row, 0..100), links).prop_map(|(rows, links)| {
        let row = |(seq, (person, after, event, plan))| Row {
            person,
            time: T0 + after,
            seq,
            event,
            plan,
            n: None,
        };
        let rows: Vec<Row> = (0..).zip(rows).map(row).collect();
        let links: Vec<_> = links
            .into_iter()
            .map(|(one, other)| (PersonNumber(one), PersonNumber(other)))
            .collect();
        Given {
            parts: parts(&rows, 2),
            merges: MergeMap::from_links(&links),
        }
    })
}

fn with(mut all: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    all
}

fn apart(one: &People, other: &People) -> bool {
    one.numbers().all(|number| !other.contains(number))
}

proptest! {
    #[test]
    fn a_funnel_has_its_people(given in given(), more in prop::sample::select(vec![
        json!({}),
        json!({ "entry": "best" }),
        json!({ "order": "any" }),
        json!({ "order": "strict", "attribution": "last" }),
        json!({ "exclusions": [{ "event": "export", "after": 1, "before": 2 }] }),
        json!({ "exclusions": [{ "event": "export", "after": 1, "before": 2 }], "excluded": "removed" }),
    ])) {
        let (known, limits, progress) = (catalog(), QueryLimits::default(), Progress::default());
        let steps = json!([{ "event": "login" }, { "event": "click" }, { "event": "login" }]);
        let base = json!({ "project": "console", "from": "2026-03-28", "to": "2026-03-29", "steps": steps,
            "window": { "length": 6, "unit": "hour" }, "breakdown": ["plan"], "trend": "day" });
        let request: FunnelRequest = serde_json::from_value(with(base, &more)).unwrap();
        let plan = crate::funnel::Plan::new(&request, context(&known, &limits)).unwrap();
        let mut sweep = Sweep::new(&given.parts, &plan.wanted, &given.merges, &progress);
        let answer = crate::funnel::compute(&mut sweep, &plan, NOW, &limits).unwrap();
        let mut people = |step, outcome, bucket, segment| {
            let bar = FunnelBar { step, outcome, bucket, segment };
            crate::funnel::of(&mut sweep, &plan, &bar, &limits).unwrap()
        };
        let count = |step: usize| answer.steps[step].count;
        for step in 1..=3_u32 {
            let reached = people(step, FunnelOutcome::Reached, None, None);
            prop_assert_eq!(reached.len(), count(step as usize - 1));
            if step > 1 {
                let dropped = people(step, FunnelOutcome::Dropped, None, None);
                prop_assert_eq!(dropped.len(), count(step as usize - 2) - count(step as usize - 1));
                prop_assert!(apart(&reached, &dropped));
            }
            let trend = answer.trend.as_ref().unwrap();
            for (bucket, count) in trend.buckets.iter().zip(&trend.steps[step as usize - 1]) {
                prop_assert_eq!(people(step, FunnelOutcome::Reached, Some(bucket.clone()), None).len(), *count);
            }
            for segment in &answer.segments {
                let found = people(step, FunnelOutcome::Reached, None, Some(segment.segment.clone()));
                prop_assert_eq!(found.len(), segment.steps[step as usize - 1].count);
            }
        }
        prop_assert_eq!(people(1, FunnelOutcome::Excluded, None, None).len(), answer.excluded);
    }

    #[test]
    fn a_retention_table_has_its_people(given in given(), more in prop::sample::select(vec![
        json!({}), json!({ "births": "recurring" }), json!({ "counted": "on", "alignment": "calendar" }),
    ])) {
        let (known, limits, progress) = (catalog(), QueryLimits::default(), Progress::default());
        let base = json!({ "project": "console", "from": "2026-03-28", "to": "2026-03-29", "unit": "hour",
            "born": { "event": "login" }, "returned": { "event": "click" }, "brackets": [1, 4, 12], "breakdown": ["plan"] });
        let request: RetentionRequest = serde_json::from_value(with(base, &more)).unwrap();
        let plan = crate::retention::Plan::new(&request, context(&known, &limits)).unwrap();
        let sweep = || Sweep::new(&given.parts, &plan.wanted, &given.merges, &progress);
        let answer = crate::retention::compute(sweep(), &plan, NOW, &limits).unwrap();
        let people = |cohort: Option<&String>, bucket, not, segment| {
            let bar = RetentionBar { cohort: cohort.cloned(), bucket, not, segment };
            crate::retention::of::<_, 1>(&mut sweep(), &plan, &bar, &limits).unwrap()
        };
        for cohort in &answer.cohorts {
            let all = people(Some(&cohort.start), None, false, None);
            prop_assert_eq!(all.len(), cohort.size);
            for (bucket, count) in cohort.counts.iter().enumerate() {
                let came = people(Some(&cohort.start), Some(bucket), false, None);
                let stayed_away = people(Some(&cohort.start), Some(bucket), true, None);
                prop_assert_eq!((came.len(), stayed_away.len()), (*count, cohort.size - count));
                prop_assert!(apart(&came, &stayed_away));
            }
        }
        if request.births == crate::Births::First {
            for segment in &answer.segments {
                prop_assert_eq!(people(None, None, false, Some(segment.segment.clone())).len(), segment.size);
            }
        }
    }

    #[test]
    fn flows_have_their_people(given in given()) {
        let (known, limits, progress) = (catalog(), QueryLimits::default(), Progress::default());
        let request: FlowsRequest = serde_json::from_value(json!({ "project": "console", "from": "2026-03-28",
            "to": "2026-03-29", "anchor": { "event": "click" }, "before": 1, "after": 2, "events_max": 1, "count": "uniques" })).unwrap();
        let plan = crate::flows::Plan::new(&request, context(&known, &limits)).unwrap();
        let mut sweep = Sweep::new(&given.parts, &plan.wanted, &given.merges, &progress);
        let answer = {
            let paths = crate::flows::paths(&mut sweep, &plan, &limits).unwrap();
            crate::flows::answer(&plan, &paths, sweep.events())
        };
        let mut people = |offset, event: &str, to: Option<&String>| {
            let bar = FlowsBar { offset, event: event.to_owned(), to: to.cloned() };
            crate::flows::of(&mut sweep, &plan, &bar, &limits).unwrap().len()
        };
        for step in &answer.steps {
            for event in &step.events {
                prop_assert_eq!(people(step.offset, &event.event, None), event.count);
            }
        }
        for link in &answer.links {
            prop_assert_eq!(people(link.offset, &link.from, Some(&link.to)), link.count);
        }
    }
}

#[test]
fn a_bar_that_the_report_does_not_have_is_told_where() {
    let (known, limits, progress, merges) = (
        catalog(),
        QueryLimits::default(),
        Progress::default(),
        MergeMap::new(),
    );
    let request: FunnelRequest =
        serde_json::from_value(json!({ "project": "console", "from": "2026-03-28",
        "to": "2026-03-29", "steps": [{ "event": "login" }, { "event": "click" }] }))
        .unwrap();
    let plan = crate::funnel::Plan::new(&request, context(&known, &limits)).unwrap();
    let parts: Vec<Part> = Vec::new();
    let mut sweep = Sweep::new(&parts, &plan.wanted, &merges, &progress);
    for (bar, at) in [
        (json!({ "step": 3 }), "bar.step"),
        (json!({ "step": 1, "outcome": "dropped" }), "bar.step"),
        (json!({ "step": 1, "bucket": "2026-03-28" }), "bar.bucket"),
        (json!({ "step": 1, "segment": ["Pro"] }), "bar.segment"),
    ] {
        let bar: FunnelBar = serde_json::from_value(bar).unwrap();
        let error = crate::funnel::of(&mut sweep, &plan, &bar, &limits).unwrap_err();
        let QueryError::Invalid { path, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(path, at);
    }
}
