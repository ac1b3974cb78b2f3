//! `cargo xtask bench reports`: our reports and the peers' over the same events in one run, in CPU milliseconds and ratios.
//!
//! The data are those of the reference's generator; in our store two of five people began under another number. Each peer is a
//! process of its own with two threads. Invariant: a figure is compared only where the answers are equal.

use crate::bench::folder;
use crate::run::{command, step};
use crate::tools;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;

/// The peers and what makes the data.
const PEERS: &[&str] = &[
    "pyarrow==26.0.1",
    "duckdb==2.0.0",
    "chdb-core==26.9.0",
    "polars==2.1.0",
    "numpy==2.4.6",
];
/// Events and people that are asked of the generator; 9,962,023 events come of them.
const SIZE: [&str; 2] = ["11.08e6", "1e6"];
const ROUNDS: &str = "3";

/// What the peers call a report, the engine and source it is compared with, and the least ratio of that one's CPU time to ours, with
/// the hot columns in memory (`true`) or from files.
const BARS: &[(&str, &str, &str, &str, bool, f64)] = &[
    ("funnel", "Q3", "chdb", "tbl_ut", false, 2.0),
    ("funnel", "Q3", "chdb", "tbl_et", false, 1.2),
    ("funnel", "Q3_list", "duckdb", "pq_ut", false, 4.0),
    ("funnel", "Q3", "chdb", "tbl_et", true, 6.0),
    ("retention", "Q4", "duckdb", "tbl_ut", false, 3.0),
    ("retention", "Q4_arr", "chdb", "tbl_ut", false, 3.0),
    ("flows", "Q5", "polars", "pq_ut", false, 2.0),
    ("flows", "Q5", "chdb", "tbl_ut", false, 8.0),
    ("uniques by browser", "Q2u", "chdb", "tbl_ut", false, 3.0),
    ("uniques by browser", "Q2u", "duckdb", "tbl_ut", false, 3.0),
    ("uniques of one event", "Q1", "chdb", "tbl_et", false, 0.8),
    (
        "totals by browser",
        "Q2",
        "duckdb",
        "tbl_ut",
        false,
        1.0 / 1.2,
    ),
];

/// Makes what is not there, asks everybody, prints the table.
pub(crate) fn run(rest: &[String]) -> Result<()> {
    let [events, people] = match rest {
        [events, people, ..] => [events.as_str(), people.as_str()],
        _ => SIZE,
    };
    let shared = tools::shared()
        .context("the reports' bench needs bench/ of shared/ beside this checkout")?;
    let python = tools::python("reports", PEERS)?;
    let data = folder(&format!("events-{events}"))?;
    if !data.join("events_ut.parquet").is_file() {
        let script = shared.join("bench/gen_events.py");
        step(
            command(&python)
                .arg(script)
                .args([events, people])
                .arg(&data),
        )?;
    }
    let store = data.join("store-of-reports");
    if !store.join("links").is_file() {
        std::fs::create_dir_all(&store)?;
        let mut cargo = command("cargo");
        cargo
            .env("COFFERDAM_BENCH_EVENTS", data.join("events_t.parquet"))
            .env("COFFERDAM_BENCH_STORE", &store)
            .args([
                "test",
                "--release",
                "--quiet",
                "--package",
                "cofferdam-store",
            ])
            .args(["the_store_of_the_reports_bench", "--", "--nocapture"]);
        step(&mut cargo)?;
    }
    let mut ours = command("cargo");
    ours.args([
        "run",
        "--release",
        "--quiet",
        "--package",
        "cofferdam-query",
        "--example",
        "reports",
        "--",
    ]);
    let ours = lines(ours.arg(&store).arg(ROUNDS))?;
    let mut peers = BTreeMap::new();
    let script = shared.join("bench/run_queries.py");
    for (engine, source) in BARS
        .iter()
        .map(|(_, _, engine, source, ..)| (*engine, *source))
    {
        if let std::collections::btree_map::Entry::Vacant(slot) = peers.entry((engine, source)) {
            eprintln!("· {engine} {source}");
            let mut peer = command(&python);
            peer.arg(&script)
                .args([engine, source])
                .arg(&data)
                .arg(ROUNDS);
            slot.insert(lines(&mut peer)?);
        }
    }
    for peer in PEERS {
        println!("{peer}");
    }
    table(&ours, &peers)
}

fn lines(command: &mut std::process::Command) -> Result<Vec<Value>> {
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

fn table(ours: &[Value], peers: &BTreeMap<(&str, &str), Vec<Value>>) -> Result<()> {
    let mut is_missed = false;
    for own in ours {
        println!(
            "{:22} {} ms in memory, {} ms from files: {}",
            own["report"].as_str().unwrap_or(""),
            own["hot_ms"],
            own["files_ms"],
            own["answer"]
        );
    }
    for (report, query, engine, source, is_hot, bar) in BARS {
        let own = ours.iter().find(|line| line["report"] == *report);
        let peer = peers.get(&(*engine, *source)).into_iter().flatten();
        let peer = peer.into_iter().find(|line| line["q"] == *query);
        let (Some(own), Some(peer)) = (own, peer) else {
            println!("{report}: no figure of {engine} {source} {query}");
            is_missed = true;
            continue;
        };
        let ms = own[if *is_hot { "hot_ms" } else { "files_ms" }]
            .as_f64()
            .unwrap_or(f64::NAN);
        let theirs = peer["cpu"].as_f64().unwrap_or(f64::NAN) * 1000.0;
        let ratio = theirs / ms;
        let is_met = ratio >= *bar;
        is_missed |= !is_met;
        println!(
            "{report:22} {} {ratio:5.2} x {engine} {source} ({theirs:.0} ms; first row {}); bar {bar:.2}: {}",
            if *is_hot { "in memory " } else { "from files" },
            peer["first"],
            if is_met { "met" } else { "MISSED" }
        );
    }
    ensure!(!is_missed, "a bar is missed");
    Ok(())
}
