//! The union of many encoded cells, per group of fields, in dense bitsets: where a radius spends its time.
//!
//! `plan.rs` says which parts of which cells count for which group; the bytes come from month files and from memory.
//! Works range by range of 65,536 people, so that a range's bits stay in the first-level cache while all cells pass.
//! Invariant: a group's bits are the union of its parts over all sources; confirmed deletions apply to what was sent before.

use crate::LedgerError;
use crate::cell::{Kept, Meta, Span};
use crate::month::MonthFile;
use crate::portable::{Chunk, View};
use cofferdam_model::{Day, MergeMap};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// Bytes of cells that are loaded at once.
const BATCH_BYTES: usize = 8 << 20;
/// Words of a range of 65,536 people.
pub(crate) const RANGE: usize = 1024;

/// Where a cell's bytes are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(Arc<MonthFile>),
    Memory(Arc<Vec<u8>>),
}

/// A cell that counts, and what of it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) place: Place,
    pub(crate) meta: Meta,
    /// Whose people count: everybody's (`None`), or those of these fields (older than the retention of events).
    pub(crate) people: Option<Vec<Kept>>,
    /// Part by group number; the same group may have two parts. Groups 0 (people) and 1 (delivered) are implied.
    pub(crate) parts: Vec<(usize, Kept)>,
}

/// Group of all people.
pub(crate) const PEOPLE: usize = 0;
/// Group of people with a confirmed delivery.
pub(crate) const DELIVERED: usize = 1;

/// Bitsets by group, over person numbers.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) bits: Vec<Vec<u64>>,
}

/// Unites sources (ascending by last day) into `groups` bitsets. `deleted`: ascending by last day covered.
pub(crate) fn unite(
    sources: &[Source],
    groups: usize,
    track_delivered: bool,
    deleted: &[(Day, RoaringBitmap)],
) -> Result<Groups, LedgerError> {
    let top = sources.iter().filter_map(|source| source.meta.person_max);
    let ranges = top.max().map_or(0, |max| (max >> 16) as usize + 1);
    let mut out = Groups {
        bits: vec![vec![0; ranges * RANGE]; groups],
    };
    let mut buffer = Vec::new();
    let mut deleted = deleted.iter().peekable();
    let mut rest = sources;
    while let Some(next) = rest.first() {
        while let Some((_, people)) = deleted.next_if(|(as_of, _)| *as_of < next.meta.days.1) {
            out.remove(people);
        }
        let until = deleted.peek().map_or(Day(i32::MAX), |(as_of, _)| *as_of);
        let (batch, later) = rest.split_at(batch_len(rest, until));
        load(batch, &mut buffer)?;
        out.add(batch, &buffer, track_delivered)?;
        rest = later;
    }
    for (_, people) in deleted {
        out.remove(people);
    }
    Ok(out)
}

/// How many sources fit into one batch; at least one.
fn batch_len(sources: &[Source], until: Day) -> usize {
    let mut bytes = 0;
    let fitting = sources.iter().take_while(|source| {
        bytes += source.meta.len as usize;
        bytes <= BATCH_BYTES && source.meta.days.1 <= until
    });
    fitting.count().max(1)
}

fn load(batch: &[Source], buffer: &mut Vec<u8>) -> Result<(), LedgerError> {
    let total = batch.iter().map(|source| source.meta.len as usize).sum();
    if buffer.len() < total {
        buffer.resize(total, 0);
    }
    let mut rest = buffer.as_mut_slice();
    for source in batch {
        let Some((bytes, more)) = rest.split_at_mut_checked(source.meta.len as usize) else {
            break;
        };
        match &source.place {
            Place::File(file) => file.read(&source.meta, bytes)?,
            Place::Memory(memory) => bytes.copy_from_slice(memory),
        }
        rest = more;
    }
    Ok(())
}

/// Cursors over one source's bitmaps.
struct Cursors<'a> {
    base: View<'a>,
    /// Fields whose people count, where not everybody's do.
    people: Option<Vec<Part<'a>>>,
    undelivered: Option<View<'a>>,
    parts: Vec<(usize, Part<'a>)>,
    /// Whether only group 0 needs this source.
    plain: bool,
}

