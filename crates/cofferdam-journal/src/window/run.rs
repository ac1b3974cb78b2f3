//! A run: an immutable file of sorted keys with a filter in memory, and the writing of one.
//!
//! File: header (128 bytes), pages of up to 255 keys (each with its own checksum), the filter. It is written under another
//! name, made durable, then renamed. Invariant: a key is reported only after it was compared with the file, byte for byte.

use super::filter::{Filter, Probe};
use crate::{
    Key,
    file::{File, FileLayer, read_exact, write_all},
    format::{u32_at, u64_at},
};
use std::{
    cmp::Ordering,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

const MAGIC: &[u8; 8] = b"CFDMKEYS";
pub(crate) const VERSION: u32 = 1;
const HEADER: usize = 128;
const KEY: usize = size_of::<Key>();
/// Checksum and page number, before the keys.
const PAGE_HEAD: usize = 16;
const PAGE: usize = 4096;
pub(crate) const KEYS_PER_PAGE: usize = (PAGE - PAGE_HEAD) / KEY;

/// The extent of a run: which entries its keys came from, and when those were appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from_seq: u64,
    pub(crate) to_seq: u64,
    pub(crate) min_ms: u64,
    pub(crate) max_ms: u64,
}

impl Span {
    /// The smallest span that holds both.
    pub(crate) fn join(self, other: Self) -> Self {
        Self {
            from_seq: self.from_seq.min(other.from_seq),
            to_seq: self.to_seq.max(other.to_seq),
            min_ms: self.min_ms.min(other.min_ms),
            max_ms: self.max_ms.max(other.max_ms),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) path: PathBuf,
    file: Arc<dyn File>,
    pub(crate) span: Span,
    pub(crate) keys: u64,
    filter: Filter,
}

/// Why a file is not used as a run.
#[derive(Debug)]
pub(crate) enum BadRun {
    Newer(u32),
    Damaged,
    Io(io::Error),
}

impl From<io::Error> for BadRun {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Run {
    pub(crate) fn open(layer: &dyn FileLayer, path: &Path) -> Result<Self, BadRun> {
        let file = layer.open(path)?;
        let short = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => BadRun::Damaged,
            _ => BadRun::Io(error),
        };
        let header = read_exact(file.as_ref(), HEADER, 0).map_err(short)?;
        if header.get(..8) != Some(MAGIC) {
            return Err(BadRun::Damaged);
        }
        if let Some(version) = u32_at(&header, 8).filter(|version| *version > VERSION) {
            return Err(BadRun::Newer(version));
        }
        let (span, keys, filter_bytes, filter_crc) = parse(&header).ok_or(BadRun::Damaged)?;
        let filter_at = HEADER as u64 + pages_bytes(keys);
        if file.size()? != filter_at + filter_bytes {
            return Err(BadRun::Damaged);
        }
        let filter = read_exact(file.as_ref(), filter_bytes as usize, filter_at).map_err(short)?;
        if crc32fast::hash(&filter) != filter_crc {
            return Err(BadRun::Damaged);
        }
        Ok(Self {
            path: path.to_path_buf(),
            file,
            span,
            keys,
            filter: Filter::from_bytes(&filter),
        })
    }

    /// Bytes in memory.
    pub(crate) fn ram(&self) -> usize {
        self.filter.size() + size_of::<Self>() + self.path.as_os_str().len()
    }

    /// Bytes on disk.
    pub(crate) fn disk(&self) -> u64 {
        HEADER as u64 + pages_bytes(self.keys) + self.filter.size() as u64
    }

    #[inline]
    pub(crate) fn may_contain(&self, probe: Probe) -> bool {
        self.filter.may_contain(probe)
    }

    /// Looks the key up in the file: by interpolation first, since keys are mostly random, then by halves.
    pub(crate) fn contains(&self, key: &Key) -> io::Result<bool> {
        let pages = self.pages();
        let (mut low, mut high) = (0, pages);
        let mut guess = scale(top(key), pages);
        for turn in 0_u32.. {
            if low >= high {
                break;
            }
            if turn > 3 {
                guess = low + (high - low) / 2;
            }
            let at = guess.clamp(low, high - 1);
            let page = self.page(at)?;
            let (Some(first), Some(last)) = (page.first(), page.last()) else {
                break;
            };
            if key < first {
                high = at;
                guess = at.saturating_sub(1 + scale(top(first) - top(key), pages));
            } else if key > last {
                low = at + 1;
                guess = low + scale(top(key) - top(last), pages);
            } else {
                return Ok(page.binary_search(key).is_ok());
            }
        }
        Ok(false)
    }

    /// The keys of one page, ascending.
    pub(crate) fn page(&self, number: u64) -> io::Result<Vec<Key>> {
        let before = number * KEYS_PER_PAGE as u64;
        let keys = (self.keys.saturating_sub(before)).min(KEYS_PER_PAGE as u64) as usize;
        let offset = HEADER as u64 + number * PAGE as u64;
        let bytes = read_exact(self.file.as_ref(), PAGE_HEAD + keys * KEY, offset)?;
        let (head, body) = bytes.split_at_checked(PAGE_HEAD).unwrap_or_default();
        let whole =
            u64_at(head, 8) == Some(number) && u32_at(head, 0) == Some(page_crc(number, body));
        if !whole {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a page of the dedupe window does not match its checksum",
            ));
        }
        Ok(body.as_chunks::<KEY>().0.to_vec())
    }

    pub(crate) fn pages(&self) -> u64 {
        self.keys.div_ceil(KEYS_PER_PAGE as u64)
    }
}

