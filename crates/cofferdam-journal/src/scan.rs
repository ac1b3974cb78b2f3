//! Walks the groups of a segment and checks every byte of them; recovery's eyes.
//!
//! Invariant: a group is reported only when its start, all entries and its end are as they were written.

use crate::{
    file::{File, read_full},
    format::{self, END, HEAD, HEADER, Head, START},
};
use std::io;

/// How much is read at once, bytes.
const CHUNK: usize = 1 << 20;

/// A file read in large pieces.
#[derive(Debug)]
pub(crate) struct Buffered<'a> {
    file: &'a dyn File,
    chunk: usize,
    limit: u64,
    base: u64,
    bytes: Vec<u8>,
}

impl<'a> Buffered<'a> {
    /// Reads pieces of `chunk` bytes, never beyond byte `limit`.
    pub(crate) fn new(file: &'a dyn File, chunk: usize, limit: u64) -> Self {
        Self {
            file,
            chunk,
            limit,
            base: 0,
            bytes: Vec::new(),
        }
    }

    /// The bytes at `offset`: `length` of them, fewer only at the end.
    pub(crate) fn at(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let end = self.limit.min(offset.saturating_add(length as u64));
        let length = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        if offset < self.base || offset + length as u64 > self.base + self.bytes.len() as u64 {
            let rest = usize::try_from(self.limit.saturating_sub(offset)).unwrap_or(usize::MAX);
            self.bytes.resize(rest.min(self.chunk.max(length)), 0);
            self.base = offset;
            let read = read_full(self.file, &mut self.bytes, offset)?;
            self.bytes.truncate(read);
        }
        let from = (offset - self.base) as usize;
        let to = self.bytes.len().min(from + length);
        Ok(self.bytes.get(from..to).unwrap_or_default())
    }
}

/// Called with (head, bitmap, keys) of each entry.
pub(crate) type Visit<'a> = dyn FnMut(&Head, &[u8], &[u8]) + 'a;

/// One whole group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) offset: u64,
    /// The byte after its end marker.
    pub(crate) end: u64,
    pub(crate) first_seq: u64,
    pub(crate) end_seq: u64,
    pub(crate) entries: u32,
}

/// What stands at the walker's place.
#[derive(Debug)]
pub(crate) enum Step {
    Group(Group),
    /// The limit, exactly.
    End,
    /// Not a whole group.
    Broken {
        reason: &'static str,
        /// Records that its start marker announces.
        records: Option<u32>,
    },
}

/// Walks from group to group.
#[derive(Debug)]
pub(crate) struct Walker<'a> {
    input: Buffered<'a>,
    salt: u32,
    pub(crate) offset: u64,
    pub(crate) next_seq: u64,
    limit: u64,
}

impl<'a> Walker<'a> {
    /// Begins after the header of a file of which `limit` bytes count.
    pub(crate) fn new(file: &'a dyn File, salt: u32, first_seq: u64, limit: u64) -> Self {
        Self {
            input: Buffered::new(file, CHUNK, limit),
            salt,
            offset: HEADER as u64,
            next_seq: first_seq,
            limit,
        }
    }

    /// Checks the next group; `each` sees its entries as head, bitmap and keys.
    /// `each` may see entries of a group that then turns out broken.
    pub(crate) fn step(&mut self, each: &mut Visit<'_>) -> io::Result<Step> {
        if self.offset == self.limit {
            return Ok(Step::End);
        }
        let broken = |reason, records| Ok(Step::Broken { reason, records });
        let start_bytes = self.input.at(self.offset, START)?.to_vec();
        let Some(start) = format::parse_start(self.salt, &start_bytes) else {
            return broken("no group begins there", None);
        };
        let records = Some(start.records);
        if start.first_seq < self.next_seq {
            return broken("the group's seq is out of order", records);
        }
        let end_at = self.offset + START as u64 + u64::from(start.body);
        if end_at + END as u64 > self.limit {
            return broken("the group is not complete", records);
        }
        let mut at = self.offset + START as u64;
        let mut seq = start.first_seq;
        let mut heads = Vec::with_capacity(start.entries as usize * 4);
        for _ in 0..start.entries {
            let Some(head) = format::peek_head(self.input.at(at, HEAD)?) else {
                return broken("no entry begins there", records);
            };
            if head.first_seq != seq || at + head.total() as u64 > end_at {
                return broken("the entry does not fit its group", records);
            }
            let bytes = self.input.at(at, head.total())?;
            if !format::head_is_whole(self.salt, &head, bytes) {
                return broken("the entry's head does not match its checksum", records);
            }
            let Some((bitmap, keys, _)) = format::split_body(&head, bytes) else {
                return broken("the entry's body does not match its checksum", records);
            };
            heads.extend_from_slice(bytes.get(HEAD - 4..HEAD).unwrap_or_default());
            each(&head, bitmap, keys);
            at += head.total() as u64;
            seq += u64::from(head.records);
        }
        let end = self.input.at(at, END)?;
        let whole = at == end_at
            && format::parse_end(self.salt, &start_bytes, &heads, end) == Some(seq)
            && seq - start.first_seq == u64::from(start.records);
        if !whole {
            return broken("the group's end does not match its checksum", records);
        }
        let group = Group {
            offset: self.offset,
            end: end_at + END as u64,
            first_seq: start.first_seq,
            end_seq: seq,
            entries: start.entries,
        };
        self.offset = group.end;
        self.next_seq = seq;
        Ok(Step::Group(group))
    }

    /// Is there a group's start beyond the walker's place, so that what stands there cannot be an unfinished last write?
    pub(crate) fn later_group(&mut self) -> io::Result<bool> {
        let mut from = self.offset + 1;
        while from + START as u64 <= self.limit {
            let piece = self.input.at(from, CHUNK)?.to_vec();
            let found = piece.windows(START).any(|bytes| {
                bytes.starts_with(&format::START_MAGIC)
                    && format::parse_start(self.salt, bytes)
                        .is_some_and(|start| start.first_seq >= self.next_seq)
            });
            if found {
                return Ok(true);
            }
            if piece.len() < START {
                break;
            }
            from += (piece.len() - START + 1) as u64;
        }
        Ok(false)
    }
}
