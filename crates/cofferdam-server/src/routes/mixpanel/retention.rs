//! `/retention`: cohorts by date, and how many of each came back.

use super::asked::Asked;
use super::trend;
use crate::error::ApiError;
use crate::routes::api::Answer;
use crate::routes::reports::{self, Named};
use crate::routes::sent;
use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Most buckets of a report.
const BUCKETS_MAX: u32 = 366;

/// Of those who were born on a date, how many came back after how long.
pub(super) async fn retention(asked: Asked) -> Answer<Value> {
    let kind = asked.word("retention_type", &["birth", "compounded"])?;
    let unit = asked.word("unit", &["day", "week", "month"])?;
    let every = asked.number("interval", 1, BUCKETS_MAX)?;
    let buckets = asked.number("interval_count", 1, BUCKETS_MAX)?;
    if asked.text("on").is_some() {
        let message =
            "retention by segment is not answered here; ask POST /api/v1/reports/retention";
        return Err(ApiError::invalid("on", message));
    }
    let returned = trend::selection(asked.text("event").unwrap_or("$all"), asked.text("where"));
    let born = match (kind, asked.text("born_event")) {
        ("birth", None) => return Err(ApiError::invalid("born_event", "it is missing")),
        // Without one, who does the event is born by it.
        (_, None) => returned.clone(),
        (_, Some(event)) => trend::selection(event, asked.text("born_where")),
    };
    let brackets: Vec<u32> = (1..=buckets)
        .map(|bucket| bucket.saturating_mul(every))
        .collect();
    let births = if kind == "birth" {
        "first"
    } else {
        "recurring"
    };
    let counted = if asked.flag("unbounded_retention") {
        "on_or_after"
    } else {
        "on"
    };
    let request = json!({ "project": asked.project, "born": born, "returned": returned, "from": asked.day("from_date")?,
        "to": asked.day("to_date")?, "timezone": asked.timezone(), "unit": unit, "brackets": brackets, "births": births,
        "counted": counted });
    let request = sent::value(&request, "request")?;
    let state = State(Arc::clone(&asked.system));
    let Json(answer) =
        reports::retention(state, asked.asking, Named::default(), sent::Body(request)).await?;
    let cohorts = answer.cohorts.into_iter().map(|cohort| {
        let counts = json!({ "counts": cohort.counts, "first": cohort.size });
        (cohort.start, counts)
    });
    Ok(Json(Value::Object(cohorts.collect::<Map<_, _>>())))
}
