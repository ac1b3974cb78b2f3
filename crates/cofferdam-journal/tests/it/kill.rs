//! SIGKILL under load on the real file system: nothing acknowledged is lost, nothing is there twice.
//!
//! The child is this test binary again, running only `child`; it prints what was acknowledged, line by line, and is killed at
//! a random moment. The parent opens the directory and compares. Then the next child goes on in it.

use crate::support::{all, count, entry, key, run};
use cofferdam_journal::{Append, Journal, JournalOptions, StdFiles};
use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

const DIR: &str = "COFFERDAM_JOURNAL_KILL_DIR";
const FROM: &str = "COFFERDAM_JOURNAL_KILL_FROM";
const APPENDERS: u64 = 6;

fn options() -> JournalOptions {
    let mut options = JournalOptions::new(Arc::new(|| {
        u64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
    }));
    options.segment_bytes = 300_000;
    options
}

/// The entry number `number`: 1 to 4 keys, one of them a repeat of an earlier entry's first key now and then.
fn numbered(number: u64) -> Append {
    let mut keys: Vec<_> = (0..1 + number % 4)
        .map(|index| key(number * 8 + index))
        .collect();
    if number.is_multiple_of(7) && number > 100 {
        keys.push(key((number - 50) * 8));
    }
    let mut payload = number.to_le_bytes().to_vec();
    payload.resize(40 + (number * 131 % 3_000) as usize, number as u8);
    entry(keys, payload)
}

/// Not a test of its own: the victim.
#[test]
fn child() {
    let (Some(dir), Some(from)) = (std::env::var_os(DIR), std::env::var_os(FROM)) else {
        return;
    };
    let from: u64 = from.to_str().unwrap().parse().unwrap();
    let (journal, _) = Journal::open(dir, options(), Arc::new(StdFiles)).unwrap();
    let appenders: Vec<_> = (0..APPENDERS)
        .map(|appender| {
            let journal = journal.clone();
            std::thread::spawn(move || {
                for number in (from + appender..).step_by(APPENDERS as usize) {
                    if let Ok(appended) = run(journal.append(numbered(number))) {
                        let line = format!(
                            "acked {number} {} {:?}\n",
                            appended.first_seq, appended.duplicates
                        );
                        // Not println: the test harness would keep it.
                        std::io::stdout().write_all(line.as_bytes()).unwrap();
                    }
                }
            })
        })
        .collect();
    for appender in appenders {
        appender.join().unwrap();
    }
}

/// Runs a child until it is killed; returns number → first seq of what it acknowledged.
fn killed(dir: &Path, from: u64, after_acks: u64, then: Duration) -> BTreeMap<u64, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut acked = BTreeMap::new();
    let mut deadline = None;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| *word != "acked")
            .skip(1);
        if let (Some(number), Some(seq)) = (words.next(), words.next()) {
            // The last line may be torn; a torn seq is one that is not believed.
            if line.ends_with(']') {
                acked.insert(number.parse().unwrap(), seq.parse().unwrap());
            }
        }
        if acked.len() as u64 >= after_acks && deadline.is_none() {
            deadline = Some(Instant::now() + then);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acked
}

#[test]
fn sigkill_under_load_loses_and_doubles_nothing() {
    let seed = std::env::var("COFFERDAM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    println!("COFFERDAM_SEED={seed}");
    let mut dir = tempfile::tempdir().unwrap();
    let mut total = 0;
    let mut acked: BTreeMap<u64, u64> = BTreeMap::new();
    let mut from = 0;
    let rounds = count(15, 300);
    for round in 0..rounds {
        if round % 30 == 29 {
            dir = tempfile::tempdir().unwrap();
            acked.clear();
        }
        let random = u64::from_le_bytes(*key(seed ^ (round << 32)).first_chunk().unwrap());
        let then = Duration::from_micros(random % 20_000);
        let more = killed(dir.path(), from, random % 60, then);
        from = more.last_key_value().map_or(from, |(last, _)| *last) + 1_000;
        total += more.len();
        acked.extend(more);
        let begun = Instant::now();
        let (journal, recovery) = Journal::open(dir.path(), options(), Arc::new(StdFiles)).unwrap();
        let took = begun.elapsed();
        let mut seen: HashMap<u64, u64> = HashMap::new();
        let mut keys = HashMap::new();
        let mut cursor = 0;
        for entry in all(&journal) {
            assert!(entry.first_seq >= cursor, "round {round}: seqs overlap");
            cursor = entry.next_seq();
            let number = u64::from_le_bytes(*entry.payload.first_chunk().unwrap());
            assert_eq!(entry.payload, numbered(number).payload, "round {round}");
            assert!(
                seen.insert(number, entry.first_seq).is_none(),
                "round {round}: {number} twice"
            );
            for (index, key) in numbered(number).keys.into_iter().enumerate() {
                if !entry.duplicates.contains(index as u32) {
                    assert!(
                        keys.insert(key, number).is_none(),
                        "round {round}: a key twice"
                    );
                }
            }
        }
        for (number, seq) in &acked {
            // An appender may be so far behind that another's repeat came first; then all of its entry is a duplicate.
            if seen.get(number) != Some(seq) {
                let alone = numbered(*number).keys.len() == 1 && !seen.contains_key(number);
                assert!(alone, "round {round}: {number} was acknowledged");
            }
            for key in numbered(*number).keys {
                assert!(
                    keys.contains_key(&key),
                    "round {round}: {number} was acknowledged"
                );
            }
        }
        println!(
            "round {round}: {} acked, {} held, {recovery:?}, {took:?}",
            acked.len(),
            seen.len()
        );
        // Each one sent again is a duplicate.
        for number in acked.keys().rev().take(20) {
            let again = run(journal.append(numbered(*number))).unwrap();
            assert_eq!(again.duplicates.len(), numbered(*number).keys.len());
        }
    }
    assert!(total > 100, "the children hardly ran: {total}");
    println!(
        "figure: journal kill: {rounds} x SIGKILL, {total} appends acknowledged, 0 lost, 0 doubled (seed {seed})"
    );
}
