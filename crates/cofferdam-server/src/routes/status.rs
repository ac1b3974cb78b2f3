//! `GET /api/v1/status`: what the web app needs first, and whether anything needs attention.

use super::api::{Answer, Shared};
use crate::auth::Asking;
use crate::config::problem::Problem;
use crate::config::{self};
use axum::Json;
use axum::extract::State;
use cofferdam_access::ReadConfig;
use serde::Serialize;
use utoipa::ToSchema;

/// The state of the installation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    version: &'static str,
    started_at: i64,
    now: i64,
    mode: RunMode,
    public_url: String,
    projects: Vec<ProjectStatus>,
    vendors: Vec<VendorName>,
    journal: JournalStatus,
    /// Ids of forgotten people whose rows are not rewritten yet: an erasure was cut short or failed, and is tried again every minute.
    erasures_unfinished: usize,
    policy: PolicyStatus,
    warnings: Vec<Problem>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RunMode {
    Serve,
    Demo,
}

/// Whether the configuration folder as it is now is in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PolicyState {
    Active,
    /// It does not parse: every vendor is stopped, intake and home keep the last good policy.
    Broken,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProjectStatus {
    name: String,
    token: String,
    region: String,
    timezone: String,
    #[schema(required)]
    organization_key: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct VendorName {
    id: String,
    name: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct JournalStatus {
    healthy: bool,
    next_seq: u64,
    store_cursor: u64,
    visible_seq: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct PolicyStatus {
    id: u32,
    state: PolicyState,
    problems: Vec<Problem>,
}

/// The state of the installation: projects, vendors, journal, policy, warnings of the configuration.
#[utoipa::path(get, path = "/api/v1/status", responses((status = 200, body = Status)))]
pub(super) async fn status(State(system): Shared, asking: Asking) -> Answer<Status> {
    let _permit = system
        .access
        .permit::<ReadConfig>(&asking.0, "status")
        .await?;
    let config = system.config();
    let path = config.path.clone();
    let today = system.clock.now().day();
    let loaded =
        tokio::task::spawn_blocking(move || config::load(&path, &config::environment(), today))
            .await?;
    let unfinished = system.vault.unfinished_erasures().await?;
    let broken = system.policies.broken();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        started_at: system.started.0,
        now: system.clock.now().0,
        mode: if system.is_demo {
            RunMode::Demo
        } else {
            RunMode::Serve
        },
        public_url: if config.server.public_url.is_empty() {
            format!("http://{}", system.intake_address())
        } else {
            config.server.public_url.clone()
        },
        projects: config
            .projects
            .iter()
            .map(|project| ProjectStatus {
                name: project.name.to_string(),
                token: project.token.clone(),
                region: project.region.to_string(),
                timezone: project.timezone.clone(),
                organization_key: project.organization_key.clone(),
            })
            .collect(),
        vendors: config
            .vendors
            .iter()
            .map(|vendor| VendorName {
                id: vendor.id.to_string(),
                name: vendor.name.clone(),
            })
            .collect(),
        journal: JournalStatus {
            healthy: system.journal.is_healthy(),
            next_seq: *system.journal.durable().borrow(),
            store_cursor: system.store.cursor(),
            visible_seq: system.store.next_seq(),
        },
        erasures_unfinished: unfinished.len(),
        policy: PolicyStatus {
            id: system.policies.active().id().0,
            state: if broken.is_some() {
                PolicyState::Broken
            } else {
                PolicyState::Active
            },
            problems: broken.unwrap_or_default(),
        },
        warnings: loaded.problems,
    }))
}
