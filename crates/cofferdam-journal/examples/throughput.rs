//! Measures the journal: entries of 50 events (about 15 kB, 50 fresh keys) from many appenders at once.
//!
//! `cargo run --release -p cofferdam-journal --example throughput [SECONDS] [APPENDERS] [DIRECTORY]`. CPU is that of the
//! journal's threads alone, out of /proc; making keys and payloads is on other threads.

use bytes::Bytes;
use cofferdam_journal::{Append, Journal, JournalOptions, Stats, StdFiles};
use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, UNIX_EPOCH},
};

const EVENTS: u64 = 50;
const PAYLOAD: usize = 15_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let appenders: u64 = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let dir = arguments.next().map_or_else(
        || std::env::temp_dir().join(format!("journal-{}", std::process::id())),
        PathBuf::from,
    );
    let options = JournalOptions::new(Arc::new(|| {
        UNIX_EPOCH
            .elapsed()
            .map_or(0, |time| time.as_millis() as u64)
    }));
    let (journal, _) = Journal::open(&dir, options, Arc::new(StdFiles))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let busy = Arc::new(AtomicU64::new(0));
    let before = cpu()?;
    let tasks: Vec<_> = (0..appenders)
        .map(|appender| {
            let (journal, busy) = (journal.clone(), Arc::clone(&busy));
            runtime.spawn(async move {
                let payload = Bytes::from(vec![appender as u8; PAYLOAD]);
                let mut number = appender << 40 | u64::from(std::process::id()) << 20;
                while Instant::now() < until {
                    let keys = (0..EVENTS)
                        .map(|event| key(number * EVENTS + event))
                        .collect();
                    number += 1;
                    let append = Append {
                        keys,
                        tag: 1,
                        payload: payload.clone(),
                    };
                    if journal.append(append).await.is_err() {
                        busy.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            let _unused = task.await;
        }
    });
    let took = begun.elapsed();
    let after = cpu()?;
    let stats = journal.stats();
    report(&stats, took, after.0 - before.0, after.1 - before.1);
    println!("not accepted        {:>12}", busy.load(Ordering::Relaxed));
    let begun = Instant::now();
    let (mut cursor, mut bytes) = (0, 0_usize);
    loop {
        let entries = journal.read(cursor, 1 << 20)?;
        let Some(last) = entries.last() else { break };
        cursor = last.next_seq();
        bytes += entries
            .iter()
            .map(|entry| entry.payload.len())
            .sum::<usize>();
    }
    println!(
        "read                {:>12.0} MB/s",
        bytes as f64 / 1e6 / begun.elapsed().as_secs_f64()
    );
    drop(journal);
    fs::remove_dir_all(&dir)?;
    Ok(())
}

fn report(stats: &Stats, took: Duration, writer: f64, keeper: f64) {
    let (seconds, events) = (took.as_secs_f64(), stats.records as f64);
    println!("events              {:>12.0} /s", events / seconds);
    println!(
        "bytes               {:>12.1} MB/s",
        stats.bytes as f64 / 1e6 / seconds
    );
    println!(
        "fsyncs              {:>12.1} /s",
        stats.fsyncs as f64 / seconds
    );
    println!(
        "fsync               {:>12.2} ms mean, {:.1} ms max",
        stats.fsync_ns_sum as f64 / 1e6 / stats.fsyncs as f64,
        stats.fsync_ns_max as f64 / 1e6
    );
    println!("events a group      {:>12.0}", events / stats.groups as f64);
    println!(
        "writer outside fsync{:>12.3} µs/event (wall)",
        stats.writer_ns_sum as f64 / 1e3 / events
    );
    println!(
        "CPU writer          {:>12.3} µs/event (fsync included)",
        writer * 1e6 / events
    );
    println!(
        "CPU window keeper   {:>12.3} µs/event",
        keeper * 1e6 / events
    );
    println!(
        "window              {:>12} keys, {} runs, {:.2} B RAM, {:.2} B disk a key",
        stats.window_keys,
        stats.window_runs,
        stats.window_ram_bytes as f64 / stats.window_keys as f64,
        stats.window_disk_bytes as f64 / stats.window_keys as f64
    );
}

/// CPU seconds of the writer's and the keeper's thread. The scheduler's own count is in nanoseconds.
fn cpu() -> io::Result<(f64, f64)> {
    let (mut writer, mut keeper) = (0.0, 0.0);
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm"))?;
        let times = fs::read_to_string(task.join("schedstat"))?;
        let seconds = times
            .split_whitespace()
            .next()
            .and_then(|nanoseconds| nanoseconds.parse::<f64>().ok())
            .unwrap_or(0.0)
            / 1e9;
        match name.trim() {
            "journal" => writer += seconds,
            "journal-window" => keeper += seconds,
            _ => {}
        }
    }
    Ok((writer, keeper))
}

fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    for (at, half) in key.chunks_exact_mut(8).enumerate() {
        let mut value = number
            .wrapping_add(at as u64 + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        half.copy_from_slice(&(value ^ (value >> 31)).to_le_bytes());
    }
    key
}
