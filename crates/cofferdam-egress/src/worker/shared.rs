//! What a vendor's worker shares with the rest: the outbox, the containment, the live status.
//!
//! Invariant: containment is set before anybody waits for the disk, and the outbox's lock is never held while sending.

use super::live::{Live, ranked};
use crate::book::{Change, Standing};
use crate::feed::{Collected, count};
use crate::outbox::Outbox;
use crate::{EgressError, EgressLimits, VendorOptions, VendorStatus};
use cofferdam_model::{Refusal, TimestampMs, VendorId};
use cofferdam_outbound::{Outbound, Purpose};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Bytes of a journal record before one was read.
const RECORD_BYTES: u64 = 800;
/// Most lost stretches listed.
const LOST_MAX: usize = 100;

/// One vendor's state.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) vendor: VendorId,
    /// [`VendorOptions::account`].
    pub(crate) account: Option<u32>,
    pub(crate) purpose: Purpose,
    pub(crate) outbox: tokio::sync::Mutex<Outbox>,
    live: Mutex<Live>,
    contained: AtomicBool,
    cursor: AtomicU64,
    /// The first journal record that may be read again.
    needs: AtomicU64,
    /// Items of the open batch.
    open_items: AtomicU64,
    wake: Notify,
}

impl Shared {
    /// Takes an opened outbox over; cuts the way out where it says so.
    pub(crate) fn new(vendor: &VendorOptions, outbox: Outbox, outbound: &Outbound) -> Self {
        let purpose = Purpose::VendorEvents(vendor.id.clone());
        // One that was cut and could not be written down stays cut when its worker is replaced.
        let contained = outbox.book.standing.contained || outbound.is_cut(&purpose);
        if contained {
            outbound.cut(&purpose);
        }
        let shared = Self {
            vendor: vendor.id.clone(),
            account: vendor.account(),
            purpose,
            live: Mutex::default(),
            contained: AtomicBool::new(contained),
            cursor: AtomicU64::new(0),
            needs: AtomicU64::new(0),
            open_items: AtomicU64::new(0),
            wake: Notify::new(),
            outbox: tokio::sync::Mutex::new(outbox),
        };
        if let Ok(outbox) = shared.outbox.try_lock() {
            shared.publish(&outbox);
        }
        shared
    }

    pub(crate) fn is_contained(&self) -> bool {
        self.contained.load(Ordering::SeqCst)
    }

    pub(crate) fn cursor(&self) -> u64 {
        self.cursor.load(Ordering::SeqCst)
    }

    /// What comes before it may be released by the journal. An open batch holds its records, unless it is older than a whole
    /// backlog: then it leaves as the oldest of it.
    pub(crate) fn needs(&self, limits: &EgressLimits) -> u64 {
        let (needs, cursor) = (self.needs.load(Ordering::SeqCst), self.cursor());
        if cursor.saturating_sub(needs) > self.quota(limits) {
            cursor
        } else {
            needs
        }
    }

    /// Most records that may wait.
    pub(crate) fn quota(&self, limits: &EgressLimits) -> u64 {
        let by_bytes = limits.backlog_bytes_max / self.record_bytes().max(1);
        limits.backlog_records_max.min(by_bytes)
    }

    fn record_bytes(&self) -> u64 {
        self.live(|live| live.record_bytes).unwrap_or(RECORD_BYTES)
    }

    pub(crate) async fn standing(&self) -> Standing {
        self.outbox.lock().await.book.standing.clone()
    }

