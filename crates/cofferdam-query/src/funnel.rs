//! The funnel report: of those who began, how many went on, how far, and how fast.
//!
//! Invariant: the answer is computed from one version of the store over canonical persons; the funnel of everybody is computed
//! without the breakdown (a person may be in several segments).

mod attempt;
mod bar;
mod count;
mod plan;
mod request;

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;

use crate::bars::shown;
use crate::segment::Segment;
use crate::sweep::{Source, Sweep};
use crate::timeline::{Hit, each_person};
use crate::{Inputs, QueryError, QueryLimits};
use attempt::{Attempt, Rules, Scratch, attempts};
pub(crate) use bar::behind;
#[cfg(test)]
pub(crate) use bar::of;
pub use bar::{FunnelBar, FunnelOutcome};
#[cfg(test)]
use cofferdam_model::MergeMap;
use cofferdam_model::TimestampMs;
#[cfg(test)]
use cofferdam_store::CatalogInfo;
use count::Tally;
pub(crate) use plan::Plan;
pub(crate) use plan::window_ms;
use request::Excluded;
pub use request::{
    Attribution, Durations, Excluded as FunnelExcluded, Funnel, FunnelCount, FunnelCounts,
    FunnelEntry, FunnelExclusion, FunnelOrder, FunnelRequest, FunnelSegment, FunnelStep,
    FunnelTrend, FunnelWindow, HistogramBin, StrictAmong, WindowSince, WindowUnit,
};
use std::ops::Range;

/// The segment of what is beyond the limit of segments.
const OTHER: &str = "$other";

/// Computes the report. Blocking: call it on a blocking thread.
///
/// # Errors
/// [`QueryError::Invalid`] and [`QueryError::TooLarge`] for the request, [`QueryError::Cancelled`], and [`QueryError::Store`]
/// where the store cannot be read.
pub fn funnel(inputs: Inputs<'_>, request: &FunnelRequest) -> Result<Funnel, QueryError> {
    let (reader, limits) = (inputs.store.reader(), QueryLimits::default());
    let catalog = reader.catalog(&request.project);
    let plan = Plan::new(request, inputs.context(&catalog, &limits))?;
    let (from, to) = (TimestampMs(plan.wanted.from), TimestampMs(plan.wanted.to));
    let parts = reader.parts(&request.project, from, to);
    let mut sweep = Sweep::new(&parts, &plan.wanted, inputs.merges, inputs.progress);
    let mut answer = compute(&mut sweep, &plan, inputs.now, &limits)?;
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
    let plan = Plan::new(request, crate::testing::context(catalog, &limits))?;
    let progress = crate::Progress::default();
    let mut sweep = Sweep::new(parts, &plan.wanted, merges, &progress);
    compute(&mut sweep, &plan, now, &limits)
}

pub(crate) fn compute<S: Source>(
    sweep: &mut Sweep<'_, S>,
    plan: &Plan,
    now: TimestampMs,
    limits: &QueryLimits,
) -> Result<Funnel, QueryError> {
    let mut all = Report::new(plan);
    each_person(sweep, limits.timeline_bytes_max, &mut |_, hits| {
        all.person(hits);
        Ok(())
    })?;
    let segments = segments(sweep, plan, &all.entered, limits)?;
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
        Attribution::First => return Some(attempt.entered),
        Attribution::Last => attempt.last,
        Attribution::Step(step) => step as usize - 1,
    };
    let is_reached = attempt.reached >> step & 1 == 1;
    attempt.values.get(step).copied().filter(|_| is_reached)
}

/// Where attempts are counted: the largest segments, the rest, and those without a value.
struct Places {
    largest: Vec<Segment>,
    by_value: Vec<usize>,
    width: usize,
    /// Of the rest, after the largest.
    other: usize,
    /// Of those who did not reach the step that decides, like those whose property is not set.
    unset: usize,
}

impl Places {
    /// `entered` says how many attempts each value has.
    fn new<S: Source>(
        sweep: &Sweep<'_, S>,
        plan: &Plan,
        entered: &[u64],
        limits: &QueryLimits,
    ) -> Self {
        let label = |value: u32| sweep.segment(0, value).cloned().unwrap_or_default();
        let mut largest: Vec<(u32, u64, Segment)> = (0..)
            .zip(entered)
            .filter(|(_, count)| **count > 0 && plan.has_breakdown)
            .map(|(value, count)| (value, *count, label(value)))
            .collect();
        largest.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.2.cmp(&other.2)));
        largest.truncate(limits.segments_max);
        let other = largest.len();
        let is_unset = |(_, _, segment): &(u32, u64, Segment)| segment.iter().all(Option::is_none);
        let mut by_value = vec![other; entered.len()];
        for (place, (value, ..)) in largest.iter().enumerate() {
            if let Some(slot) = by_value.get_mut(*value as usize) {
                *slot = place;
            }
        }
        Self {
            by_value,
            width: largest.first().map_or(1, |(_, _, segment)| segment.len()),
            other,
            unset: largest.iter().position(is_unset).unwrap_or(other + 1),
            largest: largest.into_iter().map(|(_, _, segment)| segment).collect(),
        }
    }

    fn of(&self, plan: &Plan, attempt: &Attempt) -> usize {
        let place = |value: u32| self.by_value.get(value as usize).copied();
        value_of(plan, attempt).map_or(self.unset, |value| place(value).unwrap_or(self.other))
    }

    /// The segments as the answer names them, by place.
    fn labels(&self) -> impl Iterator<Item = Vec<Option<String>>> + '_ {
        let own = self.largest.iter().map(shown);
        own.chain([vec![Some(OTHER.to_owned())], vec![None; self.width]])
    }
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
    let places = Places::new(sweep, plan, entered, limits);
    let mut tallies = vec![Tally::new(plan.rules.steps, true); places.other + 2];
    let whole = plan.whole.from().0..plan.whole.to().0;
    let mut found = Found::default();
    each_person(sweep, limits.timeline_bytes_max, &mut |_, hits| {
        let mut is_in_other = false;
        for attempt in found.of(&plan.rules, hits, &whole) {
            let place = places.of(plan, attempt);
            // Of the rest a person counts once, with the first of its attempts.
            let again = place == places.other
                && plan.rules.by_value
                && std::mem::replace(&mut is_in_other, true);
            if let Some(tally) = tallies.get_mut(place).filter(|_| !again) {
                tally.add(&plan.rules, attempt);
            }
        }
        Ok(())
    })?;
    let all = places.labels().zip(tallies).enumerate();
    Ok(all
        .filter(|(place, (_, tally))| {
            *place < places.other || tally.counts.first().is_some_and(|count| *count > 0)
        })
        .map(|(_, (segment, tally))| FunnelSegment {
            segment,
            steps: tally.finish(plan.rules.optional).0,
        })
        .collect())
}
