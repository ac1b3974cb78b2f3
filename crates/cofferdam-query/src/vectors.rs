//! Cases that users of other products filed, one by one: what comes out here (docs/semantics.md says why).

use crate::sweep::Sweep;
use crate::testing::{Part, Row, T0, catalog, context, parts};
use crate::{
    Funnel, FunnelBar, FunnelOutcome, FunnelRequest, Progress, QueryLimits, Retention,
    RetentionRequest,
};
use cofferdam_model::{MergeMap, TimestampMs};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;
const LOGIN: usize = 0;
const CLICK: usize = 1;
const EXPORT: usize = 2;

/// One person's events: hours after T0, event. They arrive in this order.
fn story(events: &[(i64, usize)]) -> Vec<Part> {
    let row = |(seq, &(hours, event))| Row {
        person: 7,
        time: T0 + hours * HOUR,
        seq,
        event,
        plan: None,
        n: None,
    };
    let rows: Vec<Row> = (0..).zip(events).map(row).collect();
    parts(&rows, 1)
}

fn with(mut all: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    all
}

fn request(steps: &[&str], more: &Value) -> FunnelRequest {
    let steps: Vec<Value> = steps
        .iter()
        .map(|event| json!({ "event": event }))
        .collect();
    let base =
        json!({ "project": "console", "from": "2026-03-28", "to": "2026-03-29", "steps": steps });
    serde_json::from_value(with(base, more)).unwrap()
}

fn funnel_at(now: i64, parts: &[Part], steps: &[&str], more: &Value) -> Funnel {
    let merges = MergeMap::new();
    crate::funnel::run(
        parts,
        &catalog(),
        &merges,
        &request(steps, more),
        TimestampMs(now),
    )
    .unwrap()
}

fn funnel(events: &[(i64, usize)], steps: &[&str], more: &Value) -> Vec<u64> {
    let answer = funnel_at(i64::MAX, &story(events), steps, more);
    answer.steps.iter().map(|step| step.count).collect()
}

fn retention(parts: &[Part], more: &Value) -> Retention {
    let base = json!({ "project": "console", "from": "2026-03-28", "to": "2026-03-29", "timezone": "UTC",
        "born": { "event": "login" }, "returned": { "event": "click" }, "counted": "on", "brackets": [1, 2, 3] });
    let request: RetentionRequest = serde_json::from_value(with(base, more)).unwrap();
    let (known, limits, merges, progress) = (
        catalog(),
        QueryLimits::default(),
        MergeMap::new(),
        Progress::default(),
    );
    let plan = crate::retention::Plan::new(&request, context(&known, &limits)).unwrap();
    let sweep = Sweep::new(parts, &plan.wanted, &merges, &progress);
    crate::retention::compute(sweep, &plan, TimestampMs(i64::MAX), &limits).unwrap()
}

/// Cohorts that have somebody: start and counts.
fn born(retention: &Retention) -> Vec<(&str, Vec<u64>)> {
    let cohorts = retention.cohorts.iter().filter(|cohort| cohort.size > 0);
    cohorts
        .map(|cohort| (cohort.start.as_str(), cohort.counts.clone()))
        .collect()
}

const ALL_THREE: [&str; 3] = ["login", "click", "export"];

#[test]
fn one_event_does_not_fill_two_steps_and_two_at_one_time_do() {
    // ClickHouse#21835, #93789.
    let twice = ["login", "login"];
    assert_eq!(funnel(&[(0, LOGIN)], &twice, &json!({})), [1, 0]);
    assert_eq!(
        funnel(&[(0, LOGIN), (0, LOGIN)], &twice, &json!({})),
        [1, 1]
    );
    assert_eq!(
        funnel(
            &[(0, LOGIN), (1, CLICK)],
            &["login", "login", "click"],
            &json!({})
        ),
        [1, 0, 0]
    );
}

