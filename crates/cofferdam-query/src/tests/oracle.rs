//! Generated rows and requests: the kernel against a computation that shares no code with it.

use super::naive::{COMPUTED, CONDITIONS, Label, Meaning, Naive, NaiveAxis, naive, naive_figure};
use super::*;
use crate::{
    Aggregate, Compare, CompareUnit, Figure, Filter, FilterOp, Formula, FormulaSeries, NamedRange,
    Operand, PropertyMeasure, Series, WeekStart,
};
use cofferdam_model::PersonNumber;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A formula as text, and what it means.
type FormulaMeaning = (&'static str, fn(f64, f64) -> f64);

/// Formulas.
const FORMULAS: [FormulaMeaning; 4] = [
    ("A / B * 100", |a, b| a / b * 100.0),
    ("A - (B)", |a, b| a - b),
    ("floor(A / 2) % 3", |a, _| (a / 2.0).floor() % 3.0),
    ("-B + 1.5", |_, b| 1.5 - b),
];

fn near(found: Option<Figure>, wanted: Option<f64>) -> bool {
    match (found.map(Figure::number), wanted) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
        (found, wanted) => found.is_none() && wanted.is_none(),
    }
}

fn filters() -> impl Strategy<Value = Vec<Filter>> {
    let filter = |property: &str, op, value| Filter {
        property: property.to_owned(),
        op,
        value,
    };
    let text = |text: &str| Operand::Text(text.to_owned());
    prop::collection::vec(
        prop::sample::select(vec![
            filter("plan", FilterOp::Equals, text("5")),
            filter("plan", FilterOp::NotEquals, text("free")),
            filter("plan", FilterOp::Contains, text("PR")),
            filter("plan", FilterOp::IsSet, Operand::Absent),
            filter("n", FilterOp::Gte, Operand::Int(2)),
            filter("n", FilterOp::Lt, Operand::Int(4)),
        ]),
        0..3,
    )
}

fn measures() -> impl Strategy<Value = Measure> {
    let of = |aggregate, property| {
        Measure::Property(PropertyMeasure {
            aggregate,
            property,
        })
    };
    let numbers = prop::sample::select(vec![
        Aggregate::Sum,
        Aggregate::Average,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Median,
        Aggregate::P25,
        Aggregate::P75,
        Aggregate::P90,
        Aggregate::P95,
        Aggregate::P99,
    ]);
    let subject = prop::sample::select(vec![property("n"), expression("properties['n'] * 1.5")]);
    let counts = vec![
        CountMeasure::Total,
        CountMeasure::Unique,
        CountMeasure::PerPerson,
    ];
    prop_oneof![
        prop::sample::select(counts).prop_map(Measure::Count),
        (numbers, subject).prop_map(move |(aggregate, subject)| of(aggregate, subject)),
        prop::sample::select(vec![
            property("plan"),
            expression("string(properties['plan'])"),
        ])
        .prop_map(move |subject| of(Aggregate::Distinct, subject)),
    ]
}

fn requests() -> impl Strategy<Value = SegmentationRequest> {
    let events = prop::sample::subsequence(vec!["$all", "login", "click"], 1..=2);
    let narrowed = (
        filters(),
        prop::option::of(prop::sample::select(CONDITIONS.to_vec())),
    );
    let selections = (events, prop::collection::vec(narrowed, 2)).prop_map(|(events, narrowed)| {
        let selection =
            |(event, (filters, condition)): (&str, (Vec<Filter>, Option<Meaning<bool>>))| {
                EventSelection {
                    event: event.to_owned(),
                    filters,
                    condition: condition.map(|(text, _)| text.to_owned()),
                    cohorts: Vec::new(),
                }
            };
        events
            .into_iter()
            .zip(narrowed)
            .map(selection)
            .collect::<Vec<_>>()
    });
    let part = prop_oneof![
        prop::sample::select(vec!["plan", "n"]).prop_map(property),
        prop::sample::select(COMPUTED.to_vec()).prop_map(|(text, _)| expression(text)),
    ];
    let units = vec![
        Unit::Minute,
        Unit::Hour,
        Unit::Day,
        Unit::Day,
        Unit::Week,
        Unit::Month,
        Unit::Quarter,
    ];
    let zones = vec!["Europe/Berlin", "UTC", "Asia/Kolkata", "America/New_York"];
    let axis = (
        prop::sample::select(units),
        (0..3i32, 0..4i32),
        prop::sample::select(zones),
        prop::sample::select(vec![WeekStart::Monday, WeekStart::Sunday]),
    );
    let windows = prop_oneof![
        Just((None, false)),
        Just((None, true)),
        (1..8usize).prop_map(|buckets| (Some(buckets), false)),
    ];
    let compares = prop::sample::select(vec![
        None,
        Some(Compare::Named(NamedRange::Previous)),
        Some(Compare::Offset {
            offset: 2,
            unit: CompareUnit::Day,
        }),
    ]);
    let more = (
        windows,
        compares,
        prop::sample::subsequence(FORMULAS.to_vec(), 0..=2),
    );
    let shape = (measures(), prop::collection::vec(part, 0..3));
    (selections, shape, axis, more).prop_map(
        |(events, (measure, breakdown), (unit, (from, len), zone, week_start), more)| {
            let ((rolling, cumulative), compare, formulas) = more;
            let first = TimestampMs(T0).day().0 + from;
            let len = if unit == Unit::Minute { 0 } else { len };
            let formula = |(text, _): &FormulaMeaning| Formula {
                name: (*text).to_owned(),
                expression: (*text).to_owned(),
            };
            let formulas = if events.len() == 2 {
                formulas
            } else {
                Vec::new()
            };
            SegmentationRequest {
                events,
                measure,
                breakdown,
                unit,
                from: Day(first),
                to: Day(first + len),
                timezone: Some(zone.to_owned()),
                week_start,
                rolling,
                cumulative,
                compare,
                formulas: formulas.iter().map(formula).collect(),
                ..simple(Measure::default(), &[])
            }
        },
    )
}

