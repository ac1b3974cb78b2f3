//! Erasures that are not finished outside the vault: whose rows the store may still have to rewrite.
//!
//! `erase` marks the numbers in the transaction that destroys their keys; who rewrote what is outside takes the marks away.
//! Invariant: a kill at any moment leaves a mark or nothing to do.

use crate::vault::Vault;
use crate::{VaultError, database};
use cofferdam_access::{Erase, Permit};
use cofferdam_model::PersonNumber;
use sqlx::{Connection, SqliteConnection};

impl Vault {
    /// Numbers of forgotten people whose erasure is not known to be finished outside the vault, ascending.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn unfinished_erasures(&self) -> Result<Vec<PersonNumber>, VaultError> {
        let mut connection = self.database.lock().await;
        let numbers: Vec<u32> =
            sqlx::query_scalar("SELECT number FROM unfinished_erasures ORDER BY number")
                .fetch_all(&mut *connection)
                .await
                .map_err(VaultError::database("read unfinished erasures from"))?;
        Ok(numbers.into_iter().map(PersonNumber).collect())
    }

    /// Writes the file anew: of an erasure that was cut short, destroyed bytes may be left in free pages and the write-ahead log.
    ///
    /// # Errors
    /// [`VaultError`]; repeat it then.
    pub async fn rewrite(&self, _permit: &Permit<Erase>) -> Result<(), VaultError> {
        let mut connection = self.database.lock().await;
        database::rewrite(&mut connection).await
    }

    /// Takes the marks away: nothing outside the vault holds anything of these people any more.
    ///
    /// # Errors
    /// [`VaultError`]; the marks stay then.
    pub async fn finish_erasures(
        &self,
        _permit: &Permit<Erase>,
        numbers: &[PersonNumber],
    ) -> Result<(), VaultError> {
        let failed = || VaultError::database("finish an erasure in");
        let mut connection = self.database.lock().await;
        let mut transaction = connection.begin().await.map_err(failed())?;
        for number in numbers {
            sqlx::query("DELETE FROM unfinished_erasures WHERE number = ?")
                .bind(number.0)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())
    }
}

/// Marks a number, in the transaction that destroys its key.
pub(crate) async fn mark(connection: &mut SqliteConnection, number: u32) -> Result<(), VaultError> {
    sqlx::query("INSERT OR IGNORE INTO unfinished_erasures (number) VALUES (?)")
        .bind(number)
        .execute(connection)
        .await
        .map_err(VaultError::database("erase from"))?;
    Ok(())
}

/// Makes the table where a file has none; such a file does not say which of its erasures were finished, so all are taken up again.
pub(crate) async fn prepare(database: &mut SqliteConnection) -> Result<(), VaultError> {
    let failed = || VaultError::database("open");
    let mut transaction = database.begin().await.map_err(failed())?;
    let (tables,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM sqlite_schema WHERE name = 'unfinished_erasures'")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
    if tables > 0 {
        return Ok(());
    }
    for statement in [
        "CREATE TABLE unfinished_erasures (number INTEGER PRIMARY KEY)",
        "INSERT INTO unfinished_erasures SELECT DISTINCT number FROM tombstones WHERE number IS NOT NULL",
    ] {
        sqlx::query(statement)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
    }
    transaction.commit().await.map_err(failed())
}
