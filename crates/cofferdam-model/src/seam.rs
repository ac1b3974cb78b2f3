//! The injected seams: time, randomness, pseudonyms and sealing.
//!
//! The server implements clock and entropy, vault implements pseudonyms and sealing; pure crates only call them.

use crate::{Day, IdKey, PersonNumber, ProjectName, Region, TimestampMs, VendorId};
use thiserror::Error;

/// The current time. Tests and the demo move it by hand.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Now.
    fn now(&self) -> TimestampMs;
}

/// Cryptographically secure randomness.
pub trait Entropy: Send + Sync + std::fmt::Debug {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// What an id identifies: ids of different kinds never share a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdKind {
    /// A person: `distinct_id`, `$user_id`, `alias` and every other place where a person's id can stand.
    Person,
    /// A device or anonymous id.
    Device,
    /// An organization or other group.
    Group,
    /// An event id: `$insert_id`, `messageId`.
    Event,
    /// Session, replay, click ids and values of any other category.
    Other,
}

/// Whom a token is for. Two domains never share a joinable token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenDomain {
    /// The vendor.
    pub vendor: VendorId,
    /// The region of the destination.
    pub region: Region,
    /// The key epoch; a new one renames everybody, for never-attempted events only.
    pub epoch: u32,
}

/// Keyed one-way names. Deterministic for a given installation; HMAC-SHA-256 under keys that only vault holds.
pub trait Pseudonyms: Send + Sync + std::fmt::Debug {
    /// Key under which an id is looked up.
    fn id_key(&self, project: &ProjectName, id: &str) -> IdKey;
    /// Key for deduplication of an event, over (project, UTC day of the event's time, event name, distinct id as sent, insert
    /// id). `day` is `None` where the event came without a usable time: then it is the same event on any day.
    fn insert_key(
        &self,
        project: &ProjectName,
        day: Option<Day>,
        event: &str,
        distinct_id: &str,
        insert_id: &str,
    ) -> [u8; 16];
    /// The vendor's pseudonym of a value, 32 bytes; policy shapes it as the dialect needs.
    /// Person and device ids share one key within a domain, so that a person stays one person to that vendor.
    fn token(&self, domain: &TokenDomain, kind: IdKind, value: &str) -> [u8; 32];
}

/// Why something could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// The person's key was destroyed: the person has been forgotten.
    #[error("the person's key was destroyed")]
    Forgotten,
    /// No key is known for that number.
    #[error("no key is known for that person")]
    UnknownPerson,
    /// The bytes are not what was sealed under that key and context.
    #[error("the sealed bytes are damaged or belong elsewhere")]
    Damaged,
}

/// Authenticated encryption under a person's own key.
pub trait Sealer: Send + Sync + std::fmt::Debug {
    /// Appends the sealed form of `plain` to `sealed`; `context` must be given again to open it.
    ///
    /// # Errors
    /// [`SealError::Forgotten`] or [`SealError::UnknownPerson`] where there is no key.
    fn seal(
        &self,
        person: PersonNumber,
        context: &[u8],
        plain: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), SealError>;
    /// Opens what [`Sealer::seal`] made.
    ///
    /// # Errors
    /// [`SealError`] where there is no key, or the bytes or the context are not those that were sealed.
    fn open(
        &self,
        person: PersonNumber,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError>;
}
