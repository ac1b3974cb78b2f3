//! `cargo xtask bench`: release measurements, printed as ratios and CPU seconds of one run.
//!
//! Each is an example of the crate that it measures, so that the figures come from the product's own code.

use crate::run::{command, step};
use anyhow::Result;

/// Name, crate, example, arguments.
const BENCHES: &[(&str, &str, &str, &[&str])] = &[
    ("intake", "cofferdam-server", "intake", &[]),
    ("wire", "cofferdam-wire", "throughput", &[]),
    ("admit", "cofferdam-policy", "admit_throughput", &[]),
    ("detection", "cofferdam-policy", "detect_throughput", &[]),
    ("journal", "cofferdam-journal", "throughput", &[]),
    ("ledger", "cofferdam-ledger", "bench", &["1000000"]),
];

pub(crate) fn run(names: &[String]) -> Result<()> {
    for (name, package, example, arguments) in BENCHES {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        eprintln!("· {name}");
        let mut cargo = command("cargo");
        cargo
            .args([
                "run",
                "--release",
                "--quiet",
                "--package",
                package,
                "--example",
                example,
                "--",
            ])
            .args(*arguments);
        step(&mut cargo)?;
    }
    Ok(())
}
