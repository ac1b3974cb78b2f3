//! What operators see of a vendor's delivery: state, backlog, counts. Never a value, never the vendor's text.

use cofferdam_model::{Day, Refusal, TimestampMs, VendorId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a vendor's worker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SendState {
    /// Nothing waits.
    #[default]
    Idle,
    /// Events are on their way.
    Sending,
    /// The last attempt failed; the next one waits.
    BackingOff,
    /// The vendor refused the credentials or the address; retried slowly until somebody looks.
    Refused,
    /// Contained: nothing is sent.
    Contained,
    /// Our own storage or keys fail; nothing is sent.
    Faulty,
    /// The worker has ended.
    Stopped,
}

/// Why a vendor refused an item for good, in our words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The event's name.
    Event,
    /// The time.
    Time,
    /// The person's id.
    DistinctId,
    /// The event's id.
    InsertId,
    /// A property, or all of them.
    Properties,
    /// Larger than the vendor takes, alone in its request.
    TooLarge,
    /// The request with nothing but it was refused.
    Request,
    /// The vendor named something else.
    Other,
}

/// An item that the vendor refused for good. The item itself is gone from the outbox soon after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Number of the batch.
    pub batch: u64,
    /// Position in the batch.
    pub item: u32,
    /// Why.
    pub reason: Reason,
    /// UTC day of the refusal.
    pub day: Day,
}

/// Durable counts since the outbox was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Items that were queued to be announced to the ledger and sent, but those that were taken back before.
    pub announced: u64,
    /// Items that the vendor confirmed.
    pub delivered: u64,
    /// Items that the vendor refused for good, by reason.
    pub refused: BTreeMap<Reason, u64>,
    /// Items whose outcome will never be known: also all that was queued at a containment, and what may not be sent again, though
    /// it may never have left.
    pub unknown: u64,
    /// Records that did not become items, or were not sent, or not again, by reason.
    pub withheld: BTreeMap<Refusal, u64>,
    /// Stretches that left the backlog by its quota or their age: first day, last day, records.
    pub lost: Vec<(Day, Day, u64)>,
}

impl Totals {
    /// Adds to the count of records that went no further.
    pub(crate) fn withhold(&mut self, refusal: Refusal, count: u64) {
        if count > 0 {
            *self.withheld.entry(refusal).or_default() += count;
        }
    }

    /// Items refused for good, for any reason.
    #[must_use]
    pub fn refused_sum(&self) -> u64 {
        self.refused.values().sum()
    }
}

/// A field that was withheld from the vendor, since the start of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WithheldCount {
    /// Path with its prefix.
    pub field: Arc<str>,
    /// Why.
    pub refusal: Refusal,
    /// How often.
    pub count: u64,
}

/// Everything that the Vendors page shows of a vendor's delivery.
#[derive(Clone, Debug, Serialize)]
pub struct VendorStatus {
    /// The vendor.
    pub vendor: VendorId,
    /// What its worker is doing.
    pub state: SendState,
    /// Next journal record to look at.
    pub cursor: u64,
    /// Records of the journal that wait, items of open batches included.
    pub backlog_records: u64,
    /// Their size, estimated from what was read last, bytes.
    pub backlog_bytes: u64,
    /// When the vendor last confirmed something.
    pub last_success: Option<TimestampMs>,
    /// Code of the last failure: ours, never the vendor's text.
    pub last_error: Option<&'static str>,
    /// HTTP status of the last failure, if there was one.
    pub last_status: Option<u16>,
    /// Failures in a row.
    pub failures: u32,
    /// When the next attempt is due, while backing off.
    pub next_attempt: Option<TimestampMs>,
    /// Durable counts.
    pub totals: Totals,
    /// Items confirmed in each of the last 60 seconds that had any, per second on average over the minute.
    pub delivered_per_second: f64,
    /// Fields withheld, by path and reason, most frequent first.
    pub withheld: Vec<WithheldCount>,
    /// Observe mode: fields that the contract would withhold, most frequent first.
    pub would_withhold: Vec<WithheldCount>,
    /// Dead letters listed.
    pub dead_letters: usize,
}

impl VendorStatus {
    /// Of a vendor whose outbox cannot be opened: nothing is known but that nothing goes there.
    pub(crate) fn failed(vendor: &VendorId, code: &'static str) -> Self {
        Self {
            vendor: vendor.clone(),
            state: SendState::Faulty,
            cursor: 0,
            backlog_records: 0,
            backlog_bytes: 0,
            last_success: None,
            last_error: Some(code),
            last_status: None,
            failures: 1,
            next_attempt: None,
            totals: Totals::default(),
            delivered_per_second: 0.0,
            withheld: Vec::new(),
            would_withhold: Vec::new(),
            dead_letters: 0,
        }
    }
}
