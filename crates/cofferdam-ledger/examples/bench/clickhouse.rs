//! The rival: ClickHouse (chdb-core), asked the same questions over a sample of the same rows, in the same run.
//!
//! "Distinct people exposed, by field, to vendor V on days A to B" over groupBitmap states; `ledger_clickhouse.py` loads and asks.
//! Invariant: a ratio is printed only where the answers are equal.

use crate::{Asker, rows};
use anyhow::{Context, Result, bail, ensure};
use cofferdam_model::MergeMap;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// Vendor, first and last day, how many times cheaper than the rival's bitmaps the ledger must be.
const QUESTIONS: &[(u32, i32, i32, f64)] = &[
    (10, 100, 106, 3.0),
    (10, 100, 129, 5.0),
    (19, 100, 129, 5.0),
];

pub(crate) fn compare(
    asker: &Asker,
    python: &Path,
    dir: &Path,
    people: u32,
    missed: &mut Vec<String>,
) -> Result<()> {
    let sample = dir.join("sample.bin");
    let count = rows::write_sample(&sample, people)?;
    println!("sample: {count} rows of vendors 0, 10 and 19");
    let before = ours(asker)?;
    let theirs = ask(python, &sample, dir)?;
    let after = ours(asker)?;
    for (at, &(vendor, from, to, bar)) in QUESTIONS.iter().enumerate() {
        let name = format!("V{vendor}, {} days", to - from + 1);
        let theirs = theirs.get(at).context("an answer is missing")?;
        let people = answers(asker, (vendor, from, to))?;
        let found = serde_json::from_value::<Vec<(u32, u64)>>(theirs["people"].clone())?;
        ensure!(
            people == found,
            "{name}: ours {people:?}, ClickHouse {found:?}"
        );
        let (mine, its) = (
            f64::midpoint(before[at], after[at]),
            theirs["bitmap_cpu_ms"].as_f64().context("a figure")?,
        );
        let (ratio, rows) = (
            its / mine,
            theirs["rows_cpu_ms"].as_f64().context("a figure")?,
        );
        println!(
            "{name}: ledger {mine:.1} CPU ms, ClickHouse groupBitmap {its:.1} = {ratio:.1} × (bar {bar} ×), rows uniqExact {rows:.1} = {:.1} ×; equal answers, {} fields",
            rows / mine,
            people.len()
        );
        if ratio < bar {
            missed.push(format!("{name}: {ratio:.1} < {bar} × of ClickHouse"));
        }
    }
    Ok(())
}

/// CPU ms of each question.
fn ours(asker: &Asker) -> Result<Vec<f64>> {
    let unmerged = MergeMap::new();
    let took = QUESTIONS
        .iter()
        .map(|&(vendor, from, to, _)| asker.warm(vendor, (from, to), &unmerged));
    took.collect()
}

/// People by field number.
fn answers(asker: &Asker, (vendor, from, to): (u32, i32, i32)) -> Result<Vec<(u32, u64)>> {
    let radius = asker.ask(vendor, (from, to), &MergeMap::new())?;
    let mut people = radius
        .fields
        .iter()
        .map(|field| Ok((rows::number_of(&field.field)?, field.people)))
        .collect::<Result<Vec<_>>>()?;
    people.sort_unstable();
    Ok(people)
}

fn ask(python: &Path, sample: &Path, dir: &Path) -> Result<Vec<Value>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/bench/clickhouse.py");
    let questions = QUESTIONS
        .iter()
        .map(|(vendor, from, to, _)| format!("{vendor}:{from}:{to}"));
    let output = Command::new(python)
        .arg(script)
        .arg(sample)
        .arg(dir.join("clickhouse"))
        .args(questions)
        .stderr(Stdio::inherit())
        .output()
        .context("Python could not be started")?;
    if !output.status.success() {
        bail!("ClickHouse did not answer: {}", output.status);
    }
    let lines = output.stdout.split(|byte| *byte == b'\n');
    lines
        .filter(|line| line.starts_with(b"{"))
        .map(|line| Ok(serde_json::from_slice(line)?))
        .collect()
}
