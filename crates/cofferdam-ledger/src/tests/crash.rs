//! Failing disks and sudden ends: at every fault point, and at every byte of the log.

use super::property::{DAY, coverage, open, request, sets_of};
use crate::faults::Faults;
use crate::{Basis, Ledger, LedgerError, LedgerOptions, Outcome, PossibleItem, Radius};
use cofferdam_model::{Day, MergeMap, PersonNumber, VendorId};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn send(
    ledger: &Ledger,
    day: i32,
    people: std::ops::Range<u32>,
) -> Result<crate::BatchId, LedgerError> {
    let sets = sets_of(ledger);
    let items: Vec<PossibleItem> = people
        .map(|person| PossibleItem {
            person: Some(PersonNumber(person)),
            organization: None,
            fields: sets[person as usize % 4],
            is_event: true,
        })
        .collect();
    ledger.possible(&VendorId::from("mixpanel"), Day(DAY + day), &items)
}

fn all(ledger: &Ledger) -> Radius {
    let request = request(0, 0, 900, Basis::Sent);
    ledger
        .radius_of(&request, &MergeMap::new(), &coverage())
        .unwrap()
}

/// Every point, failing at its first, second … visit, until a run passes without it.
#[test]
fn a_crash_at_any_point_of_a_checkpoint_loses_nothing_and_doubles_nothing() {
    let points = [
        "checkpoint.sync",
        "log.create",
        "log.create.sync",
        "month.write",
        "month.sync",
        "checkpoint.cells",
        "checkpoint.write",
        "checkpoint.rename",
        "checkpoint.renamed",
        "checkpoint.sweep",
    ];
    for point in points {
        for visit in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let visits = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&visits);
            let armed = Arc::new(AtomicUsize::new(0));
            let arm = Arc::clone(&armed);
            let faults = Faults::with(move |at| {
                at == point
                    && arm.load(Ordering::SeqCst) == 1
                    && counter.fetch_add(1, Ordering::SeqCst) == visit
            });
            let ledger = Ledger::open_with(LedgerOptions::new(dir.path()), faults).unwrap();
            let batch = send(&ledger, 0, 0..20).unwrap();
            send(&ledger, 40, 5..25).unwrap();
            ledger.checkpoint().unwrap();
            send(&ledger, 0, 15..30).unwrap();
            send(&ledger, 1, 0..3).unwrap();
            ledger.settle(batch, &Outcome::delivered()).unwrap();
            armed.store(1, Ordering::SeqCst);
            let before = all(&ledger);
            let result = ledger.checkpoint();
            armed.store(0, Ordering::SeqCst);
            assert_eq!(all(&ledger), before, "after {point} failed, in memory");
            let failed = visits.load(Ordering::SeqCst) > visit;
            assert_eq!(
                result.is_err(),
                failed && point != "checkpoint.sweep",
                "{point}"
            );
            {
                let crashed = copy(dir.path());
                let again = open(crashed.path());
                assert_eq!(all(&again), before, "reopened after {point}");
                again.verify().unwrap();
                again.checkpoint().unwrap();
                assert_eq!(all(&again), before, "checkpointed after {point}");
                again.verify().unwrap();
            }
            // Without a crash the ledger goes on by itself.
            send(&ledger, 2, 100..110).unwrap();
            ledger.checkpoint().unwrap();
            let after = all(&ledger);
            assert_eq!(after.people, before.people + 10);
            drop(ledger);
            let again = open(dir.path());
            assert_eq!(all(&again), after);
            again.verify().unwrap();
            if !failed {
                break;
            }
        }
    }
}

/// What a process that died now would leave behind.
fn copy(dir: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for folder in ["", "log", "cells"] {
        std::fs::create_dir_all(to.path().join(folder)).unwrap();
        for entry in std::fs::read_dir(dir.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), to.path().join(folder).join(entry.file_name()))
                    .unwrap();
            }
        }
    }
    to
}

