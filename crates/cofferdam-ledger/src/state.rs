//! What the ledger holds in memory, and the one function that applies a log entry to it.
//!
//! The write path applies an entry right after appending it; recovery applies the same entries from the log.
//! Invariant: applying the log to the last checkpoint's state gives exactly the state in memory.

use crate::cell::{Cell, FieldOf};
use crate::entry::{Entry, Item};
use crate::{FieldKey, FieldSetId, Gap, Items, Outcome};
use cofferdam_model::{Day, ProjectName, VendorId};
use foldhash::HashMap;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name of the stream of a vendor's exposures.
pub(crate) fn vendor_stream(vendor: &VendorId) -> Arc<str> {
    Arc::from(format!("v/{vendor}"))
}

/// Name of the pseudo-vendor that stands for what a project's senders sent.
pub(crate) fn seen_stream(project: &ProjectName) -> Arc<str> {
    Arc::from(format!("s/{project}"))
}

/// Name of a source of past sends to a vendor.
pub(crate) fn past_source(vendor: &VendorId, source: &str) -> Arc<str> {
    Arc::from(format!("h/{vendor}/{source}"))
}

/// Interned lists of fields; append-only.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldSets {
    lists: Vec<Arc<[FieldKey]>>,
    numbers: HashMap<Arc<[FieldKey]>, u32>,
}

impl FieldSets {
    pub(crate) fn intern(&mut self, fields: &[FieldKey]) -> FieldSetId {
        let mut sorted = fields.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        if let Some(&number) = self.numbers.get(sorted.as_slice()) {
            return FieldSetId(number);
        }
        let number = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        let list: Arc<[FieldKey]> = Arc::from(sorted);
        self.lists.push(Arc::clone(&list));
        self.numbers.insert(list, number);
        FieldSetId(number)
    }

    pub(crate) fn list(&self, set: u32) -> Option<&Arc<[FieldKey]>> {
        self.lists.get(set as usize)
    }
}

/// One stream's day as it grows: people by field set, so that an item costs one insertion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Growing {
    pub(crate) sets: HashMap<(u32, bool), RoaringBitmap>,
    pub(crate) delivered: RoaringBitmap,
    pub(crate) organizations: RoaringBitmap,
    pub(crate) events: u64,
}

impl Growing {
    pub(crate) fn add(&mut self, item: &Item, count_event: bool) {
        let people = self.sets.entry((item.set, !item.is_event)).or_default();
        if let Some(person) = item.person {
            people.insert(person);
        }
        if let Some(organization) = item.organization {
            self.organizations.insert(organization);
        }
        self.events += u64::from(item.is_event && count_event);
    }

    /// The same day by field. People of `seen` count as delivered: there is nothing to confirm.
    pub(crate) fn to_cell(&self, sets: &FieldSets, seen: bool) -> Cell {
        let mut cell = Cell {
            delivered: self.delivered.clone(),
            organizations: self.organizations.clone(),
            events: self.events,
            ..Cell::default()
        };
        for (&(set, is_update), people) in &self.sets {
            cell.base |= people;
            let fields = sets.list(set).map(AsRef::as_ref).unwrap_or_default();
            for field in fields {
                let key = FieldOf::new(field.clone(), is_update);
                *cell.fields.entry(key).or_default() |= people;
            }
        }
        cell.base |= &cell.delivered;
        if seen {
            cell.delivered = cell.base.clone();
        }
        cell
    }
}

/// Days that grew since some point, by stream and day.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delta {
    pub(crate) days: BTreeMap<(Arc<str>, Day), Growing>,
}

impl Delta {
    pub(crate) fn day(&mut self, stream: &Arc<str>, day: Day) -> &mut Growing {
        self.days.entry((Arc::clone(stream), day)).or_default()
    }

    /// The days of one stream, ascending.
    pub(crate) fn of(&self, stream: &Arc<str>) -> impl Iterator<Item = (Day, &Growing)> {
        self.days
            .range((Arc::clone(stream), Day(i32::MIN))..=(Arc::clone(stream), Day(i32::MAX)))
            .map(|((_, day), growing)| (*day, growing))
    }
}

/// A batch that is not wholly settled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batch {
    pub(crate) stream: Arc<str>,
    pub(crate) day: Day,
    /// Person by position.
    pub(crate) persons: Vec<Option<u32>>,
    /// Positions that are open.
    pub(crate) open: RoaringBitmap,
}

/// What a checkpoint keeps beside the cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Books {
    pub(crate) next_batch: u64,
    pub(crate) seen_cursor: u64,
    pub(crate) batches: BTreeMap<u64, Batch>,
    /// Last outbox number announced, by stream; last line of past sends, by their source (`h/…`).
    pub(crate) outbox: BTreeMap<Arc<str>, u64>,
    /// Gaps by stream; `None` is every vendor.
    pub(crate) gaps: Vec<(Option<Arc<str>>, Gap)>,
    /// Confirmed deletions by stream and last day covered.
    pub(crate) deleted: BTreeMap<(Arc<str>, Day), RoaringBitmap>,
}

