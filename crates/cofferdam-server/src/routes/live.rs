//! Live: the last events as stored, what was withheld and why, from home and from each vendor.

use super::api::{Answer, Shared};
use super::sent::Query;
use crate::auth::Asking;
use crate::live::LiveRecord;
use crate::projector::home_form;
use crate::shown::shows_text;
use crate::system::System;
use axum::Json;
use axum::extract::State;
use cofferdam_access::ReadEvents;
use cofferdam_egress::{SendState, VendorStatus};
use cofferdam_model::{Category, Form, Refusal, Value};
use cofferdam_policy::{ConsentState, FieldOutcome, HomeItem, SendContext, VendorSource};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Most events of one answer.
const EVENTS_MAX: usize = 200;

#[derive(Debug, Deserialize)]
pub(super) struct LiveQuery {
    project: Option<String>,
    limit: Option<usize>,
    after_seq: Option<u64>,
}

/// The last events, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LiveEvents {
    events: Vec<LiveEvent>,
    next_seq: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct LiveEvent {
    seq: u64,
    received: i64,
    time: i64,
    project: String,
    event: String,
    person: u32,
    #[schema(required)]
    organization: Option<u32>,
    provenance: Standing,
    #[schema(required)]
    refused: Option<Because>,
    fields: Vec<LiveField>,
    vendors: Vec<LiveVendor>,
}

/// How far the sender is believed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Standing {
    /// It came with a server's secret.
    Verified,
    /// It came with the public token.
    Claimed,
}

#[derive(Debug, Serialize, ToSchema)]
struct LiveField {
    path: String,
    category: &'static str,
    rule: String,
    #[schema(required)]
    form: Option<&'static str>,
    /// As home keeps it; `null` also for text of fields that no rule knows.
    #[schema(value_type = Option<serde_json::Value>, required)]
    value: Option<Value<'static>>,
    #[schema(required)]
    withheld: Option<Because>,
}

