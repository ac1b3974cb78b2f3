//! One segment file as readers share it: how much of it is durable, where its groups begin, which tags it holds.
//!
//! The writer (or recovery) publishes a group here only after its fdatasync; readers look no further than `durable`.
//! Invariant: `durable` only grows, and bytes below it never change.

use crate::{
    JournalError,
    file::{File, FileLayer, write_all},
    format::{self, HEADER, Header, Previous},
    options::NowMs,
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Distance of two marks in the sparse index, bytes.
const MARK_BYTES: u64 = 64 << 10;

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) header: Header,
    durable: AtomicU64,
    end_seq: AtomicU64,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    /// (first seq of a group, its offset), ascending, about one per `MARK_BYTES`.
    marks: Vec<(u64, u64)>,
    /// Ascending.
    tags: Vec<u32>,
}

impl Segment {
    /// Creates the file, writes its header and makes both durable.
    pub(crate) fn create(
        layer: &dyn FileLayer,
        dir: &Path,
        first_seq: u64,
        now_ms: &NowMs,
        previous: Option<Previous>,
    ) -> Result<Self, JournalError> {
        let path = dir.join(name(first_seq));
        let (bytes, header) = format::encode_header(first_seq, now_ms, previous);
        let file = layer
            .create(&path)
            .map_err(JournalError::io("creating", &path))?;
        write_all(file.as_ref(), &bytes, 0).map_err(JournalError::io("writing", &path))?;
        file.sync_data()
            .map_err(JournalError::io("syncing", &path))?;
        layer
            .sync_dir(dir)
            .map_err(JournalError::io("syncing", dir))?;
        Ok(Self::existing(path, file, header))
    }

    /// A file whose header has been read; its groups are published by the caller.
    pub(crate) fn existing(path: PathBuf, file: Arc<dyn File>, header: Header) -> Self {
        Self {
            path,
            file,
            header,
            durable: AtomicU64::new(HEADER as u64),
            end_seq: AtomicU64::new(
                header
                    .previous
                    .map_or(header.first_seq, |previous| previous.end_seq),
            ),
            index: Mutex::default(),
        }
    }

    /// How many bytes are durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// The seq after the last durable record, here or before.
    pub(crate) fn end_seq(&self) -> u64 {
        self.end_seq.load(Ordering::Acquire)
    }

    /// Are there records in it?
    pub(crate) fn has_records(&self) -> bool {
        self.end_seq() > self.header.first_seq
    }

    /// This segment as its successor's header names it.
    pub(crate) fn as_previous(&self) -> Previous {
        Previous {
            first_seq: self.header.first_seq,
            length: self.durable(),
            end_seq: self.end_seq(),
        }
    }

    /// Makes a durable group visible: it began at `first_seq`, ends before `end_seq` and byte `length`.
    pub(crate) fn publish(&self, first_seq: u64, end_seq: u64, length: u64, tags: &[u32]) {
        let mut index = self.lock();
        let offset = self.durable();
        if index
            .marks
            .last()
            .is_none_or(|(_, last)| offset - last >= MARK_BYTES)
        {
            index.marks.push((first_seq, offset));
        }
        for tag in tags {
            if let Err(place) = index.tags.binary_search(tag) {
                index.tags.insert(place, *tag);
            }
        }
        // A probe ends where it began.
        if end_seq > first_seq {
            self.end_seq.store(end_seq, Ordering::Release);
        }
        self.durable.store(length, Ordering::Release);
    }

    /// Offset of a group that begins at or before `seq`.
    pub(crate) fn locate(&self, seq: u64) -> u64 {
        let index = self.lock();
        let after = index.marks.partition_point(|(first, _)| *first <= seq);
        after
            .checked_sub(1)
            .and_then(|at| index.marks.get(at))
            .map_or(HEADER as u64, |(_, offset)| *offset)
    }

    /// The tags in use, ascending.
    pub(crate) fn tags(&self) -> Vec<u32> {
        self.lock().tags.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file name of the segment that begins at `first_seq`.
pub(crate) fn name(first_seq: u64) -> String {
    format!("{first_seq:016x}.seg")
}

/// The first seq out of a file name; `None` when the file is not a segment.
pub(crate) fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let plain = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok())?
}
