//! The journal's in-house consumer: identity into the vault, what home may have into the store, who sent what into the ledger.
//!
//! One task reads each entry once and hands it to every projection that has not seen it; each keeps its own cursor, so a crash
//! between two of them is mended by reading again. Vendors have their own workers in egress.
//! Invariant: a projection is applied in journal order and takes nothing but what policy minimized for home.

use crate::counters::{Count, Counters};
use crate::fields::Fields;
use crate::live::{self, Live, LiveRecord};
use crate::policies::Policies;
use cofferdam_journal::{Entry, Journal, JournalError};
use cofferdam_ledger::{FieldKey, FieldSetId, Ledger, LedgerError, SeenItem};
use cofferdam_model::{Category, Clock, Form, PersonNumber, ProjectName, Refusal};
use cofferdam_policy::{Home, HomeItem, Minimized, Policy, Record, ShapeField, record};
use cofferdam_store::{Store, StoreError};
use cofferdam_vault::{Vault, VaultError};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// Journal bytes read at a time.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// Longest wait between two looks at the journal, for the timed work.
const TICK: Duration = Duration::from_millis(500);
/// Records read again at a start, from which on they are written down at once: a process that is killed again and again would
/// otherwise read more and more before it opens.
const RECOVERED_MAX: u64 = 5_000;
/// Wait after a failure, before the same stretch is read again.
const RETRY: Duration = Duration::from_secs(1);

