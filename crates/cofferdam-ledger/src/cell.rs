//! One stream's day (or month): people, per field "all", own or lacking bitmap, organizations, events, people without delivery.
//!
//! Made from what grew in memory or decoded from a month file; encoded into month files and, for queries, into memory.
//! Invariant: every field's people are among the base; joining cells is a union, so it may be repeated without harm.

use crate::FieldKey;
use crate::codec::{Reader, Writer};
use cofferdam_model::Day;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// A field in a cell. Fields of profile and group updates are kept apart: they never age out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FieldOf {
    pub(crate) key: FieldKey,
    pub(crate) lasting: bool,
}

impl FieldOf {
    pub(crate) fn new(key: FieldKey, is_update: bool) -> Self {
        let lasting =
            is_update || key.path.starts_with("profile.") || key.path.starts_with("group.");
        Self { key, lasting }
    }
}

/// A cell in full.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    pub(crate) base: RoaringBitmap,
    pub(crate) fields: BTreeMap<FieldOf, RoaringBitmap>,
    pub(crate) delivered: RoaringBitmap,
    pub(crate) organizations: RoaringBitmap,
    pub(crate) events: u64,
}

/// How event counts of two cells join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Events {
    /// They are different events.
    Sum,
    /// One is a recount of the other.
    Max,
}

impl Cell {
    pub(crate) fn join(&mut self, other: &Self, events: Events) {
        self.base |= &other.base;
        self.delivered |= &other.delivered;
        self.organizations |= &other.organizations;
        for (field, people) in &other.fields {
            *self.fields.entry(field.clone()).or_default() |= people;
        }
        self.events = match events {
            Events::Sum => self.events + other.events,
            Events::Max => self.events.max(other.events),
        };
    }
}

/// Part of a cell's bytes, relative to its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    pub(crate) fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        let start = self.start as usize;
        bytes.get(start..start + self.len as usize)
    }
}

/// How a field's people are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kept {
    /// They are the base.
    All,
    /// As a bitmap.
    Own(Span),
    /// As the bitmap of people of the base who lack the field.
    Lacks(Span),
}

/// Where the parts of an encoded cell are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Meta {
    /// First and last day with anything in it.
    pub(crate) days: (Day, Day),
    /// Largest person number, if there is a person.
    pub(crate) person_max: Option<u32>,
    pub(crate) events: u64,
    /// Offset in the file, length, checksum.
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) crc: u32,
    pub(crate) base: Span,
    /// Empty where everybody has a confirmed delivery.
    pub(crate) undelivered: Span,
    pub(crate) organizations: Span,
    /// Field number in the file's table.
    pub(crate) fields: Vec<(u32, Kept)>,
}

/// The fields that a file's cells speak of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) fields: Vec<FieldOf>,
}