fn row() -> impl Strategy<Value = Row> {
    (
        0..40u32,
        0..6 * 86_400_000i64,
        0..3usize,
        prop::option::of(0..4usize),
        prop::option::of(0..6i64),
    )
        .prop_map(|(person, time, event, plan, n)| (person, T0 + time, event, plan, n))
}

/// What an answer says of one range.
struct Found<'a> {
    buckets: &'a [String],
    series: &'a [Series],
    formulas: &'a [FormulaSeries],
}

/// Compares a range with the naive one; returns the keys of its series.
fn agree(
    found: &Found<'_>,
    request: &SegmentationRequest,
    (axis, expected): &(NaiveAxis, Naive),
    also: &BTreeSet<(String, Label)>,
) -> Result<BTreeSet<(String, Label)>, TestCaseError> {
    prop_assert_eq!(found.buckets, &axis.labels[axis.shown..]);
    let nothing = vec![naive_figure(&request.measure, &MergeMap::new(), &[]); found.buckets.len()];
    let key = |series: &Series| (series.event.clone(), series.segment.clone());
    let keys: BTreeSet<_> = found.series.iter().map(key).collect();
    prop_assert_eq!(keys.len(), found.series.len(), "no series twice");
    let wanted: BTreeSet<_> = expected.keys().chain(also).cloned().collect();
    prop_assert_eq!(&keys, &wanted);
    for series in found.series {
        let wanted = expected.get(&key(series)).unwrap_or(&nothing);
        prop_assert_eq!(series.values.len(), wanted.len());
        for (at, (value, wanted)) in series.values.iter().zip(wanted).enumerate() {
            prop_assert!(
                near(*value, *wanted),
                "{:?} in {} of {:?}: {:?}, not {:?}",
                request.measure,
                found.buckets[at],
                key(series),
                value,
                wanted
            );
        }
    }
    for (number, formula) in request.formulas.iter().enumerate() {
        let meaning = FORMULAS
            .iter()
            .find(|one| one.0 == formula.expression)
            .unwrap()
            .1;
        let named = |input: usize| formula.expression.contains(["A", "B"][input]);
        let segments: BTreeSet<&Label> = wanted
            .iter()
            .filter(|(event, _)| {
                (0..2).any(|input| named(input) && request.events[input].event == *event)
            })
            .map(|(_, segment)| segment)
            .collect();
        let lines = found
            .formulas
            .iter()
            .filter(|line| line.name == formula.name);
        let lines: BTreeMap<&Label, _> = lines.map(|line| (&line.segment, &line.values)).collect();
        prop_assert_eq!(
            lines.keys().copied().collect::<BTreeSet<_>>(),
            segments.clone(),
            "{}",
            number
        );
        for segment in segments {
            let input = |input: usize, at: usize| {
                let key = (request.events[input].event.clone(), segment.clone());
                let value = expected.get(&key).unwrap_or(&nothing)[at];
                if named(input) { value } else { Some(0.0) }
            };
            for (at, value) in lines[segment].iter().enumerate() {
                let inputs = input(0, at).zip(input(1, at));
                let wanted = inputs
                    .map(|(a, b)| meaning(a, b))
                    .filter(|wanted| wanted.is_finite());
                prop_assert!(
                    near(*value, wanted),
                    "{}: {:?}, not {:?}",
                    formula.name,
                    value,
                    wanted
                );
            }
        }
    }
    Ok(keys)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_kernel_agrees_with_the_oracle(
        rows in prop::collection::vec(row(), 0..120),
        links in prop::collection::vec((0..40u32, 0..40u32), 0..15),
        request in requests(),
    ) {
        let links: Vec<_> = links.iter().map(|&(a, b)| (PersonNumber(a), PersonNumber(b))).collect();
        let merges = MergeMap::from_links(&links);
        let answer = run(&rows, &merges, &request, &QueryLimits::default()).unwrap();
        let found = Found { buckets: &answer.buckets, series: &answer.series, formulas: &answer.formulas };
        let expected = naive(&rows, &merges, &request, None);
        let keys = agree(&found, &request, &expected, &BTreeSet::new())?;
        prop_assert_eq!(answer.compare.is_some(), request.compare.is_some());
        if let Some(earlier) = &answer.compare {
            let found = Found { buckets: &earlier.buckets, series: &earlier.series, formulas: &earlier.formulas };
            let mut asked = request.clone();
            (asked.from, asked.to) = (earlier.from, earlier.to);
            let known: BTreeSet<_> = if request.formulas.is_empty() {
                keys.clone()
            } else {
                let event = |segment: &Label| request.events.iter().map(|one| (one.event.clone(), segment.clone())).collect::<Vec<_>>();
                keys.iter().flat_map(|(_, segment)| event(segment)).collect()
            };
            agree(&found, &asked, &naive(&rows, &merges, &asked, Some(&known)), &keys)?;
        }
    }
}
