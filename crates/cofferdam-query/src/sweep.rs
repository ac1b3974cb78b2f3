//! The sweep: the rows that a report follows people by, day by day, each person's in time order.
//!
//! A report says which rows ([`Wanted`]); the store's parts are read once, hot columns first and others only where a condition or
//! a value needs them; the report gets a day's rows at a time ([`Hits`]).
//! Invariant: the rows of one canonical person come ascending by (time, seq), whatever files, tail and merges they come from.
//! Rows that stand in that order already are passed on as they are; only those of people whose numbers meet on one day are sorted.

use crate::QueryError;
mod order;

use crate::columns::{Computing, Persons};
use crate::progress::Progress;
use crate::segment::{Segment, segments};
use crate::selection::Selection;
use cofferdam_model::{Day, MergeMap};
use cofferdam_store::{Column, ColumnData, HotColumns, Part};
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use order::order;
use std::sync::Arc;

/// Where rows come from: the store's parts, or a test's.
pub(crate) trait Source {
    /// The UTC day.
    fn day(&self) -> Day;
    /// Whether any of these events may be in it; `None` stands for all.
    fn has_any(&self, events: Option<&[Arc<str>]>) -> bool;
    /// Who, when and what.
    fn hot(&self) -> Result<Arc<HotColumns>, QueryError>;
    /// Other columns.
    fn columns(&self, columns: &[Column]) -> Result<Vec<ColumnData>, QueryError>;
}

impl Source for Part {
    fn day(&self) -> Day {
        Self::day(self)
    }

    fn has_any(&self, events: Option<&[Arc<str>]>) -> bool {
        Self::has_any(self, events)
    }

    fn hot(&self) -> Result<Arc<HotColumns>, QueryError> {
        Ok(Self::hot(self)?)
    }

    fn columns(&self, columns: &[Column]) -> Result<Vec<ColumnData>, QueryError> {
        Ok(Self::columns(self, columns)?)
    }
}

/// Which rows a report wants.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// First instant, milliseconds.
    pub(crate) from: i64,
    /// First instant after the range.
    pub(crate) to: i64,
    /// A row that meets selection `n` has bit `n` of its mask; at most 32.
    pub(crate) selections: Vec<Selection>,
    /// Whether rows that meet none come too, with an empty mask.
    pub(crate) every_row: bool,
    /// The columns that conditions and values name by position.
    pub(crate) columns: Vec<Column>,
    /// What is computed of them; it comes after them.
    pub(crate) computing: Computing,
    /// Per value that the report asks for, the columns that make it up.
    pub(crate) values: Vec<Vec<usize>>,
    /// Whether the event's number, by [`Sweep::events`], is one more value.
    pub(crate) events: bool,
}

impl Wanted {
    /// Whether more than who, when and what decides.
    fn is_closer(&self) -> bool {
        !(self.columns.is_empty() && self.computing.is_empty())
            || self
                .selections
                .iter()
                .any(|selection| !selection.is_plain())
    }
}

/// Rows of one UTC day.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    /// When the day begins, milliseconds since 1970.
    pub(crate) start: i64,
    /// Canonical persons.
    pub(crate) person: Vec<u32>,
    /// Milliseconds since the day began.
    pub(crate) time: Vec<u32>,
    pub(crate) mask: Vec<u32>,
    /// Per value asked for, its number in [`Sweep::segment`].
    pub(crate) values: Vec<Vec<u32>>,
    /// Part and row, for those whose order is in doubt.
    origin: Vec<(u32, u32)>,
}

impl Hits {
    pub(crate) fn len(&self) -> usize {
        self.person.len()
    }

    fn clear(&mut self) {
        self.person.clear();
        self.time.clear();
        self.mask.clear();
        self.origin.clear();
        for values in &mut self.values {
            values.clear();
        }
    }
}

/// Reads the wanted rows of the parts.
#[derive(Debug)]
pub(crate) struct Sweep<'a, S> {
    parts: &'a [S],
    wanted: &'a Wanted,
    merges: &'a MergeMap,
    progress: &'a Progress,
    /// Canonical persons of more than one number, a bit each.
    joined: Vec<u64>,
    /// Per joined person, day and last time seen on it.
    last: Vec<u64>,
    values: Vec<Interned>,
    events: Vec<Arc<str>>,
}

/// The values met so far, by number.
#[derive(Debug, Default)]
struct Interned {
    known: HashMap<Segment, u32, RandomState>,
    all: Vec<Segment>,
}

