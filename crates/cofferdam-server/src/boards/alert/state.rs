//! How alerts are, and how they were: two tables of `control.db`.
//!
//! Invariant: that an alert begins or ends, the line of its history and its mails are one transaction, so that a crash leaves all of
//! them or none, and whatever is evaluated again finds it done.

use super::super::shelf::{Boards, Stored, time_text};
use super::evaluate::Reading;
use super::{AlertDraft, words};
use crate::error::ApiError;
use crate::mails::{Mails, NewMail};
use cofferdam_access::{Permit, ReadReport};
use cofferdam_model::TimestampMs;
use serde::Serialize;
use sqlx::{Sqlite, Transaction};
use utoipa::ToSchema;

pub(in super::super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS alert_states (
  id INTEGER PRIMARY KEY, is_firing INTEGER NOT NULL, error TEXT, since INTEGER NOT NULL, checked INTEGER NOT NULL,
  next INTEGER NOT NULL, bucket TEXT, value REAL, base REAL);
CREATE TABLE IF NOT EXISTS alert_history (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL, time INTEGER NOT NULL, state TEXT NOT NULL, bucket TEXT,
  value REAL, base REAL, message TEXT);
CREATE INDEX IF NOT EXISTS alert_history_by_id ON alert_history (id);
";

/// Lines of an alert's history that are kept.
const HISTORY_MAX: i64 = 500;
const MINUTE_MS: i64 = 60_000;

/// How an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It was not evaluated yet.
    New,
    /// Its condition does not hold.
    Ok,
    /// Its condition holds.
    Firing,
    /// It cannot be evaluated; whether it was firing stays open.
    Error,
}

/// The last evaluation of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AlertStatus {
    /// How it is.
    pub state: AlertState,
    /// Since when.
    pub since: Option<String>,
    /// When it was last evaluated.
    pub checked: Option<String>,
    /// The bucket that was judged.
    pub bucket: Option<String>,
    /// Its figure.
    pub value: Option<f64>,
    /// What it was compared with.
    pub base: Option<f64>,
    /// Why it cannot be evaluated.
    pub message: Option<String>,
}

/// A change of an alert's state.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlertEntry {
    /// When.
    pub time: String,
    /// `ok`, `firing` or `error`.
    pub state: String,
    /// The bucket that was judged.
    pub bucket: Option<String>,
    /// Its figure.
    pub value: Option<f64>,
    /// What it was compared with.
    pub base: Option<f64>,
    /// Why it cannot be evaluated.
    pub message: Option<String>,
}

type StateRow = (
    bool,
    Option<String>,
    i64,
    i64,
    Option<String>,
    Option<f64>,
    Option<f64>,
);
type EntryRow = (
    i64,
    String,
    Option<String>,
    Option<f64>,
    Option<f64>,
    Option<String>,
);

/// What an evaluation came to.
pub(super) enum Outcome {
    /// It was judged.
    Read {
        reading: Reading,
        /// Whether enough people are behind the figures that a mail may say them.
        is_group: bool,
    },
    /// It could not be.
    Failed(String),
}

impl Boards {
    /// How an alert is.
    pub(crate) async fn alert_status(
        &self,
        _permit: &Permit<ReadReport>,
        id: u64,
    ) -> Result<AlertStatus, ApiError> {
        self.status(id).await
    }

    async fn status(&self, id: u64) -> Result<AlertStatus, ApiError> {
        let row: Option<StateRow> = sqlx::query_as(
            "SELECT is_firing, error, since, checked, bucket, value, base FROM alert_states WHERE id = ?",
        )
        .bind(id.cast_signed())
        .fetch_optional(self.pool())
        .await?;
        let Some((is_firing, message, since, checked, bucket, value, base)) = row else {
            return Ok(AlertStatus {
                state: AlertState::New,
                since: None,
                checked: None,
                bucket: None,
                value: None,
                base: None,
                message: None,
            });
        };
        Ok(AlertStatus {
            state: match (&message, is_firing) {
                (Some(_), _) => AlertState::Error,
                (None, true) => AlertState::Firing,
                (None, false) => AlertState::Ok,
            },
            since: Some(time_text(TimestampMs(since))),
            checked: Some(time_text(TimestampMs(checked))),
            bucket,
            value,
            base,
            message,
        })
    }

