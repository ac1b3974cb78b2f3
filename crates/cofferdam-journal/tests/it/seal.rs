//! A seal parts what is there from what comes, so that the caller can release the first at once.

use crate::{
    fake::{Disk, Effect, Op},
    support::{DIR, Hands, all, append, entry, insist, key, open, run},
};
use cofferdam_journal::{Append, Journal, JournalError, NO_KEY};

fn line(tag: u32) -> Append {
    Append {
        tag,
        ..entry(vec![NO_KEY], "line")
    }
}

#[test]
fn what_comes_after_a_seal_outlives_what_came_before() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let mut options = hands.options();
    options.window_ms = 0;
    let (journal, _) = Journal::open(DIR, options.clone(), disk.layer()).unwrap();
    append(&journal, line(1)).unwrap();
    append(&journal, line(2)).unwrap();
    run(journal.seal()).unwrap();
    let kept = append(&journal, line(3)).unwrap().first_seq;
    assert_eq!(journal.tags(), [1, 2, 3], "a seal deletes nothing");
    assert_eq!(journal.release(kept).unwrap().segments, 1);
    assert_eq!(journal.tags(), [3]);
    disk.crash();
    drop(journal);
    let (journal, _) = Journal::open(DIR, options, disk.layer()).unwrap();
    assert_eq!((all(&journal).len(), journal.tags()), (1, vec![3]));
}

#[test]
fn an_empty_segment_is_not_sealed() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    let created = disk.ops(Op::Create);
    for _ in 0..3 {
        run(journal.seal()).unwrap();
    }
    assert_eq!(disk.ops(Op::Create), created);
    journal.close();
    let error = run(journal.seal()).unwrap_err();
    assert!(matches!(error, JournalError::Closed), "{error}");
}

#[test]
fn a_seal_that_fails_says_so_and_the_journal_resumes() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    append(&journal, entry(vec![key(1)], "before")).unwrap();
    disk.arm(Op::Create, 0, Effect::Fail);
    let error = run(journal.seal()).unwrap_err();
    assert!(error.retry_after().is_some(), "{error}");
    insist(&journal, &entry(vec![key(2)], "after"));
    assert_eq!(all(&journal).len(), 2);
}
