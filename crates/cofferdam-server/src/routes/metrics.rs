//! `/metrics`: Prometheus text, for callers with a permit.
//!
//! One leaf an hour covers a caller's scrapes, and the next one counts them.
//! Rendered from the counters that the product keeps anyway, so that there is one set of numbers.
//! Invariant: labels are codes and ids of configuration, never a value, path or address.

use super::api::Shared;
use crate::auth::Asking;
use crate::counters::Count;
use crate::error::ApiError;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use cofferdam_access::ReadConfig;
use std::fmt::Write;

pub(super) async fn metrics(
    State(system): Shared,
    asking: Asking,
) -> Result<impl IntoResponse, ApiError> {
    let _permit = system
        .access
        .permit_reading::<ReadConfig>(&asking.0, "metrics")
        .await?;
    let mut text = String::new();
    let mut accepted = 0;
    let mut stored = 0;
    let mut rest = String::new();
    for (count, amount) in system.counters.totals() {
        match count {
            Count::Accepted(_) => accepted += amount,
            Count::Stored(_) => stored += amount,
            Count::Refused(project, refusal) => {
                let _ = writeln!(
                    rest,
                    "cofferdam_refused_total{{project=\"{project}\",reason=\"{}\"}} {amount}",
                    refusal.code()
                );
            }
            Count::Withheld(recipient, category, refusal) => {
                let _ = writeln!(
                    rest,
                    "cofferdam_withheld_values_total{{recipient=\"{recipient}\",category=\"{category}\",reason=\"{}\"}} {amount}",
                    refusal.code()
                );
            }
            Count::Note(name) => {
                let _ = writeln!(
                    rest,
                    "cofferdam_wire_repairs_total{{kind=\"{name}\"}} {amount}"
                );
            }
        }
    }
    let journal = system.journal.stats();
    let _ = writeln!(
        text,
        "# HELP cofferdam_accepted_total Events and updates acknowledged as durable."
    );
    let _ = writeln!(
        text,
        "# TYPE cofferdam_accepted_total counter\ncofferdam_accepted_total {accepted}"
    );
    let _ = writeln!(
        text,
        "# TYPE cofferdam_stored_total counter\ncofferdam_stored_total {stored}"
    );
    let _ = writeln!(
        text,
        "# TYPE cofferdam_journal_healthy gauge\ncofferdam_journal_healthy {}",
        u8::from(system.journal.is_healthy())
    );
    let _ = writeln!(
        text,
        "# TYPE cofferdam_erasures_unfinished gauge\ncofferdam_erasures_unfinished {}",
        system.vault.unfinished_erasures().await?.len()
    );
    let _ = writeln!(
        text,
        "# TYPE cofferdam_journal_groups_total counter\ncofferdam_journal_groups_total {}",
        journal.groups
    );
    let _ = writeln!(
        text,
        "# TYPE cofferdam_journal_entries_total counter\ncofferdam_journal_entries_total {}",
        journal.entries
    );
    let _ = writeln!(
        text,
        "# TYPE cofferdam_journal_bytes_total counter\ncofferdam_journal_bytes_total {}",
        journal.bytes
    );
    for status in system.egress.status().await {
        let vendor = &status.vendor;
        let _ = writeln!(
            rest,
            "cofferdam_vendor_delivered_total{{vendor=\"{vendor}\"}} {}",
            status.totals.delivered
        );
        let _ = writeln!(
            rest,
            "cofferdam_vendor_possible_total{{vendor=\"{vendor}\"}} {}",
            status.totals.announced
        );
        let _ = writeln!(
            rest,
            "cofferdam_vendor_backlog_records{{vendor=\"{vendor}\"}} {}",
            status.backlog_records
        );
    }
    text.push_str(&rest);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
