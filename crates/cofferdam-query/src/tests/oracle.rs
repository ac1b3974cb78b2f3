//! Generated rows and requests: the kernel against a computation that shares no code with it.

use super::*;
use crate::{Filter, FilterOp, Operand};
use cofferdam_model::PersonNumber;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn naive_plan(row: &Row) -> Option<String> {
    row.3.map(|plan| PLANS[plan].to_owned())
}

fn naive_match(filter: &Filter, row: &Row) -> bool {
    let plan = naive_plan(row);
    match (filter.op, &filter.value) {
        (FilterOp::Equals, Operand::Text(text)) => plan.as_deref() == Some(text),
        (FilterOp::NotEquals, Operand::Text(text)) => plan.as_deref() != Some(text),
        (FilterOp::Contains, Operand::Text(text)) => {
            plan.is_some_and(|plan| plan.to_lowercase().contains(&text.to_lowercase()))
        }
        (FilterOp::IsSet, _) => plan.is_some(),
        (FilterOp::Gte, Operand::Int(bound)) => row.4.is_some_and(|n| n >= *bound),
        (FilterOp::Lt, Operand::Int(bound)) => row.4.is_some_and(|n| n < *bound),
        _ => unreachable!(),
    }
}

/// A text, and what it means.
type Meaning<T> = (&'static str, fn(&Row) -> T);

/// Conditions as text, and what they mean.
const CONDITIONS: [Meaning<bool>; 4] = [
    (r#"properties["plan"] == "Pro""#, |row| row.3 == Some(1)),
    (r#"not defined(properties["plan"])"#, |row| row.3.is_none()),
    (
        r#"properties["n"] % 2 == 1 or properties["plan"] in ["team"]"#,
        |row| row.4.is_some_and(|n| n % 2 == 1) || row.3 == Some(2),
    ),
    (r#"'e' in string(properties["plan"])"#, |row| {
        matches!(row.3, Some(0 | 2))
    }),
];

/// Computed breakdowns as text, and what they mean.
const COMPUTED: [Meaning<Option<String>>; 3] = [
    (r#"floor(properties["n"] / 2)"#, |row| {
        row.4.map(|n| (n / 2).to_string())
    }),
    (r#"properties["n"] > 2"#, |row| {
        row.4.map(|n| (n > 2).to_string())
    }),
    (r#"string(properties["plan"]) + "!""#, |row| {
        naive_plan(row).map(|plan| plan + "!")
    }),
];

fn naive_part(part: &Breakdown, row: &Row) -> Option<String> {
    match part {
        Breakdown::Property(name) if name == "plan" => naive_plan(row),
        Breakdown::Property(_) => row.4.map(|n| n.to_string()),
        Breakdown::Expression { expression } => {
            let known = COMPUTED.iter().find(|(text, _)| text == expression);
            known.unwrap().1(row)
        }
    }
}

fn naive_selects(selection: &EventSelection, row: &Row) -> bool {
    let named = selection.event == "$all" || selection.event == EVENTS[row.2];
    let known = |text: &String| {
        CONDITIONS
            .iter()
            .find(|(known, _)| known == text)
            .unwrap()
            .1
    };
    named
        && selection
            .filters
            .iter()
            .all(|filter| naive_match(filter, row))
        && selection
            .condition
            .as_ref()
            .is_none_or(|text| known(text)(row))
}

/// Series by (selection, segment): a map from local bucket label to persons, one entry per event.
type Naive = BTreeMap<(usize, Vec<Option<String>>), BTreeMap<String, Vec<u32>>>;

fn naive(rows: &[Row], merges: &MergeMap, request: &SegmentationRequest) -> Naive {
    let zone = TimeZone::get(request.timezone.as_deref().unwrap()).unwrap();
    let mut out = Naive::new();
    for row in rows {
        let local = jiff::Timestamp::from_millisecond(row.1)
            .unwrap()
            .to_zoned(zone.clone());
        let date = local.date().to_string();
        if date < request.from.to_string() || date > request.to.to_string() {
            continue;
        }
        let label = match request.unit {
            Unit::Hour => local.strftime("%Y-%m-%dT%H:00:00%:z").to_string(),
            _ => date,
        };
        for (number, selection) in request.events.iter().enumerate() {
            if naive_selects(selection, row) {
                let segment = request.breakdown.iter().map(|part| naive_part(part, row));
                out.entry((number, segment.collect()))
                    .or_default()
                    .entry(label.clone())
                    .or_default()
                    .push(merges.canonical(PersonNumber(row.0)).0);
            }
        }
    }
    out
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

fn requests() -> impl Strategy<Value = SegmentationRequest> {
    let selection = (
        prop::sample::select(vec!["$all", "login", "click"]),
        filters(),
        prop::option::of(prop::sample::select(CONDITIONS.to_vec())),
    )
        .prop_map(|(event, filters, condition)| EventSelection {
            event: event.to_owned(),
            filters,
            condition: condition.map(|(text, _)| text.to_owned()),
        });
    let part = prop_oneof![
        prop::sample::select(vec!["plan", "n"]).prop_map(property),
        prop::sample::select(COMPUTED.to_vec()).prop_map(|(text, _)| expression(text)),
    ];
    (
        prop::collection::vec(selection, 1..3),
        prop::sample::select(vec![Measure::Total, Measure::Unique]),
        prop::collection::vec(part, 0..3),
        prop::sample::select(vec![Unit::Hour, Unit::Day]),
        (0..3i32, 0..4i32),
        prop::sample::select(vec![
            "Europe/Berlin",
            "UTC",
            "Asia/Kolkata",
            "America/New_York",
        ]),
    )
        .prop_map(|(events, measure, breakdown, unit, (from, len), zone)| {
            let first = TimestampMs(T0).day().0 + from;
            SegmentationRequest {
                project: ProjectName::from("console"),
                events,
                measure,
                breakdown,
                unit,
                from: Day(first),
                to: Day(first + len),
                timezone: Some(zone.to_owned()),
            }
        })
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
        let mut expected = naive(&rows, &merges, &request);
        let count = |people: &Vec<u32>| match request.measure {
            Measure::Total => people.len() as u64,
            Measure::Unique => people.iter().collect::<BTreeSet<_>>().len() as u64,
        };
        let mut numbers = request.events.iter().enumerate();
        let mut selection = numbers.next();
        let mut seen: BTreeSet<Vec<Option<String>>> = BTreeSet::new();
        for series in &answer.series {
            // Series come by selection; a segment that repeats, or another event, begins the next selection.
            while let Some((_, wanted)) = selection
                && (wanted.event != series.event || seen.contains(&series.segment))
            {
                selection = numbers.next();
                seen.clear();
            }
            let (number, _) = selection.expect("a series of a selection");
            seen.insert(series.segment.clone());
            if request.breakdown.is_empty() || request.events.len() == 1 {
                let cells = expected.remove(&(number, series.segment.clone())).unwrap_or_default();
                for (label, value) in answer.buckets.iter().zip(&series.values) {
                    prop_assert_eq!(*value, cells.get(label).map_or(0, count), "{} {:?}", label, &series.segment);
                }
                prop_assert!(cells.keys().all(|label| answer.buckets.contains(label)));
            }
        }
        if request.breakdown.is_empty() || request.events.len() == 1 {
            prop_assert!(expected.is_empty(), "every segment is answered: {:?}", expected);
        }
    }
}
