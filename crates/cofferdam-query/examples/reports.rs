//! CPU milliseconds of reports over the bench's store (`cargo xtask bench reports`).
//!
//! `reports DIR [ROUNDS [REPORT]]`: DIR is what the store's test `the_store_of_the_reports_bench` made. One JSON line per report: the best round
//! with the hot columns in memory, the best without, and the first figures of the answer, so that peers can be held against them.
//! All work is done on one thread, whose CPU time the kernel counts in nanoseconds.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement at the command line"
)]

use anyhow::{Context, Result, ensure};
use cofferdam_access::{Permit, ReadReport};
use cofferdam_audit::Audit;
use cofferdam_model::{Clock, Entropy, MergeMap, PersonNumber, TimestampMs};
use cofferdam_query::{
    Cohorts, FlowsRequest, FunnelRequest, Inputs, Progress, RetentionRequest, SegmentationRequest,
    flows, funnel, retention, segmentation,
};
use cofferdam_store::{Store, StoreOptions};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
struct Standing;

impl Clock for Standing {
    fn now(&self) -> TimestampMs {
        TimestampMs(1_800_000_000_000)
    }
}

#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        for (byte, next) in bytes.iter_mut().zip(number.iter().cycle()) {
            *byte = *next;
        }
    }
}

/// CPU time of this thread so far, nanoseconds.
fn cpu_ns() -> Result<u64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = stat.split(' ').next().context("an empty schedstat")?;
    Ok(first.parse()?)
}

fn links(path: &Path) -> Result<MergeMap> {
    let bytes = std::fs::read(path)?;
    let (pairs, _) = bytes.as_chunks::<8>();
    let number = |bytes: &[u8]| {
        let mut number = [0; 4];
        number.copy_from_slice(bytes);
        PersonNumber(u32::from_le_bytes(number))
    };
    let pairs: Vec<_> = pairs
        .iter()
        .map(|pair| {
            let (one, other) = pair.split_at(4);
            (number(one), number(other))
        })
        .collect();
    Ok(MergeMap::from_links(&pairs))
}

/// What the reports are asked with.
struct Bench {
    permit: Permit<ReadReport>,
    merges: MergeMap,
    cohorts: Cohorts,
    progress: Progress,
}

impl Bench {
    /// A report's name and answer.
    fn ask(&self, store: &Store, report: &str) -> Result<Value> {
        let mut all = json!({ "project": "console", "from": "2026-09-01", "to": "2026-10-30", "timezone": "UTC" });
        let inputs = Inputs {
            permit: &self.permit,
            store,
            merges: &self.merges,
            cohorts: &self.cohorts,
            now: Standing.now(),
            progress: &self.progress,
        };
        let fields = |more: Value| {
            for (key, value) in more.as_object().into_iter().flatten() {
                all[key] = value.clone();
            }
            all
        };
        Ok(match report {
            "funnel" => {
                let steps = ["signup", "create_key", "first_call", "upgrade"];
                let steps = steps.map(|event| json!({ "event": event }));
                let request: FunnelRequest =
                    serde_json::from_value(fields(json!({ "steps": steps, "entry": "best" })))?;
                let answer = funnel(inputs, &request)?;
                json!(
                    answer
                        .steps
                        .iter()
                        .map(|step| step.count)
                        .collect::<Vec<_>>()
                )
            }
            "funnel by country" => {
                let steps = ["signup", "create_key", "first_call", "upgrade"];
                let steps = steps.map(|event| json!({ "event": event }));
                let more = json!({ "steps": steps, "entry": "best", "breakdown": ["country"] });
                let request: FunnelRequest = serde_json::from_value(fields(more))?;
                let answer = funnel(inputs, &request)?;
                json!(answer.segments.len())
            }
            "retention" => {
                let more = json!({ "born": { "event": "signup" }, "returned": { "event": "$all" }, "unit": "week",
                    "counted": "on", "birth_returns": true, "brackets": [1, 2, 3, 4, 5, 6, 7, 8, 9] });
                let request: RetentionRequest = serde_json::from_value(fields(more))?;
                let answer = retention(inputs, &request)?;
                json!(answer.cohorts.first().map(|cohort| cohort.counts.clone()))
            }
            "flows" => {
                let more = json!({ "anchor": { "event": "signup" }, "count": "uniques", "collapse_repeats": false,
                    "window": { "length": 61, "unit": "day" } });
                let request: FlowsRequest = serde_json::from_value(fields(more))?;
                let answer = flows(inputs, &request)?;
                let full = answer.top.iter().find(|path| path.events.len() == 4);
                json!(full.map(|path| (path.events.clone(), path.count)))
            }
            "uniques by browser" | "totals by browser" | "uniques of one event" => {
                let is_one = report == "uniques of one event";
                let measure = if report.starts_with("totals") {
                    "total"
                } else {
                    "unique"
                };
                let event = if is_one { "api_call" } else { "$all" };
                let by = if is_one { "country" } else { "browser" };
                let more = json!({ "events": [{ "event": event }], "measure": measure, "breakdown": [by] });
                let request: SegmentationRequest = serde_json::from_value(fields(more))?;
                let answer = serde_json::to_value(segmentation(inputs, &request)?)?;
                json!((
                    &answer["series"][0]["segment"],
                    &answer["series"][0]["values"][0]
                ))
            }
            other => anyhow::bail!("no report `{other}`"),
        })
    }
}

const REPORTS: &[&str] = &[
    "funnel",
    "funnel by country",
    "retention",
    "flows",
    "uniques by browser",
    "uniques of one event",
    "totals by browser",
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dir = Path::new(arguments.first().context("which store?")?);
    let rounds: usize = arguments.get(1).map_or(Ok(3), |rounds| rounds.parse())?;
    let only = arguments.get(2).map_or("", String::as_str);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let audit = tempfile::tempdir()?;
    let audit = Audit::open(
        audit.path(),
        Arc::new(Standing),
        Arc::new(Counting::default()),
    )?;
    let bench = Bench {
        permit: runtime.block_on(Permit::for_system(&audit, "bench"))?,
        merges: links(&dir.join("links"))?,
        cohorts: Cohorts::none(),
        progress: Progress::default(),
    };
    let open = |hot_bytes_max: usize| {
        let mut options = StoreOptions::new(
            dir.join("store"),
            dir.join("catalog.db"),
            Arc::new(Standing),
        );
        options.limits.hot_bytes_max = hot_bytes_max;
        runtime.block_on(Store::open(options))
    };
    for report in REPORTS
        .iter()
        .filter(|report| only.is_empty() || **report == only)
    {
        let mut ms = Vec::new();
        let mut answers = Vec::new();
        for hot_bytes_max in [1 << 30, 0] {
            let store = open(hot_bytes_max)?;
            // The first round brings the hot columns.
            answers.push(bench.ask(&store, report)?);
            let mut best = u64::MAX;
            for _ in 0..rounds {
                let before = cpu_ns()?;
                bench.ask(&store, report)?;
                best = best.min(cpu_ns()? - before);
            }
            runtime.block_on(store.close());
            ms.push(best / 1_000_000);
        }
        ensure!(answers.first() == answers.last(), "the answers differ");
        println!(
            "{}",
            json!({ "report": report, "hot_ms": ms.first(), "files_ms": ms.last(), "answer": answers.first() })
        );
    }
    Ok(())
}
