//! Forgetting people: every number, every key, and what to ask of vendors.
//!
//! The tokens that a vendor knows are computed before the keys die. Memory forgets first, so that no late copy slips in between.
//! What is outside the vault stays marked as unfinished until somebody says that it is done.
//! Invariant: once `erase` returns, no key of the person is in memory or in the file, and the id is refused for 30 days.

use crate::deletion::{self, DeletionRequest};
use crate::identity::index::Tombstone;
use crate::vault::Vault;
use crate::{VaultError, database, unfinished};
use cofferdam_access::{Erase, Permit};
use cofferdam_model::{
    DEVICE_PREFIX, Definition, IdKey, IdKind, PersonNumber, ProjectName, TimestampMs,
};
use sqlx::{Connection, SqliteConnection};
use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Whom to forget.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// By any of the person's numbers.
    Number(PersonNumber),
    /// By any of the person's ids, as sent.
    Id(&'a str),
}

/// What an erasure did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Id of the erasure.
    pub erasure: i64,
    /// All numbers of the person, ascending.
    pub numbers: Vec<PersonNumber>,
    /// What to ask of vendors: each id's token in every epoch of every vendor that ever had tokens.
    pub requests: Vec<DeletionRequest>,
    /// When the person was forgotten, where an earlier erasure had left nothing to forget.
    pub forgotten_before: Option<TimestampMs>,
}

/// A number to be forgotten, with what must be known before.
struct Doomed {
    number: u32,
    id_key: [u8; 16],
    /// Wrapped key and id, unless an earlier attempt got this far.
    stored: Option<(Vec<u8>, String)>,
}

impl Vault {
    /// Forgets a person: all merged numbers. `contact` is kept under a key of its own until the last vendor confirms; without any
    /// vendor it is not kept. Repeating a failed or finished erasure is safe.
    ///
    /// # Errors
    /// [`VaultError::NoSuchPerson`]; any other: repeat it (memory has forgotten the person already).
    pub async fn erase(
        &self,
        _permit: &Permit<Erase>,
        project: &ProjectName,
        who: Who<'_>,
        contact: Option<&[u8]>,
    ) -> Result<Erased, VaultError> {
        let number = self.find(project, who).await?;
        let erased = self.erase_number(number.0, contact).await?;
        if let Err(error) = self.rotate_entry_key().await {
            tracing::warn!(%error, "cannot start a new journal key after an erasure");
        }
        Ok(erased)
    }

    /// The number of a person of that project, also of one who was forgotten; a number of another project's person is nobody's.
    ///
    /// # Errors
    /// [`VaultError::NoSuchPerson`], or the database's.
    pub async fn find(
        &self,
        project: &ProjectName,
        who: Who<'_>,
    ) -> Result<PersonNumber, VaultError> {
        let number = match who {
            Who::Id(id) => {
                return self
                    .number_of(self.person_key(project, &[id]))
                    .map(PersonNumber);
            }
            Who::Number(number) => number,
        };
        let recent = {
            let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
            if !people.is_present(number.0) {
                return Err(VaultError::NoSuchPerson);
            }
            match people.recent(number.0) {
                Some(Definition::Person { project, .. }) => Some(project.to_string()),
                _ => None,
            }
        };
        let owner = match recent {
            Some(owner) => Some(owner),
            None => {
                let mut connection = self.database.lock().await;
                sqlx::query_scalar("SELECT project FROM persons WHERE number = ?")
                    .bind(number.0)
                    .fetch_optional(&mut *connection)
                    .await
                    .map_err(VaultError::database("read a person of"))?
            }
        };
        // Of somebody who was forgotten before the definition was stored, only the number is left.
        match owner {
            Some(owner) if owner.is_empty() || owner == project.as_str() => Ok(number),
            _ => Err(VaultError::NoSuchPerson),
        }
    }

