//! Evaluating an alert: its report is run, judged, and what came of it is remembered.
//!
//! Invariant: the report runs through its own handler with the permit of whoever evaluates, a person or the product's own job.

use super::evaluate::{Reading, evaluate};
use super::state::Outcome;
use super::{AlertCondition, AlertDraft, AlertSeries, AlertStatus, ChangeAgainst};
use crate::auth::Asking;
use crate::boards::shelf::Stored;
use crate::boards::{ReportDraft, ReportKind};
use crate::error::ApiError;
use crate::routes::boards::run::{ReportAnswer, RunOptions, run};
use crate::system::System;
use cofferdam_access::{Caller, Permit, ReadReport};
use cofferdam_query::Segmentation;
use serde_json::{Value, json};
use std::sync::Arc;

/// Fewest people behind a figure that a mail may say.
const SMALLEST_GROUP: f64 = 10.0;

impl AlertDraft {
    /// Whether the saved report can be watched.
    ///
    /// # Errors
    /// [`ApiError`] naming `report` or `series`.
    pub(crate) fn check_report(&self, report: &ReportDraft) -> Result<(), ApiError> {
        if report.kind != ReportKind::Segmentation {
            let message = "only Trends can be watched";
            return Err(
                ApiError::invalid("report", message).allowed(vec!["segmentation".to_owned()])
            );
        }
        if report.range.is_none() {
            let message = "its days stand still; give the saved report a relative range";
            return Err(ApiError::invalid("report", message));
        }
        Ok(())
    }
}

/// Evaluates an alert now, as `caller`.
///
/// # Errors
/// [`ApiError`] where it is not there or nothing can be recorded; that its report fails is a state of the alert.
pub(crate) async fn check(
    system: &Arc<System>,
    caller: Caller,
    permit: &Permit<ReadReport>,
    id: u64,
) -> Result<AlertStatus, ApiError> {
    let _one_at_a_time = system.boards.watching().await;
    let alert: Stored<AlertDraft> = system.boards.one(permit, id).await?;
    let report: Stored<ReportDraft> = system.boards.one(permit, alert.content.report).await?;
    let judged = judge(system, caller, &alert.content, &report).await;
    let outcome = match judged {
        Err(error) => Outcome::Failed(error.message().to_owned()),
        Ok(Err(nothing)) => Outcome::Failed(nothing.to_string()),
        Ok(Ok(reading)) => {
            // How many people are behind the figures matters only to a mail.
            let begins_or_ends = reading.holds != system.boards.is_firing(id).await?;
            let is_group = begins_or_ends
                && !alert.content.recipients.is_empty()
                && is_group(system, caller, &alert.content, report, &reading).await;
            Outcome::Read { reading, is_group }
        }
    };
    let config = system.config();
    let web_url = config
        .mail
        .as_ref()
        .map_or("", |mail| mail.web_url.as_str());
    let now = system.clock.now();
    let settled = system
        .boards
        .settle(&system.mails, web_url, &alert, &outcome, now);
    settled.await
}

/// Evaluates every alert that is due, as the product's own job.
pub(crate) async fn check_due(system: &Arc<System>) -> Result<(), ApiError> {
    let caller = Caller::System("alerts");
    for id in system.boards.due_alerts(system.clock.now()).await? {
        let permit = system
            .access
            .permit(&caller, &format!("alert/{id}"))
            .await?;
        if let Err(error) = check(system, caller, &permit, id).await {
            tracing::error!(
                alert.id = id,
                error = error.message(),
                "an alert cannot be evaluated"
            );
        }
    }
    Ok(())
}

async fn judge(
    system: &Arc<System>,
    caller: Caller,
    alert: &AlertDraft,
    report: &Stored<ReportDraft>,
) -> Result<Result<Reading, super::evaluate::Nothing>, ApiError> {
    alert.check_report(&report.content)?;
    let answer = trends(system, caller, prepared(report.clone(), alert)).await?;
    Ok(evaluate(&alert.condition, alert.series.as_ref(), &answer))
}

/// The report with the range to compare with, where the alert needs one.
fn prepared(mut report: Stored<ReportDraft>, alert: &AlertDraft) -> Stored<ReportDraft> {
    let needs = matches!(
        alert.condition,
        AlertCondition::Change {
            against: ChangeAgainst::PreviousPeriod,
            ..
        }
    );
    let compares = report
        .content
        .request
        .get("compare")
        .is_some_and(|compare| !compare.is_null());
    if let Value::Object(request) = &mut report.content.request
        && needs
        && !compares
    {
        request.insert("compare".to_owned(), json!("previous"));
    }
    report
}

async fn trends(
    system: &Arc<System>,
    caller: Caller,
    report: Stored<ReportDraft>,
) -> Result<Segmentation, ApiError> {
    let run = run(system, Asking(caller), report, RunOptions::default()).await?;
    match run.answer {
        ReportAnswer::Segmentation(answer) => Ok(answer),
        _ => Err(ApiError::invalid("report", "only Trends can be watched")),
    }
}

/// Whether at least ten people are behind every figure of a reading: the same report is asked for its people.
async fn is_group(
    system: &Arc<System>,
    caller: Caller,
    alert: &AlertDraft,
    report: Stored<ReportDraft>,
    reading: &Reading,
) -> bool {
    let mut report = prepared(report, alert);
    if let Value::Object(request) = &mut report.content.request {
        request.insert("measure".to_owned(), json!("unique"));
        request.remove("formulas");
    }
    let Ok(people) = trends(system, caller, report).await else {
        return false;
    };
    let position = reading.position;
    let has = |series: &[cofferdam_query::Series], at: usize| {
        let mut behind = series
            .iter()
            .filter(|series| is_behind(alert.series.as_ref(), series));
        let enough = |series: &cofferdam_query::Series| {
            let people = series.values.get(at).copied().flatten();
            people.is_some_and(|people| people.number() >= SMALLEST_GROUP)
        };
        behind.clone().next().is_some() && behind.all(enough)
    };
    let base = match alert.condition {
        AlertCondition::Threshold { .. } => true,
        AlertCondition::Change {
            against: ChangeAgainst::PreviousBucket,
            ..
        } => position
            .checked_sub(1)
            .is_some_and(|before| has(&people.series, before)),
        AlertCondition::Change {
            against: ChangeAgainst::PreviousPeriod,
            ..
        } => people
            .compare
            .as_ref()
            .is_some_and(|compare| has(&compare.series, position)),
    };
    has(&people.series, position) && base
}

/// Whether a series of events is, or is part of, the one that is watched: a formula is made of all of its segment's.
fn is_behind(watched: Option<&AlertSeries>, series: &cofferdam_query::Series) -> bool {
    watched.is_none_or(|watched| watched.segment == series.segment)
}
