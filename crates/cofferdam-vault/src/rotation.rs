//! A new master key, and the backup of the present one.
//!
//! Invariant: the master changes in one transaction, so that after a kill at any point exactly one of the two keys opens the vault.

use crate::keys::{self, KeyName, Purpose};
use crate::vault::Vault;
use crate::{MasterKey, VaultError, crypt, database};
use cofferdam_access::{ManageKeys, Permit};
use sqlx::{Connection, SqliteConnection};
use std::io::Write;
use std::sync::PoisonError;
use zeroize::Zeroizing;

impl Vault {
    /// Wraps every key by a new master key; no person key, token or journal entry changes. After a kill at any point exactly one of
    /// the two keys opens the vault: stage the new one first ([`MasterKey::stage`]), promote it afterwards.
    ///
    /// # Errors
    /// [`VaultError::SameMasterKey`], or another [`VaultError`]; the old key stays in force unless the error is [`VaultError::NotDestroyed`] (then the new one is).
    pub async fn rotate_master(
        &self,
        _permit: &Permit<ManageKeys>,
        new: MasterKey,
    ) -> Result<(), VaultError> {
        let failed = || VaultError::database("rotate the master key of");
        let mut connection = self.database.lock().await;
        let old = self.master();
        if *old == **new.key() {
            return Err(VaultError::SameMasterKey);
        }
        let mut transaction = connection.begin().await.map_err(failed())?;
        self.step("begun");
        let mut replaced = Vec::new();
        for purpose in [
            Purpose::Index,
            Purpose::People,
            Purpose::Organizations,
            Purpose::Token,
            Purpose::Entry,
            Purpose::Escrow,
        ] {
            for (name, secret) in keys::load(&mut transaction, &old, purpose).await? {
                replaced.push(self.rewrap(&mut transaction, &name, &secret, &new).await?);
                self.step("key wrapped");
            }
        }
        // People to come get keys that nobody can open with a stolen copy of the old master and the old file.
        let generation = {
            let keys = self.people_keys.read();
            keys.unwrap_or_else(PoisonError::into_inner).generation() + 1
        };
        let name = KeyName::new(Purpose::People, "", generation);
        let now = self.clock.now().0;
        let people = keys::create(&mut transaction, new.key(), &self.nonces, &name, now).await?;
        self.step("people key made");
        database::store_check(&mut transaction, new.key(), &self.nonces).await?;
        self.step("check stored");
        transaction.commit().await.map_err(failed())?;
        self.step("committed");
        self.people_keys
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(generation, people);
        *self.master.write().unwrap_or_else(PoisonError::into_inner) = new.key().clone();
        database::scrub(&mut connection, &self.path, &replaced).await?;
        self.step("scrubbed");
        Ok(())
    }

    /// Wraps one key anew; returns the bytes that it replaces.
    async fn rewrap(
        &self,
        connection: &mut SqliteConnection,
        name: &KeyName,
        secret: &[u8; 32],
        new: &MasterKey,
    ) -> Result<Vec<u8>, VaultError> {
        let failed = || VaultError::database("rotate the master key of");
        let (old,): (Vec<u8>,) =
            sqlx::query_as("SELECT wrapped FROM keys WHERE purpose = ? AND name = ? AND epoch = ?")
                .bind(name.purpose.text())
                .bind(name.name.as_str())
                .bind(name.epoch)
                .fetch_one(&mut *connection)
                .await
                .map_err(failed())?;
        let mut wrapped = Vec::new();
        let nonce = self.nonces.next();
        crypt::seal(new.key(), nonce, &name.context(), secret, &mut wrapped).ok_or(
            VaultError::Damaged {
                problem: "a key cannot be wrapped",
            },
        )?;
        sqlx::query("UPDATE keys SET wrapped = ? WHERE purpose = ? AND name = ? AND epoch = ?")
            .bind(wrapped)
            .bind(name.purpose.text())
            .bind(name.name.as_str())
            .bind(name.epoch)
            .execute(connection)
            .await
            .map_err(failed())?;
        Ok(old)
    }

    /// The master key as the key file holds it, encrypted to age X25519 recipients (`age1…`); any of them can decrypt it.
    ///
    /// # Errors
    /// [`VaultError::Recipient`], [`VaultError::Backup`].
    pub fn backup(
        &self,
        _permit: &Permit<ManageKeys>,
        recipients: &[String],
    ) -> Result<Vec<u8>, VaultError> {
        let mut parsed: Vec<age::x25519::Recipient> = Vec::new();
        for (position, recipient) in recipients.iter().enumerate() {
            parsed.push(
                recipient
                    .parse()
                    .map_err(|_| VaultError::Recipient { position })?,
            );
        }
        let recipients = parsed.iter().map(|one| one as &dyn age::Recipient);
        let encryptor =
            age::Encryptor::with_recipients(recipients).map_err(|_| VaultError::Backup)?;
        let mut encrypted = Vec::new();
        let mut text = Zeroizing::new(hex::encode(*self.master()));
        text.push('\n');
        let write = |encrypted: &mut Vec<u8>| -> std::io::Result<()> {
            let mut writer = encryptor.wrap_output(encrypted)?;
            writer.write_all(text.as_bytes())?;
            writer.finish()?;
            Ok(())
        };
        write(&mut encrypted).map_err(|_| VaultError::Backup)?;
        Ok(encrypted)
    }
}
