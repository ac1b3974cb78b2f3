//! At the start: does the ledger still know everything that was sent? Where it may not, the days since are a gap.
//!
//! Found are: parts of the data directory that are not the files they were (restored, copied or made anew), and a ledger or
//! vault that is older than what the journal has released. Each vendor's outbox is compared with the ledger by egress. A snapshot
//! that was rolled back below the file system is not found: operators declare that gap.
//! Invariant (P3): what cannot be ruled out is a gap; a doubt is recorded before any vendor gets anything.

use super::System;
use cofferdam_model::Day;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Parts of the data directory that would know of a restore: whoever copies them makes other files.
const PARTS: [&str; 4] = ["format", "ledger", "egress", "vault.db"];

/// Where consumers stood before anything was read again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consumers {
    pub(super) ledger: u64,
    pub(super) vault: u64,
}

impl System {
    /// Compares what the parts know of each other, and records a gap for every vendor where something is missing.
    pub(super) async fn find_gaps(&self, consumers: Consumers) -> anyhow::Result<()> {
        let held = self.journal.first_seq();
        let is_old = consumers.ledger < held || consumers.vault < held;
        let is_other = self.is_other_directory().await?;
        if is_old || is_other {
            let since = self.knows_until().await?;
            tracing::error!(%since, is_copy = is_other, is_older_than_the_journal = is_old, "a part of the data directory is not the one that was written last: what was sent since is unknown");
            self.record_gap(None, since, "the data directory was restored or copied")
                .await?;
        }
        self.remember_directory().await?;
        self.note_running().await
    }

    /// Remembers that the system is at work today.
    pub(super) async fn note_running(&self) -> anyhow::Result<()> {
        sqlx::query(
            "INSERT INTO running VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET last_day = ?1 WHERE last_day IS NOT ?1",
        )
        .bind(self.clock.now().day().0)
        .execute(self.counters.pool())
        .await?;
        Ok(())
    }

    /// The last day on which everything that is here was at work.
    async fn knows_until(&self) -> anyhow::Result<Day> {
        let pool = self.counters.pool();
        let ran: Option<i32> = sqlx::query_scalar("SELECT last_day FROM running")
            .fetch_optional(pool)
            .await?;
        let declared: Option<i32> = sqlx::query_scalar("SELECT min(day) FROM vendors")
            .fetch_one(pool)
            .await?;
        let recorded = self.ledger.known_until().or(declared.map(Day));
        let today = self.clock.now().day();
        let known = [ran.map(Day), recorded].into_iter().flatten().min();
        Ok(known.unwrap_or(today))
    }

    async fn is_other_directory(&self) -> anyhow::Result<bool> {
        let known: Vec<(String, String)> = sqlx::query_as("SELECT part, identity FROM parts")
            .fetch_all(self.counters.pool())
            .await?;
        let is_other = |(part, identity): &(String, String)| {
            this_file(&self.data_path(part)).is_some_and(|now| now != *identity)
        };
        Ok(known.iter().any(is_other))
    }

    async fn remember_directory(&self) -> anyhow::Result<()> {
        for part in PARTS {
            if let Some(identity) = this_file(&self.data_path(part)) {
                sqlx::query(
                    "INSERT INTO parts VALUES (?1, ?2) ON CONFLICT (part) DO UPDATE SET identity = ?2 WHERE identity IS NOT ?2",
                )
                .bind(part)
                .bind(identity)
                .execute(self.counters.pool())
                .await?;
            }
        }
        Ok(())
    }
}

/// What tells a file or folder from a copy of it: its number and the time at which it was made. `None` where the file system
/// does not say.
fn this_file(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    let born = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{}-{}", metadata.ino(), born.as_nanos()))
}
