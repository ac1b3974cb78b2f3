//! The master key: 32 bytes in a file that only its owner can read; it wraps every other key.
//!
//! Rotation stages the new key as `<file>.next`, re-wraps, then renames; [`MasterKey::load`] reads both, so that a vault opens
//! after a kill at any point between.
//! Invariant: no copy of the key outlives its owner in memory, and none is ever printed.

use crate::VaultError;
use base64::Engine as _;
use cofferdam_model::Entropy;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// The master key, and the staged one where a rotation was under way.
pub struct MasterKey {
    key: Zeroizing<[u8; 32]>,
    next: Option<Zeroizing<[u8; 32]>>,
}

impl MasterKey {
    /// A key of these bytes.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Zeroizing::new(bytes);
        bytes.zeroize();
        Self { key, next: None }
    }

    /// A new random key.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(&mut *key);
        Self { key, next: None }
    }

    /// Reads the key file (64 hex digits or base64 of 32 bytes), and `<file>.next` where a rotation was interrupted.
    ///
    /// # Errors
    /// [`VaultError::KeyFile`] or [`VaultError::KeyRefused`].
    pub fn load(path: &Path) -> Result<Self, VaultError> {
        let key = read(path)?;
        let staged = staged(path);
        let next = match read(&staged) {
            Ok(next) => Some(next),
            Err(VaultError::KeyFile { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self { key, next })
    }

    /// Makes a new key file, mode 0600, durably. Never replaces one.
    ///
    /// # Errors
    /// [`VaultError::KeyFile`], also where the file is there already.
    pub fn create(path: &Path, entropy: &dyn Entropy) -> Result<Self, VaultError> {
        let key = Self::generate(entropy);
        key.write(path).map_err(failed("make", path))?;
        Ok(key)
    }

    /// First step of a rotation: writes this key to `<file>.next`, durably.
    ///
    /// # Errors
    /// [`VaultError::KeyFile`], also where one is staged already.
    pub fn stage(&self, path: &Path) -> Result<(), VaultError> {
        let staged = staged(path);
        self.write(&staged).map_err(failed("stage", &staged))
    }

    /// Last step of a rotation: `<file>.next` takes the place of the key file, durably.
    ///
    /// # Errors
    /// [`VaultError::KeyFile`].
    pub fn promote(path: &Path) -> Result<(), VaultError> {
        fs::rename(staged(path), path)
            .and_then(|()| sync_dir(path))
            .map_err(failed("replace", path))
    }

    /// The keys that may open a vault, the present one first.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Zeroizing<[u8; 32]>> {
        std::iter::once(&self.key).chain(&self.next)
    }

    pub(crate) fn key(&self) -> &Zeroizing<[u8; 32]> {
        &self.key
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut text = Zeroizing::new(hex::encode(*self.key));
        text.push('\n');
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        sync_dir(path)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let open = || -> io::Result<(Zeroizing<String>, u32)> {
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode();
        let mut text = Zeroizing::new(String::with_capacity(256));
        file.take(256).read_to_string(&mut text)?;
        Ok((text, mode))
    };
    let (text, mode) = open().map_err(failed("read", path))?;
    let refused = |problem| VaultError::KeyRefused {
        path: path.to_owned(),
        problem,
    };
    if mode & 0o077 != 0 {
        return Err(refused("others can read it; its mode must be 0600"));
    }
    parse(text.trim()).ok_or_else(|| refused("it does not hold 32 bytes as hex or base64"))
}

fn parse(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    if text.len() == 64 {
        hex::decode_to_slice(text, &mut *key).ok()?;
        return Some(key);
    }
    let bytes = Zeroizing::new(
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .ok()?,
    );
    key.copy_from_slice(bytes.get(..32).filter(|_| bytes.len() == 32)?);
    Some(key)
}

fn staged(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> VaultError + 'a {
    move |source| VaultError::KeyFile {
        action,
        path: path.to_owned(),
        source,
    }
}
