//! Each fault by itself, with the exact consequence that is promised for it.

use crate::{
    fake::{Disk, Effect, Op},
    support::{DIR, Hands, all, append, entry, insist, key, open, run},
};
use cofferdam_journal::{Journal, JournalError};
use std::{path::Path, sync::Arc};

fn segments(disk: &Disk) -> Vec<String> {
    disk.files()
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_full_disk_is_answered_with_retry_after_and_resumes_by_itself() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    append(&journal, entry(vec![key(1)], vec![1; 900])).unwrap();
    disk.leave_room(500);
    let error = append(&journal, entry(vec![key(2)], vec![2; 900])).unwrap_err();
    assert!(matches!(error, JournalError::NotDurable { .. }), "{error}");
    for _ in 0..20 {
        let error = append(&journal, entry(vec![key(2)], vec![2; 900])).unwrap_err();
        assert!(error.retry_after().is_some(), "{error}");
    }
    // Reading goes on meanwhile, and the half-written group is not shown.
    assert_eq!(all(&journal).len(), 1);
    disk.heal();
    let appended = insist(&journal, &entry(vec![key(2)], vec![2; 900]));
    assert_eq!(
        appended.duplicates,
        [] as [u32; 0],
        "a failed append is not a duplicate"
    );
    assert!(journal.is_healthy());
    disk.crash();
    drop(journal);
    let (journal, recovery) = open(&hands, disk.layer());
    assert_eq!(recovery.entries, 2);
    assert_eq!(all(&journal).len(), 2);
    assert!(
        segments(&disk).len() <= 4,
        "tries that failed leave no files: {:?}",
        segments(&disk)
    );
}

#[test]
fn a_full_disk_at_the_start_stops_neither_reading_nor_the_process() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    append(&journal, entry(vec![key(1)], "one")).unwrap();
    disk.kill();
    drop(journal);
    disk.leave_room(10);
    let (journal, _) = open(&hands, disk.layer());
    assert!(!journal.is_healthy());
    assert_eq!(all(&journal).len(), 1);
    append(&journal, entry(vec![key(2)], "two")).unwrap_err();
    disk.heal();
    insist(&journal, &entry(vec![key(2)], "two"));
    assert_eq!(all(&journal).len(), 2);
}

#[test]
fn a_failed_sync_poisons_the_segment_and_is_never_tried_again() {
    for effect in [Effect::Fail, Effect::DoneButFail, Effect::HalfAndFail] {
        let (disk, hands) = (Disk::new(3), Hands::new());
        let (journal, _) = open(&hands, disk.layer());
        let first = append(&journal, entry(vec![key(1), key(2)], "kept")).unwrap();
        disk.arm(Op::Sync, 0, effect);
        let error = append(&journal, entry(vec![key(3)], "lost")).unwrap_err();
        assert!(matches!(error, JournalError::NotDurable { .. }), "{error}");
        let second = insist(&journal, &entry(vec![key(3)], "again"));
        assert!(
            second.first_seq > first.first_seq + 2,
            "the seq of the failed append is burnt"
        );
        assert!(second.duplicates.is_empty());
        let shown = all(&journal);
        let payloads: Vec<_> = shown.iter().map(|entry| entry.payload.as_ref()).collect();
        assert_eq!(payloads, [b"kept" as &[u8], b"again"]);
        assert_eq!(disk.violations(), Vec::<String>::new());
        // The bytes of the failed group may be whole on disk; the new segment's header cuts them off for ever.
        for power in [false, true] {
            if power {
                disk.crash();
            } else {
                disk.kill();
            }
            let (journal, recovery) = open(&hands, disk.layer());
            assert_eq!(all(&journal), shown);
            assert_eq!(recovery.cut, None);
            assert_eq!(
                append(&journal, entry(vec![key(3)], "third"))
                    .unwrap()
                    .duplicates,
                [0]
            );
        }
    }
}

#[test]
fn a_failed_group_that_comes_to_light_after_a_kill_makes_the_repeat_a_duplicate() {
    let (disk, hands) = (Disk::new(4), Hands::new());
    let mut options = hands.options();
    options.resume_min = std::time::Duration::from_secs(3_600);
    let (journal, _) = Journal::open(DIR, options, disk.layer()).unwrap();
    disk.arm(Op::Sync, 0, Effect::Fail);
    append(&journal, entry(vec![key(1)], "once")).unwrap_err();
    assert!(all(&journal).is_empty(), "not durable, not shown");
    disk.kill();
    drop(journal);
    // The page cache still has the group, clean, and the disk does not: recovery writes it again before showing it.
    let (journal, _) = open(&hands, disk.layer());
    let shown = all(&journal);
    assert_eq!(shown.len(), 1);
    assert_eq!(
        append(&journal, entry(vec![key(1)], "twice"))
            .unwrap()
            .duplicates,
        [0]
    );
    disk.crash();
    drop(journal);
    let (journal, _) = open(&hands, disk.layer());
    assert_eq!(
        all(&journal),
        shown,
        "what was shown survives a power failure"
    );
}