    /// Keyed hashes of all erased ids, oldest first: to be kept with backups, and given to [`Vault::repeat_erasures`] after a restore.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn erasures(&self) -> Result<Vec<IdKey>, VaultError> {
        let mut connection = self.database.lock().await;
        let rows: Vec<(Vec<u8>,)> =
            sqlx::query_as("SELECT id_key FROM tombstones ORDER BY erased_at, id_key")
                .fetch_all(&mut *connection)
                .await
                .map_err(VaultError::database("read erasures from"))?;
        rows.into_iter()
            .map(|(key,)| {
                key.try_into().map(IdKey).map_err(|_| VaultError::Damaged {
                    problem: "an id key has the wrong length",
                })
            })
            .collect()
    }

    /// After a restore: forgets again whoever is on the list, and refuses their ids where the restored vault does not know them.
    /// Returns the numbers.
    ///
    /// # Errors
    /// [`VaultError`]; repeat it then.
    pub async fn repeat_erasures(
        &self,
        _permit: &Permit<Erase>,
        list: &[IdKey],
    ) -> Result<Vec<PersonNumber>, VaultError> {
        let mut numbers = BTreeSet::new();
        for key in list {
            match self.number_of(key.0) {
                Ok(number) => {
                    let erased = self.erase_number(number, None).await?;
                    numbers.extend(erased.numbers);
                }
                Err(_) => self.bury(key.0).await?,
            }
        }
        Ok(numbers.into_iter().collect())
    }

    fn number_of(&self, key: [u8; 16]) -> Result<u32, VaultError> {
        let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
        people
            .find(&key)
            .or_else(|| people.tombstone(&key)?.number)
            .ok_or(VaultError::NoSuchPerson)
    }

    async fn bury(&self, key: [u8; 16]) -> Result<(), VaultError> {
        let mut connection = self.database.lock().await;
        let erased_at = self.clock.now().0;
        store_tombstone(&mut connection, key, None, erased_at).await?;
        let number = None;
        self.people
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .bury(key, Tombstone { number, erased_at });
        Ok(())
    }

    async fn erase_number(
        &self,
        number: u32,
        contact: Option<&[u8]>,
    ) -> Result<Erased, VaultError> {
        let failed = || VaultError::database("erase from");
        let mut connection = self.database.lock().await;
        let now = self.clock.now().0;
        let mut doomed = self.forget_in_memory(number, now)?;
        for one in &mut doomed {
            one.stored = self.stored_id(&mut connection, one.number).await?;
        }
        let mut transaction = connection.begin().await.map_err(failed())?;
        let (erasure,): (i64,) =
            sqlx::query_as("INSERT INTO erasures (at) VALUES (?) RETURNING id")
                .bind(now)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed())?;
        let is_gone = doomed.iter().all(|one| one.stored.is_none());
        let mut queued = 0;
        for one in &doomed {
            unfinished::mark(&mut transaction, one.number).await?;
            if one.stored.is_none() {
                continue;
            }
            queued += self.queue(&mut transaction, erasure, one, now).await?;
            destroy_person(&mut transaction, one, now).await?;
            self.step("person destroyed");
        }
        if let Some(contact) = contact.filter(|_| queued > 0) {
            self.escrow(&mut transaction, erasure, contact).await?;
        }
        transaction.commit().await.map_err(failed())?;
        self.step("erasure committed");
        let numbers: Vec<u32> = doomed.iter().map(|one| one.number).collect();
        self.drop_from_memory(&numbers);
        let destroyed: Vec<Vec<u8>> = doomed.into_iter().filter_map(needle).collect();
        database::scrub(&mut connection, &self.path, &destroyed).await?;
        let forgotten_before = match is_gone {
            true => last_forgotten(&mut connection, &numbers).await?,
            false => None,
        };
        Ok(Erased {
            erasure,
            forgotten_before,
            requests: deletion::of_numbers(&mut connection, &numbers).await?,
            numbers: numbers.into_iter().map(PersonNumber).collect(),
        })
    }

    /// From here on late copies are refused and nothing can be sealed or opened.
    fn forget_in_memory(&self, number: u32, now: i64) -> Result<Vec<Doomed>, VaultError> {
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        if !people.is_present(number) {
            return Err(VaultError::NoSuchPerson);
        }
        let mut doomed = Vec::new();
        for number in people.cluster(number) {
            if let Some(id_key) = people.id_key(number) {
                people.forget(number, now);
                doomed.push(Doomed {
                    number,
                    id_key,
                    stored: None,
                });
            }
        }
        drop(people);
        self.withdrawals.fetch_add(1, Ordering::SeqCst);
        Ok(doomed)
    }

    fn drop_from_memory(&self, numbers: &[u32]) {
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        for number in numbers {
            people.drop_recent(*number);
        }
        let mut choices = self.choices.write().unwrap_or_else(PoisonError::into_inner);
        choices.retain(|number, _| !numbers.contains(number));
    }

    /// Queues what to ask of every vendor that ever had tokens. Returns how many requests.
    async fn queue(
        &self,
        connection: &mut SqliteConnection,
        erasure: i64,
        doomed: &Doomed,
        now: i64,
    ) -> Result<usize, VaultError> {
        let Some((_, id)) = &doomed.stored else {
            return Ok(0);
        };
        let bare = id.strip_prefix(DEVICE_PREFIX);
        let tokens: Vec<_> = {
            let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
            let domains = tokens.all().into_iter();
            domains
                .map(|domain| {
                    let token = tokens.token(&domain, IdKind::Person, bare.unwrap_or(id));
                    (domain, token)
                })
                .collect()
        };
        for (domain, token) in &tokens {
            sqlx::query(
                "INSERT INTO deletion_requests (erasure, vendor, region, epoch, number, device, token, state, asked_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
            )
            .bind(erasure)
            .bind(domain.vendor.as_str())
            .bind(domain.region.as_str())
            .bind(domain.epoch)
            .bind(doomed.number)
            .bind(bare.is_some())
            .bind(token.to_vec())
            .bind(now)
            .execute(&mut *connection)
            .await
            .map_err(VaultError::database("queue a deletion request in"))?;
        }
        Ok(tokens.len())
    }
}

