//! The sealed parts of an entry: what identifies one person in all records of the entry, sealed at once.
//!
//! A browser sends events of one person, so that this costs one cipher call a request instead of one an event. The encoder
//! gathers and seals; a decoded record holds its part and its range in it, and minimize opens the part once for all of them.
//! Invariant: a part is bound to project, places, deduplication keys and lengths of its records; it opens for its person only.

use crate::RecordError;
use crate::admitted::{Blob, Body};
use crate::values::{put_bytes, put_number};
use cofferdam_model::{PersonNumber, ProjectName, SealError, Sealer};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// How many parts are looked through for that of a person; beyond it a person may have a second one.
const LOOK_BACK: usize = 64;

/// Room for what a part is bound to, so that it does not grow by small steps: a format, a project, and a few records.
const CONTEXT_BYTES: usize = 160;

/// One person's part as read.
pub(crate) struct Part {
    context: Vec<u8>,
    bytes: Vec<u8>,
    /// How many records have something in it; 0 in the format before parts were shared.
    records: u32,
    opened: OnceLock<Vec<u8>>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({} bytes)", self.bytes.len())
    }
}

impl Part {
    /// What was sealed.
    pub(crate) fn open(
        &self,
        person: PersonNumber,
        sealer: &dyn Sealer,
    ) -> Result<&[u8], SealError> {
        if let Some(plain) = self.opened.get() {
            return Ok(plain);
        }
        let plain = sealer.open(person, &self.context, &self.bytes)?;
        Ok(self.opened.get_or_init(|| plain))
    }

    /// The part of a single record, as format 1 had it.
    pub(super) fn of_format_1(
        project: &ProjectName,
        position: u32,
        insert_key: [u8; 16],
        bytes: &[u8],
    ) -> Self {
        let mut context = head(b"cofferdam record 1\0", project);
        context.extend_from_slice(&position.to_le_bytes());
        context.extend_from_slice(&insert_key);
        Self {
            context,
            bytes: bytes.to_vec(),
            records: 0,
            opened: OnceLock::new(),
        }
    }
}

fn head(format: &[u8], project: &ProjectName) -> Vec<u8> {
    let mut context = Vec::with_capacity(CONTEXT_BYTES);
    context.extend_from_slice(format);
    context.extend_from_slice(project.as_str().as_bytes());
    context.push(0);
    context
}

/// What a part is bound to, record by record.
#[derive(Debug)]
pub(super) struct Bound {
    context: Vec<u8>,
    records: u32,
    /// Bytes of what is sealed, so far.
    length: usize,
}

impl Bound {
    pub(super) fn new(project: &ProjectName) -> Self {
        Self {
            context: head(b"cofferdam record 2\0", project),
            records: 0,
            length: 0,
        }
    }

    /// Adds a record; returns where its values begin.
    pub(super) fn add(&mut self, position: u32, insert_key: [u8; 16], length: u32) -> usize {
        self.context.extend_from_slice(&position.to_le_bytes());
        self.context.extend_from_slice(&insert_key);
        self.context.extend_from_slice(&length.to_le_bytes());
        self.records += 1;
        let start = self.length;
        self.length += length as usize;
        start
    }

    pub(super) fn part(self, bytes: &[u8]) -> Part {
        Part {
            context: self.context,
            bytes: bytes.to_vec(),
            records: self.records,
            opened: OnceLock::new(),
        }
    }
}

/// The parts of an entry that is being written.
#[derive(Debug, Default)]
pub(super) struct Parts<'r> {
    parts: Vec<Writing<'r>>,
    sealed: Vec<u8>,
}

#[derive(Debug)]
struct Writing<'r> {
    person: PersonNumber,
    project: &'r ProjectName,
    first: usize,
    bound: Bound,
    plain: Vec<u8>,
    /// The part as it was read, where the record was.
    read: Option<&'r Arc<Part>>,
}

impl<'r> Parts<'r> {
    /// Writes a record's length in its part, and which part that is.
    pub(super) fn add(
        &mut self,
        body: &'r Body,
        position: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        let at = u32::try_from(position).unwrap_or(u32::MAX);
        let (length, plain, read) = match &body.blob {
            Blob::Plain(plain) => (plain.len(), plain.as_slice(), None),
            Blob::Sealed { length, .. } if *length == 0 => (0, [].as_slice(), None),
            Blob::Sealed {
                part,
                length,
                position: bound,
                ..
            } => {
                if *bound != at {
                    return Err(moved(position, *bound));
                }
                (*length as usize, [].as_slice(), Some(part))
            }
        };
        put_number(out, length as u64);
        if length == 0 {
            return Ok(());
        }
        let number = self.number(body, position, read);
        put_number(out, number as u64);
        if let Some(part) = self.parts.get_mut(number) {
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            part.bound.add(at, body.insert_key, length);
            part.plain.extend_from_slice(plain);
        }
        Ok(())
    }

    /// The number of a record's part, begun where there is none.
    fn number(&mut self, body: &'r Body, first: usize, read: Option<&'r Arc<Part>>) -> usize {
        let fits = |part: &Writing<'_>| match (part.read, read) {
            (None, None) => part.person == body.person && *part.project == body.project,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        let recent = self.parts.len().saturating_sub(LOOK_BACK);
        let known = self.parts.iter().skip(recent).rposition(fits);
        known.map_or_else(
            || {
                self.parts.push(Writing {
                    person: body.person,
                    project: &body.project,
                    first,
                    bound: Bound::new(&body.project),
                    plain: Vec::with_capacity(128),
                    read,
                });
                self.parts.len() - 1
            },
            |known| recent + known,
        )
    }

    /// Seals and writes all parts.
    pub(super) fn write(
        mut self,
        sealer: &dyn Sealer,
        out: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        for part in &self.parts {
            if let Some(read) = part.read {
                // Of what was sealed together nothing can be left out.
                if read.records != part.bound.records {
                    let at = u32::try_from(part.first).unwrap_or(u32::MAX);
                    return Err(moved(part.first, at));
                }
                put_bytes(out, &read.bytes);
                continue;
            }
            self.sealed.clear();
            sealer
                .seal(
                    part.person,
                    &part.bound.context,
                    &part.plain,
                    &mut self.sealed,
                )
                .map_err(|source| RecordError::Seal {
                    record: part.first,
                    source,
                })?;
            put_bytes(out, &self.sealed);
        }
        Ok(())
    }
}

fn moved(record: usize, sealed_at: u32) -> RecordError {
    RecordError::Moved { record, sealed_at }
}

#[cfg(test)]
mod tests;
