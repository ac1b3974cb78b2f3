//! Single events: a person's timeline, what there is about a person, and all rows of a range for export.
//!
//! Rows are chosen by the hot columns of the store's parts; only those that are shown are put together from the others.
//! Invariant: an answer is of one version of the store, and has every row exactly once: a person's are those of all numbers merged
//! into it.

use crate::QueryError;
use crate::expression::{Bound, Expression, Value, parse};
use cofferdam_access::{Permit, ReadEvents};
use cofferdam_model::{MergeMap, PersonNumber, ProjectName, TimestampMs};
use cofferdam_store::{
    CatalogInfo, Column, ColumnData, HotColumns, Part, Scalar, Store, StoredRow,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows put together at a time.
const CHUNK_ROWS: usize = 10_000;

/// Where a timeline goes on: before this event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowPosition {
    /// When it happened, milliseconds since 1970.
    pub time: i64,
    /// Its journal sequence number.
    pub seq: u64,
}

impl RowPosition {
    /// Of a row.
    #[must_use]
    pub fn of(row: &StoredRow) -> Self {
        Self {
            time: row.time.0,
            seq: row.seq,
        }
    }
}

/// Which events of whom.
#[derive(Clone, Debug)]
pub struct TimelineRequest {
    /// The project.
    pub project: ProjectName,
    /// Any of the person's numbers.
    pub person: PersonNumber,
    /// Only older ones.
    pub before: Option<RowPosition>,
    /// How many at most.
    pub limit: usize,
}

/// A person's events, newest first. Blocking.
///
/// # Errors
/// Where a file cannot be read.
pub fn timeline(
    _permit: &Permit<ReadEvents>,
    store: &Store,
    merges: &MergeMap,
    request: &TimelineRequest,
) -> Result<Vec<StoredRow>, QueryError> {
    let numbers = merges.cluster(request.person);
    let end = request
        .before
        .map_or(i64::MAX, |before| before.time.saturating_add(1));
    let (from, to) = (TimestampMs(i64::MIN), TimestampMs(end));
    let parts = store.reader().parts(&request.project, from, to);
    let mut rows: Vec<StoredRow> = Vec::new();
    for day in parts.chunk_by(|one, other| one.day() == other.day()).rev() {
        let missing = request.limit.saturating_sub(rows.len());
        if missing == 0 {
            break;
        }
        rows.extend(newest_of(day, &numbers, request.before, missing)?);
    }
    Ok(rows)
}

/// The newest rows of a day.
fn newest_of(
    parts: &[Part],
    numbers: &[PersonNumber],
    before: Option<RowPosition>,
    limit: usize,
) -> Result<Vec<StoredRow>, QueryError> {
    let mut places: Vec<Place> = Vec::new();
    for (part, at) in parts.iter().zip(0..) {
        let (hot, start) = (part.hot()?, part.day().start().0);
        for row in spans(&hot, numbers).flatten() {
            let time = start + i64::from(hot.time.get(row).copied().unwrap_or(0));
            if before.is_none_or(|before| time <= before.time) {
                places.push(Place::new(time, at, row));
            }
        }
    }
    places.sort_unstable_by_key(|place| std::cmp::Reverse(place.time));
    // Those of the last one's instant are all read: which of them are newest, their sequence numbers say. At the instant where
    // the page before ended, that is also so.
    let is_sure = |place: &Place| before.is_none_or(|before| place.time < before.time);
    let sure = places.partition_point(|place| !is_sure(place));
    let last = places.get((sure + limit).saturating_sub(1));
    if let Some(last) = last.map(|last| last.time) {
        places.truncate(places.partition_point(|place| place.time >= last));
    }
    let mut rows = fetch(parts, &mut places)?;
    rows.retain(|row| before.is_none_or(|before| RowPosition::of(row) < before));
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(RowPosition::of(row)));
    rows.truncate(limit);
    Ok(rows)
}