#[derive(Debug, Serialize, ToSchema)]
struct LiveVendor {
    id: String,
    /// What it gets, in which form.
    given: Vec<Given>,
    /// What it does not get of this event, and why.
    withheld: Vec<WithheldField>,
    /// Why it gets nothing at all of this event.
    #[schema(required)]
    refused: Option<Because>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Given {
    path: String,
    form: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct WithheldField {
    path: String,
    reason: &'static str,
    because: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct Because {
    reason: &'static str,
    because: &'static str,
}

impl From<Refusal> for Because {
    fn from(refusal: Refusal) -> Self {
        Self {
            reason: refusal.code(),
            because: refusal.because(),
        }
    }
}

/// The last events as they were stored.
#[utoipa::path(get, path = "/api/v1/live",
    params(("project" = Option<String>, Query), ("limit" = Option<usize>, Query), ("after_seq" = Option<u64>, Query)),
    responses((status = 200, body = LiveEvents)))]
pub(super) async fn live(
    State(system): Shared,
    asking: Asking,
    Query(query): Query<LiveQuery>,
) -> Answer<LiveEvents> {
    let _permit = system
        .access
        .permit::<ReadEvents>(&asking.0, "live")
        .await?;
    let limit = query.limit.unwrap_or(50).min(EVENTS_MAX);
    let mut records = system.live.newest(query.after_seq, limit);
    if let Some(project) = &query.project {
        records.retain(|record| record.record.project().as_str() == project);
    }
    let next_seq = records
        .first()
        .map_or(query.after_seq.unwrap_or(0), |record| record.seq);
    let statuses = system.egress.status().await;
    let mut events = Vec::with_capacity(records.len());
    for record in &records {
        events.push(describe(&system, record, &statuses).await);
    }
    Ok(Json(LiveEvents { events, next_seq }))
}

/// Text of a field that no rule knows may be a person's own, and here it would stand beside one person (P2).
fn is_shown(category: Category, value: &Value<'_>) -> bool {
    let is_plain = matches!(value, Value::Int(_) | Value::Float(_) | Value::Bool(_));
    is_plain || shows_text(category)
}

async fn describe(system: &System, live: &LiveRecord, statuses: &[VendorStatus]) -> LiveEvent {
    let record = &live.record;
    let policy = system.policies.active();
    let home = live.home.as_deref();
    let (name, values, withheld) = match home {
        Some(HomeItem::Event(event)) => (
            event.name.clone(),
            event.properties.as_slice(),
            event.withheld.as_slice(),
        ),
        Some(HomeItem::Update(update)) => (
            format!("profile {:?}", update.operation).to_lowercase(),
            update.values.as_slice(),
            update.withheld.as_slice(),
        ),
        None => ("(not kept)".to_owned(), &[][..], &[][..]),
    };
    let fields = record
        .shape()
        .iter()
        .map(|field| {
            let bare = bare(&field.path);
            let refusal = withheld
                .iter()
                .find(|(path, _)| bare_eq(path, bare))
                .map(|(_, refusal)| *refusal)
                .or(field.refusal);
            let form = refusal
                .is_none()
                .then(|| home_form(&policy, field.category));
            let value = values
                .iter()
                .find(|(path, _)| bare_eq(path, bare))
                .map(|(_, value)| value.clone());
            LiveField {
                path: field.path.to_string(),
                category: field.category.key(),
                rule: field.rule.to_string(),
                form: form.map(Form::as_str),
                value: value.filter(|value| refusal.is_none() && is_shown(field.category, value)),
                withheld: refusal.map(Because::from),
            }
        })
        .collect();
    let mut vendors = Vec::new();
    for vendor in &policy.source().vendors {
        let contained = statuses
            .iter()
            .any(|status| status.vendor == vendor.id && status.state == SendState::Contained);
        vendors.push(at_vendor(system, live, vendor, contained).await);
    }
    LiveEvent {
        seq: live.seq,
        received: record.received().0,
        time: record.time().0,
        project: record.project().to_string(),
        event: name,
        person: record.person().0,
        organization: record.organization().map(|organization| organization.0),
        provenance: match record.provenance() {
            cofferdam_model::Provenance::Verified => Standing::Verified,
            cofferdam_model::Provenance::Claimed => Standing::Claimed,
        },
        refused: None,
        fields,
        vendors,
    }
}

/// What a vendor gets of a record now, by asking policy as egress does.
async fn at_vendor(
    system: &System,
    live: &LiveRecord,
    vendor: &VendorSource,
    contained: bool,
) -> LiveVendor {
    let refused = |refusal: Refusal| LiveVendor {
        id: vendor.id.to_string(),
        given: Vec::new(),
        withheld: Vec::new(),
        refused: Some(refusal.into()),
    };
    if contained {
        return refused(Refusal::Contained);
    }
    let Ok(admitted_under) = system.policies.load(live.record.policy()) else {
        return refused(Refusal::PolicyBroken);
    };
    let region = vendor.destination_region.as_ref().unwrap_or(&vendor.region);
    let Ok(epoch) = system.vault.epoch(&vendor.id, region).await else {
        return refused(Refusal::PolicyBroken);
    };
    let standing = system
        .vault
        .consent(live.record.person())
        .vendor(&vendor.id, &vendor.purpose);
    let context = SendContext {
        epoch,
        today: system.clock.now().day(),
        consent: ConsentState {
            opted_in: standing.opted_in,
            objected: standing.objected,
        },
        opted_in_since: standing.opted_in_since,
        admitted_under: &admitted_under,
    };
    let policy = system.policies.sending();
    let told = policy.vendor_fields(
        &vendor.id,
        &live.record,
        &context,
        &*system.vault,
        &*system.vault,
    );
    let fields = match told {
        Ok(fields) => fields,
        Err(refusal) => return refused(refusal),
    };
    let (mut given, mut withheld) = (Vec::new(), Vec::new());
    for (path, outcome) in fields {
        let path = path.to_string();
        match outcome {
            FieldOutcome::Form(form) => given.push(Given {
                path,
                form: form.as_str(),
            }),
            FieldOutcome::Refused(refusal) => withheld.push(WithheldField {
                path,
                reason: refusal.code(),
                because: refusal.because(),
            }),
        }
    }
    LiveVendor {
        id: vendor.id.to_string(),
        given,
        withheld,
        refused: None,
    }
}

fn bare(path: &Arc<str>) -> &str {
    ["properties.", "profile.", "group."]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix))
        .unwrap_or(path)
}

fn bare_eq(path: &Arc<str>, name: &str) -> bool {
    bare(path) == name
}
