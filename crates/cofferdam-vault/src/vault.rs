//! The vault's public face. (Signatures first; the bodies follow.)
#![expect(
    clippy::todo,
    clippy::unused_async,
    unused_variables,
    reason = "signatures first, bodies follow"
)]

use crate::{
    Choice, Consent, DeletionRequest, DeletionState, Erased, IdentityMode, MasterKey, Resolved,
    ResolvedOrganization, Scope, VaultError, Who,
};
use cofferdam_access::{Erase, ManageKeys, Permit, ReadPeople};
use cofferdam_model::{
    Clock, Definition, Entropy, IdKey, IdKind, IdentityClaim, MergeMap, OrganizationNumber,
    PersonNumber, ProjectName, Provenance, Pseudonyms, Refusal, Region, SealError, Sealer,
    TokenDomain, VendorId,
};
use std::path::PathBuf;
use std::sync::Arc;

/// What [`Vault::open`] needs.
#[derive(Debug)]
pub struct VaultOptions {
    /// The database file, `data/vault.db`; made where it is not there.
    pub path: PathBuf,
    /// The master key.
    pub master: MasterKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Source of keys and nonces.
    pub entropy: Arc<dyn Entropy>,
}

/// The open vault.
#[derive(Debug)]
pub struct Vault {}

