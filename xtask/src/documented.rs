//! The documents keep up with the code: every configuration key, lint, metric and crate is named where operators look.
//!
//! Reads source text only, as tidy does. Invariant: what a document names as a path or links to exists.

use crate::run::root;
use anyhow::{Context, Result};
use std::fs;

/// The documents whose links and paths are checked.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/operate.md",
    "docs/gaps.md",
    "docs/benchmarks.md",
    "docs/decisions/README.md",
];

/// What the documents lack, one line each.
pub(crate) fn problems() -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let operate = read("docs/operate.md")?;
    for key in configuration_keys()? {
        if !operate.contains(&format!("`{key}`")) && !operate.contains(&format!("[{key}]")) {
            problems.push(format!("docs/operate.md: lacks the key `{key}`"));
        }
    }
    for metric in words(
        &read("crates/cofferdam-server/src/routes/metrics.rs")?,
        "cofferdam_",
    ) {
        let short = metric.trim_start_matches("cofferdam_journal");
        if !operate.contains(&metric) && !operate.contains(&format!("`{short}`")) {
            problems.push(format!("docs/operate.md: lacks the metric `{metric}`"));
        }
    }
    let lints = read("docs/lints.md")?;
    for lint in lint_codes()? {
        if !lints.contains(&format!("| `{lint}` |")) {
            problems.push(format!("docs/lints.md: lacks `{lint}`"));
        }
    }
    let architecture = read("ARCHITECTURE.md")?;
    for entry in fs::read_dir(root().join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !architecture.contains(&format!("### `{name}`")) {
            problems.push(format!("ARCHITECTURE.md: lacks `{name}`"));
        }
    }
    for document in DOCUMENTS {
        dead_ends(document, &read(document)?, &mut problems);
    }
    Ok(problems)
}

/// Fields of the sections, as written in the configuration.
fn configuration_keys() -> Result<Vec<String>> {
    let text = read("crates/cofferdam-server/src/config/sections.rs")?;
    Ok(text
        .lines()
        .filter_map(|line| line.strip_prefix("    pub "))
        .filter_map(|rest| rest.split_once(':'))
        .map(|(name, _)| name.to_owned())
        .collect())
}

/// Codes of the table of lints: the texts that stand first in a pair.
fn lint_codes() -> Result<Vec<String>> {
    let text = read("crates/cofferdam-server/src/config/lints.rs")?;
    let table = text
        .split_once("const LINTS")
        .and_then(|(_, rest)| rest.split_once("];"))
        .context("no table of lints")?
        .0
        .to_owned();
    Ok(table
        .split('(')
        .skip(1)
        .filter_map(|pair| pair.split('"').nth(1))
        .filter(|code| code.contains('_'))
        .map(str::to_owned)
        .collect())
}

/// Words that begin so, inside texts.
fn words(text: &str, prefix: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with(prefix) && word.ends_with("_total"))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Links to files, and `crates/…` paths, that lead nowhere.
fn dead_ends(document: &str, text: &str, problems: &mut Vec<String>) {
    let folder = root()
        .join(document)
        .parent()
        .map(std::path::Path::to_owned)
        .unwrap_or_default();
    let links = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|link| link.split('#').next().unwrap_or_default())
        .filter(|link| !link.is_empty() && !link.contains("://") && !link.ends_with(".png"))
        .map(|link| folder.join(link));
    let paths = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("crates/") && !code.contains([' ', '*', '…']))
        .map(|code| root().join(code));
    for target in links.chain(paths) {
        if !target.try_exists().unwrap_or(false) {
            problems.push(format!("{document}: {} is not there", target.display()));
        }
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| path.to_owned())
}
