//! The dedupe window: has a record with this key been appended within the last seven days?
//!
//! New keys live in a table in memory. When it is full, or at the turn of a bucket (a seventh of the window), it is frozen and
//! the keeper's thread writes it as a run: sorted keys on disk, 13 bits a key in memory. Runs of one bucket are merged, a
//! bucket older than the window is deleted, so a key is known for at least the window and at most 8/7 of it. After a restart
//! the table is filled again from the entries of the journal that no run covers; `covered_seq` holds back their release.
//!
//! The window can forget (a run that cannot be read, a clock that jumped ahead): then a repeat is written again and the
//! store's exact check drops it. Invariant: it never calls a key a duplicate that is not in a durable or pending entry.

mod filter;
mod keeper;
mod merge;
mod run;

use crate::{
    FileLayer, JournalError, Key, NO_KEY,
    stats::{Counters, add, set},
};
use filter::Probe;
use foldhash::fast::FixedState;
use hashbrown::HashSet;
pub(crate) use keeper::Keeper;
use run::{Run, Span};
use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

/// A bucket is this part of the window.
const BUCKETS: u64 = 7;
/// Slots of the smallest table; 7/8 of them are used.
const SLOTS_MIN: u64 = 4096;
const SLOTS_MAX: u64 = 1 << 19;
/// Bytes a slot takes in memory.
const SLOT_BYTES: u64 = 17;
/// While so many tables wait for the keeper, the table grows instead of being frozen too; until `SLOTS_MAX`.
const FROZEN_MAX: usize = 4;

type Table = HashSet<Key, FixedState>;

/// A full table that waits for the keeper.
#[derive(Debug)]
pub(crate) struct Frozen {
    keys: Table,
    span: Span,
}

/// The writer's side of the window.
#[derive(Debug)]
pub(crate) struct Window {
    table: Table,
    /// Keys of the group that is being written, to take back if it fails.
    pending: Vec<Key>,
    span: Option<Span>,
    covered_seq: u64,
    frozen: VecDeque<Arc<Frozen>>,
    runs: Vec<Arc<Run>>,
    generation: u64,
    window_ms: u64,
    keeper: Arc<Keeper>,
    counters: Arc<Counters>,
}

impl Window {
    /// Reads the runs in `dir`. Returns the window and how many runs were lost.
    pub(crate) fn open(
        layer: Arc<dyn FileLayer>,
        dir: &Path,
        window_ms: u64,
        counters: Arc<Counters>,
    ) -> Result<(Self, usize), JournalError> {
        let (keeper, lost) = Keeper::open(layer, dir, window_ms, Arc::clone(&counters))?;
        let covered_seq = keeper.covered_seq();
        let mut window = Self {
            table: Table::default(),
            pending: Vec::new(),
            span: None,
            covered_seq,
            frozen: VecDeque::new(),
            runs: Vec::new(),
            generation: u64::MAX,
            window_ms,
            keeper: Arc::new(keeper),
            counters,
        };
        window.refresh();
        window.table = window.new_table();
        Ok((window, lost))
    }

    /// Keys that are known.
    pub(crate) fn keys(&self) -> u64 {
        let frozen: usize = self.frozen.iter().map(|frozen| frozen.keys.len()).sum();
        self.keys_in_runs() + (frozen + self.table.len()) as u64
    }

    /// Everything below this seq is in runs (or was too old for the window).
    pub(crate) fn covered_seq(&self) -> u64 {
        self.covered_seq
    }

    pub(crate) fn keeper(&self) -> Arc<Keeper> {
        Arc::clone(&self.keeper)
    }

    /// Takes over what the keeper has done meanwhile. False when it is so far behind that no more keys can be taken.
    pub(crate) fn refresh(&mut self) -> bool {
        let generation = self.keeper.generation.load(Ordering::Acquire);
        if generation != self.generation {
            let state = self.keeper.state();
            self.generation = self.keeper.generation.load(Ordering::Acquire);
            self.frozen.clone_from(&state.frozen);
            self.runs.clone_from(&state.runs);
            drop(state);
            self.count();
        }
        self.frozen.len() < FROZEN_MAX || (self.table.len() as u64) < room(SLOTS_MAX)
    }