impl Vault {
    /// Opens or creates the vault.
    ///
    /// # Errors
    /// [`VaultError`]; nothing is changed where the key is wrong or the format newer.
    pub async fn open(options: VaultOptions) -> Result<Arc<Self>, VaultError> {
        todo!()
    }
    /// Sets which ways of merging a project uses; the default is both.
    pub fn set_identity_mode(&self, project: &ProjectName, mode: IdentityMode) {
        todo!()
    }
    /// Who an event or update is about; about a microsecond, in memory.
    ///
    /// # Errors
    /// A [`Refusal`]: no usable id, forgotten, or a claimed merge of two identified people.
    pub fn resolve(
        &self,
        project: &ProjectName,
        claim: &IdentityClaim<'_>,
        provenance: Provenance,
    ) -> Result<Resolved, Refusal> {
        todo!()
    }
    /// As [`Vault::resolve`], refusing where more than `new_people_max` ids would be seen for the first time.
    ///
    /// # Errors
    /// A [`Refusal`], also [`Refusal::NewPeopleLimit`].
    pub fn resolve_limited(
        &self,
        project: &ProjectName,
        claim: &IdentityClaim<'_>,
        provenance: Provenance,
        new_people_max: u32,
    ) -> Result<Resolved, Refusal> {
        todo!()
    }
    /// Which organization an id names.
    pub fn resolve_organization(&self, project: &ProjectName, id: &str) -> ResolvedOrganization {
        todo!()
    }
    /// After the journal's acknowledgement: these need not ride along any more.
    pub fn confirm(&self, definitions: &[Definition]) {
        todo!()
    }
    /// Projects journal entries up to `next_seq` into the database, in one transaction. Idempotent.
    ///
    /// # Errors
    /// [`VaultError`]; nothing is projected then.
    pub async fn apply(&self, definitions: &[Definition], next_seq: u64) -> Result<(), VaultError> {
        todo!()
    }
    /// The next journal sequence number to project.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        todo!()
    }
    /// Encrypts a journal entry's payload; the tag names the key.
    #[must_use]
    pub fn encrypt_entry(&self, plain: &[u8]) -> (u32, Vec<u8>) {
        todo!()
    }
    /// Decrypts a journal entry's payload.
    ///
    /// # Errors
    /// [`SealError::Forgotten`] where the key was destroyed, [`SealError::Damaged`] where the bytes are not what was encrypted.
    pub fn decrypt_entry(&self, tag: u32, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        todo!()
    }
    /// Starts a new entry key (hourly, and after an erasure).
    ///
    /// # Errors
    /// [`VaultError`]; the present key stays in use then.
    pub async fn rotate_entry_key(&self) -> Result<u32, VaultError> {
        todo!()
    }
    /// Destroys all entry keys but these and the present one. Returns how many.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn destroy_entry_keys(&self, except: &[u32]) -> Result<usize, VaultError> {
        todo!()
    }
    /// The merge map as of now; cheap while nobody merges.
    #[must_use]
    pub fn merge_map(&self) -> Arc<MergeMap> {
        todo!()
    }
    /// A person's choices, over all merged numbers.
    #[must_use]
    pub fn consent(&self, person: PersonNumber) -> Consent {
        todo!()
    }
    /// Records a choice, durably.
    ///
    /// # Errors
    /// [`VaultError`]; an objection holds in memory even then.
    pub async fn set_choice(
        &self,
        person: PersonNumber,
        scope: Scope,
        choice: Choice,
    ) -> Result<(), VaultError> {
        todo!()
    }
    /// The present token epoch of a vendor in a region. Makes the key, durably, at first use: call it before asking for tokens.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn epoch(&self, vendor: &VendorId, region: &Region) -> Result<u32, VaultError> {
        todo!()
    }
    /// Starts a new token epoch.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn rotate_epoch(
        &self,
        permit: &Permit<ManageKeys>,
        vendor: &VendorId,
        region: &Region,
    ) -> Result<u32, VaultError> {
        todo!()
    }
    /// A person's id as sent; `None` where forgotten or unknown.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn id_text(
        &self,
        permit: &Permit<ReadPeople>,
        person: PersonNumber,
    ) -> Result<Option<String>, VaultError> {
        todo!()
    }
    /// An organization's id as sent.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn organization_text(
        &self,
        permit: &Permit<ReadPeople>,
        organization: OrganizationNumber,
    ) -> Result<Option<String>, VaultError> {
        todo!()
    }
    /// The number of an id, if it has one.
    #[must_use]
    pub fn lookup(&self, project: &ProjectName, id: &str) -> Option<PersonNumber> {
        todo!()
    }
    /// Forgets a person. `contact` is kept under an escrow key until the last vendor confirms.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn erase(
        &self,
        permit: &Permit<Erase>,
        project: &ProjectName,
        who: Who<'_>,
        contact: Option<&[u8]>,
    ) -> Result<Erased, VaultError> {
        todo!()
    }
    /// Deletion requests that are not done.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn deletion_requests(&self) -> Result<Vec<DeletionRequest>, VaultError> {
        todo!()
    }
    /// Records how far a deletion request got; the last one done destroys the erasure's contact.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn settle_deletion(
        &self,
        request: i64,
        state: DeletionState,
    ) -> Result<(), VaultError> {
        todo!()
    }
    /// The contact kept for an erasure's notices.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn escrowed_contact(
        &self,
        permit: &Permit<ReadPeople>,
        erasure: i64,
    ) -> Result<Option<Vec<u8>>, VaultError> {
        todo!()
    }
    /// Keyed hashes of all erased ids, to be kept with backups.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn erasures(&self) -> Result<Vec<IdKey>, VaultError> {
        todo!()
    }
    /// Erases again, after a restore, whoever is on the list. Returns the numbers.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn repeat_erasures(
        &self,
        permit: &Permit<Erase>,
        list: &[IdKey],
    ) -> Result<Vec<PersonNumber>, VaultError> {
        todo!()
    }
    /// Wraps every key by a new master key. After a kill at any point either the old or the new key opens the vault.
    ///
    /// # Errors
    /// [`VaultError`]; the old key stays in force then.
    pub async fn rotate_master(
        &self,
        permit: &Permit<ManageKeys>,
        new: MasterKey,
    ) -> Result<(), VaultError> {
        todo!()
    }
    /// The master key, encrypted to age recipients (`age1…`).
    ///
    /// # Errors
    /// [`VaultError::Recipient`], [`VaultError::Backup`].
    pub async fn backup(
        &self,
        permit: &Permit<ManageKeys>,
        recipients: &[String],
    ) -> Result<Vec<u8>, VaultError> {
        todo!()
    }
}

impl Pseudonyms for Vault {
    fn id_key(&self, project: &ProjectName, id: &str) -> IdKey {
        todo!()
    }
    fn insert_key(
        &self,
        project: &ProjectName,
        event: &str,
        distinct_id: &str,
        insert_id: &str,
    ) -> [u8; 16] {
        todo!()
    }
    fn token(&self, domain: &TokenDomain, kind: IdKind, value: &str) -> [u8; 32] {
        todo!()
    }
}

impl Sealer for Vault {
    fn seal(
        &self,
        person: PersonNumber,
        context: &[u8],
        plain: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        todo!()
    }
    fn open(
        &self,
        person: PersonNumber,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        todo!()
    }
}
