//! Figures by hand: windows over people, what does not exist, formulas over segments, and bounds on memory.

use super::*;
use crate::{Aggregate, Compare, Figure, Formula, NamedRange, PropertyMeasure};

const DAY: i64 = 86_400_000;

fn count(number: u64) -> Option<Figure> {
    Some(Figure::Count(number))
}

fn of(aggregate: Aggregate, name: &str) -> Measure {
    Measure::Property(PropertyMeasure {
        aggregate,
        property: property(name),
    })
}

/// Logins on the two days before the range and on its two days.
fn rows() -> Vec<Row> {
    vec![
        (1, T0, 0, Some(0), Some(4)),
        (2, T0 + DAY, 0, Some(0), None),
        (2, T0 + 2 * DAY, 0, Some(1), Some(1)),
        (3, T0 + 2 * DAY + 1, 0, Some(1), Some(2)),
        (2, T0 + 3 * DAY, 0, None, None),
        (2, T0 + 3 * DAY, 1, None, None),
    ]
}

fn request(measure: Measure) -> SegmentationRequest {
    let mut request = simple(measure, &[]);
    request.from = TimestampMs(T0 + 2 * DAY).day();
    request.to = TimestampMs(T0 + 3 * DAY).day();
    request
}

fn ask(request: &SegmentationRequest) -> Segmentation {
    run(&rows(), &MergeMap::new(), request, &QueryLimits::default()).unwrap()
}

#[test]
fn rolling_people_are_distinct_over_the_window_and_its_history() {
    let mut asked = request(Measure::Count(CountMeasure::Unique));
    asked.rolling = Some(3);
    assert_eq!(ask(&asked).series[0].values, [count(3), count(2)]);
    asked.rolling = None;
    assert_eq!(ask(&asked).series[0].values, [count(2), count(1)]);
    asked.cumulative = true;
    assert_eq!(ask(&asked).series[0].values, [count(2), count(2)]);
}

#[test]
fn what_does_not_exist_is_null_and_counts_stay_integers() {
    let answer = ask(&request(of(Aggregate::Average, "n")));
    let average = serde_json::to_value(&answer.series[0].values).unwrap();
    assert_eq!(average.to_string(), "[1.5,null]");
    let answer = ask(&request(of(Aggregate::Distinct, "plan")));
    assert_eq!(answer.series[0].values, [count(1), count(0)]);
    let mut asked = request(Measure::Count(CountMeasure::PerPerson));
    asked.events[0].event = "export".to_owned();
    assert_eq!(ask(&asked).series[0].values, [None, None]);
    let answer = serde_json::to_value(ask(&request(Measure::default()))).unwrap();
    assert_eq!(answer["series"][0]["values"].to_string(), "[2,1]");
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["buckets", "incomplete", "series", "snapshot"]);
}

#[test]
fn formulas_join_segments_and_count_missing_ones_as_nothing() {
    let mut asked = request(Measure::default());
    asked.breakdown = vec![property("plan")];
    asked.events.push(EventSelection {
        event: "click".to_owned(),
        ..EventSelection::default()
    });
    asked.formulas = vec![Formula {
        name: "share".to_owned(),
        expression: "B / A * 100".to_owned(),
    }];
    let found: Vec<_> = ask(&asked)
        .formulas
        .into_iter()
        .map(|line| (line.segment[0].clone(), line.values))
        .collect();
    let number = |number| Some(Figure::Number(number));
    assert_eq!(
        found,
        [
            (None, vec![None, number(100.0)]),
            (Some("Pro".to_owned()), vec![number(0.0), None]),
        ]
    );
}

#[test]
fn the_earlier_range_keeps_the_segments() {
    let mut asked = request(Measure::default());
    asked.breakdown = vec![property("plan")];
    asked.compare = Some(Compare::Named(NamedRange::Previous));
    let earlier = ask(&asked).compare.unwrap();
    assert_eq!(earlier.buckets, ["2026-03-28", "2026-03-29"]);
    let found: Vec<_> = earlier
        .series
        .iter()
        .map(|one| (one.segment[0].as_deref(), one.values.clone()))
        .collect();
    assert_eq!(
        found,
        [
            (Some("Pro"), vec![count(0), count(0)]),
            (None, vec![count(0), count(0)]),
            (Some("$other"), vec![count(1), count(1)]),
        ]
    );
}

#[test]
fn memory_is_refused_before_it_is_taken() {
    let small = QueryLimits {
        people_bytes_max: 8_000,
        values_bytes_max: 8,
        cells_max: 3,
        ..QueryLimits::default()
    };
    let refused = |measure| {
        let mut limits = small.clone();
        if measure != Measure::default() {
            limits.cells_max = 100;
        }
        match run(&rows(), &MergeMap::new(), &request(measure), &limits) {
            Err(QueryError::TooLarge { path, .. }) => path,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(Measure::default()), "unit");
    assert_eq!(refused(Measure::Count(CountMeasure::Unique)), "breakdown");
    assert_eq!(refused(of(Aggregate::P90, "n")), "measure");
    assert_eq!(refused(of(Aggregate::Distinct, "plan")), "breakdown");
    let mut long = request(Measure::default());
    long.rolling = Some(20);
    let limits = QueryLimits {
        cells_max: 50,
        ..QueryLimits::default()
    };
    match run(&rows(), &MergeMap::new(), &long, &limits) {
        Err(QueryError::TooLarge { path, .. }) => assert_eq!(path, "rolling"),
        other => panic!("{other:?}"),
    }
}
