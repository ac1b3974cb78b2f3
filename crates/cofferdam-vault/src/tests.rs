//! The vault as its callers see it: a real file, real permits, a clock and randomness of our own.

mod durable;
mod forgetting;
mod naming;
mod rotating;
mod speed;

use crate::{MasterKey, Vault, VaultError, VaultOptions};
use cofferdam_access::{Access, AccessOptions, Act, Caller, Permit};
use cofferdam_audit::Audit;
use cofferdam_model::{
    Clock, Definition, Entropy, IdentityClaim, PersonNumber, ProjectName, Provenance, Region,
    TimestampMs, TokenDomain, VendorId,
};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tempfile::TempDir;

#[derive(Debug)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> TimestampMs {
        TimestampMs(self.0.load(Ordering::SeqCst))
    }
}

/// Different for every fixture and every call, the same in every run of one seed.
#[derive(Debug)]
pub(crate) struct Seeded(pub(crate) u64, pub(crate) AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.1.fetch_add(1, Ordering::SeqCst);
        for (part, chunk) in bytes.chunks_mut(32).enumerate() {
            let seed = format!("{} {number} {part}", self.0);
            chunk.copy_from_slice(&Sha256::digest(seed)[..chunk.len()]);
        }
    }
}

pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) entropy: Arc<Seeded>,
    access: Access,
}

pub(crate) const MASTER: [u8; 32] = [42; 32];

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock(AtomicI64::new(1_764_000_000_000)));
        let entropy = Arc::new(Seeded(1, AtomicU64::new(0)));
        let audit = Audit::open(
            &dir.path().join("audit"),
            Arc::clone(&clock) as _,
            Arc::clone(&entropy) as _,
        )
        .unwrap();
        let access = Access::open(&AccessOptions {
            token_file: dir.path().join("admin.token"),
            audit: Arc::new(audit),
            entropy: Arc::clone(&entropy) as _,
            clock: Arc::clone(&clock) as _,
        })
        .unwrap();
        Self {
            dir,
            clock,
            entropy,
            access,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("vault.db")
    }

    pub(crate) async fn vault(&self) -> Arc<Vault> {
        self.open(&self.path(), MASTER).await.unwrap()
    }

    pub(crate) async fn open(&self, path: &Path, key: [u8; 32]) -> Result<Arc<Vault>, VaultError> {
        Vault::open(VaultOptions {
            path: path.to_owned(),
            master: MasterKey::from_bytes(key),
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::clone(&self.entropy) as _,
        })
        .await
    }

    pub(crate) async fn permit<A: Act>(&self) -> Permit<A> {
        self.access.permit(&Caller::Admin, "test").await.unwrap()
    }
}

pub(crate) fn project() -> ProjectName {
    "console".into()
}

pub(crate) fn by_id(id: &str) -> IdentityClaim<'_> {
    IdentityClaim {
        distinct_id: Some(id.into()),
        ..IdentityClaim::default()
    }
}

pub(crate) fn by_device<'a>(device: &'a str, user: Option<&'a str>) -> IdentityClaim<'a> {
    IdentityClaim {
        device_id: Some(device.into()),
        user_id: user.map(Into::into),
        ..IdentityClaim::default()
    }
}

/// Resolves, journals (in `journal`) and confirms.
pub(crate) fn journaled(
    vault: &Vault,
    claim: &IdentityClaim<'_>,
    journal: &mut Vec<Definition>,
) -> PersonNumber {
    let resolved = vault
        .resolve(&project(), claim, Provenance::Claimed)
        .unwrap();
    vault.confirm(&resolved.definitions);
    journal.extend(resolved.definitions);
    resolved.person
}

pub(crate) async fn domain(vault: &Vault, vendor: &str) -> TokenDomain {
    let (vendor, region) = (VendorId::from(vendor), Region::from("EU"));
    TokenDomain {
        epoch: vault.epoch(&vendor, &region).await.unwrap(),
        vendor,
        region,
    }
}

/// Whether any file of the folder holds these bytes (database, write-ahead log, audit, all of it).
pub(crate) fn on_disk(dir: &Path, needle: &[u8]) -> bool {
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle) {
                return true;
            }
        }
    }
    false
}

pub(crate) fn wal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

type Copies = Arc<std::sync::Mutex<Vec<(&'static str, PathBuf)>>>;

/// What a kill would leave behind: copies of the file and its write-ahead log at every step that follows.
pub(crate) fn copy_at_every_step(fixture: &Fixture, vault: &Vault) -> Copies {
    let copies = Copies::default();
    let (from, dir, list) = (
        fixture.path(),
        fixture.dir.path().to_owned(),
        Arc::clone(&copies),
    );
    let copy = move |step| {
        let mut list = list.lock().unwrap();
        let to = dir.join(format!("killed-{}.db", list.len()));
        std::fs::copy(&from, &to).unwrap();
        std::fs::copy(wal(&from), wal(&to)).unwrap();
        list.push((step, to));
    };
    *vault.at_step.lock().unwrap() = Some(crate::vault::tests_hook::AtStep(Box::new(copy)));
    copies
}