/// Overwrites what identifies the person, then drops it; the number stays, so that counts and proofs do.
async fn destroy_person(
    connection: &mut SqliteConnection,
    doomed: &Doomed,
    now: i64,
) -> Result<(), VaultError> {
    let failed = || VaultError::database("erase from");
    // A definition that is not projected yet finds the number taken and forgotten.
    sqlx::query("INSERT OR IGNORE INTO persons (number, project, anonymous, forgotten) VALUES (?, '', 0, 1)")
        .bind(doomed.number)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    for statement in [
        "UPDATE persons SET forgotten = 1, id_key = zeroblob(length(id_key)), wrapped_key = zeroblob(length(wrapped_key)), \
         sealed_id = zeroblob(length(sealed_id)) WHERE number = ?",
        "UPDATE persons SET id_key = NULL, wrapped_key = NULL, sealed_id = NULL WHERE number = ?",
        "DELETE FROM choices WHERE person = ?",
    ] {
        sqlx::query(statement)
            .bind(doomed.number)
            .execute(&mut *connection)
            .await
            .map_err(failed())?;
    }
    store_tombstone(connection, doomed.id_key, Some(doomed.number), now).await
}

async fn store_tombstone(
    connection: &mut SqliteConnection,
    key: [u8; 16],
    number: Option<u32>,
    now: i64,
) -> Result<(), VaultError> {
    sqlx::query("INSERT OR IGNORE INTO tombstones (id_key, erased_at, number) VALUES (?, ?, ?)")
        .bind(key.to_vec())
        .bind(now)
        .bind(number)
        .execute(connection)
        .await
        .map_err(VaultError::database("store a tombstone in"))?;
    Ok(())
}

/// When the last of these numbers was forgotten.
async fn last_forgotten(
    connection: &mut SqliteConnection,
    numbers: &[u32],
) -> Result<Option<TimestampMs>, VaultError> {
    let mut last = None;
    for number in numbers {
        let (at,): (Option<i64>,) =
            sqlx::query_as("SELECT max(erased_at) FROM tombstones WHERE number = ?")
                .bind(*number)
                .fetch_one(&mut *connection)
                .await
                .map_err(VaultError::database("read erasures from"))?;
        last = last.max(at.map(TimestampMs));
    }
    Ok(last)
}

/// What must not be found in the file any more: the wrapped key's nonce and first bytes (the four before are a generation).
fn needle(doomed: Doomed) -> Option<Vec<u8>> {
    let (wrapped, _) = doomed.stored?;
    wrapped.get(4..).map(<[u8]>::to_vec)
}
