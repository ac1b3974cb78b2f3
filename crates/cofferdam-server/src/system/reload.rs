//! Re-reading the configuration folder, starting and changing the vendors' workers.
//!
//! Invariant: what is wrong with one vendor stops that vendor; a folder that does not parse stops all of them.

use super::{System, Workers};
use crate::config::{
    self, Config, VendorKind,
    problem::{Problem, Severity},
};
use crate::projects::Projects;
use cofferdam_egress::{Dialect, VendorOptions};
use cofferdam_outbound::{Destination, Purpose};
use std::path::Path;
use std::sync::{Arc, PoisonError};

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
        // Until this moment those of the old configuration were there.
        self.note_vendors().await?;
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
        self.note_vendors().await?;
        for vendor in &config.vendors {
            let (VendorKind::Mixpanel, Some(endpoint), Some(token_file)) =
                (vendor.kind, &vendor.endpoint, &vendor.token_file)
            else {
                continue;
            };
            destinations.push(Destination::parse(
                Purpose::VendorEvents(vendor.id.clone()),
                endpoint,
            )?);
            // Without it the vendor's outbox is opened, so that it can be contained, and nothing is sent.
            let token = std::fs::read_to_string(token_file).unwrap_or_else(|error| {
                tracing::error!(vendor = %vendor.id, %error, "the token file {} cannot be read; nothing goes to the vendor", token_file.display());
                String::new()
            });
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
        if self.sends {
            self.outbound.declare(destinations);
        }
        if self.egress.configure(vendors).await.is_err() {
            tracing::error!(
                "a vendor is not served until its outbox can be opened; its status says why"
            );
        }
        Ok(())
    }
}
