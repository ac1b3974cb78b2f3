//! The funnel against naive computations over the rows themselves, and the rules one by one.

use super::attempt::{Attempt, Exclusion, Rules, attempts};
use super::request::{Excluded, FunnelCount, FunnelEntry, FunnelOrder, StrictAmong};
use super::{Funnel, FunnelRequest};
use crate::testing::{Part, Row, T0, catalog, parts};
use crate::timeline::Hit;
use cofferdam_model::{MergeMap, PersonNumber, TimestampMs};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn request(more: &Value) -> FunnelRequest {
    let mut all = json!({ "project": "console", "from": "2026-03-28", "to": "2026-03-29",
        "steps": [{ "event": "login" }, { "event": "click" }, { "event": "export" }] });
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

fn run(parts: &[Part], merges: &MergeMap, more: &Value) -> Funnel {
    let now = TimestampMs(i64::MAX);
    super::run(parts, &catalog(), merges, &request(more), now).unwrap()
}

fn counts(funnel: &Funnel) -> Vec<u64> {
    funnel.steps.iter().map(|step| step.count).collect()
}

/// Rows by canonical person, in the order of time and arrival.
fn people(rows: &[Row], merges: &MergeMap) -> BTreeMap<u32, Vec<Row>> {
    let mut people: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
    for row in rows {
        let person = merges.canonical(PersonNumber(row.person)).0;
        people.entry(person).or_default().push(*row);
    }
    for rows in people.values_mut() {
        rows.sort_by_key(|row| (row.time, row.seq));
    }
    people
}

const DAYS: std::ops::Range<i64> = T0..T0 + 2 * 86_400_000;

/// The longest chain of steps 0, 1, 2 at later and later rows from any entry in the range, by trying all.
fn longest(rows: &[Row], window: i64) -> usize {
    let mut best = 0;
    for (at, entry) in rows.iter().enumerate() {
        if entry.event != 0 || !DAYS.contains(&entry.time) {
            continue;
        }
        let mut step = 1;
        for row in rows.iter().skip(at + 1) {
            if row.time - entry.time <= window && row.event == step && step < 3 {
                step += 1;
            }
        }
        best = best.max(step);
    }
    best
}

/// How far the first entry in the range leads, and the times it takes.
fn from_first(rows: &[Row], window: i64) -> Vec<i64> {
    let mut times = Vec::new();
    for row in rows {
        let fits = match times.first() {
            None => row.event == 0 && DAYS.contains(&row.time),
            Some(entry) => row.event == times.len() && row.time - entry <= window,
        };
        if fits && times.len() < 3 {
            times.push(row.time);
        }
    }
    times
}

fn row() -> impl Strategy<Value = Row> {
    (0..12_u32, 0..300_i64, 0..3_usize, 0..2_usize).prop_map(|(person, time, event, plan)| Row {
        person,
        // Few different times, so that many are equal, over three days.
        time: T0 + time * 863_000,
        seq: 0,
        event,
        plan: Some(plan),
        n: None,
    })
}

fn numbered(mut rows: Vec<Row>) -> Vec<Row> {
    for (seq, row) in (0..).zip(&mut rows) {
        row.seq = seq;
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn counts_are_those_of_trying_everything(
        rows in prop::collection::vec(row(), 0..150).prop_map(numbered),
        links in prop::collection::vec((0..12_u32, 0..12_u32), 0..6),
        hours in 1..60_u32,
        pieces in 1..4_u64,
        is_best in any::<bool>(),
    ) {
        let links: Vec<_> = links.iter().map(|&(a, b)| (PersonNumber(a), PersonNumber(b))).collect();
        let merges = MergeMap::from_links(&links);
        let entry = if is_best { "best" } else { "first" };
        let more = json!({ "entry": entry, "window": { "length": hours, "unit": "hour" }, "breakdown": ["plan"], "attribution": "last" });
        let funnel = run(&parts(&rows, pieces), &merges, &more);
        let window = i64::from(hours) * 3_600_000;
        let (mut expected, mut took, mut by_plan) = (vec![0; 3], Vec::new(), BTreeMap::new());
        for rows in people(&rows, &merges).values() {
            let times = from_first(rows, window);
            let reached = if is_best { longest(rows, window) } else { times.len() };
            for count in expected.iter_mut().take(reached) {
                *count += 1;
            }
            if let [entry, .., last] = times.as_slice() && times.len() == 3 {
                took.push(last - entry);
            }
            *by_plan.entry(reached).or_insert(0) += u64::from(reached > 0);
        }
        prop_assert_eq!(counts(&funnel), expected);
        // Everybody has one last step, so that with `last` the segments add up.
        let segments: u64 = funnel.segments.iter().map(|segment| segment.steps[0].count).sum();
        prop_assert_eq!(segments, by_plan.values().sum::<u64>());
        if !is_best {
            let mean = funnel.steps[2].from_first.map(|took| took.average);
            let expected = took.iter().sum::<i64>() as f64 / 1000.0 / took.len() as f64;
            prop_assert!(mean.map_or(took.is_empty(), |mean| (mean - expected).abs() < 1e-6));
        }
    }
}

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
    attempts(rules, story, &(0..i64::MAX), &mut |attempt: &Attempt| {
        let steps = 0..rules.steps;
        all.push(
            steps
                .map(|step| (attempt.reached >> step & 1 == 1).then(|| attempt.times[step] / 1000))
                .collect(),
        );
    });
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
    attempts(&rules(), &story, &(0..i64::MAX), &mut |attempt| {
        excluded += u32::from(attempt.excluded);
    });
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
    let hits = held(story(&[(0, "A"), (1, "B"), (2, "B"), (3, "C")]));
    for entry in [FunnelEntry::First, FunnelEntry::Best] {
        assert_eq!(
            reached(&Rules { entry, ..rules() }, &hits),
            [[Some(0), Some(2), Some(3)]]
        );
    }
}

#[test]
fn a_person_appears_once_in_each_segment_that_it_enters_with() {
    let mut rows: Vec<Row> = Vec::new();
    for (seq, (person, hour, event, plan)) in (0..).zip([
        (1, 0, 0, 0),
        (1, 1, 0, 1),
        (1, 2, 1, 1),
        (2, 0, 0, 1),
        (3, 3, 0, 0),
        (3, 4, 1, 0),
    ]) {
        rows.push(Row {
            person,
            time: T0 + hour * 3_600_000,
            seq,
            event,
            plan: Some(plan),
            n: None,
        });
    }
    let more = json!({ "breakdown": ["plan"], "steps": [{ "event": "login" }, { "event": "click" }], "trend": "day" });
    let funnel = run(&parts(&rows, 1), &MergeMap::new(), &more);
    assert_eq!(counts(&funnel), [3, 2]);
    let segments: Vec<_> = funnel
        .segments
        .iter()
        .map(|one| {
            (
                one.segment[0].as_deref(),
                one.steps[0].count,
                one.steps[1].count,
            )
        })
        .collect();
    assert_eq!(segments, [(Some("Pro"), 2, 1), (Some("free"), 2, 2)]);
    let trend = funnel.trend.unwrap();
    assert_eq!(
        (trend.buckets.len(), trend.steps),
        (2, vec![vec![3, 0], vec![2, 0]])
    );
    assert_eq!(funnel.histogram.iter().map(|bin| bin.count).sum::<u64>(), 2);
}

#[test]
fn a_wrong_request_is_told_where() {
    for (more, path) in [
        (json!({ "steps": [{ "event": "login" }] }), "steps"),
        (
            json!({ "steps": [{ "event": "logn" }, { "event": "click" }] }),
            "steps[0].event",
        ),
        (
            json!({ "window": { "length": 0, "unit": "day" } }),
            "window.length",
        ),
        (
            json!({ "window": { "length": 367, "unit": "day" } }),
            "window.length",
        ),
        (json!({ "hold_constant": ["pln"] }), "hold_constant[0]"),
        (
            json!({ "exclusions": [{ "event": "click", "after": 2, "before": 2 }] }),
            "exclusions[0].before",
        ),
        (json!({ "attribution": { "step": 4 } }), "attribution.step"),
        (json!({ "count": "totals", "entry": "best" }), "entry"),
        (json!({ "grace_ms": 2000, "order": "any" }), "grace_ms"),
        (json!({ "from": "2026-03-30" }), "to"),
    ] {
        let error = super::run::<Part>(
            &[],
            &catalog(),
            &MergeMap::new(),
            &request(&more),
            TimestampMs(0),
        )
        .unwrap_err();
        let crate::QueryError::Invalid { path: told, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(told, path);
    }
}

#[test]
fn a_cancelled_report_ends() {
    let rows = [Row {
        person: 1,
        time: T0,
        seq: 0,
        event: 0,
        plan: None,
        n: None,
    }];
    let (parts, merges, limits) = (
        parts(&rows, 1),
        MergeMap::new(),
        crate::QueryLimits::default(),
    );
    let plan = super::plan::Plan::new(&request(&json!({})), &catalog(), &limits).unwrap();
    let cancelled = std::sync::atomic::AtomicBool::new(true);
    let answer = super::compute(&parts, &plan, &merges, TimestampMs(0), &limits, &cancelled);
    assert!(matches!(answer, Err(crate::QueryError::Cancelled)));
}

#[test]
fn people_who_do_not_fit_at_once_are_followed_in_turns() {
    let rows: Vec<Row> = (0..400)
        .map(|at| Row {
            person: at % 97,
            time: T0 + i64::from(at) * 60_000,
            seq: u64::from(at),
            event: at as usize % 3,
            plan: Some(0),
            n: None,
        })
        .collect();
    let parts = parts(&rows, 2);
    let plan = super::plan::Plan::new(
        &request(&json!({ "breakdown": ["plan"] })),
        &catalog(),
        &crate::QueryLimits::default(),
    )
    .unwrap();
    let funnel = |timeline_bytes_max| {
        let limits = crate::QueryLimits {
            timeline_bytes_max,
            ..crate::QueryLimits::default()
        };
        super::compute(
            &parts,
            &plan,
            &MergeMap::new(),
            TimestampMs(i64::MAX),
            &limits,
            &std::sync::atomic::AtomicBool::new(false),
        )
    };
    assert_eq!(funnel(2_000).unwrap(), funnel(1 << 20).unwrap());
    assert!(matches!(
        funnel(100),
        Err(crate::QueryError::TooLarge { .. })
    ));
}

#[test]
fn a_key_that_means_nothing_is_refused_at_every_level() {
    let parsed = |step: Value| {
        let request = json!({ "project": "console", "from": "2026-03-28", "to": "2026-03-28", "steps": [step] });
        serde_json::from_value::<FunnelRequest>(request)
    };
    let full = json!({ "event": "login", "filters": [{ "property": "plan", "op": "is_set" }], "optional": false, "label": "In" });
    let known = parsed(full).unwrap();
    assert_eq!(known.steps[0].selection.filters.len(), 1);
    let wrong = parsed(json!({ "event": "login", "optinal": true })).unwrap_err();
    assert!(wrong.to_string().contains("optinal"), "{wrong}");
}
