//! One person's rows to attempts: which steps were reached, and when.
//!
//! Pure; the rules are those of [`crate::FunnelRequest`]. Invariant: an event fills at most one step of an attempt; within an
//! attempt times never go back, but for the grace; the result depends on the rows alone.

use super::request::{Excluded, FunnelCount, FunnelEntry, FunnelOrder, StrictAmong};
use crate::timeline::Hit;
use std::ops::Range;

/// Most steps.
pub(crate) const STEPS_MAX: usize = 20;

/// The rules, made ready. Bit `n` of a mask is step `n`; exclusions have the bits after the steps.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) steps: usize,
    /// Steps that may be left out.
    pub(crate) optional: u32,
    /// Milliseconds.
    pub(crate) window: i64,
    /// Whether the window is counted from the step before.
    pub(crate) since_step: bool,
    pub(crate) order: FunnelOrder,
    pub(crate) count: FunnelCount,
    pub(crate) entry: FunnelEntry,
    pub(crate) strict_among: StrictAmong,
    /// Milliseconds.
    pub(crate) grace: i64,
    pub(crate) exclusions: Vec<Exclusion>,
    pub(crate) excluded: Excluded,
    /// Milliseconds.
    pub(crate) session_gap: i64,
    /// Whether each value of the first step has an attempt of its own.
    pub(crate) by_value: bool,
}

/// An exclusion: it counts while the last step reached is one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exclusion {
    pub(crate) after: usize,
    pub(crate) before: usize,
}

/// An attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Steps reached, a bit each.
    pub(crate) reached: u32,
    /// The last one reached.
    pub(crate) last: usize,
    /// When each was reached, milliseconds.
    pub(crate) times: [i64; STEPS_MAX],
    /// The breakdown's value at each.
    pub(crate) values: [u32; STEPS_MAX],
    hold: u32,
    /// The breakdown's value where it began.
    pub(crate) entered: u32,
    /// When it began.
    pub(crate) began: i64,
    /// When the last step was reached.
    latest: i64,
    /// Whether it met an exclusion.
    pub(crate) excluded: bool,
}

impl Attempt {
    fn new(step: usize, hit: &Hit) -> Self {
        let mut new = Self {
            reached: 0,
            last: step,
            times: [0; STEPS_MAX],
            values: [0; STEPS_MAX],
            hold: hit.hold,
            entered: hit.value,
            began: hit.time,
            latest: hit.time,
            excluded: false,
        };
        new.fill(step, hit);
        new
    }

    /// Begins anew.
    fn begin(&mut self, step: usize, hit: &Hit) {
        (self.reached, self.excluded) = (0, false);
        (self.hold, self.entered) = (hit.hold, hit.value);
        (self.began, self.latest) = (hit.time, hit.time);
        self.fill(step, hit);
    }

    fn fill(&mut self, step: usize, hit: &Hit) {
        self.reached |= 1 << step;
        self.last = step;
        self.latest = self.latest.max(hit.time);
        if let (Some(time), Some(value)) = (self.times.get_mut(step), self.values.get_mut(step)) {
            *time = hit.time;
            *value = hit.value;
        }
    }

    /// Becomes another attempt, of which only the steps up to its last one are set.
    fn copy_from(&mut self, other: &Self) {
        let steps = other.last + 1;
        (self.reached, self.last, self.hold) = (other.reached, other.last, other.hold);
        (self.began, self.latest, self.excluded) = (other.began, other.latest, other.excluded);
        self.entered = other.entered;
        for (time, other) in self.times.iter_mut().zip(&other.times).take(steps) {
            *time = *other;
        }
        for (value, other) in self.values.iter_mut().zip(&other.values).take(steps) {
            *value = *other;
        }
    }

    fn filled(&self) -> u32 {
        self.reached.count_ones()
    }
}

/// Memory that is used again for every person.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// For every step, and value held, the latest attempt that has come that far.
    chains: Vec<Attempt>,
}

