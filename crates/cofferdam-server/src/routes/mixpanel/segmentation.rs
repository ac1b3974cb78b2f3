//! `/segmentation` and its kin: an event by date, by segment, by range of a number, summed or averaged.

use super::asked::Asked;
use super::trend::{self, Range};
use crate::routes::api::Answer;
use axum::Json;
use cofferdam_query::{Segmentation, Series};
use serde_json::{Map, Value, json};

/// Segments where nobody says how many, as at Mixpanel.
const SEGMENTS: u32 = 60;
/// Most segments; a report of trends has no more.
const SEGMENTS_MAX: u32 = 10_000;
/// Ranges that a number is divided into.
const RANGES: u32 = 10;
const UNITS: [&str; 6] = ["day", "minute", "hour", "week", "month", "quarter"];

/// An event by date, or by segment and date.
pub(super) async fn segmentation(asked: Asked) -> Answer<Value> {
    let unit = asked.word("unit", &UNITS)?;
    let range = Range::of(&asked, unit)?;
    let event = asked.needed("event")?;
    let limit = asked.number("limit", SEGMENTS, SEGMENTS_MAX)? as usize;
    let on = asked.text("on");
    let breakdown: Vec<Value> = on.into_iter().map(trend::breakdown).collect();
    let more = json!({ "measure": trend::measure(&asked)?, "breakdown": breakdown });
    let selections = [trend::selection(event, asked.text("where"))];
    let answer = trend::run(&asked, &selections, more, unit, range).await?;
    let shown = answer
        .series
        .iter()
        .filter(|series| !trend::is_rest(series));
    let values = shown.take(limit).map(|series| {
        let name = on.map_or_else(|| event.to_owned(), |_| trend::name(series));
        (name, trend::by_date(&answer, series))
    });
    let values = values.collect();
    Ok(trend::envelope(&answer, &values))
}

/// An event by date and range of a number.
pub(super) async fn numeric(asked: Asked) -> Answer<Value> {
    let unit = asked.word("unit", &UNITS)?;
    let range = Range::of(&asked, unit)?;
    let on = trend::expression(asked.needed("on")?);
    let selections = [trend::selection(
        asked.needed("event")?,
        asked.text("where"),
    )];
    let mut ends = [0.0; 2];
    for (end, aggregate) in ends.iter_mut().zip(["min", "max"]) {
        let whole =
            json!({ "measure": { "aggregate": aggregate, "property": { "expression": on } } });
        let answer = trend::run(&asked, &selections, whole, "quarter", range).await?;
        let figures = answer
            .series
            .iter()
            .flat_map(|series| series.values.iter().flatten());
        let figures = figures.map(|figure| figure.number());
        *end = if aggregate == "min" {
            figures.fold(f64::INFINITY, f64::min)
        } else {
            figures.fold(f64::NEG_INFINITY, f64::max)
        };
    }
    let [least, greatest] = ends;
    let width = if greatest > least {
        (greatest - least) / f64::from(RANGES)
    } else {
        1.0
    };
    let start = if least.is_finite() { least } else { 0.0 };
    // A little wider, so that the greatest number is in the last range and not after it.
    let number = format!("floor((({on}) - {start}) / {})", width * (1.0 + 1e-9));
    let more =
        json!({ "measure": trend::measure(&asked)?, "breakdown": [{ "expression": number }] });
    let answer = trend::run(&asked, &selections, more, unit, range).await?;
    Ok(trend::envelope(&answer, &by_range(&answer, start, width)))
}

/// The ranges by name, from the least on.
fn by_range(answer: &Segmentation, start: f64, width: f64) -> Map<String, Value> {
    let named = answer.series.iter().filter_map(|series| {
        let number: f64 = trend::name(series).parse().ok()?;
        Some((number, series))
    });
    let mut ranges: Vec<(f64, &Series)> = named.collect();
    ranges.sort_by(|one, other| one.0.total_cmp(&other.0));
    let named = ranges.into_iter().map(|(number, series)| {
        let (from, to) = (start + number * width, start + (number + 1.0) * width);
        (format!("{from} - {to}"), trend::by_date(answer, series))
    });
    named.collect()
}

/// The sum of a number over an event, by date.
pub(super) async fn sum(asked: Asked) -> Answer<Value> {
    aggregated(asked, "sum").await
}

/// The mean of a number over an event, by date.
pub(super) async fn average(asked: Asked) -> Answer<Value> {
    aggregated(asked, "average").await
}

async fn aggregated(asked: Asked, aggregate: &str) -> Answer<Value> {
    let unit = asked.word("unit", &UNITS)?;
    let range = Range::of(&asked, unit)?;
    let on = trend::expression(asked.needed("on")?);
    let selections = [trend::selection(
        asked.needed("event")?,
        asked.text("where"),
    )];
    let more = json!({ "measure": { "aggregate": aggregate, "property": { "expression": on } } });
    let answer = trend::run(&asked, &selections, more, unit, range).await?;
    let results = answer.series.first();
    let results = results.map_or_else(|| json!({}), |series| trend::by_date(&answer, series));
    let now = jiff::Timestamp::from_millisecond(asked.system.clock.now().0);
    let now = now.map(|now| now.to_string()).unwrap_or_default();
    Ok(Json(
        json!({ "status": "ok", "computed_at": now, "results": results }),
    ))
}
