//! Mails on their way: written down with what they tell of, then given to the relay, each at most once.
//!
//! Alerts and digests queue a mail in the transaction that records what it is about. [`Mails::deliver`] marks it as being sent,
//! durably, before the relay sees it. Invariant: a mail of which the relay may have got the last line is never sent again, be it
//! that the process died in between: its outcome is called unknown. What certainly was not sent is tried again for a day.

use crate::boards::time_text;
use crate::config::Config;
use anyhow::Context;
use cofferdam_access::{Permit, SendMail};
use cofferdam_model::{Clock, TimestampMs};
use cofferdam_outbound::{Mail, MailCredentials, MailOptions, Mailer};
use serde::Serialize;
use sqlx::sqlite::SqlitePool;
use sqlx::{Executor, Sqlite, Transaction};
use std::sync::Arc;
use tokio::sync::Mutex;
use utoipa::ToSchema;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS mails (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, about INTEGER NOT NULL, recipient TEXT NOT NULL,
  subject TEXT NOT NULL, text TEXT NOT NULL, html TEXT, made INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
  next INTEGER NOT NULL, code TEXT);
CREATE INDEX IF NOT EXISTS mails_by_about ON mails (about);
";

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Longest pause between two attempts.
const PAUSE_MINUTES_MAX: i64 = 60;
/// How long a mail that the relay does not take is tried.
const TRIED_MS_MAX: i64 = DAY_MS;
/// How long what became of a mail is shown.
const SHOWN_MS_MAX: i64 = 90 * DAY_MS;

/// A mail to be queued.
#[derive(Clone, Debug)]
pub(crate) struct NewMail {
    /// Names it for ever; a second one of the same name is not queued.
    pub(crate) id: String,
    /// The alert or digest.
    pub(crate) about: u64,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
}

/// What became of a mail.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MailStatus {
    /// Whom it is for.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// When it was made.
    pub made: String,
    /// `queued`, `sending`, `sent`, `failed`, or `unknown`: the relay may have got it, and it is not sent again.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub code: Option<String>,
}

/// The mails of an installation.
#[derive(Debug)]
pub struct Mails {
    pool: SqlitePool,
    clock: Arc<dyn Clock>,
    mailer: Option<Mailer>,
    sending: Mutex<()>,
}

type Row = (
    i64,
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    u32,
);

impl Mails {
    /// Uses the relay of a configuration and the pool of `control.db`. What was being sent when the process ended is of unknown
    /// outcome.
    ///
    /// # Errors
    /// Where the password cannot be read, the relay cannot be used, or the database cannot be written.
    pub async fn open(
        config: &Config,
        pool: &SqlitePool,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        pool.execute(SCHEMA).await?;
        pool.execute(
            "UPDATE mails SET state = 'unknown', text = '', html = NULL WHERE state = 'sending'",
        )
        .await?;
        Ok(Self {
            pool: pool.clone(),
            clock,
            mailer: mailer(config)?,
            sending: Mutex::default(),
        })
    }

    /// Whether there is a relay.
    #[must_use]
    pub fn has_relay(&self) -> bool {
        self.mailer.is_some()
    }

