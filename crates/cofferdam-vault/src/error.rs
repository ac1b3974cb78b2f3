//! What can go wrong with the vault. Refusals of single events are [`cofferdam_model::Refusal`]s, not errors.

use std::path::PathBuf;
use thiserror::Error;

/// The vault cannot be opened, read or written.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The master key file cannot be read or written.
    #[error("cannot {action} the master key file `{path}`")]
    KeyFile {
        /// What was attempted.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The master key file is not usable.
    #[error("the master key file `{path}` is refused: {problem}")]
    KeyRefused {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The vault was made with another master key. Nothing was changed.
    #[error("the master key is not the one that `{path}` was made with")]
    WrongMasterKey {
        /// The vault's file.
        path: PathBuf,
    },
    /// The file was written by a newer version. Nothing was changed.
    #[error("`{path}` has format {found}, and this version knows only up to {known}")]
    NewerFormat {
        /// The vault's file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The file is a database, but not a vault. Nothing was changed.
    #[error("`{path}` is not a vault")]
    NotAVault {
        /// The file.
        path: PathBuf,
    },
    /// The database failed.
    #[error("cannot {action} the vault")]
    Database {
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// A file beside the database failed.
    #[error("cannot {action} the vault's files")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// What is stored contradicts itself.
    #[error("the vault is damaged: {problem}")]
    Damaged {
        /// What does not fit.
        problem: &'static str,
    },
    /// Nobody is known by that number or id.
    #[error("no such person")]
    NoSuchPerson,
    /// A rotation was asked for to the key that is in force already.
    #[error("the new master key is the one in use")]
    SameMasterKey,
    /// A backup recipient is not an age X25519 recipient.
    #[error("recipient {position} is not an age recipient (`age1…`)")]
    Recipient {
        /// Its position, from 0.
        position: usize,
    },
    /// The backup could not be encrypted.
    #[error("cannot encrypt the key backup")]
    Backup,
    /// Key bytes could still be found in the file after everything was done to destroy them.
    #[error("destroyed key bytes are still in the vault's file")]
    NotDestroyed,
}

impl VaultError {
    pub(crate) fn database(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action, source }
    }
}