fn only_log(dir: &Path) -> std::path::PathBuf {
    let mut logs: Vec<_> = std::fs::read_dir(dir.join("log"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    logs.sort();
    logs.pop().unwrap()
}

#[test]
fn a_log_cut_at_any_byte_keeps_its_whole_records() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let mut ends = vec![(0u64, 0u64)];
    for batch in 0..4u32 {
        send(&ledger, 0, batch * 3..batch * 3 + 3).unwrap();
        let len = std::fs::metadata(only_log(dir.path())).unwrap().len();
        ends.push((len, u64::from(batch + 1) * 3));
    }
    drop(ledger);
    let bytes = std::fs::read(only_log(dir.path())).unwrap();
    for cut in 0..=bytes.len() {
        let torn = copy(dir.path());
        std::fs::write(only_log(torn.path()), &bytes[..cut]).unwrap();
        let ledger = open(torn.path());
        let whole = ends
            .iter()
            .rev()
            .find(|(end, _)| *end <= cut as u64)
            .unwrap()
            .1;
        assert_eq!(all(&ledger).people, whole, "cut at {cut}");
        send(&ledger, 1, 50..60).unwrap();
        drop(ledger);
        assert_eq!(all(&open(torn.path())).people, whole + 10);
    }
}

#[test]
fn damage_to_synced_records_is_refused_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for batch in 0..4u32 {
        send(&ledger, 0, batch * 3..batch * 3 + 3).unwrap();
    }
    drop(ledger);
    let bytes = std::fs::read(only_log(dir.path())).unwrap();
    let last = bytes.windows(4).rposition(|w| w == b"\xc0\xf3LR").unwrap();
    for at in (0..last).step_by(3) {
        let broken = copy(dir.path());
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        std::fs::write(only_log(broken.path()), &flipped).unwrap();
        let refused = Ledger::open(LedgerOptions::new(broken.path()));
        assert!(
            matches!(
                refused,
                Err(LedgerError::Damaged { .. } | LedgerError::Newer { .. })
            ),
            "byte {at}: {refused:?}"
        );
        assert_eq!(std::fs::read(only_log(broken.path())).unwrap(), flipped);
    }
}

#[test]
fn damaged_or_missing_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    send(&ledger, 0, 0..100).unwrap();
    ledger.checkpoint().unwrap();
    drop(ledger);
    let cells = std::fs::read_dir(dir.path().join("cells"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let name = cells.file_name().unwrap();
    let bytes = std::fs::read(&cells).unwrap();
    for at in 0..bytes.len() {
        let broken = copy(dir.path());
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        std::fs::write(broken.path().join("cells").join(name), flipped).unwrap();
        let ledger = open(broken.path());
        let request = request(0, 0, 900, Basis::Sent);
        let answer = ledger.radius_of(&request, &MergeMap::new(), &coverage());
        assert!(
            matches!(answer, Err(LedgerError::Damaged { .. })),
            "byte {at}"
        );
        assert!(ledger.verify().is_err());
    }
    let broken = copy(dir.path());
    std::fs::remove_file(broken.path().join("cells").join(name)).unwrap();
    assert!(matches!(
        Ledger::open(LedgerOptions::new(broken.path())),
        Err(LedgerError::Damaged { .. })
    ));
    let broken = copy(dir.path());
    std::fs::remove_file(only_log(broken.path())).unwrap();
    assert!(matches!(
        Ledger::open(LedgerOptions::new(broken.path())),
        Err(LedgerError::Damaged { .. })
    ));
    let broken = copy(dir.path());
    std::fs::remove_file(broken.path().join("CHECKPOINT")).unwrap();
    assert!(matches!(
        Ledger::open(LedgerOptions::new(broken.path())),
        Err(LedgerError::Damaged { .. })
    ));
    let checkpoint = std::fs::read(dir.path().join("CHECKPOINT")).unwrap();
    for at in 0..checkpoint.len() {
        let broken = copy(dir.path());
        let mut flipped = checkpoint.clone();
        flipped[at] ^= 1;
        std::fs::write(broken.path().join("CHECKPOINT"), flipped).unwrap();
        let refused = Ledger::open(LedgerOptions::new(broken.path()));
        assert!(matches!(
            refused,
            Err(LedgerError::Damaged { .. } | LedgerError::Newer { .. })
        ));
    }
}

#[test]
fn a_failed_sync_promises_nothing_and_the_next_send_moves_to_a_fresh_log() {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicUsize::new(0));
    let fail = Arc::clone(&failing);
    let faults = Faults::with(move |at| {
        let mode = fail.load(Ordering::SeqCst);
        (at == "log.sync" && mode == 1)
            || (at == "log.create" && mode == 2)
            || (at == "log.append" && mode == 3)
    });
    let ledger = Ledger::open_with(LedgerOptions::new(dir.path()), faults).unwrap();
    send(&ledger, 0, 0..5).unwrap();
    failing.store(1, Ordering::SeqCst);
    assert!(send(&ledger, 0, 5..10).is_err());
    failing.store(2, Ordering::SeqCst);
    assert!(send(&ledger, 0, 5..10).is_err(), "still no fresh log");
    failing.store(0, Ordering::SeqCst);
    send(&ledger, 0, 10..15).unwrap();
    let people = all(&ledger).people;
    assert!(
        people >= 10,
        "what was promised is there; what was not may be: {people}"
    );
    assert_eq!(all(&open(copy(dir.path()).path())).people, people);
    failing.store(3, Ordering::SeqCst);
    assert!(send(&ledger, 0, 20..25).is_err(), "disk full");
    failing.store(0, Ordering::SeqCst);
    send(&ledger, 0, 25..30).unwrap();
    assert_eq!(all(&ledger).people, people + 5);
    assert_eq!(all(&open(copy(dir.path()).path())).people, people + 5);
    ledger.verify().unwrap();
}

