//! Deletions to ask of vendors, and the contact kept for notices until the last of them confirms.
//!
//! Erase queues the requests; egress sends them under its own permit and settles them here.
//! Invariant: an escrowed contact's key dies with the last request that it was kept for.

use crate::keys::{self, KeyName, Purpose};
use crate::vault::Vault;
use crate::{VaultError, crypt, database};
use cofferdam_access::{Permit, ReadPeople};
use cofferdam_model::{PersonNumber, Region, VendorId};
use sqlx::{Connection, SqliteConnection};

/// How far a deletion request to a vendor got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeletionState {
    /// Queued or sent.
    Requested,
    /// The vendor said that it will.
    Acknowledged,
    /// The vendor said that it has.
    Done,
}

/// A deletion to ask of a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionRequest {
    /// Id of the request.
    pub id: i64,
    /// Id of the erasure that it belongs to.
    pub erasure: i64,
    /// The vendor.
    pub vendor: VendorId,
    /// Region of the destination.
    pub region: Region,
    /// Epoch of the token.
    pub epoch: u32,
    /// The number of the id.
    pub number: PersonNumber,
    /// Whether the id was `$device:…`: the token is then of what follows the prefix.
    pub device: bool,
    /// The vendor's token of the id, before policy shapes it for the dialect.
    pub token: [u8; 32],
    /// How far it got.
    pub state: DeletionState,
    /// When it was queued, milliseconds since 1970.
    pub asked_at: i64,
}

type Row = (i64, i64, String, String, u32, u32, bool, Vec<u8>, i64, i64);

impl Vault {
    /// Deletion requests that are not done, oldest first.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn deletion_requests(&self) -> Result<Vec<DeletionRequest>, VaultError> {
        let mut connection = self.database.lock().await;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, erasure, vendor, region, epoch, number, device, token, state, asked_at \
             FROM deletion_requests WHERE state < 2 ORDER BY id",
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(VaultError::database("read deletion requests from"))?;
        rows.into_iter().map(request).collect()
    }

    /// Records how far a deletion request got; the last one done destroys the erasure's contact. A state never goes back.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn settle_deletion(
        &self,
        request: i64,
        state: DeletionState,
    ) -> Result<(), VaultError> {
        let failed = || VaultError::database("settle a deletion request in");
        let mut connection = self.database.lock().await;
        let mut transaction = connection.begin().await.map_err(failed())?;
        let erasure: Option<(i64,)> = sqlx::query_as(
            "UPDATE deletion_requests SET state = max(state, ?) WHERE id = ? RETURNING erasure",
        )
        .bind(code(state))
        .bind(request)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed())?;
        let (erasure,) = erasure.ok_or(VaultError::NoSuchPerson)?;
        let (open,): (i64,) = sqlx::query_as(
            "SELECT count(*) FROM deletion_requests WHERE erasure = ? AND state < 2",
        )
        .bind(erasure)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed())?;
        let mut destroyed = Vec::new();
        if open == 0 {
            let name = escrow_key(erasure);
            destroyed.extend(keys::destroy(&mut transaction, &name).await?);
            for statement in [
                "UPDATE escrow SET sealed = zeroblob(length(sealed)) WHERE erasure = ?",
                "DELETE FROM escrow WHERE erasure = ?",
            ] {
                sqlx::query(statement)
                    .bind(erasure)
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed())?;
            }
        }
        transaction.commit().await.map_err(failed())?;
        if destroyed.is_empty() {
            return Ok(());
        }
        database::scrub(&mut connection, &self.path, &destroyed).await
    }

    /// The contact kept for an erasure's notices; `None` where there is none, or every vendor has confirmed.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn escrowed_contact(
        &self,
        _permit: &Permit<ReadPeople>,
        erasure: i64,
    ) -> Result<Option<Vec<u8>>, VaultError> {
        let mut connection = self.database.lock().await;
        let sealed: Option<(Vec<u8>,)> =
            sqlx::query_as("SELECT sealed FROM escrow WHERE erasure = ?")
                .bind(erasure)
                .fetch_optional(&mut *connection)
                .await
                .map_err(VaultError::database("read an escrow from"))?;
        let Some((sealed,)) = sealed else {
            return Ok(None);
        };
        let wanted = escrow_key(erasure);
        let found = keys::load(&mut connection, &self.master(), Purpose::Escrow).await?;
        let key = found.into_iter().find(|(name, _)| *name == wanted);
        key.and_then(|(_, secret)| crypt::open(&secret, &erasure.to_le_bytes(), &sealed))
            .map(Some)
            .ok_or(VaultError::Damaged {
                problem: "an escrowed contact does not open",
            })
    }

    /// Keeps a contact under a key of its own.
    pub(crate) async fn escrow(
        &self,
        connection: &mut SqliteConnection,
        erasure: i64,
        contact: &[u8],
    ) -> Result<(), VaultError> {
        let now = self.clock.now().0;
        let name = escrow_key(erasure);
        let secret = keys::create(connection, &self.master(), &self.nonces, &name, now).await?;
        let mut sealed = Vec::new();
        let context = erasure.to_le_bytes();
        crypt::seal(&secret, self.nonces.next(), &context, contact, &mut sealed).ok_or(
            VaultError::Damaged {
                problem: "a contact cannot be sealed",
            },
        )?;
        sqlx::query("INSERT INTO escrow (erasure, sealed) VALUES (?, ?)")
            .bind(erasure)
            .bind(sealed)
            .execute(connection)
            .await
            .map_err(VaultError::database("store an escrow in"))?;
        Ok(())
    }
}

/// The requests of these numbers, done ones included.
pub(crate) async fn of_numbers(
    connection: &mut SqliteConnection,
    numbers: &[u32],
) -> Result<Vec<DeletionRequest>, VaultError> {
    let mut requests = Vec::new();
    for number in numbers {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, erasure, vendor, region, epoch, number, device, token, state, asked_at \
             FROM deletion_requests WHERE number = ? ORDER BY id",
        )
        .bind(*number)
        .fetch_all(&mut *connection)
        .await
        .map_err(VaultError::database("read deletion requests from"))?;
        for row in rows {
            requests.push(request(row)?);
        }
    }
    Ok(requests)
}

fn request(row: Row) -> Result<DeletionRequest, VaultError> {
    let (id, erasure, vendor, region, epoch, number, device, token, state, asked_at) = row;
    let damaged = VaultError::Damaged {
        problem: "a deletion request cannot be read",
    };
    Ok(DeletionRequest {
        id,
        erasure,
        vendor: vendor.as_str().into(),
        region: region.as_str().into(),
        epoch,
        number: PersonNumber(number),
        device,
        state: match state {
            0 => DeletionState::Requested,
            1 => DeletionState::Acknowledged,
            2 => DeletionState::Done,
            _ => return Err(damaged),
        },
        token: token.try_into().map_err(|_| damaged)?,
        asked_at,
    })
}

fn code(state: DeletionState) -> i64 {
    match state {
        DeletionState::Requested => 0,
        DeletionState::Acknowledged => 1,
        DeletionState::Done => 2,
    }
}

fn escrow_key(erasure: i64) -> KeyName {
    KeyName::new(Purpose::Escrow, erasure.to_string(), 1)
}