/// What the events say about a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonSummary {
    /// How many there are.
    pub events: u64,
    /// When the first one happened.
    pub first_seen: Option<TimestampMs>,
    /// When the last one happened.
    pub last_seen: Option<TimestampMs>,
    /// How many of each name, ascending by name.
    pub by_event: BTreeMap<Arc<str>, u64>,
    /// Numbers of the organizations that they name, ascending.
    pub organizations: BTreeSet<u32>,
}

/// Sums up a person's events. Blocking.
///
/// # Errors
/// Where a file cannot be read.
pub fn person_summary(
    _permit: &Permit<ReadEvents>,
    store: &Store,
    merges: &MergeMap,
    project: &ProjectName,
    person: PersonNumber,
) -> Result<PersonSummary, QueryError> {
    let numbers = merges.cluster(person);
    let mut summary = PersonSummary::default();
    let all = (TimestampMs(i64::MIN), TimestampMs(i64::MAX));
    for part in store.reader().parts(project, all.0, all.1) {
        let (hot, start) = (part.hot()?, part.day().start().0);
        let mut positions = Vec::new();
        for row in spans(&hot, &numbers).flatten() {
            let time = TimestampMs(start + i64::from(hot.time.get(row).copied().unwrap_or(0)));
            summary.events += 1;
            summary.first_seen = Some(summary.first_seen.map_or(time, |first| first.min(time)));
            summary.last_seen = Some(summary.last_seen.map_or(time, |last| last.max(time)));
            let event = hot.event.get(row).copied().unwrap_or(u16::MAX);
            if let Some(name) = hot.names.get(usize::from(event)) {
                *summary.by_event.entry(Arc::clone(name)).or_default() += 1;
            }
            positions.push(place(row));
        }
        if !positions.is_empty() {
            positions.sort_unstable();
            summary
                .organizations
                .extend(part.organizations(&positions)?);
        }
    }
    Ok(summary)
}

/// Which rows to export.
#[derive(Clone, Debug)]
pub struct RowsRequest {
    /// The project.
    pub project: ProjectName,
    /// First instant.
    pub from: TimestampMs,
    /// First instant after the range.
    pub to: TimestampMs,
    /// Only these events; `None` for all. One that nobody sent has no rows.
    pub events: Option<Vec<Arc<str>>>,
    /// A condition in Mixpanel's expression grammar; errors name it `where`.
    pub condition: Option<String>,
}

/// Rows to export, checked.
#[derive(Debug)]
pub struct Rows {
    request: RowsRequest,
    columns: Vec<Column>,
    condition: Option<Bound>,
}

impl Rows {
    /// Checks a request.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] where the condition makes no sense.
    pub fn new(request: RowsRequest, catalog: &CatalogInfo) -> Result<Self, QueryError> {
        let mut columns = Vec::new();
        let condition = request
            .condition
            .as_ref()
            .map(|text| Bound::new(text, "where", &mut columns, catalog))
            .transpose()?;
        Ok(Self {
            request,
            columns,
            condition,
        })
    }

    /// The properties that the condition names.
    pub fn properties(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter_map(|column| match column {
            Column::Property(name) => Some(&**name),
            Column::Organization | Column::Seq => None,
        })
    }

