//! The naive oracle: every figure of a request from rows held in memory, one by one.

use super::*;
use crate::{Aggregate, Filter, FilterOp, Operand, PropertyMeasure, WeekStart};
use cofferdam_model::PersonNumber;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::collections::BTreeSet;

pub(super) fn naive_plan(row: &Row) -> Option<String> {
    row.3.map(|plan| PLANS[plan].to_owned())
}

pub(super) fn naive_match(filter: &Filter, row: &Row) -> bool {
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
pub(super) type Meaning<T> = (&'static str, fn(&Row) -> T);

/// Conditions as text, and what they mean.
pub(super) const CONDITIONS: [Meaning<bool>; 5] = [
    (
        r#"properties["n"] > 1 and (properties["plan"] != "Pro" and 5 > properties["n"])"#,
        |row| row.4.is_some_and(|n| n > 1 && n < 5) && row.3 != Some(1),
    ),
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
pub(super) const COMPUTED: [Meaning<Option<String>>; 3] = [
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

pub(super) fn naive_part(part: &Breakdown, row: &Row) -> Option<String> {
    match part {
        Breakdown::Property(name) if name == "plan" => naive_plan(row),
        Breakdown::Property(_) => row.4.map(|n| n.to_string()),
        Breakdown::Expression { expression } => {
            let known = COMPUTED.iter().find(|(text, _)| text == expression);
            known.unwrap().1(row)
        }
        Breakdown::Cohort { .. } => unreachable!("cohorts have their own tests"),
    }
}

pub(super) fn naive_selects(selection: &EventSelection, row: &Row) -> bool {
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

/// A segment, as an answer names it.
pub(super) type Label = Vec<Option<String>>;
/// A matched row: its bucket on the naive axis, its segment, and itself.
pub(super) type Hit<'a> = (usize, Label, &'a Row);
/// Per event and segment its figures.
pub(super) type Naive = BTreeMap<(String, Label), Vec<Option<f64>>>;

/// The axis as labels, long before the range included, and the first one shown.
pub(super) struct NaiveAxis {
    pub(super) labels: Vec<String>,
    pub(super) shown: usize,
}

pub(super) fn unit_label(request: &SegmentationRequest, local: &Zoned) -> String {
    let date = local.date();
    let begin = match request.unit {
        Unit::Minute => return local.strftime("%Y-%m-%dT%H:%M:00%:z").to_string(),
        Unit::Hour => return local.strftime("%Y-%m-%dT%H:00:00%:z").to_string(),
        Unit::Day => date,
        Unit::Week => {
            let mut begin = date;
            let first = match request.week_start {
                WeekStart::Monday => Weekday::Monday,
                WeekStart::Sunday => Weekday::Sunday,
            };
            while begin.weekday() != first {
                begin = begin.yesterday().unwrap();
            }
            begin
        }
        Unit::Month => date.first_of_month(),
        Unit::Quarter => {
            let mut begin = date.first_of_month();
            while ![1, 4, 7, 10].contains(&begin.month()) {
                begin = begin.yesterday().unwrap().first_of_month();
            }
            begin
        }
    };
    match request.rolling {
        None => begin.to_string().max(request.from.to_string()),
        Some(_) => begin.to_string(),
    }
}

pub(super) fn naive_axis(request: &SegmentationRequest, zone: &TimeZone) -> NaiveAxis {
    let (step, before) = match request.unit {
        Unit::Minute => (60_000, 1),
        Unit::Hour => (1_800_000, 2),
        _ => (43_200_000, 300),
    };
    let mut labels: Vec<String> = Vec::new();
    let (from, to) = (request.from.to_string(), request.to.to_string());
    let mut shown = None;
    let mut time = Day(request.from.0 - before).start().0;
    while time < Day(request.to.0 + 2).start().0 {
        let local = Timestamp::from_millisecond(time)
            .unwrap()
            .to_zoned(zone.clone());
        time += step;
        let date = local.date().to_string();
        if date > to || (request.rolling.is_none() && date < from) {
            continue;
        }
        let label = unit_label(request, &local);
        if labels.last() != Some(&label) {
            labels.push(label);
        }
        if date >= from && shown.is_none() {
            shown = Some(labels.len() - 1);
        }
    }
    NaiveAxis {
        labels,
        shown: shown.unwrap(),
    }
}

/// Values of the property that is measured.
pub(super) fn naive_numbers(measure: &PropertyMeasure, hits: &[&Hit<'_>]) -> Vec<f64> {
    let factor = match &measure.property {
        Breakdown::Expression { .. } => 1.5,
        _ => 1.0,
    };
    let mut numbers: Vec<f64> = hits
        .iter()
        .filter_map(|hit| hit.2.4)
        .map(|n| n as f64 * factor)
        .collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

pub(super) fn naive_quantile(sorted: &[f64], quantile: f64) -> Option<f64> {
    let place = (sorted.len() as f64 - 1.0).max(0.0) * quantile;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    let share = place - place.floor();
    Some(sorted.get(low)? * (1.0 - share) + sorted.get(high)? * share)
}

pub(super) fn naive_figure(measure: &Measure, merges: &MergeMap, hits: &[&Hit<'_>]) -> Option<f64> {
    let people = hits
        .iter()
        .map(|hit| merges.canonical(PersonNumber(hit.2.0)));
    let people = people.collect::<BTreeSet<_>>().len() as f64;
    let measure = match measure {
        Measure::Count(CountMeasure::Total) => return Some(hits.len() as f64),
        Measure::Count(CountMeasure::Unique) => return Some(people),
        Measure::Count(CountMeasure::PerPerson) => {
            return (people > 0.0).then(|| hits.len() as f64 / people);
        }
        Measure::Property(measure) => measure,
    };
    if measure.aggregate == Aggregate::Distinct {
        let texts = hits.iter().filter_map(|hit| naive_plan(hit.2));
        return Some(texts.collect::<BTreeSet<_>>().len() as f64);
    }
    let numbers = naive_numbers(measure, hits);
    let (sum, count) = (numbers.iter().sum::<f64>(), numbers.len() as f64);
    match measure.aggregate {
        _ if numbers.is_empty() => None,
        Aggregate::Sum => Some(sum),
        Aggregate::Average => Some(sum / count),
        Aggregate::Min => numbers.first().copied(),
        Aggregate::Max => numbers.last().copied(),
        Aggregate::Median => naive_quantile(&numbers, 0.5),
        Aggregate::P25 => naive_quantile(&numbers, 0.25),
        Aggregate::P75 => naive_quantile(&numbers, 0.75),
        Aggregate::P90 => naive_quantile(&numbers, 0.9),
        Aggregate::P95 => naive_quantile(&numbers, 0.95),
        Aggregate::P99 => naive_quantile(&numbers, 0.99),
        Aggregate::Distinct => unreachable!(),
    }
}

/// Every series. `known` are the segments that have a series of their own, where others are `$other`.
pub(super) fn naive(
    rows: &[Row],
    merges: &MergeMap,
    request: &SegmentationRequest,
    known: Option<&BTreeSet<(String, Label)>>,
) -> (NaiveAxis, Naive) {
    let zone = TimeZone::get(request.timezone.as_deref().unwrap()).unwrap();
    let axis = naive_axis(request, &zone);
    let width = request.rolling.unwrap_or(1);
    let mut out = Naive::new();
    for selection in &request.events {
        let mut hits: Vec<Hit<'_>> = Vec::new();
        for row in rows.iter().filter(|row| naive_selects(selection, row)) {
            let local = Timestamp::from_millisecond(row.1)
                .unwrap()
                .to_zoned(zone.clone());
            let label = unit_label(request, &local);
            let date = local.date().to_string();
            let Some(bucket) = axis.labels.iter().position(|one| *one == label) else {
                continue;
            };
            let outside = date > request.to.to_string()
                || (request.rolling.is_none() && date < request.from.to_string());
            if outside || bucket + width <= axis.shown {
                continue;
            }
            let parts = request.breakdown.iter();
            let mut segment: Label = parts.map(|part| naive_part(part, row)).collect();
            if known
                .is_some_and(|known| !known.contains(&(selection.event.clone(), segment.clone())))
            {
                segment = vec![Some("$other".to_owned())];
            }
            hits.push((bucket, segment, row));
        }
        let mut segments: BTreeSet<Label> = hits.iter().map(|hit| hit.1.clone()).collect();
        if request.breakdown.is_empty() {
            segments.insert(Vec::new());
        }
        for segment in segments {
            let figures = (axis.shown..axis.labels.len()).map(|bucket| {
                let first = if request.cumulative {
                    0
                } else {
                    (bucket + 1).saturating_sub(width)
                };
                let inside = |hit: &&Hit<'_>| hit.1 == segment && (first..=bucket).contains(&hit.0);
                let hits: Vec<&Hit<'_>> = hits.iter().filter(inside).collect();
                naive_figure(&request.measure, merges, &hits)
            });
            out.insert(
                (selection.event.clone(), segment.clone()),
                figures.collect(),
            );
        }
    }
    (axis, out)
}
