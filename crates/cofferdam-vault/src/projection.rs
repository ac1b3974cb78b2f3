//! The database as a projection of the journal: definitions and cursor in one transaction, read back at start.
//!
//! Invariant: applying the same definitions again, in any order, changes nothing; a forgotten person does not come back.

use crate::VaultError;
use crate::consent::{Said, Scope};
use crate::crypt::Secret;
use crate::identity::index::Tombstone;
use crate::vault::Vault;
use cofferdam_model::{Definition, LinkKind, TimestampMs};
use sqlx::{Connection, QueryBuilder, Sqlite, SqliteConnection};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Rows of one INSERT.
const ROWS: usize = 500;
/// Rows of one SELECT at start.
const PAGE: u32 = 20_000;

impl Vault {
    /// Projects journal entries up to `next_seq` into the database, in one transaction, and takes in what memory does not know.
    /// Idempotent.
    ///
    /// # Errors
    /// [`VaultError`]; nothing is projected then.
    pub async fn apply(&self, definitions: &[Definition], next_seq: u64) -> Result<(), VaultError> {
        let failed = || VaultError::database("project into");
        let mut connection = self.database.lock().await;
        let cursor = next_seq.max(self.cursor());
        if cursor == self.cursor() && definitions.is_empty() {
            return Ok(());
        }
        let mut transaction = connection.begin().await.map_err(failed())?;
        for chunk in definitions.chunks(ROWS) {
            self.store_persons(&mut transaction, chunk).await?;
            store_links(&mut transaction, chunk).await?;
            store_organizations(&mut transaction, chunk).await?;
        }
        let stored = i64::try_from(cursor).unwrap_or(i64::MAX);
        sqlx::query("INSERT OR REPLACE INTO meta (name, value) VALUES ('cursor', ?)")
            .bind(stored)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.take_in(definitions)?;
        self.cursor.store(cursor, Ordering::Release);
        Ok(())
    }

    async fn store_persons(
        &self,
        connection: &mut SqliteConnection,
        definitions: &[Definition],
    ) -> Result<(), VaultError> {
        let rows: Vec<_> = definitions
            .iter()
            .filter_map(|definition| match definition {
                Definition::Person {
                    project,
                    key,
                    number,
                    wrapped_key,
                    sealed_id,
                    anonymous,
                } => Some((project, key.0, number.0, wrapped_key, sealed_id, anonymous)),
                _ => None,
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO persons (number, project, id_key, wrapped_key, sealed_id, anonymous, forgotten) ",
        );
        query.push_values(
            rows,
            |mut row, (project, key, number, wrapped_key, sealed_id, anonymous)| {
                let forgotten = self.was_forgotten(&key, number);
                let kept = |bytes: &[u8]| (!forgotten).then(|| bytes.to_vec());
                row.push_bind(number)
                    .push_bind(project.as_str().to_owned())
                    .push_bind(kept(&key))
                    .push_bind(kept(wrapped_key))
                    .push_bind(kept(sealed_id))
                    .push_bind(*anonymous)
                    .push_bind(forgotten);
            },
        );
        query.push(
            " ON CONFLICT (number) DO UPDATE SET anonymous = min(anonymous, excluded.anonymous)",
        );
        query
            .build()
            .execute(connection)
            .await
            .map_err(VaultError::database("store people in"))?;
        Ok(())
    }

    /// Whether the id was forgotten under this number; the same id under another number is somebody who came back.
    fn was_forgotten(&self, key: &[u8; 16], number: u32) -> bool {
        let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
        people.is_forgotten(number)
            || people
                .tombstone(key)
                .is_some_and(|tombstone| match tombstone.number {
                    Some(forgotten) => forgotten == number,
                    None => self.holds(tombstone.erased_at),
                })
    }

    /// Memory's side of [`Vault::apply`].
    fn take_in(&self, definitions: &[Definition]) -> Result<(), VaultError> {
        for definition in definitions {
            if let Definition::Person {
                key,
                number,
                wrapped_key,
                anonymous,
                ..
            } = definition
            {
                self.take_in_person(key.0, number.0, wrapped_key, *anonymous)?;
            }
        }
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        let mut organizations = self
            .organizations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for definition in definitions {
            match definition {
                Definition::Link { alias, into, .. } => {
                    people.link(alias.0, into.0);
                }
                Definition::Organization { key, number, .. } => {
                    organizations.insert(key.0, number.0);
                }
                Definition::Person { .. } => {}
            }
            people.applied(definition);
            organizations.applied(definition);
        }
        Ok(())
    }

    fn take_in_person(
        &self,
        key: [u8; 16],
        number: u32,
        wrapped_key: &[u8],
        anonymous: bool,
    ) -> Result<(), VaultError> {
        let forgotten = self.was_forgotten(&key, number);
        let secret = {
            let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
            match people.id_key(number) {
                None if !forgotten => Some(()),
                _ => None,
            }
        }
        .map(|()| self.unwrap_person(number, wrapped_key))
        .transpose()?;
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        match secret {
            _ if forgotten => people.insert_forgotten(number),
            Some(_) if people.find(&key).is_some() => return Err(damaged("an id has two numbers")),
            Some(secret) => people.insert(number, key, &secret, anonymous),
            None if people.id_key(number) != Some(key) => {
                return Err(damaged("a number has two ids"));
            }
            None if !anonymous && people.is_anonymous(number) => people.identify(number),
            None => {}
        }
        Ok(())
    }

    fn unwrap_person(&self, number: u32, wrapped_key: &[u8]) -> Result<Secret, VaultError> {
        self.people_keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap(number, wrapped_key)
            .ok_or(damaged("a person's key does not open"))
    }

    /// Reads everything that memory holds.
    pub(crate) async fn load(&self) -> Result<(), VaultError> {
        let mut connection = self.database.lock().await;
        let failed = || VaultError::database("read");
        let cursor: Option<(i64,)> =
            sqlx::query_as("SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'cursor'")
                .fetch_optional(&mut *connection)
                .await
                .map_err(failed())?;
        let cursor = cursor.map_or(0, |(cursor,)| u64::try_from(cursor).unwrap_or(0));
        self.cursor.store(cursor, Ordering::Release);
        self.load_people(&mut connection).await?;
        let links: Vec<(u32, u32)> =
            sqlx::query_as("SELECT alias, into_number FROM links ORDER BY alias, into_number")
                .fetch_all(&mut *connection)
                .await
                .map_err(failed())?;
        let tombstones: Vec<(Vec<u8>, i64, Option<u32>)> =
            sqlx::query_as("SELECT id_key, erased_at, number FROM tombstones ORDER BY erased_at")
                .fetch_all(&mut *connection)
                .await
                .map_err(failed())?;
        let organizations: Vec<(u32, Vec<u8>)> =
            sqlx::query_as("SELECT number, id_key FROM organizations")
                .fetch_all(&mut *connection)
                .await
                .map_err(failed())?;
        let choices: Vec<(u32, String, bool, i64)> =
            sqlx::query_as("SELECT person, scope, objected, at FROM choices")
                .fetch_all(&mut *connection)
                .await
                .map_err(failed())?;
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        for (alias, into) in links {
            people.link(alias, into);
        }
        for (key, erased_at, number) in tombstones {
            people.bury(id_key(&key)?, Tombstone { number, erased_at });
        }
        let mut known = self
            .organizations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for (number, key) in organizations {
            known.insert(id_key(&key)?, number);
        }
        let mut standing = self.choices.write().unwrap_or_else(PoisonError::into_inner);
        for (person, scope, objected, at) in choices {
            let scope = Scope::parse(&scope).ok_or(damaged("a choice has no scope"))?;
            let at = TimestampMs(at);
            let said = Said {
                scope,
                objected,
                at,
            };
            standing.entry(person).or_default().push(said);
        }
        Ok(())
    }

    async fn load_people(&self, connection: &mut SqliteConnection) -> Result<(), VaultError> {
        type Row = (u32, Option<Vec<u8>>, Option<Vec<u8>>, bool, bool);
        let mut from = 0_u32;
        loop {
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT number, id_key, wrapped_key, anonymous, forgotten FROM persons WHERE number >= ? ORDER BY number LIMIT ?",
            )
            .bind(from)
            .bind(PAGE)
            .fetch_all(&mut *connection)
            .await
            .map_err(VaultError::database("read people from"))?;
            let Some((last, ..)) = rows.last() else {
                return Ok(());
            };
            from = last.saturating_add(1);
            let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
            for (number, key, wrapped, anonymous, forgotten) in rows {
                if forgotten {
                    people.insert_forgotten(number);
                    continue;
                }
                let key = id_key(&key.unwrap_or_default())?;
                let secret = self.unwrap_person(number, &wrapped.unwrap_or_default())?;
                people.insert(number, key, &secret, anonymous);
            }
        }
    }
}

