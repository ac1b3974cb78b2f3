//! Running what is kept: a saved report, or a tile of a dashboard with the board's filters and days.
//!
//! Invariant: a report's own handler computes it, so that a kept report is permitted, recorded, folded and cut off as any other.

use super::{number, reading, sent_project};
use crate::auth::Asking;
use crate::boards::{
    DashboardDraft, RelativeRange, ReportDraft, ReportKind, ReportRequest, Stored, csv,
};
use crate::error::ApiError;
use crate::routes::api::Shared;
use crate::routes::reports::{self, Named};
use crate::routes::sent::{Body, Path, Query};
use crate::system::System;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cofferdam_model::Day;
use cofferdam_query::{Filter, Flows, Funnel, Retention, Segmentation};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What is different for this run, without being kept.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunOptions {
    /// Further conditions on every event; of a board's tile, in the place of the board's.
    #[serde(default)]
    filters: Option<Vec<Filter>>,
    /// Days counted back from now.
    #[serde(default)]
    range: Option<RelativeRange>,
    /// First day, with `to` and instead of `range`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    from: Option<Day>,
    /// Last day, inclusive.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    to: Option<Day>,
}

/// What came of running a saved report.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportRun {
    /// The saved report.
    pub(crate) report: u64,
    /// Its version.
    pub(crate) version: u32,
    /// Its name.
    pub(crate) name: String,
    /// What it asks for.
    pub(crate) kind: ReportKind,
    /// The request as it was run, with days and filters.
    pub(crate) request: ReportRequest,
    /// The answer of the kind's route.
    pub(crate) answer: ReportAnswer,
}

/// The answer of a report of any kind.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ReportAnswer {
    /// Of Trends.
    Segmentation(Segmentation),
    /// Of a funnel.
    Funnel(Funnel),
    /// Of retention.
    Retention(Retention),
    /// Of flows.
    Flows(Flows),
}

/// A report that is asked for once, as a table.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// The project.
    project: String,
    /// What it asks for.
    kind: ReportKind,
    /// The request, as the kind's route takes it; its project may be left out.
    #[schema(value_type = ReportRequest)]
    request: serde_json::Value,
    /// Days counted back from now, in the place of the request's own.
    #[serde(default)]
    range: Option<RelativeRange>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// As the report's route answers.
    #[default]
    Json,
    /// As a table.
    Csv,
}

/// What stands after the question mark of a run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(default)]
    format: Format,
}

/// Runs a saved report.
#[utoipa::path(post, path = "/api/v1/saved-reports/{id}/run", operation_id = "run_saved_report",
    params(("id" = u64, Path), ("format" = Option<String>, Query, description = "`json` or `csv`")), request_body = RunOptions,
    responses((status = 200, content((ReportRun = "application/json"), (String = "text/csv")))))]
pub(crate) async fn saved(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Query(wanted): Query<Wanted>,
    Body(options): Body<RunOptions>,
) -> Result<Response, ApiError> {
    let id = number("saved report", &id)?;
    let permit = reading(&system, &asking, &format!("saved-report/{id}")).await?;
    let report = system.boards.one(&permit, id).await?;
    let run = run(&system, asking, report, options).await?;
    Ok(written(run, wanted.format))
}

/// Runs the report of a dashboard's tile, with the board's filters and days.
#[utoipa::path(post, path = "/api/v1/dashboards/{id}/tiles/{tile}/run", operation_id = "run_tile",
    params(("id" = u64, Path), ("tile" = u32, Path), ("format" = Option<String>, Query, description = "`json` or `csv`")), request_body = RunOptions,
    responses((status = 200, content((ReportRun = "application/json"), (String = "text/csv")))))]
