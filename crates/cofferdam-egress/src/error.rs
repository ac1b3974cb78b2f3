//! What can go wrong in egress: broken storage, missing keys, unknown vendors. What a vendor answers is not an error.

use cofferdam_journal::JournalError;
use cofferdam_ledger::LedgerError;
use cofferdam_model::{SealError, VendorId};
use thiserror::Error;

/// Why egress could not do something.
#[derive(Debug, Error)]
pub enum EgressError {
    /// No vendor with that id is configured.
    #[error("no vendor `{0}` is configured")]
    UnknownVendor(VendorId),
    /// The outbox cannot be read or written.
    #[error("the outbox of vendor `{vendor}` cannot be used")]
    Outbox {
        /// The vendor.
        vendor: VendorId,
        /// What failed.
        #[source]
        source: JournalError,
    },
    /// The folder of the outboxes cannot be read.
    #[error("the folder of the outboxes cannot be read")]
    Folder {
        /// What failed.
        #[source]
        source: std::io::Error,
    },
    /// A line of the outbox is not what was written.
    #[error("line {line} of the outbox of vendor `{vendor}` is damaged")]
    DamagedLine {
        /// The vendor.
        vendor: VendorId,
        /// Its position.
        line: u64,
    },
    /// The containment holds, but is not durable: it would not survive a restart.
    #[error("vendor `{vendor}` is contained, but that could not be made durable")]
    NotDurable {
        /// The vendor.
        vendor: VendorId,
        /// What failed.
        #[source]
        source: Box<EgressError>,
    },
    /// The event journal cannot be read.
    #[error("the journal cannot be read")]
    Journal(#[source] JournalError),
    /// The ledger refused; nothing is sent then.
    #[error("the ledger cannot record the exposure")]
    Ledger(#[from] LedgerError),
    /// An entry's key is missing.
    #[error("an entry cannot be decrypted")]
    Seal(#[source] SealError),
    /// The vault could not give out token keys.
    #[error("the vault has no token keys for vendor `{vendor}`")]
    Tokens {
        /// The vendor.
        vendor: VendorId,
        /// What failed.
        #[source]
        source: cofferdam_vault::VaultError,
    },
    /// The vault's list of deletion requests cannot be read or changed.
    #[error("the deletion requests cannot be read or changed")]
    Deletions(#[source] cofferdam_vault::VaultError),
    /// A blocking task ended without an answer, or the worker is gone.
    #[error("the worker of vendor `{0}` is gone")]
    Gone(VendorId),
}

impl EgressError {
    /// Stable code for status and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownVendor(_) => "unknown_vendor",
            Self::Outbox { .. } => "outbox",
            Self::Folder { .. } => "outbox_folder",
            Self::DamagedLine { .. } => "outbox_damaged",
            Self::NotDurable { .. } => "not_durable",
            Self::Journal(_) => "journal",
            Self::Ledger(_) => "ledger",
            Self::Seal(_) => "seal",
            Self::Tokens { .. } => "tokens",
            Self::Deletions(_) => "deletions",
            Self::Gone(_) => "gone",
        }
    }
}
