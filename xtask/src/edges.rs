//! The crate edges and fences of the design, as a table that `cargo metadata` is compared with.
//!
//! Invariant: an edge or a fenced dependency that the table does not list fails tidy.

use crate::run::command;
use anyhow::{Context, Result};
use serde_json::Value;

/// Crate, the crates of ours that it may use.
const EDGES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &["model"]),
    ("policy", &["model"]),
    ("journal", &[]),
    ("outbound", &["model"]),
    ("audit", &["model", "journal", "outbound"]),
    ("access", &["model", "audit", "outbound"]),
    ("vault", &["model", "access"]),
    (
        "store",
        &["model", "policy", "vault", "journal", "outbound", "access"],
    ),
    ("query", &["model", "access", "store"]),
    ("ledger", &["model", "journal", "access"]),
    (
        "egress",
        &[
            "model", "wire", "policy", "vault", "journal", "outbound", "ledger", "access",
        ],
    ),
    ("watch", &["model"]),
    ("scan", &["model", "wire", "policy", "outbound"]),
    (
        "response",
        &["model", "vault", "audit", "access", "ledger", "outbound"],
    ),
];

/// Dependency, the crates that alone may name it.
const FENCES: &[(&str, &[&str])] = &[
    ("reqwest", &["outbound"]),
    ("lettre", &["outbound"]),
    ("aes-gcm", &["vault"]),
    ("aes-gcm-siv", &["vault"]),
    ("age", &["vault"]),
    ("parquet", &["store"]),
    ("arrow-array", &["store"]),
    ("arrow-schema", &["store"]),
    ("object_store", &["store"]),
    ("datafusion", &["query"]),
    ("roaring", &["ledger"]),
    ("cedar-policy", &["access"]),
    ("webauthn-rs", &["access"]),
    ("argon2", &["access"]),
    ("axum", &["server"]),
    ("clap", &["server"]),
    ("rust-embed", &["server"]),
    ("toml", &["server"]),
];

/// What is wrong with the edges, one line each.
pub(crate) fn problems() -> Result<Vec<String>> {
    let output = command("cargo")
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let mut problems = Vec::new();
    for package in metadata
        .get("packages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let Some(name) = package["name"]
            .as_str()
            .and_then(|name| name.strip_prefix("cofferdam-"))
        else {
            continue;
        };
        let allowed = EDGES
            .iter()
            .find(|(of, _)| *of == name)
            .map(|(_, allowed)| *allowed);
        if allowed.is_none() && name != "server" {
            problems.push(format!("cofferdam-{name} is not in the table of crates"));
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let (Some(on), kind) = (dependency["name"].as_str(), &dependency["kind"]) else {
                continue;
            };
            if kind == "dev" {
                continue;
            }
            if let (Some(ours), Some(allowed)) = (on.strip_prefix("cofferdam-"), allowed)
                && !allowed.contains(&ours)
            {
                problems.push(format!("cofferdam-{name} may not use cofferdam-{ours}"));
            }
            let fence = FENCES.iter().find(|(fenced, _)| *fenced == on);
            if let Some((fenced, owners)) = fence
                && !owners.contains(&name)
            {
                problems.push(format!(
                    "cofferdam-{name} may not name {fenced}; only cofferdam-{} may",
                    owners.join(", ")
                ));
            }
        }
    }
    Ok(problems)
}