#[test]
fn a_repeated_step_changes_nothing_unless_the_order_is_strict() {
    // ClickHouse#37177, #40263, #58711: the level is the one that was reached before the repetition, never a wrong one.
    let again = [(0, LOGIN), (1, LOGIN), (2, CLICK), (3, EXPORT)];
    assert_eq!(funnel(&again, &ALL_THREE, &json!({})), [1, 1, 1]);
    let strict = json!({ "order": "strict" });
    assert_eq!(funnel(&again, &ALL_THREE, &strict), [1, 0, 0]);
    let best = json!({ "order": "strict", "entry": "best" });
    assert_eq!(funnel(&again, &ALL_THREE, &best), [1, 1, 1]);
}

#[test]
fn equal_times_lose_no_chain() {
    // ClickHouse#52844: c1@0, c1@1, c2@1 must be 2.
    let events = [(0, LOGIN), (1, LOGIN), (1, CLICK)];
    for more in [json!({}), json!({ "entry": "best" })] {
        assert_eq!(funnel(&events, &["login", "click"], &more), [1, 1]);
    }
    let soon = json!({ "entry": "best", "window": { "length": 30, "unit": "minute" } });
    assert_eq!(funnel(&events, &["login", "click"], &soon), [1, 1]);
    // PostHog#25048: two second steps at one time, then the third.
    let twice = [(0, LOGIN), (1, CLICK), (1, CLICK), (2, EXPORT)];
    for more in [json!({}), json!({ "entry": "best" })] {
        assert_eq!(funnel(&twice, &ALL_THREE, &more), [1, 1, 1]);
    }
}

#[test]
fn who_completed_is_not_dropped_by_beginning_again() {
    // PostHog#39127.
    let events = [(0, LOGIN), (1, CLICK), (2, EXPORT), (3, LOGIN)];
    for more in [json!({}), json!({ "entry": "best" })] {
        assert_eq!(funnel(&events, &ALL_THREE, &more), [1, 1, 1]);
    }
    // Attempts are counted one by one where that is asked for.
    assert_eq!(
        funnel(&events, &ALL_THREE, &json!({ "count": "totals" })),
        [2, 1, 1]
    );
}

#[test]
fn the_time_to_convert_is_that_of_the_attempt_that_counts() {
    // PostHog#5174: two steps of one attempt, then all of another, which begins after the first one's window.
    let events = [(0, LOGIN), (1, CLICK), (5, LOGIN), (6, CLICK), (8, EXPORT)];
    let window = json!({ "window": { "length": 3, "unit": "hour" }, "entry": "best" });
    let answer = funnel_at(i64::MAX, &story(&events), &ALL_THREE, &window);
    assert_eq!(answer.steps[2].from_first.unwrap().average, 3.0 * 3600.0);
    assert_eq!(answer.steps[1].from_first.unwrap().average, 3600.0);
}

#[test]
fn points_whose_window_is_open_are_marked_and_the_trend_of_one_bucket_is_the_funnel() {
    // PostHog#4369, #7645.
    let parts = story(&[(0, LOGIN), (1, CLICK), (25, LOGIN)]);
    let asked = json!({ "trend": "day", "window": { "length": 6, "unit": "hour" } });
    let now = T0 + 26 * HOUR;
    let answer = funnel_at(now, &parts, &["login", "click"], &asked);
    let trend = answer.trend.unwrap();
    assert_eq!(
        (&trend.steps[0], &trend.steps[1]),
        (&vec![1, 1], &vec![1, 0])
    );
    assert_eq!(trend.incomplete, [false, true]);
    let one_day = with(asked, &json!({ "to": "2026-03-28" }));
    let answer = funnel_at(now, &parts, &["login", "click"], &one_day);
    let counts: Vec<u64> = answer.steps.iter().map(|step| step.count).collect();
    let trend: Vec<u64> = answer
        .trend
        .unwrap()
        .steps
        .iter()
        .map(|counts| counts[0])
        .collect();
    assert_eq!(counts, trend);
}

