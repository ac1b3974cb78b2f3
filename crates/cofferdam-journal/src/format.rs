//! The bytes of a segment: header, then groups, each a start marker, entries and an end marker. All numbers little-endian.
//!
//! Every checksum after the header's is seeded with the header's, so that bytes of another file never pass for a group of
//! this one. An entry's body (keys, payload) has its own checksum, so that readers can check one entry alone; the end marker
//! has one over the start marker and the entries' head checksums, so that a group is whole or nothing.
//!
//! Invariant: what `parse_*` accepts was written by `encode_*` for the same segment.

use crate::{Key, NowMs, entry::Duplicates};
use bytes::Bytes;
use crc32fast::Hasher;

/// The format that this program writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a segment's header.
pub(crate) const HEADER: usize = 64;
/// Bytes of a group's start marker.
pub(crate) const START: usize = 40;
/// Bytes of an entry's head, without the bitmap.
pub(crate) const HEAD: usize = 44;
/// Bytes of a group's end marker.
pub(crate) const END: usize = 20;
/// A group without entries, by which a new segment is tried.
pub(crate) const PROBE: usize = START + END;

const MAGIC: &[u8; 8] = b"CFDMJRNL";
pub(crate) const START_MAGIC: [u8; 4] = *b"GRP<";
pub(crate) const HEAD_MAGIC: [u8; 4] = *b"ENT:";
pub(crate) const END_MAGIC: [u8; 4] = *b">GRP";

/// The predecessor as it was when this segment was begun: what lies beyond `length` never counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) first_seq: u64,
    pub(crate) length: u64,
    pub(crate) end_seq: u64,
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) first_seq: u64,
    pub(crate) created_ms: u64,
    pub(crate) previous: Option<Previous>,
    /// The header's checksum, seed of all others.
    pub(crate) salt: u32,
}

/// Why a header does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Newer(u32),
    Damaged,
}

/// A group's start marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) entries: u32,
    pub(crate) records: u32,
    /// Bytes between start and end marker.
    pub(crate) body: u32,
    pub(crate) first_seq: u64,
    pub(crate) time_ms: u64,
}

/// An entry's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) records: u32,
    pub(crate) tag: u32,
    pub(crate) payload: u32,
    pub(crate) first_seq: u64,
    pub(crate) appended_ms: u64,
    pub(crate) duplicates: u32,
    pub(crate) body_crc: u32,
}

impl Head {
    pub(crate) fn bitmap_bytes(&self) -> usize {
        if self.duplicates == 0 {
            0
        } else {
            (self.records as usize).div_ceil(8)
        }
    }

    pub(crate) fn keys_bytes(&self) -> usize {
        self.records as usize * size_of::<Key>()
    }

    /// Bytes of the whole entry.
    pub(crate) fn total(&self) -> usize {
        HEAD + self.bitmap_bytes() + self.keys_bytes() + self.payload as usize
    }
}

/// The checksum of keys and payload; computed by the caller's thread, not the writer's.
pub(crate) fn body_crc(keys: &[Key], payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(keys.as_flattened());
    hasher.update(payload);
    hasher.finalize()
}

pub(crate) fn encode_header(
    first_seq: u64,
    now_ms: &NowMs,
    previous: Option<Previous>,
) -> (Vec<u8>, Header) {
    let created_ms = now_ms();
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&first_seq.to_le_bytes());
    out.extend_from_slice(&created_ms.to_le_bytes());
    let before = previous.unwrap_or(Previous {
        first_seq: u64::MAX,
        length: 0,
        end_seq: 0,
    });
    out.extend_from_slice(&before.first_seq.to_le_bytes());
    out.extend_from_slice(&before.length.to_le_bytes());
    out.extend_from_slice(&before.end_seq.to_le_bytes());
    out.extend_from_slice(&0_u32.to_le_bytes());
    let salt = crc32fast::hash(&out);
    out.extend_from_slice(&salt.to_le_bytes());
    let header = Header {
        first_seq,
        created_ms,
        previous,
        salt,
    };
    (out, header)
}

pub(crate) fn parse_header(bytes: &[u8]) -> Result<Header, BadHeader> {
    let parse = || {
        let salt = u32_at(bytes, 60)?;
        (salt == crc32fast::hash(bytes.get(..60)?)).then_some(())?;
        let before = u64_at(bytes, 32)?;
        let previous = (before != u64::MAX).then_some(Previous {
            first_seq: before,
            length: u64_at(bytes, 40)?,
            end_seq: u64_at(bytes, 48)?,
        });
        Some(Header {
            first_seq: u64_at(bytes, 16)?,
            created_ms: u64_at(bytes, 24)?,
            previous,
            salt,
        })
    };
    if bytes.get(..8) != Some(MAGIC) {
        return Err(BadHeader::Damaged);
    }
    match u32_at(bytes, 8) {
        // A newer format may end its header elsewhere; only magic and version are for ever.
        Some(version) if version > VERSION => Err(BadHeader::Newer(version)),
        Some(VERSION) => parse().ok_or(BadHeader::Damaged),
        _ => Err(BadHeader::Damaged),
    }
}

/// Builds one group in a buffer that is reused.
#[derive(Debug, Default)]
pub(crate) struct GroupBuilder {
    bytes: Vec<u8>,
    heads: Vec<u8>,
    salt: u32,
    first_seq: u64,
    entries: u32,
    records: u32,
}

