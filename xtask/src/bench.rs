//! `cargo xtask bench`: release measurements, printed as ratios and CPU seconds of one run.
//!
//! Each is an example of the crate that it measures, or drives the release binary, so that the figures come from the product's own
//! code. What lies in target/bench is made once and used again.

use crate::run::{cargo, command, root, step, target};
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;

/// The rival of the ledger.
const CLICKHOUSE: &[&str] = &["chdb-core==26.9.0"];
/// What makes the store's data.
const EVENTS: &[&str] = &["numpy==2.4.6", "pyarrow==26.0.1"];
/// Events and people that the store's data is made of; 993,066 events come of them.
const EVENTS_SIZE: [&str; 2] = ["1.11e6", "1e5"];

/// Runs a bench with the arguments that follow `--`.
type Bench = fn(&[String]) -> Result<()>;

/// All benches by name.
const BENCHES: &[(&str, Bench)] = &[
    ("intake", |rest| example("cofferdam-server", "intake", rest)),
    ("wire", |rest| example("cofferdam-wire", "throughput", rest)),
    ("admit", |rest| {
        example("cofferdam-policy", "admit_throughput", rest)
    }),
    ("detection", |rest| {
        example("cofferdam-policy", "detect_throughput", rest)
    }),
    ("journal", |rest| {
        example("cofferdam-journal", "throughput", rest)
    }),
    ("ledger", ledger),
    ("store", store),
    ("reports", crate::reports::run),
    ("memory", memory),
];

/// Runs the benches named before a `--`, or all; what follows it goes to them.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let split = arguments.iter().position(|argument| argument == "--");
    let (names, rest) = arguments.split_at(split.unwrap_or(arguments.len()));
    let rest = rest.get(1..).unwrap_or_default();
    let known = || BENCHES.iter().map(|(name, _)| *name);
    for name in names {
        ensure!(
            known().any(|known| known == name),
            "no bench is called `{name}`; there are {}",
            known().collect::<Vec<_>>().join(", ")
        );
    }
    for (name, bench) in BENCHES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            eprintln!("· {name}");
            bench(rest)?;
        }
    }
    Ok(())
}

fn example(package: &str, example: &str, arguments: &[String]) -> Result<()> {
    let mut cargo = command("cargo");
    cargo
        .args(["run", "--release", "--quiet", "--package", package])
        .args(["--example", example, "--"])
        .args(arguments);
    step(&mut cargo)
}

/// A folder that stays between runs.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let folder = target().join("bench").join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Size and speed at ten million people, and ClickHouse over a sample of the same rows.
fn ledger(rest: &[String]) -> Result<()> {
    let people = rest.first().map_or("10000000", String::as_str);
    let python = tools::python("clickhouse", CLICKHOUSE)?;
    let folder = folder(&format!("ledger-{people}"))?;
    let arguments = [people.into(), path(&folder)?, path(&python)?];
    example("cofferdam-ledger", "bench", &arguments)
}

/// Bytes an event, over the data of the reference's generator.
fn store(rest: &[String]) -> Result<()> {
    let shared = tools::shared()
        .context("the store's data needs bench/gen_events.py of shared/ beside this checkout")?;
    let [events, people] = match rest {
        [events, people, ..] => [events.as_str(), people.as_str()],
        _ => EVENTS_SIZE,
    };
    let folder = folder(&format!("events-{events}"))?;
    let file = folder.join("events_t.parquet");
    if !file.is_file() {
        let python = tools::python("events", EVENTS)?;
        step(
            command(python)
                .arg(shared.join("bench/gen_events.py"))
                .args([events, people])
                .arg(&folder),
        )?;
    }
    let mut cargo = command("cargo");
    cargo
        .env("COFFERDAM_BENCH_EVENTS", file)
        .args(["test", "--release", "--quiet", "--package"])
        .args(["cofferdam-store", "bytes_per_event", "--", "--nocapture"]);
    step(&mut cargo)
}

/// Resident memory: idle, the demo, and a soak.
fn memory(rest: &[String]) -> Result<()> {
    let python = tools::python("plain", &[])?;
    cargo(&["build", "--release", "--package", "cofferdam-server"])?;
    let mut script = command(python);
    script
        .arg(root().join("tests/python/memory.py"))
        .env("COFFERDAM", target().join("release/cofferdam"))
        .args(rest);
    step(&mut script)
}

fn path(path: &std::path::Path) -> Result<String> {
    let text = path.to_str().context("a path that is not Unicode")?;
    Ok(text.to_owned())
}
