//! The platform's own usage: what its API is asked, by key, endpoint and organization, from access-log lines that servers send.
//!
//! The intake hands over a batch of lines ([`line`]), which become counts and histograms of latency ([`cell`]) by minute, kept in
//! `usage.db` ([`table`]); after two days minutes fold into hours. Reports ask from there ([`report`]).
//! Invariant: no key, organization id or address is kept, only keyed hashes that the vault makes; no query string; a batch counts
//! once, however often it is sent, and is durable before it is acknowledged.

pub(crate) mod cell;
pub(crate) mod line;
pub(crate) mod report;
pub(crate) mod table;

pub use report::{UsageBy, UsageReport, UsageReportRequest, UsageSeries, UsageTotals, UsageUnit};
pub use table::Usage;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most lines of a batch.
pub(crate) const LINES_MAX: usize = 20_000;
/// Longest line, bytes.
pub(crate) const LINE_BYTES_MAX: usize = 4096;
/// Refused lines that an answer names; the others are counted.
pub(crate) const REFUSED_LISTED_MAX: usize = 100;

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageAnswer {
    /// Lines counted.
    pub accepted: u64,
    /// Lines that were not.
    pub refused: u64,
    /// The first hundred of them.
    pub lines: Vec<RefusedLine>,
    /// Whether the batch was known already, and nothing was counted again.
    #[serde(default)]
    pub duplicate: bool,
}

/// A line that was not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedLine {
    /// Which, from 1.
    pub line: u64,
    /// The field, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why: `not_json`, `too_long`, `unknown_field`, `missing`, `invalid`, `too_old` or `in_the_future`.
    pub reason: String,
}
