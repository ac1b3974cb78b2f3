//! Vendors: contract, table in words, delivery, containment.

pub(super) mod containment;

use super::api::{Answer, Shared};
use super::sent::Path;
use super::words;
use crate::auth::Asking;
use crate::config::problem::Problem;
use crate::config::{Config, VendorConfig, VendorKind};
use crate::error::ApiError;
use crate::system::{PastVendor, System};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use cofferdam_access::ReadConfig;
use cofferdam_egress::{SendState, VendorStatus, WithheldCount};
use cofferdam_model::{Category, Day, Form};
use serde::Serialize;
use utoipa::ToSchema;

/// All vendors.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Vendors {
    vendors: Vec<Vendor>,
    /// Vendors that are no longer configured, but that the ledger may hold exposures of.
    past: Vec<Past>,
}

/// A vendor whose file is gone.
#[derive(Debug, Serialize, ToSchema)]
struct Past {
    id: String,
    name: String,
    /// The last UTC day on which it was configured, if that is known.
    #[schema(required)]
    last_day: Option<String>,
}

/// A vendor: company, contract, table, delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Vendor {
    id: String,
    name: String,
    #[schema(value_type = String)]
    kind: VendorKind,
    #[schema(required)]
    endpoint: Option<String>,
    region: String,
    #[schema(required)]
    destination_region: Option<String>,
    purpose: String,
    projects: Vec<String>,
    consent: Consent,
    legal_basis: String,
    mode: Mode,
    #[schema(value_type = Option<String>, required)]
    observe_until: Option<Day>,
    contract: Contract,
    receives: Vec<Receives>,
    delivery: Delivery,
    withheld: Vec<FieldWithheld>,
    would_withhold: Vec<FieldWithheld>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Contract {
    reference: String,
    #[schema(required)]
    signed: Option<String>,
    #[schema(value_type = Option<String>, required)]
    expires: Option<Day>,
    #[schema(value_type = Option<String>, required)]
    reviewed: Option<Day>,
    #[schema(required)]
    breach_notice_hours: Option<u32>,
    #[schema(required)]
    retention_days: Option<u32>,
    retention_verified: bool,
    subprocessors: Vec<String>,
    certifications: Vec<Certification>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Certification {
    kind: String,
    #[schema(required)]
    expires: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Receives {
    #[schema(value_type = String)]
    category: Category,
    #[schema(value_type = String)]
    form: Form,
    words: String,
}

/// How a vendor's delivery is doing.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DeliveryState {
    /// Nothing waits.
    Idle,
    /// Events are on their way.
    Healthy,
    /// The vendor does not answer well; events wait and are retried.
    BackingOff,
    /// The vendor refuses our credentials or requests.
    Blocked,
    /// The flow is stopped.
    Contained,
    /// Sending stopped on an internal error.
    Faulty,
    /// Its worker does not run.
    Stopped,
    /// Its traffic does not pass here.
    External,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Consent {
    OptOut,
    OptIn,
    None,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Enforce,
    Observe,
}

#[derive(Debug, Serialize, ToSchema)]
struct Delivery {
    state: DeliveryState,
    #[schema(required)]
    last_success: Option<i64>,
    #[schema(required)]
    last_error: Option<LastError>,
    delivered: u64,
    possible: u64,
    refused: Vec<Reason>,
    withheld: Vec<Reason>,
    backlog: Backlog,
    rate_per_minute: f64,
    #[schema(required)]
    next_attempt: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct LastError {
    code: &'static str,
    #[schema(required)]
    status: Option<u16>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Reason {
    reason: String,
    because: String,
    count: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Backlog {
    events: u64,
    bytes: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct FieldWithheld {
    path: String,
    reason: &'static str,
    because: &'static str,
    values: u64,
}

/// All vendors and how they are doing.
#[utoipa::path(get, path = "/api/v1/vendors", operation_id = "list_vendors", responses((status = 200, body = Vendors)))]
pub(super) async fn list(State(system): Shared, asking: Asking) -> Answer<Vendors> {
    let _permit = system
        .access
        .permit::<ReadConfig>(&asking.0, "vendors")
        .await?;
    let config = system.config();
    let problems = problems(&system).await?;
    let statuses = system.egress.status().await;
    let vendors = config
        .vendors
        .iter()
        .map(|vendor| describe(&system, &config, vendor, &statuses, &problems))
        .collect();
    let past = past(&system).await?.into_iter().map(|past| Past {
        id: past.id.to_string(),
        name: past.name,
        last_day: past.last.map(|day| day.to_string()),
    });
    Ok(Json(Vendors {
        vendors,
        past: past.collect(),
    }))
}

/// One vendor.
#[utoipa::path(get, path = "/api/v1/vendors/{id}", params(("id" = String, Path)), responses((status = 200, body = Vendor)))]
pub(super) async fn show(
    State(system): Shared,
    asking: Asking,
    Path(id): Path<String>,
) -> Answer<Vendor> {
    let config = system.config();
    let vendor = &configured(&system, &id).await?;
    let _permit = system
        .access
        .permit::<ReadConfig>(&asking.0, &format!("vendor/{id}"))
        .await?;
    let problems = problems(&system).await?;
    let statuses = system.egress.status().await;
    Ok(Json(describe(
        &system, &config, vendor, &statuses, &problems,
    )))
}

/// The vendor of that id, or a 404 with those that there are.
fn find<'a>(config: &'a Config, id: &str) -> Result<&'a VendorConfig, ApiError> {
    config
        .vendors
        .iter()
        .find(|vendor| vendor.id.as_str() == id)
        .ok_or_else(|| {
            let known: Vec<&str> = config
                .vendors
                .iter()
                .map(|vendor| vendor.id.as_str())
                .collect();
            ApiError::not_found("vendor", id, &known)
        })
}

/// A vendor that the ledger can be asked about.
pub(super) enum Known {
    Configured(Box<VendorConfig>),
    Past(PastVendor),
}

/// The vendor of that id, configured or not any more, or a 404 with those that there are.
pub(super) async fn known(system: &System, id: &str) -> Result<Known, ApiError> {
    let config = system.config();
    if let Ok(vendor) = find(&config, id) {
        return Ok(Known::Configured(Box::new(vendor.clone())));
    }
    let mut past = past(system).await?;
    if let Some(at) = past.iter().position(|past| past.id.as_str() == id) {
        return Ok(Known::Past(past.swap_remove(at)));
    }
    let configured = config.vendors.iter().map(|vendor| vendor.id.as_str());
    let known: Vec<&str> = configured
        .chain(past.iter().map(|past| past.id.as_str()))
        .collect();
    Err(ApiError::not_found("vendor", id, &known))
}

/// The vendor of that id, to act upon or to describe; of one whose file is gone, the refusal says what still holds.
pub(super) async fn configured(system: &System, id: &str) -> Result<Box<VendorConfig>, ApiError> {
    let past = match known(system, id).await? {
        Known::Configured(vendor) => return Ok(vendor),
        Known::Past(past) => past,
    };
    let since = past
        .last
        .map_or_else(String::new, |day| format!(" since {day}"));
    Err(ApiError::new(
        StatusCode::NOT_FOUND,
        "not_configured",
        format!("`{id}` is no longer configured{since}: it gets nothing; its radius still answers"),
    ))
}

async fn past(system: &System) -> Result<Vec<PastVendor>, ApiError> {
    let past = system.past_vendors().await;
    past.map_err(|error| ApiError::internal(error.as_ref()))
}

async fn problems(system: &System) -> Result<Vec<Problem>, ApiError> {
    let (path, today) = (system.config().path.clone(), system.clock.now().day());
    let load = move || crate::config::load(&path, &crate::config::environment(), today).problems;
    Ok(tokio::task::spawn_blocking(load).await?)
}

fn describe(
    system: &System,
    config: &Config,
    vendor: &VendorConfig,
    statuses: &[VendorStatus],
    problems: &[Problem],
) -> Vendor {
    let policy = config
        .policy
        .vendors
        .iter()
        .find(|policy| policy.id == vendor.id);
    let contract = &vendor.contract;
    let status = statuses.iter().find(|status| status.vendor == vendor.id);
    let today = system.clock.now().day();
    Vendor {
        id: vendor.id.to_string(),
        name: vendor.name.clone(),
        kind: vendor.kind,
        endpoint: vendor.endpoint.clone(),
        region: vendor.region.to_string(),
        destination_region: vendor.destination_region.as_ref().map(ToString::to_string),
        purpose: vendor.purpose.clone(),
        projects: vendor.projects.iter().map(ToString::to_string).collect(),
        consent: match vendor.consent {
            cofferdam_policy::ConsentMode::OptOut => Consent::OptOut,
            cofferdam_policy::ConsentMode::OptIn => Consent::OptIn,
            cofferdam_policy::ConsentMode::None => Consent::None,
        },
        legal_basis: vendor.legal_basis.clone(),
        mode: if vendor.observe_until.is_some_and(|until| until >= today) {
            Mode::Observe
        } else {
            Mode::Enforce
        },
        observe_until: vendor.observe_until,
        contract: Contract {
            reference: contract.reference.clone(),
            signed: contract.signed.as_ref().map(ToString::to_string),
            expires: vendor.expires,
            reviewed: vendor.reviewed,
            breach_notice_hours: contract
                .breach_notice_hours
                .as_ref()
                .map(|hours| *hours.get_ref()),
            retention_days: contract.retention_days,
            retention_verified: contract.retention_verified,
            subprocessors: contract.subprocessors.clone(),
            certifications: contract
                .certifications
                .iter()
                .map(|held| Certification {
                    kind: held.kind.clone(),
                    expires: held.expires.map(|day| day.to_string()),
                })
                .collect(),
        },
        receives: policy
            .iter()
            .flat_map(|policy| &policy.receives)
            .map(|(category, form)| Receives {
                category: *category,
                form: *form,
                words: words::sentence(*category, *form),
            })
            .collect(),
        withheld: status.map_or_else(Vec::new, |status| fields(&status.withheld)),
        would_withhold: status.map_or_else(Vec::new, |status| fields(&status.would_withhold)),
        delivery: delivery(vendor, status),
        problems: problems
            .iter()
            .filter(|problem| problem.file.ends_with(&vendor.file))
            .cloned()
            .collect(),
    }
}

fn fields(counts: &[WithheldCount]) -> Vec<FieldWithheld> {
    let row = |count: &WithheldCount| FieldWithheld {
        path: count.field.to_string(),
        reason: count.refusal.code(),
        because: count.refusal.because(),
        values: count.count,
    };
    counts.iter().map(row).collect()
}

fn delivery(vendor: &VendorConfig, status: Option<&VendorStatus>) -> Delivery {
    let Some(status) = status else {
        let state = if vendor.kind == VendorKind::External {
            DeliveryState::External
        } else {
            DeliveryState::Stopped
        };
        return Delivery {
            state,
            last_success: None,
            last_error: None,
            delivered: 0,
            possible: 0,
            refused: Vec::new(),
            withheld: Vec::new(),
            backlog: Backlog {
                events: 0,
                bytes: 0,
            },
            rate_per_minute: 0.0,
            next_attempt: None,
        };
    };
    let totals = &status.totals;
    let refused = totals.refused.iter().map(|(reason, count)| {
        let name = serde_json::to_value(reason)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned));
        let reason = name.unwrap_or_default();
        Reason {
            because: format!("the vendor refused it: {}", reason.replace('_', " ")),
            reason,
            count: *count,
        }
    });
    let withheld = totals.withheld.iter().map(|(refusal, count)| Reason {
        reason: refusal.code().to_owned(),
        because: refusal.because().to_owned(),
        count: *count,
    });
    Delivery {
        state: status.state.into(),
        last_success: status.last_success.map(|time| time.0),
        last_error: status.last_error.map(|code| LastError {
            code,
            status: status.last_status,
        }),
        delivered: totals.delivered,
        possible: totals.announced,
        refused: refused.collect(),
        withheld: withheld.collect(),
        backlog: Backlog {
            events: status.backlog_records,
            bytes: status.backlog_bytes,
        },
        rate_per_minute: status.delivered_per_second * 60.0,
        next_attempt: status.next_attempt.map(|time| time.0),
    }
}

impl From<SendState> for DeliveryState {
    fn from(state: SendState) -> Self {
        match state {
            SendState::Idle => Self::Idle,
            SendState::Sending => Self::Healthy,
            SendState::BackingOff => Self::BackingOff,
            SendState::Refused => Self::Blocked,
            SendState::Contained => Self::Contained,
            SendState::Faulty => Self::Faulty,
            SendState::Stopped => Self::Stopped,
        }
    }
}
