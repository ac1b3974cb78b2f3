//! The retention report: of those who were born, how many came back after how long.
//!
//! Invariant: computed from one version of the store over canonical persons; shares are averaged over complete buckets only.

mod kernel;
mod request;

#[cfg(test)]
mod tests;

use crate::buckets::Buckets;
use crate::segment::Segment;
use crate::selection::{Selection, at_most, column, invalid, zone};
use crate::sweep::{Source, Sweep, Wanted};
use crate::{QueryError, QueryLimits, Unit};
use cofferdam_access::{Permit, ReadReport};
use cofferdam_model::{Day, MergeMap, TimestampMs};
use cofferdam_store::{CatalogInfo, Store};
use hashbrown::HashMap;
use kernel::{Axis, Rules};
pub use request::{
    Alignment, Births, Counted, Retention, RetentionCohort, RetentionRequest, RetentionSegment,
    RetentionUnit,
};
use std::sync::atomic::AtomicBool;

/// Most buckets.
const BUCKETS_MAX: usize = 366;
/// Buckets where none are given.
const BUCKETS: u32 = 8;
/// The segment of what is beyond the limit of segments.
const OTHER: &str = "$other";

/// Computes the report. Blocking: call it on a blocking thread; a set `cancelled` ends it soon.
///
/// # Errors
/// As [`crate::funnel`].
pub fn retention(
    permit: &Permit<ReadReport>,
    store: &Store,
    merges: &MergeMap,
    request: &RetentionRequest,
    now: TimestampMs,
    cancelled: &AtomicBool,
) -> Result<Retention, QueryError> {
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

/// A request made ready.
#[derive(Debug)]
struct Plan {
    wanted: Wanted,
    rules: Rules,
    counted: Counted,
    /// The cohorts.
    cohorts: Buckets,
    /// Calendar units from the first cohort to the end of the last bucket.
    calendar: Buckets,
    has_breakdown: bool,
    known_since: Option<Day>,
}

impl Plan {
    fn new(
        request: &RetentionRequest,
        catalog: &CatalogInfo,
        limits: &QueryLimits,
    ) -> Result<Self, QueryError> {
        at_most("breakdown", request.breakdown.len(), limits.breakdowns_max)?;
        let ends = ends(request)?;
        let last = ends.last().copied().unwrap_or(1);
        let zone = zone(request.timezone.as_deref().unwrap_or("UTC"))?;
        let (unit, days, unit_ms) = match request.unit {
            RetentionUnit::Hour => (Unit::Hour, last.div_ceil(24), 3_600_000),
            RetentionUnit::Day => (Unit::Day, last, 86_400_000),
            RetentionUnit::Week => (Unit::Week, last.saturating_mul(7), 7 * 86_400_000),
            RetentionUnit::Month => (Unit::Month, last.saturating_mul(31), 30 * 86_400_000),
        };
        let cohorts = Buckets::new(request.from, request.to, &zone, unit, limits.buckets_max)?;
        // One more unit than is asked for, as the last birth may be at the end of its unit.
        let beyond = i32::try_from(days).unwrap_or(i32::MAX).saturating_add(32);
        let end = Day(request.to.0.saturating_add(beyond));
        let calendar = Buckets::new(request.from, end, &zone, unit, limits.buckets_max)?;
        let mut columns = Vec::new();
        let mut select =
            |selection, path| Selection::new(selection, path, &mut columns, catalog, limits);
        let selections = vec![
            select(&request.born, "born")?,
            select(&request.returned, "returned")?,
        ];
        let mut breakdown = Vec::new();
        for (at, property) in request.breakdown.iter().enumerate() {
            let path = format!("breakdown[{at}]");
            breakdown.push(column(&mut columns, catalog, property, path)?);
        }
        let known_since = catalog.days.map(|(first, _)| first);
        let beyond = request.counted == Counted::OnOrAfter;
        let is_recurring = request.births == Births::Recurring;
        let earliest = known_since.map_or(cohorts.from().0, |day| day.start().0);
        let axis = match request.alignment {
            Alignment::Rolling => Axis::Rolling { unit: unit_ms },
            Alignment::Calendar => Axis::Calendar,
        };
        Ok(Self {
            wanted: Wanted {
                from: if is_recurring {
                    cohorts.from().0
                } else {
                    earliest.min(cohorts.from().0)
                },
                to: if beyond { i64::MAX } else { calendar.to().0 },
                selections,
                every_row: false,
                columns,
                values: if breakdown.is_empty() {
                    Vec::new()
                } else {
                    vec![breakdown]
                },
                events: false,
            },
            rules: Rules {
                axis,
                even: (1..).zip(&ends).all(|(unit, end): (u32, _)| unit == *end),
                ends,
                beyond,
                recurring: is_recurring,
                birth_returns: request.birth_returns,
            },
            counted: request.counted,
            cohorts,
            calendar,
            has_breakdown: !request.breakdown.is_empty(),
            known_since,
        })
    }

    /// Whether a bucket of a cohort is not over for all who were born in it.
    fn is_incomplete(&self, cohort: usize, bucket: usize, now: TimestampMs) -> bool {
        let end = i64::from(self.rules.ends.get(bucket).copied().unwrap_or(u32::MAX));
        let over = match self.rules.axis {
            Axis::Rolling { unit } => self
                .cohorts
                .end(cohort)
                .saturating_add(end.saturating_mul(unit)),
            Axis::Calendar => {
                let unit = cohort.saturating_add(usize::try_from(end).unwrap_or(usize::MAX));
                self.calendar.end(unit.saturating_sub(1))
            }
        };
        over > now.0
    }
}

fn ends(request: &RetentionRequest) -> Result<Vec<u32>, QueryError> {
    let Some(brackets) = &request.brackets else {
        return Ok((1..=BUCKETS).collect());
    };
    at_most("brackets", brackets.len(), BUCKETS_MAX)?;
    let longest = match request.unit {
        RetentionUnit::Hour => 24 * 31,
        RetentionUnit::Day => 366,
        RetentionUnit::Week => 104,
        RetentionUnit::Month => 36,
    };
    if brackets.is_empty() || brackets.iter().any(|end| *end == 0 || *end > longest) {
        return Err(invalid(
            "brackets",
            format!("buckets end after 1 to {longest} units"),
        ));
    }
    if !brackets.is_sorted_by(|one, other| one < other) {
        return Err(invalid(
            "brackets",
            "buckets end one after the other".to_owned(),
        ));
    }
    Ok(brackets.clone())
}

/// Sizes and counts of cohorts.
#[derive(Clone, Debug)]
struct Table {
    sizes: Vec<u64>,
    /// Per cohort and bucket.
    counts: Vec<Vec<u64>>,
}

impl Table {
    fn new(plan: &Plan) -> Self {
        Self {
            sizes: vec![0; plan.cohorts.len()],
            counts: vec![vec![0; plan.rules.ends.len()]; plan.cohorts.len()],
        }
    }

    fn add(&mut self, cohort: usize, counts: impl Iterator<Item = bool>) {
        if let Some(size) = self.sizes.get_mut(cohort) {
            *size += 1;
        }
        for (count, is_in) in self
            .counts
            .get_mut(cohort)
            .into_iter()
            .flatten()
            .zip(counts)
        {
            *count += u64::from(is_in);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "shares of counts far below 2^53"
    )]
    fn average(&self, plan: &Plan, now: TimestampMs) -> Vec<Option<f64>> {
        let average = |bucket: usize| {
            let (mut count, mut size) = (0, 0);
            for (cohort, (counts, born)) in self.counts.iter().zip(&self.sizes).enumerate() {
                if !plan.is_incomplete(cohort, bucket, now) {
                    count += counts.get(bucket).copied().unwrap_or(0);
                    size += born;
                }
            }
            (size > 0).then(|| count as f64 / size as f64)
        };
        (0..plan.rules.ends.len()).map(average).collect()
    }
}

fn compute<S: Source>(
    parts: &[S],
    plan: &Plan,
    merges: &MergeMap,
    now: TimestampMs,
    limits: &QueryLimits,
    cancelled: &AtomicBool,
) -> Result<Retention, QueryError> {
    let sweep = Sweep::new(parts, &plan.wanted, merges, cancelled);
    // One bucket more than are shown is for those who came back later still.
    if plan.rules.ends.len() < 64 {
        counted::<S, 1>(sweep, plan, now, limits)
    } else {
        counted::<S, { BUCKETS_MAX.div_ceil(64) + 1 }>(sweep, plan, now, limits)
    }
}

fn counted<S: Source, const W: usize>(
    mut sweep: Sweep<'_, S>,
    plan: &Plan,
    now: TimestampMs,
    limits: &QueryLimits,
) -> Result<Retention, QueryError> {
    let mut births = kernel::Births::<W>::new(&plan.rules, limits.timeline_bytes_max);
    let unit_of = |time: i64| u32::try_from(plan.calendar.of(time)).unwrap_or(0);
    sweep.run(&mut |hits| births.add(hits, &unit_of))?;
    let range = plan.cohorts.from().0..plan.cohorts.to().0;
    let mut all = Table::new(plan);
    let mut sizes: HashMap<u32, u64, foldhash::fast::RandomState> = HashMap::default();
    for birth in births.all().filter(|birth| range.contains(&birth.time)) {
        *sizes.entry(birth.value).or_default() += 1;
    }
    let largest = if plan.has_breakdown {
        largest(&sweep, &sizes, limits.segments_max)
    } else {
        Vec::new()
    };
    let places: HashMap<u32, usize, foldhash::fast::RandomState> = largest
        .iter()
        .enumerate()
        .map(|(place, (value, _))| (*value, place))
        .collect();
    let tables = if plan.has_breakdown {
        largest.len() + 1
    } else {
        0
    };
    let mut segments = vec![Table::new(plan); tables];
    for birth in births.all() {
        if !range.contains(&birth.time) {
            continue;
        }
        let cohort = plan.cohorts.of(birth.time);
        let back = |bucket: usize| birth.is_back(bucket);
        let counts = counts(plan.counted, plan.rules.ends.len() + 1, &back);
        let counts = || counts.iter().copied();
        all.add(cohort, counts());
        if tables > 0 {
            let place = places.get(&birth.value).copied().unwrap_or(largest.len());
            if let Some(table) = segments.get_mut(place) {
                table.add(cohort, counts());
            }
        }
    }
    let starts = [0].into_iter().chain(plan.rules.ends.iter().copied());
    Ok(Retention {
        buckets: starts
            .zip(plan.rules.ends.iter().map(|end| end - 1))
            .collect(),
        average: all.average(plan, now),
        cohorts: cohorts(plan, &all, now),
        segments: shown(plan, largest, segments, now),
        known_since: plan.known_since,
        snapshot: String::new(),
    })
}

/// Per bucket, whether somebody with these returns counts.
fn counts(counted: Counted, buckets: usize, back: &impl Fn(usize) -> bool) -> Vec<bool> {
    let mut is_in: Vec<bool> = (0..buckets).map(back).collect();
    let spread = |one: &mut bool, seen: &mut bool| {
        *seen |= *one;
        *one = *seen;
    };
    let mut seen = false;
    match counted {
        Counted::On => {}
        Counted::OnOrAfter => is_in
            .iter_mut()
            .rev()
            .for_each(|one| spread(one, &mut seen)),
        Counted::OnOrBefore => is_in.iter_mut().for_each(|one| spread(one, &mut seen)),
    }
    is_in
}

fn cohorts(plan: &Plan, all: &Table, now: TimestampMs) -> Vec<RetentionCohort> {
    let cut = plan.cohorts.incomplete(now);
    let rows = plan
        .cohorts
        .labels
        .iter()
        .zip(&all.sizes)
        .zip(&all.counts)
        .zip(cut);
    rows.enumerate()
        .map(|(cohort, (((start, size), counts), cut))| RetentionCohort {
            start: start.clone(),
            size: *size,
            counts: counts.clone(),
            incomplete: (0..counts.len())
                .map(|bucket| plan.is_incomplete(cohort, bucket, now))
                .collect(),
            cut,
        })
        .collect()
}

/// The largest segments, by size and then by their text.
fn largest<S: Source>(
    sweep: &Sweep<'_, S>,
    sizes: &HashMap<u32, u64, foldhash::fast::RandomState>,
    max: usize,
) -> Vec<(u32, Segment)> {
    let mut all: Vec<(u64, Segment, u32)> = sizes
        .iter()
        .map(|(value, size)| {
            (
                *size,
                sweep.segment(0, *value).cloned().unwrap_or_default(),
                *value,
            )
        })
        .collect();
    all.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    all.truncate(max);
    all.into_iter()
        .map(|(_, segment, value)| (value, segment))
        .collect()
}

fn shown(
    plan: &Plan,
    largest: Vec<(u32, Segment)>,
    tables: Vec<Table>,
    now: TimestampMs,
) -> Vec<RetentionSegment> {
    let rest = largest.len();
    let labels = largest.into_iter().map(|(_, segment)| {
        let texts = segment.iter();
        texts
            .map(|text| text.as_deref().map(str::to_owned))
            .collect()
    });
    let labels = labels.chain([vec![Some(OTHER.to_owned())]]);
    labels
        .zip(tables)
        .enumerate()
        .map(|(place, (segment, table))| {
            let sum = |bucket| {
                table
                    .counts
                    .iter()
                    .filter_map(|counts| counts.get(bucket))
                    .sum()
            };
            let segment = RetentionSegment {
                segment,
                size: table.sizes.iter().sum(),
                counts: (0..plan.rules.ends.len()).map(sum).collect(),
                average: table.average(plan, now),
            };
            (place, segment)
        })
        .filter(|(place, segment)| *place < rest || segment.size > 0)
        .map(|(_, segment)| segment)
        .collect()
}
