//! Keys of the journal's entries: one at a time in use, a new one at every start and rotation.
//!
//! The journal stores the tag beside the payload and says which tags it still has; all other keys are destroyed, which destroys
//! what they encrypted wherever it was copied to.
//! Invariant: (key, counter) never repeats, because a key is used by one process only and its counter only grows.

use crate::crypt::{Nonces, Secret, TAG};
use crate::keys::{self, KeyName, Purpose};
use crate::vault::Vault;
use crate::{VaultError, database};
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use cofferdam_model::SealError;
use sqlx::{Connection, SqliteConnection};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

const COUNTER: usize = 8;

/// The key in use.
struct Present {
    tag: u32,
    secret: Secret,
    used: AtomicU64,
}

/// All entry keys that were not destroyed.
pub(crate) struct Entries {
    present: RwLock<Arc<Present>>,
    keys: RwLock<HashMap<u32, Secret>>,
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entries")
    }
}

impl Entries {
    /// Reads all keys and makes one for this process.
    pub(crate) async fn load(
        database: &mut SqliteConnection,
        master: &[u8; 32],
        nonces: &Nonces,
        now: i64,
    ) -> Result<Self, VaultError> {
        let mut keys: HashMap<u32, Secret> = keys::load(database, master, Purpose::Entry)
            .await?
            .into_iter()
            .map(|(name, secret)| (name.epoch, secret))
            .collect();
        let tag = keys.keys().max().map_or(1, |tag| tag + 1);
        let name = KeyName::new(Purpose::Entry, "", tag);
        let secret = keys::create(database, master, nonces, &name, now).await?;
        keys.insert(tag, secret.clone());
        Ok(Self {
            present: RwLock::new(Arc::new(Present::new(tag, secret))),
            keys: RwLock::new(keys),
        })
    }

    fn present(&self) -> Arc<Present> {
        Arc::clone(&self.present.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Present {
    fn new(tag: u32, secret: Secret) -> Self {
        Self {
            tag,
            secret,
            used: AtomicU64::new(0),
        }
    }
}

impl Vault {
    /// Encrypts a journal entry's payload (AES-256-GCM); the tag names the key. Adds 24 bytes.
    #[must_use]
    pub fn encrypt_entry(&self, plain: &[u8]) -> (u32, Vec<u8>) {
        let present = self.entries.present();
        let counter = present.used.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let mut sealed = Vec::with_capacity(COUNTER + plain.len() + TAG);
        sealed.extend_from_slice(&counter);
        sealed.extend_from_slice(plain);
        let context = present.tag.to_le_bytes();
        let body = sealed.get_mut(COUNTER..).unwrap_or_default();
        let authentication = Aes256Gcm::new((&*present.secret).into()).encrypt_inout_detached(
            &nonce(counter),
            &context,
            body.into(),
        );
        match authentication {
            Ok(tag) => sealed.extend_from_slice(&tag),
            // Only beyond 64 GiB. Nothing is better than something in clear; it will not open.
            Err(_) => sealed.clear(),
        }
        (present.tag, sealed)
    }

    /// Decrypts a journal entry's payload.
    ///
    /// # Errors
    /// [`SealError::Forgotten`] where the key was destroyed, [`SealError::Damaged`] where the bytes are not what was encrypted.
    pub fn decrypt_entry(&self, tag: u32, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let secret = {
            let keys = self
                .entries
                .keys
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            keys.get(&tag).cloned().ok_or(SealError::Forgotten)?
        };
        let (counter, rest) = sealed
            .split_first_chunk::<COUNTER>()
            .ok_or(SealError::Damaged)?;
        let (body, authentication) = rest.split_last_chunk::<TAG>().ok_or(SealError::Damaged)?;
        let mut plain = body.to_vec();
        Aes256Gcm::new((&*secret).into())
            .decrypt_inout_detached(
                &nonce(*counter),
                &tag.to_le_bytes(),
                plain.as_mut_slice().into(),
                &(*authentication).into(),
            )
            .map_err(|_| SealError::Damaged)?;
        Ok(plain)
    }

    /// Starts a new entry key (hourly, and after an erasure). Returns its tag.
    ///
    /// # Errors
    /// [`VaultError`]; the present key stays in use then.
    pub async fn rotate_entry_key(&self) -> Result<u32, VaultError> {
        let failed = || VaultError::database("store an entry key in");
        let mut connection = self.database.lock().await;
        let tag = self.entries.present().tag + 1;
        let name = KeyName::new(Purpose::Entry, "", tag);
        let mut transaction = connection.begin().await.map_err(failed())?;
        let now = self.clock.now().0;
        let secret =
            keys::create(&mut transaction, &self.master(), &self.nonces, &name, now).await?;
        transaction.commit().await.map_err(failed())?;
        self.entries
            .keys
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tag, secret.clone());
        *self
            .entries
            .present
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(Present::new(tag, secret));
        Ok(tag)
    }

    /// Destroys all entry keys but these and the present one. Returns how many.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn destroy_entry_keys(&self, except: &[u32]) -> Result<usize, VaultError> {
        self.destroy_entry_keys_before(u32::MAX, except).await
    }

    /// Tag of the key in use. Tags only grow.
    #[must_use]
    pub fn present_entry_tag(&self) -> u32 {
        self.entries.present().tag
    }

    /// As [`Vault::destroy_entry_keys`], but only keys with a tag below `before`: later ones may be of entries that are encrypted
    /// and not yet in the journal.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn destroy_entry_keys_before(
        &self,
        before: u32,
        except: &[u32],
    ) -> Result<usize, VaultError> {
        let failed = || VaultError::database("destroy entry keys in");
        let mut connection = self.database.lock().await;
        let present = self.entries.present().tag;
        let doomed: Vec<u32> = {
            let keys = self
                .entries
                .keys
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            let tags = keys.keys().copied();
            tags.filter(|tag| *tag != present && *tag < before && !except.contains(tag))
                .collect()
        };
        if doomed.is_empty() {
            return Ok(0);
        }
        let mut destroyed = Vec::new();
        let mut transaction = connection.begin().await.map_err(failed())?;
        for tag in &doomed {
            let name = KeyName::new(Purpose::Entry, "", *tag);
            destroyed.extend(keys::destroy(&mut transaction, &name).await?);
        }
        transaction.commit().await.map_err(failed())?;
        {
            let mut keys = self
                .entries
                .keys
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            keys.retain(|tag, _| !doomed.contains(tag));
        }
        database::scrub(&mut connection, &self.path, &destroyed).await?;
        Ok(doomed.len())
    }
}

fn nonce(counter: [u8; COUNTER]) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    for (slot, byte) in nonce.iter_mut().zip(counter) {
        *slot = byte;
    }
    nonce.into()
}
