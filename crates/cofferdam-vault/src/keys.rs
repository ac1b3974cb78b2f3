//! Keys wrapped by the master key: their rows, how they are wrapped, made and destroyed.
//!
//! The master wraps few keys (index, people, organizations, one per token domain and epoch, one per journal segment, one per
//! escrow); person keys are wrapped by the *people* key, so that rotating the master touches no person and no journal entry.
//! Invariant: a key is in the database before anybody can use it.

use crate::crypt::{self, Nonces, Secret};
use crate::error::VaultError;
use sqlx::SqliteConnection;

/// What a key is for. The text is stored and bound into the wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    Index,
    People,
    Organizations,
    Token,
    Entry,
    Escrow,
}

impl Purpose {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::People => "people",
            Self::Organizations => "organizations",
            Self::Token => "token",
            Self::Entry => "entry",
            Self::Escrow => "escrow",
        }
    }
}

/// A key's full name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyName {
    pub(crate) purpose: Purpose,
    pub(crate) name: String,
    pub(crate) epoch: u32,
}

impl KeyName {
    pub(crate) fn new(purpose: Purpose, name: impl Into<String>, epoch: u32) -> Self {
        Self {
            purpose,
            name: name.into(),
            epoch,
        }
    }

    pub(crate) fn context(&self) -> Vec<u8> {
        context(self.purpose.text(), &self.name, self.epoch)
    }
}

/// What a wrapped key is bound to: it cannot be moved to another row.
pub(crate) fn context(purpose: &str, name: &str, epoch: u32) -> Vec<u8> {
    format!("cofferdam key 1\n{purpose}\n{epoch}\n{name}").into_bytes()
}

/// Makes a random key, wraps it and stores it. Durable once the surrounding transaction is.
pub(crate) async fn create(
    database: &mut SqliteConnection,
    master: &[u8; 32],
    nonces: &Nonces,
    name: &KeyName,
    now: i64,
) -> Result<Secret, VaultError> {
    let secret = nonces.secret();
    let mut wrapped = Vec::new();
    crypt::seal(
        master,
        nonces.next(),
        &name.context(),
        &*secret,
        &mut wrapped,
    )
    .ok_or(VaultError::Damaged {
        problem: "a key cannot be wrapped",
    })?;
    sqlx::query("INSERT INTO keys (purpose, name, epoch, wrapped, created) VALUES (?, ?, ?, ?, ?)")
        .bind(name.purpose.text())
        .bind(name.name.as_str())
        .bind(name.epoch)
        .bind(wrapped)
        .bind(now)
        .execute(database)
        .await
        .map_err(VaultError::database("store a key in"))?;
    Ok(secret)
}

/// Every key of a purpose, unwrapped, by name and epoch.
pub(crate) async fn load(
    database: &mut SqliteConnection,
    master: &[u8; 32],
    purpose: Purpose,
) -> Result<Vec<(KeyName, Secret)>, VaultError> {
    let rows: Vec<(String, u32, Vec<u8>)> = sqlx::query_as(
        "SELECT name, epoch, wrapped FROM keys WHERE purpose = ? ORDER BY name, epoch",
    )
    .bind(purpose.text())
    .fetch_all(database)
    .await
    .map_err(VaultError::database("read keys from"))?;
    rows.into_iter()
        .map(|(name, epoch, wrapped)| {
            let name = KeyName::new(purpose, name, epoch);
            let secret =
                crypt::open_key(master, &name.context(), &wrapped).ok_or(VaultError::Damaged {
                    problem: "a key does not open under the master key",
                })?;
            Ok((name, secret))
        })
        .collect()
}

/// Overwrites a key's bytes, then deletes its row. Returns the wrapped bytes, to be looked for in the file afterwards.
pub(crate) async fn destroy(
    database: &mut SqliteConnection,
    name: &KeyName,
) -> Result<Option<Vec<u8>>, VaultError> {
    let failed = "destroy a key in";
    let wrapped: Option<(Vec<u8>,)> =
        sqlx::query_as("SELECT wrapped FROM keys WHERE purpose = ? AND name = ? AND epoch = ?")
            .bind(name.purpose.text())
            .bind(name.name.as_str())
            .bind(name.epoch)
            .fetch_optional(&mut *database)
            .await
            .map_err(VaultError::database(failed))?;
    for statement in [
        "UPDATE keys SET wrapped = zeroblob(length(wrapped)) WHERE purpose = ? AND name = ? AND epoch = ?",
        "DELETE FROM keys WHERE purpose = ? AND name = ? AND epoch = ?",
    ] {
        sqlx::query(statement)
            .bind(name.purpose.text())
            .bind(name.name.as_str())
            .bind(name.epoch)
            .execute(&mut *database)
            .await
            .map_err(VaultError::database(failed))?;
    }
    Ok(wrapped.map(|(wrapped,)| wrapped))
}
