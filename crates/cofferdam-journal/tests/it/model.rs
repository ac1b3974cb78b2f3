//! Random appends, faults, kills, power failures, releases and clock jumps against a model of what was promised.

use crate::{
    fake::{Disk, Effect, Op},
    support::{DIR, Hands, all, entry, insist, key, run},
};
use cofferdam_journal::{Append, Journal, JournalError, Key, NO_KEY};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Act {
    /// Several entries at once; each a list of key numbers, 0 = no key.
    Append(Vec<Vec<u8>>),
    Fault(Op, u32, Effect),
    Room(usize),
    Heal,
    Kill,
    Crash,
    Close,
    Release(u8),
    Forward(u32),
    Back,
}

fn acts() -> impl Strategy<Value = Act> {
    let op = prop_oneof![
        3 => Just(Op::Sync),
        3 => Just(Op::Write),
        1 => Just(Op::SyncDir),
        1 => Just(Op::Create),
        1 => Just(Op::Rename),
        1 => Just(Op::Remove)
    ];
    let effect = prop_oneof![
        2 => Just(Effect::Fail),
        2 => Just(Effect::DoneButFail),
        2 => Just(Effect::HalfAndFail)
    ];
    let entries = prop::collection::vec(prop::collection::vec(0_u8..40, 1..12), 1..6);
    prop_oneof![
        12 => entries.prop_map(Act::Append),
        4 => (op, 0_u32..4, effect).prop_map(|(op, countdown, effect)| Act::Fault(op, countdown, effect)),
        2 => (0_u32..3).prop_map(|countdown| Act::Fault(Op::Write, countdown, Effect::Short)),
        1 => (0_u32..3).prop_map(|countdown| Act::Fault(Op::Write, countdown, Effect::Interrupted)),
        1 => (0_usize..2_000).prop_map(Act::Room),
        2 => Just(Act::Heal),
        2 => Just(Act::Kill),
        3 => Just(Act::Crash),
        1 => Just(Act::Close),
        2 => any::<u8>().prop_map(Act::Release),
        1 => (0_u32..80_000_000).prop_map(Act::Forward),
        1 => Just(Act::Back),
    ]
}

/// One record as readers know it: its entry's payload and its place in it.
type Record = (Vec<u8>, u32);

struct World {
    disk: Disk,
    hands: Hands,
    journal: Option<Journal>,
    /// Acknowledged as new: seq → record and key.
    acked: BTreeMap<u64, (Record, Key)>,
    /// Every seq that a reader was ever shown.
    seen: BTreeMap<u64, Record>,
    released: u64,
    appends: u64,
}

impl World {
    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn open(&mut self) {
        let mut options = self.hands.options();
        options.segment_bytes = 3_000;
        // An opening may meet an armed fault; a supervisor starts it again.
        for turn in 0..20 {
            match Journal::open(DIR, options.clone(), self.disk.layer()) {
                Ok((journal, recovery)) => {
                    assert_eq!(recovery.window_runs_lost, 0);
                    self.journal = Some(journal);
                    self.check();
                    return;
                }
                Err(JournalError::Io { .. }) => self.disk.kill(),
                Err(error) => panic!("{error}"),
            }
            if turn == 10 {
                self.disk.heal();
            }
        }
        panic!("the journal did not open");
    }

    fn append(&mut self, entries: &[Vec<u8>]) {
        let appends: Vec<Append> = entries
            .iter()
            .map(|keys| {
                self.appends += 1;
                let payload = self.appends.to_be_bytes().repeat(keys.len());
                let number = |number: &u8| match number {
                    0 => NO_KEY,
                    number => key(u64::from(*number)),
                };
                entry(keys.iter().map(number).collect(), payload)
            })
            .collect();
        let journal = self.journal().clone();
        let answers = run(async {
            let waiting: Vec<_> = appends
                .iter()
                .map(|append| {
                    let (journal, append) = (journal.clone(), append.clone());
                    tokio::spawn(async move { journal.append(append).await })
                })
                .collect();
            let mut answers = Vec::new();
            for wait in waiting {
                answers.push(wait.await.unwrap());
            }
            answers
        });
        for (append, answer) in appends.iter().zip(answers) {
            match answer {
                Ok(answer) => self.note(append, answer.first_seq, &answer.duplicates),
                Err(error) => assert!(error.retry_after().is_some(), "{error}"),
            }
        }
    }

