//! The ledger itself: its locks and its write path.
//!
//! Egress and the server call it; entries go to the log, are applied to memory in the same order, and are synced as a group.
//! Invariant: `possible` returns only after its entry is on the disk; the log's order is the order of application.

use crate::checkpoint::Frozen;
use crate::entry::{Entry, Item};
use crate::faults::Faults;
use crate::files::Files;
use crate::log::Log;
use crate::state::{State, seen_stream, vendor_stream};
use crate::{
    BatchId, FieldKey, FieldSetId, Gap, Items, LedgerError, Outcome, PossibleItem, SeenItem, known,
    recover,
};
use cofferdam_model::{Day, PersonNumber, ProjectName, VendorId};
use foldhash::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

/// Where the ledger lives and when it checkpoints.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// The folder, e.g. `data/ledger`; made if absent.
    pub dir: PathBuf,
    /// Log size at which a write runs a checkpoint, bytes. [`LedgerOptions::new`] says 64 MiB.
    pub log_bytes_max: u64,
}

impl LedgerOptions {
    /// A ledger in `dir` that checkpoints every 64 MiB of log.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            log_bytes_max: 64 << 20,
        }
    }
}

/// The exposure ledger of one installation. All methods block; call them from blocking tasks.
/// One process at a time may open a folder (the server's `data/lock` sees to that).
#[derive(Debug)]
pub struct Ledger {
    pub(crate) options: LedgerOptions,
    pub(crate) faults: Faults,
    /// The last day of which anything was recorded when it was opened.
    pub(crate) known_until: Option<Day>,
    /// One checkpoint at a time. Taken before `synced`.
    pub(crate) checkpointing: Mutex<()>,
    /// How far which log is on the disk; held while syncing, so that waiters are served by one sync. Taken before `core`.
    pub(crate) synced: Mutex<(u64, u64)>,
    pub(crate) core: Mutex<Core>,
}

/// Everything behind the lock that is never held while waiting for the disk's sync.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) state: State,
    pub(crate) log: Log,
    /// Field sets that the current log defines.
    pub(crate) defined: HashSet<u32>,
    /// What grew before the last rotations of the log and is not yet in month files.
    pub(crate) frozen: Vec<Arc<Frozen>>,
    pub(crate) files: Files,
    pub(crate) next_file: u64,
    /// Position of `seen` that is on the disk.
    pub(crate) durable_cursor: u64,
    /// Logs that failed to sync, with what of them is on the disk; the rest is in memory only until a checkpoint is saved.
    pub(crate) lost: Vec<(u64, u64)>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, LedgerError> {
    mutex.lock().map_err(|_| LedgerError::Lock)
}

impl Ledger {
    /// Opens the ledger, recovering to the last whole record.
    ///
    /// # Errors
    /// [`LedgerError`] where a file cannot be read, is damaged or was written by a newer version. Nothing is overwritten then.
    pub fn open(options: LedgerOptions) -> Result<Self, LedgerError> {
        Self::open_with(options, Faults::default())
    }

    pub(crate) fn open_with(options: LedgerOptions, faults: Faults) -> Result<Self, LedgerError> {
        let core = recover::open(&options.dir, &faults)?;
        let synced = (core.log.number, core.log.synced);
        let known_until = known::last_day(&core);
        Ok(Self {
            options,
            faults,
            known_until,
            checkpointing: Mutex::new(()),
            synced: Mutex::new(synced),
            core: Mutex::new(core),
        })
    }

    /// The handle of a list of fields; order and duplicates do not matter.
    ///
    /// # Errors
    /// [`LedgerError::Lock`].
    pub fn field_set(&self, fields: &[FieldKey]) -> Result<FieldSetId, LedgerError> {
        Ok(lock(&self.core)?.state.sets.intern(fields))
    }

    /// Announces a batch before its first attempt. Durable when it returns: only then may a byte leave.
    /// Retries keep the batch.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing may be sent.
    pub fn possible(
        &self,
        vendor: &VendorId,
        day: Day,
        items: &[PossibleItem],
    ) -> Result<BatchId, LedgerError> {
        self.announce(vendor, None, day, items)
    }