    /// Yields the rows, oldest first. Blocking.
    ///
    /// # Errors
    /// Where a file cannot be read, or [`QueryError::Cancelled`].
    pub fn each(
        &self,
        _permit: &Permit<ReadEvents>,
        store: &Store,
        cancelled: &AtomicBool,
        row: &mut dyn FnMut(StoredRow) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let request = &self.request;
        let parts = store
            .reader()
            .parts(&request.project, request.from, request.to);
        for day in parts.chunk_by(|one, other| one.day() == other.day()) {
            let mut places = Vec::new();
            for (part, at) in day.iter().zip(0..) {
                self.choose(part, at, &mut places)?;
            }
            places.sort_unstable_by_key(|place| (place.time, place.part, place.row));
            for chunk in places.chunks_mut(CHUNK_ROWS) {
                if cancelled.load(Ordering::Relaxed) {
                    return Err(QueryError::Cancelled);
                }
                let mut rows = fetch(day, chunk)?;
                rows.sort_by_key(RowPosition::of);
                if rows.into_iter().try_for_each(&mut *row).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The rows of a part that are wanted.
    fn choose(&self, part: &Part, at: u32, places: &mut Vec<Place>) -> Result<(), QueryError> {
        let request = &self.request;
        if !part.has_any(request.events.as_deref()) {
            return Ok(());
        }
        let (hot, start) = (part.hot()?, part.day().start().0);
        let wanted: Vec<bool> = hot
            .names
            .iter()
            .map(|name| {
                request
                    .events
                    .as_ref()
                    .is_none_or(|events| events.contains(name))
            })
            .collect();
        let range = request.from.0..request.to.0;
        let is_wanted = |(event, time): (&u16, &u32)| {
            wanted.get(usize::from(*event)) == Some(&true)
                && range.contains(&(start + i64::from(*time)))
        };
        let mut keep: Vec<bool> = hot.event.iter().zip(&hot.time).map(is_wanted).collect();
        if let Some(condition) = &self.condition
            && keep.contains(&true)
        {
            let columns: Vec<ColumnData> = part.columns(&self.columns)?;
            condition.narrow(&columns, &mut keep);
        }
        let rows = keep.iter().zip(&hot.time).enumerate();
        let kept = rows.filter(|(_, (keep, _))| **keep);
        places.extend(kept.map(|(row, (_, time))| Place::new(start + i64::from(*time), at, row)));
        Ok(())
    }
}

/// A condition on one thing's properties, such as a profile's, in Mixpanel's expression grammar.
#[derive(Debug)]
pub struct PropertyCondition(Expression);

impl PropertyCondition {
    /// Reads a condition.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] at `path`, with the column.
    pub fn new(text: &str, path: &str) -> Result<Self, QueryError> {
        Ok(Self(parse(text).map_err(|fault| fault.at(path))?))
    }

    /// The properties that it names.
    pub fn properties(&self) -> impl Iterator<Item = &str> {
        self.0.properties().map(|(name, _)| name)
    }

    /// Whether it holds where properties have these values.
    pub fn holds(&self, value: impl Fn(&str) -> Option<serde_json::Value>) -> bool {
        let inputs = self.properties().map(|name| {
            let json = value(name).unwrap_or(serde_json::Value::Null);
            Value::of(&Scalar::from_json(&json))
        });
        self.0.value(&inputs.collect::<Vec<_>>()).is_true()
    }
}

/// A row of one of a day's parts.
#[derive(Clone, Copy, Debug)]
struct Place {
    time: i64,
    part: u32,
    row: u32,
}

impl Place {
    fn new(time: i64, part: u32, row: usize) -> Self {
        Self {
            time,
            part,
            row: place(row),
        }
    }
}

/// A row's position; a part has fewer rows than persons have numbers.
fn place(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

/// The rows of persons, in a part that is sorted by person.
fn spans<'a>(
    hot: &'a HotColumns,
    numbers: &'a [PersonNumber],
) -> impl Iterator<Item = Range<usize>> + 'a {
    numbers.iter().map(|number| {
        let start = hot.person.partition_point(|person| *person < number.0);
        let end = hot.person.partition_point(|person| *person <= number.0);
        start..end
    })
}

/// Puts rows together, part by part.
fn fetch(parts: &[Part], places: &mut [Place]) -> Result<Vec<StoredRow>, QueryError> {
    places.sort_unstable_by_key(|place| (place.part, place.row));
    let mut rows = Vec::with_capacity(places.len());
    for chunk in places.chunk_by(|one, other| one.part == other.part) {
        let positions: Vec<u32> = chunk.iter().map(|place| place.row).collect();
        let part = chunk
            .first()
            .and_then(|place| parts.get(place.part as usize));
        if let Some(part) = part {
            rows.extend(part.rows(&positions)?);
        }
    }
    Ok(rows)
}
