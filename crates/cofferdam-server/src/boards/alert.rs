//! Metric alerts: a saved report's figure is watched, and people are told when it passes a line.
//!
//! [`evaluate`] decides from an answer alone; [`watch`] asks the report, remembers the state and queues the mails. Invariant: only
//! buckets that are over count; an alert begins once and ends once, whatever is evaluated how often.

mod evaluate;
mod state;
pub(crate) mod watch;
mod words;

use super::report::ReportDraft;
use super::shelf::{Kept, Stored};
use super::text;
use crate::config::MailConfig;
use crate::error::ApiError;
use cofferdam_access::WriteAlert;
use cofferdam_outbound::is_mail_address;
pub(super) use evaluate::change;
use serde::{Deserialize, Serialize};
pub(super) use state::SCHEMA;
pub use state::{AlertEntry, AlertState, AlertStatus};
use utoipa::ToSchema;
pub(super) use words::number;

const NAME_CHARS_MAX: usize = 120;
const RECIPIENTS_MAX: usize = 20;
/// Least minutes between two evaluations.
const EVERY_MINUTES_MIN: u32 = 5;
const EVERY_MINUTES_MAX: u32 = 24 * 60;

/// An alert to be kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertDraft {
    /// The project.
    pub project: String,
    /// What it is called, at most 120 characters.
    pub name: String,
    /// The saved report: Trends with a relative range.
    pub report: u64,
    /// Which of the report's series; may be left out where it has one only.
    #[serde(default)]
    pub series: Option<AlertSeries>,
    /// When it fires.
    pub condition: AlertCondition,
    /// Minutes between two evaluations, 5 to 1,440.
    #[serde(default = "hour")]
    pub every_minutes: u32,
    /// Who is sent a mail when it begins and when it ends, at most 20.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Whether it is evaluated by itself.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Of a change: the version that it is a change of.
    #[serde(default, skip_serializing)]
    pub version: Option<u32>,
}

fn hour() -> u32 {
    60
}

fn yes() -> bool {
    true
}

/// A series of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertSeries {
    /// The event, or the formula's name.
    pub name: String,
    /// Its segment's values, as in the report's answer; empty without breakdown.
    #[serde(default)]
    pub segment: Vec<Option<String>>,
}

/// When an alert fires. The figure is that of the last bucket that is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AlertCondition {
    /// The figure is beyond a line.
    Threshold {
        /// Beyond on which side.
        direction: ThresholdDirection,
        /// The line; a figure on it is not beyond.
        value: f64,
    },
    /// The figure has changed by more than so many percent.
    Change {
        /// Which way.
        direction: ChangeDirection,
        /// How much, above 0; from 0 to anything is more than any percent.
        percent: f64,
        /// Since when.
        against: ChangeAgainst,
    },
}

/// A side of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdDirection {
    /// Greater.
    Above,
    /// Less.
    Below,
}

/// A way to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeDirection {
    /// Up.
    Rise,
    /// Down.
    Fall,
    /// Either way.
    Any,
}

/// What a change is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeAgainst {
    /// The bucket before.
    PreviousBucket,
    /// The same bucket of the range that the report compares with; the one before its own, where it compares with none.
    PreviousPeriod,
}

/// An alert with its state.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Alert {
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
    /// How it is.
    pub status: AlertStatus,
    /// What it is.
    #[serde(flatten)]
    pub alert: AlertDraft,
}

impl AlertDraft {
    /// Checks everything but the report.
    ///
    /// # Errors
    /// [`ApiError`] with the path of what is wrong.
    pub(crate) fn checked(mut self, mail: Option<&MailConfig>) -> Result<Self, ApiError> {
        self.name = text::line("name", &self.name, NAME_CHARS_MAX)?;
        let (path, number) = match self.condition {
            AlertCondition::Threshold { value, .. } => ("condition.value", value),
            AlertCondition::Change { percent, .. } => ("condition.percent", percent),
        };
        let is_change = matches!(self.condition, AlertCondition::Change { .. });
        if !number.is_finite() || (is_change && number <= 0.0) {
            let message = if is_change {
                "it must be above 0"
            } else {
                "it must be a number"
            };
            return Err(ApiError::invalid(path, message));
        }
        if !(EVERY_MINUTES_MIN..=EVERY_MINUTES_MAX).contains(&self.every_minutes) {
            return Err(ApiError::invalid(
                "every_minutes",
                format!("it must be from {EVERY_MINUTES_MIN} to {EVERY_MINUTES_MAX}"),
            ));
        }
        check_recipients(&self.recipients, mail)?;
        Ok(self)
    }
}

/// Every recipient is an address that the configuration lets mails go to.
pub(super) fn check_recipients(
    recipients: &[String],
    mail: Option<&MailConfig>,
) -> Result<(), ApiError> {
    if recipients.len() > RECIPIENTS_MAX {
        let message = format!("{} are more than {RECIPIENTS_MAX}", recipients.len());
        return Err(ApiError::invalid("recipients", message));
    }
    for (position, recipient) in recipients.iter().enumerate() {
        let path = format!("recipients[{position}]");
        let Some(mail) = mail else {
            let message = "no mail can be sent: the configuration has no [mail]";
            return Err(ApiError::invalid(&path, message));
        };
        if !is_mail_address(recipient) {
            return Err(ApiError::invalid(&path, "this is no mail address"));
        }
        if !mail.allows(recipient) {
            let message = "mails go only to whom mail.recipients in the configuration lists";
            return Err(ApiError::invalid(&path, message).allowed(mail.recipients.clone()));
        }
        if recipients
            .iter()
            .take(position)
            .any(|other| other == recipient)
        {
            return Err(ApiError::invalid(&path, "this address is there twice"));
        }
    }
    Ok(())
}

impl Kept for AlertDraft {
    const SORT: &'static str = "alert";
    const NOUN: &'static str = "alert";
    const COUNT_MAX: usize = 500;
    type Write = WriteAlert;

    fn project(&self) -> &str {
        &self.project
    }

    fn base(&self) -> Option<u32> {
        self.version
    }

    fn references(&self) -> Vec<(String, &'static str, u64)> {
        vec![("report".to_owned(), ReportDraft::SORT, self.report)]
    }
}

impl Alert {
    /// Puts together what is kept and how it is.
    pub(crate) fn of(stored: Stored<AlertDraft>, status: AlertStatus) -> Self {
        Self {
            id: stored.id,
            version: stored.version,
            created: stored.created,
            created_by: stored.created_by,
            updated: stored.updated,
            updated_by: stored.updated_by,
            status,
            alert: stored.content,
        }
    }
}