/// Calls `found` with a person's attempts that count; those that met an exclusion are among them.
pub(crate) fn attempts(
    rules: &Rules,
    hits: &[Hit],
    entries: &Range<i64>,
    scratch: &mut Scratch,
    found: &mut impl FnMut(&Attempt),
) {
    // Most people never come to the first step, and most of the others not to the second.
    let met = hits.iter().fold(0, |met, hit| met | hit.mask);
    if rules.order != FunnelOrder::Any && met & 1 == 0 {
        return;
    }
    match rules.count {
        FunnelCount::Uniques => unique(rules, hits, entries, scratch, found),
        FunnelCount::Sessions => {
            let gap = rules.session_gap;
            let mut is_one = |one: &Hit, other: &Hit| other.time - one.time <= gap;
            for session in hits.chunk_by(&mut is_one) {
                unique(rules, session, entries, scratch, found);
            }
        }
        FunnelCount::Totals => {
            let mut rest = hits;
            while let Some((attempt, used)) = first(rules, rest, entries, None) {
                found(&attempt);
                rest = rest.get(used.max(1)..).unwrap_or(&[]);
            }
        }
    }
}

/// One attempt, or with a breakdown by the first step one for each value.
fn unique(
    rules: &Rules,
    hits: &[Hit],
    entries: &Range<i64>,
    scratch: &mut Scratch,
    found: &mut impl FnMut(&Attempt),
) {
    if !rules.by_value {
        if let Some(attempt) = one(rules, hits, entries, None, scratch) {
            found(&attempt);
        }
        return;
    }
    let mut values: Vec<u32> = Vec::new();
    for hit in hits.iter().filter(|hit| enters(rules, hit, entries, None)) {
        if !values.contains(&hit.value) {
            values.push(hit.value);
        }
    }
    for value in values {
        if let Some(attempt) = one(rules, hits, entries, Some(value), scratch) {
            found(&attempt);
        }
    }
}

fn one(
    rules: &Rules,
    hits: &[Hit],
    entries: &Range<i64>,
    value: Option<u32>,
    scratch: &mut Scratch,
) -> Option<Attempt> {
    match (rules.entry, rules.order) {
        (FunnelEntry::First, _) => first(rules, hits, entries, value).map(|(attempt, _)| attempt),
        (FunnelEntry::Best, FunnelOrder::Loose) => {
            best_loose(rules, hits, entries, value, &mut scratch.chains)
        }
        (FunnelEntry::Best, FunnelOrder::Strict | FunnelOrder::Any) => {
            best_of_all(rules, hits, entries, value)
        }
    }
}

/// Whether a row begins an attempt.
fn enters(rules: &Rules, hit: &Hit, entries: &Range<i64>, value: Option<u32>) -> bool {
    let begins = match rules.order {
        FunnelOrder::Any => hit.mask & steps_mask(rules) != 0,
        FunnelOrder::Loose | FunnelOrder::Strict => hit.mask & 1 != 0,
    };
    begins && entries.contains(&hit.time) && value.is_none_or(|value| value == hit.value)
}

fn steps_mask(rules: &Rules) -> u32 {
    (1_u32 << rules.steps).wrapping_sub(1)
}

/// The attempt of the first entry, and how many rows are behind it when it is over.
fn first(
    rules: &Rules,
    hits: &[Hit],
    entries: &Range<i64>,
    value: Option<u32>,
) -> Option<(Attempt, usize)> {
    let begin = hits
        .iter()
        .position(|hit| enters(rules, hit, entries, value))?;
    let hit = hits.get(begin)?;
    let mut attempt = Attempt::new(entry_step(rules, hit), hit);
    // Rows that the attempt has used, where the grace may look back.
    let mut used = vec![begin; usize::from(rules.grace > 0)];
    catch_up(rules, hits, begin, &mut attempt, &mut used);
    for (at, hit) in hits.iter().enumerate().skip(begin + 1) {
        if is_done(rules, &attempt) {
            return Some((attempt, at));
        }
        let since = if rules.since_step {
            attempt.latest
        } else {
            attempt.began
        };
        if hit.time - since > rules.window {
            return Some((attempt, at));
        }
        if let Some(step) = next_step(rules, &attempt, hit) {
            attempt.fill(step, hit);
            if rules.grace > 0 {
                used.push(at);
                catch_up(rules, hits, at, &mut attempt, &mut used);
            }
        } else if is_excluded(rules, &attempt, hit) {
            attempt.excluded = true;
            return Some((attempt, at + 1));
        } else if rules.order == FunnelOrder::Strict && is_foreign(rules, hit) {
            return Some((attempt, at));
        }
    }
    Some((attempt, hits.len()))
}

