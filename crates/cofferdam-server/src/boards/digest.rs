//! Digests: a dashboard's numbers by mail, daily or weekly.
//!
//! [`schedule`] says when, [`compose`] what of the answers may be said, [`send`] runs the board and queues the mails. Invariant: a
//! digest of one time is queued once, with the next time, in one transaction.

mod compose;
mod schedule;
pub(crate) mod send;

use super::alert::check_recipients;
use super::dashboard::DashboardDraft;
use super::shelf::{Kept, Stored};
use super::text;
use crate::config::MailConfig;
use crate::error::ApiError;
use cofferdam_access::WriteAlert;
pub(super) use send::SCHEMA;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const NAME_CHARS_MAX: usize = 120;

/// A digest to be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DigestDraft {
    /// The project.
    pub project: String,
    /// What it is called, at most 120 characters.
    pub name: String,
    /// The dashboard.
    pub dashboard: u64,
    /// How often.
    pub every: DigestEvery,
    /// The day, for `weekly`.
    #[serde(default)]
    pub weekday: Option<DigestDay>,
    /// The hour of the day, 0 to 23.
    pub hour: u8,
    /// IANA time zone; absent means the project's.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Who gets it, 1 to 20.
    pub recipients: Vec<String>,
    /// Whether it is sent by itself.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Of a change: the version that it is a change of.
    #[serde(default, skip_serializing)]
    pub version: Option<u32>,
}

fn yes() -> bool {
    true
}

/// How often a digest is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DigestEvery {
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the days of the week")]
pub enum DigestDay {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// A digest with when it is sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Digest {
    /// Its number; never given twice.
    pub id: u64,
    /// Counts changes, from 1.
    pub version: u32,
    /// When it was made.
    pub created: String,
    /// By whom.
    pub created_by: String,
    /// When it was last changed.
    pub updated: String,
    /// By whom.
    pub updated_by: String,
    /// When it is sent next by itself.
    pub next: Option<String>,
    /// When it was last sent by itself.
    pub last: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub digest: DigestDraft,
}

impl DigestDraft {
    /// Checks everything but whether the dashboard is there.
    ///
    /// # Errors
    /// [`ApiError`] with the path of what is wrong.
    pub(crate) fn checked(mut self, mail: Option<&MailConfig>) -> Result<Self, ApiError> {
        self.name = text::line("name", &self.name, NAME_CHARS_MAX)?;
        if self.hour > 23 {
            return Err(ApiError::invalid("hour", "it must be from 0 to 23"));
        }
        if (self.every == DigestEvery::Weekly) != self.weekday.is_some() {
            let message = "`weekly` has a `weekday`, `daily` has none";
            return Err(ApiError::invalid("weekday", message));
        }
        if self
            .timezone
            .as_deref()
            .is_some_and(|zone| !crate::zones::is_known(zone))
        {
            return Err(ApiError::invalid("timezone", "there is no such time zone"));
        }
        if self.recipients.is_empty() {
            return Err(ApiError::invalid("recipients", "somebody must get it"));
        }
        check_recipients(&self.recipients, mail)?;
        Ok(self)
    }
}

impl Kept for DigestDraft {
    const SORT: &'static str = "digest";
    const NOUN: &'static str = "digest";
    const COUNT_MAX: usize = 200;
    type Write = WriteAlert;

    fn project(&self) -> &str {
        &self.project
    }

    fn base(&self) -> Option<u32> {
        self.version
    }

    fn references(&self) -> Vec<(String, &'static str, u64)> {
        vec![("dashboard".to_owned(), DashboardDraft::SORT, self.dashboard)]
    }
}

impl Digest {
    /// Puts together what is kept and when it is sent.
    pub(crate) fn of(stored: Stored<DigestDraft>, times: (Option<String>, Option<String>)) -> Self {
        Self {
            id: stored.id,
            version: stored.version,
            created: stored.created,
            created_by: stored.created_by,
            updated: stored.updated,
            updated_by: stored.updated_by,
            next: times.0,
            last: times.1,
            digest: stored.content,
        }
    }
}
