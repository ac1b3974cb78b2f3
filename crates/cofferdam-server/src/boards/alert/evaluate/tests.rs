//! Conditions against answers, as a table; and a day that has 23 hours.

use super::{Nothing, evaluate};
use crate::boards::alert::{AlertCondition, AlertSeries};
use cofferdam_query::Segmentation;
use serde_json::{Value, json};

/// An answer of one series with as many buckets as values, of which the last `under_way` are not over.
fn answer(values: &Value, under_way: usize) -> Segmentation {
    let count = values.as_array().unwrap().len();
    let buckets: Vec<String> = (1..=count).map(|day| format!("2026-06-{day:02}")).collect();
    let incomplete: Vec<bool> = (0..count).map(|at| at >= count - under_way).collect();
    serde_json::from_value(
        json!({ "buckets": buckets, "incomplete": incomplete, "snapshot": "1.0",
        "series": [{ "event": "A", "segment": [], "values": values }] }),
    )
    .unwrap()
}

fn condition(text: Value) -> AlertCondition {
    serde_json::from_value(text).unwrap()
}

fn above(value: f64) -> Value {
    json!({ "kind": "threshold", "direction": "above", "value": value })
}

fn below(value: f64) -> Value {
    json!({ "kind": "threshold", "direction": "below", "value": value })
}

fn change(direction: &str, percent: f64) -> Value {
    json!({ "kind": "change", "direction": direction, "percent": percent, "against": "previous_bucket" })
}

#[test]
fn conditions_hold_beyond_the_line_and_only_of_buckets_that_are_over() {
    // Condition, values, how many are under way; whether it holds, the bucket, the change.
    let cases = [
        (
            above(10.0),
            json!([9, 11]),
            0,
            Ok((true, "2026-06-02", None)),
        ),
        (
            above(10.0),
            json!([9, 10]),
            0,
            Ok((false, "2026-06-02", None)),
        ),
        (
            above(10.0),
            json!([9, 11]),
            1,
            Ok((false, "2026-06-01", None)),
        ),
        (
            below(10.0),
            json!([20, 3]),
            1,
            Ok((false, "2026-06-01", None)),
        ),
        (
            below(10.0),
            json!([20, 3]),
            0,
            Ok((true, "2026-06-02", None)),
        ),
        (
            below(10.0),
            json!([20, 0]),
            0,
            Ok((true, "2026-06-02", None)),
        ),
        (below(10.0), json!([10]), 0, Ok((false, "2026-06-01", None))),
        (above(0.0), json!([]), 0, Err(Nothing::NoCompleteBucket)),
        (above(0.0), json!([5]), 1, Err(Nothing::NoCompleteBucket)),
        (above(0.0), json!([5, null]), 0, Err(Nothing::NoValue)),
        (
            change("fall", 50.0),
            json!([100, 50]),
            0,
            Ok((false, "2026-06-02", Some(-50.0))),
        ),
        (
            change("fall", 50.0),
            json!([100, 49]),
            0,
            Ok((true, "2026-06-02", Some(-51.0))),
        ),
        (
            change("fall", 50.0),
            json!([100, 0]),
            0,
            Ok((true, "2026-06-02", Some(-100.0))),
        ),
        (
            change("rise", 50.0),
            json!([100, 49]),
            0,
            Ok((false, "2026-06-02", Some(-51.0))),
        ),
        (
            change("rise", 50.0),
            json!([100, 151]),
            0,
            Ok((true, "2026-06-02", Some(51.0))),
        ),
        (
            change("any", 50.0),
            json!([100, 151]),
            0,
            Ok((true, "2026-06-02", Some(51.0))),
        ),
        (
            change("any", 50.0),
            json!([100, 49]),
            0,
            Ok((true, "2026-06-02", Some(-51.0))),
        ),
        (
            change("fall", 50.0),
            json!([100, 90, 1]),
            1,
            Ok((false, "2026-06-02", Some(-10.0))),
        ),
        // From nothing to something is more than any percent; from nothing to nothing is no change.
        (
            change("rise", 500.0),
            json!([0, 1]),
            0,
            Ok((true, "2026-06-02", None)),
        ),
        (
            change("fall", 5.0),
            json!([0, 1]),
            0,
            Ok((false, "2026-06-02", None)),
        ),
        (
            change("any", 5.0),
            json!([0, 0]),
            0,
            Ok((false, "2026-06-02", Some(0.0))),
        ),
        (
            change("fall", 5.0),
            json!([0, -1]),
            0,
            Ok((true, "2026-06-02", None)),
        ),
        // A loss that grows falls, although its quotient rises.
        (
            change("fall", 50.0),
            json!([-10, -20]),
            0,
            Ok((true, "2026-06-02", Some(-100.0))),
        ),
        (change("any", 5.0), json!([7]), 0, Err(Nothing::NoBase)),
        (change("any", 5.0), json!([7, 8]), 1, Err(Nothing::NoBase)),
        (
            change("any", 5.0),
            json!([null, 8]),
            0,
            Err(Nothing::NoBase),
        ),
    ];
    for (given, values, under_way, expected) in cases {
        let found = evaluate(&condition(given.clone()), None, &answer(&values, under_way));
        let found = found.map(|found| (found.holds, found.bucket, found.change_percent));
        let expected = expected.map(|(holds, bucket, change)| (holds, bucket.to_owned(), change));
        assert_eq!(
            found, expected,
            "{given} over {values}, {under_way} under way"
        );
    }
}

