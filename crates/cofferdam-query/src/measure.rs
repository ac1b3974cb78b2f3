//! What is kept per series and bucket while a sweep runs, and the figures that come of it, each over its window of buckets.
//!
//! The kernel adds rows and closes buckets that no later day can reach.
//! Invariant: a set or a list lives only while a window that is still open needs it, and their memory is bounded.

use crate::answer::Figure;
use crate::people::PAGE_BYTES;
use crate::request::Aggregate;
use crate::segment::coded;
use crate::sets::Sets;
use crate::{CountMeasure, QueryError, QueryLimits};
use cofferdam_store::{ColumnData, Scalar};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::sync::Arc;

/// Which buckets a figure is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// So many, ending with its own.
    Trailing(usize),
    /// All from the first.
    Cumulative,
}

impl Window {
    /// The first bucket of the window that ends with `bucket`.
    pub(crate) fn first(self, bucket: usize) -> usize {
        match self {
            Self::Trailing(buckets) => (bucket + 1).saturating_sub(buckets),
            Self::Cumulative => 0,
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Count(CountMeasure),
    /// Sum, average, least or greatest.
    Moments(Aggregate),
    /// A quantile, 0 to 1.
    Quantile(f64),
    /// Different values.
    Distinct,
}

/// Numbers in short.
#[derive(Clone, Copy, Debug)]
struct Moments {
    count: u64,
    /// Integers are summed exactly, and other numbers with compensation (Neumaier).
    integers: i128,
    sum: f64,
    compensation: f64,
    min: f64,
    max: f64,
}

impl Moments {
    const NONE: Self = Self {
        count: 0,
        integers: 0,
        sum: 0.0,
        compensation: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    fn add(&mut self, number: f64) {
        let sum = self.sum + number;
        self.compensation += if self.sum.abs() >= number.abs() {
            (self.sum - sum) + number
        } else {
            (number - sum) + self.sum
        };
        self.sum = sum;
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.integers += other.integers;
        self.add(other.sum);
        self.compensation += other.compensation;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the answer is a double, rounded once"
    )]
    fn figure(&self, aggregate: Aggregate) -> Option<Figure> {
        if self.count == 0 {
            return None;
        }
        let sum = self.integers as f64 + (self.sum + self.compensation);
        let number = match aggregate {
            Aggregate::Min => self.min,
            Aggregate::Max => self.max,
            Aggregate::Average => sum / self.count as f64,
            _ => sum,
        };
        number.is_finite().then_some(Figure::Number(number))
    }
}

/// The cells of one event selection: series by series, each with all buckets.
#[derive(Debug)]
pub(crate) struct Cells {
    buckets: usize,
    window: Window,
    kind: Kind,
    /// Rows; for all but the kinds that look at numbers.
    counts: Vec<u64>,
    sets: Option<Sets>,
    moments: Vec<Moments>,
    values: Vec<Vec<f64>>,
    kept: usize,
    quantiles: Vec<Option<f64>>,
    /// Numbers of texts, for counting different ones, and bytes of the texts.
    numbers: HashMap<Arc<str>, u32, RandomState>,
    text_bytes: usize,
}

impl Cells {
    pub(crate) fn new(kind: Kind, window: Window, series: usize, buckets: usize) -> Self {
        let cells = series * buckets;
        let counts = matches!(
            kind,
            Kind::Count(CountMeasure::Total | CountMeasure::PerPerson)
        );
        let sets = matches!(
            kind,
            Kind::Count(CountMeasure::Unique | CountMeasure::PerPerson) | Kind::Distinct
        );
        let moments = matches!(kind, Kind::Moments(_));
        let values = matches!(kind, Kind::Quantile(_));
        Self {
            buckets,
            window,
            kind,
            counts: vec![0; if counts { cells } else { 0 }],
            sets: sets.then(|| Sets::new(series, buckets)),
            moments: vec![Moments::NONE; if moments { cells } else { 0 }],
            values: vec![Vec::new(); if values { cells } else { 0 }],
            kept: 0,
            quantiles: vec![None; if values { cells } else { 0 }],
            numbers: HashMap::default(),
            text_bytes: 0,
        }
    }

    /// Adds rows, each as its number and its cell. `person` is the canonical one of a row, `column` what is measured.
    pub(crate) fn add(
        &mut self,
        rows: impl Iterator<Item = (usize, usize)>,
        person: impl Fn(usize) -> u32,
        column: Option<&ColumnData>,
    ) {
        let sets = self.sets.as_mut();
        match (self.kind, sets, column) {
            (Kind::Count(CountMeasure::Total), ..) => {
                for (_, cell) in rows {
                    if let Some(count) = self.counts.get_mut(cell) {
                        *count += 1;
                    }
                }
            }
            (Kind::Count(CountMeasure::Unique), Some(sets), _) => {
                rows.for_each(|(row, cell)| sets.insert(cell, person(row)));
            }
            (Kind::Count(CountMeasure::PerPerson), Some(sets), _) => {
                for (row, cell) in rows {
                    if let Some(count) = self.counts.get_mut(cell) {
                        *count += 1;
                    }
                    sets.insert(cell, person(row));
                }
            }
            (Kind::Distinct, Some(sets), Some(column)) => {
                let (codes, texts) = coded(column);
                let mut known: Vec<Option<u32>> = vec![None; texts.len()];
                for (row, cell) in rows {
                    let code = codes.get(row).map_or(usize::MAX, |code| *code as usize);
                    let Some(text) = texts.get(code).and_then(Option::as_ref) else {
                        continue;
                    };
                    let Some(known) = known.get_mut(code) else {
                        continue;
                    };
                    let number = *known.get_or_insert_with(|| {
                        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
                        *self.numbers.entry_ref(text).or_insert_with(|| {
                            self.text_bytes += text.len() + 64;
                            next
                        })
                    });
                    sets.insert(cell, number);
                }
            }
            (Kind::Moments(_), _, Some(column)) => {
                for (row, cell) in rows {
                    if let (Some(moments), Some(number)) =
                        (self.moments.get_mut(cell), number(column, row))
                    {
                        moments.row(number);
                    }
                }
            }
            (Kind::Quantile(_), _, Some(column)) => {
                for (row, cell) in rows {
                    if let (Some(values), Some(number)) =
                        (self.values.get_mut(cell), number(column, row))
                    {
                        values.push(number.double());
                        self.kept += 1;
                    }
                }
            }
            _ => {}
        }
    }

    /// Adds so many rows to a cell that counts them.
    pub(crate) fn add_count(&mut self, cell: usize, rows: u64) {
        if let Some(count) = self.counts.get_mut(cell) {
            *count += rows;
        }
    }

    /// Refuses where too much is kept.
    pub(crate) fn check(&self, limits: &QueryLimits) -> Result<(), QueryError> {
        let pages = self.sets.as_ref().map_or(0, Sets::pages);
        let (path, message) = if pages * PAGE_BYTES + self.text_bytes > limits.people_bytes_max {
            let message = "counting people or values of so many segments takes too much memory";
            ("breakdown", message)
        } else if self.kept * size_of::<f64>() > limits.values_bytes_max {
            let message = "so many values do not fit into memory: a percentile looks at each, take a shorter range or a smaller unit";
            ("measure", message)
        } else {
            return Ok(());
        };
        Err(QueryError::TooLarge {
            path: path.to_owned(),
            message: message.to_owned(),
        })
    }

    /// A bucket that gets no more rows.
    pub(crate) fn close(&mut self, bucket: usize) {
        let series = self
            .quantiles
            .len()
            .max(self.sets.as_ref().map_or(0, |sets| sets.sizes().len()))
            / self.buckets.max(1);
        for series in 0..series {
            if let Some(sets) = &mut self.sets {
                sets.close(series, bucket, self.window);
            } else if let Kind::Quantile(quantile) = self.kind {
                self.close_values(series * self.buckets, bucket, quantile);
            }
        }
    }

    /// The quantile of a window; lists that no later window needs are dropped.
    fn close_values(&mut self, series: usize, bucket: usize, quantile: f64) {
        let first = self.window.first(bucket);
        let open = self.values.get(series + first..=series + bucket);
        let mut all = open.unwrap_or(&[]).concat();
        if let Some(slot) = self.quantiles.get_mut(series + bucket) {
            *slot = quantile_of(&mut all, quantile);
        }
        if self.window == Window::Trailing(bucket + 1 - first)
            && let Some(values) = self.values.get_mut(series + first)
        {
            self.kept -= values.len();
            *values = Vec::new();
        }
    }

    /// Turns what is kept per bucket into what is kept per window, after all buckets are closed.
    pub(crate) fn seal(&mut self) {
        let window = self.window;
        if window == Window::Trailing(1) {
            return;
        }
        for counts in self.counts.chunks_mut(self.buckets.max(1)) {
            let own = counts.to_vec();
            let mut sum = 0;
            for (bucket, (count, slot)) in own.iter().zip(counts).enumerate() {
                // What the window before had and this one has not.
                let left = bucket
                    .checked_sub(1)
                    .map_or(0, |before| window.first(before));
                let gone = own.get(left..window.first(bucket)).unwrap_or(&[]);
                sum = sum + count - gone.iter().sum::<u64>();
                *slot = sum;
            }
        }
        for moments in self.moments.chunks_mut(self.buckets.max(1)) {
            let own = moments.to_vec();
            let mut running = Moments::NONE;
            for (bucket, slot) in moments.iter_mut().enumerate() {
                if window == Window::Cumulative {
                    running.merge(slot);
                    *slot = running;
                } else {
                    *slot = Moments::NONE;
                    let open = own.get(window.first(bucket)..=bucket).unwrap_or(&[]);
                    open.iter().for_each(|one| slot.merge(one));
                }
            }
        }
    }

    /// The figure of a series' bucket, once sealed.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the answer is a double, rounded once"
    )]
    pub(crate) fn figure(&self, series: usize, bucket: usize) -> Option<Figure> {
        let cell = series * self.buckets + bucket;
        let count = self.counts.get(cell).copied().unwrap_or(0);
        let sizes = self.sets.as_ref().map_or(&[][..], Sets::sizes);
        let size = sizes.get(cell).copied().unwrap_or(0);
        match self.kind {
            Kind::Count(CountMeasure::Total) => Some(Figure::Count(count)),
            Kind::Count(CountMeasure::Unique) | Kind::Distinct => Some(Figure::Count(size)),
            Kind::Count(CountMeasure::PerPerson) => {
                (size > 0).then(|| Figure::Number(count as f64 / size as f64))
            }
            Kind::Moments(aggregate) => self.moments.get(cell)?.figure(aggregate),
            Kind::Quantile(_) => self.quantiles.get(cell)?.map(Figure::Number),
        }
    }
}