/// The name of a run's file.
pub(crate) fn name(span: &Span) -> String {
    format!("{:016x}-{:016x}.run", span.from_seq, span.to_seq)
}

/// Writes one run from ascending keys.
#[derive(Debug)]
pub(crate) struct RunWriter<'a> {
    layer: &'a dyn FileLayer,
    dir: &'a Path,
    temporary: PathBuf,
    file: Arc<dyn File>,
    filter: Filter,
    page: Vec<u8>,
    pending: Vec<u8>,
    offset: u64,
    keys: u64,
    last: Option<Key>,
}

impl<'a> RunWriter<'a> {
    /// Begins a run of at most `keys` keys.
    pub(crate) fn new(
        layer: &'a dyn FileLayer,
        dir: &'a Path,
        span: &Span,
        keys: u64,
    ) -> io::Result<Self> {
        let temporary = dir.join(format!("{}.tmp", name(span)));
        match layer.remove(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self {
            layer,
            dir,
            file: layer.create(&temporary)?,
            temporary,
            filter: Filter::with_room(keys),
            page: vec![0; PAGE_HEAD],
            pending: Vec::new(),
            offset: HEADER as u64,
            keys: 0,
            last: None,
        })
    }

    /// Adds the next key; a repeat of the last one is dropped.
    pub(crate) fn push(&mut self, key: &Key) -> io::Result<()> {
        match self.last.map(|last| last.cmp(key)) {
            Some(Ordering::Equal) => return Ok(()),
            Some(Ordering::Greater) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "keys of the dedupe window are out of order",
                ));
            }
            _ => self.last = Some(*key),
        }
        self.filter.add(key);
        self.page.extend_from_slice(key);
        self.keys += 1;
        if self.page.len() == PAGE_HEAD + KEYS_PER_PAGE * KEY {
            self.end_page()?;
        }
        Ok(())
    }

    fn end_page(&mut self) -> io::Result<()> {
        if self.page.len() > PAGE_HEAD {
            let number = (self.offset + self.pending.len() as u64 - HEADER as u64) / PAGE as u64;
            let (head, body) = self
                .page
                .split_at_mut_checked(PAGE_HEAD)
                .unwrap_or_default();
            let crc = page_crc(number, body);
            for (place, byte) in head.iter_mut().zip(
                crc.to_le_bytes()
                    .into_iter()
                    .chain([0; 4])
                    .chain(number.to_le_bytes()),
            ) {
                *place = byte;
            }
            self.pending.extend_from_slice(&self.page);
            self.page.truncate(PAGE_HEAD);
        }
        if self.pending.len() >= 64 * PAGE {
            self.write_pending()?;
        }
        Ok(())
    }

    fn write_pending(&mut self) -> io::Result<()> {
        write_all(self.file.as_ref(), &self.pending, self.offset)?;
        self.offset += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Makes the run durable under its name.
    pub(crate) fn finish(mut self, span: Span) -> io::Result<Run> {
        self.end_page()?;
        let filter = self.filter.to_bytes();
        self.pending.extend_from_slice(&filter);
        self.write_pending()?;
        let header = header(&span, self.keys, &filter);
        write_all(self.file.as_ref(), &header, 0)?;
        self.file.sync_data()?;
        let path = self.dir.join(name(&span));
        self.layer.rename(&self.temporary, &path)?;
        self.layer.sync_dir(self.dir)?;
        Ok(Run {
            path,
            file: self.file,
            span,
            keys: self.keys,
            filter: self.filter,
        })
    }
}

fn header(span: &Span, keys: u64, filter: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(filter).to_le_bytes());
    for number in [
        span.from_seq,
        span.to_seq,
        span.min_ms,
        span.max_ms,
        keys,
        filter.len() as u64,
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.resize(HEADER - 4, 0);
    out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
    out
}

fn parse(header: &[u8]) -> Option<(Span, u64, u64, u32)> {
    let crc = u32_at(header, HEADER - 4)?;
    (crc == crc32fast::hash(header.get(..HEADER - 4)?)).then_some(())?;
    let span = Span {
        from_seq: u64_at(header, 16)?,
        to_seq: u64_at(header, 24)?,
        min_ms: u64_at(header, 32)?,
        max_ms: u64_at(header, 40)?,
    };
    Some((
        span,
        u64_at(header, 48)?,
        u64_at(header, 56)?,
        u32_at(header, 12)?,
    ))
}

/// Bytes of the pages of so many keys; the last page may be short.
fn pages_bytes(keys: u64) -> u64 {
    keys * KEY as u64 + keys.div_ceil(KEYS_PER_PAGE as u64) * PAGE_HEAD as u64
}

fn page_crc(number: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(number as u32);
    hasher.update(body);
    hasher.finalize()
}

/// The first eight bytes, as they sort.
fn top(key: &Key) -> u64 {
    key.first_chunk()
        .map_or(0, |eight| u64::from_be_bytes(*eight))
}

/// How many of `pages` pages of random keys lie in so much of the key space.
fn scale(distance: u64, pages: u64) -> u64 {
    ((u128::from(distance) * u128::from(pages)) >> 64) as u64
}
