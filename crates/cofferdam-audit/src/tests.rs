//! The log under restarts, crashes, faults and tampering.

use crate::file::Faults;
use crate::{Audit, AuditError, Decision, NewLeaf, tail, verify};
use cofferdam_model::{Clock, Entropy, TimestampMs};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

#[derive(Debug, Default)]
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> TimestampMs {
        TimestampMs(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

#[derive(Debug, Default)]
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            let hash = Sha256::digest(number.to_le_bytes());
            chunk.copy_from_slice(&hash[..chunk.len()]);
        }
    }
}

fn open(dir: &Path, faults: &Faults) -> Result<Audit, AuditError> {
    Audit::open_with(
        dir,
        Arc::new(Ticks::default()),
        Arc::new(Seeded::default()),
        faults.clone(),
    )
}

fn leaf(action: &str) -> NewLeaf {
    NewLeaf {
        actor: "admin".to_owned(),
        action: action.to_owned(),
        resource: "vendor/mixpanel".to_owned(),
        count: 1,
        decision: Decision::Permitted,
        request: Some([7; 32]),
        details: vec![("since", "2026-01-01".to_owned())],
    }
}

async fn written(dir: &Path, leaves: u64) {
    let audit = open(dir, &Faults::default()).unwrap();
    for number in 0..leaves {
        let recorded = audit.append(leaf(&format!("act.{number}"))).await.unwrap();
        assert_eq!(recorded.seq, number);
    }
}

fn segment(dir: &Path) -> PathBuf {
    dir.join("00000000000000000000.log")
}

fn actions(dir: &Path) -> Vec<String> {
    let leaves = tail(dir, 1000).unwrap();
    leaves.into_iter().map(|leaf| leaf.action).collect()
}

#[tokio::test]
async fn leaves_survive_a_restart_in_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 5).await;
    let before = verify(dir.path()).unwrap();
    assert_eq!(before.leaves, 5);
    let audit = open(dir.path(), &Faults::default()).unwrap();
    let recorded = audit.append(leaf("act.5")).await.unwrap();
    assert_eq!(recorded.seq, 5);
    let after = audit.verify().unwrap();
    assert_eq!((after.leaves, after.head), (6, recorded.hash));
    let last = audit.tail(2).unwrap();
    assert_eq!(last.len(), 2);
    assert_eq!(last[1].previous, hex::encode(before.head));
    assert_eq!(last[1].action, "act.5");
}

#[tokio::test]
async fn concurrent_appends_are_all_recorded_once() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Arc::new(open(dir.path(), &Faults::default()).unwrap());
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let audit = Arc::clone(&audit);
            tokio::spawn(async move { audit.append(leaf(&format!("act.{number}"))).await })
        })
        .collect();
    let mut seqs = Vec::new();
    for task in tasks {
        seqs.push(task.await.unwrap().unwrap().seq);
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (0..200).collect::<Vec<_>>());
    assert_eq!(audit.verify().unwrap().leaves, 200);
}

/// Readers in the process and beside it never take an append for damage, and miss nothing that was acknowledged before them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reading_while_leaves_are_written_finds_no_damage() {
    const LEAVES: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    let audit = Arc::new(open(dir.path(), &Faults::default()).unwrap());
    let acknowledged = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = [true, false]
        .map(|inside| {
            let (audit, dir) = (Arc::clone(&audit), dir.path().to_owned());
            let acknowledged = Arc::clone(&acknowledged);
            std::thread::spawn(move || {
                let mut before = 0;
                while before < LEAVES {
                    before = acknowledged.load(Ordering::SeqCst);
                    let (verified, last) = if inside {
                        (audit.verify(), audit.tail(1))
                    } else {
                        (verify(&dir), tail(&dir, 1))
                    };
                    assert!(verified.unwrap().leaves >= before);
                    let last = last.unwrap().pop().map_or(0, |leaf| leaf.seq + 1);
                    assert!(last >= before);
                }
            })
        })
        .into();
    for number in 0..LEAVES {
        audit.append(leaf(&format!("act.{number}"))).await.unwrap();
        acknowledged.store(number + 1, Ordering::SeqCst);
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

/// A leaf whose sync failed may be whole on disk, and its act did not happen: readers of the open log do not see it.
#[tokio::test]
async fn a_leaf_that_was_not_acknowledged_is_not_shown_and_a_lost_one_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let audit = open(dir.path(), &faults).unwrap();
    audit.append(leaf("kept")).await.unwrap();
    let kept = fs::read(segment(dir.path())).unwrap().len();
    faults.set(Faults::SYNC);
    assert!(audit.append(leaf("lost")).await.is_err());
    assert!(fs::read(segment(dir.path())).unwrap().len() > kept);
    assert_eq!(audit.verify().unwrap().leaves, 1);
    assert_eq!(audit.tail(9).unwrap().len(), 1);
    // What was acknowledged and is gone is missed, whatever the mark on disk says.
    fs::write(dir.path().join("acknowledged"), "00000000000000000000\n").unwrap();
    let bytes = fs::read(segment(dir.path())).unwrap();
    fs::write(segment(dir.path()), &bytes[..kept - 1]).unwrap();
    assert!(matches!(
        audit.tail(9).unwrap_err(),
        AuditError::Truncated {
            found: 0,
            wanted: 1
        }
    ));
}

