//! The file `vault.db`: opening, format version, master key check, and proof that destroyed bytes are gone from it.
//!
//! Invariant: a file that is newer, foreign or made with another master key is left exactly as it was.

use crate::crypt::{self, Nonces, Secret};
use crate::error::VaultError;
use crate::keys::{self, KeyName, Purpose};
use crate::master::MasterKey;
use crate::unfinished;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The format of this version.
const FORMAT: i64 = 1;
const CHECK: &[u8] = b"cofferdam master key check 1";

const SCHEMA: &[&str] = &[
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE keys (purpose TEXT NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL, wrapped BLOB NOT NULL, \
     created INTEGER NOT NULL, PRIMARY KEY (purpose, name, epoch)) WITHOUT ROWID",
    "CREATE TABLE persons (number INTEGER PRIMARY KEY, project TEXT NOT NULL, id_key BLOB, wrapped_key BLOB, sealed_id BLOB, \
     anonymous INTEGER NOT NULL, forgotten INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE links (alias INTEGER NOT NULL, into_number INTEGER NOT NULL, kind TEXT NOT NULL, \
     PRIMARY KEY (alias, into_number)) WITHOUT ROWID",
    "CREATE TABLE organizations (number INTEGER PRIMARY KEY, project TEXT NOT NULL, id_key BLOB NOT NULL, sealed_id BLOB NOT NULL)",
    "CREATE TABLE choices (person INTEGER NOT NULL, scope TEXT NOT NULL, objected INTEGER NOT NULL, at INTEGER NOT NULL, \
     PRIMARY KEY (person, scope)) WITHOUT ROWID",
    "CREATE TABLE tombstones (id_key BLOB NOT NULL, erased_at INTEGER NOT NULL, number INTEGER, PRIMARY KEY (id_key, erased_at)) WITHOUT ROWID",
    "CREATE TABLE erasures (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL)",
    "CREATE TABLE deletion_requests (id INTEGER PRIMARY KEY AUTOINCREMENT, erasure INTEGER NOT NULL, vendor TEXT NOT NULL, \
     region TEXT NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL, device INTEGER NOT NULL, token BLOB NOT NULL, \
     state INTEGER NOT NULL, asked_at INTEGER NOT NULL)",
    "CREATE INDEX deletion_requests_by_number ON deletion_requests (number)",
    "CREATE TABLE escrow (erasure INTEGER PRIMARY KEY, sealed BLOB NOT NULL)",
];

/// Opens the vault's file, making it where there is none, and finds which of the master keys it was made with.
pub(crate) async fn open(
    path: &Path,
    master: &MasterKey,
    nonces: &Nonces,
    now: i64,
) -> Result<(SqliteConnection, Secret), VaultError> {
    let fresh = !path.try_exists().map_err(|source| VaultError::Io {
        action: "look for",
        source,
    })?;
    if fresh {
        // Made by us first, so that it is never readable by others, not even for a moment.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| VaultError::Io {
                action: "make",
                source,
            })?;
    }
    refuse_foreign(path).await?;
    let failed = || VaultError::database("open");
    let mut database = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed())?;
    if version(&mut database).await? == 0 {
        create(&mut database, master, nonces, now).await?;
    }
    let master =
        which_master(&mut database, master)
            .await?
            .ok_or_else(|| VaultError::WrongMasterKey {
                path: path.to_owned(),
            })?;
    unfinished::prepare(&mut database).await?;
    Ok((database, master))
}

/// Whether one of the master keys opens the file, without changing it. A file without content opens under any.
pub(crate) async fn check_master(path: &Path, master: &MasterKey) -> Result<(), VaultError> {
    refuse_foreign(path).await?;
    let mut database = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(VaultError::database("open"))?;
    let opens =
        version(&mut database).await? == 0 || which_master(&mut database, master).await?.is_some();
    database
        .close()
        .await
        .map_err(VaultError::database("close"))?;
    if opens {
        return Ok(());
    }
    Err(VaultError::WrongMasterKey {
        path: path.to_owned(),
    })
}