#[test]
fn a_cut_first_bucket_is_not_compared_with() {
    let mut cut = answer(&json!([3, 10]), 0);
    cut.incomplete = vec![true, false];
    let found = evaluate(&condition(change("rise", 5.0)), None, &cut);
    assert_eq!(found, Err(Nothing::NoBase));
}

#[test]
fn the_period_before_is_compared_bucket_by_bucket() {
    let given = json!({ "kind": "change", "direction": "fall", "percent": 20.0, "against": "previous_period" });
    let mut of = answer(&json!([10, 7, 1]), 1);
    assert_eq!(
        evaluate(&condition(given.clone()), None, &of),
        Err(Nothing::NoBase)
    );
    let compare = |values: Value, incomplete: Value| {
        Some(
            serde_json::from_value(json!({ "from": "2026-05-29", "to": "2026-05-31",
            "buckets": ["2026-05-29", "2026-05-30", "2026-05-31"], "incomplete": incomplete,
            "series": [{ "event": "A", "segment": [], "values": values }] }))
            .unwrap(),
        )
    };
    of.compare = compare(json!([1, 10, 99]), json!([false, false, false]));
    let found = evaluate(&condition(given.clone()), None, &of).unwrap();
    assert_eq!(
        (found.value, found.base, found.holds),
        (7.0, Some(10.0), true)
    );
    of.compare = compare(json!([1, 8, 99]), json!([false, false, false]));
    assert!(
        !evaluate(&condition(given.clone()), None, &of)
            .unwrap()
            .holds
    );
    // It may have fewer buckets, or one that it cuts.
    of.compare = compare(json!([1, 10, 99]), json!([false, true, false]));
    assert_eq!(
        evaluate(&condition(given.clone()), None, &of),
        Err(Nothing::NoBase)
    );
    of.compare = compare(json!([1]), json!([false]));
    assert_eq!(evaluate(&condition(given), None, &of), Err(Nothing::NoBase));
}

#[test]
fn the_series_that_was_meant_is_found_or_nothing() {
    let of: Segmentation = serde_json::from_value(
        json!({ "buckets": ["d"], "incomplete": [false], "snapshot": "1.0",
        "series": [
            { "event": "A", "segment": ["pro"], "values": [1] },
            { "event": "A", "segment": [null], "values": [2] },
            { "event": "A", "segment": ["$other"], "values": [3] },
            { "event": "B", "segment": ["pro"], "values": [4] },
        ] }),
    )
    .unwrap();
    let named = |name: &str, segment: Value| -> AlertSeries {
        serde_json::from_value(json!({ "name": name, "segment": segment })).unwrap()
    };
    for (series, expected) in [
        (named("A", json!(["pro"])), Ok(1.0)),
        (named("A", json!([null])), Ok(2.0)),
        (named("A", json!(["$other"])), Ok(3.0)),
        (named("B", json!(["pro"])), Ok(4.0)),
        // It may be in the rest, of which nothing is known.
        (named("A", json!(["free"])), Err(Nothing::Hidden)),
        (named("B", json!(["free"])), Err(Nothing::NoSeries)),
        (named("C", json!([])), Err(Nothing::NoSeries)),
    ] {
        let found = evaluate(&condition(above(0.0)), Some(&series), &of);
        assert_eq!(found.map(|found| found.value), expected, "{series:?}");
    }
    let any = evaluate(&condition(above(0.0)), None, &of);
    assert_eq!(any, Err(Nothing::SeveralSeries));
    // The only formula is what a report with formulas is about.
    let mut with = of;
    with.formulas =
        serde_json::from_value(json!([{ "name": "rate", "segment": [], "values": [0.5] }]))
            .unwrap();
    let found = evaluate(&condition(below(1.0)), None, &with).unwrap();
    assert_eq!((found.value, found.holds), (0.5, true));
    // A report over nobody has no series at all where it is broken down.
    let empty: Segmentation = serde_json::from_value(
        json!({ "buckets": ["d"], "incomplete": [false], "series": [], "snapshot": "1.0" }),
    )
    .unwrap();
    assert_eq!(
        evaluate(&condition(above(0.0)), None, &empty),
        Err(Nothing::NoSeries)
    );
}

#[test]
fn an_hour_that_a_clock_change_repeats_is_two_buckets_of_its_own() {
    let given = condition(change("fall", 50.0));
    let of: Segmentation = serde_json::from_value(json!({
        "buckets": ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"],
        "incomplete": [false, false, true], "snapshot": "1.0",
        "series": [{ "event": "A", "segment": [], "values": [100, 10, 1] }] }))
    .unwrap();
    let found = evaluate(&given, None, &of).unwrap();
    assert_eq!(found.bucket, "2026-10-25T02:00:00+01:00");
    assert_eq!((found.base, found.holds), (Some(100.0), true));
}