/// Why a stretch of the journal could not be projected; it is tried again.
#[derive(Debug, Error)]
pub enum ProjectError {
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Journal(#[from] JournalError),
    /// The vault failed.
    #[error("the vault failed")]
    Vault(#[from] VaultError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    /// The counters failed.
    #[error("the counters cannot be written")]
    Counters(#[from] sqlx::Error),
    /// A blocking task ended early.
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
}

/// The in-house consumer.
#[derive(Debug)]
pub struct Projector {
    /// Where it reads.
    pub journal: Journal,
    /// Keys and identity.
    pub vault: Arc<Vault>,
    /// The event store.
    pub store: Arc<Store>,
    /// Who sent what.
    pub ledger: Arc<Ledger>,
    /// The policies.
    pub policies: Arc<Policies>,
    /// What the operator sees.
    pub counters: Arc<Counters>,
    /// The fields that were seen.
    pub fields: Arc<Fields>,
    /// The last records.
    pub live: Arc<Live>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Next sequence number to count; counted in memory ahead of what is written.
    pub counted: AtomicU64,
    /// Next sequence number whose fields the ledger has seen; ahead of its durable cursor.
    pub seen_to: AtomicU64,
    /// Next sequence number that is visible in every projection.
    pub visible: watch::Sender<u64>,
}

impl Projector {
    /// Runs until `stop` says so.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut durable = self.journal.durable();
        loop {
            match self.step().await {
                Ok(true) => continue,
                Ok(false) => {
                    tokio::select! {
                        _ = durable.changed() => {}
                        () = tokio::time::sleep(TICK) => {}
                        _ = stop.wait_for(|stop| *stop) => break,
                    }
                }
                Err(error) => {
                    tracing::error!(error = ?error, "the journal could not be projected; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        _ = stop.wait_for(|stop| *stop) => break,
                    }
                }
            }
        }
        if let Err(error) = self.flush().await {
            tracing::error!(error = ?error, "the last flush failed; the journal still has everything");
        }
    }

    /// Projects what the last process left, before anything new is taken.
    ///
    /// # Errors
    /// The first failure.
    pub async fn recover(self: &Arc<Self>) -> Result<(), ProjectError> {
        let from = self.position();
        self.catch_up().await?;
        if self.position().saturating_sub(from) >= RECOVERED_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Projects everything that is durable now.
    ///
    /// # Errors
    /// The first failure.
    pub async fn catch_up(self: &Arc<Self>) -> Result<(), ProjectError> {
        while self.step().await? {}
        Ok(())
    }

    /// Cuts the store's tail and writes the counters.
    ///
    /// # Errors
    /// Where either cannot be written.
    pub async fn flush(&self) -> Result<(), ProjectError> {
        self.store.flush().await?;
        self.fields.write(self.counters.pool()).await?;
        self.counters
            .write(self.counted.load(Ordering::SeqCst))
            .await?;
        Ok(())
    }

    /// The lowest sequence number that some projection still needs; what is before it may be released.
    ///
    /// # Errors
    /// Where the ledger cannot say.
    pub fn durable_cursor(&self) -> Result<u64, LedgerError> {
        Ok(self
            .vault
            .cursor()
            .min(self.store.cursor())
            .min(self.ledger.cursor()?)
            .min(self.counters.cursor()))
    }

    fn position(&self) -> u64 {
        let counted = self.counted.load(Ordering::SeqCst);
        self.vault
            .cursor()
            .min(self.store.next_seq())
            .min(self.seen_to.load(Ordering::SeqCst))
            .min(counted)
    }

    /// Projects one stretch. Returns whether there was one. What takes the processor is done on threads of its own: requests wait
    /// for none of it.
    async fn step(self: &Arc<Self>) -> Result<bool, ProjectError> {
        let this = Arc::clone(self);
        let Some(stretch) = spawn_blocking(move || this.read()).await?? else {
            if self.store.flush_due(self.clock.now()) {
                self.flush().await?;
            }
            return Ok(false);
        };
        let next_seq = stretch.next_seq;
        self.vault.apply(&stretch.definitions, next_seq).await?;
        let this = Arc::clone(self);
        let project = move || {
            this.see(&stretch)?;
            Ok::<_, ProjectError>(stretch.minimize(&this))
        };
        let items = spawn_blocking(project).await??;
        self.store.ingest(items, next_seq).await?;
        self.counted.fetch_max(next_seq, Ordering::SeqCst);
        self.visible.send_replace(next_seq);
        if self.store.flush_due(self.clock.now()) {
            self.flush().await?;
        }
        Ok(true)
    }

    /// The next stretch of the journal, decoded; `None` at its end. Blocking.
    fn read(&self) -> Result<Option<Stretch>, ProjectError> {
        let entries = self.journal.read(self.position(), READ_BYTES_MAX)?;
        let Some(next_seq) = entries.last().map(Entry::next_seq) else {
            return Ok(None);
        };
        let mut stretch = Stretch::new(self.policies.active(), next_seq);
        for entry in &entries {
            stretch.read(entry, self);
        }
        Ok(Some(stretch))
    }

    /// Who sent which field, into the ledger.
    fn see(&self, stretch: &Stretch) -> Result<(), ProjectError> {
        let mut by_project: HashMap<&ProjectName, Vec<SeenItem>> = HashMap::new();
        let mut sets: HashMap<Vec<FieldKey>, FieldSetId> = HashMap::new();
        let mut of_shapes: HashMap<usize, FieldSetId> = HashMap::new();
        let mut forms: HashMap<Category, Form> = HashMap::new();
        for read in &stretch.records {
            let mut form = |category| {
                let known = forms.entry(category);
                *known.or_insert_with(|| home_form(&stretch.policy, category))
            };
            let fields = match of_shapes.get(&read.shape_place()) {
                Some(id) => *id,
                None => {
                    let keys = read.shape.iter();
                    let keys: Vec<FieldKey> =
                        keys.map(|field| seen_key(field, &mut form)).collect();
                    let id = match sets.get(&keys) {
                        Some(id) => *id,
                        None => {
                            let id = self.ledger.field_set(&keys)?;
                            sets.insert(keys, id);
                            id
                        }
                    };
                    of_shapes.insert(read.shape_place(), id);
                    id
                }
            };
            let person =
                Some(read.record.person()).filter(|person| *person != PersonNumber::ORGANIZATIONS);
            let item = SeenItem {
                person,
                day: read.record.received().day(),
                fields,
                is_event: read.record.is_event(),
            };
            by_project
                .entry(read.record.project())
                .or_default()
                .push(item);
        }
        let items: Vec<(ProjectName, Vec<SeenItem>)> = by_project
            .into_iter()
            .map(|(project, items)| (project.clone(), items))
            .collect();
        self.ledger.seen(&items, stretch.next_seq)?;
        self.seen_to.fetch_max(stretch.next_seq, Ordering::SeqCst);
        Ok(())
    }
}

/// What `seen` records of a field: the form in which home has it.
fn seen_key(field: &ShapeField, home_form: &mut impl FnMut(Category) -> Form) -> FieldKey {
    let form = match field.refusal {
        Some(_) => Form::Withheld,
        None => home_form(field.category),
    };
    FieldKey {
        path: Arc::clone(&field.path),
        category: field.category,
        form,
    }
}

/// The form that `[home]` lists for a category.
#[must_use]
pub fn home_form(policy: &Policy, category: Category) -> Form {
    let home = &policy.source().home;
    category
        .covering()
        .find_map(|covering| home.get(&covering).copied())
        .unwrap_or(Form::Withheld)
}

/// A record that was read, with its shape.
struct ReadRecord {
    seq: u64,
    record: Arc<Record>,
    shape: Arc<[ShapeField]>,
}

impl ReadRecord {
    /// Where its shape stands in memory: records that were written with the same fields share it.
    fn shape_place(&self) -> usize {
        Arc::as_ptr(&self.shape).addr()
    }
}

/// What some entries hold.
struct Stretch {
    policy: Arc<Policy>,
    /// The record after its last one.
    next_seq: u64,
    definitions: Vec<cofferdam_model::Definition>,
    records: Vec<ReadRecord>,
}

impl Stretch {
    fn new(policy: Arc<Policy>, next_seq: u64) -> Self {
        Self {
            policy,
            next_seq,
            definitions: Vec::new(),
            records: Vec::new(),
        }
    }

    /// An entry that can never be read again is reported, counted and passed: what comes behind it is acknowledged as well.
    fn read(&mut self, entry: &Entry, projector: &Projector) {
        let lost = |refusal: Refusal, error: &dyn std::fmt::Display| {
            tracing::error!(entry.seq = entry.first_seq, %error, "a journal entry cannot be read and is passed over");
            if entry.first_seq >= projector.counted.load(Ordering::SeqCst) {
                // When it came is in it, and so lost as well.
                let counts = [
                    Count::Accepted(projector.clock.now().day()),
                    Count::Refused(Arc::from(""), refusal),
                ];
                let records = u64::from(entry.records);
                projector
                    .counters
                    .add_all(counts.map(|count| (count, records)));
            }
        };
        let plain = match projector.vault.decrypt_entry(entry.tag, &entry.payload) {
            Ok(plain) => plain,
            Err(error) => return lost(Refusal::Forgotten, &error),
        };
        let decoded = match record::decode(&plain) {
            Ok(decoded) => decoded,
            Err(error) => return lost(Refusal::Malformed, &error),
        };
        self.definitions.extend(decoded.definitions);
        for (index, record) in (0u32..).zip(decoded.records) {
            if entry.duplicates.contains(index) {
                continue;
            }
            let shape = record.shape();
            self.records.push(ReadRecord {
                seq: entry.first_seq + u64::from(index),
                record: Arc::new(record),
                shape,
            });
        }
    }

    /// What home may have of each record; counts and the Live feed on the way.
    fn minimize(&self, projector: &Projector) -> Vec<(u64, Minimized<Home>)> {
        let counted = projector.counted.load(Ordering::SeqCst);
        let home: Arc<str> = Arc::from("home");
        let mut items = Vec::with_capacity(self.records.len());
        let mut counts: HashMap<Count, u64> = HashMap::new();
        let mut shapes: HashMap<(usize, &ProjectName), (&ReadRecord, u64)> = HashMap::new();
        for (at, read) in self.records.iter().enumerate() {
            let minimized = self.policy.minimize_home(&read.record, &*projector.vault);
            let is_new = read.seq >= counted;
            if is_new {
                let shape = (read.shape_place(), read.record.project());
                shapes.entry(shape).or_insert((read, 0)).1 += 1;
                let accepted = Count::Accepted(read.record.received().day());
                *counts.entry(accepted).or_default() += 1;
                count(&mut counts, &home, read, minimized.as_ref());
            }
            // Those that the rest of the stretch would push out again need no copy.
            if self.records.len() - at <= live::RECORDS_MAX {
                let kept = minimized.as_ref().ok();
                projector.live.push(LiveRecord {
                    seq: read.seq,
                    record: Arc::clone(&read.record),
                    home: kept.map(|minimized| Arc::new(minimized.item().clone())),
                });
            }
            if let Ok(minimized) = minimized {
                items.push((read.seq, minimized));
            }
        }
        let mut shapes: Vec<_> = shapes.into_iter().collect();
        shapes.sort_unstable_by_key(|(_, (first, _))| first.seq);
        for ((_, project), (first, records)) in shapes {
            let received = first.record.received();
            let left_out = projector
                .fields
                .see(project, received, &first.shape, records);
            if left_out > 0 {
                let count = Count::Refused(Arc::clone(&project.0), Refusal::NewFieldsLimit);
                *counts.entry(count).or_default() += left_out;
            }
        }
        projector.counters.add_all(counts);
        items
    }
}

fn count(
    counts: &mut HashMap<Count, u64>,
    home: &Arc<str>,
    read: &ReadRecord,
    minimized: Result<&Minimized<Home>, &Refusal>,
) {
    let mut add = |count: Count| *counts.entry(count).or_default() += 1;
    let withheld = match minimized {
        Err(refusal) => {
            add(Count::Refused(
                Arc::clone(&read.record.project().0),
                *refusal,
            ));
            return;
        }
        Ok(minimized) => match minimized.item() {
            HomeItem::Event(event) => {
                add(Count::Stored(read.record.received().day()));
                &event.withheld
            }
            HomeItem::Update(update) => &update.withheld,
        },
    };
    for (path, refusal) in withheld {
        let category = read
            .shape
            .iter()
            .find(|field| Arc::ptr_eq(&field.path, path) || field.path == *path)
            .map(|field| field.category);
        if let Some(category) = category {
            add(Count::Withheld(Arc::clone(home), category, *refusal));
        }
    }
}
