//! The few shapes in which the primitives are used: sealing, wrapping, keyed hashing, batched nonces.
//!
//! Invariant: every nonce of a GCM-SIV key is random (96 bits from the entropy seam), so that repetition is harmless and unlikely.

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};
use cofferdam_model::Entropy;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// A key that is zeroed when dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;
/// Bytes of an authentication tag.
pub(crate) const TAG: usize = 16;

/// Appends nonce ‖ ciphertext ‖ tag (AES-256-GCM-SIV). `None` only beyond the cipher's length limit.
pub(crate) fn seal(
    key: &[u8; 32],
    nonce: [u8; NONCE],
    context: &[u8],
    plain: &[u8],
    sealed: &mut Vec<u8>,
) -> Option<()> {
    let start = sealed.len();
    sealed.reserve(NONCE + plain.len() + TAG);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let body = sealed.get_mut(start + NONCE..)?;
    let tag = Aes256GcmSiv::new(key.into())
        .encrypt_inout_detached(&Nonce::from(nonce), context, body.into())
        .ok()?;
    sealed.extend_from_slice(&tag);
    Some(())
}

/// Opens what [`seal`] made; `None` where key, context or bytes are not those.
pub(crate) fn open(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
    let (body, tag) = rest.split_last_chunk::<TAG>()?;
    let mut plain = body.to_vec();
    Aes256GcmSiv::new(key.into())
        .decrypt_inout_detached(
            &Nonce::from(*nonce),
            context,
            plain.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .ok()?;
    Some(plain)
}

/// Opens a wrapped key.
pub(crate) fn open_key(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Option<Secret> {
    let plain = Zeroizing::new(open(key, context, sealed)?);
    let mut secret = Secret::default();
    secret.copy_from_slice(plain.get(..32).filter(|_| plain.len() == 32)?);
    Some(secret)
}

/// A keyed hash whose key was absorbed already: a clone costs no hashing of the key.
#[derive(Clone)]
pub(crate) struct Keyed(Hmac<Sha256>);

impl Keyed {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(<Hmac<Sha256> as KeyInit>::new(&{
            // HMAC pads a shorter key with zeros up to its block of 64 bytes; so do we, which spares a fallible call.
            let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
            for (slot, byte) in block.iter_mut().zip(key) {
                *slot = *byte;
            }
            block
        }))
    }

    /// HMAC-SHA-256 of the parts, each preceded by its length (u32 LE), so that no two lists of parts collide.
    pub(crate) fn hash(&self, parts: &[&[&str]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for pieces in parts {
            let length: usize = pieces.iter().map(|piece| piece.len()).sum();
            mac.update(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
            for piece in *pieces {
                mac.update(piece.as_bytes());
            }
        }
        mac.finalize().into_bytes().into()
    }

    /// The first half of [`Keyed::hash`].
    pub(crate) fn short(&self, parts: &[&[&str]]) -> [u8; 16] {
        let mut short = [0; 16];
        for (slot, byte) in short.iter_mut().zip(self.hash(parts)) {
            *slot = byte;
        }
        short
    }
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed")
    }
}

/// Random nonces, drawn many at a time.
#[derive(Debug)]
pub(crate) struct Nonces {
    entropy: Arc<dyn Entropy>,
    drawn: Mutex<Vec<u8>>,
}

impl Nonces {
    pub(crate) fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self {
            entropy,
            drawn: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn next(&self) -> [u8; NONCE] {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.len() < NONCE {
            drawn.resize(256 * NONCE, 0);
            self.entropy.fill(&mut drawn);
        }
        let mut nonce = [0; NONCE];
        let rest = drawn.len() - NONCE;
        for (slot, byte) in nonce.iter_mut().zip(drawn.drain(rest..)) {
            *slot = byte;
        }
        nonce
    }

    pub(crate) fn secret(&self) -> Secret {
        let mut secret = Secret::default();
        self.entropy.fill(&mut *secret);
        secret
    }
}
