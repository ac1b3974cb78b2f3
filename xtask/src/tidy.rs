//! The house rules on files: headers, lengths, leftovers, crate edges, documents.

use crate::run::{command, root};
use anyhow::{Result, ensure};
use std::fs;

/// Longest file of source.
const LINES_MAX: usize = 500;

pub(crate) fn run() -> Result<()> {
    let mut problems = crate::edges::problems()?;
    problems.extend(crate::documented::problems()?);
    let listed = command("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()?;
    for path in String::from_utf8_lossy(&listed.stdout).lines() {
        if [".rs", ".ts", ".svelte"]
            .iter()
            .any(|ending| path.ends_with(ending))
            && let Ok(text) = fs::read_to_string(root().join(path))
        {
            check(path, &text, &mut problems);
        }
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    ensure!(problems.is_empty(), "tidy: {} problems", problems.len());
    eprintln!("· tidy: ok");
    Ok(())
}

fn check(path: &str, text: &str, problems: &mut Vec<String>) {
    let generated = path.contains("/api/schema");
    if text.lines().count() > LINES_MAX && !generated {
        problems.push(format!("{path}: more than {LINES_MAX} lines"));
    }
    if path.ends_with(".rs")
        && !text.starts_with("//!")
        && !path.ends_with("build.rs")
        && !path.contains("/fuzz/")
    {
        problems.push(format!("{path}: has no `//!` header"));
    }
    if path.ends_with("/mod.rs") {
        problems.push(format!("{path}: name it after its folder"));
    }
    for (number, line) in text.lines().enumerate() {
        let leftovers = [
            "#[ig".to_owned() + "nore",
            "TO".to_owned() + "DO",
            "FIX".to_owned() + "ME",
            "XX".to_owned() + "X:",
        ];
        if let Some(leftover) = leftovers
            .iter()
            .find(|leftover| line.contains(leftover.as_str()))
        {
            problems.push(format!("{path}:{}: `{leftover}`", number + 1));
        }
        if line.ends_with(' ') || line.ends_with('\t') {
            problems.push(format!("{path}:{}: trailing space", number + 1));
        }
    }
}
