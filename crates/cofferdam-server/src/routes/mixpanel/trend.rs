//! Series by date, as Mixpanel's answers have them, from the report of trends.
//!
//! Invariant: the report's own handler computes; here requests and answers only change their shape.

use super::asked::Asked;
use crate::error::ApiError;
use crate::routes::reports::{self, Named};
use crate::routes::sent;
use axum::Json;
use axum::extract::State;
use cofferdam_model::Day;
use cofferdam_query::{Segmentation, Series};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Most event selections of one report.
const SELECTIONS_MAX: usize = 20;

/// Days of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) from: Day,
    pub(super) to: Day,
}

impl Range {
    /// `from_date` and `to_date`, or the last `interval` units.
    pub(super) fn of(asked: &Asked, unit: &str) -> Result<Self, ApiError> {
        if asked.text("from_date").is_some() || asked.text("to_date").is_some() {
            let (from, to) = (asked.day("from_date")?, asked.day("to_date")?);
            return Ok(Self { from, to });
        }
        if asked.text("interval").is_none() {
            return Err(ApiError::invalid("from_date", "it is missing"));
        }
        let number = i32::try_from(asked.number("interval", 1, 3_660)?).unwrap_or(1);
        let days = match unit {
            "minute" => (number - 1) / 1_440,
            "hour" => (number - 1) / 24,
            "week" => number * 7 - 1,
            "month" => number * 30 - 1,
            _ => number - 1,
        };
        Ok(Self::last(asked, days))
    }

    /// Today and so many days before it.
    pub(super) fn last(asked: &Asked, days: i32) -> Self {
        let to = asked.today();
        Self {
            from: Day(to.0.saturating_sub(days)),
            to,
        }
    }
}

/// What is counted: Mixpanel's `type`.
pub(super) fn measure(asked: &Asked) -> Result<&'static str, ApiError> {
    let word = asked.word("type", &["general", "unique", "average"])?;
    Ok(match word {
        "unique" => "unique",
        "average" => "per_person",
        _ => "total",
    })
}

/// An event selection with the request's condition.
pub(super) fn selection(event: &str, condition: Option<&str>) -> Value {
    match condition {
        Some(condition) => json!({ "event": event, "where": condition }),
        None => json!({ "event": event }),
    }
}

/// What `on` names: an expression, or a property's name.
pub(super) fn breakdown(on: &str) -> Value {
    if on.contains('[') || on.contains('(') {
        json!({ "expression": on })
    } else {
        json!(on)
    }
}

/// A value as the expression that names it.
pub(super) fn expression(on: &str) -> String {
    if on.contains('[') || on.contains('(') {
        on.to_owned()
    } else {
        format!("properties[{}]", json!(on))
    }
}

/// Runs reports: selections beyond what one report takes come from several of the same range.
pub(super) async fn run(
    asked: &Asked,
    selections: &[Value],
    more: Value,
    unit: &str,
    range: Range,
) -> Result<Segmentation, ApiError> {
    let mut whole: Option<Segmentation> = None;
    for events in selections.chunks(SELECTIONS_MAX) {
        let mut request = json!({ "project": asked.project, "events": events, "unit": unit, "from": range.from,
            "to": range.to, "timezone": asked.timezone() });
        if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more.clone()) {
            request.extend(more);
        }
        let request = sent::value(&request, "request").map_err(plainer)?;
        let state = State(Arc::clone(&asked.system));
        let answered =
            reports::segmentation(state, asked.asking, Named::default(), sent::Body(request)).await;
        let Json(answer) = answered.map_err(plainer)?;
        match &mut whole {
            None => whole = Some(answer),
            Some(whole) => whole.series.extend(answer.series),
        }
    }
    whole.ok_or_else(|| ApiError::invalid("event", "no event is named"))
}

/// A report's error in the words of Mixpanel's parameters.
fn plainer(error: ApiError) -> ApiError {
    error.renamed(|path| {
        let last = path.rsplit('.').next().unwrap_or(path);
        match last {
            "where" | "event" | "unit" => last.to_owned(),
            "from" => "from_date".to_owned(),
            "to" => "to_date".to_owned(),
            "expression" | "property" => "on".to_owned(),
            _ if last.starts_with("breakdown") => "on".to_owned(),
            _ => path.to_owned(),
        }
    })
}

/// The dates of an answer, as Mixpanel writes them: those of the hour that a clock change repeats are one.
pub(super) fn dates(answer: &Segmentation) -> Vec<String> {
    let mut dates: Vec<String> = answer.buckets.iter().map(|bucket| date(bucket)).collect();
    dates.dedup();
    dates
}

/// `2026-06-01`, or `2026-06-01 12:00:00` of a local time with offset.
fn date(bucket: &str) -> String {
    let local: String = bucket.chars().take(19).collect();
    let mut local = local.replace('T', " ");
    if local.len() == 16 {
        local.push_str(":00");
    }
    local
}

/// A series by date.
pub(super) fn by_date(answer: &Segmentation, series: &Series) -> Value {
    let mut values: Map<String, Value> = Map::new();
    for (bucket, figure) in answer.buckets.iter().zip(&series.values) {
        let figure = figure.map_or(json!(0), |figure| json!(figure));
        values
            .entry(date(bucket))
            .and_modify(|sum| *sum = added(sum, &figure))
            .or_insert(figure);
    }
    Value::Object(values)
}

fn added(one: &Value, other: &Value) -> Value {
    match (one.as_u64(), other.as_u64()) {
        (Some(one), Some(other)) => json!(one + other),
        _ => json!(one.as_f64().unwrap_or(0.0) + other.as_f64().unwrap_or(0.0)),
    }
}

/// The sum of a series.
pub(super) fn total(series: &Series) -> f64 {
    let figures = series.values.iter().flatten();
    figures.map(|figure| figure.number()).sum()
}

/// A segment's name.
pub(super) fn name(series: &Series) -> String {
    let text = series.segment.first().cloned().flatten();
    text.unwrap_or_else(|| "undefined".to_owned())
}

/// Whether it is the rest beyond the limit of segments, which Mixpanel does not show.
pub(super) fn is_rest(series: &Series) -> bool {
    series.segment.first().and_then(Option::as_deref) == Some("$other")
}

/// Mixpanel's envelope of series.
pub(super) fn envelope(answer: &Segmentation, values: &Map<String, Value>) -> Json<Value> {
    let size = values.len();
    Json(json!({ "data": { "series": dates(answer), "values": values }, "legend_size": size }))
}
