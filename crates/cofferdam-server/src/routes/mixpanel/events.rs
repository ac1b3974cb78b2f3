//! `/events` and its kin: several events by date, the largest, their properties and values.

use super::asked::Asked;
use super::trend::{self, Range};
use crate::error::ApiError;
use crate::routes::api::Answer;
use axum::Json;
use cofferdam_query::Segmentation;
use cofferdam_store::CatalogInfo;
use serde_json::{Map, Value, json};

const UNITS: [&str; 5] = ["day", "minute", "hour", "week", "month"];
/// Days that names, properties and values are looked for in, as at Mixpanel.
const DAYS: i32 = 30;
const LIMIT: u32 = 255;
const LIMIT_MAX: u32 = 10_000;

/// Events by date.
pub(super) async fn events(asked: Asked) -> Answer<Value> {
    let unit = asked.word("unit", &UNITS)?;
    let range = Range::of(&asked, unit)?;
    let names = asked.list("event")?;
    let names = names.ok_or_else(|| ApiError::invalid("event", "it is missing"))?;
    let answer = counted(&asked, &names, unit, range).await?;
    let series = answer.series.iter();
    let values = series.map(|series| (series.event.clone(), trend::by_date(&answer, series)));
    let values = values.collect();
    Ok(trend::envelope(&answer, &values))
}

/// The events of today with the most, and how much that is more than yesterday.
pub(super) async fn top(asked: Asked) -> Answer<Value> {
    let limit = asked.number("limit", 100, LIMIT_MAX)? as usize;
    let catalog = catalog(&asked);
    let names: Vec<String> = catalog.events.iter().map(ToString::to_string).collect();
    let mut events = Vec::new();
    if !names.is_empty() {
        let answer = counted(&asked, &names, "day", Range::last(&asked, 1)).await?;
        for series in &answer.series {
            let mut figures = series.values.iter().flatten().map(|figure| figure.number());
            let (yesterday, today) = (figures.next().unwrap_or(0.0), figures.next().unwrap_or(0.0));
            if today > 0.0 {
                let change = if yesterday > 0.0 {
                    (today - yesterday) / yesterday
                } else {
                    0.0
                };
                events.push((today, series.event.clone(), change));
            }
        }
    }
    events.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    events.truncate(limit);
    let events: Vec<Value> = events
        .into_iter()
        .map(|(amount, event, change)| {
            json!({ "amount": whole(amount), "event": event, "percent_change": change })
        })
        .collect();
    let kind = asked.word("type", &["general", "unique", "average"])?;
    Ok(Json(json!({ "events": events, "type": kind })))
}

/// The events' names, most frequent of the last days first.
pub(super) async fn names(asked: Asked) -> Answer<Value> {
    let limit = asked.number("limit", LIMIT, LIMIT_MAX)? as usize;
    let catalog = catalog(&asked);
    let names: Vec<String> = catalog.events.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        return Ok(Json(json!([])));
    }
    let answer = counted(&asked, &names, "month", Range::last(&asked, DAYS)).await?;
    let mut names: Vec<(f64, &str)> = answer
        .series
        .iter()
        .map(|series| (trend::total(series), series.event.as_str()))
        .collect();
    names.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1)));
    names.truncate(limit);
    let names: Vec<&str> = names.into_iter().map(|(_, name)| name).collect();
    Ok(Json(json!(names)))
}

/// An event by date and value of a property.
pub(super) async fn properties(asked: Asked) -> Answer<Value> {
    let unit = asked.word("unit", &UNITS)?;
    let range = Range::of(&asked, unit)?;
    let name = asked.needed("name")?;
    let limit = asked.number("limit", LIMIT, LIMIT_MAX)? as usize;
    let filters: Vec<Value> = asked
        .list("values")?
        .into_iter()
        .map(|wanted| json!({ "property": name, "op": "equals", "value": wanted }))
        .collect();
    let event = asked.needed("event")?;
    let selection = json!({ "event": event, "filters": filters, "where": asked.text("where") });
    let more = json!({ "measure": trend::measure(&asked)?, "breakdown": [name] });
    let answer = trend::run(&asked, &[selection], more, unit, range).await?;
    let shown = answer
        .series
        .iter()
        .filter(|series| !trend::is_rest(series));
    let values = shown.take(limit);
    let values = values.map(|series| (trend::name(series), trend::by_date(&answer, series)));
    let values = values.collect();
    Ok(trend::envelope(&answer, &values))
}

/// The properties of an event, and how many of the last days' events have each.
pub(super) async fn properties_top(asked: Asked) -> Answer<Value> {
    let limit = asked.number("limit", 10, LIMIT_MAX)? as usize;
    let event = asked.needed("event")?;
    let catalog = catalog(&asked);
    let properties: Vec<&str> = catalog
        .properties
        .iter()
        .map(|info| &*info.property)
        .collect();
    let selections: Vec<Value> = properties
        .iter()
        .map(|property| {
            json!({ "event": event, "filters": [{ "property": property, "op": "is_set" }] })
        })
        .collect();
    if selections.is_empty() {
        return Ok(Json(json!({})));
    }
    let range = Range::last(&asked, DAYS);
    let answer = trend::run(&asked, &selections, json!({}), "month", range).await?;
    let mut counts: Vec<(f64, &str)> = answer
        .series
        .iter()
        .zip(properties)
        .map(|(series, property)| (trend::total(series), property))
        .filter(|(count, _)| *count > 0.0)
        .collect();
    counts.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1)));
    counts.truncate(limit);
    let counts = counts
        .into_iter()
        .map(|(count, property)| (property.to_owned(), json!({ "count": whole(count) })));
    Ok(Json(Value::Object(counts.collect::<Map<_, _>>())))
}

/// The values of a property of an event, most frequent of the last days first.
pub(super) async fn properties_values(asked: Asked) -> Answer<Value> {
    let limit = asked.number("limit", LIMIT, LIMIT_MAX)? as usize;
    let selection = trend::selection(asked.needed("event")?, None);
    let more = json!({ "breakdown": [asked.needed("name")?] });
    let range = Range::last(&asked, DAYS);
    let answer = trend::run(&asked, &[selection], more, "month", range).await?;
    let values: Vec<String> = answer
        .series
        .iter()
        .filter(|series| !trend::is_rest(series))
        .filter_map(|series| series.segment.first().cloned().flatten())
        .take(limit)
        .collect();
    Ok(Json(json!(values)))
}

async fn counted(
    asked: &Asked,
    names: &[String],
    unit: &str,
    range: Range,
) -> Result<Segmentation, ApiError> {
    let condition = asked.text("where");
    let selections: Vec<Value> = names
        .iter()
        .map(|name| trend::selection(name, condition))
        .collect();
    let more = json!({ "measure": trend::measure(asked)? });
    trend::run(asked, &selections, more, unit, range).await
}

fn catalog(asked: &Asked) -> CatalogInfo {
    asked.system.store.catalog(&asked.project)
}

/// A count as a number without fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "counts are whole; averages stay as they are"
)]
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        json!(number as i64)
    } else {
        json!(number)
    }
}
