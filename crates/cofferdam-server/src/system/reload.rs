//! Re-reading the configuration folder, starting and changing the vendors' workers, housekeeping.

use super::System;
use crate::config::{self, Config, VendorKind, problem::Problem};
use crate::projects::Projects;
use anyhow::Context;
use cofferdam_egress::{Dialect, VendorOptions};
use cofferdam_model::Day;
use cofferdam_outbound::{Destination, Purpose};
use std::sync::{Arc, PoisonError};

const HOUR_MS: i64 = 3_600_000;

impl System {
    /// Reads the folder again. A folder that does not parse is reported and stops every vendor; intake and home keep the last
    /// good policy.
    ///
    /// # Errors
    /// The folder's problems.
    pub async fn reload(&self) -> Result<(), Vec<Problem>> {
        let path = self.config().path.clone();
        let today = self.clock.now().day();
        let loaded =
            tokio::task::spawn_blocking(move || config::load(&path, &config::environment(), today))
                .await;
        let Ok(loaded) = loaded else { return Ok(()) };
        match loaded.into_result() {
            Ok(config) => {
                if let Err(error) = self.put_in_force(config).await {
                    tracing::error!(error = ?error, "the configuration could not be put in force");
                }
                Ok(())
            }
            Err(problems) => {
                tracing::error!(
                    problems = problems.len(),
                    "the configuration does not parse; every vendor is stopped"
                );
                self.policies.set_broken(problems.clone());
                Err(problems)
            }
        }
    }

    async fn put_in_force(&self, config: Config) -> anyhow::Result<()> {
        self.policies.activate(config.policy.clone())?;
        let projects = Arc::new(Projects::load(&config)?);
        *self
            .pipeline
            .projects
            .write()
            .unwrap_or_else(PoisonError::into_inner) = projects;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.start_vendors().await
    }

    /// Starts, changes and stops workers so that they match the configuration.
    pub(super) async fn start_vendors(&self) -> anyhow::Result<()> {
        let config = self.config();
        let mut vendors = Vec::new();
        let mut destinations = Vec::new();
        let today = self.clock.now().day();
        for vendor in &config.vendors {
            sqlx::query("INSERT OR IGNORE INTO vendors VALUES (?, ?)")
                .bind(vendor.id.as_str())
                .bind(today.0)
                .execute(self.counters.pool())
                .await?;
            let (VendorKind::Mixpanel, Some(endpoint), Some(token_file)) =
                (vendor.kind, &vendor.endpoint, &vendor.token_file)
            else {
                continue;
            };
            destinations.push(Destination::parse(
                Purpose::VendorEvents(vendor.id.clone()),
                endpoint,
            )?);
            let token = std::fs::read_to_string(token_file).with_context(|| {
                format!(
                    "vendor `{}`: {} cannot be read",
                    vendor.id,
                    token_file.display()
                )
            })?;
            vendors.push(VendorOptions {
                id: vendor.id.clone(),
                dialect: Dialect::Mixpanel,
                endpoint: endpoint.clone(),
                region: vendor
                    .destination_region
                    .clone()
                    .unwrap_or_else(|| vendor.region.clone()),
                token: token.trim().to_owned(),
            });
        }
        self.outbound.declare(destinations);
        self.egress
            .configure(vendors)
            .await
            .context("the vendors' workers cannot be started")
    }

    /// Releases what nobody needs any more, compacts, applies retention.
    pub(crate) async fn keep_house(&self) -> anyhow::Result<()> {
        let cursor = self
            .projector
            .durable_cursor()?
            .min(self.egress.cursor().unwrap_or(u64::MAX));
        let cursor = self.past_keeping(cursor);
        let journal = self.journal.clone();
        let tags = tokio::task::spawn_blocking(move || {
            journal.release(cursor)?;
            Ok::<_, cofferdam_journal::JournalError>(journal.tags())
        })
        .await??;
        let mut needed = tags;
        needed.extend(self.egress.tags().await);
        self.vault.destroy_entry_keys(&needed).await?;
        self.store.compact().await?;
        let config = self.config();
        if config.store.retention_days > 0 {
            let days = i32::try_from(config.store.retention_days).unwrap_or(i32::MAX);
            let before = Day(self.clock.now().day().0.saturating_sub(days));
            for project in &config.projects {
                self.store.retain(&project.name, before).await?;
            }
        }
        Ok(())
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
