//! The retention report: of those who were born, how many came back after how long.
//!
//! Invariant: computed from one version of the store over canonical persons; shares are averaged over complete buckets only.

mod bar;
mod kernel;
mod request;

#[cfg(test)]
mod tests;

use crate::bars::shown;
use crate::buckets::{self, Buckets};
use crate::columns::{Columns, Context};
use crate::segment::Segment;
use crate::selection::{Selection, at_most, invalid, zone};
use crate::sweep::{Source, Sweep, Wanted};
use crate::{Inputs, QueryError, QueryLimits, Unit};
pub use bar::RetentionBar;
pub(crate) use bar::behind;
#[cfg(test)]
pub(crate) use bar::of;
use cofferdam_model::{Day, TimestampMs};
use hashbrown::HashMap;
use kernel::{Axis, Rules};
pub use request::{
    Alignment, Births, Counted, Retention, RetentionCohort, RetentionRequest, RetentionSegment,
    RetentionUnit,
};

/// Most buckets.
const BUCKETS_MAX: usize = 366;
/// Fewer buckets than this have a bit each in one word; one more than are shown is for those who came back later still.
const FEW: usize = 64;
/// Words for any number of buckets.
const MANY: usize = BUCKETS_MAX.div_ceil(64) + 1;
/// Buckets where none are given.
const BUCKETS: u32 = 8;
/// The segment of what is beyond the limit of segments.
const OTHER: &str = "$other";

/// Computes the report. Blocking: call it on a blocking thread.
///
/// # Errors
/// As [`crate::funnel`].
pub fn retention(inputs: Inputs<'_>, request: &RetentionRequest) -> Result<Retention, QueryError> {
    let (reader, limits) = (inputs.store.reader(), QueryLimits::default());
    let catalog = reader.catalog(&request.project);
    let plan = Plan::new(request, inputs.context(&catalog, &limits))?;
    let (from, to) = (TimestampMs(plan.wanted.from), TimestampMs(plan.wanted.to));
    let parts = reader.parts(&request.project, from, to);
    let sweep = Sweep::new(&parts, &plan.wanted, inputs.merges, inputs.progress);
    let mut answer = compute(sweep, &plan, inputs.now, &limits)?;
    answer.snapshot = reader.id().to_string();
    Ok(answer)
}

/// A request made ready.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) wanted: Wanted,
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
    pub(crate) fn new(
        request: &RetentionRequest,
        context: Context<'_>,
    ) -> Result<Self, QueryError> {
        let limits = context.limits;
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
        let buckets = |to| {
            let axis = buckets::Axis {
                from: request.from,
                to,
                unit,
                week_start: request.week_start,
                history: None,
            };
            Buckets::on(&axis, &zone, limits.buckets_max)
        };
        let cohorts = buckets(request.to)?;
        // One more unit than is asked for, as the last birth may be at the end of its unit.
        let beyond = i32::try_from(days).unwrap_or(i32::MAX).saturating_add(32);
        let end = Day(request.to.0.saturating_add(beyond));
        let calendar = buckets(end)?;
        let mut columns = Columns::new(context);
        let mut select = |selection, path| Selection::new(selection, path, &mut columns);
        let selections = vec![
            select(&request.born, "born")?,
            select(&request.returned, "returned")?,
        ];
        let breakdown = columns.places("breakdown", &request.breakdown)?;
        let breakdown = columns.positions(&breakdown);
        let (columns, computing) = columns.finish();
        let known_since = context.catalog.days.map(|(first, _)| first);
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
                computing,
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

pub(crate) fn compute<S: Source>(
    sweep: Sweep<'_, S>,
    plan: &Plan,
    now: TimestampMs,
    limits: &QueryLimits,
) -> Result<Retention, QueryError> {
    if plan.rules.ends.len() < FEW {
        counted::<S, 1>(sweep, plan, now, limits)
    } else {
        counted::<S, MANY>(sweep, plan, now, limits)
    }
}

/// All births, and the segments that are shown.
struct Found<'p, const W: usize> {
    plan: &'p Plan,
    births: kernel::Births<'p, W>,
    largest: Vec<(u32, Segment)>,
    places: HashMap<u32, usize, foldhash::fast::RandomState>,
}