    /// Adds a key of the group in the making. False when it is a duplicate.
    #[inline]
    pub(crate) fn insert(&mut self, key: &Key) -> bool {
        if *key == NO_KEY || self.window_ms == 0 {
            return true;
        }
        if self.is_old(key) || !self.table.insert(*key) {
            return false;
        }
        self.pending.push(*key);
        true
    }

    /// Is the key in a frozen table or a run?
    fn is_old(&self, key: &Key) -> bool {
        if self.frozen.iter().any(|frozen| frozen.keys.contains(key)) {
            return true;
        }
        let probe = Probe::new(key);
        for run in self.runs.iter().rev() {
            if run.may_contain(probe) {
                match run.contains(key) {
                    Ok(true) => return true,
                    Ok(false) => {}
                    Err(_) => add(&self.counters.window_errors, 1),
                }
            }
        }
        false
    }

    /// The group with these seqs is durable: its keys stay. Freezes the table when it is time.
    pub(crate) fn commit(&mut self, first_seq: u64, end_seq: u64, appended_ms: u64) {
        self.pending.clear();
        let group = Span {
            from_seq: first_seq,
            to_seq: end_seq,
            min_ms: appended_ms,
            max_ms: appended_ms,
        };
        self.span = Some(self.span.map_or(group, |span| span.join(group)));
        if self.table.len() as u64 >= room(slots(self.keys_in_runs())) {
            self.freeze();
        }
        self.count();
    }

    /// The group failed: its keys are new again.
    pub(crate) fn roll_back(&mut self) {
        for key in self.pending.drain(..) {
            self.table.remove(&key);
        }
    }

    /// Freezes the table when a group of this time belongs to a later bucket. Call before the group's keys are inserted.
    pub(crate) fn turn(&mut self, now_ms: u64) {
        let bucket = |ms: u64| merge::bucket(ms, self.window_ms);
        if self
            .span
            .is_some_and(|span| bucket(now_ms) > bucket(span.min_ms))
        {
            self.freeze();
        }
        self.keeper.tell_time(now_ms);
    }

    /// Hands the table to the keeper, so that the entries it came from may be released; unless the keeper is behind.
    pub(crate) fn freeze(&mut self) {
        if self.frozen.len() >= FROZEN_MAX {
            return;
        }
        let Some(span) = self.span.take() else {
            return;
        };
        let fresh = self.new_table();
        let frozen = Arc::new(Frozen {
            keys: std::mem::replace(&mut self.table, fresh),
            span,
        });
        self.frozen.push_back(Arc::clone(&frozen));
        self.keeper.push(frozen);
    }

    fn keys_in_runs(&self) -> u64 {
        self.runs.iter().map(|run| run.keys).sum()
    }

    fn new_table(&self) -> Table {
        let room = room(slots(self.keys_in_runs())) as usize;
        Table::with_capacity_and_hasher(room, FixedState::with_seed(0x00c0_ffe4))
    }

    fn count(&self) {
        let frozen = |get: fn(&Table) -> usize| -> usize {
            self.frozen.iter().map(|frozen| get(&frozen.keys)).sum()
        };
        let keys = self.table.len() + frozen(HashSet::len);
        let slots = self.table.allocation_size() + frozen(HashSet::allocation_size);
        let runs: usize = self.runs.iter().map(|run| run.ram()).sum();
        let pending = self.pending.capacity() * size_of::<Key>();
        set(
            &self.counters.window_keys,
            keys as u64 + self.keys_in_runs(),
        );
        set(
            &self.counters.window_ram_bytes,
            (slots + runs + pending) as u64,
        );
        set(
            &self.counters.window_disk_bytes,
            self.runs.iter().map(|run| run.disk()).sum(),
        );
        set(&self.counters.window_runs, self.runs.len() as u64);
    }
}

/// Slots of the table: a quarter of a byte for each key in the runs, a power of two.
fn slots(keys_in_runs: u64) -> u64 {
    let slots = (keys_in_runs / 4 / SLOT_BYTES).clamp(SLOTS_MIN, SLOTS_MAX);
    1 << slots.ilog2()
}

/// Keys that fit in so many slots.
fn room(slots: u64) -> u64 {
    slots / 8 * 7
}
