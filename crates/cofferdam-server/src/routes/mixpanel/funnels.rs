//! `/funnels`: saved funnels by number; each run by date of entry.

use super::asked::Asked;
use super::trend::Range;
use crate::boards::{ReportDraft, ReportKind, ReportRequest};
use crate::error::ApiError;
use crate::routes::api::Answer;
use crate::routes::reports::{self, Named};
use crate::routes::sent;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use cofferdam_access::ReadReport;
use cofferdam_model::Day;
use cofferdam_query::{Funnel, FunnelRequest, FunnelStep};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Most dates of one answer: each is a funnel of its own.
const DATES_MAX: i32 = 62;

/// The saved funnels of the project.
pub(super) async fn list(asked: Asked) -> Answer<Value> {
    let saved = saved(&asked).await?;
    let funnels: Vec<Value> = saved
        .iter()
        .map(|(id, name, _)| json!({ "funnel_id": id, "name": name }))
        .collect();
    Ok(Json(json!(funnels)))
}

/// A saved funnel: of those who entered on a date, how many went how far.
pub(super) async fn funnels(asked: Asked) -> Answer<Value> {
    let id = asked.needed("funnel_id")?;
    let saved = saved(&asked).await?;
    let found = saved
        .into_iter()
        .find(|(number, ..)| number.to_string() == id);
    let (_, _, mut funnel) = found.ok_or_else(|| {
        let message = "there is no saved funnel of that number; see /api/query/funnels/list";
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    })?;
    let unit = asked.word("unit", &["day", "week", "month"])?;
    let days = match unit {
        "week" => 7,
        "month" => 30,
        _ => i32::try_from(asked.number("interval", 1, 366)?).unwrap_or(1),
    };
    let range = Range::of(&asked, unit)?;
    if (range.to.0 - range.from.0) / days >= DATES_MAX {
        let message = format!("more than {DATES_MAX} dates; give a larger unit or interval");
        return Err(ApiError::invalid("to_date", message));
    }
    if let Some(on) = asked.text("on") {
        let message = format!(
            "`{on}`: funnels by segment are not answered here; ask POST /api/v1/reports/funnel"
        );
        return Err(ApiError::invalid("on", message));
    }
    adjust(&asked, &mut funnel)?;
    let (mut dates, mut data) = (Vec::new(), Map::new());
    let mut from = range.from;
    while from <= range.to {
        let to = Day(from.0.saturating_add(days - 1).min(range.to.0));
        let request = FunnelRequest {
            from,
            to,
            ..funnel.clone()
        };
        let state = State(Arc::clone(&asked.system));
        let Json(answer) =
            reports::funnel(state, asked.asking, Named::default(), sent::Body(request)).await?;
        dates.push(json!(from));
        if let Value::String(date) = json!(from) {
            data.insert(date, described(&funnel.steps, &answer));
        }
        from = Day(to.0.saturating_add(1));
    }
    Ok(Json(json!({ "meta": { "dates": dates }, "data": data })))
}

/// What the request changes: the window, and a condition on every step.
fn adjust(asked: &Asked, funnel: &mut FunnelRequest) -> Result<(), ApiError> {
    funnel.timezone = Some(asked.timezone());
    funnel.trend = None;
    funnel.breakdown = Vec::new();
    if asked.text("length").is_some() {
        let unit = asked.word("length_unit", &["day", "hour", "minute", "second"])?;
        let window = json!({ "length": asked.number("length", 1, 1_000_000)?, "unit": unit });
        funnel.window = sent::value(&window, "length")?;
    }
    if let Some(condition) = asked.text("where") {
        for step in &mut funnel.steps {
            let own = step.selection.condition.take();
            step.selection.condition = Some(match own {
                Some(own) => format!("({own}) and ({condition})"),
                None => condition.to_owned(),
            });
        }
    }
    Ok(())
}

/// A funnel as Mixpanel shows it.
fn described(steps: &[FunnelStep], answer: &Funnel) -> Value {
    let entered = answer.steps.first().map_or(0, |step| step.count);
    let completed = answer.steps.last().map_or(0, |step| step.count);
    let shown: Vec<Value> = steps
        .iter()
        .zip(&answer.steps)
        .map(|(step, counts)| {
            let event = &step.selection.event;
            let seconds = |durations: Option<cofferdam_query::Durations>| {
                durations.map(|durations| durations.average)
            };
            json!({ "count": counts.count, "avg_time": seconds(counts.from_previous),
                "avg_time_from_start": seconds(counts.from_first),
                "step_conv_ratio": counts.step_conversion.unwrap_or(if entered > 0 { 1.0 } else { 0.0 }),
                "overall_conv_ratio": counts.conversion.unwrap_or(0.0), "goal": event, "event": event,
                "step_label": step.label.as_ref().unwrap_or(event) })
        })
        .collect();
    let ratios = answer.steps.iter().enumerate().skip(1);
    let worst = ratios.min_by(|one, other| {
        let ratio = |step: Option<f64>| step.unwrap_or(0.0);
        ratio(one.1.step_conversion).total_cmp(&ratio(other.1.step_conversion))
    });
    json!({ "steps": shown, "analysis": { "completion": completed, "starting_amount": entered,
        "steps": steps.len(), "worst": worst.map_or(0, |(step, _)| step) } })
}

/// Number, name and request of the project's saved funnels.
async fn saved(asked: &Asked) -> Result<Vec<(u64, String, FunnelRequest)>, ApiError> {
    let system = &asked.system;
    let about = format!("project/{}/saved-reports", asked.project);
    let permit = system.access.permit::<ReadReport>(&asked.asking.0, &about);
    let permit = permit.await?;
    let project = Some(asked.project.as_str());
    let kept = system.boards.list::<ReportDraft>(&permit, project).await?;
    let mut funnels = Vec::new();
    for stored in kept {
        let report = stored.content;
        if report.kind == ReportKind::Funnel
            && let ReportRequest::Funnel(request) = report.read()?
        {
            funnels.push((stored.id, report.name, request));
        }
    }
    Ok(funnels)
}