/// Rows shortly before the step just reached may be the next ones.
fn catch_up(rules: &Rules, hits: &[Hit], at: usize, attempt: &mut Attempt, used: &mut Vec<usize>) {
    if rules.grace == 0 || rules.order != FunnelOrder::Loose {
        return;
    }
    let now = hits.get(at).map_or(0, |hit| hit.time);
    let from = hits.partition_point(|hit| hit.time < now - rules.grace);
    let mut again = true;
    while again {
        again = false;
        for (back, hit) in hits.iter().enumerate().take(at).skip(from) {
            if !used.contains(&back)
                && let Some(step) = next_step(rules, attempt, hit)
            {
                attempt.fill(step, hit);
                used.push(back);
                again = true;
            }
        }
    }
}

fn entry_step(rules: &Rules, hit: &Hit) -> usize {
    match rules.order {
        FunnelOrder::Any => (hit.mask & steps_mask(rules)).trailing_zeros() as usize,
        FunnelOrder::Loose | FunnelOrder::Strict => 0,
    }
}

fn is_done(rules: &Rules, attempt: &Attempt) -> bool {
    match rules.order {
        FunnelOrder::Any => attempt.reached == steps_mask(rules),
        FunnelOrder::Loose | FunnelOrder::Strict => attempt.last + 1 == rules.steps,
    }
}

/// The step that a row fills.
fn next_step(rules: &Rules, attempt: &Attempt, hit: &Hit) -> Option<usize> {
    if hit.hold != attempt.hold {
        return None;
    }
    let open = match rules.order {
        FunnelOrder::Any => steps_mask(rules) & !attempt.reached,
        FunnelOrder::Loose | FunnelOrder::Strict => after(rules, attempt.last),
    };
    let fits = hit.mask & open;
    (fits != 0).then(|| fits.trailing_zeros() as usize)
}

/// The steps that may follow a step: the next, and where that may be left out those behind it.
fn after(rules: &Rules, step: usize) -> u32 {
    let mut open = 0;
    for next in step + 1..rules.steps {
        open |= 1 << next;
        if rules.optional >> next & 1 == 0 {
            break;
        }
    }
    open
}

/// Whether a row ends an attempt.
fn is_excluded(rules: &Rules, attempt: &Attempt, hit: &Hit) -> bool {
    excluded_after(rules, attempt.last, hit)
}

fn excluded_after(rules: &Rules, last: usize, hit: &Hit) -> bool {
    let bits = hit.mask >> rules.steps;
    bits != 0
        && rules.exclusions.iter().enumerate().any(|(bit, exclusion)| {
            bits >> bit & 1 == 1 && (exclusion.after..exclusion.before).contains(&last)
        })
}

/// Whether a row that is not the next step breaks a strict attempt.
fn is_foreign(rules: &Rules, hit: &Hit) -> bool {
    rules.strict_among == StrictAmong::AllEvents || hit.mask != 0
}

/// Whether an attempt leads further than another.
fn is_better(rules: &Rules, new: &Attempt, old: Option<&Attempt>) -> bool {
    old.is_none_or(|old| match rules.order {
        FunnelOrder::Any => new.filled() > old.filled(),
        FunnelOrder::Loose | FunnelOrder::Strict => {
            (new.last, new.filled()) > (old.last, old.filled())
        }
    })
}

