//! Re-reading the configuration folder, starting and changing the vendors' workers, housekeeping.

use super::{System, Workers};
use crate::config::{
    self, Config, VendorKind,
    problem::{Problem, Severity},
};
use crate::projects::Projects;
use anyhow::Context;
use cofferdam_egress::{Dialect, VendorOptions};
use cofferdam_model::Day;
use cofferdam_outbound::{Destination, Purpose};
use std::path::Path;
use std::sync::{Arc, PoisonError};
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

fn not_in_force(file: &Path, why: &str) -> Problem {
    Problem {
        severity: Severity::Error,
        code: "not_in_force",
        file: file.to_owned(),
        line: 0,
        column: 0,
        message: format!("the configuration could not be put in force: {why}"),
        help: "mend that and reload; until then no vendor gets anything".to_owned(),
    }
}

const HOUR_MS: i64 = 3_600_000;

impl System {
    /// Reads the folder again. A folder that does not parse is reported and stops every vendor; intake and home keep the last
    /// good policy.
    ///
    /// # Errors
    /// The folder's problems.
    pub async fn reload(&self) -> Result<(), Vec<Problem>> {
        let mut workers = self.workers.lock().await;
        let path = self.config().path.clone();
        let today = self.clock.now().day();
        let root = path.clone();
        let loaded =
            tokio::task::spawn_blocking(move || config::load(&path, &config::environment(), today))
                .await;
        let put = match loaded {
            Ok(loaded) => match loaded.into_result() {
                Ok(config) => {
                    self.warn_of_what_needs_a_restart(&config);
                    let put = self.put_in_force(config, &mut workers).await;
                    put.map_err(|error| vec![not_in_force(&root, &format!("{error:#}"))])
                }
                Err(problems) => Err(problems),
            },
            Err(_) => Err(vec![not_in_force(&root, "reading it ended early")]),
        };
        if let Err(problems) = &put {
            tracing::error!(
                problems = problems.len(),
                "the configuration is not in force; every vendor is stopped"
            );
            self.policies.set_broken(problems.clone());
        }
        put
    }

    /// What is opened once stays as it was opened.
    fn warn_of_what_needs_a_restart(&self, new: &Config) {
        let old = self.config();
        for (name, is_changed) in [
            ("data_dir", old.data_dir != new.data_dir),
            ("server.listen", old.server.listen != new.server.listen),
            (
                "server.admin_listen",
                old.server.admin_listen != new.server.admin_listen,
            ),
            (
                "server.trusted_proxies",
                old.server.trusted_proxies != new.server.trusted_proxies,
            ),
        ] {
            if is_changed {
                tracing::warn!("a change of {name} takes effect at the next start");
            }
        }
    }

    async fn put_in_force(&self, config: Config, workers: &mut Workers) -> anyhow::Result<()> {
        let projects = Arc::new(Projects::load(&config)?);
        self.policies.activate(config.policy.clone())?;
        *self
            .pipeline
            .projects
            .write()
            .unwrap_or_else(PoisonError::into_inner) = projects;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.start_vendors(workers).await
    }

    /// Starts, changes and stops workers so that they match the configuration.
    pub(super) async fn start_vendors(&self, _workers: &mut Workers) -> anyhow::Result<()> {
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
        let mut workers = self.workers.lock().await;
        let cursor = self
            .projector
            .durable_cursor()?
            .min(self.egress.cursor().unwrap_or(u64::MAX));
        let cursor = self.past_keeping(cursor);
        let config = self.config();
        let sent_to = config.vendors.iter();
        let sent_to = sent_to.filter(|vendor| vendor.kind == VendorKind::Mixpanel);
        if self.egress.runs_all(sent_to.map(|vendor| &vendor.id)) {
            // Asked before the journal: an entry that is on its way to it has a key that is in use at this moment or later.
            let retired = workers.retired(self.vault.present_entry_tag());
            let journal = self.journal.clone();
            let tags = tokio::task::spawn_blocking(move || {
                journal.release(cursor)?;
                Ok::<_, cofferdam_journal::JournalError>(journal.tags())
            })
            .await??;
            let mut needed = tags;
            needed.extend(self.egress.tags().await?);
            self.vault
                .destroy_entry_keys_before(retired, &needed)
                .await?;
        } else {
            tracing::warn!(
                "a vendor has no worker: its place in the journal is unknown, and nothing is released"
            );
        }
        drop(workers);
        self.store.compact().await?;
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
