//! Explain: what would happen to an event, field by field, and why. Nothing of it is kept.

use super::api::{Answer, Shared};
use crate::auth::Asking;
use crate::error::ApiError;
use axum::Json;
use axum::extract::State;
use cofferdam_access::ReadConfig;
use cofferdam_model::{Incoming, ProjectName, Provenance};
use cofferdam_policy::{ConsentState, Explanation, FieldOutcome, IntakeContext, Signals};
use cofferdam_wire::mixpanel;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// An event as an SDK would send it.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ExplainRequest {
    project: String,
    #[schema(value_type = Object)]
    event: Value,
}

/// What would happen to an event, and why.
#[utoipa::path(post, path = "/api/v1/explain", request_body = ExplainRequest, responses((status = 200, body = Object)))]
pub(super) async fn explain(
    State(system): Shared,
    asking: Asking,
    Json(request): Json<ExplainRequest>,
) -> Answer<Value> {
    let _permit = system
        .access
        .permit::<ReadConfig>(&asking.0, "explain")
        .await?;
    let config = system.config();
    let known: Vec<&str> = config
        .projects
        .iter()
        .map(|project| project.name.as_str())
        .collect();
    if !known.contains(&request.project.as_str()) {
        return Err(ApiError::not_found("project", &request.project, &known));
    }
    let project = ProjectName::from(request.project.as_str());
    let body =
        serde_json::to_vec(&json!([request.event])).map_err(|error| ApiError::internal(&error))?;
    let sent = mixpanel::Request {
        method: mixpanel::Method::Post,
        path: "/track",
        query: None,
        content_type: Some("application/json"),
        content_encoding: None,
        authorization: None,
        body: &body,
    };
    let limits = &system.pipeline.limits;
    let unreadable =
        |problem: cofferdam_wire::Malformed| ApiError::invalid("event", problem.to_string());
    let decoded = mixpanel::decode(mixpanel::Endpoint::Track, &sent, limits).map_err(unreadable)?;
    let batch = decoded.parse(limits).map_err(unreadable)?;
    let event = match (batch.items.first(), batch.rejected.first()) {
        (Some(Incoming::Event(event)), _) => event,
        (_, Some(rejected)) => {
            return Err(ApiError::invalid(
                &format!("event.{}", rejected.field),
                rejected.message,
            ));
        }
        _ => {
            return Err(ApiError::invalid(
                "event",
                "write {\"event\": name, \"properties\": {…}}",
            ));
        }
    };
    let context = IntakeContext {
        project: &project,
        received: system.clock.now(),
        provenance: Provenance::Claimed,
        signals: Signals::default(),
        consent: ConsentState::default(),
        address: None,
        place: None,
        user_agent: None,
        limits,
    };
    let explanation = system.policies.active().explain(&context, event);
    Ok(Json(describe(&event.name, &explanation)))
}

fn describe(event: &str, explanation: &Explanation) -> Value {
    let fields: Vec<Value> = explanation
        .fields
        .iter()
        .map(|field| {
            let vendors: Map<String, Value> =
                field.vendors.iter().map(|(vendor, outcome)| (vendor.to_string(), describe_outcome(outcome))).collect();
            json!({
                "path": field.path, "type": crate::fields::name_of(field.value_type), "category": field.category,
                "rule": field.rule, "evidence": field.evidence, "because": field.because,
                "home": describe_outcome(&field.home), "vendors": vendors,
            })
        })
        .collect();
    let decision = match explanation.refused {
        Some(refusal) => format!("refused, because {}", refusal.because()),
        None => "accepted".to_owned(),
    };
    let notes: Vec<String> = explanation
        .vendors
        .iter()
        .filter_map(|vendor| {
            vendor.refused.map(|refusal| {
                format!(
                    "{} gets nothing, because {}",
                    vendor.vendor,
                    refusal.because()
                )
            })
        })
        .collect();
    json!({ "event": event, "decision": decision, "policy": explanation.policy, "fields": fields, "notes": notes })
}

fn describe_outcome(outcome: &FieldOutcome) -> Value {
    match outcome {
        FieldOutcome::Form(form) => json!({ "form": form.as_str() }),
        FieldOutcome::Refused(refusal) => {
            json!({ "withheld": refusal.code(), "because": refusal.because() })
        }
    }
}