#[tokio::test]
async fn nothing_that_could_be_personal_is_written_and_commitments_can_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path(), &Faults::default()).unwrap();
    let mut personal = leaf("people.read");
    personal.resource = "id:ada@example.com".to_owned();
    personal.details = vec![("query", "Ada Example".to_owned())];
    audit.append(personal).await.unwrap();
    let mut plain = leaf("people.read");
    plain.actor = "planted-positive".to_owned();
    audit.append(plain).await.unwrap();
    let mut bytes = Vec::new();
    for entry in fs::read_dir(dir.path()).unwrap() {
        bytes.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(holds("planted-positive"));
    assert!(!holds("ada@example.com") && !holds("Ada Example"));
    let found = &audit.tail(2).unwrap()[0];
    assert_eq!(found.resource, "(committed)");
    let salts = fs::read_to_string(dir.path().join("salts")).unwrap();
    let (seq, salt) = salts.lines().next().unwrap().split_once(' ').unwrap();
    assert_eq!(seq, "0");
    let salt: [u8; 32] = hex::decode(salt).unwrap().try_into().unwrap();
    assert!(found.commits_to("resource", "id:ada@example.com", &salt));
    assert!(found.commits_to("query", "Ada Example", &salt));
    assert!(!found.commits_to("query", "Eve Example", &salt));
}

/// A power cut in the middle of the last write: cut at every byte of it.
#[tokio::test]
async fn a_torn_tail_is_cut_and_never_more() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 3).await;
    let short = fs::read(segment(dir.path())).unwrap().len();
    let audit = open(dir.path(), &Faults::default()).unwrap();
    audit.append(leaf("act.3")).await.unwrap();
    drop(audit);
    let whole = fs::read(segment(dir.path())).unwrap();
    for length in short..whole.len() {
        let copy = tempfile::tempdir().unwrap();
        fs::write(segment(copy.path()), &whole[..length]).unwrap();
        fs::write(copy.path().join("acknowledged"), "00000000000000000003\n").unwrap();
        let audit = open(copy.path(), &Faults::default()).unwrap();
        assert_eq!(actions(copy.path()), ["act.0", "act.1", "act.2"]);
        assert_eq!(audit.append(leaf("act.new")).await.unwrap().seq, 3);
        assert_eq!(verify(copy.path()).unwrap().leaves, 4);
    }
}

#[tokio::test]
async fn an_acknowledged_leaf_that_is_gone_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 4).await;
    let bytes = fs::read(segment(dir.path())).unwrap();
    fs::write(segment(dir.path()), &bytes[..bytes.len() - 1]).unwrap();
    let error = open(dir.path(), &Faults::default()).unwrap_err();
    assert!(
        matches!(
            error,
            AuditError::Truncated {
                found: 3,
                wanted: 4
            }
        ),
        "{error}"
    );
    fs::remove_file(segment(dir.path())).unwrap();
    assert!(open(dir.path(), &Faults::default()).is_err());
}

#[tokio::test]
async fn any_changed_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 4).await;
    let bytes = fs::read(segment(dir.path())).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(segment(dir.path()), &changed).unwrap();
        assert!(verify(dir.path()).is_err(), "byte {at}");
    }
    // And leaves that are whole but in the wrong place: the first block twice, or dropped.
    let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize + 40;
    let twice = [&bytes[..length], &bytes[..]].concat();
    fs::write(segment(dir.path()), twice).unwrap();
    assert!(verify(dir.path()).is_err());
    fs::write(segment(dir.path()), &bytes[length..]).unwrap();
    assert!(verify(dir.path()).is_err());
}

#[tokio::test]
async fn a_failed_write_or_sync_is_an_error_and_the_next_leaf_is_whole_again() {
    for fault in [Faults::WRITE, Faults::SYNC] {
        for before in [0, 2] {
            let dir = tempfile::tempdir().unwrap();
            let faults = Faults::default();
            let audit = open(dir.path(), &faults).unwrap();
            for _ in 0..before {
                audit.append(leaf("before")).await.unwrap();
            }
            faults.set(fault);
            assert!(audit.append(leaf("lost")).await.is_err());
            assert!(audit.append(leaf("lost")).await.is_err());
            faults.set(0);
            assert_eq!(audit.append(leaf("after")).await.unwrap().seq, before);
            assert_eq!(audit.verify().unwrap().leaves, before + 1);
            drop(audit);
            let audit = open(dir.path(), &Faults::default()).unwrap();
            audit.append(leaf("later")).await.unwrap();
            assert!(!actions(dir.path()).contains(&"lost".to_owned()));
            assert_eq!(actions(dir.path()).len() as u64, before + 2);
        }
    }
}