impl Interned {
    fn number(&mut self, segment: &Segment, max: usize) -> Result<u32, QueryError> {
        if let Some(number) = self.known.get(segment) {
            return Ok(*number);
        }
        if self.all.len() >= max {
            return Err(QueryError::TooLarge {
                path: "breakdown".to_owned(),
                message: format!("the properties have more than {max} different values"),
            });
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.known.insert(segment.clone(), number);
        self.all.push(segment.clone());
        Ok(number)
    }
}

/// Most different values of a property that a report tells apart.
const VALUES_MAX: usize = 200_000;

impl<'a, S: Source> Sweep<'a, S> {
    /// `progress` is asked before every part.
    pub(crate) fn new(
        parts: &'a [S],
        wanted: &'a Wanted,
        merges: &'a MergeMap,
        progress: &'a Progress,
    ) -> Self {
        let mut joined = vec![0; merges.table().len().div_ceil(64)];
        for &number in merges.merged() {
            let canonical = merges.table().get(number as usize).copied();
            set(&mut joined, canonical.unwrap_or(number));
        }
        Self {
            parts,
            wanted,
            merges,
            progress,
            joined,
            last: Vec::new(),
            values: wanted.values.iter().map(|_| Interned::default()).collect(),
            events: Vec::new(),
        }
    }

    /// The segment that value `value` has as `number`.
    pub(crate) fn segment(&self, value: usize, number: u32) -> Option<&Segment> {
        self.values.get(value)?.all.get(number as usize)
    }

    /// The names of events by number.
    pub(crate) fn events(&self) -> &[Arc<str>] {
        &self.events
    }

    /// Passes every day's rows to `sink`.
    pub(crate) fn run(
        &mut self,
        sink: &mut impl FnMut(&Hits) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        self.run_named(&mut |hits, _| sink(hits))
    }

    /// As [`Sweep::run`]; `sink` sees the names of the events so far as well.
    pub(crate) fn run_named(
        &mut self,
        sink: &mut impl FnMut(&Hits, &[Arc<str>]) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let mut hits = Hits {
            values: vec![Vec::new(); self.wanted.values.len() + usize::from(self.wanted.events)],
            ..Hits::default()
        };
        let mut lookup = vec![0_u32; 1 << 16];
        self.last.clear();
        let parts = self.parts;
        self.progress.expect(parts.len());
        for day in parts.chunk_by(|one, other| one.day() == other.day()) {
            let Some(first) = day.first() else { continue };
            hits.clear();
            hits.start = first.day().start().0;
            let mut doubted = HashSet::with_hasher(RandomState::default());
            for (number, part) in (0..).zip(day) {
                self.progress.check()?;
                self.part(
                    number,
                    part,
                    day.len() > 1,
                    &mut lookup,
                    &mut hits,
                    &mut doubted,
                )?;
                self.progress.step();
            }
            if !doubted.is_empty() {
                order(day, &doubted, &mut hits)?;
            }
            sink(&hits, &self.events)?;
        }
        Ok(())
    }

    /// Adds a part's rows.
    fn part(
        &mut self,
        number: u32,
        part: &S,
        several: bool,
        lookup: &mut [u32],
        hits: &mut Hits,
        doubted: &mut HashSet<u32, RandomState>,
    ) -> Result<(), QueryError> {
        let wanted = self.wanted;
        let names: Option<Vec<Arc<str>>> = wanted
            .selections
            .iter()
            .map(|selection| selection.event.clone())
            .collect();
        if !wanted.every_row && !part.has_any(names.as_deref()) {
            return Ok(());
        }
        let hot = part.hot()?;
        for (name, slot) in hot.names.iter().zip(lookup.iter_mut()) {
            *slot = (0..)
                .zip(&wanted.selections)
                .fold(0, |mask, (bit, selection)| {
                    let meets = selection.event.as_ref().is_none_or(|event| event == name);
                    mask | u32::from(meets) << bit
                });
        }
        let before = hits.len();
        self.rows(number, &hot, lookup, hits);
        if wanted.is_closer() && hits.len() > before {
            self.look_closer(part, &hot, before, hits)?;
        }
        if wanted.events {
            let numbers: Vec<u32> = hot.names.iter().map(|name| self.event(name)).collect();
            let number = |(_, row): &(u32, u32)| {
                let code = hot.event.get(*row as usize).copied().unwrap_or(u16::MAX);
                numbers.get(usize::from(code)).copied().unwrap_or(u32::MAX)
            };
            if let Some(values) = hits.values.last_mut() {
                values.extend(hits.origin.iter().skip(before).map(number));
            }
        }
        self.doubt(&hot, several, before, hits, doubted);
        Ok(())
    }