impl GroupBuilder {
    pub(crate) fn begin(&mut self, salt: u32, first_seq: u64) {
        self.bytes.clear();
        self.bytes.resize(START, 0);
        self.heads.clear();
        self.salt = salt;
        self.first_seq = first_seq;
        self.entries = 0;
        self.records = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The seq after the last record so far.
    pub(crate) fn next_seq(&self) -> u64 {
        self.first_seq + u64::from(self.records)
    }

    pub(crate) fn push(&mut self, head: &Head, bitmap: &[u8], keys: &[Key], payload: &[u8]) {
        let at = self.bytes.len();
        let out = &mut self.bytes;
        out.extend_from_slice(&HEAD_MAGIC);
        for number in [head.records, head.tag, head.payload] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&head.first_seq.to_le_bytes());
        out.extend_from_slice(&head.appended_ms.to_le_bytes());
        out.extend_from_slice(&head.duplicates.to_le_bytes());
        out.extend_from_slice(&head.body_crc.to_le_bytes());
        let crc = head_crc(self.salt, out.get(at..).unwrap_or_default(), bitmap).to_le_bytes();
        out.extend_from_slice(&crc);
        out.extend_from_slice(bitmap);
        out.extend_from_slice(keys.as_flattened());
        out.extend_from_slice(payload);
        self.heads.extend_from_slice(&crc);
        self.entries += 1;
        self.records += head.records;
    }

    /// Closes the group and returns its bytes.
    pub(crate) fn finish(&mut self, time_ms: u64) -> &[u8] {
        let body = (self.bytes.len() - START) as u32;
        let mut start = Vec::with_capacity(START);
        start.extend_from_slice(&START_MAGIC);
        for number in [self.entries, self.records, body] {
            start.extend_from_slice(&number.to_le_bytes());
        }
        start.extend_from_slice(&self.first_seq.to_le_bytes());
        start.extend_from_slice(&time_ms.to_le_bytes());
        start.extend_from_slice(&0_u32.to_le_bytes());
        let crc = seeded(self.salt, &start);
        start.extend_from_slice(&crc.to_le_bytes());
        if let Some(place) = self.bytes.get_mut(..START) {
            place.copy_from_slice(&start);
        }
        let end_seq = self.next_seq();
        let crc = end_crc(self.salt, &start, &self.heads, end_seq);
        self.bytes.extend_from_slice(&END_MAGIC);
        self.bytes.extend_from_slice(&0_u32.to_le_bytes());
        self.bytes.extend_from_slice(&end_seq.to_le_bytes());
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        &self.bytes
    }
}

pub(crate) fn parse_start(salt: u32, bytes: &[u8]) -> Option<Start> {
    let crc = u32_at(bytes, 36)?;
    if bytes.get(..4)? != START_MAGIC || crc != seeded(salt, bytes.get(..36)?) {
        return None;
    }
    Some(Start {
        entries: u32_at(bytes, 4)?,
        records: u32_at(bytes, 8)?,
        body: u32_at(bytes, 12)?,
        first_seq: u64_at(bytes, 16)?,
        time_ms: u64_at(bytes, 24)?,
    })
}

/// Reads a head without checking it, to learn how many bytes belong to it.
pub(crate) fn peek_head(bytes: &[u8]) -> Option<Head> {
    if bytes.get(..4)? != HEAD_MAGIC {
        return None;
    }
    Some(Head {
        records: u32_at(bytes, 4)?,
        tag: u32_at(bytes, 8)?,
        payload: u32_at(bytes, 12)?,
        first_seq: u64_at(bytes, 16)?,
        appended_ms: u64_at(bytes, 24)?,
        duplicates: u32_at(bytes, 32)?,
        body_crc: u32_at(bytes, 36)?,
    })
}

/// Is this head, with its bitmap, as it was written? `bytes` begins at the head.
pub(crate) fn head_is_whole(salt: u32, head: &Head, bytes: &[u8]) -> bool {
    let check = || {
        let fixed = bytes.get(..HEAD - 4)?;
        let bitmap = bytes.get(HEAD..HEAD + head.bitmap_bytes())?;
        Some(u32_at(bytes, HEAD - 4)? == head_crc(salt, fixed, bitmap))
    };
    check().unwrap_or(false)
}

/// Splits a whole entry into bitmap, keys and payload, when its body is as it was written.
pub(crate) fn split_body<'a>(
    head: &Head,
    bytes: &'a [u8],
) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    let keys_at = HEAD + head.bitmap_bytes();
    let payload_at = keys_at + head.keys_bytes();
    let body = bytes.get(keys_at..head.total())?;
    if crc32fast::hash(body) != head.body_crc {
        return None;
    }
    Some((
        bytes.get(HEAD..keys_at)?,
        bytes.get(keys_at..payload_at)?,
        bytes.get(payload_at..head.total())?,
    ))
}

/// Is this the end of the group with that start and those heads? Returns the seq after the group.
pub(crate) fn parse_end(salt: u32, start: &[u8], heads: &[u8], bytes: &[u8]) -> Option<u64> {
    let end_seq = u64_at(bytes, 8)?;
    let whole = bytes.get(..4)? == END_MAGIC
        && u32_at(bytes, 4)? == 0
        && u32_at(bytes, 16)? == end_crc(salt, start, heads, end_seq);
    whole.then_some(end_seq)
}

/// The set of duplicates out of a bitmap's bytes.
pub(crate) fn duplicates(bitmap: &[u8]) -> Duplicates {
    Duplicates {
        bits: Bytes::copy_from_slice(bitmap),
    }
}

fn head_crc(salt: u32, fixed: &[u8], bitmap: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(salt);
    hasher.update(fixed);
    hasher.update(bitmap);
    hasher.finalize()
}

fn end_crc(salt: u32, start: &[u8], heads: &[u8], end_seq: u64) -> u32 {
    let mut hasher = Hasher::new_with_initial(salt);
    hasher.update(start);
    hasher.update(heads);
    hasher.update(&end_seq.to_le_bytes());
    hasher.finalize()
}

fn seeded(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
