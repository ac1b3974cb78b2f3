//! What the vendor's answers mean for each item that was sent.
//!
//! Status and body come from the guarded client; egress settles the ledger with the outcome.
//! Invariant: none of the vendor's text is kept, because it may echo what we sent; an answer that does not add up is unknown, and
//! unknown counts as possibly received.

use serde::Deserialize;

/// Largest answer that is looked at, bytes; a report of 2,000 failed records is far smaller.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What became of an `/import` request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// All events are in.
    Accepted,
    /// The events that are not listed are in; the listed ones never will be. Sorted by index, without duplicates.
    Partial {
        /// What was refused for good.
        failed: Vec<FailedRecord>,
    },
    /// Nothing is in; repeat the same bytes later (429, 5xx).
    RetryLater,
    /// Nothing is in; the request is too large, send it in halves (413).
    Split,
    /// Nothing is in, and repeating does not help (401, 403, 404, a 400 without a report).
    Refused {
        /// The status.
        status: u16,
    },
    /// The answer makes no sense: the events may be in. Repeating the same bytes is safe.
    Unknown,
}

/// One event that the vendor refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedRecord {
    /// Position in the batch, from 0.
    pub index: usize,
    /// Why.
    pub reason: FailedReason,
}

/// What the vendor found wrong, by the field that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailedReason {
    /// The event's name.
    Event,
    /// The time.
    Time,
    /// The id.
    DistinctId,
    /// The `$insert_id`.
    InsertId,
    /// The properties: number, nesting or size.
    Properties,
    /// Anything else.
    Other,
}

impl FailedReason {
    /// Stable code: metric label, API value.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Time => "time",
            Self::DistinctId => "distinct_id",
            Self::InsertId => "insert_id",
            Self::Properties => "properties",
            Self::Other => "other",
        }
    }

    fn of_field(field: &str) -> Self {
        match field.strip_prefix("properties.").unwrap_or(field) {
            "event" => Self::Event,
            "time" => Self::Time,
            "distinct_id" | "$distinct_id" => Self::DistinctId,
            "$insert_id" | "insert_id" => Self::InsertId,
            "properties" => Self::Properties,
            _ => Self::Other,
        }
    }
}

/// What became of an `/engage` or `/groups` request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// All updates are in.
    Accepted,
    /// Nothing is in; repeat later.
    RetryLater,
    /// Nothing is in; send it in halves.
    Split,
    /// Repeating does not help.
    Refused {
        /// The status.
        status: u16,
    },
    /// The updates may be in.
    Unknown,
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    num_records_imported: Option<usize>,
    #[serde(default)]
    failed_records: Option<Vec<Failed>>,
}

#[derive(Deserialize)]
struct Failed {
    index: usize,
    #[serde(default)]
    field: Option<String>,
}

/// Reads the answer to an `/import` request with `sent` events.
#[must_use]
pub fn parse_import_answer(status: u16, body: &[u8], sent: usize) -> ImportOutcome {
    match status {
        200 | 400 => {}
        413 => return ImportOutcome::Split,
        408 | 425 | 429 | 500..=599 => return ImportOutcome::RetryLater,
        401..=499 => return ImportOutcome::Refused { status },
        _ => return ImportOutcome::Unknown,
    }
    let Some(report) = read::<Report>(body) else {
        return if status == 400 {
            ImportOutcome::Refused { status }
        } else {
            ImportOutcome::Unknown
        };
    };
    let failed = failed(report.failed_records.as_deref().unwrap_or_default());
    let in_range = failed.last().is_none_or(|last| last.index < sent);
    let adds_up = report
        .num_records_imported
        .is_none_or(|imported| imported.saturating_add(failed.len()) == sent);
    match (status, failed.is_empty()) {
        _ if !in_range => ImportOutcome::Unknown,
        (200, true) if report.num_records_imported == Some(sent) => ImportOutcome::Accepted,
        (400, true) if report.num_records_imported.unwrap_or(0) == 0 => {
            ImportOutcome::Refused { status }
        }
        (_, false) if adds_up => ImportOutcome::Partial { failed },
        _ => ImportOutcome::Unknown,
    }
}

fn failed(records: &[Failed]) -> Vec<FailedRecord> {
    let mut failed: Vec<_> = records
        .iter()
        .map(|record| FailedRecord {
            index: record.index,
            reason: FailedReason::of_field(record.field.as_deref().unwrap_or_default()),
        })
        .collect();
    failed.sort_by_key(|record| record.index);
    failed.dedup_by_key(|record| record.index);
    failed
}

/// Reads the answer to an `/engage` or `/groups` request.
#[must_use]
pub fn parse_update_answer(status: u16, body: &[u8]) -> UpdateOutcome {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Short {
        Number(i64),
        Verbose { status: serde_json::Value },
    }
    match status {
        200 => {}
        413 => return UpdateOutcome::Split,
        408 | 425 | 429 | 500..=599 => return UpdateOutcome::RetryLater,
        400..=499 => return UpdateOutcome::Refused { status },
        _ => return UpdateOutcome::Unknown,
    }
    match read::<Short>(body) {
        Some(Short::Number(1)) => UpdateOutcome::Accepted,
        Some(Short::Number(0)) => UpdateOutcome::Refused { status },
        Some(Short::Verbose { status: said }) if said == 1 || said == "OK" => {
            UpdateOutcome::Accepted
        }
        Some(Short::Verbose { status: said }) if said == 0 || said == "error" => {
            UpdateOutcome::Refused { status }
        }
        _ => UpdateOutcome::Unknown,
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    if body.len() > ANSWER_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(body).ok()
}
