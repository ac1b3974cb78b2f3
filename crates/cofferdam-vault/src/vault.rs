//! The open vault: what it holds in memory, and how it gets there.
//!
//! The other files of this crate add its functions, one concern each. Locks are taken in the order database, master, people,
//! everything else; none but the database's is held across an await.

use crate::consent::Said;
use crate::crypt::{Keyed, Nonces, Secret};
use crate::entries::Entries;
use crate::identity::index::People;
use crate::identity::{IdentityMode, Resolved, ResolvedOrganization};
use crate::keys::{self, Purpose};
use crate::organizations::Organizations;
use crate::sealing::PeopleKeys;
use crate::tokens::Tokens;
use crate::{MasterKey, VaultError, database};
use cofferdam_model::{
    Clock, Definition, Entropy, IdentityClaim, MergeMap, PersonNumber, ProjectName, Provenance,
    Refusal,
};
use sqlx::SqliteConnection;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

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

/// The open vault. Also the installation's [`cofferdam_model::Pseudonyms`] and [`cofferdam_model::Sealer`].
#[derive(Debug)]
pub struct Vault {
    pub(crate) path: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) nonces: Nonces,
    pub(crate) database: tokio::sync::Mutex<SqliteConnection>,
    pub(crate) master: RwLock<Secret>,
    pub(crate) id_keys: Keyed,
    pub(crate) insert_keys: Keyed,
    usage_keys: Keyed,
    pub(crate) people_keys: RwLock<PeopleKeys>,
    pub(crate) organization_key: Secret,
    pub(crate) people: RwLock<People>,
    pub(crate) modes: RwLock<HashMap<ProjectName, IdentityMode>>,
    pub(crate) organizations: RwLock<Organizations>,
    pub(crate) tokens: RwLock<Tokens>,
    pub(crate) entries: Entries,
    pub(crate) choices: RwLock<HashMap<u32, Vec<Said>>>,
    pub(crate) cursor: AtomicU64,
    /// How often somebody took something back; see [`Vault::withdrawals`].
    pub(crate) withdrawals: AtomicU64,
    map: Mutex<Arc<MergeMap>>,
    #[cfg(test)]
    pub(crate) at_step: Mutex<Option<tests_hook::AtStep>>,
}

impl Vault {
    /// Whether the vault in `path` opens under this master key; beside a process that has it open, too. Changes nothing.
    ///
    /// # Errors
    /// [`VaultError::WrongMasterKey`], or what else keeps the file from being opened.
    pub async fn check_master(path: &Path, master: &MasterKey) -> Result<(), VaultError> {
        database::check_master(path, master).await
    }

    /// Opens or creates the vault. Whoever holds the data directory's lock calls it; one process at a time.
    ///
    /// # Errors
    /// [`VaultError`]; nothing is changed where the key is wrong, or the file newer or foreign.
    pub async fn open(options: VaultOptions) -> Result<Arc<Self>, VaultError> {
        let VaultOptions {
            path,
            master,
            clock,
            entropy,
        } = options;
        let nonces = Nonces::new(entropy);
        let now = clock.now().0;
        let (mut connection, master) = database::open(&path, &master, &nonces, now).await?;
        let missing = || VaultError::Damaged {
            problem: "a key is missing",
        };
        let index = keys::load(&mut connection, &master, Purpose::Index).await?;
        let (_, index) = index.first().ok_or_else(missing)?;
        let index = Keyed::new(index);
        let organization = keys::load(&mut connection, &master, Purpose::Organizations).await?;
        let (_, organization_key) = organization.into_iter().next().ok_or_else(missing)?;
        let people_keys = keys::load(&mut connection, &master, Purpose::People).await?;
        let tokens = Tokens::load(&mut connection, &master, &nonces).await?;
        let entries = Entries::load(&mut connection, &master, &nonces, now).await?;
        let vault = Self {
            clock,
            nonces,
            database: tokio::sync::Mutex::new(connection),
            master: RwLock::new(master),
            id_keys: Keyed::new(&index.hash(&[&["ids"]])),
            insert_keys: Keyed::new(&index.hash(&[&["inserts"]])),
            usage_keys: Keyed::new(&index.hash(&[&["usage"]])),
            people_keys: RwLock::new(PeopleKeys::new(people_keys).ok_or_else(missing)?),
            organization_key,
            people: RwLock::default(),
            modes: RwLock::default(),
            organizations: RwLock::default(),
            tokens: RwLock::new(tokens),
            entries,
            choices: RwLock::default(),
            cursor: AtomicU64::new(0),
            withdrawals: AtomicU64::new(0),
            map: Mutex::default(),
            path,
            #[cfg(test)]
            at_step: Mutex::default(),
        };
        vault.load().await?;
        Ok(Arc::new(vault))
    }

