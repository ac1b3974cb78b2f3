//! `cargo xtask prove`: the counted proofs in full size. One implementation each; continuous integration runs a twentieth.
//!
//! Resumable: a proof whose result for this commit is in docs/proofs is not run again.
//! Invariant: a result is written only after its proof ended well, with the figures that it printed.

use crate::run::{command, root, step};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;

/// Name, and the cargo arguments that run it; `COFFERDAM_PROVE=1` makes it full size.
const PROOFS: &[(&str, &[&str])] = &[
    (
        "journal-kill",
        &[
            "test",
            "--release",
            "--package",
            "cofferdam-journal",
            "--",
            "kill",
            "--nocapture",
        ],
    ),
    (
        "server-kill",
        &[
            "test",
            "--release",
            "--package",
            "cofferdam-server",
            "--test",
            "it",
            "--",
            "kill",
            "--nocapture",
        ],
    ),
    (
        "leak",
        &[
            "test",
            "--release",
            "--package",
            "cofferdam-server",
            "--test",
            "it",
            "--",
            "leak",
            "--nocapture",
        ],
    ),
    (
        "exactness",
        &[
            "test",
            "--release",
            "--package",
            "cofferdam-server",
            "--test",
            "it",
            "--",
            "exactness",
            "--nocapture",
        ],
    ),
    (
        "vendor-faults",
        &[
            "test",
            "--release",
            "--package",
            "cofferdam-server",
            "--test",
            "it",
            "--",
            "vendor_faults",
            "--nocapture",
        ],
    ),
];

/// Ten minutes of coverage-guided fuzzing of the wire crate, on the stable toolchain.
fn fuzz() -> Result<()> {
    if !crate::tools::has("cargo-fuzz") {
        step(command("cargo").args(["install", "--locked", "cargo-fuzz"]))?;
    }
    let mut fuzz = command("cargo");
    fuzz.current_dir(root().join("crates/cofferdam-wire"))
        .env("RUSTC_BOOTSTRAP", "1")
        .args([
            "fuzz",
            "run",
            "-s",
            "none",
            "mixpanel",
            "--",
            "-max_total_time=600",
        ]);
    step(&mut fuzz)
}

pub(crate) fn run(names: &[String]) -> Result<()> {
    let commit = head()?;
    if names.is_empty() || names.iter().any(|name| name == "fuzz") {
        fuzz()?;
    }
    for (name, arguments) in PROOFS {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let file = root().join("docs/proofs").join(format!("{name}.json"));
        let done = fs::read(&file)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        if done
            .is_some_and(|done| done.get("commit").and_then(Value::as_str) == Some(commit.as_str()))
        {
            eprintln!("· {name}: done for this commit");
            continue;
        }
        eprintln!("· {name}");
        let output = command("cargo")
            .args(*arguments)
            .env("COFFERDAM_PROVE", "1")
            .stderr(Stdio::inherit())
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        print!("{printed}");
        if !output.status.success() {
            bail!("the proof `{name}` failed");
        }
        let figures: Vec<&str> = printed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("figure: "))
            .collect();
        fs::create_dir_all(root().join("docs/proofs"))?;
        let result = json!({ "proof": name, "commit": commit, "figures": figures });
        fs::write(&file, serde_json::to_string_pretty(&result)? + "\n")
            .with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn head() -> Result<String> {
    let output = command("git").args(["rev-parse", "HEAD"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
