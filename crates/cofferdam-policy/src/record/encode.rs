//! Admitted records to bytes.
//!
//! One pass, straight into the caller's buffer; names are looked up by their number in the project's table of paths, so
//! that nothing is hashed but names beyond the table. Invariant: on an error the buffer is as before.

use super::{
    FLAG_ORGANIZATION, FLAG_TIME, FLAG_TIME_UNUSABLE, FLAG_UPDATE, FLAG_VERIFIED, HOME, INSIDE,
    KEPT_SEALED, KEPT_WITHHELD, STRAY, VERSION, definition, kinds, sealed::Parts,
};
use crate::admitted::{Body, EXTRA, Field, Kept, NAME_FIELD, Sort, TimeNote};
use crate::classify::Class;
use crate::paths::{Paths, VARIANTS};
use crate::values::{put_bytes, put_number, put_signed};
use crate::{Record, RecordError, Signals};
use cofferdam_model::{Definition, Provenance, Refusal, Sealer};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::sync::Arc;

/// Appends an entry to `out`.
///
/// # Errors
/// [`RecordError::Seal`] where a person's key is missing: take that person's records out and encode again. `out` is as before
/// then. [`RecordError::Moved`] where a decoded record stands at another position than when it was read, or without those that
/// were sealed together with it.
pub fn encode(
    definitions: &[Definition],
    records: &[Record],
    sealer: &dyn Sealer,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    let start = out.len();
    let result = Encoder::new(records).entry(definitions, records, sealer, out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Names given numbers so far.
struct Encoder<'r> {
    received: i64,
    tables: Vec<TableNames>,
    /// Where the last value of each field name stands in `out`.
    last: Vec<(usize, usize)>,
    /// Field names that are not in a table: path, then class and number.
    rare: HashMap<&'r str, Vec<(&'r Class, u32)>, RandomState>,
    classes: Vec<&'r Class>,
    texts: Vec<&'r str>,
    refusals: Vec<Refusal>,
    parts: Parts<'r>,
    /// Layouts written so far.
    layouts: Vec<Layout<'r>>,
    /// How many field names stand in `out`.
    written: u32,
}

/// A field of a layout: its name, its head, and its refusal or the number of fields inside.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot {
    name: u32,
    head: u8,
    extra: u32,
}

/// A layout, and the record that first had it.
struct Layout<'r> {
    first: &'r Body,
    slots: Vec<Slot>,
    /// The fields whose values stand in the record: position and name.
    inline: Vec<(usize, u32)>,
    /// Whether the numbers in the fields mean the same in other records of the table.
    is_shared: bool,
}

impl<'r> Layout<'r> {
    fn new(first: &'r Body, slots: Vec<Slot>) -> Self {
        let named = first.fields.iter().zip(&slots).enumerate();
        Self {
            inline: named
                .filter(|(_, (field, _))| field.kept == Kept::Inline)
                .map(|(at, (_, slot))| (at, slot.name))
                .collect(),
            is_shared: first.fields.iter().all(is_shared),
            first,
            slots,
        }
    }

    /// Whether a record has it. May miss one, never take one for another.
    fn fits(&self, body: &Body) -> bool {
        let (mine, its) = (&self.first.fields, &body.fields);
        self.is_shared
            && mine.len() == its.len()
            && Arc::ptr_eq(&self.first.paths, &body.paths)
            && mine.iter().zip(its).all(|(one, other)| one.is_alike(other))
    }
}

/// Whether path and class stand in the table, not in the record.
fn is_shared(field: &Field) -> bool {
    field.path < EXTRA && usize::from(field.class) < VARIANTS
}

/// Numbers of one table's paths, by path number and class; 0: none yet.
struct TableNames {
    table: *const Paths,
    numbers: Vec<u32>,
}

impl<'r> Encoder<'r> {
    fn new(records: &'r [Record]) -> Self {
        Self {
            received: records.first().map_or(0, |record| record.body().received.0),
            tables: Vec::with_capacity(1),
            last: Vec::with_capacity(64),
            rare: HashMap::default(),
            classes: Vec::with_capacity(16),
            texts: Vec::with_capacity(8),
            refusals: Vec::with_capacity(4),
            parts: Parts::default(),
            layouts: Vec::with_capacity(4),
            written: 0,
        }
    }

