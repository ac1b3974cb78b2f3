//! A leaf of the log: who did or tried what, when, and what was decided.
//!
//! Made from what access says, written as canonical JSON (members in alphabetical order, no spaces).
//! Invariant: no personal data. Whatever could hold some is committed to by a salted hash; the salts can be deleted.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Longest actor, action or resource that is written in clear, bytes.
const PLAIN_BYTES_MAX: usize = 120;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The act may take effect.
    Permitted,
    /// The act was refused.
    Denied,
}

/// A leaf to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLeaf {
    /// Who, e.g. `admin`.
    pub actor: String,
    /// The act's name, e.g. `radius.read`.
    pub action: String,
    /// On what, e.g. `vendor/mixpanel`. Text beyond plain names is committed to and not written.
    pub resource: String,
    /// How many acts of this kind it stands for, itself included: 1, unless acts that repeat without end were only counted.
    pub count: u64,
    /// What was decided.
    pub decision: Decision,
    /// SHA-256 of the request, where there is one.
    pub request: Option<[u8; 32]>,
    /// Further circumstances; only salted commitments to the values are written.
    pub details: Vec<(&'static str, String)>,
}

/// A leaf as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// The act's name.
    pub action: String,
    /// Who.
    pub actor: String,
    /// Name → HMAC-SHA-256(the leaf's salt, name ‖ 0 ‖ value), hex.
    pub commitments: BTreeMap<String, String>,
    /// How many acts it stands for; written only where it is not one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
    /// What was decided.
    pub decision: Decision,
    /// SHA-256 of the leaf before, hex; zeros for the first.
    pub previous: String,
    /// SHA-256 of the request, hex; empty where there was none.
    pub request: String,
    /// On what; `(committed)` where the name was not plain.
    pub resource: String,
    /// Position in the log, from 0.
    pub seq: u64,
    /// Milliseconds since 1970, UTC.
    pub time: i64,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of leaves.
    pub leaves: u64,
    /// SHA-256 of the last leaf; zeros where there is none.
    pub head: [u8; 32],
}

impl NewLeaf {
    /// The leaf at its place in the log.
    pub(crate) fn at(self, seq: u64, time: i64, previous: &[u8; 32], salt: &[u8; 32]) -> Leaf {
        let mut commitments: BTreeMap<String, String> = self
            .details
            .iter()
            .map(|(name, value)| ((*name).to_owned(), commitment(salt, name, value)))
            .collect();
        let resource = if is_plain(&self.resource) {
            self.resource
        } else {
            commitments.insert(
                "resource".to_owned(),
                commitment(salt, "resource", &self.resource),
            );
            "(committed)".to_owned()
        };
        Leaf {
            action: self.action,
            actor: self.actor,
            commitments,
            count: self.count,
            decision: self.decision,
            previous: hex::encode(previous),
            request: self.request.map(hex::encode).unwrap_or_default(),
            resource,
            seq,
            time,
        }
    }
}

fn one() -> u64 {
    1
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

impl Leaf {
    /// The canonical bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        // Strings, integers and a map of strings always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether the commitment `name` is one to `value` under `salt`.
    #[must_use]
    pub fn commits_to(&self, name: &str, value: &str, salt: &[u8; 32]) -> bool {
        self.commitments
            .get(name)
            .is_some_and(|hex| *hex == commitment(salt, name, value))
    }
}

/// SHA-256 of a leaf's canonical bytes.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn commitment(salt: &[u8; 32], name: &str, value: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt) else {
        return String::new(); // HMAC takes a key of any length.
    };
    mac.update(name.as_bytes());
    mac.update(&[0]);
    mac.update(value.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Names of vendors, projects and days, numbers and the like: nothing that an address or a sentence fits into.
fn is_plain(text: &str) -> bool {
    text.len() <= PLAIN_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/_-.:*".contains(&byte))
}