/// Looks at the file without changing it.
async fn refuse_foreign(path: &Path) -> Result<(), VaultError> {
    let not_a_vault = || VaultError::NotAVault {
        path: path.to_owned(),
    };
    let mut database = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|_| not_a_vault())?;
    let found = version(&mut database).await.map_err(|_| not_a_vault())?;
    let (tables,): (i64,) = sqlx::query_as("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut database)
        .await
        .map_err(|_| not_a_vault())?;
    database
        .close()
        .await
        .map_err(VaultError::database("close"))?;
    if found > FORMAT {
        return Err(VaultError::NewerFormat {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    if found == 0 && tables > 0 {
        return Err(not_a_vault());
    }
    Ok(())
}

async fn version(database: &mut SqliteConnection) -> Result<i64, VaultError> {
    let (version,): (i64,) = sqlx::query_as("PRAGMA user_version")
        .fetch_one(database)
        .await
        .map_err(VaultError::database("read the format of"))?;
    Ok(version)
}

async fn create(
    database: &mut SqliteConnection,
    master: &MasterKey,
    nonces: &Nonces,
    now: i64,
) -> Result<(), VaultError> {
    let failed = || VaultError::database("make");
    let mut transaction = database.begin().await.map_err(failed())?;
    for statement in SCHEMA {
        sqlx::query(*statement)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
    }
    store_check(&mut transaction, master.key(), nonces).await?;
    for purpose in [Purpose::Index, Purpose::People, Purpose::Organizations] {
        let name = KeyName::new(purpose, "", 1);
        keys::create(&mut transaction, master.key(), nonces, &name, now).await?;
    }
    sqlx::query("PRAGMA user_version = 1")
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    transaction.commit().await.map_err(failed())
}

/// Stores a value that opens only under `master`.
pub(crate) async fn store_check(
    database: &mut SqliteConnection,
    master: &[u8; 32],
    nonces: &Nonces,
) -> Result<(), VaultError> {
    let mut sealed = Vec::new();
    crypt::seal(master, nonces.next(), CHECK, CHECK, &mut sealed).ok_or(VaultError::Damaged {
        problem: "the key check cannot be sealed",
    })?;
    sqlx::query("INSERT OR REPLACE INTO meta (name, value) VALUES ('key_check', ?)")
        .bind(sealed)
        .execute(database)
        .await
        .map_err(VaultError::database("store the key check of"))?;
    Ok(())
}

async fn which_master(
    database: &mut SqliteConnection,
    master: &MasterKey,
) -> Result<Option<Secret>, VaultError> {
    let check: Option<(Vec<u8>,)> =
        sqlx::query_as("SELECT value FROM meta WHERE name = 'key_check'")
            .fetch_optional(database)
            .await
            .map_err(VaultError::database("read the key check of"))?;
    let (check,) = check.ok_or(VaultError::Damaged {
        problem: "the key check is missing",
    })?;
    Ok(master
        .candidates()
        .find(|key| crypt::open(key, CHECK, &check).is_some())
        .cloned())
}

/// Moves everything into the main file and empties the write-ahead log, then makes sure that none of `destroyed` is left in it.
/// Free pages are zeroed by `secure_delete`; copies that page splits may have left in slack make a rewrite necessary.
pub(crate) async fn scrub(
    database: &mut SqliteConnection,
    path: &Path,
    destroyed: &[Vec<u8>],
) -> Result<(), VaultError> {
    checkpoint(database).await?;
    if !contains(path, destroyed).await? {
        return Ok(());
    }
    rewrite(database).await?;
    if contains(path, destroyed).await? {
        return Err(VaultError::NotDestroyed);
    }
    Ok(())
}

/// Writes the whole file anew and empties the write-ahead log.
pub(crate) async fn rewrite(database: &mut SqliteConnection) -> Result<(), VaultError> {
    sqlx::query("VACUUM")
        .execute(&mut *database)
        .await
        .map_err(VaultError::database("rewrite"))?;
    checkpoint(database).await
}

async fn checkpoint(database: &mut SqliteConnection) -> Result<(), VaultError> {
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(database)
        .await
        .map_err(VaultError::database("checkpoint"))?;
    if busy != 0 {
        return Err(VaultError::NotDestroyed);
    }
    Ok(())
}

/// Whether the file holds 8 consecutive bytes out of the front of any of these.
async fn contains(path: &Path, needles: &[Vec<u8>]) -> Result<bool, VaultError> {
    let needles: HashSet<u64> = needles
        .iter()
        .filter_map(|needle| Some(u64::from_be_bytes(*needle.first_chunk::<8>()?)))
        .collect();
    if needles.is_empty() {
        return Ok(false);
    }
    let path = path.to_owned();
    let search = move || -> std::io::Result<bool> {
        let mut file = File::open(path)?;
        let mut chunk = vec![0; 1 << 18];
        let mut window = 0_u64;
        loop {
            let read = file.read(&mut chunk)?;
            for byte in chunk.iter().take(read) {
                window = window << 8 | u64::from(*byte);
                if needles.contains(&window) {
                    return Ok(true);
                }
            }
            if read == 0 {
                return Ok(false);
            }
        }
    };
    tokio::task::spawn_blocking(search)
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| VaultError::Io {
            action: "search",
            source,
        })
}
