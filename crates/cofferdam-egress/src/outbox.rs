//! A vendor's outbox: a journal of its own, each line encrypted, and the book that its lines add up to.
//!
//! The worker and containment write lines; opening replays them. The journal gives framing, fsync, recovery and rotation.
//! Invariant (P2): no line is on disk in clear; the book changes only after its line is durable.

mod line;

use crate::book::{Book, Change, Line, Standing};
use crate::{EgressError, EgressOptions, Totals};
use cofferdam_journal::{Append, Journal, JournalError, JournalOptions, NO_KEY};
use cofferdam_model::{Clock, SealError, VendorId};
use cofferdam_vault::Vault;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A line on disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) number: u64,
    bytes: u64,
    appended_ms: u64,
}

/// An open outbox.
#[derive(Debug)]
pub(crate) struct Outbox {
    vendor: VendorId,
    journal: Journal,
    vault: Arc<Vault>,
    pub(crate) book: Book,
    /// The lines that are still held, ascending.
    held: VecDeque<Held>,
    held_bytes: u64,
    /// Line of the open batch, and what follows it, is never released.
    open_line: Option<u64>,
    bytes_max: u64,
    age_max: Duration,
    clock: Arc<dyn Clock>,
    /// Whether the log's end was cut off at opening: what it held is not known.
    pub(crate) was_cut: bool,
}

impl Outbox {
    /// Opens the outbox of a vendor and replays it. Blocking.
    pub(crate) fn open(vendor: &VendorId, options: &EgressOptions) -> Result<Self, EgressError> {
        let clock = Arc::clone(&options.clock);
        let mut journal_options =
            JournalOptions::new(Arc::new(move || clock.now().0.max(0).cast_unsigned()));
        journal_options.window_ms = 0;
        journal_options.segment_bytes = options.limits.outbox_bytes_max / 8;
        let failed = |source| EgressError::Outbox {
            vendor: vendor.clone(),
            source,
        };
        let dir = options.dir.join(vendor.as_str());
        let (journal, recovery) =
            Journal::open(dir, journal_options, Arc::clone(&options.files)).map_err(failed)?;
        // Numbers must never repeat in the ledger, not even where an outbox was lost and starts anew.
        let next_number = options.clock.now().0.max(0).cast_unsigned();
        let mut outbox = Self {
            vendor: vendor.clone(),
            journal,
            vault: Arc::clone(&options.vault),
            book: Book {
                standing: Standing {
                    // What was released before had nothing for a vendor that was not there.
                    cursor: options.journal.first_seq(),
                    next_number,
                    ..Standing::default()
                },
                dead_max: options.limits.dead_letters_max,
                ..Book::default()
            },
            held: VecDeque::new(),
            held_bytes: 0,
            open_line: None,
            bytes_max: options.limits.outbox_bytes_max,
            age_max: options.limits.finished_age_max,
            clock: Arc::clone(&options.clock),
            was_cut: recovery.cut.is_some(),
        };
        outbox.replay(recovery.first_seq)?;
        Ok(outbox)
    }

    fn replay(&mut self, first: u64) -> Result<(), EgressError> {
        let mut at = first;
        let mut unread = None;
        loop {
            let lines = self.lines(at)?;
            let Some((last, _)) = lines.last() else {
                return match unread {
                    // The last line is never released: without it containment and cursor are unknown, and nothing may be sent.
                    Some(line) => Err(EgressError::DamagedLine {
                        vendor: self.vendor.clone(),
                        line,
                    }),
                    None => Ok(()),
                };
            };
            at = last.number + 1;
            for (held, line) in lines {
                // A line whose key is gone was released: its effect is in the lines after it.
                unread = line.is_none().then_some(held.number);
                if let Some(line) = line {
                    self.take(held, line);
                }
            }
        }
    }

    /// Lines from one on, where their keys still exist. Blocking.
    pub(crate) fn lines(&self, from: u64) -> Result<Vec<(Held, Option<Line>)>, EgressError> {
        let entries = self
            .journal
            .read(from, 4 * 1024 * 1024)
            .map_err(|source| self.failed(source))?;
        let mut lines = Vec::with_capacity(entries.len());
        for entry in entries {
            let number = entry.first_seq;
            let damaged = || EgressError::DamagedLine {
                vendor: self.vendor.clone(),
                line: number,
            };
            let line = match self.vault.decrypt_entry(entry.tag, &entry.payload) {
                Ok(plain) => Some(line::decode(&plain).ok_or_else(damaged)?),
                Err(SealError::Forgotten) => None,
                Err(_) => return Err(damaged()),
            };
            let held = Held {
                number,
                bytes: entry.payload.len() as u64,
                appended_ms: entry.appended_ms,
            };
            lines.push((held, line));
        }
        Ok(lines)
    }