#[test]
fn every_single_failing_call_keeps_the_promise() {
    let ops = [
        Op::Write,
        Op::Sync,
        Op::SyncDir,
        Op::Create,
        Op::Rename,
        Op::Remove,
    ];
    let effects = [
        Effect::Fail,
        Effect::DoneButFail,
        Effect::HalfAndFail,
        Effect::Short,
        Effect::Interrupted,
    ];
    for op in ops {
        for effect in effects {
            let writes_only = matches!(effect, Effect::Short | Effect::Interrupted);
            if writes_only && op != Op::Write {
                continue;
            }
            for turn in 0..40 {
                if !one_failing_call(op, effect, turn) {
                    break;
                }
            }
        }
    }
}

/// Plays a scenario in which the call number `turn` of this kind fails; false when there was none.
fn one_failing_call(op: Op, effect: Effect, turn: u32) -> bool {
    let (disk, hands) = (Disk::new(u64::from(turn)), Hands::new());
    let mut options = hands.options();
    options.segment_bytes = 400;
    let (journal, _) = Journal::open(DIR, options.clone(), disk.layer()).unwrap();
    disk.arm(op, turn, effect);
    let mut acked = 0_u64;
    for number in 1..=12_u64 {
        insist(&journal, &entry(vec![key(number)], vec![number as u8; 100]));
        acked += 1;
        if number == 8 {
            match journal.release(acked / 4) {
                Ok(_) | Err(JournalError::Io { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    let hit = disk.armed() == 0;
    disk.crash();
    drop(journal);
    // The fault may hit the opening; then it says so, and the next one works.
    let journal = match Journal::open(DIR, options.clone(), disk.layer()) {
        Ok((journal, _)) => journal,
        Err(JournalError::Io { .. }) => {
            disk.crash();
            Journal::open(DIR, options, disk.layer()).unwrap().0
        }
        Err(error) => panic!("{op:?} {effect:?} {turn}: {error}"),
    };
    let shown = all(&journal);
    for number in acked / 4 + 1..=acked {
        let held = shown
            .iter()
            .filter(|entry| entry.payload[0] == number as u8);
        assert_eq!(held.count(), 1, "{op:?} {effect:?} {turn}: {number}");
    }
    for number in 1..=12 {
        let repeat = insist(&journal, &entry(vec![key(number)], "again"));
        assert_eq!(repeat.duplicates, [0], "{op:?} {effect:?} {turn}: {number}");
    }
    assert_eq!(disk.violations(), Vec::<String>::new());
    hit
}

#[test]
fn a_clock_that_goes_back_an_hour_breaks_nothing() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    append(&journal, entry(vec![key(1)], "before")).unwrap();
    hands.back(3_600_000);
    let second = append(&journal, entry(vec![key(1), key(2)], "after")).unwrap();
    assert_eq!(second.duplicates, [0]);
    drop(journal);
    hands.back(3_600_000);
    let (journal, _) = open(&hands, disk.layer());
    let third = append(&journal, entry(vec![key(1), key(2), key(3)], "later")).unwrap();
    assert_eq!(third.duplicates, [0, 1]);
    assert!(third.first_seq > second.first_seq);
    assert_eq!(all(&journal).len(), 3);
}

#[test]
fn a_consumer_that_is_ahead_of_a_shortened_journal_never_sees_a_seq_again() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let mut options = hands.options();
    options.min_next_seq = 1_000;
    let (journal, recovery) = Journal::open(DIR, options, disk.layer()).unwrap();
    assert_eq!(recovery.next_seq, 1_000);
    assert_eq!(
        append(&journal, entry(vec![key(1)], "x"))
            .unwrap()
            .first_seq,
        1_000
    );
}

type Change<'a> = dyn Fn(&Path, Vec<u8>) -> Option<Vec<u8>> + 'a;

#[test]
fn newer_formats_missing_and_foreign_segments_are_refused_and_nothing_changes() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let mut options = hands.options();
    options.segment_bytes = 200;
    let (journal, _) = Journal::open(DIR, options, disk.layer()).unwrap();
    for number in 0..5 {
        append(&journal, entry(vec![key(number)], vec![1; 300])).unwrap();
    }
    drop(journal);
    let files = disk.files();
    let copy = |change: &Change<'_>| {
        let copy = Disk::new(1);
        for path in files
            .iter()
            .filter(|path| path.extension().is_some_and(|ext| ext == "seg"))
        {
            if let Some(bytes) = change(path, disk.content(path)) {
                copy.place(path, &bytes);
            }
        }
        let before: Vec<_> = copy.files().iter().map(|path| copy.content(path)).collect();
        let error = Journal::open(DIR, hands.options(), copy.layer()).unwrap_err();
        let after: Vec<_> = copy.files().iter().map(|path| copy.content(path)).collect();
        assert_eq!(before, after);
        error
    };
    let third = files
        .iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "seg"))
        .nth(2)
        .unwrap();
    let error = copy(&|path, bytes| (path != third).then_some(bytes));
    assert!(matches!(error, JournalError::Missing { .. }), "{error}");
    let error = copy(&|path, mut bytes| {
        if path == third {
            bytes[8] = 2;
        }
        Some(bytes)
    });
    assert!(
        matches!(
            error,
            JournalError::Newer {
                found: 2,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
    let error = copy(&|path, bytes| {
        Some(if path == third {
            bytes[..150].to_vec()
        } else {
            bytes
        })
    });
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
}

#[test]
fn close_finishes_what_waits_and_refuses_the_rest() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    run(async {
        let waiting: Vec<_> = (0..50)
            .map(|number| {
                let journal = journal.clone();
                tokio::spawn(async move { journal.append(entry(vec![key(number)], "x")).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let closing = journal.clone();
        tokio::task::spawn_blocking(move || closing.close())
            .await
            .unwrap();
        for wait in waiting {
            wait.await.unwrap().unwrap();
        }
        let error = journal.append(entry(vec![key(99)], "x")).await.unwrap_err();
        assert!(matches!(error, JournalError::Closed));
    });
    assert_eq!(all(&journal).len(), 50);
}

/// Releases until it is as wanted: the writer tidies, and the window covers what goes, in their own time.
fn until(journal: &Journal, min_next_seq: u64, holds: impl Fn(&Journal) -> bool) {
    let asked = std::time::Instant::now();
    while !holds(journal) {
        let tags = journal.tags();
        assert!(asked.elapsed().as_secs() < 60, "segments stayed: {tags:?}");
        journal.release(min_next_seq).unwrap();
        journal.settle();
        std::thread::yield_now();
    }
}

#[test]
fn release_deletes_whole_segments_and_their_tags() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let mut options = hands.options();
    options.segment_bytes = 1_000;
    let (journal, _) = Journal::open(DIR, options, disk.layer()).unwrap();
    for number in 0..40_u64 {
        let mut one = entry(vec![key(number)], vec![0; 300]);
        one.tag = number as u32 / 10;
        append(&journal, one).unwrap();
    }
    assert_eq!(journal.tags(), [0, 1, 2, 3]);
    let held = journal.read(0, usize::MAX).unwrap();
    until(&journal, 25, |journal| journal.tags() == [2, 3]);
    let left = all(&journal);
    assert!(
        left[0].first_seq <= 25 && left[0].first_seq > 15,
        "{}",
        left[0].first_seq
    );
    assert_eq!(held[held.len() - left.len()..], left[..]);
    // Released entries still count as duplicates, also after a restart.
    disk.crash();
    drop(journal);
    let (journal, _) = open(&hands, disk.layer());
    let keys = (0..40).map(key).collect();
    let repeat = append(&journal, entry(keys, "again")).unwrap();
    assert_eq!(repeat.duplicates.len(), 40);
}

#[test]
fn a_quiet_journal_gives_up_its_old_segment() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    append(&journal, entry(vec![key(1)], "x")).unwrap();
    journal.release(1).unwrap();
    assert_eq!(journal.tags(), [7]);
    hands.forward(3_600_000);
    until(&journal, 1, |journal| journal.tags().is_empty());
}

#[test]
fn refuses_what_does_not_fit() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let mut options = hands.options();
    options.queue_bytes_max = 1_000;
    let (journal, _) = Journal::open(DIR, options, disk.layer()).unwrap();
    let error = append(&journal, entry(vec![], "x")).unwrap_err();
    assert!(matches!(error, JournalError::Refused { .. }));
    let error = append(&journal, entry(vec![key(1)], vec![0; 2_000])).unwrap_err();
    assert!(matches!(error, JournalError::Refused { .. }));
    let _shared: Arc<dyn Fn() -> bool> = Arc::new(move || journal.is_healthy());
}