    fn note(&mut self, append: &Append, first_seq: u64, duplicates: &[u32]) {
        for (index, key) in append.keys.iter().enumerate() {
            let index = index as u32;
            if duplicates.contains(&index) {
                assert_ne!(*key, NO_KEY);
            } else {
                let record = (append.payload.to_vec(), index);
                let seq = first_seq + u64::from(index);
                assert!(
                    self.acked.insert(seq, (record, *key)).is_none(),
                    "a seq was used twice"
                );
            }
        }
    }

    /// What readers see holds every promise made so far.
    fn check(&mut self) {
        let mut shown = BTreeMap::new();
        let mut cursor = 0;
        for entry in all(self.journal()) {
            assert!(entry.first_seq >= cursor, "seqs overlap");
            cursor = entry.next_seq();
            for index in (0..entry.records).filter(|index| !entry.duplicates.contains(*index)) {
                let seq = entry.first_seq + u64::from(index);
                shown.insert(seq, (entry.payload.to_vec(), index));
            }
        }
        for (seq, (record, _)) in self.acked.range(self.released..) {
            assert_eq!(shown.get(seq), Some(record), "acknowledged, then lost");
        }
        for (seq, record) in self.seen.range(self.released..) {
            assert_eq!(shown.get(seq), Some(record), "shown, then lost or changed");
        }
        for (seq, record) in &shown {
            assert!(
                self.seen.get(seq).is_none_or(|before| before == record),
                "a seq changed"
            );
        }
        self.seen.extend(shown);
        assert_eq!(self.disk.violations(), Vec::<String>::new());
    }

    /// No key is in the journal twice within its window.
    fn check_doubles(&self) {
        let mut counts: BTreeMap<Key, u32> = BTreeMap::new();
        for (_, key) in self.acked.values().filter(|(_, key)| *key != NO_KEY) {
            *counts.entry(*key).or_default() += 1;
        }
        assert!(
            counts.values().all(|count| *count == 1),
            "a key was accepted twice"
        );
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Append(entries) => self.append(entries),
            Act::Fault(op, countdown, effect) => self.disk.arm(*op, *countdown, *effect),
            Act::Room(bytes) => self.disk.leave_room(*bytes),
            Act::Heal => self.disk.heal(),
            Act::Kill | Act::Crash => {
                if matches!(act, Act::Kill) {
                    self.disk.kill();
                } else {
                    self.disk.crash();
                }
                self.journal = None;
                self.open();
            }
            Act::Close => {
                self.journal = None;
                self.open();
            }
            Act::Release(part) => {
                let end = *self.journal().durable().borrow();
                let to = end * u64::from(*part) / 255;
                match self.journal().release(to) {
                    Ok(_) | Err(JournalError::Io { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
                self.released = self.released.max(to);
            }
            Act::Forward(ms) => self.hands.forward(u64::from(*ms)),
            Act::Back => self.hands.back(3_600_000),
        }
        self.check();
    }
}

fn play(seed: u64, acts: &[Act], doubles: bool) {
    let mut world = World {
        disk: Disk::new(seed),
        hands: Hands::new(),
        journal: None,
        acked: BTreeMap::new(),
        seen: BTreeMap::new(),
        released: 0,
        appends: 0,
    };
    world.open();
    for act in acts {
        world.act(act);
        if doubles {
            world.check_doubles();
        }
    }
    // Whatever happened, it works again once the disk does, and a power failure takes nothing.
    world.disk.heal();
    let append = entry(vec![key(1_000)], "the end");
    let appended = insist(world.journal(), &append);
    world.note(&append, appended.first_seq, &appended.duplicates);
    world.act(&Act::Crash);
    assert_eq!(insist(world.journal(), &append).duplicates, [0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::support::count(250, 10_000) as u32, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keeps_every_promise(seed: u64, acts in prop::collection::vec(acts(), 1..40)) {
        play(seed, &acts, false);
    }

    #[test]
    fn never_accepts_a_key_twice_within_the_window(seed: u64, acts in prop::collection::vec(acts(), 1..40)) {
        let acts: Vec<Act> = acts
            .into_iter()
            .filter(|act| !matches!(act, Act::Forward(_)))
            .collect();
        play(seed, &acts, true);
    }
}
