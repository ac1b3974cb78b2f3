//! The kernel against a naive oracle, time zones by hand, and what a wrong request is told.

use crate::buckets::Buckets;
use crate::segmentation::compute;
use crate::{
    EventSelection, Filter, FilterOp, Measure, Operand, QueryError, QueryLimits, Segmentation,
    SegmentationRequest, Unit,
};
use cofferdam_model::{Day, MergeMap, PersonNumber, ProjectName, TimestampMs};
use cofferdam_store::{
    CatalogInfo, Codes, Column, ColumnBatch, ColumnData, ColumnInfo, ColumnKind, Scalar,
    ScanRequest,
};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// 2026-03-28T00:00:00Z: Berlin's clocks go forward on the 29th.
const T0: i64 = 1_774_656_000_000;

/// Person, time, event, `plan`, `n`.
type Row = (u32, i64, usize, Option<usize>, Option<i64>);
const EVENTS: [&str; 3] = ["login", "click", "export"];
const PLANS: [&str; 4] = ["free", "Pro", "team", "5"];

fn catalog() -> CatalogInfo {
    let info = |name: &str, kind| ColumnInfo {
        property: Arc::from(name),
        kind,
        mixed: false,
    };
    CatalogInfo {
        properties: vec![
            info("plan", ColumnKind::Text),
            info("n", ColumnKind::Integer),
        ],
        events: EVENTS.map(Arc::from).to_vec(),
        ..CatalogInfo::default()
    }
}

/// Batches by day in order, as the store's scan yields them; a day's rows in two batches.
fn scan(rows: &[Row], request: &ScanRequest, sink: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>) {
    let mut days: BTreeMap<(Day, bool), Vec<&Row>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        if (request.from.0..request.to.0).contains(&row.1) {
            let day = TimestampMs(row.1).day();
            days.entry((day, at % 3 == 0)).or_default().push(row);
        }
    }
    for ((day, mixed), rows) in days {
        let names = |all: &[&str]| all.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>();
        let columns = request.columns.iter().map(|column| match column {
            Column::Property(name) if &**name == "plan" && !mixed => ColumnData::Text(Codes {
                codes: rows
                    .iter()
                    .map(|row| row.3.map_or(Codes::NULL, |plan| plan as u32))
                    .collect(),
                names: names(&PLANS),
            }),
            Column::Property(name) if &**name == "plan" => ColumnData::Mixed(
                rows.iter()
                    .map(|row| {
                        row.3.map_or(Scalar::Null, |plan| match plan {
                            3 => Scalar::Float(5.0),
                            plan => Scalar::Text(Arc::from(PLANS[plan])),
                        })
                    })
                    .collect(),
            ),
            _ => ColumnData::Int(rows.iter().map(|row| row.4).collect()),
        });
        let batch = ColumnBatch {
            day,
            person: rows.iter().map(|row| row.0).collect(),
            time: rows.iter().map(|row| row.1).collect(),
            event: Codes {
                codes: rows.iter().map(|row| row.2 as u32).collect(),
                names: names(&EVENTS),
            },
            columns: columns.collect(),
        };
        if sink(batch).is_break() {
            return;
        }
    }
}

