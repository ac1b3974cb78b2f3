//! Reports over groups of people; who is behind their bars; those that run.

use super::api::{Answer, Shared, known_project};
use super::sent::{Body, Path};
use crate::auth::Asking;
use crate::error::ApiError;
use crate::reports::{Question, RunningReport, answer};
use crate::system::System;
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use cofferdam_access::{Permit, ReadConfig, ReadPeople, ReadReport};
use cofferdam_model::ProjectName;
use cofferdam_query::{
    Flows, FlowsRequest, Funnel, FunnelRequest, QueryError, ReportBar, Retention, RetentionRequest,
    Segmentation, SegmentationRequest,
};
use cofferdam_store::CatalogInfo;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use utoipa::ToSchema;

/// Longest name that somebody may give to what they ask, bytes.
const NAME_MAX: usize = 64;

/// What whoever asks calls the report, by the header `cofferdam-query`: to see how far it is, and to end it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let name = parts.headers.get("cofferdam-query");
        let name = name.and_then(|name| name.to_str().ok());
        let name = name.filter(|name| (1..=NAME_MAX).contains(&name.len()));
        Ok(Self(name.map(str::to_owned)))
    }
}

/// Trends: figures of events by time and properties.
#[utoipa::path(post, path = "/api/v1/reports/segmentation", request_body = SegmentationRequest,
    responses((status = 200, body = Segmentation)))]
pub(crate) async fn segmentation(
    State(system): Shared,
    asking: Asking,
    Named(name): Named,
    Body(mut request): Body<SegmentationRequest>,
) -> Answer<Segmentation> {
    let permit = reading(&system, &asking, "reports/segmentation").await?;
    let project = request.project.clone();
    request.timezone = zone(&system, &project, request.timezone);
    let question = Question {
        kind: "segmentation",
        project: &project,
        request,
        name,
    };
    let compute = cofferdam_query::segmentation;
    Ok(Json(answer(&system, permit, question, compute).await?))
}

/// How many of those who began went on, how far, and how fast.
#[utoipa::path(post, path = "/api/v1/reports/funnel", request_body = FunnelRequest,
    responses((status = 200, body = Funnel)))]
pub(crate) async fn funnel(
    State(system): Shared,
    asking: Asking,
    Named(name): Named,
    Body(mut request): Body<FunnelRequest>,
) -> Answer<Funnel> {
    let permit = reading(&system, &asking, "reports/funnel").await?;
    let project = request.project.clone();
    request.timezone = zone(&system, &project, request.timezone);
    let question = Question {
        kind: "funnel",
        project: &project,
        request,
        name,
    };
    let compute = cofferdam_query::funnel;
    Ok(Json(answer(&system, permit, question, compute).await?))
}

/// How many of those who were born came back, and after how long.
#[utoipa::path(post, path = "/api/v1/reports/retention", request_body = RetentionRequest,
    responses((status = 200, body = Retention)))]
pub(crate) async fn retention(
    State(system): Shared,
    asking: Asking,
    Named(name): Named,
    Body(mut request): Body<RetentionRequest>,
) -> Answer<Retention> {
    let permit = reading(&system, &asking, "reports/retention").await?;
    let project = request.project.clone();
    request.timezone = zone(&system, &project, request.timezone);
    let question = Question {
        kind: "retention",
        project: &project,
        request,
        name,
    };
    let compute = cofferdam_query::retention;
    Ok(Json(answer(&system, permit, question, compute).await?))
}

/// What people do before and after an event.
#[utoipa::path(post, path = "/api/v1/reports/flows", request_body = FlowsRequest,
    responses((status = 200, body = Flows)))]
pub(crate) async fn flows(
    State(system): Shared,
    asking: Asking,
    Named(name): Named,
    Body(mut request): Body<FlowsRequest>,
) -> Answer<Flows> {
    let permit = reading(&system, &asking, "reports/flows").await?;
    let project = request.project.clone();
    request.timezone = zone(&system, &project, request.timezone);
    let question = Question {
        kind: "flows",
        project: &project,
        request,
        name,
    };
    let compute = cofferdam_query::flows;
    Ok(Json(answer(&system, permit, question, compute).await?))
}

/// Whose people are asked for, and which of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeopleBehind {
    /// The report and the bar.
    bar: ReportBar,
    #[serde(flatten)]
    page: Page,
}

/// Which of many people.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub(crate) struct Page {
    /// Only people with higher numbers: `next` of the answer before.
    #[serde(default)]
    after: Option<u32>,
    /// How many, 1 to 1,000.
    #[serde(default = "page_default")]
    limit: usize,
}

fn page_default() -> usize {
    100
}

/// People, by number.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PeopleFound {
    /// How many there are, on all pages.
    people: u64,
    /// This page: canonical person numbers, ascending.
    page: Vec<u32>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    next: Option<u32>,
}

impl Page {
    pub(crate) fn check(self) -> Result<Self, ApiError> {
        if (1..=1_000).contains(&self.limit) {
            return Ok(self);
        }
        Err(ApiError::invalid("limit", "1 to 1,000 are allowed"))
    }

