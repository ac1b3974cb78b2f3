//! First version: the shape of the API; the depth follows.

use crate::{
    BatchId, Coverage, FieldKey, FieldSetId, Gap, LedgerError, Outcome, PossibleItem, Radius,
    RadiusRequest, SeenItem,
};
use cofferdam_model::{Day, MergeMap, PersonNumber, ProjectName, VendorId};
use std::path::PathBuf;

/// Where the ledger lives and when it checkpoints.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// The folder, e.g. `data/ledger`; made if absent.
    pub dir: PathBuf,
    /// Log size at which a write runs a checkpoint first, bytes. 64 MiB is a good figure.
    pub log_bytes_max: u64,
}

/// The exposure ledger of one installation. All methods block; call them from blocking tasks.
#[derive(Debug)]
pub struct Ledger {
    _options: LedgerOptions,
}

impl Ledger {
    /// Opens the ledger, recovering to the last whole record.
    ///
    /// # Errors
    /// [`LedgerError`] where a file cannot be read, is damaged or was written by a newer version.
    pub fn open(options: LedgerOptions) -> Result<Self, LedgerError> {
        Ok(Self { _options: options })
    }

    /// The handle of a list of fields; order and duplicates do not matter.
    ///
    /// # Errors
    /// [`LedgerError::Lock`].
    pub fn field_set(&self, _fields: &[FieldKey]) -> Result<FieldSetId, LedgerError> {
        Err(LedgerError::Poisoned)
    }

    /// Announces a batch before its first attempt. Durable when it returns: only then may a byte leave.
    /// Retries keep the batch.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing may be sent.
    pub fn possible(
        &self,
        _vendor: &VendorId,
        _day: Day,
        _items: &[PossibleItem],
    ) -> Result<BatchId, LedgerError> {
        Err(LedgerError::Poisoned)
    }

    /// As [`Self::possible`], for callers with an own durable outbox: `outbox_seq` grows by batch and vendor, and a number that
    /// was already announced (replay after a crash) counts its events only once.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing may be sent.
    pub fn possible_once(
        &self,
        _vendor: &VendorId,
        _outbox_seq: u64,
        _day: Day,
        _items: &[PossibleItem],
    ) -> Result<BatchId, LedgerError> {
        Err(LedgerError::Poisoned)
    }

    /// Records how a batch, or a part of it, ended. Written but not synced: losing it only over-reports.
    /// Settling what is settled already changes nothing.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn settle(&self, _batch: BatchId, _outcome: &Outcome) -> Result<(), LedgerError> {
        Err(LedgerError::Poisoned)
    }

    /// Records who sent which fields, for all projects of a stretch of the journal at once; `next_seq` is where the next call
    /// goes on. A call whose `next_seq` is not beyond the last one is a replay and changes nothing. Not synced.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn seen(
        &self,
        _items: &[(ProjectName, Vec<SeenItem>)],
        _next_seq: u64,
    ) -> Result<(), LedgerError> {
        Err(LedgerError::Poisoned)
    }

    /// The *durable* position of `seen` in the journal: where to replay from, and what the journal may release.
    ///
    /// # Errors
    /// [`LedgerError::Lock`].
    pub fn cursor(&self) -> Result<u64, LedgerError> {
        Err(LedgerError::Poisoned)
    }

    /// Records days for which it cannot be known what a vendor (`None`: every vendor) got.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn gap(&self, _vendor: Option<&VendorId>, _gap: &Gap) -> Result<(), LedgerError> {
        Err(LedgerError::Poisoned)
    }

    /// The vendor confirmed that it deleted everything about these numbers (all of a person's) that was sent on or before `as_of`.
    /// Give the day before the request where sends could have followed it on the same day.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn deletion_confirmed(
        &self,
        _vendor: &VendorId,
        _persons: &[PersonNumber],
        _as_of: Day,
    ) -> Result<(), LedgerError> {
        Err(LedgerError::Poisoned)
    }

    /// The blast radius of a vendor. Will take `&Permit<ReadRadius>` first, as soon as access has landed.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn radius(
        &self,
        _request: &RadiusRequest,
        _merges: &MergeMap,
        _coverage: &Coverage,
    ) -> Result<Radius, LedgerError> {
        Err(LedgerError::Poisoned)
    }
}