/// A birth of the report.
struct Member {
    cohort: usize,
    /// Of the segment; the one after the largest is the rest.
    place: usize,
    /// Per bucket, and one after the last, whether it counts there.
    counts: Vec<bool>,
}

impl<'p, const W: usize> Found<'p, W> {
    fn new<S: Source>(
        sweep: &mut Sweep<'_, S>,
        plan: &'p Plan,
        limits: &QueryLimits,
    ) -> Result<Self, QueryError> {
        let mut births = kernel::Births::<W>::new(&plan.rules, limits.timeline_bytes_max);
        let unit_of = |time: i64| u32::try_from(plan.calendar.of(time)).unwrap_or(0);
        sweep.run(&mut |hits| births.add(hits, &unit_of))?;
        let range = plan.cohorts.from().0..plan.cohorts.to().0;
        let mut largest = Vec::new();
        if plan.has_breakdown {
            let mut sizes: HashMap<u32, u64, foldhash::fast::RandomState> = HashMap::default();
            for birth in births.all().filter(|birth| range.contains(&birth.time)) {
                *sizes.entry(birth.value).or_default() += 1;
            }
            largest = self::largest(sweep, &sizes, limits.segments_max);
        }
        let places = largest
            .iter()
            .enumerate()
            .map(|(place, (value, _))| (*value, place))
            .collect();
        Ok(Self {
            plan,
            births,
            largest,
            places,
        })
    }

    /// `None` for a birth outside the range.
    fn member(&self, birth: &kernel::Birth<W>) -> Option<Member> {
        let cohorts = &self.plan.cohorts;
        let back = |bucket: usize| birth.is_back(bucket);
        (cohorts.from().0..cohorts.to().0)
            .contains(&birth.time)
            .then(|| Member {
                cohort: cohorts.of(birth.time),
                place: self
                    .places
                    .get(&birth.value)
                    .copied()
                    .unwrap_or(self.largest.len()),
                counts: counts(self.plan.counted, self.plan.rules.ends.len() + 1, &back),
            })
    }

    /// The segments as the answer names them, the rest last.
    fn labels(&self) -> impl Iterator<Item = Vec<Option<String>>> + '_ {
        let own = self.largest.iter().map(|(_, segment)| shown(segment));
        own.chain([vec![Some(OTHER.to_owned())]])
    }
}

fn counted<S: Source, const W: usize>(
    mut sweep: Sweep<'_, S>,
    plan: &Plan,
    now: TimestampMs,
    limits: &QueryLimits,
) -> Result<Retention, QueryError> {
    let found = Found::<W>::new(&mut sweep, plan, limits)?;
    let mut all = Table::new(plan);
    let tables = if plan.has_breakdown {
        found.largest.len() + 1
    } else {
        0
    };
    let mut segments = vec![Table::new(plan); tables];
    for birth in found.births.all() {
        let Some(member) = found.member(birth) else {
            continue;
        };
        let counts = || member.counts.iter().copied();
        all.add(member.cohort, counts());
        if let Some(table) = segments.get_mut(member.place) {
            table.add(member.cohort, counts());
        }
    }
    let starts = [0].into_iter().chain(plan.rules.ends.iter().copied());
    Ok(Retention {
        buckets: starts
            .zip(plan.rules.ends.iter().map(|end| end - 1))
            .collect(),
        average: all.average(plan, now),
        cohorts: cohorts(plan, &all, now),
        segments: answer_segments(&found, segments, now),
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

fn answer_segments<const W: usize>(
    found: &Found<'_, W>,
    tables: Vec<Table>,
    now: TimestampMs,
) -> Vec<RetentionSegment> {
    let (plan, rest) = (found.plan, found.largest.len());
    found
        .labels()
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