    /// Number of the first line that is still held.
    pub(crate) fn first_line(&self) -> u64 {
        self.held.front().map_or(0, |held| held.number)
    }

    /// Makes a change durable, then takes it over. Not to be dropped half-way except at the end of the process.
    pub(crate) async fn write(
        &mut self,
        standing: Standing,
        totals: Totals,
        change: Change,
    ) -> Result<(), EgressError> {
        let line = self.book.line(standing, totals, change);
        let (tag, payload) = self.vault.encrypt_entry(&line::encode(&line));
        let bytes = payload.len() as u64;
        let append = Append {
            keys: vec![NO_KEY],
            tag,
            payload: payload.into(),
        };
        let appended = self
            .journal
            .append(append)
            .await
            .map_err(|source| self.failed(source))?;
        let held = Held {
            number: appended.first_seq,
            bytes,
            appended_ms: self.now_ms(),
        };
        self.take(held, line);
        Ok(())
    }

    /// As [`Outbox::write`], with standing and totals as they are.
    pub(crate) async fn note(&mut self, change: Change) -> Result<(), EgressError> {
        let (standing, totals) = (self.book.standing.clone(), self.book.totals.clone());
        self.write(standing, totals, change).await
    }

    /// Deletes finished lines beyond the quota. Blocking.
    pub(crate) fn release(&mut self) -> Result<(), EgressError> {
        let until = self.open_line.unwrap_or(u64::MAX);
        let mut free = None;
        // The last line always stays: it holds the standing.
        while self.held.len() > 1 && self.held_bytes > self.bytes_max {
            match self.held.front().copied() {
                Some(held) if held.number < until => {
                    self.held.pop_front();
                    self.held_bytes -= held.bytes;
                    free = Some(held.number + 1);
                }
                _ => break,
            }
        }
        if let Some(next) = free {
            self.journal
                .release(next)
                .map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Deletes all lines of batches that have ended, where any is older than `finished_age_max` or a line is encrypted under a key
    /// that is not in use any more, as after somebody was forgotten. What still counts is durable in a line of its own before.
    pub(crate) async fn drop_finished(&mut self) -> Result<(), EgressError> {
        let present = self.vault.present_entry_tag();
        let oldest = self.held.front().map_or(u64::MAX, |held| held.appended_ms);
        let age_ms = u128::from(self.now_ms().saturating_sub(oldest));
        let is_old = self.held.len() > 1 && age_ms >= self.age_max.as_millis();
        if is_old || self.tags().iter().any(|tag| *tag != present) {
            self.renew().await?;
        }
        Ok(())
    }

    /// Leaves one line, which says all that still counts, and deletes the others.
    pub(crate) async fn renew(&mut self) -> Result<(), EgressError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let sealed = self.journal.seal().await;
        sealed.map_err(|source| self.failed(source))?;
        let (dead, open) = (self.book.dead.clone(), self.book.open.clone());
        self.note(Change::Kept { dead, open }).await?;
        let Some(kept) = self.held.back().copied() else {
            return Ok(());
        };
        self.journal
            .release(kept.number)
            .map_err(|source| self.failed(source))?;
        (self.held, self.held_bytes) = ([kept].into(), kept.bytes);
        Ok(())
    }

    /// Keys that lines are still encrypted under.
    pub(crate) fn tags(&self) -> Vec<u32> {
        self.journal.tags()
    }

    pub(crate) fn close(&self) {
        self.journal.close();
    }

    fn now_ms(&self) -> u64 {
        self.clock.now().0.max(0).cast_unsigned()
    }

    fn take(&mut self, held: Held, line: Line) {
        self.held.push_back(held);
        self.held_bytes += held.bytes;
        if matches!(line.change, Change::Queued(_) | Change::Kept { .. }) {
            self.open_line = Some(held.number);
        }
        self.book.apply(line);
        if self.book.open.is_none() {
            self.open_line = None;
        }
    }

    fn failed(&self, source: JournalError) -> EgressError {
        EgressError::Outbox {
            vendor: self.vendor.clone(),
            source,
        }
    }
}
