//! The segmentation kernel: one or two sweeps over the days, in order.
//!
//! Without breakdown one sweep counts. With a breakdown the first sweep counts every segment's events and picks the largest, the
//! second counts them and `$other`, so that the persons of `$other` are distinct as well.
//! Invariant: a bucket is closed once no later day can reach it, and never gets a row after.

use crate::answer::Figure;
use crate::buckets::Buckets;
use crate::columns::Persons;
use crate::measure::{Cells, Kind};
use crate::plan::Plan;
use crate::segment::{Segment, segments};
use crate::selection::Selection;
use crate::{CountMeasure, QueryError, QueryLimits};
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
        merges: &MergeMap,
        limits: &QueryLimits,
    ) {
        let keep = keep(selection, batch, merges);
        let (codes, labels) = segments(&plan.breakdown, &batch.columns, batch.len());
        let counts = code_counts(&codes, &keep, labels.len());
        for (label, count) in labels.into_iter().zip(counts) {
            let full = self.counts.len() >= limits.distinct_max;
            if count == 0 || (full && !self.counts.contains_key(&label)) {
                continue;
            }
            *self.counts.entry(label).or_default() += count;
        }
    }

    /// Adds another selection's segments.
    pub(crate) fn merge(&mut self, other: Self) {
        for (segment, count) in other.counts {
            *self.counts.entry(segment).or_default() += count;
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

/// The second sweep, or the only one: figures of one event selection.
#[derive(Debug)]
pub(crate) struct Counter {
    index: HashMap<Segment, u32, RandomState>,
    other: u32,
    buckets: usize,
    cells: Cells,
    /// Per series whether it has a row; the last is `$other`.
    touched: Vec<bool>,
    day: Option<Day>,
    /// Buckets that get no more rows.
    closed: usize,
}

impl Counter {
    pub(crate) fn new(plan: &Plan, segments: &[Segment], buckets: usize) -> Self {
        let index: HashMap<Segment, u32, RandomState> = (0u32..)
            .zip(segments)
            .map(|(number, segment)| (segment.clone(), number))
            .collect();
        let series = segments.len() + 1;
        Self {
            other: u32::try_from(index.len()).unwrap_or(u32::MAX),
            index,
            buckets,
            cells: Cells::new(plan.kind, plan.window, series, buckets),
            touched: vec![false; series],
            day: None,
            closed: 0,
        }
    }

    /// Adds a batch; days come in order.
    pub(crate) fn add(
        &mut self,
        plan: &Plan,
        buckets: &Buckets,
        selection: &Selection,
        batch: &ColumnBatch,
        merges: &MergeMap,
        limits: &QueryLimits,
    ) -> Result<(), QueryError> {
        if self.day != Some(batch.day) {
            self.day = Some(batch.day);
            while self.closed < self.buckets && buckets.end(self.closed) <= batch.day.start().0 {
                self.cells.close(self.closed);
                self.closed += 1;
            }
        }
        let keep = keep(selection, batch, merges);
        let (codes, labels) = segments(&plan.breakdown, &batch.columns, batch.len());
        let series: Vec<u32> = labels
            .iter()
            .map(|label| self.index.get(label).copied().unwrap_or(self.other))
            .collect();
        let (first, last) = buckets.of_day(batch.day);
        if plan.kind == Kind::Count(CountMeasure::Total) && first == last {
            self.add_counts(&series, &code_counts(&codes, &keep, labels.len()), first);
            return Ok(());
        }
        let touched = &mut self.touched;
        let rows = (0..)
            .zip(&batch.time)
            .zip(codes)
            .zip(keep)
            .filter(|(_, keep)| *keep)
            .map(|(((row, time), code), _)| {
                let bucket = buckets.within(*time, first, last);
                let series = series.get(code as usize).copied().unwrap_or(self.other) as usize;
                if let Some(touched) = touched.get_mut(series) {
                    *touched = true;
                }
                (row, series * self.buckets + bucket)
            });
        let person = |row: usize| {
            let person = batch.person.get(row).copied().unwrap_or(u32::MAX);
            merges.canonical(PersonNumber(person)).0
        };
        let measured = plan.measured.and_then(|column| batch.columns.get(column));
        self.cells.add(rows, person, measured);
        self.cells.check(limits)
    }

    /// Adds so many rows of each local code, all in one bucket.
    fn add_counts(&mut self, series: &[u32], counts: &[u64], bucket: usize) {
        for (series, count) in series.iter().zip(counts) {
            let series = *series as usize;
            self.cells.add_count(series * self.buckets + bucket, *count);
            if let Some(touched) = self.touched.get_mut(series) {
                *touched |= *count > 0;
            }
        }
    }

    /// Closes all buckets.
    pub(crate) fn finish(mut self) -> Figures {
        (self.closed..self.buckets).for_each(|bucket| self.cells.close(bucket));
        self.cells.seal();
        Figures {
            cells: self.cells,
            buckets: self.buckets,
            touched: self.touched,
        }
    }
}

/// What an event selection's sweep found. Series are numbered as the segments were given; the last is `$other`.
#[derive(Debug)]
pub(crate) struct Figures {
    cells: Cells,
    buckets: usize,
    /// Per series whether it has a row.
    pub(crate) touched: Vec<bool>,
}

impl Figures {
    /// The figures of a series, without those of the first buckets.
    pub(crate) fn series(&self, series: usize, skip: usize) -> Vec<Option<Figure>> {
        (skip..self.buckets)
            .map(|bucket| self.cells.figure(series, bucket))
            .collect()
    }
}

/// Rows kept of each local code.
fn code_counts(codes: &[u32], keep: &[bool], number: usize) -> Vec<u64> {
    if number == 1 {
        return vec![keep.iter().map(|keep| u64::from(*keep)).sum()];
    }
    let mut counts = vec![0u64; number];
    for (code, keep) in codes.iter().zip(keep) {
        if let Some(count) = counts.get_mut(*code as usize) {
            *count += u64::from(*keep);
        }
    }
    counts
}

/// Which rows an event selection takes.
pub(crate) fn keep(selection: &Selection, batch: &ColumnBatch, merges: &MergeMap) -> Vec<bool> {
    let mut keep: Vec<bool> = match &selection.event {
        None => vec![true; batch.len()],
        Some(event) => {
            let wanted: Vec<bool> = batch.event.names.iter().map(|name| name == event).collect();
            let wanted = |code: &u32| wanted.get(*code as usize).copied().unwrap_or(false);
            batch.event.codes.iter().map(wanted).collect()
        }
    };
    let persons = Persons {
        numbers: &batch.person,
        merges,
    };
    selection.narrow(&batch.columns, persons, &mut keep);
    keep
}
