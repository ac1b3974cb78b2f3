//! All vendors' workers: started, stopped, contained, resumed and looked at from here.
//!
//! The server configures it on every load of the configuration. Invariant: a vendor that its outbox says is contained is cut
//! before its worker starts.

use crate::backoff::Backoff;
use crate::book::{Change, Standing};
use crate::feed::Feed;
use crate::outbox::Outbox;
use crate::worker::{Shared, Worker};
use crate::{DeadLetter, EgressError, EgressOptions, SendState, VendorOptions, VendorStatus};
use cofferdam_access::{Contain, Permit, Resume};
use cofferdam_ledger::Gap;
use cofferdam_model::{Day, VendorId};
use cofferdam_outbound::Purpose;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// All vendors' workers.
#[derive(Debug)]
pub struct Egress {
    options: EgressOptions,
    running: Mutex<BTreeMap<VendorId, Running>>,
    /// Entry keys of outboxes on disk without a worker, as last read; also the right to open an outbox, and to replace a worker.
    parked: tokio::sync::Mutex<BTreeMap<VendorId, Vec<u32>>>,
    /// Vendors whose worker could not be started, with the code of what failed.
    failed: Mutex<BTreeMap<VendorId, &'static str>>,
}

#[derive(Debug)]
struct Running {
    vendor: VendorOptions,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Egress {
    /// Without any vendor yet.
    #[must_use]
    pub fn new(options: EgressOptions) -> Self {
        Self {
            options,
            running: Mutex::default(),
            parked: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// Starts, changes and stops workers, so that there is one for each of these vendors.
    ///
    /// # Errors
    /// [`EgressError`] where an outbox cannot be opened; the other vendors run all the same, and the status says which does not.
    pub async fn configure(&self, vendors: Vec<VendorOptions>) -> Result<(), EgressError> {
        let mut parked = self.parked.lock().await;
        let keep = |running: &Running| {
            vendors
                .iter()
                .any(|vendor| *vendor == running.vendor && !running.task.is_finished())
        };
        let stopped: Vec<Running> = {
            let mut all = self.lock();
            let (kept, stopped) = std::mem::take(&mut *all)
                .into_iter()
                .partition(|(_, running)| keep(running));
            *all = kept;
            stopped.into_values().collect()
        };
        for running in stopped {
            running.end().await;
        }
        // Read again when somebody asks; what has a worker is asked of the worker.
        parked.clear();
        let mut result = Ok(());
        let mut failed = BTreeMap::new();
        for vendor in vendors {
            if !self.lock().contains_key(&vendor.id)
                && let Err(error) = self.start(vendor.clone()).await
            {
                tracing::error!(vendor = %vendor.id, error = ?error, "a vendor's worker could not be started; nothing goes to it");
                failed.insert(vendor.id, error.code());
                result = Err(error);
            }
        }
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        result
    }

    async fn start(&self, vendor: VendorOptions) -> Result<(), EgressError> {
        let (id, options) = (vendor.id.clone(), self.options.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let mut outbox = Outbox::open(&id, &options)?;
            compare(&id, &options, &mut outbox)?;
            Ok::<_, EgressError>(outbox)
        })
        .await;
        let mut outbox = opened.map_err(|_| EgressError::Gone(vendor.id.clone()))??;
        if outbox.was_cut {
            tracing::warn!(vendor = %vendor.id, "the outbox ended in an unfinished line, which was never attempted");
        }
        self.note_account(&vendor, &mut outbox).await?;
        let shared = Arc::new(Shared::new(&vendor, outbox, &self.options.outbound));
        let (stop, stopped) = watch::channel(false);
        let worker = Worker {
            shared: Arc::clone(&shared),
            feed: Arc::new(Feed {
                options: self.options.clone(),
                vendor: vendor.clone(),
            }),
            stop: stopped,
            durable: self.options.journal.durable(),
            policy: self.options.policies.current.clone(),
            backoff: Backoff::default(),
            announced: None,
            marked: None,
            oldest: None,
            queued: None,
            checked: None,
            told: None,
        };
        let task = match idle_because(&self.options, &vendor) {
            None => tokio::spawn(worker.run()),
            Some((state, code)) => {
                shared.live(|live| {
                    live.state = state;
                    live.last_error = code;
                });
                tokio::spawn(std::future::pending())
            }
        };
        self.lock().insert(
            vendor.id.clone(),
            Running {
                vendor,
                shared,
                stop,
                task,
            },
        );
        Ok(())
    }

    /// Notes the account of a vendor that is new, or that has another now. Where the account of a contained one is the same it is
    /// contained as well, in the same line: another file name, host or spelling does not end a containment.
    async fn note_account(
        &self,
        vendor: &VendorOptions,
        outbox: &mut Outbox,
    ) -> Result<(), EgressError> {
        let mut standing = outbox.book.standing.clone();
        let Some(account) = vendor.account() else {
            return Ok(());
        };
        if self.options.is_offline || standing.accounts.contains(&account) {
            return Ok(());
        }
        let change = if standing.contained {
            standing.accounts.push(account);
            Change::Moved
        } else {
            standing.accounts = vec![account];
            match self.contained_with(&vendor.id, account).await? {
                Some(other) => {
                    tracing::warn!(vendor = %vendor.id, contained = %other, "the vendor has the project token of a contained one, and is contained as well; resume it if that is meant");
                    Change::Contained
                }
                None => Change::Moved,
            }
        };
        let totals = outbox.book.totals.clone();
        outbox.write(standing, totals, change).await
    }

    /// Another vendor that is contained and has this account.
    async fn contained_with(
        &self,
        vendor: &VendorId,
        account: u32,
    ) -> Result<Option<VendorId>, EgressError> {
        let is_it =
            |standing: &Standing| standing.contained && standing.accounts.contains(&account);
        for shared in self.all() {
            if is_it(&shared.standing().await) {
                return Ok(Some(shared.vendor.clone()));
            }
        }
        let idle = self.idle_outboxes()?;
        for other in idle.into_iter().filter(|other| other != vendor) {
            match self.idle(&other).await {
                Ok(outbox) => {
                    let found = is_it(&outbox.book.standing);
                    outbox.close();
                    if found {
                        return Ok(Some(other));
                    }
                }
                // One damaged outbox stops nobody else.
                Err(error) => {
                    tracing::warn!(vendor = %other, %error, "an outbox cannot be read, nor whether its vendor is contained");
                }
            }
        }
        Ok(None)
    }

    /// Stops all sending of events and profiles to a vendor: closes its connections with what is still unsent, drops what
    /// waits (counted) and stays so over restarts. Once this returns no further byte goes out. Other vendors with the same account
    /// are contained with it.
    ///
    /// # Errors
    /// [`EgressError::NotDurable`]: stopped, but a restart would forget it. [`EgressError::UnknownVendor`].
    pub async fn contain(
        &self,
        _permit: &Permit<Contain>,
        vendor: &VendorId,
    ) -> Result<(), EgressError> {
        let outbound = &self.options.outbound;
        // Before anything is waited for: its worker may be about to be replaced.
        let purpose = Purpose::VendorEvents(vendor.clone());
        outbound.cut(&purpose);
        let _workers = self.parked.lock().await;
        let shared = self
            .shared(vendor)
            .inspect_err(|_| outbound.restore(&purpose))?;
        let mut result = shared.contain(outbound).await;
        for other in self.all() {
            if shared.account.is_some()
                && shared.account == other.account
                && other.vendor != *vendor
            {
                tracing::warn!(vendor = %other.vendor, contained = %vendor, "the vendor has the project token of the one that is being contained, and is contained as well");
                result = result.and(other.contain(outbound).await);
            }
        }
        result
    }

    /// Ends a containment. Sending starts with what arrives from now on; what came before is counted as contained.
    ///
    /// # Errors
    /// [`EgressError`]; the vendor stays contained then.
    pub async fn resume(
        &self,
        _permit: &Permit<Resume>,
        vendor: &VendorId,
    ) -> Result<(), EgressError> {
        let _workers = self.parked.lock().await;
        let end = *self.options.journal.durable().borrow();
        self.shared(vendor)?
            .resume(&self.options.outbound, end)
            .await
    }

    /// The status of every vendor.
    pub async fn status(&self) -> Vec<VendorStatus> {
        let end = *self.options.journal.durable().borrow();
        let now = self.options.clock.now();
        let mut out = Vec::new();
        for shared in self.all() {
            out.push(shared.status(end, now).await);
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        out.extend(
            failed
                .iter()
                .map(|(vendor, code)| VendorStatus::failed(vendor, code)),
        );
        out
    }

    /// What a vendor refused for good, oldest first.
    ///
    /// # Errors
    /// [`EgressError::UnknownVendor`].
    pub async fn dead_letters(&self, vendor: &VendorId) -> Result<Vec<DeadLetter>, EgressError> {
        Ok(self
            .shared(vendor)?
            .outbox
            .lock()
            .await
            .book
            .dead
            .iter()
            .cloned()
            .collect())
    }

    /// Next journal record that some vendor still needs: what comes before it may be released. `None` without vendors.
    #[must_use]
    pub fn cursor(&self) -> Option<u64> {
        let limits = &self.options.limits;
        self.all().iter().map(|shared| shared.needs(limits)).min()
    }

    /// Whether each of these vendors has a worker, so that [`Egress::cursor`] speaks for all of them.
    pub fn runs_all<'a>(&self, vendors: impl IntoIterator<Item = &'a VendorId>) -> bool {
        let running = self.lock();
        vendors
            .into_iter()
            .all(|vendor| running.contains_key(vendor))
    }

    /// Deletes what outboxes hold of finished batches, once it is `finished_age_max` old or the vault has begun a new entry key, so
    /// that nothing of a forgotten person waits for its quota.
    ///
    /// # Errors
    /// [`EgressError`] of the first outbox that cannot be written; the others are done all the same.
    pub async fn drop_finished(&self) -> Result<(), EgressError> {
        let mut parked = self.parked.lock().await;
        let mut result = Ok(());
        for shared in self.all() {
            let dropped = shared.outbox.lock().await.drop_finished().await;
            result = result.and(dropped);
        }
        let present = self.options.vault.present_entry_tag();
        for vendor in self.idle_outboxes()? {
            let is_done = |tags: &Vec<u32>| tags.iter().all(|tag| *tag == present);
            if !parked.get(&vendor).is_some_and(is_done) {
                match self.renewed(&vendor).await {
                    Ok(tags) => drop(parked.insert(vendor, tags)),
                    Err(error) => result = result.and(Err(error)),
                }
            }
        }
        result
    }

    /// Entry keys that outboxes still need, ascending. Those of vendors that are not configured at present count: with its keys
    /// an outbox would lose the containment that it holds.
    ///
    /// # Errors
    /// [`EgressError`] where an outbox without a worker cannot be read; then no key may be destroyed.
    pub async fn tags(&self) -> Result<Vec<u32>, EgressError> {
        let mut parked = self.parked.lock().await;
        let mut tags = Vec::new();
        for shared in self.all() {
            tags.extend(shared.outbox.lock().await.tags());
        }
        for vendor in self.idle_outboxes()? {
            if !parked.contains_key(&vendor) {
                let tags = self.renewed(&vendor).await?;
                parked.insert(vendor.clone(), tags);
            }
            tags.extend(parked.get(&vendor).into_iter().flatten());
        }
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }

    /// Vendors with an outbox on disk and without a worker.
    fn idle_outboxes(&self) -> Result<Vec<VendorId>, EgressError> {
        let entries = match std::fs::read_dir(&self.options.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(EgressError::Folder { source }),
        };
        let mut idle = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| EgressError::Folder { source })?;
            if let Some(name) = entry.file_name().to_str() {
                let vendor = VendorId::from(name);
                if !self.lock().contains_key(&vendor) {
                    idle.push(vendor);
                }
            }
        }
        Ok(idle)
    }

