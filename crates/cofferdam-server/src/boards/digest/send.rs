//! Running a digest's board and queueing its mails.
//!
//! Invariant: the mails of a due time and the next due time are one transaction: after a crash the digest was queued or is still due,
//! never both.

use super::compose::{self, Section};
use super::{DigestDraft, schedule};
use crate::auth::Asking;
use crate::boards::shelf::{Boards, Stored, time_text};
use crate::boards::{DashboardDraft, ReportDraft, ReportRequest};
use crate::error::ApiError;
use crate::mails::NewMail;
use crate::routes::boards::run::{ReportAnswer, ReportRun, RunOptions, run};
use crate::routes::reports;
use crate::system::System;
use cofferdam_access::{Caller, Permit, ReadReport};
use cofferdam_model::{Day, ProjectName, TimestampMs};
use cofferdam_query::{CountMeasure, FlowsCount, FunnelCount, Measure};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::sync::Arc;

pub(in super::super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS digest_states (
  id INTEGER PRIMARY KEY, version INTEGER NOT NULL, next INTEGER NOT NULL, last INTEGER);
";

/// Queues a digest now, whatever its schedule says.
///
/// # Errors
/// [`ApiError`] where it or its board is not there, or nothing can be recorded.
pub(crate) async fn send_now(
    system: &Arc<System>,
    caller: Caller,
    permit: &Permit<ReadReport>,
    id: u64,
) -> Result<(), ApiError> {
    let _one_at_a_time = system.boards.watching().await;
    let digest: Stored<DigestDraft> = system.boards.one(permit, id).await?;
    let now = system.clock.now();
    queue(
        system,
        caller,
        permit,
        &digest,
        &format!("now-{}", now.0),
        None,
    )
    .await
}

/// Queues every digest that is due, as the product's own job.
pub(crate) async fn send_due(system: &Arc<System>) -> Result<(), ApiError> {
    let caller = Caller::System("digests");
    let now = system.clock.now();
    let _one_at_a_time = system.boards.watching().await;
    for digest in system.boards.all::<DigestDraft>(None).await? {
        let zone = zone(system, &digest.content);
        let Some(next) = schedule::next(&digest.content, &zone, now) else {
            continue;
        };
        let state: Option<(u32, i64)> =
            sqlx::query_as("SELECT version, next FROM digest_states WHERE id = ?")
                .bind(digest.id.cast_signed())
                .fetch_optional(system.boards.pool())
                .await?;
        match state {
            Some((version, due)) if version == digest.version => {
                if due > now.0 || !digest.content.enabled {
                    continue;
                }
                let permit = system
                    .access
                    .permit(&caller, &format!("digest/{}", digest.id))
                    .await?;
                let queued = queue(
                    system,
                    caller,
                    &permit,
                    &digest,
                    &due.to_string(),
                    Some(next),
                )
                .await;
                if let Err(error) = queued {
                    tracing::error!(
                        digest.id = digest.id,
                        error = error.message(),
                        "a digest cannot be made"
                    );
                }
            }
            // New, or changed: from now on.
            _ => {
                sqlx::query(
                    "INSERT INTO digest_states VALUES (?1, ?2, ?3, NULL)
                     ON CONFLICT DO UPDATE SET version = ?2, next = ?3",
                )
                .bind(digest.id.cast_signed())
                .bind(digest.version)
                .bind(next.0)
                .execute(system.boards.pool())
                .await?;
            }
        }
    }
    Ok(())
}

async fn queue(
    system: &Arc<System>,
    caller: Caller,
    permit: &Permit<ReadReport>,
    digest: &Stored<DigestDraft>,
    due: &str,
    next: Option<TimestampMs>,
) -> Result<(), ApiError> {
    let board: Stored<DashboardDraft> = system.boards.one(permit, digest.content.dashboard).await?;
    let sections = sections(system, caller, permit, &board.content).await?;
    let config = system.config();
    let web_url = config
        .mail
        .as_ref()
        .map_or("", |mail| mail.web_url.as_str());
    let text = compose::text(&board.content.name, &sections, web_url);
    let html = compose::html(&board.content.name, &sections, web_url);
    let mut transaction = system.boards.pool().begin_with("BEGIN IMMEDIATE").await?;
    if let Some(next) = next {
        sqlx::query("UPDATE digest_states SET next = ?, last = ? WHERE id = ?")
            .bind(next.0)
            .bind(system.clock.now().0)
            .bind(digest.id.cast_signed())
            .execute(&mut *transaction)
            .await?;
    }
    for (position, to) in digest.content.recipients.iter().enumerate() {
        let mail = NewMail {
            id: format!("digest-{}-{due}-{position}", digest.id),
            about: digest.id,
            to: to.clone(),
            subject: digest.content.name.clone(),
            text: text.clone(),
            html: Some(html.clone()),
        };
        system.mails.queue(&mut transaction, &mail).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn sections(
    system: &Arc<System>,
    caller: Caller,
    permit: &Permit<ReadReport>,
    board: &DashboardDraft,
) -> Result<Vec<Section>, ApiError> {
    let mut sections = Vec::new();
    for report in board.tiles.iter().filter_map(|tile| tile.report) {
        let report: Stored<ReportDraft> = system.boards.one(permit, report).await?;
        let name = report.content.name.clone();
        let section = section(system, caller, report, board).await;
        // One report that fails does not keep the others back.
        sections.push(section.unwrap_or_else(|error| Section {
            title: name,
            about: format!("It could not be computed: {}", error.message()),
            lines: Vec::new(),
            has_hidden: false,
        }));
    }
    Ok(sections)
}

async fn section(
    system: &Arc<System>,
    caller: Caller,
    mut report: Stored<ReportDraft>,
    board: &DashboardDraft,
) -> Result<Section, ApiError> {
    let title = report.content.name.clone();
    let asked = |report: Stored<ReportDraft>, options: RunOptions| {
        run(system, Asking(caller), report, options.on(board))
    };
    if let (ReportRequest::Segmentation(_), Value::Object(request)) =
        (report.content.read()?, &mut report.content.request)
    {
        request.insert("compare".to_owned(), json!("previous"));
    }
    let now = asked(report.clone(), RunOptions::default()).await?;
    match (&now.request, &now.answer) {
        (ReportRequest::Segmentation(request), ReportAnswer::Segmentation(answer)) => {
            let adds_up = request.measure == Measure::Count(CountMeasure::Total)
                && request.rolling.is_none()
                && !request.cumulative;
            if let Value::Object(request) = &mut report.content.request {
                request.insert("measure".to_owned(), json!("unique"));
                request.remove("formulas");
                request.remove("rolling");
                request.remove("cumulative");
            }
            let people = asked(report, RunOptions::default()).await?;
            let ReportAnswer::Segmentation(people) = people.answer else {
                return Ok(nothing(title));
            };
            Ok(compose::trends(&title, adds_up, answer, &people))
        }
        (ReportRequest::Funnel(request), ReportAnswer::Funnel(answer))
            if request.count == FunnelCount::Uniques =>
        {
            let before = asked(report, before(request.from, request.to)).await?;
            let ReportAnswer::Funnel(before) = before.answer else {
                return Ok(nothing(title));
            };
            Ok(compose::funnel(&title, request, answer, &before))
        }
        (ReportRequest::Retention(request), ReportAnswer::Retention(answer)) => {
            let before = asked(report, before(request.from, request.to)).await?;
            let ReportAnswer::Retention(before) = before.answer else {
                return Ok(nothing(title));
            };
            Ok(compose::retention(&title, answer, &before))
        }
        (ReportRequest::Flows(request), ReportAnswer::Flows(answer))
            if request.count == FlowsCount::Uniques =>
        {
            let was = asked(report, before(request.from, request.to)).await?;
            Ok(paths(title, answer.paths, &was))
        }
        _ => Ok(nothing(title)),
    }
}

/// How many people went a path, against the period before.
fn paths(title: String, now: u64, was: &ReportRun) -> Section {
    let was = match &was.answer {
        ReportAnswer::Flows(flows) => flows.paths,
        _ => 0,
    };
    compose::people(title, now, was)
}

/// What counts something else than people is not said in a mail.
fn nothing(title: String) -> Section {
    Section {
        title,
        about: "It does not count people, so its figures are not in a mail.".to_owned(),
        lines: Vec::new(),
        has_hidden: false,
    }
}

/// As many days just before.
fn before(from: Day, to: Day) -> RunOptions {
    let days = to.0.saturating_sub(from.0).saturating_add(1);
    RunOptions::days(
        Day(from.0.saturating_sub(days)),
        Day(from.0.saturating_sub(1)),
    )
}

fn zone(system: &System, digest: &DigestDraft) -> TimeZone {
    let project = ProjectName::from(digest.project.as_str());
    let name = reports::zone(system, &project, digest.timezone.clone());
    let zone = name.and_then(|name| TimeZone::get(&name).ok());
    zone.unwrap_or(TimeZone::UTC)
}

impl Boards {
    /// When a digest is sent next, and when it was last, by itself.
    pub(crate) async fn digest_times(
        &self,
        _permit: &Permit<ReadReport>,
        id: u64,
    ) -> Result<(Option<String>, Option<String>), ApiError> {
        let times: Option<(i64, Option<i64>)> =
            sqlx::query_as("SELECT next, last FROM digest_states WHERE id = ?")
                .bind(id.cast_signed())
                .fetch_optional(self.pool())
                .await?;
        let text = |time| time_text(TimestampMs(time));
        Ok(times.map_or((None, None), |(next, last)| {
            (Some(text(next)), last.map(text))
        }))
    }

    /// Forgets when a digest is sent, and its mails.
    pub(in super::super) async fn forget_digest(&self, id: u64) -> Result<(), ApiError> {
        for forget in [
            "DELETE FROM digest_states WHERE id = ?",
            "DELETE FROM mails WHERE about = ?",
        ] {
            sqlx::query(forget)
                .bind(id.cast_signed())
                .execute(self.pool())
                .await?;
        }
        Ok(())
    }
}
