//! Sealing under a person's own key, and what wraps those keys.
//!
//! Policy seals identifying values at intake and opens them for home and vendors; when the key is destroyed they are gone.
//! Invariant: sealed bytes open only for the person and the context that they were sealed for.

use crate::crypt::{self, Secret};
use crate::keys::KeyName;
use crate::vault::Vault;
use crate::{VaultError, keys};
use cofferdam_access::{Permit, ReadPeople};
use cofferdam_model::{
    Day, Definition, IdKey, IdKind, PersonNumber, ProjectName, Pseudonyms, SealError, Sealer,
    TokenDomain,
};
use std::sync::PoisonError;

/// The keys that wrap person keys, by generation; a rotation of the master adds one for the people to come.
pub(crate) struct PeopleKeys(Vec<(u32, Secret)>);

impl std::fmt::Debug for PeopleKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PeopleKeys({})", self.0.len())
    }
}

impl PeopleKeys {
    pub(crate) fn new(keys: Vec<(KeyName, Secret)>) -> Option<Self> {
        let keys: Vec<_> = keys
            .into_iter()
            .map(|(name, secret)| (name.epoch, secret))
            .collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    pub(crate) fn generation(&self) -> u32 {
        self.0.last().map_or(0, |(generation, _)| *generation)
    }

    pub(crate) fn push(&mut self, generation: u32, secret: Secret) {
        self.0.push((generation, secret));
    }

    /// Opens a wrapped person key.
    pub(crate) fn unwrap(&self, number: u32, wrapped: &[u8]) -> Option<Secret> {
        let (generation, sealed) = wrapped.split_first_chunk::<4>()?;
        let generation = u32::from_le_bytes(*generation);
        let (_, key) = self.0.iter().find(|(known, _)| *known == generation)?;
        crypt::open_key(key, &keys::context("person", "", number), sealed)
    }

    fn wrap(&self, number: u32, secret: &Secret, nonce: [u8; crypt::NONCE]) -> Option<Vec<u8>> {
        let (generation, key) = self.0.last()?;
        let mut wrapped = generation.to_le_bytes().to_vec();
        let context = keys::context("person", "", number);
        crypt::seal(key, nonce, &context, &**secret, &mut wrapped)?;
        Some(wrapped)
    }
}

const ID: &[u8] = b"cofferdam id 1";

impl Vault {
    pub(crate) fn wrap_person(&self, number: u32, secret: &Secret) -> Option<Vec<u8>> {
        self.people_keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .wrap(number, secret, self.nonces.next())
    }

    pub(crate) fn seal_id(&self, number: u32, secret: &Secret, id: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = Vec::new();
        let context = bound(PersonNumber(number), ID);
        crypt::seal(secret, self.nonces.next(), &context, id, &mut sealed)?;
        Some(sealed)
    }

    /// A person's id as sent; `None` where forgotten or unknown.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn id_text(
        &self,
        _permit: &Permit<ReadPeople>,
        person: PersonNumber,
    ) -> Result<Option<String>, VaultError> {
        let mut connection = self.database.lock().await;
        let stored = self.stored_id(&mut connection, person.0).await?;
        Ok(stored.map(|(_, text)| text))
    }

    /// Wrapped key and id of a number, from the database or from what it does not have yet; `None` where forgotten or unknown.
    pub(crate) async fn stored_id(
        &self,
        connection: &mut sqlx::SqliteConnection,
        number: u32,
    ) -> Result<Option<(Vec<u8>, String)>, VaultError> {
        let recent = {
            let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
            people.recent(number).cloned()
        };
        let found = match recent {
            Some(Definition::Person {
                wrapped_key,
                sealed_id,
                ..
            }) => Some((wrapped_key, sealed_id)),
            _ => sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(
                "SELECT wrapped_key, sealed_id FROM persons WHERE number = ? AND forgotten = 0",
            )
            .bind(number)
            .fetch_optional(connection)
            .await
            .map_err(VaultError::database("read a person from"))?,
        };
        let Some((wrapped_key, sealed_id)) = found else {
            return Ok(None);
        };
        let damaged = |problem| move || VaultError::Damaged { problem };
        let secret = self
            .people_keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap(number, &wrapped_key)
            .ok_or_else(damaged("a person's key does not open"))?;
        let text = crypt::open(&secret, &bound(PersonNumber(number), ID), &sealed_id)
            .and_then(|text| String::from_utf8(text).ok())
            .ok_or_else(damaged("a person's id does not open"))?;
        Ok(Some((wrapped_key, text)))
    }

    /// The person's key, or the organization key where it is a group's own properties.
    fn person_secret(&self, person: PersonNumber) -> Result<Secret, SealError> {
        if person == PersonNumber::ORGANIZATIONS {
            return Ok(self.organization_key.clone());
        }
        let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
        people.secret(person.0).ok_or_else(|| {
            if people.is_forgotten(person.0) {
                SealError::Forgotten
            } else {
                SealError::UnknownPerson
            }
        })
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
        let secret = self.person_secret(person)?;
        let context = bound(person, context);
        crypt::seal(&secret, self.nonces.next(), &context, plain, sealed).ok_or(SealError::Damaged)
    }

    fn open(
        &self,
        person: PersonNumber,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let secret = self.person_secret(person)?;
        crypt::open(&secret, &bound(person, context), sealed).ok_or(SealError::Damaged)
    }
}

impl Pseudonyms for Vault {
    fn id_key(&self, project: &ProjectName, id: &str) -> IdKey {
        IdKey(self.person_key(project, &[id]))
    }

    fn insert_key(
        &self,
        project: &ProjectName,
        day: Option<Day>,
        event: &str,
        distinct_id: &str,
        insert_id: &str,
    ) -> [u8; 16] {
        let mut digits = [0; DAY_DIGITS_MAX];
        let day = day.map_or("", |Day(number)| decimal(number, &mut digits));
        self.insert_keys.short(&[
            &[project.as_str()],
            &[day],
            &[event],
            &[distinct_id],
            &[insert_id],
        ])
    }

    fn token(&self, domain: &TokenDomain, kind: IdKind, value: &str) -> [u8; 32] {
        self.tokens
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .token(domain, kind, value)
    }
}

/// Digits of the longest day number, with its sign.
const DAY_DIGITS_MAX: usize = 11;

/// A number as `to_string` writes it, without an allocation: this is asked of every event.
fn decimal(number: i32, digits: &mut [u8; DAY_DIGITS_MAX]) -> &str {
    use std::io::Write as _;
    let mut rest = &mut digits[..];
    // Never fails: there is room for every number.
    let _ = write!(rest, "{number}");
    let unused = rest.len();
    let length = DAY_DIGITS_MAX - unused;
    digits
        .get(..length)
        .and_then(|written| std::str::from_utf8(written).ok())
        .unwrap_or_default()
}

/// Context bound to the person.
fn bound(person: PersonNumber, context: &[u8]) -> Vec<u8> {
    let mut bound = Vec::with_capacity(4 + context.len());
    bound.extend_from_slice(&person.0.to_le_bytes());
    bound.extend_from_slice(context);
    bound
}