    /// The outbox of a vendor without a worker. To be closed.
    async fn idle(&self, vendor: &VendorId) -> Result<Outbox, EgressError> {
        let (id, options) = (vendor.clone(), self.options.clone());
        let opened = tokio::task::spawn_blocking(move || Outbox::open(&id, &options)).await;
        opened.map_err(|_| EgressError::Gone(vendor.clone()))?
    }

    /// Entry keys of an outbox without a worker, after all that is finished was dropped from it: nobody else will.
    async fn renewed(&self, vendor: &VendorId) -> Result<Vec<u32>, EgressError> {
        let mut outbox = self.idle(vendor).await?;
        let renewed = outbox.renew().await;
        let tags = outbox.tags();
        outbox.close();
        renewed.map(|()| tags)
    }

    /// Whether every vendor has been offered everything that is durable now, and nothing is on its way.
    pub async fn is_drained(&self) -> bool {
        let end = *self.options.journal.durable().borrow();
        for shared in self.all() {
            if !shared.is_drained(end).await {
                return false;
            }
        }
        true
    }

    /// Stops all workers. What is on its way is given up; it is repeated at the next start.
    pub async fn shutdown(&self) {
        let all = std::mem::take(&mut *self.lock());
        for running in all.into_values() {
            running.end().await;
        }
    }