#[test]
fn the_people_behind_a_bar_are_found_in_the_order_of_the_steps() {
    // PostHog#7058, #9537: who clicked before the login did not convert.
    let parts = story(&[(0, CLICK), (1, LOGIN)]);
    let (known, limits, merges, progress) = (
        catalog(),
        QueryLimits::default(),
        MergeMap::new(),
        Progress::default(),
    );
    let request = request(&["login", "click"], &json!({}));
    let plan = crate::funnel::Plan::new(&request, context(&known, &limits)).unwrap();
    let mut sweep = Sweep::new(&parts, &plan.wanted, &merges, &progress);
    let mut behind = |step, outcome| {
        let bar = FunnelBar {
            step,
            outcome,
            bucket: None,
            segment: None,
        };
        let people = crate::funnel::of(&mut sweep, &plan, &bar, &limits).unwrap();
        people.numbers().collect::<Vec<u32>>()
    };
    assert_eq!(behind(1, FunnelOutcome::Reached), [7]);
    assert!(behind(2, FunnelOutcome::Reached).is_empty());
    assert_eq!(behind(2, FunnelOutcome::Dropped), [7]);
}

#[test]
fn a_day_is_the_time_zones_own() {
    // PostHog#17415, #24174, #79002, #2368: 2026-03-28T15:30Z is 00:30 of the 29th in Tokyo.
    let parts = story(&[(15, LOGIN), (39, CLICK)]);
    let tokyo = json!({ "alignment": "calendar", "timezone": "Asia/Tokyo", "to": "2026-03-30" });
    let answer = retention(&parts, &tokyo);
    assert_eq!(born(&answer), [("2026-03-29", vec![0, 1, 0])]);
    let utc = with(tokyo, &json!({ "timezone": "UTC" }));
    assert_eq!(
        born(&retention(&parts, &utc)),
        [("2026-03-28", vec![0, 1, 0])]
    );
    // plausible#3686: the first week is not empty ahead of UTC. 2026-03-29T12:00Z is Monday the 30th in Auckland.
    let parts = story(&[(36, LOGIN), (37, CLICK)]);
    let auckland = json!({ "alignment": "calendar", "timezone": "Pacific/Auckland", "unit": "week",
        "from": "2026-03-30", "to": "2026-04-12" });
    assert_eq!(
        born(&retention(&parts, &auckland)),
        [("2026-03-30", vec![1, 0, 0])]
    );
}

#[test]
fn weeks_begin_on_the_day_that_is_asked_for() {
    // PostHog#25841, #2795: the 28th is a Saturday, the 29th a Sunday.
    let parts = story(&[(12, LOGIN), (36, CLICK)]);
    let week = |start: &str| {
        let more = json!({ "alignment": "calendar", "unit": "week", "from": "2026-03-22", "to": "2026-04-04", "week_start": start });
        let answer = retention(&parts, &more);
        let born = born(&answer);
        (born[0].0.to_owned(), born[0].1.clone())
    };
    assert_eq!(week("monday"), ("2026-03-23".to_owned(), vec![1, 0, 0]));
    assert_eq!(week("sunday"), ("2026-03-22".to_owned(), vec![0, 1, 0]));
}

#[test]
fn a_rolling_day_has_24_hours_and_a_calendar_day_its_own() {
    // PostHog#2227: born at 22:00, back at 01:00 of the next day.
    let parts = story(&[(22, LOGIN), (25, CLICK)]);
    assert_eq!(born(&retention(&parts, &json!({})))[0].1, [1, 0, 0]);
    let calendar = json!({ "alignment": "calendar" });
    assert_eq!(born(&retention(&parts, &calendar))[0].1, [0, 1, 0]);
    // Berlin's 29th of March has 23 hours: 48 hours after T0 are two days and an hour by the clock, and still day 1 of a birth in the first hour.
    let parts = story(&[(0, LOGIN), (47, CLICK)]);
    let berlin = json!({ "alignment": "calendar", "timezone": "Europe/Berlin" });
    assert_eq!(born(&retention(&parts, &berlin))[0].1, [0, 0, 1]);
    assert_eq!(born(&retention(&parts, &json!({})))[0].1, [0, 1, 0]);
}