/// Somebody who waited for the sync that failed must not be told that all is well because a fresh log came meanwhile.
#[test]
fn a_send_that_was_lost_with_a_poisoned_log_is_not_promised_until_a_checkpoint_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicUsize::new(0));
    let fail = Arc::clone(&failing);
    let faults = Faults::with(move |at| match fail.load(Ordering::SeqCst) {
        1 => at == "log.sync",
        2 => at == "checkpoint.write",
        _ => false,
    });
    let ledger = Ledger::open_with(LedgerOptions::new(dir.path()), faults).unwrap();
    send(&ledger, 0, 0..5).unwrap();
    let end = {
        let core = ledger.core.lock().unwrap();
        (core.log.number, core.log.end + 1)
    };
    failing.store(1, Ordering::SeqCst);
    assert!(send(&ledger, 0, 5..10).is_err());
    failing.store(2, Ordering::SeqCst);
    assert!(
        send(&ledger, 0, 10..15).is_err(),
        "the checkpoint fails after the fresh log was made"
    );
    assert!(matches!(ledger.flush(end), Err(LedgerError::Poisoned)));
    failing.store(0, Ordering::SeqCst);
    send(&ledger, 0, 10..15).unwrap();
    assert!(
        matches!(ledger.flush(end), Err(LedgerError::Poisoned)),
        "a fresh log alone does not hold it"
    );
    assert!(all(&open(copy(dir.path()).path())).people >= 10);
    ledger.checkpoint().unwrap();
    ledger.flush(end).unwrap();
    assert_eq!(all(&open(copy(dir.path()).path())).people, 15);
}

#[test]
fn a_full_log_checkpoints_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let options = LedgerOptions {
        dir: dir.path().to_path_buf(),
        log_bytes_max: 2_000,
    };
    let ledger = Ledger::open(options).unwrap();
    for batch in 0..40u32 {
        send(&ledger, (batch / 20) as i32, batch * 10..batch * 10 + 10).unwrap();
    }
    assert!(std::fs::metadata(only_log(dir.path())).unwrap().len() < 4_000);
    assert_eq!(all(&ledger).people, 400);
    assert!(ledger.verify().unwrap().cells >= 1);
}
