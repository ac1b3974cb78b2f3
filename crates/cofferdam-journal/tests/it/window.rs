//! The dedupe window: across restarts, across runs, its end, and what it costs.

use crate::{
    fake::Disk,
    support::{Hands, all, append, entry, insist, key, open, run},
};
use cofferdam_journal::{Journal, JournalOptions, Key, NO_KEY, StdFiles};
use std::{ops::Range, sync::Arc};

const DAY_MS: u64 = 86_400_000;

fn keys(range: Range<u64>) -> Vec<Key> {
    range.map(key).collect()
}

/// Appends the keys in entries of 1,000; returns how many were duplicates.
fn add(journal: &Journal, range: Range<u64>) -> usize {
    let mut duplicates = 0;
    for from in range.clone().step_by(1_000) {
        let keys = keys(from..range.end.min(from + 1_000));
        duplicates += insist(journal, &entry(keys, "some bytes")).duplicates.len();
    }
    duplicates
}

#[test]
fn knows_its_keys_across_runs_and_restarts() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    assert_eq!(add(&journal, 0..30_000), 0);
    journal.settle();
    assert!(journal.stats().window_runs >= 1);
    assert_eq!(add(&journal, 0..30_000), 30_000);
    assert_eq!(add(&journal, 30_000..31_500), 0);
    for power in [true, false, true] {
        if power {
            disk.crash();
        } else {
            disk.kill();
        }
        let (journal, recovery) = open(&hands, disk.layer());
        assert_eq!(recovery.window_keys, 31_500);
        assert_eq!(recovery.window_runs_lost, 0);
        assert_eq!(add(&journal, 0..31_500), 31_500);
        journal.settle();
    }
}

#[test]
fn never_calls_a_new_key_a_duplicate() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    add(&journal, 0..20_000);
    journal.settle();
    assert_eq!(add(&journal, 100_000..300_000), 0);
    // Neighbours of known keys, and keys that are not random at all.
    let mut near = Vec::new();
    for number in 0..20_000_u64 {
        let mut other = key(number);
        other[15] ^= 1;
        near.push(other);
        near.push((u128::from(number) + 1).to_be_bytes());
    }
    for keys in near.chunks(1_000) {
        assert!(
            insist(&journal, &entry(keys.to_vec(), "x"))
                .duplicates
                .is_empty()
        );
    }
    journal.settle();
    for keys in near.chunks(1_000) {
        assert_eq!(
            insist(&journal, &entry(keys.to_vec(), "x"))
                .duplicates
                .len(),
            keys.len()
        );
    }
}

#[test]
fn the_zero_key_is_never_a_duplicate() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    for _ in 0..3 {
        let appended = append(&journal, entry(vec![NO_KEY, NO_KEY], "x")).unwrap();
        assert!(appended.duplicates.is_empty());
    }
    assert_eq!(all(&journal).len(), 3);
}

#[test]
fn duplicates_within_an_entry_and_in_part_are_marked() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    let first = append(&journal, entry(vec![key(1), key(2), key(1)], "a")).unwrap();
    assert_eq!(first.duplicates, [2]);
    let second = append(&journal, entry(vec![key(3), key(2)], "b")).unwrap();
    assert_eq!(
        (second.first_seq, second.duplicates.as_slice()),
        (3, [1].as_slice())
    );
    let whole = append(&journal, entry(vec![key(3), key(2)], "c")).unwrap();
    assert_eq!(whole.duplicates, [0, 1]);
    let entries = all(&journal);
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].duplicates.iter().collect::<Vec<_>>(), [2]);
    assert_eq!(entries[1].duplicates.iter().collect::<Vec<_>>(), [1]);
    assert_eq!(entries[1].next_seq(), 5);
}

#[test]
fn a_key_is_known_for_seven_days_and_forgotten_after_eight() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (mut journal, _) = open(&hands, disk.layer());
    add(&journal, 0..100);
    for day in 1..=8 {
        hands.forward(DAY_MS - 1);
        add(&journal, day * 1_000..day * 1_000 + 50);
        journal.settle();
        if day == 4 {
            disk.crash();
            drop(journal);
            journal = open(&hands, disk.layer()).0;
        }
        if day == 7 {
            assert_eq!(add(&journal, 0..100), 100, "known on day 7");
        }
    }
    hands.forward(DAY_MS);
    add(&journal, 50_000..50_001);
    journal.settle();
    add(&journal, 50_001..50_002);
    assert_eq!(add(&journal, 0..100), 0, "forgotten after day 8");
    assert!(journal.stats().window_runs <= 20);
}

#[test]
fn a_damaged_run_loses_no_event_and_is_reported() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    add(&journal, 0..20_000);
    journal.settle();
    disk.kill();
    drop(journal);
    let runs: Vec<_> = disk
        .files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "run"))
        .collect();
    // A page: its keys count as new. The header: the whole run does, unless the journal still has its entries.
    disk.flip(&runs[0], 128 + 4096 + 40);
    let (journal, recovery) = open(&hands, disk.layer());
    assert_eq!(recovery.window_runs_lost, 0);
    let known = add(&journal, 0..20_000);
    assert!((19_700..20_000).contains(&known), "{known}");
    assert!(journal.stats().window_errors > 0);
    disk.kill();
    drop(journal);
    for path in disk.files() {
        if path.extension().is_some_and(|ext| ext == "run") {
            disk.flip(&path, 20);
        }
    }
    let (journal, recovery) = open(&hands, disk.layer());
    assert!(recovery.window_runs_lost > 0);
    assert_eq!(
        add(&journal, 0..20_000),
        20_000,
        "filled again from the journal"
    );
}

#[test]
fn costs_two_bytes_of_memory_and_twenty_of_disk_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let hands = Hands::new();
    let options: JournalOptions = hands.options();
    let (journal, _) = Journal::open(dir.path(), options.clone(), Arc::new(StdFiles)).unwrap();
    run(async {
        for from in (0..400_000).step_by(2_000) {
            let appended = journal
                .append(entry(keys(from..from + 2_000), "x"))
                .await
                .unwrap();
            assert!(appended.duplicates.is_empty());
            // A steady stream, not a burst that outruns the keeper.
            if from % 20_000 == 0 {
                let journal = journal.clone();
                tokio::task::spawn_blocking(move || journal.settle())
                    .await
                    .unwrap();
            }
        }
    });
    journal.settle();
    // The counters are those of the last group.
    add(&journal, 400_000..400_001);
    let stats = journal.stats();
    let keys = stats.window_keys as f64;
    assert_eq!(stats.window_keys, 400_001);
    let (ram, disk) = (
        stats.window_ram_bytes as f64 / keys,
        stats.window_disk_bytes as f64 / keys,
    );
    eprintln!(
        "{ram:.3} bytes of memory and {disk:.2} of disk a key, {} runs",
        stats.window_runs
    );
    assert!(ram <= 2.0, "{ram}");
    let on_disk: u64 = std::fs::read_dir(dir.path().join("window"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(on_disk, stats.window_disk_bytes);
    assert!(disk <= 20.0, "{disk}");
    drop(journal);
    let (journal, recovery) = Journal::open(dir.path(), options, Arc::new(StdFiles)).unwrap();
    assert_eq!(recovery.window_keys, 400_001);
    assert_eq!(add(&journal, 0..400_001), 400_001);
}