    fn entry(
        mut self,
        definitions: &[Definition],
        records: &'r [Record],
        sealer: &dyn Sealer,
        out: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        out.push(VERSION);
        put_number(out, definitions.len() as u64);
        for definition in definitions {
            definition::put(out, definition);
        }
        put_number(out, records.len() as u64);
        put_signed(out, self.received);
        for (position, record) in records.iter().enumerate() {
            let body = record.body();
            self.head(body, out);
            let layout = self.layout(body, out);
            self.inline_values(body, layout, out);
            self.found(body, out);
            self.parts.add(body, position, out)?;
        }
        std::mem::take(&mut self.parts).write(sealer, out)
    }

    fn head(&mut self, body: &'r Body, out: &mut Vec<u8>) {
        let mut flags = 0;
        for (is_set, flag) in [
            (matches!(body.sort, Sort::Update { .. }), FLAG_UPDATE),
            (body.provenance == Provenance::Verified, FLAG_VERIFIED),
            (body.organization.is_some(), FLAG_ORGANIZATION),
            (body.time_note != TimeNote::Absent, FLAG_TIME),
            (body.time_note == TimeNote::Unusable, FLAG_TIME_UNUSABLE),
        ] {
            if is_set {
                flags |= flag;
            }
        }
        out.push(flags);
        out.push(signal_bits(body.signals));
        self.name(body.project.as_str(), out);
        put_number(out, u64::from(body.policy.0));
        put_number(out, u64::from(body.person.0));
        if let Some(organization) = body.organization {
            put_number(out, u64::from(organization.0));
        }
        put_signed(out, body.received.0.wrapping_sub(self.received));
        put_signed(out, body.time.0.wrapping_sub(body.received.0));
        out.extend_from_slice(&body.insert_key);
        match &body.sort {
            Sort::Event { name } => self.name(name, out),
            Sort::Update { operation, group } => {
                out.push(kinds::of_operation(*operation) << 1 | u8::from(group.is_some()));
                if let Some(key) = group {
                    self.name(key, out);
                }
            }
        }
    }

    /// Which fields, in which order, of what became: written once per entry for all records that look the same.
    /// Returns the layout's number.
    fn layout(&mut self, body: &'r Body, out: &mut Vec<u8>) -> usize {
        // Mostly it is the one of the record before: then no name has to be looked up.
        let fits = |layout: &Layout<'r>| layout.fits(body);
        if let Some(at) = self.layouts.iter().rposition(fits) {
            put_number(out, at as u64);
            return at;
        }
        let slots = self.slots(body);
        if let Some(at) = self.layouts.iter().position(|known| known.slots == slots) {
            put_number(out, at as u64);
            return at;
        }
        let at = self.layouts.len();
        put_number(out, at as u64);
        put_number(out, slots.len() as u64);
        for (field, slot) in body.fields.iter().zip(&slots) {
            put_number(out, u64::from(slot.name));
            if slot.name == self.written {
                self.written += 1;
                if let (Some(info), Some(class)) = (body.path(field), body.class(field)) {
                    put_bytes(out, info.path.as_bytes());
                    self.class(class, out);
                }
            }
            out.push(slot.head);
            match field.kept {
                Kept::Inside => put_number(out, u64::from(field.len)),
                Kept::Withheld(refusal) => self.refusal(refusal, out),
                Kept::Inline | Kept::Sealed => {}
            }
        }
        self.layouts.push(Layout::new(body, slots));
        at
    }

    fn slots(&mut self, body: &'r Body) -> Vec<Slot> {
        let slot = |field: &Field| {
            // Always some: a body's fields name its own paths and classes.
            let name = self.field_name(body, field)?;
            let head = field.node as u8 | if field.home { HOME } else { 0 };
            let (head, extra) = match field.kept {
                Kept::Inline => (head, 0),
                Kept::Inside => (head | INSIDE, field.len),
                Kept::Sealed => (head | KEPT_SEALED << 4, 0),
                Kept::Withheld(refusal) => (head | KEPT_WITHHELD << 4, refusal as u32),
            };
            Some(Slot { name, head, extra })
        };
        body.fields.iter().filter_map(slot).collect()
    }

    /// One bit per inline value, set where it is the one that the field had before; then the others.
    fn inline_values(&mut self, body: &Body, layout: usize, out: &mut Vec<u8>) {
        let Some(layout) = self.layouts.get(layout) else {
            return;
        };
        let bits = out.len();
        out.resize(bits + layout.inline.len().div_ceil(8), 0);
        for (at, (field, name)) in layout.inline.iter().enumerate() {
            let (Some(field), Some((start, end))) =
                (body.fields.get(*field), self.last.get_mut(*name as usize))
            else {
                continue;
            };
            let value = range(&body.values, field);
            if *start < *end && out.get(*start..*end) == Some(value) {
                if let Some(byte) = out.get_mut(bits + at / 8) {
                    *byte |= 1 << (at % 8);
                }
                continue;
            }
            *start = out.len();
            *end = *start + value.len();
            out.extend_from_slice(value);
        }
    }

