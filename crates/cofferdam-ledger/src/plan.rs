//! Which cells, and what of them, count for a question: files and memory in, sources and field groups out.
//!
//! Fields whose people come from the same parts of the same cells share one group, so that each is united and merged once.
//! Invariant: a roll-up stands for its days only where the window covers all of them and no deletion or retention divides them.

use crate::cell::{FieldOf, Kept, Meta, Table, encode};
use crate::ledger::Core;
use crate::month::{MonthFile, month_of};
use crate::union::{DELIVERED, PEOPLE, Place, Source};
use crate::{FieldKey, LedgerError};
use cofferdam_model::Day;
use foldhash::HashMap;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was in a stream at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    files: Vec<Arc<MonthFile>>,
    memory: Vec<(Meta, Arc<Table>, Arc<Vec<u8>>)>,
    /// Ascending by last day covered.
    pub(crate) deleted: Vec<(Day, RoaringBitmap)>,
}

/// Which days count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) since: Day,
    pub(crate) until: Day,
    /// Before this day only profile and group fields count.
    pub(crate) events_since: Day,
    /// Whether confirmed deletions are taken off.
    pub(crate) deletions: bool,
}

impl Window {
    /// Everything that was sent in it.
    pub(crate) fn sent(since: Day, until: Day) -> Self {
        Self {
            since,
            until,
            events_since: since,
            deletions: false,
        }
    }
}

/// One field of the answer.
#[derive(Clone, Debug)]
pub(crate) struct PlannedField {
    pub(crate) key: FieldKey,
    pub(crate) group: usize,
    pub(crate) first: Day,
    pub(crate) last: Day,
    /// Whether any of its cells names a person.
    pub(crate) has_people: bool,
}

/// What is to be united.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) sources: Vec<Source>,
    pub(crate) fields: Vec<PlannedField>,
    pub(crate) groups: usize,
    pub(crate) track_delivered: bool,
    pub(crate) events: u64,
    pub(crate) first: Option<Day>,
}

impl Core {
    /// The stream's cells that touch the days, at this moment.
    pub(crate) fn snapshot(
        &mut self,
        stream: &Arc<str>,
        since: Day,
        until: Day,
    ) -> Result<Snapshot, LedgerError> {
        let mut memory = Vec::new();
        for (day, cell) in self.grown(stream, since..=until) {
            let (mut table, mut bytes) = (Table::default(), Vec::new());
            let meta = encode(&cell, (day, day), &mut table, &mut bytes)
                .map_err(LedgerError::io("encode", "memory".as_ref()))?;
            memory.push((meta, Arc::new(table), Arc::new(bytes)));
        }
        let from = (Arc::clone(stream), Day(i32::MIN));
        let to = (Arc::clone(stream), Day(i32::MAX));
        let deleted = self.state.books.deleted.range(from..=to);
        Ok(Snapshot {
            files: self.files.of(stream, month_of(since)..=month_of(until))?,
            memory,
            deleted: deleted.map(|((_, day), p)| (*day, p.clone())).collect(),
        })
    }
}

/// Adds up the parts of a field.
#[derive(Debug)]
struct Collected {
    first: Day,
    last: Day,
    has_people: bool,
    /// Source number and part.
    parts: Vec<(usize, Kept)>,
}

impl Snapshot {
    /// Decides what counts.
    pub(crate) fn plan(&self, window: Window, with_fields: bool) -> Plan {
        let mut plan = Plan::default();
        let mut fields: BTreeMap<FieldKey, Collected> = BTreeMap::new();
        let mut chosen: Vec<(Meta, Arc<Table>, Place)> = Vec::new();
        for file in &self.files {
            let table = Arc::new(file.table.clone());
            let in_window =
                |meta: &Meta| window.since <= meta.days.0 && meta.days.1 <= window.until;
            let cells: Vec<&Meta> = file.cells.iter().filter(|meta| in_window(meta)).collect();
            for meta in &cells {
                note_days(meta, &table, window, &mut fields);
                plan.note(meta, window);
            }
            let place = |meta: &Meta| {
                let place = Place::File(Arc::clone(file));
                (meta.clone(), Arc::clone(&table), place)
            };
            match &file.rollup {
                Some(rollup)
                    if cells.len() == file.cells.len() && self.whole(file, rollup, window) =>
                {
                    chosen.push(place(rollup));
                }
                _ => chosen.extend(cells.into_iter().map(place)),
            }
        }
        for (meta, table, bytes) in &self.memory {
            if window.since <= meta.days.0 && meta.days.1 <= window.until {
                note_days(meta, table, window, &mut fields);
                plan.note(meta, window);
                let place = Place::Memory(Arc::clone(bytes));
                chosen.push((meta.clone(), Arc::clone(table), place));
            }
        }
        chosen.sort_by_key(|(meta, ..)| meta.days.1);
        for (meta, table, place) in chosen {
            plan.add(meta, &table, place, window, &mut fields);
        }
        plan.track_delivered = plan.sources.iter().any(|s| s.meta.undelivered.len > 0);
        plan.groups = DELIVERED + 1;
        if with_fields {
            plan.group(fields);
        }
        plan
    }