    /// The number of an event's name.
    fn event(&mut self, name: &Arc<str>) -> u32 {
        let known = self.events.iter().position(|known| known == name);
        let number = known.unwrap_or_else(|| {
            self.events.push(Arc::clone(name));
            self.events.len() - 1
        });
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Adds the rows of wanted events, with the bits of their events.
    fn rows(&self, part: u32, hot: &HotColumns, lookup: &[u32], hits: &mut Hits) {
        let from = self.wanted.from.saturating_sub(hits.start);
        let to = self.wanted.to.saturating_sub(hits.start);
        let every = self.wanted.every_row;
        let table = self.merges.table();
        let mut row = 0_u32;
        for codes in hot.event.chunks(64) {
            let mut bits = 0_u64;
            for (at, code) in codes.iter().enumerate() {
                let mask = lookup.get(usize::from(*code)).copied().unwrap_or(0);
                bits |= u64::from(mask != 0 || every) << at;
            }
            while bits != 0 {
                let at = row + bits.trailing_zeros();
                bits &= bits - 1;
                let place = at as usize;
                let (Some(&person), Some(&time), Some(&code)) = (
                    hot.person.get(place),
                    hot.time.get(place),
                    hot.event.get(place),
                ) else {
                    continue;
                };
                if i64::from(time) < from || i64::from(time) >= to {
                    continue;
                }
                hits.person
                    .push(table.get(person as usize).copied().unwrap_or(person));
                hits.time.push(time);
                hits.mask
                    .push(lookup.get(usize::from(code)).copied().unwrap_or(0));
                hits.origin.push((part, at));
            }
            row += 64;
        }
    }

    /// Takes away the bits of conditions that are not met, and looks values up.
    fn look_closer(
        &mut self,
        part: &S,
        hot: &HotColumns,
        before: usize,
        hits: &mut Hits,
    ) -> Result<(), QueryError> {
        let wanted = self.wanted;
        let rows = hot.len();
        let persons = Persons {
            numbers: &hot.person,
            merges: self.merges,
        };
        let mut columns = if wanted.columns.is_empty() {
            Vec::new()
        } else {
            part.columns(&wanted.columns)?
        };
        wanted.computing.add(&mut columns, persons);
        for (bit, selection) in wanted.selections.iter().enumerate() {
            if selection.is_plain() {
                continue;
            }
            let mut keep = vec![true; rows];
            selection.narrow(&columns, persons, &mut keep);
            let masks = hits.mask.iter_mut().zip(&hits.origin).skip(before);
            for (mask, (_, row)) in masks {
                if !keep.get(*row as usize).copied().unwrap_or(false) {
                    *mask &= !(1 << bit);
                }
            }
        }
        if !wanted.every_row {
            drop_unmasked(hits, before);
        }
        for ((breakdown, interned), out) in wanted
            .values
            .iter()
            .zip(&mut self.values)
            .zip(&mut hits.values)
        {
            let (codes, labels) = segments(breakdown, &columns, rows);
            let mut numbers = vec![u32::MAX; labels.len()];
            for (_, row) in hits.origin.iter().skip(before) {
                let code = codes.get(*row as usize).copied().unwrap_or(0) as usize;
                let (Some(number), Some(label)) = (numbers.get_mut(code), labels.get(code)) else {
                    out.push(u32::MAX);
                    continue;
                };
                if *number == u32::MAX {
                    *number = interned.number(label, VALUES_MAX)?;
                }
                out.push(*number);
            }
        }
        Ok(())
    }

    /// Marks the people whose rows may not stand in order: those with rows of several numbers or parts on this day that overlap.
    fn doubt(
        &mut self,
        hot: &HotColumns,
        several: bool,
        before: usize,
        hits: &Hits,
        doubted: &mut HashSet<u32, RandomState>,
    ) {
        if !several && self.merges.merged().is_empty() {
            return;
        }
        let day = u64::from((hits.start / 86_400_000).unsigned_abs() as u32 + 1) << 32;
        let mut current = None;
        let rows = hits.person.iter().zip(&hits.time).zip(&hits.origin);
        for ((&person, &time), (_, row)) in rows.skip(before) {
            if !several && !has(&self.joined, person) {
                continue;
            }
            let place = person as usize;
            if place >= self.last.len() {
                self.last.resize(place + 1 + place / 2, 0);
            }
            let Some(last) = self.last.get_mut(place) else {
                continue;
            };
            let number = hot.person.get(*row as usize).copied();
            let now = day | u64::from(time);
            if current != number && *last >= day && *last >= now {
                doubted.insert(person);
            }
            current = number;
            *last = now.max(if *last >= day { *last } else { 0 });
        }
    }
}

fn set(bits: &mut Vec<u64>, number: u32) {
    let word = number as usize / 64;
    if word >= bits.len() {
        bits.resize(word + 1, 0);
    }
    if let Some(word) = bits.get_mut(word) {
        *word |= 1 << (number % 64);
    }
}

fn has(bits: &[u64], number: u32) -> bool {
    bits.get(number as usize / 64)
        .is_some_and(|word| word >> (number % 64) & 1 == 1)
}

/// Drops the rows whose conditions failed.
fn drop_unmasked(hits: &mut Hits, before: usize) {
    let mut kept = before;
    for at in before..hits.len() {
        if hits.mask.get(at).is_some_and(|mask| *mask != 0) {
            hits.person.swap(kept, at);
            hits.time.swap(kept, at);
            hits.mask.swap(kept, at);
            hits.origin.swap(kept, at);
            kept += 1;
        }
    }
    hits.person.truncate(kept);
    hits.time.truncate(kept);
    hits.mask.truncate(kept);
    hits.origin.truncate(kept);
}
