//! Attempts to counts: how many reached each step, how long they took.
//!
//! Invariant: the counts of everybody never come from adding segments up.

use super::attempt::{Attempt, Rules};
use super::request::{Durations, Excluded, FunnelCounts, HistogramBin};

/// Bins of the histogram.
const BINS: usize = 20;

/// What attempts add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Per step, how many reached it.
    pub(crate) counts: Vec<u64>,
    /// Per step, milliseconds from the step before and from the first; empty where times are not asked for.
    times: Vec<[Vec<i64>; 2]>,
    pub(crate) excluded: u64,
    /// The latest entry of an attempt that did not convert.
    pub(crate) open: Option<i64>,
}

impl Tally {
    /// A tally that also keeps times, if asked to.
    pub(crate) fn new(steps: usize, keeps_times: bool) -> Self {
        Self {
            counts: vec![0; steps],
            times: vec![<[Vec<i64>; 2]>::default(); if keeps_times { steps } else { 0 }],
            ..Self::default()
        }
    }

    /// Adds an attempt.
    pub(crate) fn add(&mut self, rules: &Rules, attempt: &Attempt) {
        self.excluded += u64::from(attempt.excluded);
        if attempt.excluded && rules.excluded == Excluded::Removed {
            return;
        }
        if attempt.last + 1 < rules.steps && !attempt.excluded {
            self.open = self.open.max(Some(attempt.began));
        }
        // In any order the first step is the one that came first, and so on.
        let mut order: Vec<i64> = Vec::new();
        if rules.order == super::request::FunnelOrder::Any {
            let steps = 0..rules.steps;
            let reached = steps.filter(|step| attempt.reached >> step & 1 == 1);
            order.extend(reached.filter_map(|step| attempt.times.get(step)));
            order.sort_unstable();
            for (step, time) in order.iter().enumerate() {
                self.reach(
                    step,
                    step.checked_sub(1).and_then(|at| order.get(at)).copied(),
                    *time,
                    attempt.began,
                );
            }
            return;
        }
        let mut before = None;
        for step in 0..rules.steps {
            if attempt.reached >> step & 1 == 0 {
                continue;
            }
            let time = attempt.times.get(step).copied().unwrap_or(attempt.began);
            self.reach(step, before, time, attempt.began);
            before = Some(time);
        }
    }

    fn reach(&mut self, step: usize, before: Option<i64>, time: i64, began: i64) {
        if let Some(count) = self.counts.get_mut(step) {
            *count += 1;
        }
        if let (Some(before), Some([previous, first])) = (before, self.times.get_mut(step)) {
            // The grace lets a step stand before the one that it follows.
            previous.push((time - before).max(0));
            first.push((time - began).max(0));
        }
    }

    /// As the answer shows it. `optional` steps are left out of "the step before".
    pub(crate) fn finish(mut self, optional: u32) -> (Vec<FunnelCounts>, Vec<HistogramBin>) {
        let entered = self.counts.first().copied().unwrap_or(0);
        let mut before = entered;
        let mut steps = Vec::new();
        for (step, &count) in self.counts.iter().enumerate() {
            let mut durations = [None, None];
            if let Some(times) = self.times.get_mut(step) {
                durations = times.each_mut().map(|times| durations_of(times));
            }
            let [from_previous, from_first] = durations;
            steps.push(FunnelCounts {
                count,
                conversion: share(count, entered),
                step_conversion: share(count, before),
                from_previous,
                from_first,
            });
            if optional >> step & 1 == 0 {
                before = count;
            }
        }
        let last = self
            .times
            .last_mut()
            .map(|[_, first]| std::mem::take(first));
        (steps, histogram(&last.unwrap_or_default()))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of counts far below 2^53"
)]
fn share(count: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

#[expect(clippy::cast_precision_loss, reason = "durations below 2^53 ms")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// `None` where there is none.
fn durations_of(times: &mut [i64]) -> Option<Durations> {
    if times.is_empty() {
        return None;
    }
    times.sort_unstable();
    let sum: i64 = times.iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^53")]
    let average = seconds(sum) / times.len() as f64;
    let at = |share: f64| quantile(times, share);
    Some(Durations {
        average,
        median: at(0.5),
        p25: at(0.25),
        p75: at(0.75),
        p90: at(0.9),
        p99: at(0.99),
    })
}

/// The interpolated quantile of sorted milliseconds, seconds.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position within a list"
)]
fn quantile(sorted: &[i64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let (low, part) = (position.floor() as usize, position.fract());
    let value = |at: usize| {
        sorted
            .get(at)
            .or(sorted.last())
            .map_or(0.0, |ms| seconds(*ms))
    };
    value(low) + (value(low + 1) - value(low)) * part
}

/// Equal bins from the shortest to the longest.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bins of durations"
)]
fn histogram(sorted: &[i64]) -> Vec<HistogramBin> {
    let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else {
        return Vec::new();
    };
    let (from, width) = (seconds(first), seconds(last - first) / BINS as f64);
    let bins = if width > 0.0 { BINS } else { 1 };
    let mut counts = vec![0; bins];
    for ms in sorted {
        let bin = if width > 0.0 {
            ((seconds(*ms) - from) / width) as usize
        } else {
            0
        };
        if let Some(count) = counts.get_mut(bin.min(bins - 1)) {
            *count += 1;
        }
    }
    (0..bins)
        .zip(counts)
        .map(|(bin, count)| HistogramBin {
            from_s: from + width * bin as f64,
            to_s: if bin + 1 == bins {
                seconds(last)
            } else {
                from + width * (bin + 1) as f64
            },
            count,
        })
        .collect()
}