    /// Closes the database, so that nothing is left in its write-ahead log. Dropping without it loses nothing.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn checkpoint(&self) -> Result<(), VaultError> {
        let mut connection = self.database.lock().await;
        database::scrub(&mut connection, &self.path, &[]).await
    }

    /// Sets which ways of merging a project uses; the default is both.
    pub fn set_identity_mode(&self, project: &ProjectName, mode: IdentityMode) {
        self.modes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(project.clone(), mode);
    }

    /// Who an event or update is about; about a microsecond, in memory.
    ///
    /// # Errors
    /// A [`Refusal`]: no usable id, forgotten, or a claimed merge of two identified people. Nothing is changed then.
    pub fn resolve(
        &self,
        project: &ProjectName,
        claim: &IdentityClaim<'_>,
        provenance: Provenance,
    ) -> Result<Resolved, Refusal> {
        self.resolve_claim(project, claim, provenance, u32::MAX)
    }

    /// As [`Vault::resolve`], refusing where more than `new_people_max` ids would be seen for the first time.
    ///
    /// # Errors
    /// A [`Refusal`], also [`Refusal::NewPeopleLimit`]. Nothing is changed then.
    pub fn resolve_limited(
        &self,
        project: &ProjectName,
        claim: &IdentityClaim<'_>,
        provenance: Provenance,
        new_people_max: u32,
    ) -> Result<Resolved, Refusal> {
        self.resolve_claim(project, claim, provenance, new_people_max)
    }

    /// Which organization an id names: of the project's own group key where `group` is `None`, else of that key. `None` where it
    /// was never seen and may not be new.
    #[must_use]
    pub fn resolve_organization(
        &self,
        project: &ProjectName,
        group: Option<&str>,
        id: &str,
        may_be_new: bool,
    ) -> Option<ResolvedOrganization> {
        self.organization(project, group, id, may_be_new)
    }

    /// What stands for a key or an organization of the platform's own API where its requests are counted: a keyed hash, the same
    /// for the same text of a kind in a project.
    #[must_use]
    pub fn usage_token(&self, project: &ProjectName, kind: &str, text: &str) -> [u8; 16] {
        let parts: [&[&str]; 3] = [&[kind], &[project.as_str()], &[text]];
        self.usage_keys.short(&parts)
    }

    /// Whether anybody was forgotten so short a time ago that late copies are refused.
    #[must_use]
    pub fn has_forgotten(&self) -> bool {
        let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
        people.newest_tombstone().is_some_and(|at| self.holds(at))
    }

    /// Whether an id is refused because whom it names was forgotten, as sent or in a device's spelling.
    #[must_use]
    pub fn is_forgotten_id(&self, project: &ProjectName, id: &str) -> bool {
        let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
        self.is_buried(&people, project, &["", id])
    }

    /// After the journal's acknowledgement: these need not ride along any more.
    pub fn confirm(&self, definitions: &[Definition]) {
        if definitions.is_empty() {
            return;
        }
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        let mut organizations = self
            .organizations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for definition in definitions {
            people.confirm(definition);
            organizations.confirm(definition);
        }
    }

    /// The next journal sequence number to project.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor.load(Ordering::Acquire)
    }

    /// The merge map as of now. Free while nobody merges; rebuilt in linear time after a merge.
    #[must_use]
    pub fn merge_map(&self) -> Arc<MergeMap> {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
        if map.version() != people.links().len() as u64 {
            *map = Arc::new(MergeMap::from_links(people.links()));
        }
        Arc::clone(&map)
    }

    /// The number of an id, if it has one.
    #[must_use]
    pub fn lookup(&self, project: &ProjectName, id: &str) -> Option<PersonNumber> {
        let key = self.person_key(project, &[id]);
        let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
        people.find(&key).map(PersonNumber)
    }

    /// How many numbers were given.
    #[must_use]
    pub fn people(&self) -> u32 {
        self.people
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .next_number()
    }

    pub(crate) fn person_key(&self, project: &ProjectName, id: &[&str]) -> [u8; 16] {
        self.id_keys.short(&[&["person"], &[project.as_str()], id])
    }

    pub(crate) fn master(&self) -> Secret {
        self.master
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, reason = "tests stop here and copy the files")
    )]
    pub(crate) fn step(&self, _name: &'static str) {
        #[cfg(test)]
        if let Some(hook) = &mut *self.at_step.lock().unwrap_or_else(PoisonError::into_inner) {
            (hook.0)(_name);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests_hook {
    /// Called at every step of a rotation or erasure, with the step's name.
    pub(crate) struct AtStep(pub(crate) Box<dyn FnMut(&'static str) + Send>);

    impl std::fmt::Debug for AtStep {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("AtStep")
        }
    }
}
