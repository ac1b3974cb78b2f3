//! Explain: what would happen to an event, field by field, and why. Nothing of it is kept.

use super::api::{Answer, Shared, known_project};
use super::sent::Body;
use crate::auth::Asking;
use crate::error::ApiError;
use crate::pipeline::Forgotten;
use axum::Json;
use axum::extract::State;
use cofferdam_access::ReadConfig;
use cofferdam_model::{Incoming, Provenance};
use cofferdam_policy::{
    ConsentState, Explanation, FieldExplanation, FieldOutcome, IntakeContext, Signals,
};
use cofferdam_wire::mixpanel;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An event as an SDK would send it.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ExplainRequest {
    project: String,
    event: Value,
}

/// What would happen to an event, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explained {
    event: String,
    /// `accepted`, or why the whole event is refused.
    decision: String,
    policy: u32,
    fields: Vec<ExplainedField>,
    /// Vendors that get nothing of it, in words.
    notes: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ExplainedField {
    path: String,
    #[serde(rename = "type")]
    value_type: &'static str,
    category: &'static str,
    rule: String,
    evidence: String,
    because: String,
    /// Whether personal data in it is masked, for everybody, before any form.
    masked: bool,
    home: Outcome,
    /// By vendor id.
    vendors: BTreeMap<String, Outcome>,
}

/// The form in which a recipient gets a field, or why it does not.
#[derive(Debug, Serialize, ToSchema)]
struct Outcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<&'static str>,
}

/// What would happen to an event, and why.
#[utoipa::path(post, path = "/api/v1/explain", request_body = ExplainRequest, responses((status = 200, body = Explained)))]
pub(super) async fn explain(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<ExplainRequest>,
) -> Answer<Explained> {
    let _permit = system
        .access
        .permit::<ReadConfig>(&asking.0, "explain")
        .await?;
    let project = known_project(&system, &request.project)?;
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
    let forgotten = Forgotten::of(&system.vault, &project);
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
        forgotten: forgotten.as_ref().map(|forgotten| forgotten as _),
    };
    let explanation = system.policies.active().explain(&context, event);
    Ok(Json(describe(&event.name, explanation)))
}

fn describe(event: &str, explanation: Explanation) -> Explained {
    let decision = match explanation.refused {
        Some(refusal) => format!("refused, because {}", refusal.because()),
        None => "accepted".to_owned(),
    };
    let notes = explanation
        .vendors
        .iter()
        .filter_map(|vendor| {
            let because = vendor.refused?.because();
            Some(format!("{} gets nothing, because {because}", vendor.vendor))
        })
        .collect();
    Explained {
        event: event.to_owned(),
        decision,
        policy: explanation.policy.0,
        fields: explanation.fields.into_iter().map(field).collect(),
        notes,
    }
}

fn field(field: FieldExplanation) -> ExplainedField {
    let vendors = field.vendors.into_iter();
    ExplainedField {
        path: field.path.to_string(),
        value_type: crate::fields::name_of(field.value_type),
        category: field.category.key(),
        rule: field.rule.to_string(),
        evidence: field.evidence.to_string(),
        because: field.because,
        masked: field.masked,
        home: field.home.into(),
        vendors: vendors
            .map(|(vendor, outcome)| (vendor.to_string(), outcome.into()))
            .collect(),
    }
}

impl From<FieldOutcome> for Outcome {
    fn from(outcome: FieldOutcome) -> Self {
        match outcome {
            FieldOutcome::Form(form) => Self {
                form: Some(form.as_str()),
                withheld: None,
                because: None,
            },
            FieldOutcome::Refused(refusal) => Self {
                form: None,
                withheld: Some(refusal.code()),
                because: Some(refusal.because()),
            },
        }
    }
}
