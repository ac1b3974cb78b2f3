//! Saved reports: a request with a name, each version kept.
//!
//! Invariant: the request was read as its kind's type before it was kept.

use super::cohort::named;
use super::shelf::{Kept, Stored};
use super::{RelativeRange, ReportRequest, text};
use crate::error::ApiError;
use cofferdam_access::WriteReport;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

const NAME_CHARS_MAX: usize = 120;
const DESCRIPTION_CHARS_MAX: usize = 2_000;
/// Largest request, bytes as JSON.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// What a saved report asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// Trends.
    Segmentation,
    /// A funnel.
    Funnel,
    /// Retention.
    Retention,
    /// Flows.
    Flows,
}

/// A report to be saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportDraft {
    /// The project.
    pub project: String,
    /// What it is called, at most 120 characters.
    pub name: String,
    /// What it is for, at most 2,000 characters.
    #[serde(default)]
    pub description: String,
    /// What it asks for.
    pub kind: ReportKind,
    /// The request, as the kind's route takes it; its project may be left out.
    #[schema(value_type = ReportRequest)]
    pub request: Value,
    /// Days counted back from when it is run; the request's own days are left aside then, and may be left out.
    #[serde(default)]
    pub range: Option<RelativeRange>,
    /// Of a change: the version that it is a change of.
    #[serde(default, skip_serializing)]
    pub version: Option<u32>,
}

/// A saved report.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SavedReport {
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
    /// What it is.
    #[serde(flatten)]
    pub report: ReportDraft,
}

/// One version of a saved report.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReportVersion {
    /// Which.
    pub version: u32,
    /// Since when it was the current one.
    pub updated: String,
    /// By whom.
    pub updated_by: String,
    /// What it was.
    #[serde(flatten)]
    pub report: ReportDraft,
}

impl ReportDraft {
    /// Checks everything that can be checked without running it.
    ///
    /// # Errors
    /// [`ApiError`] with the path of what is wrong.
    pub(crate) fn checked(mut self) -> Result<Self, ApiError> {
        self.name = text::line("name", &self.name, NAME_CHARS_MAX)?;
        self.description = text::lines("description", &self.description, DESCRIPTION_CHARS_MAX)?;
        let bytes = self.request.to_string().len();
        if bytes > REQUEST_BYTES_MAX {
            return Err(ApiError::invalid(
                "request",
                format!("{bytes} bytes are more than {REQUEST_BYTES_MAX}"),
            ));
        }
        if let Some(range) = self.range {
            range.check("range")?;
        }
        self.read()?;
        Ok(self)
    }

    /// The request as its kind's own type.
    ///
    /// # Errors
    /// [`ApiError`] with the path below `request`.
    pub(crate) fn read(&self) -> Result<ReportRequest, ApiError> {
        let is_relative = self.range.is_some();
        ReportRequest::read(self.kind, &self.project, &self.request, is_relative)
    }
}

impl Kept for ReportDraft {
    const SORT: &'static str = "saved-report";
    const NOUN: &'static str = "saved report";
    const COUNT_MAX: usize = 5_000;
    type Write = WriteReport;

    fn project(&self) -> &str {
        &self.project
    }

    fn base(&self) -> Option<u32> {
        self.version
    }

    fn references(&self) -> Vec<(String, &'static str, u64)> {
        self.read()
            .map_or_else(|_| Vec::new(), |request| named("request", &request))
    }
}

impl From<Stored<ReportDraft>> for SavedReport {
    fn from(stored: Stored<ReportDraft>) -> Self {
        Self {
            id: stored.id,
            version: stored.version,
            created: stored.created,
            created_by: stored.created_by,
            updated: stored.updated,
            updated_by: stored.updated_by,
            report: stored.content,
        }
    }
}

impl From<Stored<ReportDraft>> for ReportVersion {
    fn from(stored: Stored<ReportDraft>) -> Self {
        Self {
            version: stored.version,
            updated: stored.updated,
            updated_by: stored.updated_by,
            report: stored.content,
        }
    }
}