async fn store_links(
    connection: &mut SqliteConnection,
    definitions: &[Definition],
) -> Result<(), VaultError> {
    let rows: Vec<_> = definitions
        .iter()
        .filter_map(|definition| match definition {
            Definition::Link { kind, alias, into } => Some((*kind, alias.0, into.0)),
            _ => None,
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut query =
        QueryBuilder::<Sqlite>::new("INSERT OR IGNORE INTO links (alias, into_number, kind) ");
    query.push_values(rows, |mut row, (kind, alias, into)| {
        row.push_bind(alias)
            .push_bind(into)
            .push_bind(link_text(kind));
    });
    query
        .build()
        .execute(connection)
        .await
        .map_err(VaultError::database("store links in"))?;
    Ok(())
}

async fn store_organizations(
    connection: &mut SqliteConnection,
    definitions: &[Definition],
) -> Result<(), VaultError> {
    for definition in definitions {
        if let Definition::Organization {
            project,
            key,
            number,
            sealed_id,
        } = definition
        {
            sqlx::query(
                "INSERT OR IGNORE INTO organizations (number, project, id_key, sealed_id) VALUES (?, ?, ?, ?)",
            )
            .bind(number.0)
            .bind(project.as_str())
            .bind(key.0.to_vec())
            .bind(sealed_id.as_slice())
            .execute(&mut *connection)
            .await
            .map_err(VaultError::database("store organizations in"))?;
        }
    }
    Ok(())
}

fn link_text(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Simplified => "simplified",
        LinkKind::Identify => "identify",
        LinkKind::Alias => "alias",
        LinkKind::Merge => "merge",
    }
}

fn id_key(bytes: &[u8]) -> Result<[u8; 16], VaultError> {
    bytes
        .try_into()
        .map_err(|_| damaged("an id key has the wrong length"))
}

fn damaged(problem: &'static str) -> VaultError {
    VaultError::Damaged { problem }
}
