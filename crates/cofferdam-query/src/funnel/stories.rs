//! The rules of attempts one by one, over stories of a few events.

use super::attempt::{Attempt, Exclusion, Rules, Scratch, attempts};
use super::request::{Excluded, FunnelCount, FunnelEntry, FunnelOrder, StrictAmong};
use crate::timeline::Hit;

/// Hits from `(seconds, events)`: a letter is a step from `A` on, `x` the first exclusion after three steps.
fn story(text: &[(i64, &str)]) -> Vec<Hit> {
    let bit = |letter: u8| match letter {
        b'x' => 1 << 3,
        b'.' => 0,
        letter => 1 << (letter - b'A'),
    };
    text.iter()
        .map(|(time, events)| Hit {
            time: time * 1000,
            mask: events.bytes().map(bit).sum(),
            ..Hit::default()
        })
        .collect()
}

fn rules() -> Rules {
    Rules {
        steps: 3,
        optional: 0,
        window: 100_000,
        since_step: false,
        order: FunnelOrder::Loose,
        count: FunnelCount::Uniques,
        entry: FunnelEntry::First,
        strict_among: StrictAmong::AllEvents,
        grace: 0,
        exclusions: vec![Exclusion {
            after: 0,
            before: 2,
        }],
        excluded: Excluded::Dropped,
        session_gap: 30_000,
        by_value: false,
    }
}

/// Per attempt the seconds at which each step was reached.
fn reached(rules: &Rules, story: &[Hit]) -> Vec<Vec<Option<i64>>> {
    let mut all = Vec::new();
    attempts(
        rules,
        story,
        &(0..i64::MAX),
        &mut Scratch::default(),
        &mut |attempt: &Attempt| {
            let steps = 0..rules.steps;
            all.push(
                steps
                    .map(|step| {
                        (attempt.reached >> step & 1 == 1).then(|| attempt.times[step] / 1000)
                    })
                    .collect(),
            );
        },
    );
    all
}

#[test]
fn the_first_entry_stays_and_the_best_one_moves() {
    let story = story(&[(0, "A"), (90, "A"), (110, "B"), (120, "C")]);
    assert_eq!(reached(&rules(), &story), [[Some(0), None, None]]);
    let best = Rules {
        entry: FunnelEntry::Best,
        ..rules()
    };
    assert_eq!(reached(&best, &story), [[Some(90), Some(110), Some(120)]]);
}

#[test]
fn the_window_is_inclusive_and_may_be_counted_from_the_step_before() {
    let story = story(&[(0, "A"), (100, "B"), (200, "C")]);
    assert_eq!(reached(&rules(), &story), [[Some(0), Some(100), None]]);
    let since_step = Rules {
        since_step: true,
        ..rules()
    };
    assert_eq!(
        reached(&since_step, &story),
        [[Some(0), Some(100), Some(200)]]
    );
    let shorter = Rules {
        window: 99_999,
        ..rules()
    };
    assert_eq!(reached(&shorter, &story), [[Some(0), None, None]]);
}

#[test]
fn an_event_fills_one_step_of_an_attempt() {
    // The same event as two steps needs two events.
    let story = story(&[(0, "AB"), (5, "AB"), (6, "C")]);
    let steps = [[Some(0), Some(5), Some(6)]];
    assert_eq!(reached(&rules(), &story), steps);
    assert_eq!(
        reached(
            &Rules {
                entry: FunnelEntry::Best,
                ..rules()
            },
            &story
        ),
        steps
    );
}

#[test]
fn equal_times_stand_in_the_order_of_arrival_and_the_grace_takes_either() {
    let in_order = story(&[(0, "A"), (1, "B"), (1, "C")]);
    assert_eq!(reached(&rules(), &in_order), [[Some(0), Some(1), Some(1)]]);
    let swapped = story(&[(0, "A"), (1, "C"), (1, "B")]);
    assert_eq!(reached(&rules(), &swapped), [[Some(0), Some(1), None]]);
    let grace = Rules {
        grace: 2_000,
        ..rules()
    };
    assert_eq!(reached(&grace, &swapped), [[Some(0), Some(1), Some(1)]]);
    let before_entry = story(&[(0, "B"), (2, "A"), (9, "C")]);
    assert_eq!(
        reached(&grace, &before_entry),
        [[Some(2), Some(0), Some(9)]]
    );
    let too_early = story(&[(0, "B"), (3, "A"), (9, "C")]);
    assert_eq!(reached(&grace, &too_early), [[Some(3), None, None]]);
}

