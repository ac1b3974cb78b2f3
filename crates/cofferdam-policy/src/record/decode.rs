//! Bytes to records.
//!
//! Called by every consumer of the journal. Invariant: any bytes give records or an error; counts are bounded by what is left.

use super::{
    Entry, FLAG_ORGANIZATION, FLAG_TIME, FLAG_TIME_UNUSABLE, FLAG_UPDATE, FLAG_VERIFIED, HOME,
    INSIDE, KEPT_SEALED, KEPT_WITHHELD, STRAY, VERSION, VERSION_MIN, kinds,
    sealed::{Bound, Part},
};
use crate::admitted::{
    Admitted, Blob, Body, Event, Field, Kept, Layout, NAME_FIELD, Node, Sort, TimeNote, Update,
};
use crate::classify::{Carrier, Class, RuleName};
use crate::paths::{PathInfo, Paths, VARIANTS};
use crate::values::Bytes;
use crate::{PolicyId, Record, RecordError, Signals};
use cofferdam_model::{
    Category, Definition, IdKey, OrganizationNumber, PersonNumber, ProjectName, Provenance,
    Refusal, TimestampMs,
};
use std::sync::Arc;

/// What a value mostly needs, bytes: a record's values seldom grow beyond it.
const VALUE_BYTES: usize = 16;

/// Reads an entry.
///
/// # Errors
/// [`RecordError::UnknownVersion`], [`RecordError::Damaged`].
pub fn decode(bytes: &[u8]) -> Result<Entry, RecordError> {
    let mut decoder = Decoder {
        bytes: Bytes::new(bytes),
        received: 0,
        names: Vec::new(),
        last: Vec::new(),
        classes: Vec::new(),
        texts: Vec::new(),
        refusals: Vec::new(),
        layouts: Vec::new(),
        parts: Vec::new(),
        version: VERSION,
        what: "a version",
    };
    match decoder.bytes.byte() {
        Some(version @ VERSION_MIN..=VERSION) => decoder.version = version,
        Some(found) if found > VERSION => {
            return Err(RecordError::UnknownVersion {
                found,
                newest: VERSION,
            });
        }
        _ => return Err(decoder.damaged()),
    }
    let read = decoder.entry();
    match read {
        Some((definitions, bodies)) if decoder.bytes.is_empty() => {
            let paths = Arc::new(Paths::fixed(decoder.names));
            let records = bodies
                .into_iter()
                .map(|body| record(body, &paths))
                .collect();
            Ok(Entry {
                definitions,
                records,
            })
        }
        _ => Err(decoder_damage(&decoder.bytes, decoder.what)),
    }
}

fn decoder_damage(bytes: &Bytes<'_>, what: &'static str) -> RecordError {
    RecordError::Damaged {
        offset: bytes.offset(),
        what,
    }
}

fn record(body: Body, paths: &Arc<Paths>) -> Record {
    let body = Body {
        paths: Arc::clone(paths),
        ..body
    };
    match body.sort {
        Sort::Event { .. } => Record::Event(Admitted {
            inner: Event { body },
        }),
        Sort::Update { .. } => Record::Update(Admitted {
            inner: Update { body },
        }),
    }
}

struct Decoder<'b> {
    bytes: Bytes<'b>,
    received: i64,
    names: Vec<PathInfo>,
    /// The last value of each field name.
    last: Vec<&'b [u8]>,
    classes: Vec<Class>,
    texts: Vec<Arc<str>>,
    refusals: Vec<Refusal>,
    layouts: Vec<Arc<Layout>>,
    /// What the sealed parts are bound to.
    parts: Vec<Bound>,
    version: u8,
    what: &'static str,
}

impl<'b> Decoder<'b> {
    fn damaged(&self) -> RecordError {
        decoder_damage(&self.bytes, self.what)
    }

    fn entry(&mut self) -> Option<(Vec<Definition>, Vec<Body>)> {
        self.what = "definitions";
        let count = self.count()?;
        let definitions = (0..count)
            .map(|_| self.definition())
            .collect::<Option<_>>()?;
        self.what = "records";
        let count = self.count()?;
        self.received = self.bytes.signed()?;
        let placeholder = Arc::new(Paths::fixed(Vec::new()));
        let mut bodies = Vec::with_capacity(count);
        let mut sealed = Vec::new();
        for position in 0..count {
            let position = u32::try_from(position).ok()?;
            let mut body = self.body(&placeholder)?;
            self.what = "a sealed part";
            if self.version == 1 {
                body.blob = self.own_part(&body, position)?;
            } else if let Some(range) = self.range(&body, position)? {
                sealed.push((bodies.len(), range));
            }
            bodies.push(body);
        }
        let bounds = std::mem::take(&mut self.parts);
        let parts: Vec<Arc<Part>> = bounds
            .into_iter()
            .map(|bound| Some(Arc::new(bound.part(self.bytes.bytes()?))))
            .collect::<Option<_>>()?;
        for (position, (number, start, length)) in sealed {
            bodies.get_mut(position)?.blob = Blob::Sealed {
                part: Arc::clone(parts.get(number)?),
                start,
                length,
                position: u32::try_from(position).ok()?,
            };
        }
        self.what = "the end";
        Some((definitions, bodies))
    }

