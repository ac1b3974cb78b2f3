//! Annotations: what happened at a time, drawn on every chart that shows it.
//!
//! Invariant: a time is kept as an instant, so that it stands in the right bucket of every time zone.

use super::shelf::{Kept, Stored, time_text};
use super::text;
use crate::error::ApiError;
use cofferdam_access::WriteReport;
use cofferdam_model::TimestampMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const TEXT_CHARS_MAX: usize = 500;

/// An annotation to be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnotationDraft {
    /// The project.
    pub project: String,
    /// When, with an offset: `2026-06-01T12:00:00Z`.
    pub time: String,
    /// What, at most 500 characters.
    pub text: String,
    /// Of a change: the version that it is a change of.
    #[serde(default, skip_serializing)]
    pub version: Option<u32>,
}

/// An annotation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Annotation {
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
    pub annotation: AnnotationDraft,
}

impl AnnotationDraft {
    /// Checks it.
    ///
    /// # Errors
    /// [`ApiError`] with the path of what is wrong.
    pub(crate) fn checked(mut self) -> Result<Self, ApiError> {
        self.text = text::lines("text", &self.text, TEXT_CHARS_MAX)?;
        if self.text.is_empty() {
            return Err(ApiError::invalid("text", "it must not be empty"));
        }
        let Some(time) = instant(&self.time) else {
            return Err(ApiError::invalid(
                "time",
                "expected a time with an offset, as 2026-06-01T12:00:00Z",
            ));
        };
        self.time = time_text(time);
        Ok(self)
    }

    /// When, in milliseconds since 1970.
    pub(crate) fn at(&self) -> Option<TimestampMs> {
        instant(&self.time)
    }
}

fn instant(text: &str) -> Option<TimestampMs> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(TimestampMs(time.as_millisecond()))
}

impl Kept for AnnotationDraft {
    const SORT: &'static str = "annotation";
    const NOUN: &'static str = "annotation";
    const COUNT_MAX: usize = 10_000;
    type Write = WriteReport;

    fn project(&self) -> &str {
        &self.project
    }

    fn base(&self) -> Option<u32> {
        self.version
    }
}

impl From<Stored<AnnotationDraft>> for Annotation {
    fn from(stored: Stored<AnnotationDraft>) -> Self {
        Self {
            id: stored.id,
            version: stored.version,
            created: stored.created,
            created_by: stored.created_by,
            updated: stored.updated,
            updated_by: stored.updated_by,
            annotation: stored.content,
        }
    }
}
