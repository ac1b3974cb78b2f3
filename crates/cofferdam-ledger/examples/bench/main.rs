//! Size and speed of the ledger on data of stated shape (`rows.rs`): `cargo xtask bench ledger`, or by itself
//! `cargo run --release -p cofferdam-ledger --example bench -- [PEOPLE] [DIR] [PYTHON]`.
//!
//! PEOPLE: default 1,000,000; at the full 10,000,000 the bars are asserted. DIR: the ledger is built there once. PYTHON: one that
//! has chdb-core; ClickHouse then answers the same questions over a sample of the same rows in the same run.
//! CPU time is this thread's, from the kernel. Warm: the files are in the page cache. Cold: they were dropped from it.

#![expect(clippy::indexing_slicing, reason = "a tool with fixed tables")]

mod clickhouse;
mod rows;
#[path = "../support/seeded.rs"]
mod seeded;

use anyhow::{Context, Result, ensure};
use cofferdam_access::{Permit, ReadRadius};
use cofferdam_ledger::{Basis, Coverage, Ledger, LedgerOptions, Radius, RadiusRequest, Routing};
use cofferdam_model::{Day, MergeMap};
use rows::FIRST;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// At this size the bars hold.
const FULL: u32 = 10_000_000;

/// Name, first and last day, bar in CPU ms.
const WINDOWS: &[(&str, i32, i32, f64)] = &[
    ("7 days", 157, 163, 40.0),
    ("30 days, one month", 90, 119, 40.0),
    ("30 days, across months", 100, 129, 40.0),
    ("365 days, whole months", 0, 364, 50.0),
    ("355 days, any window", 5, 359, 100.0),
];

/// A ledger and what it takes to ask it.
struct Asker {
    ledger: Ledger,
    dir: PathBuf,
    permit: Permit<ReadRadius>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let people: u32 = match arguments.next() {
        Some(people) => people.parse().context("PEOPLE is a number")?,
        None => 1_000_000,
    };
    let dir = match arguments.next() {
        Some(dir) => PathBuf::from(dir),
        None => std::env::temp_dir().join(format!("cofferdam-ledger-bench-{people}")),
    };
    let asker = open(&dir, people)?;
    let mut missed = Vec::new();
    sizes(&asker, &dir, &mut missed)?;
    let merged = rows::merges(people);
    println!("people merged into others: {}", merged.merged().len());
    for vendor in [10, 19] {
        for &(name, from, to, bar) in WINDOWS {
            for (how, map) in [("unmerged", &MergeMap::new()), ("20 % merged", &merged)] {
                let took = asker.window(vendor, (name, how), (from, to), map)?;
                if took > bar {
                    missed.push(format!("V{vendor} {name}, {how}: {took:.1} > {bar} CPU ms"));
                }
            }
        }
    }
    if let Some(python) = arguments.next() {
        clickhouse::compare(&asker, Path::new(&python), &dir, people, &mut missed)?;
    }
    ensure!(
        people < FULL || missed.is_empty(),
        "bars that were missed:\n{}",
        missed.join("\n")
    );
    Ok(())
}

/// Opens the ledger in `dir`, built where it is not whole.
fn open(dir: &Path, people: u32) -> Result<Asker> {
    let done = dir.join("rows");
    if !done.is_file() && dir.join("ledger").is_dir() {
        std::fs::remove_dir_all(dir.join("ledger"))?;
    }
    std::fs::create_dir_all(dir)?;
    let permit = seeded::permit(dir, Day(FIRST), "bench")?;
    let ledger = Ledger::open(LedgerOptions::new(dir.join("ledger")))?;
    if !done.is_file() {
        let start = cpu_ms();
        let (sends, rows) = rows::build(&ledger, people)?;
        let took = (cpu_ms() - start) / 1e3;
        println!("built {sends} sends, {rows} rows in {took:.1} CPU s");
        std::fs::write(done, rows.to_string())?;
    }
    Ok(Asker {
        ledger,
        dir: dir.join("ledger"),
        permit,
    })
}

fn sizes(asker: &Asker, dir: &Path, missed: &mut Vec<String>) -> Result<()> {
    let rows: u64 = std::fs::read_to_string(dir.join("rows"))?.parse()?;
    let sizes = asker.ledger.sizes()?;
    let days = sizes.bytes - sizes.rollup_bytes;
    for (name, bytes, bar) in [
        ("days", days, 0.4),
        ("days and month roll-ups", sizes.bytes, 0.6),
    ] {
        let each = bytes as f64 / rows as f64;
        let mb = bytes as f64 / 1e6;
        println!("{name}: {mb:.1} MB for {rows} rows = {each:.3} B a row (bar {bar})");
        if each > bar {
            missed.push(format!("{name}: {each:.3} > {bar} B a row"));
        }
    }
    Ok(())
}

/// CPU time of this thread so far, ms.
fn cpu_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    ns.unwrap_or(f64::NAN) / 1e6
}

impl Asker {
    fn ask(&self, vendor: u32, (from, to): (i32, i32), map: &MergeMap) -> Result<Radius> {
        let coverage = Coverage {
            routing: Routing::Routed,
            complete_from: Some(Day(FIRST)),
            nothing_before: true,
            ..Coverage::default()
        };
        let request = RadiusRequest {
            vendor: rows::vendor_id(vendor),
            since: Day(FIRST + from),
            until: Day(FIRST + to),
            basis: Basis::Sent,
            retention_verified_days: None,
            retention_claimed_days: None,
            known: Vec::new(),
        };
        Ok(self.ledger.radius(&self.permit, &request, map, &coverage)?)
    }

    /// CPU ms of a question, the files in the page cache. The kernel accounts in ticks of milliseconds, so many runs are averaged.
    fn warm(&self, vendor: u32, days: (i32, i32), map: &MergeMap) -> Result<f64> {
        self.ask(vendor, days, map)?;
        let (start, mut runs) = (cpu_ms(), 0);
        while runs < 5 || cpu_ms() - start < 300.0 {
            self.ask(vendor, days, map)?;
            runs += 1;
        }
        Ok((cpu_ms() - start) / f64::from(runs))
    }

    /// CPU ms and wall ms of a question after its files were dropped from the page cache.
    fn cold(&self, vendor: u32, days: (i32, i32), map: &MergeMap) -> Result<(f64, f64)> {
        for entry in std::fs::read_dir(self.dir.join("cells"))? {
            let file = std::fs::File::open(entry?.path())?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
        let (start, wall) = (cpu_ms(), Instant::now());
        self.ask(vendor, days, map)?;
        Ok((cpu_ms() - start, wall.elapsed().as_secs_f64() * 1e3))
    }

    /// Prints a window's figures; returns the warm one.
    fn window(
        &self,
        vendor: u32,
        (name, how): (&str, &str),
        days: (i32, i32),
        map: &MergeMap,
    ) -> Result<f64> {
        let (cold, wall) = self.cold(vendor, days, map)?;
        let warm = self.warm(vendor, days, map)?;
        let radius = self.ask(vendor, days, map)?;
        println!(
            "V{vendor} {name}, {how}: {warm:.1} CPU ms; cold {cold:.1} CPU ms, {wall:.0} ms by the clock; {} people, {} possible only, {} fields",
            radius.people,
            radius.people_possible,
            radius.fields.len()
        );
        Ok(warm)
    }
}