    /// A count of things that take at least a byte each.
    fn count(&mut self) -> Option<usize> {
        let count = self.bytes.length()?;
        (count <= self.bytes.left()).then_some(count)
    }

    fn body(&mut self, placeholder: &Arc<Paths>) -> Option<Body> {
        self.what = "a record's head";
        let flags = self.bytes.byte()?;
        let has = |flag| flags & flag != 0;
        let signals = signals(self.bytes.byte()?);
        let project = ProjectName(self.name()?);
        let policy = PolicyId(self.u32()?);
        let person = PersonNumber(self.u32()?);
        let organization = match has(FLAG_ORGANIZATION) {
            true => Some(OrganizationNumber(self.u32()?)),
            false => None,
        };
        let received = self.received.wrapping_add(self.bytes.signed()?);
        let time = received.wrapping_add(self.bytes.signed()?);
        let insert_key = self.bytes.array()?;
        let sort = self.sort(has(FLAG_UPDATE))?;
        let mut body = Body {
            project,
            person,
            organization,
            time: TimestampMs(time),
            time_note: match (has(FLAG_TIME), has(FLAG_TIME_UNUSABLE)) {
                (false, _) => TimeNote::Absent,
                (true, false) => TimeNote::AsSent,
                (true, true) => TimeNote::Unusable,
            },
            received: TimestampMs(received),
            provenance: if has(FLAG_VERIFIED) {
                Provenance::Verified
            } else {
                Provenance::Claimed
            },
            signals,
            policy,
            insert_key,
            sort,
            paths: Arc::clone(placeholder),
            extra: Vec::new(),
            classes: Vec::new(),
            fields: Vec::new(),
            layout: None,
            values: Vec::new(),
            blob: Blob::Plain(Vec::new()),
            found: Vec::new(),
        };
        self.fields(&mut body)?;
        self.found(&mut body)?;
        Some(body)
    }

    /// Which part a record's identifying values stand in, from where on, and how many bytes they are; `Some(None)`: it has none.
    fn range(&mut self, body: &Body, position: u32) -> Option<Option<(usize, usize, u32)>> {
        let length = self.u32()?;
        if length == 0 {
            return Some(None);
        }
        let number = self.bytes.length()?;
        if number == self.parts.len() {
            self.parts.push(Bound::new(&body.project));
        }
        let part = self.parts.get_mut(number)?;
        let start = part.add(position, body.insert_key, length);
        Some(Some((number, start, length)))
    }

    /// A part of the record's own, to which no length was written: all of it is the record's.
    fn own_part(&mut self, body: &Body, position: u32) -> Option<Blob> {
        let bytes = self.bytes.bytes()?;
        if bytes.is_empty() {
            return Some(Blob::Plain(Vec::new()));
        }
        let part = Part::of_format_1(&body.project, position, body.insert_key, bytes);
        Some(Blob::Sealed {
            part: Arc::new(part),
            start: 0,
            length: u32::MAX,
            position,
        })
    }

    fn sort(&mut self, is_update: bool) -> Option<Sort> {
        if !is_update {
            return Some(Sort::Event { name: self.name()? });
        }
        let head = self.bytes.byte()?;
        Some(Sort::Update {
            operation: kinds::operation(head >> 1)?,
            group: match head & 1 {
                1 => Some(self.name()?),
                _ => None,
            },
        })
    }

    fn fields(&mut self, body: &mut Body) -> Option<()> {
        self.what = "a layout";
        let number = self.bytes.length()?;
        if number == self.layouts.len() {
            let layout = self.layout()?;
            self.layouts.push(Arc::new(Layout::new(layout)));
        }
        let layout = self.layouts.get(number)?;
        body.fields.clone_from(&layout.fields);
        body.layout = Some(Arc::clone(layout));
        self.what = "values";
        let inline = body
            .fields
            .iter()
            .filter(|field| field.kept == Kept::Inline)
            .count();
        let same = self.bytes.take(inline.div_ceil(8))?;
        body.values.reserve(inline * VALUE_BYTES);
        let inline = body
            .fields
            .iter_mut()
            .filter(|field| field.kept == Kept::Inline);
        for (at, field) in inline.enumerate() {
            let is_same = same
                .get(at / 8)
                .is_some_and(|byte| byte & (1 << (at % 8)) != 0);
            let value = self.value(field.path, !is_same)?;
            field.at = u32::try_from(body.values.len()).ok()?;
            field.len = u32::try_from(value.len()).ok()?;
            body.values.extend_from_slice(value);
        }
        Some(())
    }