impl Table {
    pub(crate) fn number(&mut self, field: &FieldOf) -> u32 {
        let at = self.fields.iter().position(|known| known == field);
        let at = at.unwrap_or_else(|| {
            self.fields.push(field.clone());
            self.fields.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }
}

/// Appends a cell's bytes to `out`; offsets in the result are relative to the end of `out` before, `offset` is left 0.
pub(crate) fn encode(
    cell: &Cell,
    days: (Day, Day),
    table: &mut Table,
    out: &mut Vec<u8>,
) -> std::io::Result<Meta> {
    let start = out.len();
    let base = section(&cell.base, start, out)?;
    let undelivered = &cell.base - &cell.delivered;
    let undelivered = section_unless_empty(&undelivered, start, out)?;
    let mut fields = Vec::with_capacity(cell.fields.len());
    for (field, people) in &cell.fields {
        let kept = if *people == cell.base {
            Kept::All
        } else {
            let lacks = &cell.base - people;
            if lacks.serialized_size() < people.serialized_size() {
                Kept::Lacks(section(&lacks, start, out)?)
            } else {
                Kept::Own(section(people, start, out)?)
            }
        };
        fields.push((table.number(field), kept));
    }
    let organizations = section_unless_empty(&cell.organizations, start, out)?;
    let bytes = out.get(start..).unwrap_or_default();
    Ok(Meta {
        days,
        person_max: cell.base.max(),
        events: cell.events,
        offset: 0,
        len: u32::try_from(bytes.len()).map_err(std::io::Error::other)?,
        crc: crc32fast::hash(bytes),
        base,
        undelivered,
        organizations,
        fields,
    })
}

fn section(people: &RoaringBitmap, start: usize, out: &mut Vec<u8>) -> std::io::Result<Span> {
    let at = out.len() - start;
    let mut packed = people.clone();
    packed.optimize();
    packed.serialize_into(&mut *out)?;
    Ok(Span {
        start: u32::try_from(at).map_err(std::io::Error::other)?,
        len: u32::try_from(out.len() - start - at).map_err(std::io::Error::other)?,
    })
}

fn section_unless_empty(
    people: &RoaringBitmap,
    start: usize,
    out: &mut Vec<u8>,
) -> std::io::Result<Span> {
    if people.is_empty() {
        return Ok(Span::default());
    }
    section(people, start, out)
}

/// A cell in full again; `None` where the bytes are damaged.
pub(crate) fn decode(meta: &Meta, table: &Table, bytes: &[u8]) -> Option<Cell> {
    let base = bitmap(meta.base.of(bytes)?)?;
    let undelivered = bitmap(meta.undelivered.of(bytes)?)?;
    let mut cell = Cell {
        delivered: &base - &undelivered,
        organizations: bitmap(meta.organizations.of(bytes)?)?,
        events: meta.events,
        ..Cell::default()
    };
    for (number, kept) in &meta.fields {
        let people = match kept {
            Kept::All => base.clone(),
            Kept::Own(span) => bitmap(span.of(bytes)?)?,
            Kept::Lacks(span) => &base - &bitmap(span.of(bytes)?)?,
        };
        let field = table.fields.get(*number as usize)?;
        cell.fields.insert(field.clone(), people);
    }
    cell.base = base;
    Some(cell)
}

/// A serialized bitmap in full; no bytes are the empty one.
pub(crate) fn bitmap(bytes: &[u8]) -> Option<RoaringBitmap> {
    if bytes.is_empty() {
        return Some(RoaringBitmap::new());
    }
    RoaringBitmap::deserialize_from(bytes).ok()
}

pub(crate) fn write_meta(out: &mut Writer, meta: &Meta) {
    out.day(meta.days.0);
    out.day(meta.days.1);
    out.optional(meta.person_max);
    out.number(meta.events);
    out.number(meta.offset);
    out.number(u64::from(meta.len));
    out.number(u64::from(meta.crc));
    for span in [meta.base, meta.undelivered, meta.organizations] {
        write_span(out, span);
    }
    out.count(meta.fields.len());
    for (number, kept) in &meta.fields {
        out.number(u64::from(*number));
        match kept {
            Kept::All => out.byte(0),
            Kept::Own(span) => {
                out.byte(1);
                write_span(out, *span);
            }
            Kept::Lacks(span) => {
                out.byte(2);
                write_span(out, *span);
            }
        }
    }
}

pub(crate) fn read_meta(reader: &mut Reader<'_>) -> Option<Meta> {
    let mut meta = Meta {
        days: (reader.day()?, reader.day()?),
        person_max: reader.optional()?,
        events: reader.number()?,
        offset: reader.number()?,
        len: reader.number32()?,
        crc: reader.number32()?,
        base: read_span(reader)?,
        undelivered: read_span(reader)?,
        organizations: read_span(reader)?,
        fields: Vec::new(),
    };
    for _ in 0..reader.count()? {
        let number = reader.number32()?;
        let kept = match reader.byte()? {
            0 => Kept::All,
            1 => Kept::Own(read_span(reader)?),
            2 => Kept::Lacks(read_span(reader)?),
            _ => return None,
        };
        meta.fields.push((number, kept));
    }
    Some(meta)
}

fn write_span(out: &mut Writer, span: Span) {
    out.number(u64::from(span.start));
    out.number(u64::from(span.len));
}

fn read_span(reader: &mut Reader<'_>) -> Option<Span> {
    Some(Span {
        start: reader.number32()?,
        len: reader.number32()?,
    })
}