enum Part<'a> {
    All,
    Own(View<'a>),
    Lacks(View<'a>),
}

impl<'a> Part<'a> {
    fn new(kept: Kept, bytes: &'a [u8]) -> Option<Self> {
        let view = |span: Span| View::new(span.of(bytes)?);
        Some(match kept {
            Kept::All => Self::All,
            Kept::Own(span) => Self::Own(view(span)?),
            Kept::Lacks(span) => Self::Lacks(view(span)?),
        })
    }

    fn is_broken(&self) -> bool {
        match self {
            Self::All => false,
            Self::Own(view) | Self::Lacks(view) => view.is_broken(),
        }
    }

    /// Joins this part's people of the range of `key` into `to`; `base` is the range of the base.
    fn join(&mut self, key: u16, base: &Chunk, to: &mut Chunk, spare: &mut Chunk) {
        match self {
            Self::All => or(to, base),
            Self::Own(view) => {
                if let Some(container) = view.seek(key) {
                    container.set(to);
                }
            }
            Self::Lacks(view) => match view.seek(key) {
                None => or(to, base),
                Some(container) => {
                    *spare = *base;
                    container.clear(spare);
                    or(to, spare);
                }
            },
        }
    }
}

impl<'a> Cursors<'a> {
    fn new(source: &Source, bytes: &'a [u8], track_delivered: bool) -> Option<Self> {
        let undelivered = match source.meta.undelivered {
            span if span.len == 0 || !track_delivered => None,
            span => Some(View::new(span.of(bytes)?)?),
        };
        let people = match &source.people {
            None => None,
            Some(parts) => Some(
                parts
                    .iter()
                    .map(|&kept| Part::new(kept, bytes))
                    .collect::<Option<Vec<_>>>()?,
            ),
        };
        let parts = source
            .parts
            .iter()
            .map(|&(group, kept)| Some((group, Part::new(kept, bytes)?)))
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            base: View::new(source.meta.base.of(bytes)?)?,
            plain: parts.is_empty() && people.is_none() && !track_delivered,
            people,
            undelivered,
            parts,
        })
    }

    fn is_broken(&self) -> bool {
        let people = self.people.iter().flatten();
        self.base.is_broken()
            || self.undelivered.as_ref().is_some_and(View::is_broken)
            || self
                .parts
                .iter()
                .map(|(_, part)| part)
                .chain(people)
                .any(Part::is_broken)
    }
}

/// Three ranges to work in.
struct Scratch {
    base: Chunk,
    people: Chunk,
    spare: Chunk,
}

impl Groups {
    fn add(&mut self, batch: &[Source], buffer: &[u8], delivered: bool) -> Result<(), LedgerError> {
        let mut cursors = Vec::with_capacity(batch.len());
        let mut rest = buffer;
        for source in batch {
            let (bytes, more) = rest
                .split_at_checked(source.meta.len as usize)
                .unwrap_or((rest, &[]));
            let cursor = Cursors::new(source, bytes, delivered);
            cursors.push(cursor.ok_or_else(|| broken(source))?);
            rest = more;
        }
        let ranges = self.bits.first().map_or(0, |bits| bits.len() / RANGE);
        let mut scratch = Scratch {
            base: [0; RANGE],
            people: [0; RANGE],
            spare: [0; RANGE],
        };
        for range in 0..ranges {
            let Ok(key) = u16::try_from(range) else { break };
            let mut chunks: Vec<&mut Chunk> = self
                .bits
                .iter_mut()
                .filter_map(|bits| {
                    bits.get_mut(range * RANGE..(range + 1) * RANGE)?
                        .try_into()
                        .ok()
                })
                .collect();
            for cursor in &mut cursors {
                add_range(cursor, key, &mut chunks, delivered, &mut scratch);
            }
        }
        match batch.iter().zip(&cursors).find(|(_, c)| c.is_broken()) {
            Some((source, _)) => Err(broken(source)),
            None => Ok(()),
        }
    }

    /// Takes deleted people out of every group.
    fn remove(&mut self, people: &RoaringBitmap) {
        for bits in &mut self.bits {
            for person in people {
                if let Some(word) = bits.get_mut((person >> 6) as usize) {
                    *word &= !(1 << (person & 63));
                }
            }
        }
    }