/// Everything in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) sets: FieldSets,
    pub(crate) delta: Delta,
    pub(crate) books: Books,
}

impl State {
    /// Applies one entry. `numbers` maps the log's field set numbers to ours (recovery); `None` where they are ours already.
    /// Returns whether the entry makes sense here.
    pub(crate) fn apply(&mut self, entry: &Entry, numbers: &mut Option<HashMap<u32, u32>>) -> bool {
        match entry {
            Entry::FieldSet { set, fields } => {
                let ours = self.sets.intern(fields).0;
                if let Some(numbers) = numbers {
                    numbers.insert(*set, ours);
                }
            }
            Entry::Possible {
                batch,
                stream,
                outbox_seq,
                day,
                items,
            } => {
                let last = outbox_seq.and_then(|_| self.books.outbox.get(stream).copied());
                let is_new = outbox_seq.is_none_or(|seq| last.is_none_or(|last| seq > last));
                if let (Some(seq), true) = (*outbox_seq, is_new) {
                    self.books.outbox.insert(Arc::clone(stream), seq);
                }
                self.books.next_batch = self.books.next_batch.max(batch + 1);
                if !self.add(stream, items, numbers.as_ref(), is_new, Some(*day)) {
                    return false;
                }
                self.open(*batch, stream, *day, items);
            }
            Entry::Settle { batch, outcome } => self.settle(*batch, outcome),
            Entry::Seen {
                from_seq,
                next_seq,
                streams,
            } => {
                // After a failed sync an earlier stretch may be lost: then this one is read from the journal again, too.
                if *from_seq != self.books.seen_cursor {
                    return true;
                }
                for (stream, items) in streams {
                    if !self.add(stream, items, numbers.as_ref(), true, None) {
                        return false;
                    }
                }
                self.books.seen_cursor = *next_seq;
            }
            Entry::Gap { stream, gap } => {
                let gap = (stream.clone(), gap.clone());
                if !self.books.gaps.contains(&gap) {
                    self.books.gaps.push(gap);
                }
            }
            Entry::Deleted {
                stream,
                as_of,
                persons,
            } => {
                let people = self.books.deleted.entry((Arc::clone(stream), *as_of));
                people.or_default().extend(persons.iter().copied());
            }
            Entry::Past {
                stream,
                source,
                through,
                items,
            } => {
                let last = self.books.outbox.get(source);
                let is_new = last.is_none_or(|last| through > last);
                if is_new {
                    self.books.outbox.insert(Arc::clone(source), *through);
                }
                if !self.add(stream, items, numbers.as_ref(), is_new, None) {
                    return false;
                }
                // The vendor itself says that it has them.
                for item in items {
                    let growing = self.delta.day(stream, item.day);
                    growing.delivered.extend(item.person);
                }
            }
        }
        true
    }

    fn add(
        &mut self,
        stream: &Arc<str>,
        items: &[Item],
        numbers: Option<&HashMap<u32, u32>>,
        count_events: bool,
        day: Option<Day>,
    ) -> bool {
        let mut at = None;
        for item in items {
            let set = match numbers {
                None => Some(item.set),
                Some(numbers) => numbers.get(&item.set).copied(),
            };
            let Some(set) = set.filter(|&set| self.sets.list(set).is_some()) else {
                return false;
            };
            let day = day.unwrap_or(item.day);
            let growing = match at.take() {
                Some((same, growing)) if same == day => growing,
                _ => self.delta.day(stream, day),
            };
            growing.add(&Item { set, ..*item }, count_events);
            at = Some((day, growing));
        }
        true
    }

    fn open(&mut self, batch: u64, stream: &Arc<str>, day: Day, items: &[Item]) {
        if items.is_empty() {
            return;
        }
        let mut open = RoaringBitmap::new();
        open.insert_range(0..u32::try_from(items.len()).unwrap_or(u32::MAX));
        let batch_of = Batch {
            stream: Arc::clone(stream),
            day,
            persons: items.iter().map(|item| item.person).collect(),
            open,
        };
        self.books.batches.insert(batch, batch_of);
    }

    fn settle(&mut self, number: u64, outcome: &Outcome) {
        let Some(batch) = self.books.batches.get_mut(&number) else {
            return;
        };
        let delivered = batch.take(&outcome.delivered);
        batch.take(&outcome.refused);
        batch.take(&outcome.unknown);
        let (stream, day) = (Arc::clone(&batch.stream), batch.day);
        let people: Vec<u32> = delivered
            .iter()
            .filter_map(|at| batch.persons.get(at as usize).copied().flatten())
            .collect();
        if batch.open.is_empty() {
            self.books.batches.remove(&number);
        }
        if !people.is_empty() {
            self.delta.day(&stream, day).delivered.extend(people);
        }
    }
}

impl Batch {
    /// Takes the open ones of the chosen positions out.
    fn take(&mut self, items: &Items) -> RoaringBitmap {
        let chosen = match items {
            Items::None => return RoaringBitmap::new(),
            Items::All => self.open.clone(),
            Items::At(positions) => &self.open & &positions.iter().copied().collect(),
        };
        self.open -= &chosen;
        chosen
    }
}
