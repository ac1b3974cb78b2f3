//! Checking the ledger against itself, and building it again from what egress knows.
//!
//! `verify` reads every file and the logs anew; `rebuild` joins recounted sends into the cells.
//! Invariant: neither takes anything away: verify changes nothing, rebuild only adds.

use crate::cell::{Cell, Events};
use crate::checkpoint::{Grown, collect};
use crate::entry::Item;
use crate::ledger::{Ledger, lock};
use crate::month::MonthFile;
use crate::state::{Delta, vendor_stream};
use crate::{LedgerError, SentRecord, recover};
use cofferdam_model::Day;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sends that a rebuild holds in memory before it writes them.
const REBUILD_ITEMS: usize = 16 << 20;

/// What [`Ledger::verify`] looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Month files read.
    pub files: u64,
    /// Days of vendors and projects in them.
    pub cells: u64,
    /// Their size, bytes.
    pub bytes: u64,
    /// Records read back from the logs.
    pub records: u64,
}

/// How much disk the ledger takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Month files.
    pub files: u64,
    /// Their size, bytes, roll-ups included.
    pub bytes: u64,
    /// The roll-ups' part of it, bytes.
    pub rollup_bytes: u64,
    /// The current log, bytes.
    pub log_bytes: u64,
}

impl Ledger {
    /// How much disk the ledger takes; opens every month file's index.
    ///
    /// # Errors
    /// [`LedgerError`] where a file cannot be read.
    pub fn sizes(&self) -> Result<Sizes, LedgerError> {
        let (files, log_bytes) = {
            let core = lock(&self.core)?;
            let files: Vec<u64> = core.files.list().map(|(_, _, number)| number).collect();
            (files, core.log.end)
        };
        let mut sizes = Sizes {
            log_bytes,
            ..Sizes::default()
        };
        for number in files {
            let file = MonthFile::open(&crate::month::path_of(&self.options.dir, number))?;
            sizes.files += 1;
            sizes.bytes += file.bytes;
            sizes.rollup_bytes += file.rollup.map_or(0, |rollup| u64::from(rollup.len));
        }
        Ok(sizes)
    }

    /// Reads every file and the logs anew and compares: checksums, fields within the people of their day, roll-ups against their
    /// days, memory against the logs. Writers wait meanwhile.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] at the first thing that does not hold.
    pub fn verify(&self) -> Result<Verified, LedgerError> {
        let _one = lock(&self.checkpointing)?;
        let core = lock(&self.core)?;
        let mut verified = Verified::default();
        let found = recover::read(&self.options.dir)?;
        verified.records = found.records;
        let mut logged = Grown::new();
        collect(&found.state.delta, &found.state.sets, &mut logged);
        let mut held = Grown::new();
        for part in &core.frozen {
            collect(&part.delta, &part.sets, &mut held);
        }
        collect(&core.state.delta, &core.state.sets, &mut held);
        if logged != held && core.lost.is_empty() && !core.log.poisoned {
            return Err(LedgerError::Damaged {
                path: core.log.path.clone(),
                at: 0,
                what: "the logs do not give what is in memory",
            });
        }
        for (stream, month, number) in core.files.list() {
            let file = MonthFile::open(&crate::month::path_of(&self.options.dir, number))?;
            let at_home = file.stream == *stream && file.month == month;
            verify_file(&file, at_home)?;
            verified.files += 1;
            verified.cells += file.cells.len() as u64;
            verified.bytes += file.bytes;
        }
        Ok(verified)
    }

    /// Joins sends that egress recounted from its own records into the ledger: people are added, event counts become the larger of
    /// both. Give all records of a (vendor, day) in one call.
    ///
    /// # Errors
    /// [`LedgerError`]; what was joined before stays.
    pub fn rebuild(
        &self,
        records: impl IntoIterator<Item = SentRecord>,
    ) -> Result<u64, LedgerError> {
        let (mut delta, mut held, mut total) = (Delta::default(), 0, 0);
        let mut events: BTreeMap<(Arc<str>, Day), u64> = BTreeMap::new();
        let mut last: Option<(cofferdam_model::VendorId, Arc<str>)> = None;
        for record in records {
            let stream = match &last {
                Some((vendor, stream)) if *vendor == record.vendor => Arc::clone(stream),
                _ => vendor_stream(&record.vendor),
            };
            let grown = delta.day(&stream, record.day);
            last = Some((record.vendor, stream));
            let person = record.item.person.map(|person| person.0);
            let item = Item {
                set: record.item.fields.0,
                person,
                organization: record.item.organization.map(|number| number.0),
                is_event: record.item.is_event,
                day: record.day,
            };
            grown.add(&item, true);
            if record.delivered {
                grown.delivered.extend(person);
            }
            held += 1;
            total += 1;
            if held >= REBUILD_ITEMS {
                self.join_rebuilt(&std::mem::take(&mut delta), &mut events)?;
                held = 0;
            }
        }
        self.join_rebuilt(&delta, &mut events)?;
        Ok(total)
    }

    fn join_rebuilt(
        &self,
        delta: &Delta,
        events: &mut BTreeMap<(Arc<str>, Day), u64>,
    ) -> Result<(), LedgerError> {
        let _one = lock(&self.checkpointing)?;
        let (books, first_log) = self.checkpoint_now()?;
        let sets = lock(&self.core)?.state.sets.clone();
        let mut grown = Grown::new();
        collect(delta, &sets, &mut grown);
        for ((stream, _), days) in &mut grown {
            for (day, cell) in days {
                let total = events.entry((Arc::clone(stream), *day)).or_default();
                *total += cell.events;
                cell.events = *total;
            }
        }
        self.commit(grown, Events::Max, books, first_log, 0)
    }
}

fn verify_file(file: &MonthFile, at_home: bool) -> Result<(), LedgerError> {
    let damaged = |at, what| LedgerError::Damaged {
        path: file.path.clone(),
        at,
        what,
    };
    if !at_home {
        return Err(damaged(0, "it belongs to another vendor or month"));
    }
    let mut all = Cell::default();
    for meta in &file.cells {
        let cell = file.cell(meta)?;
        if cell
            .fields
            .values()
            .any(|people| !people.is_subset(&cell.base))
        {
            return Err(damaged(
                meta.offset,
                "a field has people that its day lacks",
            ));
        }
        all.join(&cell, Events::Sum);
    }
    match &file.rollup {
        Some(rollup) if file.cell(rollup)? != all => Err(damaged(
            rollup.offset,
            "the roll-up is not the union of its days",
        )),
        None if file.cells.len() > 1 => Err(damaged(0, "the roll-up is missing")),
        _ => Ok(()),
    }
}
