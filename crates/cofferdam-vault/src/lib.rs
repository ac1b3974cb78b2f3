//! Keys, tokens, sealing, identity merges and forgetting.
//!
//! Intake asks who somebody is and seals; consumers open and tokenise; operators forget people and rotate keys. Everything that
//! the hot path needs is in memory; `vault.db` holds it durably, as a projection of the journal with a cursor.
//! Invariant: no id, key or contact is on disk in clear, and no random key is used before it is durable.

mod consent;
mod crypt;
mod database;
mod deletion;
mod entries;
mod erase;
mod error;
mod identity;
mod keys;
mod master;
mod organizations;
mod people;
mod projection;
mod rotation;
mod sealing;
mod tokens;
mod unfinished;
mod vault;

#[cfg(test)]
mod tests;

pub use consent::{Choice, Consent, Scope, Standing};
pub use deletion::{DeletionRequest, DeletionState};
pub use erase::{Erased, Who};
pub use error::VaultError;
pub use identity::{IdentityMode, Resolved, ResolvedOrganization};
pub use master::MasterKey;
pub use vault::{Vault, VaultOptions};