/// A number of a column.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    #[expect(
        clippy::cast_precision_loss,
        reason = "JSON numbers are doubles to every SDK"
    )]
    fn double(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl Moments {
    fn row(&mut self, number: Number) {
        self.count += 1;
        match number {
            Number::Int(number) => self.integers += i128::from(number),
            Number::Float(number) => self.add(number),
        }
        self.min = self.min.min(number.double());
        self.max = self.max.max(number.double());
    }
}

fn number(column: &ColumnData, row: usize) -> Option<Number> {
    match column {
        ColumnData::Int(values) => values.get(row).copied().flatten().map(Number::Int),
        ColumnData::Float(values) => values.get(row).copied().flatten().map(Number::Float),
        ColumnData::Mixed(values) => match values.get(row)? {
            Scalar::Int(number) => Some(Number::Int(*number)),
            Scalar::Float(number) => Some(Number::Float(*number)),
            _ => None,
        },
        ColumnData::Absent(_) | ColumnData::Bool(_) | ColumnData::Text(_) => None,
    }
}

/// A quantile, linear between the two nearest ranks (SQL's `percentile_cont`).
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are far below 2^53 and not negative"
)]
fn quantile_of(values: &mut [f64], quantile: f64) -> Option<f64> {
    let rank = values.len().checked_sub(1)? as f64 * quantile;
    let (_, low, above) = values.select_nth_unstable_by(rank.floor() as usize, f64::total_cmp);
    let next = above.iter().copied().fold(f64::INFINITY, f64::min);
    if rank.fract() == 0.0 {
        return Some(*low);
    }
    Some(*low + (next - *low) * rank.fract())
}