    /// The number of (path, class), known or new.
    fn field_name(&mut self, body: &'r Body, field: &Field) -> Option<u32> {
        let next = u32::try_from(self.last.len()).ok()?;
        if is_shared(field) {
            let slot = self.slot(&body.paths, field)?;
            if *slot != 0 {
                return Some(*slot - 1);
            }
            *slot = next + 1;
        } else {
            let (path, class) = (&*body.path(field)?.path, body.class(field)?);
            let known = self.rare.entry(path).or_default();
            if let Some((_, number)) = known.iter().find(|(its, _)| *its == class) {
                return Some(*number);
            }
            known.push((class, next));
        }
        self.last.push((0, 0));
        Some(next)
    }

    fn slot(&mut self, paths: &Arc<Paths>, field: &Field) -> Option<&mut u32> {
        let table = Arc::as_ptr(paths);
        let at = match self
            .tables
            .iter()
            .position(|names| std::ptr::eq(names.table, table))
        {
            Some(at) => at,
            None => {
                self.tables.push(TableNames {
                    table,
                    numbers: vec![0; paths.len() * VARIANTS],
                });
                self.tables.len() - 1
            }
        };
        let numbers = &mut self.tables.get_mut(at)?.numbers;
        let at = field.path as usize * VARIANTS + usize::from(field.class);
        if at >= numbers.len() {
            // The table grew since: another request brought new paths.
            numbers.resize(at + VARIANTS, 0);
        }
        numbers.get_mut(at)
    }

    fn class(&mut self, class: &'r Class, out: &mut Vec<u8>) {
        let is_same = |known: &&'r Class| {
            known.category == class.category
                && known.kind == class.kind
                && known.rule == class.rule
                && kinds::of_basis(known.basis) == kinds::of_basis(class.basis)
                && known.stray == class.stray
        };
        if let Some(at) = self.classes.iter().position(is_same) {
            return put_number(out, at as u64);
        }
        put_number(out, self.classes.len() as u64);
        self.classes.push(class);
        put_bytes(out, class.category.key().as_bytes());
        put_bytes(out, class.rule.as_str().as_bytes());
        out.push(kinds::of_kind(class.kind));
        let stray = if class.stray { STRAY } else { 0 };
        out.push(kinds::of_basis(class.basis) | stray);
    }

    fn name(&mut self, name: &'r str, out: &mut Vec<u8>) {
        let known = self.texts.iter().position(|known| {
            std::ptr::eq(known.as_ptr(), name.as_ptr()) && known.len() == name.len()
                || *known == name
        });
        if let Some(at) = known {
            return put_number(out, at as u64);
        }
        put_number(out, self.texts.len() as u64);
        self.texts.push(name);
        put_bytes(out, name.as_bytes());
    }

    fn refusal(&mut self, refusal: Refusal, out: &mut Vec<u8>) {
        if let Some(at) = self.refusals.iter().position(|known| *known == refusal) {
            return put_number(out, at as u64);
        }
        put_number(out, self.refusals.len() as u64);
        self.refusals.push(refusal);
        put_bytes(out, refusal.code().as_bytes());
    }

    fn found(&mut self, body: &'r Body, out: &mut Vec<u8>) {
        put_number(out, body.found.len() as u64);
        for (field, class) in &body.found {
            let at = if *field == NAME_FIELD {
                0
            } else {
                u64::from(*field) + 1
            };
            put_number(out, at);
            let path = body
                .fields
                .get(*field as usize)
                .map_or(0, |field| field.path);
            if let Some(class) = body.class_numbered(path, *class) {
                self.class(class, out);
            }
        }
    }
}

fn range<'v>(values: &'v [u8], field: &Field) -> &'v [u8] {
    let start = field.at as usize;
    values.get(start..start + field.len as usize).unwrap_or(&[])
}

fn signal_bits(signals: Signals) -> u8 {
    u8::from(signals.gpc)
        | u8::from(signals.dnt) << 1
        | u8::from(signals.opted_in) << 2
        | u8::from(signals.opted_out) << 3
}
