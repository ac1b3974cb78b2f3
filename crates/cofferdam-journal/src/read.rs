//! Reading durable entries in order of seq, as far as each segment is durable.
//!
//! A reader is just its cursor; where a cursor stands in which file is remembered, so that the next read goes on there.
//! Invariant: an entry is returned only after its head and body have matched their checksums.

use crate::{
    Entry, JournalError,
    format::{self, END, END_MAGIC, HEAD, HEAD_MAGIC, HEADER, START, START_MAGIC},
    journal::Shared,
    scan::Buffered,
    segment::Segment,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Cursors remembered.
const PLACES: usize = 32;
/// Bytes read at once: few enough that the allocator gives the same memory again and again.
const CHUNK: usize = 64 << 10;

/// Where recent reads ended.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<VecDeque<Place>>);

#[derive(Debug)]
struct Place {
    seq: u64,
    segment: Weak<Segment>,
    offset: u64,
}

impl Places {
    fn take(&self, seq: u64) -> Option<(Arc<Segment>, u64)> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = places.iter().position(|place| place.seq == seq)?;
        let place = places.remove(at)?;
        Some((place.segment.upgrade()?, place.offset))
    }

    fn put(&self, seq: u64, segment: &Arc<Segment>, offset: u64) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES {
            places.pop_front();
        }
        places.push_back(Place {
            seq,
            segment: Arc::downgrade(segment),
            offset,
        });
    }
}

/// Entries gathered by one call.
#[derive(Debug)]
struct Gathered {
    from_seq: u64,
    bytes_max: usize,
    bytes: usize,
    entries: Vec<Entry>,
}

pub(crate) fn read(
    shared: &Shared,
    from_seq: u64,
    bytes_max: usize,
) -> Result<Vec<Entry>, JournalError> {
    if from_seq >= *shared.durable.borrow() {
        return Ok(Vec::new());
    }
    let mut gathered = Gathered {
        from_seq,
        bytes_max,
        bytes: 0,
        entries: Vec::new(),
    };
    let place = shared.places.take(from_seq).or_else(|| {
        let segment = shared.segment_of(from_seq)?;
        let offset = segment.locate(from_seq);
        Some((segment, offset))
    });
    let Some((mut segment, mut offset)) = place else {
        return Ok(Vec::new());
    };
    loop {
        // Asked for before the length: when there is a next segment, this one does not grow any more.
        let next = shared.segment_after(&segment);
        let full = gather(&segment, &mut offset, &mut gathered)?;
        match next {
            Some(next) if !full => {
                segment = next;
                offset = HEADER as u64;
            }
            _ => break,
        }
    }
    let seq = gathered.entries.last().map_or(from_seq, Entry::next_seq);
    shared.places.put(seq, &segment, offset);
    Ok(gathered.entries)
}

/// Reads on from `offset`; true when there are bytes enough.
fn gather(
    segment: &Segment,
    offset: &mut u64,
    gathered: &mut Gathered,
) -> Result<bool, JournalError> {
    let limit = segment.durable();
    let mut input = Buffered::new(segment.file.as_ref(), CHUNK, limit);
    let failed = |error| JournalError::io("reading", &segment.path)(error);
    while *offset < limit {
        let damaged = |reason| JournalError::Damaged {
            segment: segment.path.clone(),
            offset: *offset,
            reason,
        };
        let bytes = input.at(*offset, HEAD).map_err(failed)?;
        match bytes.first_chunk::<4>() {
            Some(&START_MAGIC) => {
                if format::parse_start(segment.header.salt, bytes).is_none() {
                    return Err(damaged("the group's start does not match its checksum"));
                }
                *offset += START as u64;
            }
            Some(&END_MAGIC) => *offset += END as u64,
            Some(&HEAD_MAGIC) => {
                let head = format::peek_head(bytes)
                    .filter(|head| *offset + head.total() as u64 <= limit)
                    .ok_or_else(|| damaged("the entry is longer than its segment"))?;
                let payload = head.payload as usize;
                let wanted = head.first_seq + u64::from(head.records) > gathered.from_seq;
                if wanted
                    && !gathered.entries.is_empty()
                    && gathered.bytes + payload > gathered.bytes_max
                {
                    return Ok(true);
                }
                let length = if wanted {
                    head.total()
                } else {
                    HEAD + head.bitmap_bytes()
                };
                let bytes = input.at(*offset, length).map_err(failed)?;
                if !format::head_is_whole(segment.header.salt, &head, bytes) {
                    return Err(damaged("the entry's head does not match its checksum"));
                }
                if wanted {
                    let (bitmap, _, payload) = format::split_body(&head, bytes)
                        .ok_or_else(|| damaged("the entry's body does not match its checksum"))?;
                    gathered.bytes += payload.len();
                    gathered.entries.push(Entry {
                        first_seq: head.first_seq,
                        records: head.records,
                        duplicates: format::duplicates(bitmap),
                        tag: head.tag,
                        payload: Bytes::copy_from_slice(payload),
                        appended_ms: head.appended_ms,
                    });
                }
                *offset += head.total() as u64;
            }
            _ => return Err(damaged("neither a group nor an entry begins there")),
        }
    }
    Ok(gathered.bytes >= gathered.bytes_max && !gathered.entries.is_empty())
}
