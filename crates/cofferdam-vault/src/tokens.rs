//! Vendors' pseudonyms: a random key per (vendor, region, epoch), wrapped by the master.
//!
//! Egress asks for the present epoch first, which makes the key durable; policy then asks for tokens while it minimises.
//! Invariant: no two vendors, regions or epochs share a key, and rotating the master renames nobody.

use crate::VaultError;
use crate::crypt::{Keyed, Nonces, Secret};
use crate::keys::{self, KeyName, Purpose};
use crate::vault::Vault;
use cofferdam_access::{ManageKeys, Permit};
use cofferdam_model::{IdKind, Region, TokenDomain, VendorId};
use sqlx::{Connection, SqliteConnection};
use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

/// The keyed hashes of one domain.
#[derive(Debug)]
struct Domain {
    people: Keyed,
    groups: Keyed,
    events: Keyed,
    other: Keyed,
}

impl Domain {
    fn new(secret: &Secret) -> Self {
        let key = Keyed::new(secret);
        let of = |label: &str| Keyed::new(&key.hash(&[&[label]]));
        Self {
            people: of("people"),
            groups: of("groups"),
            events: of("events"),
            other: of("other"),
        }
    }

    fn token(&self, kind: IdKind, value: &str) -> [u8; 32] {
        let key = match kind {
            IdKind::Person | IdKind::Device => &self.people,
            IdKind::Group => &self.groups,
            IdKind::Event => &self.events,
            IdKind::Other => &self.other,
        };
        key.hash(&[&[value]])
    }
}

/// All token keys.
#[derive(Debug)]
pub(crate) struct Tokens {
    domains: HashMap<TokenDomain, Domain>,
    present: HashMap<(VendorId, Region), u32>,
    /// For domains that nobody prepared: lives and dies with the process, so that nothing sent under it can be joined.
    stray: Keyed,
    stray_seen: AtomicBool,
}

impl Tokens {
    pub(crate) async fn load(
        database: &mut SqliteConnection,
        master: &[u8; 32],
        nonces: &Nonces,
    ) -> Result<Self, VaultError> {
        let mut tokens = Self {
            domains: HashMap::new(),
            present: HashMap::new(),
            stray: Keyed::new(&nonces.secret()),
            stray_seen: AtomicBool::new(false),
        };
        for (name, secret) in keys::load(database, master, Purpose::Token).await? {
            let (vendor, region) = name.name.split_once('\n').ok_or(VaultError::Damaged {
                problem: "a token key has no region",
            })?;
            tokens.insert(domain(vendor.into(), region.into(), name.epoch), &secret);
        }
        Ok(tokens)
    }

    pub(crate) fn token(&self, domain: &TokenDomain, kind: IdKind, value: &str) -> [u8; 32] {
        if let Some(domain) = self.domains.get(domain) {
            return domain.token(kind, value);
        }
        if !self.stray_seen.swap(true, Ordering::Relaxed) {
            tracing::error!(
                vendor = %domain.vendor,
                "a token was asked for before its key was made; giving one that nobody can join"
            );
        }
        let (vendor, region) = (domain.vendor.as_str(), domain.region.as_str());
        let kind = format!("{} {kind:?}", domain.epoch);
        self.stray.hash(&[&[vendor], &[region], &[&kind], &[value]])
    }

    /// Every domain that ever had a key, in a stable order.
    pub(crate) fn all(&self) -> Vec<TokenDomain> {
        let mut domains: Vec<_> = self.domains.keys().cloned().collect();
        domains
            .sort_by(|a, b| (&a.vendor, &a.region, a.epoch).cmp(&(&b.vendor, &b.region, b.epoch)));
        domains
    }

    fn insert(&mut self, domain: TokenDomain, secret: &Secret) {
        let key = (domain.vendor.clone(), domain.region.clone());
        let present = self.present.entry(key).or_default();
        *present = (*present).max(domain.epoch);
        self.domains.insert(domain, Domain::new(secret));
    }
}

impl Vault {
    /// The present token epoch of a vendor in a region, from 1. Makes the key, durably, at first use: call it before asking for
    /// tokens.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn epoch(&self, vendor: &VendorId, region: &Region) -> Result<u32, VaultError> {
        if let Some(epoch) = self.present_epoch(vendor, region) {
            return Ok(epoch);
        }
        let mut database = self.database.lock().await;
        if let Some(epoch) = self.present_epoch(vendor, region) {
            return Ok(epoch);
        }
        self.new_epoch(&mut database, vendor, region, 1).await
    }

    /// Starts a new token epoch: everybody gets a new name at that vendor, for events never attempted before.
    ///
    /// # Errors
    /// [`VaultError`]; the present epoch stays then.
    pub async fn rotate_epoch(
        &self,
        _permit: &Permit<ManageKeys>,
        vendor: &VendorId,
        region: &Region,
    ) -> Result<u32, VaultError> {
        let mut database = self.database.lock().await;
        let next = self.present_epoch(vendor, region).unwrap_or(0) + 1;
        self.new_epoch(&mut database, vendor, region, next).await
    }

    fn present_epoch(&self, vendor: &VendorId, region: &Region) -> Option<u32> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let key = (vendor.clone(), region.clone());
        tokens.present.get(&key).copied()
    }

    async fn new_epoch(
        &self,
        database: &mut SqliteConnection,
        vendor: &VendorId,
        region: &Region,
        epoch: u32,
    ) -> Result<u32, VaultError> {
        let failed = || VaultError::database("store a token key in");
        let name = KeyName::new(Purpose::Token, format!("{vendor}\n{region}"), epoch);
        let mut transaction = database.begin().await.map_err(failed())?;
        let now = self.clock.now().0;
        let secret =
            keys::create(&mut transaction, &self.master(), &self.nonces, &name, now).await?;
        transaction.commit().await.map_err(failed())?;
        self.tokens
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(domain(vendor.clone(), region.clone(), epoch), &secret);
        Ok(epoch)
    }
}

fn domain(vendor: VendorId, region: Region, epoch: u32) -> TokenDomain {
    TokenDomain {
        vendor,
        region,
        epoch,
    }
}