#[test]
fn an_exclusion_ends_the_attempt_or_takes_the_person_out() {
    let story = story(&[(0, "A"), (1, "x"), (2, "B"), (3, "C")]);
    let mut excluded = 0;
    attempts(
        &rules(),
        &story,
        &(0..i64::MAX),
        &mut Scratch::default(),
        &mut |attempt| {
            excluded += u32::from(attempt.excluded);
        },
    );
    assert_eq!(reached(&rules(), &story), [[Some(0), None, None]]);
    assert_eq!(excluded, 1);
    // After step 2 only: then the one before it means nothing.
    let later = Rules {
        exclusions: vec![Exclusion {
            after: 1,
            before: 2,
        }],
        ..rules()
    };
    assert_eq!(reached(&later, &story), [[Some(0), Some(2), Some(3)]]);
}

#[test]
fn totals_enter_again_after_converting_timing_out_and_being_excluded() {
    // Mixpanel's own example: A, A, A, then the exclusion, then A and B: two entries, one conversion.
    let two = Rules {
        steps: 2,
        exclusions: vec![Exclusion {
            after: 0,
            before: 1,
        }],
        count: FunnelCount::Totals,
        ..rules()
    };
    let excluded = |time| Hit {
        time,
        mask: 1 << 2,
        ..Hit::default()
    };
    let mut hits = story(&[(0, "A"), (1, "A"), (2, "A"), (4, "A"), (5, "B")]);
    hits.insert(3, excluded(3_000));
    assert_eq!(reached(&two, &hits), [[Some(0), None], [Some(4), Some(5)]]);
    let timed_out = story(&[(0, "A"), (200, "A"), (201, "B"), (202, "A"), (203, "B")]);
    assert_eq!(
        reached(&two, &timed_out),
        [
            [Some(0), None],
            [Some(200), Some(201)],
            [Some(202), Some(203)]
        ]
    );
}

#[test]
fn strict_steps_follow_one_another() {
    let strict = Rules {
        order: FunnelOrder::Strict,
        ..rules()
    };
    let foreign = story(&[(0, "A"), (1, "."), (2, "B"), (3, "A"), (4, "B"), (5, "C")]);
    assert_eq!(reached(&strict, &foreign), [[Some(0), None, None]]);
    let best = Rules {
        entry: FunnelEntry::Best,
        ..strict.clone()
    };
    assert_eq!(reached(&best, &foreign), [[Some(3), Some(4), Some(5)]]);
    let among = Rules {
        strict_among: StrictAmong::FunnelEvents,
        ..strict
    };
    assert_eq!(reached(&among, &foreign), [[Some(0), Some(2), None]]);
}

#[test]
fn any_order_begins_with_any_step_and_optional_steps_may_be_left_out() {
    let any = Rules {
        order: FunnelOrder::Any,
        ..rules()
    };
    let mixed = story(&[(0, "C"), (1, "A"), (2, "A"), (3, "B")]);
    assert_eq!(reached(&any, &mixed), [[Some(1), Some(3), Some(0)]]);
    let optional = Rules {
        optional: 0b010,
        ..rules()
    };
    for entry in [FunnelEntry::First, FunnelEntry::Best] {
        let optional = Rules {
            entry,
            ..optional.clone()
        };
        assert_eq!(
            reached(&optional, &story(&[(0, "A"), (1, "C")])),
            [[Some(0), None, Some(1)]]
        );
        assert_eq!(
            reached(&optional, &story(&[(0, "A"), (1, "B"), (2, "C")])),
            [[Some(0), Some(1), Some(2)]]
        );
    }
}

#[test]
fn sessions_end_with_a_pause() {
    let sessions = Rules {
        count: FunnelCount::Sessions,
        ..rules()
    };
    let story = story(&[
        (0, "A"),
        (20, "."),
        (45, "B"),
        (90, "A"),
        (91, "B"),
        (92, "C"),
    ]);
    assert_eq!(
        reached(&sessions, &story),
        [[Some(0), Some(45), None], [Some(90), Some(91), Some(92)]]
    );
}

#[test]
fn a_held_property_is_that_of_the_first_step() {
    let held = |story: Vec<Hit>| -> Vec<Hit> {
        let holds = [1, 2, 1, 1];
        story
            .into_iter()
            .zip(holds)
            .map(|(hit, hold)| Hit { hold, ..hit })
            .collect()
    };
    let other = held(story(&[(0, "A"), (1, "B")]));
    let hits = held(story(&[(0, "A"), (1, "B"), (2, "B"), (3, "C")]));
    for entry in [FunnelEntry::First, FunnelEntry::Best] {
        assert_eq!(
            reached(&Rules { entry, ..rules() }, &hits),
            [[Some(0), Some(2), Some(3)]]
        );
        assert_eq!(
            reached(&Rules { entry, ..rules() }, &other),
            [[Some(0), None, None]]
        );
    }
}
