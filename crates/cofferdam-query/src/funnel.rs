//! The funnel report: of those who began, how many went on, how far, and how fast.
//!
//! Invariant: the answer is computed from one version of the store over canonical persons; the funnel of everybody is computed
//! without the breakdown (a person may be in several segments).

mod attempt;
mod count;
mod plan;
mod request;

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;

use crate::segment::Segment;
use crate::sweep::{Source, Sweep};
use crate::timeline::{Hit, each_person};
use crate::{QueryError, QueryLimits};
use attempt::{Attempt, Rules, Scratch, attempts};
use cofferdam_access::{Permit, ReadReport};
use cofferdam_model::{MergeMap, TimestampMs};
#[cfg(test)]
use cofferdam_store::CatalogInfo;
use cofferdam_store::Store;
use count::Tally;
use plan::Plan;
pub(crate) use plan::window_ms;
use request::Excluded;
pub use request::{
    Attribution, Durations, Excluded as FunnelExcluded, Funnel, FunnelCount, FunnelCounts,
    FunnelEntry, FunnelExclusion, FunnelOrder, FunnelRequest, FunnelSegment, FunnelStep,
    FunnelTrend, FunnelWindow, HistogramBin, StrictAmong, WindowSince, WindowUnit,
};
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// The segment of what is beyond the limit of segments.
const OTHER: &str = "$other";

/// Computes the report. Blocking: call it on a blocking thread; a set `cancelled` ends it soon.
///
/// # Errors
/// [`QueryError::Invalid`] and [`QueryError::TooLarge`] for the request, [`QueryError::Cancelled`], and [`QueryError::Store`]
/// where the store cannot be read.
pub fn funnel(
    permit: &Permit<ReadReport>,
    store: &Store,
    merges: &MergeMap,
    request: &FunnelRequest,
    now: TimestampMs,
    cancelled: &AtomicBool,
) -> Result<Funnel, QueryError> {
    let _ = permit;
    let (reader, limits) = (store.reader(), QueryLimits::default());
    let catalog = reader.catalog(&request.project);
    let plan = Plan::new(request, &catalog, &limits)?;
    let (from, to) = (TimestampMs(plan.wanted.from), TimestampMs(plan.wanted.to));
    let parts = reader.parts(&request.project, from, to);
    let mut answer = compute(&parts, &plan, merges, now, &limits, cancelled)?;
    answer.snapshot = reader.id().to_string();
    Ok(answer)
}

/// [`Plan::new`] and [`compute`] for tests.
#[cfg(test)]
pub(crate) fn run<S: Source>(
    parts: &[S],
    catalog: &CatalogInfo,
    merges: &MergeMap,
    request: &FunnelRequest,
    now: TimestampMs,
) -> Result<Funnel, QueryError> {
    let limits = QueryLimits::default();
    let plan = Plan::new(request, catalog, &limits)?;
    compute(parts, &plan, merges, now, &limits, &AtomicBool::new(false))
}

fn compute<S: Source>(
    parts: &[S],
    plan: &Plan,
    merges: &MergeMap,
    now: TimestampMs,
    limits: &QueryLimits,
    cancelled: &AtomicBool,
) -> Result<Funnel, QueryError> {
    let mut sweep = Sweep::new(parts, &plan.wanted, merges, cancelled);
    let mut all = Report::new(plan);
    each_person(&mut sweep, limits.timeline_bytes_max, &mut |_, hits| {
        all.person(hits);
        Ok(())
    })?;
    let segments = segments(&mut sweep, plan, &all.entered, limits)?;
    Ok(all.finish(segments, now))
}

/// What is counted of everybody.
struct Report<'a> {
    plan: &'a Plan,
    everybody: Rules,
    tally: Tally,
    trend: Vec<Tally>,
    /// Per value of the breakdown, how many attempts it has.
    entered: Vec<u64>,
    found: Found,
}

impl<'a> Report<'a> {
    fn new(plan: &'a Plan) -> Self {
        let steps = plan.rules.steps;
        let buckets = plan.trend.as_ref().map_or(0, |trend| trend.len());
        Self {
            plan,
            everybody: Rules {
                by_value: false,
                ..plan.rules.clone()
            },
            tally: Tally::new(steps, true),
            trend: vec![Tally::new(steps, false); buckets],
            entered: Vec::new(),
            found: Found::default(),
        }
    }

    fn person(&mut self, hits: &[Hit]) {
        let whole = self.plan.whole.from().0..self.plan.whole.to().0;
        for attempt in self.found.of(&self.everybody, hits, &whole) {
            self.tally.add(&self.everybody, attempt);
        }
        if let Some(trend) = &self.plan.trend {
            // Only buckets with rows of the person: a year has many more hours than anybody has events.
            let mut from = hits.partition_point(|hit| hit.time < whole.start);
            while let Some(hit) = hits.get(from).filter(|hit| hit.time < whole.end) {
                let bucket = trend.of(hit.time);
                let entries = trend.start(bucket)..trend.end(bucket);
                let rows = hits.get(from..).unwrap_or(&[]);
                if let Some(tally) = self.trend.get_mut(bucket) {
                    for attempt in self.found.of(&self.everybody, rows, &entries) {
                        tally.add(&self.everybody, attempt);
                    }
                }
                from += rows.partition_point(|hit| hit.time < entries.end);
            }
        }
        if self.plan.has_breakdown {
            for attempt in self.found.of(&self.plan.rules, hits, &whole) {
                if let Some(value) = value_of(self.plan, attempt) {
                    let value = value as usize;
                    if value >= self.entered.len() {
                        self.entered.resize(value + 1, 0);
                    }
                    if let Some(count) = self.entered.get_mut(value) {
                        *count += 1;
                    }
                }
            }
        }
    }