    /// The changes of an alert's state, newest first.
    pub(crate) async fn alert_entries(
        &self,
        _permit: &Permit<ReadReport>,
        id: u64,
    ) -> Result<Vec<AlertEntry>, ApiError> {
        let rows: Vec<EntryRow> = sqlx::query_as(
            "SELECT time, state, bucket, value, base, message FROM alert_history WHERE id = ? ORDER BY seq DESC",
        )
        .bind(id.cast_signed())
        .fetch_all(self.pool())
        .await?;
        let entry = |(time, state, bucket, value, base, message)| AlertEntry {
            time: time_text(TimestampMs(time)),
            state,
            bucket,
            value,
            base,
            message,
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    /// The alerts that are to be evaluated by now.
    pub(super) async fn due_alerts(&self, now: TimestampMs) -> Result<Vec<u64>, ApiError> {
        let mut due = Vec::new();
        for alert in self.all::<AlertDraft>(None).await? {
            let next: Option<i64> =
                sqlx::query_scalar("SELECT next FROM alert_states WHERE id = ?")
                    .bind(alert.id.cast_signed())
                    .fetch_optional(self.pool())
                    .await?;
            if alert.content.enabled && next.is_none_or(|next| next <= now.0) {
                due.push(alert.id);
            }
        }
        Ok(due)
    }

    /// Whether the alert was firing when it was last judged.
    pub(super) async fn is_firing(&self, id: u64) -> Result<bool, ApiError> {
        let is_firing: Option<bool> =
            sqlx::query_scalar("SELECT is_firing FROM alert_states WHERE id = ?")
                .bind(id.cast_signed())
                .fetch_optional(self.pool())
                .await?;
        Ok(is_firing.unwrap_or(false))
    }

    /// Remembers an evaluation; where the alert begins or ends, with its line of history and its mails.
    pub(super) async fn settle(
        &self,
        mails: &Mails,
        web_url: &str,
        alert: &Stored<AlertDraft>,
        outcome: &Outcome,
        now: TimestampMs,
    ) -> Result<AlertStatus, ApiError> {
        let before = self.status(alert.id).await?;
        let was_firing = self.is_firing(alert.id).await?;
        let (state, is_firing) = match outcome {
            Outcome::Failed(_) => (AlertState::Error, was_firing),
            Outcome::Read { reading, .. } if reading.holds => (AlertState::Firing, true),
            Outcome::Read { .. } => (AlertState::Ok, false),
        };
        let (reading, message) = match outcome {
            Outcome::Read { reading, .. } => (Some(reading), None),
            Outcome::Failed(message) => (None, Some(message)),
        };
        let changed = state != before.state || message != before.message.as_ref();
        let id = alert.id.cast_signed();
        let next = now.0 + i64::from(alert.content.every_minutes) * MINUTE_MS;
        let mut transaction = self.pool().begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(
            "INSERT INTO alert_states VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET is_firing = ?2, error = ?3, since = iif(?9, ?4, since), checked = ?4, next = ?5,
             bucket = coalesce(?6, bucket), value = iif(?6 IS NULL, value, ?7), base = iif(?6 IS NULL, base, ?8)",
        )
        .bind(id)
        .bind(is_firing)
        .bind(message)
        .bind(now.0)
        .bind(next)
        .bind(reading.map(|reading| &reading.bucket))
        .bind(reading.map(|reading| reading.value))
        .bind(reading.and_then(|reading| reading.base))
        .bind(changed)
        .execute(&mut *transaction)
        .await?;
        if changed {
            let line = enter(&mut transaction, id, state, outcome, now).await?;
            if let Outcome::Read { reading, is_group } = outcome
                && is_firing != was_firing
            {
                for (position, to) in alert.content.recipients.iter().enumerate() {
                    let told = words::mail(&alert.content, reading, *is_group, web_url);
                    let mail = NewMail {
                        id: format!("alert-{id}-{line}-{position}"),
                        about: alert.id,
                        to: to.clone(),
                        subject: told.0,
                        text: told.1,
                        html: None,
                    };
                    mails.queue(&mut transaction, &mail).await?;
                }
            }
        }
        transaction.commit().await?;
        self.status(alert.id).await
    }

    /// Forgets how an alert was.
    pub(in super::super) async fn forget_state(&self, id: u64) -> Result<(), ApiError> {
        for forget in [
            "DELETE FROM alert_states WHERE id = ?",
            "DELETE FROM alert_history WHERE id = ?",
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

/// Writes a line of history and returns its number.
async fn enter(
    transaction: &mut Transaction<'_, Sqlite>,
    id: i64,
    state: AlertState,
    outcome: &Outcome,
    now: TimestampMs,
) -> Result<i64, sqlx::Error> {
    let (reading, message) = match outcome {
        Outcome::Read { reading, .. } => (Some(reading), None),
        Outcome::Failed(message) => (None, Some(message)),
    };
    let state = match state {
        AlertState::Firing => "firing",
        AlertState::Error => "error",
        AlertState::New | AlertState::Ok => "ok",
    };
    let seq: i64 = sqlx::query_scalar(
        "INSERT INTO alert_history (id, time, state, bucket, value, base, message) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING seq",
    )
    .bind(id)
    .bind(now.0)
    .bind(state)
    .bind(reading.map(|reading| &reading.bucket))
    .bind(reading.map(|reading| reading.value))
    .bind(reading.and_then(|reading| reading.base))
    .bind(message)
    .fetch_one(&mut **transaction)
    .await?;
    sqlx::query(
        "DELETE FROM alert_history WHERE id = ?1 AND seq <= (
           SELECT seq FROM alert_history WHERE id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
    )
    .bind(id)
    .bind(HISTORY_MAX)
    .execute(&mut **transaction)
    .await?;
    Ok(seq)
}