/// The best attempt, by carrying on for every step the latest one that has come that far.
fn best_loose(
    rules: &Rules,
    hits: &[Hit],
    entries: &Range<i64>,
    value: Option<u32>,
    chains: &mut Vec<Attempt>,
) -> Option<Attempt> {
    chains.clear();
    let (mut best, mut is_met) = (Attempt::new(0, &Hit::default()), false);
    let mut excluded: Option<Attempt> = None;
    let steps = steps_mask(rules);
    for hit in hits {
        let mut fits = hit.mask & steps;
        let mut filled = false;
        // The last step first, so that a row fills one step of an attempt.
        while fits != 0 {
            let step = fits.ilog2() as usize;
            fits &= !(1 << step);
            let Some(at) = carry_on(rules, chains, step, hit, entries, value) else {
                continue;
            };
            filled = true;
            if let Some(new) = chains.get(at)
                && (!is_met || is_better(rules, new, Some(&best)))
            {
                best.copy_from(new);
                is_met = true;
            }
        }
        if !filled && hit.mask >> rules.steps != 0 {
            chains.retain(|chain| {
                let is_over = excluded_after(rules, chain.last, hit);
                if is_over {
                    excluded = Some(*chain);
                }
                !is_over
            });
        }
    }
    match (rules.excluded, excluded) {
        (Excluded::Removed, Some(attempt)) => Some(Attempt {
            excluded: true,
            ..attempt
        }),
        (_, met) => {
            best.excluded = met.is_some() && best.last + 1 < rules.steps;
            is_met.then_some(best)
        }
    }
}

/// The place of the attempt that a row begins or carries on to a step.
fn carry_on(
    rules: &Rules,
    chains: &mut Vec<Attempt>,
    step: usize,
    hit: &Hit,
    entries: &Range<i64>,
    value: Option<u32>,
) -> Option<usize> {
    let from = if step > 0 {
        Some(latest_before(rules, chains, step, hit)?)
    } else if enters(rules, hit, entries, value) {
        None
    } else {
        return None;
    };
    let same = |known: &Attempt| known.last == step && known.hold == hit.hold;
    let at = chains.iter().position(same).unwrap_or_else(|| {
        chains.push(Attempt::new(step, hit));
        chains.len() - 1
    });
    match from {
        Some(from) => {
            let [chain, before] = chains.get_disjoint_mut([at, from]).ok()?;
            chain.copy_from(before);
            chain.fill(step, hit);
        }
        None => chains.get_mut(at)?.begin(step, hit),
    }
    Some(at)
}

/// The latest attempt that a row may carry on to a step.
fn latest_before(rules: &Rules, chains: &[Attempt], step: usize, hit: &Hit) -> Option<usize> {
    for before in (0..step).rev() {
        let known = chains.iter().position(|attempt| {
            let since = if rules.since_step {
                attempt.latest
            } else {
                attempt.began
            };
            attempt.last == before && attempt.hold == hit.hold && hit.time - since <= rules.window
        });
        if known.is_some() {
            return known;
        }
        if rules.optional >> before & 1 == 0 {
            return None;
        }
    }
    None
}

/// The best of the attempts that begin at each entry.
fn best_of_all(
    rules: &Rules,
    hits: &[Hit],
    entries: &Range<i64>,
    value: Option<u32>,
) -> Option<Attempt> {
    let mut best: Option<Attempt> = None;
    let begins = hits
        .iter()
        .enumerate()
        .filter(|(_, hit)| enters(rules, hit, entries, value));
    for (at, _) in begins {
        let (attempt, _) = first(rules, hits.get(at..)?, entries, value)?;
        if attempt.excluded && rules.excluded == Excluded::Removed {
            return Some(attempt);
        }
        // Of those that lead as far the one that got there first, from the latest entry.
        let as_soon = best.as_ref().is_some_and(|best| {
            !is_better(rules, best, Some(&attempt)) && attempt.latest <= best.latest
        });
        if as_soon || is_better(rules, &attempt, best.as_ref()) {
            best = Some(attempt);
        }
        if best
            .as_ref()
            .is_some_and(|best| is_done(rules, best) && best.latest < attempt.began)
        {
            break;
        }
    }
    best
}