    /// Resolves when containment began or ended, or somebody else wants the worker to look up.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn live<T>(&self, change: impl FnOnce(&mut Live) -> T) -> T {
        change(&mut self.live.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows the outbox's state to those who do not take its lock.
    pub(crate) fn publish(&self, outbox: &Outbox) {
        self.cursor
            .store(outbox.book.standing.cursor, Ordering::SeqCst);
        self.needs.store(outbox.book.needs(), Ordering::SeqCst);
        self.open_items
            .store(outbox.book.open_items(), Ordering::SeqCst);
    }

    /// Stops everything, as long as the process lives; the worker writes it down.
    pub(crate) fn hold(&self, outbound: &Outbound) {
        self.contained.store(true, Ordering::SeqCst);
        outbound.cut(&self.purpose);
        self.wake.notify_one();
    }

    /// Stops everything: the sockets first, then for good.
    pub(crate) async fn contain(&self, outbound: &Outbound) -> Result<(), EgressError> {
        self.contained.store(true, Ordering::SeqCst);
        outbound.cut(&self.purpose);
        let result = self.make_durable().await;
        self.wake.notify_one();
        result.map_err(|source| EgressError::NotDurable {
            vendor: self.vendor.clone(),
            source: Box::new(source),
        })
    }

    /// Writes the containment down, once.
    pub(crate) async fn make_durable(&self) -> Result<(), EgressError> {
        let mut outbox = self.outbox.lock().await;
        if self.is_contained() && !outbox.book.standing.contained {
            outbox.note(Change::Contained).await?;
            self.publish(&outbox);
        }
        Ok(())
    }

    /// Ends the containment: sending starts at journal record `end`.
    pub(crate) async fn resume(&self, outbound: &Outbound, end: u64) -> Result<(), EgressError> {
        let mut outbox = self.outbox.lock().await;
        if !outbox.book.standing.contained && !self.is_contained() {
            return Ok(());
        }
        let mut standing = outbox.book.standing.clone();
        standing.skip_until = end.max(standing.cursor);
        if let Some(account) = self.account {
            standing.accounts = vec![account];
        }
        let totals = outbox.book.totals.clone();
        outbox.write(standing, totals, Change::Resumed).await?;
        self.publish(&outbox);
        self.contained.store(false, Ordering::SeqCst);
        outbound.restore(&self.purpose);
        self.wake.notify_one();
        Ok(())
    }

    /// Makes a moved cursor durable, with the counts of what it passed.
    pub(crate) async fn moved(
        &self,
        collected: Collected,
        refusal: Option<Refusal>,
    ) -> Result<(), EgressError> {
        self.observe(&collected);
        let mut outbox = self.outbox.lock().await;
        let (mut standing, mut totals) = (outbox.book.standing.clone(), outbox.book.totals.clone());
        if standing.cursor >= collected.cursor {
            return Ok(());
        }
        standing.cursor = collected.cursor;
        for (refusal, count) in &collected.refused {
            totals.withhold(*refusal, *count);
        }
        let is_lost = matches!(
            refusal,
            Some(Refusal::BacklogFull | Refusal::BacklogExpired)
        );
        if let (true, Some((first, last))) = (is_lost, collected.days) {
            match totals.lost.last_mut() {
                Some((_, until, count)) if first.0 <= until.0 + 1 => {
                    *until = (*until).max(last);
                    *count += collected.records;
                }
                _ => totals.lost.push((first, last, collected.records)),
            }
            let excess = totals.lost.len().saturating_sub(LOST_MAX);
            totals.lost.drain(..excess);
        }
        outbox.write(standing, totals, Change::Moved).await?;
        self.publish(&outbox);
        Ok(())
    }

    pub(crate) fn observe(&self, collected: &Collected) {
        self.live(|live| {
            if let Some(bytes) = collected.bytes.checked_div(collected.records) {
                live.record_bytes = Some(bytes.max(1));
            }
            for (into, from) in [
                (&mut live.withheld, &collected.withheld),
                (&mut live.would_withhold, &collected.would_withhold),
            ] {
                for ((path, refusal), values) in from {
                    count(into, path, *refusal, *values);
                }
            }
        });
    }

    /// Everything that operators see.
    pub(crate) async fn status(&self, end: u64, now: TimestampMs) -> VendorStatus {
        let (totals, dead_letters) = {
            let outbox = self.outbox.lock().await;
            (outbox.book.totals.clone(), outbox.book.dead.len())
        };
        let cursor = self.cursor();
        let waiting = if self.is_contained() {
            0
        } else {
            end.saturating_sub(cursor)
        };
        let backlog_records = waiting + self.open_items.load(Ordering::SeqCst);
        self.live(|live| VendorStatus {
            vendor: self.vendor.clone(),
            state: if self.is_contained() {
                crate::SendState::Contained
            } else {
                live.state
            },
            cursor,
            backlog_records,
            backlog_bytes: backlog_records * live.record_bytes.unwrap_or(RECORD_BYTES),
            last_success: live.last_success,
            last_error: live.last_error,
            last_status: live.last_status,
            failures: live.failures,
            next_attempt: live.next_attempt,
            delivered_per_second: live.rate(now),
            withheld: ranked(&live.withheld),
            would_withhold: ranked(&live.would_withhold),
            totals,
            dead_letters,
        })
    }

    /// Whether nothing is open and every durable record up to `end` was looked at.
    pub(crate) async fn is_drained(&self, end: u64) -> bool {
        let outbox = self.outbox.lock().await;
        outbox.book.open.is_none() && outbox.book.standing.cursor >= end
    }
}

impl std::fmt::Debug for super::Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("vendor", &self.shared.vendor)
            .finish_non_exhaustive()
    }
}