    /// Queues a mail within a transaction; without a relay it is queued for nobody, and that is said where it is shown.
    pub(crate) async fn queue(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        mail: &NewMail,
    ) -> Result<(), sqlx::Error> {
        let now = self.clock.now().0;
        let state = if self.has_relay() { "queued" } else { "failed" };
        let code = (!self.has_relay()).then_some("no_relay");
        sqlx::query(
            "INSERT INTO mails (id, about, recipient, subject, text, html, made, state, attempts, next, code)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&mail.id)
        .bind(mail.about.cast_signed())
        .bind(&mail.to)
        .bind(&mail.subject)
        .bind(&mail.text)
        .bind(&mail.html)
        .bind(now)
        .bind(state)
        .bind(now)
        .bind(code)
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    /// Whether any mail waits to be sent now.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn is_due(&self) -> Result<bool, sqlx::Error> {
        let due: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM mails WHERE state = 'queued' AND next <= ? LIMIT 1")
                .bind(self.clock.now().0)
                .fetch_optional(&self.pool)
                .await?;
        Ok(due.is_some())
    }

    /// Gives the relay every mail that is due, and forgets what became of old ones.
    ///
    /// # Errors
    /// Where the database cannot be used; what a relay says is no error here.
    pub async fn deliver(&self, _permit: &Permit<SendMail>) -> Result<(), sqlx::Error> {
        let _one_at_a_time = self.sending.lock().await;
        let Some(mailer) = &self.mailer else {
            return Ok(());
        };
        let now = self.clock.now();
        let due: Vec<Row> = sqlx::query_as(
            "SELECT seq, id, recipient, subject, text, html, made, attempts FROM mails
             WHERE state = 'queued' AND next <= ? ORDER BY seq",
        )
        .bind(now.0)
        .fetch_all(&self.pool)
        .await?;
        for row in due {
            self.send(mailer, row, now).await?;
        }
        sqlx::query("DELETE FROM mails WHERE made < ? AND state NOT IN ('queued', 'sending')")
            .bind(now.0.saturating_sub(SHOWN_MS_MAX))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn send(&self, mailer: &Mailer, row: Row, now: TimestampMs) -> Result<(), sqlx::Error> {
        let (seq, id, to, subject, text, html, made_ms, attempts) = row;
        // Durable before the first byte: if the process dies from here on, the mail is not sent again.
        sqlx::query("UPDATE mails SET state = 'sending', attempts = attempts + 1 WHERE seq = ? AND state = 'queued'")
            .bind(seq)
            .execute(&self.pool)
            .await?;
        let mail = Mail {
            id,
            made_ms,
            to,
            subject,
            text,
            html,
        };
        let sent = mailer.send(&mail).await;
        let (state, code) = match &sent {
            Ok(()) => ("sent", None),
            Err(error) if error.can_be_repeated() && now.0 - made_ms < TRIED_MS_MAX => {
                ("queued", Some(error.code()))
            }
            Err(error) if error.code() == "unknown" => ("unknown", Some(error.code())),
            Err(error) => ("failed", Some(error.code())),
        };
        if let Err(error) = &sent {
            tracing::warn!(mail.id = mail.id, state, %error, "a mail was not sent");
        }
        let pause = (1_i64 << attempts.min(6)).min(PAUSE_MINUTES_MAX) * MINUTE_MS;
        // What is over is remembered without what it said.
        sqlx::query(
            "UPDATE mails SET state = ?1, code = ?2, next = ?3, text = iif(?1 = 'queued', text, ''),
             html = iif(?1 = 'queued', html, NULL) WHERE seq = ?4",
        )
        .bind(state)
        .bind(code)
        .bind(now.0.saturating_add(pause))
        .bind(seq)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What became of the last mails about an alert or digest, newest first.
    pub(crate) async fn about(&self, id: u64) -> Result<Vec<MailStatus>, sqlx::Error> {
        let rows: Vec<(String, String, i64, String, u32, Option<String>)> = sqlx::query_as(
            "SELECT recipient, subject, made, state, attempts, code FROM mails WHERE about = ? ORDER BY seq DESC LIMIT 100",
        )
        .bind(id.cast_signed())
        .fetch_all(&self.pool)
        .await?;
        let status = |(to, subject, made, state, attempts, code)| MailStatus {
            to,
            subject,
            made: time_text(TimestampMs(made)),
            state,
            attempts,
            code,
        };
        Ok(rows.into_iter().map(status).collect())
    }
}

/// The way to the configured relay.
fn mailer(config: &Config) -> anyhow::Result<Option<Mailer>> {
    let Some(mail) = &config.mail else {
        return Ok(None);
    };
    let credentials = match &mail.credentials {
        None => None,
        Some((username, file)) => {
            let password = std::fs::read_to_string(file).with_context(|| {
                format!("mail.password_file, {}, cannot be read", file.display())
            })?;
            Some(MailCredentials {
                username: username.clone(),
                password: password.trim_end_matches(['\r', '\n']).to_owned(),
            })
        }
    };
    let options = MailOptions {
        credentials,
        ..MailOptions::new(&mail.host, mail.port, mail.tls, &mail.from)
    };
    Mailer::new(options)
        .map(Some)
        .context("the mail relay of [mail] cannot be used")
}