    fn finish(self, segments: Vec<FunnelSegment>, now: TimestampMs) -> Funnel {
        let window = self.plan.wanted.to - self.plan.whole.to().0;
        let is_open = |tally: &Tally| tally.open.is_some_and(|entry| entry + window > now.0);
        let trend = self.plan.trend.as_ref().map(|buckets| FunnelTrend {
            incomplete: (buckets.incomplete(now).into_iter().zip(&self.trend))
                .map(|(incomplete, tally)| incomplete || is_open(tally))
                .collect(),
            buckets: buckets.labels.clone(),
            steps: (0..self.plan.rules.steps)
                .map(|step| {
                    let counts = self.trend.iter().map(|tally| tally.counts.get(step));
                    counts.map(|count| count.copied().unwrap_or(0)).collect()
                })
                .collect(),
        });
        let (incomplete, excluded) = (is_open(&self.tally), self.tally.excluded);
        let (steps, histogram) = self.tally.finish(self.plan.rules.optional);
        Funnel {
            steps,
            excluded,
            histogram,
            segments,
            trend,
            incomplete,
            snapshot: String::new(),
        }
    }
}

/// A person's attempts.
#[derive(Debug, Default)]
struct Found {
    all: Vec<Attempt>,
    scratch: Scratch,
}

impl Found {
    /// None where one of them takes the person out of all counts but that of the excluded.
    fn of(&mut self, rules: &Rules, hits: &[Hit], entries: &Range<i64>) -> &[Attempt] {
        let Self { all, scratch } = self;
        all.clear();
        attempts(rules, hits, entries, scratch, &mut |attempt| {
            all.push(*attempt);
        });
        if rules.excluded == Excluded::Removed && all.iter().any(|attempt| attempt.excluded) {
            all.retain(|attempt| attempt.excluded);
            all.truncate(1);
        }
        all
    }
}

/// The breakdown's value of an attempt; `None` where the step that decides was not reached.
fn value_of(plan: &Plan, attempt: &Attempt) -> Option<u32> {
    let step = match plan.attribution {
        Attribution::First => attempt.reached.trailing_zeros() as usize,
        Attribution::Last => attempt.last,
        Attribution::Step(step) => step as usize - 1,
    };
    let is_reached = attempt.reached >> step & 1 == 1;
    attempt.values.get(step).copied().filter(|_| is_reached)
}

/// The funnels of the largest segments, and of the rest.
fn segments<S: Source>(
    sweep: &mut Sweep<'_, S>,
    plan: &Plan,
    entered: &[u64],
    limits: &QueryLimits,
) -> Result<Vec<FunnelSegment>, QueryError> {
    if !plan.has_breakdown {
        return Ok(Vec::new());
    }
    let label =
        |sweep: &Sweep<'_, S>, value: u32| sweep.segment(0, value).cloned().unwrap_or_default();
    let mut largest: Vec<(u32, u64, Segment)> = (0..)
        .zip(entered)
        .filter(|(_, count)| **count > 0)
        .map(|(value, count)| (value, *count, label(sweep, value)))
        .collect();
    largest.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.2.cmp(&other.2)));
    largest.truncate(limits.segments_max);
    let width = largest.first().map_or(1, |(_, _, segment)| segment.len());
    // Per value the place of its segment; the rest comes after the largest. Those who did not reach the step that decides have no
    // value, like those whose property is not set.
    let other = largest.len();
    let is_unset = |segment: &Segment| segment.iter().all(Option::is_none);
    let unset = largest.iter().position(|(_, _, segment)| is_unset(segment));
    let unset = unset.unwrap_or(other + 1);
    let mut places = vec![other; entered.len()];
    for (place, (value, ..)) in largest.iter().enumerate() {
        if let Some(slot) = places.get_mut(*value as usize) {
            *slot = place;
        }
    }
    let mut tallies = vec![Tally::new(plan.rules.steps, true); other + 2];
    let whole = plan.whole.from().0..plan.whole.to().0;
    let mut found = Found::default();
    each_person(sweep, limits.timeline_bytes_max, &mut |_, hits| {
        let mut is_in_other = false;
        for attempt in found.of(&plan.rules, hits, &whole) {
            let place = value_of(plan, attempt).map_or(unset, |value| {
                places.get(value as usize).copied().unwrap_or(other)
            });
            // Of the rest a person counts once, with the first of its attempts.
            let again =
                place == other && plan.rules.by_value && std::mem::replace(&mut is_in_other, true);
            if let Some(tally) = tallies.get_mut(place).filter(|_| !again) {
                tally.add(&plan.rules, attempt);
            }
        }
        Ok(())
    })?;
    let labels = largest.into_iter().map(|(_, _, segment)| {
        let texts = segment.iter();
        texts
            .map(|text| text.as_deref().map(str::to_owned))
            .collect()
    });
    let labels = labels.chain([vec![Some(OTHER.to_owned())], vec![None; width]]);
    let all = labels.zip(tallies).enumerate();
    Ok(all
        .filter(|(place, (_, tally))| {
            *place < other || tally.counts.first().is_some_and(|count| *count > 0)
        })
        .map(|(_, (segment, tally))| FunnelSegment {
            segment,
            steps: tally.finish(plan.rules.optional).0,
        })
        .collect())
}