    pub(crate) fn shared(&self, vendor: &VendorId) -> Result<Arc<Shared>, EgressError> {
        let running = self.lock();
        let found = running
            .get(vendor)
            .map(|running| Arc::clone(&running.shared));
        found.ok_or_else(|| EgressError::UnknownVendor(vendor.clone()))
    }

    pub(crate) fn options(&self) -> &EgressOptions {
        &self.options
    }

    pub(crate) fn all(&self) -> Vec<Arc<Shared>> {
        self.lock()
            .values()
            .map(|running| Arc::clone(&running.shared))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<VendorId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether outbox and ledger know of the same batches. Where the ledger knows less, exposures are lost, and the days since are a
/// gap; where the outbox does, its numbers go on after the ledger's. Blocking.
fn compare(
    vendor: &VendorId,
    options: &EgressOptions,
    outbox: &mut Outbox,
) -> Result<(), EgressError> {
    let ledger = &options.ledger;
    let announced = ledger.announced(vendor)?;
    let standing = &mut outbox.book.standing;
    if let Some(announced) = announced {
        standing.next_number = standing.next_number.max(announced + 1);
    }
    let attempted = standing.attempted;
    if attempted <= announced.unwrap_or(0) {
        return Ok(());
    }
    let today = options.clock.now().day();
    let gap = Gap {
        since: ledger.known_until().unwrap_or(Day(0)).min(today),
        until: today,
        reason: "the ledger has lost what was sent".to_owned(),
    };
    tracing::error!(%vendor, gap.since = %gap.since, "the ledger does not know of batches that the outbox knows as attempted; the days since are a gap");
    ledger.gap(Some(vendor), &gap)?;
    // From here on it knows that number, so that the gap is found once.
    ledger.possible_once(vendor, attempted, today, &[])?;
    Ok(())
}

/// Why a vendor's outbox is open without anything being sent from it: containment must hold all the same.
fn idle_because(
    options: &EgressOptions,
    vendor: &VendorOptions,
) -> Option<(SendState, Option<&'static str>)> {
    if options.is_offline {
        return Some((SendState::Stopped, None));
    }
    let has_no_token = vendor.token.is_empty();
    has_no_token.then_some((SendState::Faulty, Some("no_token")))
}

impl Running {
    /// Ends the worker and waits until the outbox is closed.
    async fn end(self) {
        let _ = self.stop.send(true);
        // A worker in the middle of a request would wait for the vendor: dropped, it takes its connection with it.
        self.task.abort();
        let _ = self.task.await;
        let outbox = self.shared.outbox.lock().await;
        outbox.close();
    }
}
