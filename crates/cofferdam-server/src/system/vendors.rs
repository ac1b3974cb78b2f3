//! Which vendors were ever configured here, since when and until when: what the ledger can speak for.
//!
//! Kept in `control.db`. A vendor whose file was removed stays known: its exposures do not end with the file.
//! Invariant: days on which a vendor's traffic did not pass here are a gap of its ledger.

use super::System;
use crate::config::VendorKind;
use cofferdam_ledger::Gap;
use cofferdam_model::{Day, VendorId};

/// A vendor that was configured once and is not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastVendor {
    /// The id.
    pub id: VendorId,
    /// The last display name; the id where none is known.
    pub name: String,
    /// Whether its traffic passed here.
    pub is_routed: bool,
    /// The first UTC day on which it was configured, if that is known.
    pub first: Option<Day>,
    /// The last UTC day on which it was configured, if that is known.
    pub last: Option<Day>,
}

impl System {
    /// The first UTC day on which a vendor was declared here; what was sent before is not known.
    ///
    /// # Errors
    /// Where `control.db` cannot be read.
    pub async fn vendor_since(&self, vendor: &VendorId) -> Result<Day, sqlx::Error> {
        let first = self.first_day(vendor).await?;
        Ok(first.unwrap_or_else(|| self.clock.now().day()))
    }

    async fn first_day(&self, vendor: &VendorId) -> Result<Option<Day>, sqlx::Error> {
        let day: Option<i32> = sqlx::query_scalar("SELECT day FROM vendors WHERE vendor = ?")
            .bind(vendor.as_str())
            .fetch_optional(self.counters.pool())
            .await?;
        Ok(day.map(Day))
    }

    /// Vendors that are not configured now, but were, or that the ledger has exposures of; by id.
    ///
    /// # Errors
    /// Where `control.db` or the ledger cannot be read.
    pub async fn past_vendors(&self) -> anyhow::Result<Vec<PastVendor>> {
        let rows: Vec<(String, String, bool, i32)> =
            sqlx::query_as("SELECT vendor, name, is_routed, last_day FROM configured")
                .fetch_all(self.counters.pool())
                .await?;
        let mut ids = self.ledger.vendors()?;
        ids.extend(rows.iter().map(|(id, ..)| VendorId::from(id.as_str())));
        ids.sort_unstable();
        ids.dedup();
        let config = self.config();
        let mut past = Vec::new();
        for id in ids {
            if config.vendors.iter().any(|vendor| vendor.id == id) {
                continue;
            }
            let row = rows.iter().find(|(known, ..)| known == id.as_str());
            past.push(PastVendor {
                name: row.map_or_else(|| id.to_string(), |(_, name, ..)| name.clone()),
                is_routed: row.is_none_or(|(_, _, is_routed, _)| *is_routed),
                first: self.first_day(&id).await?,
                last: row.map(|(.., last)| Day(*last)),
                id,
            });
        }
        Ok(past)
    }

    /// Writes down who is configured at this moment; who comes back, or passes here from now on, has a gap behind it.
    pub(super) async fn note_vendors(&self) -> anyhow::Result<()> {
        let (config, today) = (self.config(), self.clock.now().day());
        let pool = self.counters.pool();
        let before: Vec<(String, bool, bool, i32)> =
            sqlx::query_as("SELECT vendor, is_routed, is_present, last_day FROM configured")
                .fetch_all(pool)
                .await?;
        for vendor in &config.vendors {
            let id = vendor.id.as_str();
            let is_routed = vendor.kind != VendorKind::External;
            let known = before.iter().find(|(known, ..)| known == id);
            if let (Some((_, was_routed, was_present, last)), true) = (known, is_routed)
                && !(*was_routed && *was_present)
            {
                let since = if *was_routed {
                    Day(*last)
                } else {
                    self.vendor_since(&vendor.id).await?
                };
                self.record_gap(
                    Some(&vendor.id),
                    since,
                    "it was not configured to pass here",
                )
                .await?;
            }
            sqlx::query("INSERT OR IGNORE INTO vendors VALUES (?, ?)")
                .bind(id)
                .bind(today.0)
                .execute(pool)
                .await?;
            sqlx::query(
                "INSERT INTO configured VALUES (?1, ?2, ?3, 1, ?4) ON CONFLICT (vendor) DO UPDATE \
                 SET name = ?2, is_routed = ?3, is_present = 1, last_day = ?4 \
                 WHERE (name, is_routed, is_present, last_day) IS NOT (?2, ?3, 1, ?4)",
            )
            .bind(id)
            .bind(&vendor.name)
            .bind(is_routed)
            .bind(today.0)
            .execute(pool)
            .await?;
        }
        for (id, _, is_present, _) in before {
            if is_present && !config.vendors.iter().any(|vendor| vendor.id.as_str() == id) {
                sqlx::query("UPDATE configured SET is_present = 0 WHERE vendor = ?")
                    .bind(id)
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }

    /// Records that it is not known what a vendor (`None`: each) got from a day on until today.
    pub(super) async fn record_gap(
        &self,
        vendor: Option<&VendorId>,
        since: Day,
        reason: &str,
    ) -> anyhow::Result<()> {
        let until = self.clock.now().day();
        let gap = Gap {
            since: since.min(until),
            until,
            reason: reason.to_owned(),
        };
        let (ledger, vendor) = (std::sync::Arc::clone(&self.ledger), vendor.cloned());
        tokio::task::spawn_blocking(move || ledger.gap(vendor.as_ref(), &gap)).await??;
        Ok(())
    }
}