    /// As [`Self::possible`], for callers with an own durable outbox: `outbox_seq` grows by batch and vendor, and a number that
    /// was already announced (replay after a crash) counts its events only once.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing may be sent.
    pub fn possible_once(
        &self,
        vendor: &VendorId,
        outbox_seq: u64,
        day: Day,
        items: &[PossibleItem],
    ) -> Result<BatchId, LedgerError> {
        self.announce(vendor, Some(outbox_seq), day, items)
    }

    fn announce(
        &self,
        vendor: &VendorId,
        outbox_seq: Option<u64>,
        day: Day,
        items: &[PossibleItem],
    ) -> Result<BatchId, LedgerError> {
        self.heal()?;
        let mut core = lock(&self.core)?;
        let batch = core.state.books.next_batch;
        core.state.books.next_batch += 1;
        let items = items.iter().map(|item| Item {
            set: item.fields.0,
            person: item.person.map(|person| person.0),
            organization: item.organization.map(|number| number.0),
            is_event: item.is_event,
            day,
        });
        let entry = Entry::Possible {
            batch,
            stream: vendor_stream(vendor),
            outbox_seq,
            day,
            items: items.collect(),
        };
        let end = core.write(&entry, &self.faults)?;
        drop(core);
        self.flush(end)?;
        self.checkpoint_if_full();
        Ok(BatchId(batch))
    }