pub(crate) async fn tile(
    State(system): Shared,
    asking: Asking,
    Path((id, tile)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    Body(options): Body<RunOptions>,
) -> Result<Response, ApiError> {
    let id = number("dashboard", &Path(id))?;
    let permit = reading(&system, &asking, &format!("dashboard/{id}")).await?;
    let board: Stored<DashboardDraft> = system.boards.one(&permit, id).await?;
    let board = board.content;
    let shown = tile.parse().ok();
    let shown = shown.and_then(|number| board.tile(number)?.report);
    let Some(report) = shown else {
        let all = board.tiles.iter().filter(|tile| tile.report.is_some());
        let all: Vec<String> = all.map(|tile| tile.id.to_string()).collect();
        return Err(ApiError::not_found("tile with a report", &tile, &[]).allowed(all));
    };
    let report = system.boards.one(&permit, report).await?;
    let run = run(&system, asking, report, options.on(&board)).await?;
    Ok(written(run, wanted.format))
}

/// Runs a report once, and answers it as a table.
#[utoipa::path(post, path = "/api/v1/reports/csv", operation_id = "report_as_csv", request_body = Export,
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(crate) async fn export(
    State(system): Shared,
    asking: Asking,
    Body(export): Body<Export>,
) -> Result<Response, ApiError> {
    sent_project(&system, &export.project)?;
    let (kind, is_relative) = (export.kind, export.range.is_some());
    let request = ReportRequest::read(kind, &export.project, &export.request, is_relative)?;
    let request = moved(&system, request, export.range)?;
    let answer = answered(&system, asking, &request).await?;
    Ok(table("report", &request, &answer))
}

impl RunOptions {
    /// Other days, both inclusive.
    pub(crate) fn days(from: Day, to: Day) -> Self {
        Self {
            from: Some(from),
            to: Some(to),
            ..Self::default()
        }
    }

    /// The same on a board, whose filters and days hold where the options say nothing.
    pub(crate) fn on(self, board: &DashboardDraft) -> Self {
        let has_days = self.range.is_some() || self.from.is_some() || self.to.is_some();
        Self {
            range: if has_days { self.range } else { board.range },
            filters: Some(self.filters.unwrap_or_else(|| board.filters.clone())),
            ..self
        }
    }
}

/// Runs a saved report as `asking`.
pub(crate) async fn run(
    system: &Arc<System>,
    asking: Asking,
    report: Stored<ReportDraft>,
    options: RunOptions,
) -> Result<ReportRun, ApiError> {
    let draft = &report.content;
    let request = draft.read()?;
    let mut request = match (options.range, options.from, options.to) {
        (None, Some(from), Some(to)) => {
            let mut request = request;
            request.set_days(from, to);
            request
        }
        (range, None, None) => moved(system, request, range.or(draft.range))?,
        (Some(_), ..) => {
            let message = "give either `range` or `from` and `to`";
            return Err(ApiError::invalid("range", message));
        }
        (None, from, _) => {
            let missing = if from.is_none() { "from" } else { "to" };
            return Err(ApiError::invalid(
                missing,
                "`from` and `to` belong together",
            ));
        }
    };
    request.narrow(&options.filters.unwrap_or_default());
    let answer = answered(system, asking, &request).await?;
    Ok(ReportRun {
        report: report.id,
        version: report.version,
        name: report.content.name,
        kind: request.kind(),
        request,
        answer,
    })
}

/// The request with the days of a relative range, where there is one.
fn moved(
    system: &System,
    mut request: ReportRequest,
    range: Option<RelativeRange>,
) -> Result<ReportRequest, ApiError> {
    if let Some(range) = range {
        range.check("range")?;
        let timezone = reports::zone(system, request.project(), None);
        let timezone = timezone.as_deref().unwrap_or("UTC");
        request.move_to(range, system.clock.now(), timezone)?;
    }
    Ok(request)
}

fn written(run: ReportRun, format: Format) -> Response {
    match format {
        Format::Json => Json(run).into_response(),
        Format::Csv => table(&run.name, &run.request, &run.answer),
    }
}

/// The answer as a file of CSV.
fn table(name: &str, request: &ReportRequest, answer: &ReportAnswer) -> Response {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/csv; charset=utf-8; header=present".to_owned(),
        ),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.csv\""),
        ),
    ];
    (headers, answer.csv(request)).into_response()
}

impl ReportAnswer {
    /// As a table. An answer belongs to a request of its kind.
    fn csv(&self, request: &ReportRequest) -> String {
        match (request, self) {
            (ReportRequest::Segmentation(request), Self::Segmentation(answer)) => {
                csv::segmentation(request, answer)
            }
            (ReportRequest::Funnel(request), Self::Funnel(answer)) => csv::funnel(request, answer),
            (ReportRequest::Retention(request), Self::Retention(answer)) => {
                csv::retention(request, answer)
            }
            (ReportRequest::Flows(_), Self::Flows(answer)) => csv::flows(answer),
            _ => String::new(),
        }
    }
}

/// Asks the kind's own handler; errors have their path below `request`.
async fn answered(
    system: &Arc<System>,
    asking: Asking,
    request: &ReportRequest,
) -> Result<ReportAnswer, ApiError> {
    let answer = answer(system, asking, request.clone()).await;
    answer.map_err(|error| error.below("request"))
}

async fn answer(
    system: &Arc<System>,
    asking: Asking,
    request: ReportRequest,
) -> Result<ReportAnswer, ApiError> {
    let system = State(Arc::clone(system));
    Ok(match request {
        ReportRequest::Segmentation(request) => {
            let Json(answer) =
                reports::segmentation(system, asking, Named::default(), Body(request)).await?;
            ReportAnswer::Segmentation(answer)
        }
        ReportRequest::Funnel(request) => {
            let Json(answer) =
                reports::funnel(system, asking, Named::default(), Body(request)).await?;
            ReportAnswer::Funnel(answer)
        }
        ReportRequest::Retention(request) => {
            let Json(answer) =
                reports::retention(system, asking, Named::default(), Body(request)).await?;
            ReportAnswer::Retention(answer)
        }
        ReportRequest::Flows(request) => {
            let Json(answer) =
                reports::flows(system, asking, Named::default(), Body(request)).await?;
            ReportAnswer::Flows(answer)
        }
    })
}
