//! What egress is given: the crates that it stands on, the vendors, the limits with units.

use crate::{Dialect, Hook, Timer};
use cofferdam_journal::{FileLayer, Journal};
use cofferdam_ledger::Ledger;
use cofferdam_model::{Clock, Entropy, Region, VendorId};
use cofferdam_outbound::Outbound;
use cofferdam_policy::{Policy, PolicyId};
use cofferdam_vault::Vault;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The policy in force and those of the past.
#[derive(Clone)]
pub struct Policies {
    /// The policy in force; `Policy::refuse_all` while the configuration does not parse.
    pub current: watch::Receiver<Arc<Policy>>,
    /// An archived policy by its number. Where there is none, records admitted under it go nowhere.
    pub archived: Arc<dyn Fn(PolicyId) -> Option<Arc<Policy>> + Send + Sync>,
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies")
            .field("current", &self.current.borrow().id())
            .finish_non_exhaustive()
    }
}

/// What egress stands on.
#[derive(Clone)]
pub struct EgressOptions {
    /// Where the outboxes live, e.g. `data/egress`; one folder per vendor is made in it.
    pub dir: PathBuf,
    /// The events.
    pub journal: Journal,
    /// Keys, tokens, consent.
    pub vault: Arc<Vault>,
    /// The exposures.
    pub ledger: Arc<Ledger>,
    /// The way out.
    pub outbound: Arc<Outbound>,
    /// The policies.
    pub policies: Policies,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Waiting.
    pub timer: Arc<dyn Timer>,
    /// Jitter.
    pub entropy: Arc<dyn Entropy>,
    /// The disk below the outboxes.
    pub files: Arc<dyn FileLayer>,
    /// Nothing is ever sent: outboxes are open so that vendors can be contained, and that is all.
    pub is_offline: bool,
    /// Limits.
    pub limits: EgressLimits,
    /// Fault injection for tests; `None` in production.
    pub hook: Option<Hook>,
}

impl std::fmt::Debug for EgressOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EgressOptions")
            .field("dir", &self.dir)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// One vendor that events go to. Its debug form does not show the token.
#[derive(Clone, PartialEq, Eq)]
pub struct VendorOptions {
    /// The id.
    pub id: VendorId,
    /// The dialect spoken to it.
    pub dialect: Dialect,
    /// Base URL, e.g. `https://api-eu.mixpanel.com`; must be declared to the outbound client for this vendor's events.
    pub endpoint: String,
    /// The region of the endpoint: tokens are made for it.
    pub region: Region,
    /// The vendor's project token; without one nothing is sent.
    pub token: String,
}

impl VendorOptions {
    /// Tells destinations apart: what was made for one must not go to another. Never 0.
    pub(crate) fn destination(&self) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        for part in [self.endpoint.as_str(), self.region.as_str(), &self.token] {
            sum.update(part.as_bytes());
            sum.update(&[0]);
        }
        sum.finalize().max(1)
    }

    /// Tells the vendor's accounts apart, wherever and under whatever spelling they are reached: by the project token. Never 0;
    /// `None` without a token.
    pub(crate) fn account(&self) -> Option<u32> {
        (!self.token.is_empty()).then(|| crc32fast::hash(self.token.as_bytes()).max(1))
    }
}

impl std::fmt::Debug for VendorOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VendorOptions")
            .field("id", &self.id)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// Limits and waits, with units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressLimits {
    /// Most items in one request; wire's limit on them and on bytes holds as well.
    pub batch_items_max: usize,
    /// Journal bytes read at a time.
    pub read_bytes_max: usize,
    /// How long an event may wait for others to share its request.
    pub linger: Duration,
    /// First wait after a failure.
    pub backoff_min: Duration,
    /// Longest wait after a failure.
    pub backoff_max: Duration,
    /// Longest Retry-After that is honoured.
    pub retry_after_max: Duration,
    /// Wait after the vendor refused the credentials.
    pub unauthorized_wait: Duration,
    /// Most records that may wait for one vendor; older ones leave the backlog, counted.
    pub backlog_records_max: u64,
    /// Most bytes of journal that may wait for one vendor; older ones leave the backlog, counted.
    pub backlog_bytes_max: u64,
    /// How long a record may wait for one vendor; older ones leave the backlog, counted.
    pub backlog_age_max: Duration,
    /// Bytes of outbox lines of finished batches that are kept for comparing the ledger with them.
    pub outbox_bytes_max: u64,
    /// How long they are kept at most; when somebody is forgotten, they go at once.
    pub finished_age_max: Duration,
    /// Most dead letters listed.
    pub dead_letters_max: usize,
}

impl Default for EgressLimits {
    fn default() -> Self {
        Self {
            batch_items_max: 2_000,
            read_bytes_max: 2 * 1024 * 1024,
            linger: Duration::from_millis(150),
            backoff_min: Duration::from_secs(2),
            backoff_max: Duration::from_secs(60),
            retry_after_max: Duration::from_secs(3_600),
            unauthorized_wait: Duration::from_secs(300),
            backlog_records_max: 50_000_000,
            backlog_bytes_max: 20 * 1024 * 1024 * 1024,
            backlog_age_max: Duration::from_secs(7 * 86_400),
            outbox_bytes_max: 256 * 1024 * 1024,
            finished_age_max: Duration::from_secs(3_600),
            dead_letters_max: 10_000,
        }
    }
}