    /// Replaces every number by its person's canonical one.
    ///
    /// Nobody is in a group who is not among the people, so the merged people are found once, without a branch that the processor
    /// could mispredict, and the merge map's table is read for those only. Then the bits move group by group: one group's bits
    /// fit into the second-level cache, all of them together do not.
    pub(crate) fn merge(&mut self, merges: &MergeMap) {
        let Some(people) = self.bits.get(PEOPLE) else {
            return;
        };
        let mut found = vec![0u32; merges.merged().len()];
        let mut count = 0;
        for &number in merges.merged() {
            let Some(word) = people.get((number >> 6) as usize) else {
                break;
            };
            if let Some(slot) = found.get_mut(count) {
                *slot = number;
            }
            count += (word >> (number & 63) & 1) as usize;
        }
        found.truncate(count);
        let mut mask = vec![0u64; people.len()];
        for number in &found {
            if let Some(word) = mask.get_mut((number >> 6) as usize) {
                *word |= 1 << (number & 63);
            }
        }
        let table = merges.table();
        let canonical = |&number: &u32| table.get(number as usize).copied().unwrap_or(number);
        let canonical: Vec<u32> = found.iter().map(canonical).collect();
        for bits in &mut self.bits {
            canonicalize(bits, &found, &canonical, &mask);
        }
    }

    /// People of a group.
    pub(crate) fn count(&self, group: usize) -> u64 {
        self.bits.get(group).map_or(0, |bits| count(bits))
    }

    /// People of any of several groups.
    pub(crate) fn count_any(&self, groups: &[usize]) -> u64 {
        match groups {
            [] => 0,
            [one] => self.count(*one),
            [one, others @ ..] => {
                let mut any = self.bits.get(*one).cloned().unwrap_or_default();
                for other in others {
                    let other = self.bits.get(*other).map(Vec::as_slice);
                    for (word, more) in any.iter_mut().zip(other.unwrap_or_default()) {
                        *word |= more;
                    }
                }
                count(&any)
            }
        }
    }
}

/// Joins one source's people of one range into the groups' ranges.
#[inline]
fn add_range(
    cursor: &mut Cursors<'_>,
    key: u16,
    chunks: &mut [&mut Chunk],
    delivered: bool,
    scratch: &mut Scratch,
) {
    let Some(container) = cursor.base.seek(key) else {
        return;
    };
    if cursor.plain {
        if let Some(people) = chunks.get_mut(PEOPLE) {
            container.set(people);
        }
        return;
    }
    let Scratch {
        base,
        people,
        spare,
    } = scratch;
    *base = [0; RANGE];
    container.set(base);
    let counted: &Chunk = match &mut cursor.people {
        None => base,
        Some(parts) => {
            *people = [0; RANGE];
            for part in parts {
                part.join(key, base, people, spare);
            }
            people
        }
    };
    if let Some(to) = chunks.get_mut(PEOPLE) {
        or(to, counted);
    }
    if delivered && let Some(to) = chunks.get_mut(DELIVERED) {
        match cursor.undelivered.as_mut().and_then(|view| view.seek(key)) {
            None => or(to, counted),
            Some(container) => {
                *spare = *counted;
                container.clear(spare);
                or(to, spare);
            }
        }
    }
    for (group, part) in &mut cursor.parts {
        if let Some(to) = chunks.get_mut(*group) {
            part.join(key, base, to, spare);
        }
    }
}

#[inline]
fn or(to: &mut Chunk, from: &Chunk) {
    for (word, more) in to.iter_mut().zip(from) {
        *word |= more;
    }
}

/// Moves the bits of merged people within one group; a canonical number is never a merged one, so that the bits that moved can
/// be taken away at the end, by `mask`: bit by bit, each would wait for the one before in the same word.
fn canonicalize(bits: &mut [u64], merged: &[u32], canonical: &[u32], mask: &[u64]) {
    for (from, to) in merged.iter().zip(canonical) {
        let Some(word) = bits.get((from >> 6) as usize) else {
            break;
        };
        let is_in = word >> (from & 63) & 1;
        if let Some(word) = bits.get_mut((to >> 6) as usize) {
            *word |= is_in << (to & 63);
        }
    }
    for (word, moved) in bits.iter_mut().zip(mask) {
        *word &= !moved;
    }
}

fn count(bits: &[u64]) -> u64 {
    bits.iter().map(|word| u64::from(word.count_ones())).sum()
}

pub(crate) fn broken(source: &Source) -> LedgerError {
    match &source.place {
        Place::File(file) => file.damaged(&source.meta, "a bitmap does not parse"),
        Place::Memory(_) => LedgerError::Damaged {
            path: "memory".into(),
            at: 0,
            what: "a bitmap does not parse",
        },
    }
}
