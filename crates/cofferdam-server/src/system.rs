//! Everything that works on one data directory, opened in the order in which the parts need each other.
//!
//! `serve`, the demo, offline verbs and tests all open the same system. Closing drains: intake first, then the projections,
//! then the vendors' workers, so that nothing acknowledged waits for a restart to be seen.
//! Invariant: a missing master key with data, a newer format or a held lock is refused before anything is written.

mod containment;
mod coverage;
mod erasures;
mod house;
mod open;
mod reload;
mod tend;
mod vendors;

use crate::boards::Boards;
use crate::config::Config;
use crate::counters::Counters;
use crate::datadir::DataDir;
use crate::fields::Fields;
use crate::imports::Imports;
use crate::live::Live;
use crate::mails::Mails;
use crate::pipeline::Pipeline;
use crate::policies::Policies;
use crate::projector::Projector;
use crate::reports::Reports;
use crate::usage::Usage;
use cofferdam_access::Access;
use cofferdam_egress::Egress;
use cofferdam_journal::Journal;
use cofferdam_ledger::Ledger;
use cofferdam_model::{Clock, Entropy, TimestampMs};
use cofferdam_outbound::Outbound;
use cofferdam_store::Store;
use cofferdam_vault::Vault;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

pub use containment::ContainError;
pub use open::{MissingMasterKey, Seams};
pub use vendors::PastVendor;

/// The open system. Cheap to share.
#[derive(Debug)]
pub struct System {
    /// The configuration in force.
    config: RwLock<Arc<Config>>,
    /// When the system was opened.
    pub started: TimestampMs,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Who may do what, and the audit log.
    pub access: Arc<Access>,
    /// Keys, identity, consent.
    pub vault: Arc<Vault>,
    /// What is acknowledged.
    pub journal: Journal,
    /// The events.
    pub store: Arc<Store>,
    /// The exposures.
    pub ledger: Arc<Ledger>,
    /// The policies.
    pub policies: Arc<Policies>,
    /// The way out.
    pub outbound: Arc<Outbound>,
    /// Mails that wait for the relay, and what became of those that went.
    pub mails: Mails,
    /// The vendors' workers.
    pub egress: Egress,
    /// The way of an event.
    pub pipeline: Arc<Pipeline>,
    /// The in-house consumer.
    pub projector: Arc<Projector>,
    /// What the operator sees.
    pub counters: Arc<Counters>,
    /// The fields that were seen.
    pub fields: Arc<Fields>,
    /// What teams keep of their reports.
    pub boards: Boards,
    /// Reports that run, and answers that are kept.
    pub reports: Reports,
    /// What the platform's own API was asked.
    pub usage: Usage,
    /// Imports under way.
    pub imports: Arc<Imports>,
    /// The last records.
    pub live: Arc<Live>,
    /// Serializes changes of the configuration folder.
    pub config_lock: Mutex<()>,
    /// Whether this is the demo.
    pub is_demo: bool,
    /// Whether vendors get anything from this process.
    sends: bool,
    /// Held while the folder is put in force or house is kept: no vendor comes or goes while cursors and keys are counted.
    workers: Mutex<Workers>,
    /// Vendors that are stopped and not contained for good yet.
    owed: Mutex<Vec<containment::Owed>>,
    intake_address: RwLock<Option<SocketAddr>>,
    /// When which journal position had been passed by every consumer; what is kept for `journal.keep_hours` waits here.
    passed: std::sync::Mutex<VecDeque<(TimestampMs, u64)>>,
    data_dir: DataDir,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What housekeeping remembers between two rounds.
#[derive(Debug, Default)]
struct Workers {
    /// Nothing on its way to the journal is encrypted under a key with a lower tag.
    retired: u32,
    /// Entry keys in use when they were looked at, oldest first.
    present_tags: VecDeque<(tokio::time::Instant, u32)>,
}

impl System {
    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where intake listens; the configured address before it does.
    #[must_use]
    pub fn intake_address(&self) -> SocketAddr {
        let listening = *self
            .intake_address
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        listening.unwrap_or_else(|| self.config().server.listen)
    }

    /// Remembers where intake listens.
    pub fn set_intake_address(&self, address: SocketAddr) {
        *self
            .intake_address
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// A path inside the data directory.
    #[must_use]
    pub fn data_path(&self, name: &str) -> std::path::PathBuf {
        self.data_dir.join(name)
    }

    /// Makes everything acknowledged so far visible to reports, and durable in the store's files.
    ///
    /// # Errors
    /// Where a projection fails.
    pub async fn flush(&self) -> Result<u64, crate::projector::ProjectError> {
        let target = *self.journal.durable().borrow();
        let mut visible = self.projector.visible.subscribe();
        // The projector runs in its own task; wait until it has passed everything acknowledged before this call.
        if visible.wait_for(|next| *next >= target).await.is_err() {
            self.projector.catch_up().await?;
        }
        self.projector.flush().await?;
        Ok(target)
    }

    /// Stops everything in order and waits for it.
    pub async fn close(&self) {
        self.stop.send_replace(true);
        for task in self.tasks.lock().await.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task ended badly");
            }
        }
        if let Err(error) = self.settle_containments().await {
            tracing::error!(%error, "a vendor is stopped, and the next start will not know it");
        }
        self.egress.shutdown().await;
        if let Err(error) = self.access.settle().await {
            tracing::error!(%error, "the audit log lacks acts that were only counted");
        }
        let journal = self.journal.clone();
        let _ = tokio::task::spawn_blocking(move || journal.close()).await;
        // One after the other: of connections that close at once none may be the last one, and a write-ahead log would stay behind.
        self.store.close().await;
        self.counters.close().await;
        self.usage.close().await;
    }
}