    pub(crate) fn of(self, people: &[u32]) -> PeopleFound {
        let first = self
            .after
            .map_or(0, |after| people.partition_point(|number| *number <= after));
        let rest = people.get(first..).unwrap_or(&[]);
        let page: Vec<u32> = rest.iter().take(self.limit).copied().collect();
        PeopleFound {
            people: people.len() as u64,
            next: page.last().copied().filter(|_| rest.len() > page.len()),
            page,
        }
    }
}

/// The people behind a bar, cell or band of a report: as many as it counted.
#[utoipa::path(post, path = "/api/v1/reports/people", operation_id = "people_behind", request_body = PeopleBehind,
    responses((status = 200, body = PeopleFound)))]
pub(crate) async fn people(
    State(system): Shared,
    asking: Asking,
    Named(name): Named,
    Body(PeopleBehind { mut bar, page }): Body<PeopleBehind>,
) -> Answer<PeopleFound> {
    let page = page.check()?;
    let permit = reading(&system, &asking, "reports/people").await?;
    let _people: Permit<ReadPeople> = system.access.permit(&asking.0, "reports/people").await?;
    let project = bar.project().clone();
    known_project(&system, project.as_str())?;
    *bar.timezone() = zone(&system, &project, bar.timezone().take());
    let question = Question {
        kind: "people",
        project: &project,
        request: bar,
        name,
    };
    let found = answer(&system, permit, question, |inputs, bar| {
        let people = cofferdam_query::people_behind(inputs, bar)?;
        Ok(people.numbers().collect::<Vec<u32>>())
    });
    let found = found.await.map_err(|error| error.below("bar"))?;
    Ok(Json(page.of(&found)))
}

/// The reports that run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunningReports {
    /// By number.
    reports: Vec<RunningReport>,
}

/// The reports that run, and how far they are.
#[utoipa::path(get, path = "/api/v1/reports/running", operation_id = "running_reports",
    responses((status = 200, body = RunningReports)))]
pub(crate) async fn running(State(system): Shared, asking: Asking) -> Answer<RunningReports> {
    let _permit = reading(&system, &asking, "reports/running").await?;
    let reports = system.reports.running.all();
    Ok(Json(RunningReports { reports }))
}

/// How many reports were ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ended {
    ended: usize,
}

/// Ends the reports of that number, or of that name; whoever asked is told so.
#[utoipa::path(delete, path = "/api/v1/reports/running/{name}", operation_id = "end_report", params(("name" = String, Path)),
    responses((status = 200, body = Ended)))]
pub(crate) async fn end(
    State(system): Shared,
    asking: Asking,
    Path(name): Path<String>,
) -> Answer<Ended> {
    let _permit = reading(&system, &asking, "reports/running").await?;
    let ended = system.reports.running.end(&name);
    if ended == 0 {
        return Err(ApiError::not_found("running report", &name, &[]));
    }
    Ok(Json(Ended { ended }))
}

async fn reading(
    system: &System,
    asking: &Asking,
    resource: &str,
) -> Result<Permit<ReadReport>, ApiError> {
    Ok(system.access.permit(&asking.0, resource).await?)
}

/// The time zone asked for, else the project's.
pub(crate) fn zone(
    system: &System,
    project: &ProjectName,
    asked: Option<String>,
) -> Option<String> {
    asked.or_else(|| {
        let config = system.config();
        let mut projects = config.projects.iter();
        let known = projects.find(|known| known.name == *project);
        known.map(|known| known.timezone.clone())
    })
}

/// Events and properties of a project, by name and type.
#[utoipa::path(get, path = "/api/v1/projects/{project}/schema", params(("project" = String, Path)),
    responses((status = 200, body = CatalogInfo)))]
pub(super) async fn schema(
    State(system): Shared,
    asking: Asking,
    Path(project): Path<String>,
) -> Answer<CatalogInfo> {
    let _permit = system
        .access
        .permit::<ReadConfig>(&asking.0, &format!("project/{project}/schema"))
        .await?;
    let project = known_project(&system, &project)?;
    Ok(Json(system.store.catalog(&project)))
}

/// A query's error as an API error.
pub(crate) fn query_error(error: QueryError) -> ApiError {
    match error {
        QueryError::Invalid {
            path,
            message,
            allowed,
            suggestions,
        } => ApiError::invalid(&path, message)
            .allowed(allowed)
            .suggestions(suggestions),
        QueryError::TooLarge { path, message } => ApiError::invalid(&path, message),
        QueryError::Sql {
            message,
            at,
            allowed,
            suggestions,
        } => ApiError::invalid_text("query", at.map(|at| (at.line, at.column)), message)
            .allowed(allowed)
            .suggestions(suggestions),
        QueryError::Cancelled => {
            ApiError::new(StatusCode::CONFLICT, "cancelled", error.to_string())
        }
        QueryError::TooSlow { .. } => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too_slow",
            error.to_string(),
        ),
        QueryError::Store(source) => ApiError::internal(&source),
    }
}
