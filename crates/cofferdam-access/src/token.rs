//! The administrator's token: 256 random bits as hex in a file that only its owner can read.
//!
//! Invariant: memory holds only its SHA-256, and comparison takes the same time whatever differs.

use crate::error::AccessError;
use cofferdam_model::Entropy;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use subtle::ConstantTimeEq;

#[derive(Debug)]
pub(crate) struct Token {
    hash: [u8; 32],
}

impl Token {
    /// Reads the file, or makes it.
    pub(crate) fn open(path: &Path, entropy: &dyn Entropy) -> Result<Self, AccessError> {
        let failed = |action| {
            move |source| AccessError::TokenFile {
                action,
                path: path.to_owned(),
                source,
            }
        };
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
        {
            Ok(file) => create(file, path, entropy).map_err(failed("make")),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let (text, mode) = read(path).map_err(failed("read"))?;
                Self::parse(&text, mode).map_err(|problem| AccessError::TokenRefused {
                    path: path.to_owned(),
                    problem,
                })
            }
            Err(error) => Err(failed("make")(error)),
        }
    }

    /// Whether `bearer` is the token.
    pub(crate) fn is(&self, bearer: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(bearer.as_bytes()).into();
        hash.ct_eq(&self.hash).into()
    }

    fn parse(text: &str, mode: u32) -> Result<Self, &'static str> {
        if mode & 0o077 != 0 {
            return Err("others can read it; its mode must be 0600");
        }
        let text = text.trim();
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("it does not hold 64 hex digits");
        }
        Ok(Self {
            hash: Sha256::digest(text.as_bytes()).into(),
        })
    }
}

fn create(mut file: File, path: &Path, entropy: &dyn Entropy) -> io::Result<Token> {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let text = hex::encode(bytes);
    file.write_all(format!("{text}\n").as_bytes())?;
    file.sync_all()?;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        File::open(dir)?.sync_all()?;
    }
    Ok(Token {
        hash: Sha256::digest(text.as_bytes()).into(),
    })
}

fn read(path: &Path) -> io::Result<(String, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let mut text = String::new();
    file.take(1024).read_to_string(&mut text)?;
    Ok((text, mode))
}