    /// Whether nothing divides the days of a roll-up. A month of which only profile and group fields count is divided by what
    /// was not delivered: the delivery of an aged event says nothing about the profile.
    fn whole(&self, file: &MonthFile, rollup: &Meta, window: Window) -> bool {
        let (first, last) = rollup.days;
        let all_delivered = || file.cells.iter().all(|meta| meta.undelivered.len == 0);
        let one_age =
            window.events_since <= first || (last < window.events_since && all_delivered());
        let mut deleted = self.deleted.iter().filter(|_| window.deletions);
        one_age && !deleted.any(|(as_of, _)| first <= *as_of && *as_of < last)
    }
}

/// The fields of a cell that count in a window.
fn counting<'a>(
    meta: &'a Meta,
    table: &'a Table,
    window: Window,
) -> impl Iterator<Item = (&'a FieldOf, Kept)> {
    let old = meta.days.1 < window.events_since;
    meta.fields.iter().filter_map(move |(number, kept)| {
        let field = table.fields.get(*number as usize)?;
        (!old || field.lasting).then_some((field, *kept))
    })
}

fn note_days(
    meta: &Meta,
    table: &Table,
    window: Window,
    fields: &mut BTreeMap<FieldKey, Collected>,
) {
    for (field, kept) in counting(meta, table, window) {
        let known = match fields.get_mut(&field.key) {
            Some(known) => known,
            None => fields.entry(field.key.clone()).or_insert(Collected {
                first: meta.days.0,
                last: meta.days.1,
                has_people: false,
                parts: Vec::new(),
            }),
        };
        known.first = known.first.min(meta.days.0);
        known.last = known.last.max(meta.days.1);
        // An own bitmap of 8 bytes is the empty one: the field of a group update.
        known.has_people |= match kept {
            Kept::All => meta.person_max.is_some(),
            Kept::Own(span) => span.len > 8,
            Kept::Lacks(_) => true,
        };
    }
}

impl Plan {
    fn note(&mut self, meta: &Meta, window: Window) {
        if meta.days.1 >= window.events_since {
            self.events += meta.events;
        }
        let day = meta.days.0;
        self.first = Some(self.first.map_or(day, |first| first.min(day)));
    }

    fn add(
        &mut self,
        meta: Meta,
        table: &Table,
        place: Place,
        window: Window,
        fields: &mut BTreeMap<FieldKey, Collected>,
    ) {
        let old = meta.days.1 < window.events_since;
        let number = self.sources.len();
        let mut people = Vec::new();
        for (field, kept) in counting(&meta, table, window) {
            people.push(kept);
            if let Some(known) = fields.get_mut(&field.key) {
                known.parts.push((number, kept));
            }
        }
        if old && people.is_empty() {
            return;
        }
        self.sources.push(Source {
            place,
            meta,
            people: old.then_some(people),
            parts: Vec::new(),
        });
    }

    /// Gives each distinct list of parts one group.
    fn group(&mut self, fields: BTreeMap<FieldKey, Collected>) {
        let mut groups: HashMap<Vec<(usize, Kept)>, usize> = HashMap::default();
        for (key, mut found) in fields {
            // Where everybody counts, a second part of the same cell adds nobody.
            let all: Vec<usize> = found
                .parts
                .iter()
                .filter(|(_, kept)| *kept == Kept::All)
                .map(|(number, _)| *number)
                .collect();
            found
                .parts
                .retain(|(number, kept)| *kept == Kept::All || all.binary_search(number).is_err());
            found.parts.dedup();
            let everybody = found.parts.len() == self.sources.len()
                && found.parts.iter().all(|(_, kept)| *kept == Kept::All);
            let group = if everybody {
                PEOPLE
            } else if let Some(&group) = groups.get(&found.parts) {
                group
            } else {
                let group = self.groups;
                self.groups += 1;
                for &(number, kept) in &found.parts {
                    if let Some(source) = self.sources.get_mut(number) {
                        source.parts.push((group, kept));
                    }
                }
                groups.insert(found.parts, group);
                group
            };
            self.fields.push(PlannedField {
                key,
                group,
                first: found.first,
                last: found.last,
                has_people: found.has_people,
            });
        }
    }

    /// Distinct organizations of all sources.
    pub(crate) fn organizations(&self) -> Result<u64, LedgerError> {
        let mut all = RoaringBitmap::new();
        for source in &self.sources {
            let span = source.meta.organizations;
            if span.len == 0 {
                continue;
            }
            let found = match &source.place {
                Place::Memory(bytes) => span.of(bytes).and_then(crate::cell::bitmap),
                Place::File(file) => {
                    let at = source.meta.offset + u64::from(span.start);
                    crate::cell::bitmap(&file.part(at, span.len as usize)?)
                }
            };
            all |= found.ok_or_else(|| crate::union::broken(source))?;
        }
        Ok(all.len())
    }
}