    fn layout(&mut self) -> Option<Vec<Field>> {
        let count = self.count()?;
        let mut fields = Vec::with_capacity(count);
        for at in 0..count {
            let path = self.field_name()?;
            let head = self.bytes.byte()?;
            let mut field = Field {
                path,
                at: 0,
                len: 0,
                class: 0,
                node: Node::ALL.get(usize::from(head & 0x0F)).copied()?,
                kept: Kept::Inline,
                home: head & HOME != 0,
            };
            match head >> 4 & 3 {
                0 if head & INSIDE != 0 => {
                    field.kept = Kept::Inside;
                    field.len = self.u32()?;
                    if field.len as usize > count - at - 1 {
                        return None;
                    }
                }
                0 => {}
                KEPT_SEALED => field.kept = Kept::Sealed,
                KEPT_WITHHELD => field.kept = Kept::Withheld(self.refusal()?),
                _ => return None,
            }
            fields.push(field);
        }
        Some(fields)
    }

    /// The bytes of the next value, or of the one before of the same name.
    fn value(&mut self, path: u32, is_new: bool) -> Option<&'b [u8]> {
        let last = self.last.get_mut(path as usize)?;
        if is_new {
            let mut ahead = self.bytes;
            ahead.leaf()?;
            *last = self.bytes.take(ahead.offset() - self.bytes.offset())?;
        }
        (!last.is_empty()).then_some(*last)
    }

    fn field_name(&mut self) -> Option<u32> {
        let number = self.u32()?;
        if (number as usize) < self.names.len() {
            return Some(number);
        }
        if number as usize > self.names.len() {
            return None;
        }
        let text = self.bytes.text()?;
        let class = self.class()?;
        let class = self.classes.get(class)?;
        let (carrier, name) = Carrier::split(text);
        let path: Arc<str> = Arc::from(text);
        let name = if carrier == Carrier::Top {
            Arc::clone(&path)
        } else {
            Arc::from(name)
        };
        self.names.push(PathInfo::read(carrier, path, name, class));
        self.last.push(&[]);
        Some(number)
    }

    fn class(&mut self) -> Option<usize> {
        let number = self.bytes.length()?;
        if number > self.classes.len() {
            return None;
        }
        if number == self.classes.len() {
            let category = Category::parse(self.bytes.text()?)?;
            let rule = RuleName::Read(Arc::from(self.bytes.text()?));
            let kind = kinds::kind(self.bytes.byte()?)?;
            let basis = self.bytes.byte()?;
            self.classes.push(Class {
                category,
                kind,
                rule,
                basis: kinds::basis(basis & !STRAY)?,
                stray: basis & STRAY != 0,
            });
        }
        Some(number)
    }

    fn name(&mut self) -> Option<Arc<str>> {
        let number = self.bytes.length()?;
        if number == self.texts.len() {
            self.texts.push(Arc::from(self.bytes.text()?));
        }
        self.texts.get(number).map(Arc::clone)
    }

    fn refusal(&mut self) -> Option<Refusal> {
        let number = self.bytes.length()?;
        if number == self.refusals.len() {
            let code = self.bytes.text()?;
            let known = Refusal::ALL.iter().find(|refusal| refusal.code() == code)?;
            self.refusals.push(*known);
        }
        self.refusals.get(number).copied()
    }

    fn found(&mut self, body: &mut Body) -> Option<()> {
        self.what = "findings";
        for _ in 0..self.count()? {
            let field = match self.bytes.number()? {
                0 => NAME_FIELD,
                at => u32::try_from(at - 1).ok()?,
            };
            let class = self.class()?;
            body.classes.push(self.classes.get(class)?.clone());
            let class = u16::try_from(VARIANTS + body.classes.len() - 1).ok()?;
            body.found.push((field, class));
        }
        Some(())
    }

    fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.bytes.number()?).ok()
    }

    fn definition(&mut self) -> Option<Definition> {
        Some(match self.bytes.byte()? {
            tag @ (0 | 1) => Definition::Person {
                project: ProjectName::from(self.bytes.text()?),
                key: IdKey(self.bytes.array()?),
                number: PersonNumber(self.u32()?),
                wrapped_key: self.bytes.bytes()?.to_vec(),
                sealed_id: self.bytes.bytes()?.to_vec(),
                anonymous: tag == 1,
            },
            2 => Definition::Link {
                kind: kinds::link(self.bytes.byte()?)?,
                alias: PersonNumber(self.u32()?),
                into: PersonNumber(self.u32()?),
            },
            3 => Definition::Organization {
                project: ProjectName::from(self.bytes.text()?),
                key: IdKey(self.bytes.array()?),
                number: OrganizationNumber(self.u32()?),
                sealed_id: self.bytes.bytes()?.to_vec(),
            },
            _ => return None,
        })
    }
}

fn signals(bits: u8) -> Signals {
    Signals {
        gpc: bits & 1 != 0,
        dnt: bits & 2 != 0,
        opted_in: bits & 4 != 0,
        opted_out: bits & 8 != 0,
    }
}