    /// Records how a batch, or a part of it, ended. Written but not synced: losing it only over-reports.
    /// Settling what is settled already changes nothing.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn settle(&self, batch: BatchId, outcome: &Outcome) -> Result<(), LedgerError> {
        self.heal()?;
        let mut core = lock(&self.core)?;
        if batch.0 >= core.state.books.next_batch {
            return Err(LedgerError::UnknownBatch(batch.0));
        }
        let Some(open) = core.state.books.batches.get(&batch.0) else {
            return Ok(());
        };
        let len = u32::try_from(open.persons.len()).unwrap_or(u32::MAX);
        for items in [&outcome.delivered, &outcome.refused, &outcome.unknown] {
            if let Items::At(positions) = items
                && let Some(&item) = positions.iter().find(|&&at| at >= len)
            {
                return Err(LedgerError::UnknownItem {
                    batch: batch.0,
                    item,
                });
            }
        }
        let entry = Entry::Settle {
            batch: batch.0,
            outcome: outcome.clone(),
        };
        core.write(&entry, &self.faults)?;
        Ok(())
    }

    /// Records who sent which fields, for all projects of a stretch of the journal at once; `next_seq` is where the next call
    /// goes on. A call whose `next_seq` is not beyond the last one is a replay and changes nothing. Not synced.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn seen(
        &self,
        items: &[(ProjectName, Vec<SeenItem>)],
        next_seq: u64,
    ) -> Result<(), LedgerError> {
        self.heal()?;
        let mut core = lock(&self.core)?;
        let from_seq = core.state.books.seen_cursor;
        if next_seq <= from_seq {
            return Ok(());
        }
        let streams = items.iter().map(|(project, items)| {
            let items = items.iter().map(|item| Item {
                set: item.fields.0,
                person: item.person.map(|person| person.0),
                organization: None,
                is_event: item.is_event,
                day: item.day,
            });
            (seen_stream(project), items.collect())
        });
        let entry = Entry::Seen {
            from_seq,
            next_seq,
            streams: streams.collect(),
        };
        core.write(&entry, &self.faults)?;
        drop(core);
        self.checkpoint_if_full();
        Ok(())
    }

    /// The *durable* position of `seen` in the journal: where to replay from, and what the journal may release.
    /// [`Self::sync`] moves it.
    ///
    /// # Errors
    /// [`LedgerError::Lock`].
    pub fn cursor(&self) -> Result<u64, LedgerError> {
        Ok(lock(&self.core)?.durable_cursor)
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn sync(&self) -> Result<(), LedgerError> {
        self.heal()?;
        let end = {
            let core = lock(&self.core)?;
            (core.log.number, core.log.end)
        };
        self.flush(end)
    }

    /// Records days for which it cannot be known what a vendor (`None`: every vendor) got. Durable when it returns.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn gap(&self, vendor: Option<&VendorId>, gap: &Gap) -> Result<(), LedgerError> {
        self.record(&Entry::Gap {
            stream: vendor.map(vendor_stream),
            gap: gap.clone(),
        })
    }

    /// The vendor confirmed that it deleted everything about these numbers (all of a person's) that was sent on or before `as_of`.
    /// Give the day before the request where sends could have followed it on the same day. Durable when it returns.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn deletion_confirmed(
        &self,
        vendor: &VendorId,
        persons: &[PersonNumber],
        as_of: Day,
    ) -> Result<(), LedgerError> {
        self.record(&Entry::Deleted {
            stream: vendor_stream(vendor),
            as_of,
            persons: persons.iter().map(|person| person.0).collect(),
        })
    }

    pub(crate) fn record(&self, entry: &Entry) -> Result<(), LedgerError> {
        self.heal()?;
        let end = lock(&self.core)?.write(entry, &self.faults)?;
        self.flush(end)
    }

    /// Waits until the log is on the disk up to a position; one sync serves everybody who waits.
    pub(crate) fn flush(&self, (number, end): (u64, u64)) -> Result<(), LedgerError> {
        let mut synced = lock(&self.synced)?;
        if *synced >= (number, end) {
            let core = lock(&self.core)?;
            let is_lost = |lost: &(u64, u64)| lost.0 == number && lost.1 < end;
            return match core.lost.iter().any(is_lost) {
                true => Err(LedgerError::Poisoned),
                false => Ok(()),
            };
        }
        let (file, path, position, cursor) = {
            let core = lock(&self.core)?;
            if core.log.poisoned {
                return Err(LedgerError::Poisoned);
            }
            let position = (core.log.number, core.log.end);
            let cursor = core.state.books.seen_cursor;
            (
                Arc::clone(&core.log.file),
                core.log.path.clone(),
                position,
                cursor,
            )
        };
        let result = self.faults.hit("log.sync").and_then(|()| file.sync_data());
        let mut core = lock(&self.core)?;
        match result {
            Ok(()) => {
                *synced = position;
                core.log.synced = position.1;
                if core.lost.is_empty() {
                    core.durable_cursor = core.durable_cursor.max(cursor);
                }
                Ok(())
            }
            Err(source) => {
                // The kernel may have dropped the pages: this log is never synced again.
                core.log.poisoned = true;
                Err(LedgerError::io("sync", &path)(source))
            }
        }
    }

    /// After a failed sync: moves on to a fresh log, if the disk lets us.
    fn heal(&self) -> Result<(), LedgerError> {
        if lock(&self.core)?.log.poisoned {
            tracing::warn!("the exposure log failed to sync; moving to a fresh one");
            self.checkpoint()?;
        }
        Ok(())
    }

    pub(crate) fn checkpoint_if_full(&self) {
        let full = lock(&self.core).is_ok_and(|core| core.log.end > self.options.log_bytes_max);
        if full && let Err(error) = self.checkpoint() {
            tracing::warn!(error = %error, "the ledger's checkpoint failed; the log goes on");
        }
    }
}

impl Core {
    /// Appends an entry with the definitions that it needs, and applies it. Returns log and position to sync.
    fn write(&mut self, entry: &Entry, faults: &Faults) -> Result<(u64, u64), LedgerError> {
        let mut needed: Vec<u32> = match entry {
            Entry::Possible { items, .. } | Entry::Past { items, .. } => {
                items.iter().map(|item| item.set).collect()
            }
            Entry::Seen { streams, .. } => {
                let items = streams.iter().flat_map(|(_, items)| items);
                items.map(|item| item.set).collect()
            }
            _ => Vec::new(),
        };
        needed.sort_unstable();
        needed.dedup();
        needed.retain(|set| !self.defined.contains(set));
        let mut payloads = Vec::with_capacity(needed.len() + 1);
        for &set in &needed {
            let fields = self.state.sets.list(set);
            let fields = fields.ok_or(LedgerError::UnknownFieldSet(set))?.to_vec();
            payloads.push(Entry::FieldSet { set, fields }.encode());
        }
        payloads.push(entry.encode());
        let end = self.log.append(&payloads, faults)?;
        self.defined.extend(needed);
        self.state.apply(entry, &mut None);
        Ok((self.log.number, end))
    }
}
