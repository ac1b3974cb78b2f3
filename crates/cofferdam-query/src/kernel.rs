//! The segmentation kernel: one or two sweeps over the days, in order.
//!
//! Without breakdown one sweep counts. With a breakdown the first sweep counts every segment's events and picks the largest, the
//! second counts them and `$other`, so that the persons of `$other` are distinct as well.
//! Invariant: a set of persons exists only for buckets that a later day can still reach.

use crate::people::{PAGE_BYTES, People};
use crate::plan::Plan;
use crate::segment::{Segment, segments};
use crate::selection::Selection;
use crate::{QueryError, QueryLimits};
use cofferdam_model::{Day, MergeMap, PersonNumber};
use cofferdam_store::ColumnBatch;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// The segments of one event selection: total events each.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    counts: HashMap<Segment, u64, RandomState>,
}

impl Totals {
    /// First sweep: adds a batch.
    pub(crate) fn add(
        &mut self,
        plan: &Plan,
        selection: &Selection,
        batch: &ColumnBatch,
        limits: &QueryLimits,
    ) {
        let keep = keep(selection, batch);
        let (codes, labels) = segments(&plan.breakdown, &batch.columns, batch.len());
        let mut counts = vec![0u64; labels.len()];
        for (code, keep) in codes.iter().zip(keep) {
            if let Some(count) = counts.get_mut(*code as usize) {
                *count += u64::from(keep);
            }
        }
        for (label, count) in labels.into_iter().zip(counts) {
            let full = self.counts.len() >= limits.distinct_max;
            if count == 0 || (full && !self.counts.contains_key(&label)) {
                continue;
            }
            *self.counts.entry(label).or_default() += count;
        }
    }

    /// The largest segments, largest first; equal ones by their text.
    pub(crate) fn largest(self, max: usize) -> Vec<Segment> {
        let mut all: Vec<(Segment, u64)> = self.counts.into_iter().collect();
        all.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        all.truncate(max);
        all.into_iter().map(|(segment, _)| segment).collect()
    }
}

/// The second sweep, or the only one: counts of one event selection.
#[derive(Debug)]
pub(crate) struct Counter {
    index: HashMap<Segment, u32, RandomState>,
    other: u32,
    buckets: usize,
    /// Series by series, the last being `$other`.
    values: Vec<u64>,
    people: HashMap<(u32, usize), People, RandomState>,
    pages: usize,
    day: Option<Day>,
}

impl Counter {
    pub(crate) fn new(segments: &[Segment], buckets: usize) -> Self {
        let index: HashMap<Segment, u32, RandomState> = (0u32..)
            .zip(segments)
            .map(|(number, segment)| (segment.clone(), number))
            .collect();
        Self {
            other: u32::try_from(index.len()).unwrap_or(u32::MAX),
            values: vec![0; (segments.len() + 1) * buckets],
            index,
            buckets,
            people: HashMap::default(),
            pages: 0,
            day: None,
        }
    }

    /// Adds a batch; days come in order.
    pub(crate) fn add(
        &mut self,
        plan: &Plan,
        selection: &Selection,
        batch: &ColumnBatch,
        merges: &MergeMap,
        limits: &QueryLimits,
    ) -> Result<(), QueryError> {
        if self.day != Some(batch.day) {
            self.day = Some(batch.day);
            self.close(|bucket| plan.buckets.end(bucket) <= batch.day.start().0);
        }
        let keep = keep(selection, batch);
        let (codes, labels) = segments(&plan.breakdown, &batch.columns, batch.len());
        let series: Vec<u32> = labels
            .iter()
            .map(|label| self.index.get(label).copied().unwrap_or(self.other))
            .collect();
        let (first, last) = plan.buckets.of_day(batch.day);
        let rows = batch.time.iter().zip(&batch.person).zip(codes).zip(keep);
        for (((time, person), code), keep) in rows {
            if !keep {
                continue;
            }
            let bucket = plan.buckets.within(*time, first, last);
            let series = series.get(code as usize).copied().unwrap_or(self.other);
            if plan.unique {
                let person = merges.canonical(PersonNumber(*person)).0;
                self.pages += self
                    .people
                    .entry((series, bucket))
                    .or_default()
                    .insert(person);
            } else if let Some(value) = self.values.get_mut(series as usize * self.buckets + bucket)
            {
                *value += 1;
            }
        }
        if self.pages * PAGE_BYTES > limits.people_bytes_max {
            return Err(QueryError::TooLarge {
                path: "breakdown".to_owned(),
                message: "counting people of so many segments takes too much memory".to_owned(),
            });
        }
        Ok(())
    }

    /// Turns the sets of finished buckets into counts.
    fn close(&mut self, finished: impl Fn(usize) -> bool) {
        let (values, buckets, pages) = (&mut self.values, self.buckets, &mut self.pages);
        self.people.retain(|(series, bucket), people| {
            let done = finished(*bucket);
            if done {
                *pages -= people.pages();
                if let Some(value) = values.get_mut(*series as usize * buckets + bucket) {
                    *value = people.len();
                }
            }
            !done
        });
    }

    /// Per series its values; the last is `$other`.
    pub(crate) fn finish(mut self) -> Vec<Vec<u64>> {
        self.close(|_| true);
        self.values
            .chunks(self.buckets.max(1))
            .map(<[u64]>::to_vec)
            .collect()
    }
}

/// Which rows an event selection takes.
fn keep(selection: &Selection, batch: &ColumnBatch) -> Vec<bool> {
    let mut keep: Vec<bool> = match &selection.event {
        None => vec![true; batch.len()],
        Some(event) => {
            let wanted: Vec<bool> = batch.event.names.iter().map(|name| name == event).collect();
            let wanted = |code: &u32| wanted.get(*code as usize).copied().unwrap_or(false);
            batch.event.codes.iter().map(wanted).collect()
        }
    };
    selection.narrow(&batch.columns, &mut keep);
    keep
}
