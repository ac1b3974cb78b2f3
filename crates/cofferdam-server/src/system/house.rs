//! Housekeeping: journal segments and keys that nobody needs, compaction, retention.
//!
//! Invariant: what some consumer may still read is not released, unless it has waited for a vendor longer than `journal.keep_days`.

use super::{System, Workers};
use crate::config::VendorKind;
use cofferdam_model::Day;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// Longest time from encrypting an entry to its being in the journal, with much to spare.
const ON_ITS_WAY: Duration = Duration::from_secs(180);

impl Workers {
    /// The first entry key that something on its way to the journal may still be encrypted under, given the one in use.
    fn retired(&mut self, present: u32) -> u32 {
        let now = Instant::now();
        self.present_tags.push_back((now, present));
        let mut retired = self.retired;
        let mut old = 0;
        for (at, tag) in &self.present_tags {
            if now.duration_since(*at) < ON_ITS_WAY {
                break;
            }
            (retired, old) = (*tag, old + 1);
        }
        self.present_tags.drain(..old);
        self.retired = retired;
        retired
    }
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

impl System {
    /// Finishes erasures, releases what nobody needs any more, compacts, applies retention.
    pub(crate) async fn keep_house(&self) -> anyhow::Result<()> {
        if let Err(error) = self.settle_containments().await {
            // What follows may give the disk room again.
            tracing::error!(%error, "a stopped vendor is still not written down as contained");
        }
        self.take_up_erasures().await;
        self.access.settle_strangers().await?;
        let mut workers = self.workers.lock().await;
        self.note_vendors().await?;
        self.note_running().await?;
        // Home never loses anything; a vendor's backlog has an end.
        let projected = self.projector.durable_cursor()?;
        let config = self.config();
        let sent_to = config.vendors.iter();
        let sent_to = sent_to.filter(|vendor| vendor.kind == VendorKind::Mixpanel);
        let passed = if self.egress.runs_all(sent_to.map(|vendor| &vendor.id)) {
            let passed = projected.min(self.egress.cursor().unwrap_or(u64::MAX));
            self.past_keeping(passed)
        } else {
            tracing::warn!(
                "a vendor has no worker and its place in the journal is unknown: what it may need is kept for journal.keep_days"
            );
            0
        };
        let expired = self.journal.begun_before(self.keep_since());
        self.release(passed.max(expired.min(projected)), &mut workers)
            .await?;
        drop(workers);
        self.store.compact().await?;
        if config.store.retention_days > 0 {
            let days = i32::try_from(config.store.retention_days).unwrap_or(i32::MAX);
            let before = Day(self.clock.now().day().0.saturating_sub(days));
            for project in &config.projects {
                self.store.retain(&project.name, before).await?;
            }
        }
        let keep_days = config.store.usage_retention_days;
        self.usage.keep_house(self.clock.now(), keep_days).await?;
        Ok(())
    }

    /// Releases the journal up to a position, and destroys entry keys that nothing is encrypted under any more.
    async fn release(&self, cursor: u64, workers: &mut Workers) -> anyhow::Result<()> {
        // Asked before the journal: an entry that is on its way to it has a key that is in use at this moment or later.
        let retired = workers.retired(self.vault.present_entry_tag());
        let journal = self.journal.clone();
        let mut needed = tokio::task::spawn_blocking(move || {
            journal.release(cursor)?;
            Ok::<_, cofferdam_journal::JournalError>(journal.tags())
        })
        .await??;
        if let Err(error) = self.egress.drop_finished().await {
            tracing::error!(error = ?error, "an outbox keeps what it has sent");
        }
        match self.egress.tags().await {
            Ok(tags) => {
                needed.extend(tags);
                self.vault
                    .destroy_entry_keys_before(retired, &needed)
                    .await?;
            }
            Err(error) => {
                tracing::error!(error = ?error, "an outbox cannot be read, so no entry key is destroyed");
            }
        }
        Ok(())
    }

    /// What was appended before this time, milliseconds since 1970, is kept for no vendor.
    fn keep_since(&self) -> u64 {
        let keep_ms =
            i64::try_from(self.config().journal.keep_days).unwrap_or(i64::MAX / DAY_MS) * DAY_MS;
        self.clock
            .now()
            .0
            .saturating_sub(keep_ms)
            .max(0)
            .cast_unsigned()
    }

    /// The position that every consumer had passed `journal.keep_hours` ago, as far as this process has seen.
    fn past_keeping(&self, cursor: u64) -> u64 {
        let now = self.clock.now();
        let keep_ms =
            i64::try_from(self.config().journal.keep_hours).unwrap_or(i64::MAX / HOUR_MS) * HOUR_MS;
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.push_back((now, cursor));
        let mut past = 0;
        while let Some((at, position)) = passed.front().copied()
            && now.0 - at.0 >= keep_ms
        {
            past = position;
            passed.pop_front();
        }
        past
    }
}