fn run(
    rows: &[Row],
    merges: &MergeMap,
    request: &SegmentationRequest,
    limits: &QueryLimits,
) -> Result<Segmentation, QueryError> {
    compute(
        &mut |asked, sink| {
            scan(rows, asked, sink);
            Ok(())
        },
        &catalog(),
        merges,
        request,
        TimestampMs(T0),
        limits,
    )
}

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
            let named = selection.event == "$all" || selection.event == EVENTS[row.2];
            if named
                && selection
                    .filters
                    .iter()
                    .all(|filter| naive_match(filter, row))
            {
                let segment = request.breakdown.iter().map(|name| match name.as_str() {
                    "plan" => naive_plan(row),
                    _ => row.4.map(|n| n.to_string()),
                });
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
    )
        .prop_map(|(event, filters)| EventSelection {
            event: event.to_owned(),
            filters,
        });
    (
        prop::collection::vec(selection, 1..3),
        prop::sample::select(vec![Measure::Total, Measure::Unique]),
        prop::sample::select(vec![vec![], vec!["plan"], vec!["plan", "n"], vec!["n"]]),
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
                breakdown: breakdown.into_iter().map(str::to_owned).collect(),
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

fn simple(measure: Measure, breakdown: &[&str]) -> SegmentationRequest {
    SegmentationRequest {
        project: ProjectName::from("console"),
        events: vec![EventSelection {
            event: "login".to_owned(),
            filters: vec![],
        }],
        measure,
        breakdown: breakdown.iter().map(|name| (*name).to_owned()).collect(),
        unit: Unit::Day,
        from: TimestampMs(T0).day(),
        to: TimestampMs(T0).day(),
        timezone: None,
    }
}

#[test]
fn other_counts_people_once_and_comes_last() {
    let rows: Vec<Row> = vec![
        (1, T0, 0, Some(0), None),
        (2, T0, 0, Some(0), None),
        (3, T0, 0, Some(0), None),
        (1, T0, 0, Some(1), None),
        (1, T0, 0, Some(2), None),
        (9, T0, 0, None, None),
    ];
    let limits = QueryLimits {
        segments_max: 1,
        ..QueryLimits::default()
    };
    let mut merges = MergeMap::new();
    merges.link(PersonNumber(2), PersonNumber(3));
    let answer = run(&rows, &merges, &simple(Measure::Unique, &["plan"]), &limits).unwrap();
    let found: Vec<_> = answer
        .series
        .iter()
        .map(|s| (s.segment[0].as_deref(), s.values[0]))
        .collect();
    assert_eq!(found, [(Some("free"), 2), (Some("$other"), 2)]);
}

#[test]
fn a_wrong_request_is_told_where_and_what_is_near() {
    let mut request = simple(Measure::Total, &["pln"]);
    let wrong = |request: &SegmentationRequest| match run(
        &[],
        &MergeMap::new(),
        request,
        &QueryLimits::default(),
    ) {
        Err(QueryError::Invalid {
            path, suggestions, ..
        }) => (path, suggestions),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        wrong(&request),
        ("breakdown[0]".into(), vec!["plan".into()])
    );
    request.breakdown.clear();
    request.events[0].event = "logn".to_owned();
    assert_eq!(
        wrong(&request),
        ("events[0].event".into(), vec!["login".into()])
    );
    request.events[0].event = "$all".to_owned();
    request.events[0].filters = vec![Filter {
        property: "n".into(),
        op: FilterOp::Gt,
        value: Operand::Text("x".into()),
    }];
    assert_eq!(wrong(&request).0, "events[0].filters[0].value");
    request.events[0].filters.clear();
    request.timezone = Some("Europe/Berln".to_owned());
    let (path, near) = wrong(&request);
    assert_eq!(
        (path.as_str(), near[0].as_str()),
        ("timezone", "Europe/Berlin")
    );
    request.timezone = None;
    request.to = Day(request.from.0 - 1);
    assert_eq!(wrong(&request).0, "to");
}

#[test]
fn buckets_follow_the_clock_and_the_calendar() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let day = |text: &str| Day::parse(text).unwrap();
    let make = |from, to, unit| Buckets::new(day(from), day(to), &zone, unit, 1000).unwrap();
    assert_eq!(make("2026-03-29", "2026-03-29", Unit::Hour).len(), 23);
    let long = make("2026-10-25", "2026-10-25", Unit::Hour);
    assert_eq!(long.len(), 25);
    assert_eq!(
        long.labels[2..4],
        ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]
    );
    let months = make("2026-01-15", "2026-03-31", Unit::Month);
    assert_eq!(months.labels, ["2026-01-15", "2026-02-01", "2026-03-01"]);
    assert_eq!(
        months.incomplete(TimestampMs(i64::MAX)),
        [true, false, false]
    );
    let weeks = make("2026-03-04", "2026-03-15", Unit::Week);
    assert_eq!(weeks.labels, ["2026-03-04", "2026-03-09"]);
    assert_eq!(weeks.incomplete(TimestampMs(i64::MAX)), [true, false]);
    assert_eq!(weeks.incomplete(day("2026-03-15").start()), [true, true]);
    assert!(
        Buckets::new(
            day("2026-01-01"),
            day("2026-12-31"),
            &zone,
            Unit::Hour,
            1000
        )
        .is_err()
    );
}

#[test]
fn requests_and_answers_are_the_documented_json() {
    let request: SegmentationRequest = serde_json_from(
        r#"{"project":"console","events":[{"event":"login","filters":[{"property":"plan","op":"equals","value":["a",1]},{"property":"n","op":"is_set"}]}],
            "measure":"unique","breakdown":["plan"],"unit":"hour","from":"2026-03-28","to":"2026-03-29","timezone":"Europe/Berlin"}"#,
    );
    assert_eq!(
        request.events[0].filters[0].value,
        Operand::List(vec![Operand::Text("a".into()), Operand::Int(1)])
    );
    assert_eq!(request.events[0].filters[1].value, Operand::Absent);
}

fn serde_json_from(text: &str) -> SegmentationRequest {
    serde_json::from_str(text).unwrap()
}
