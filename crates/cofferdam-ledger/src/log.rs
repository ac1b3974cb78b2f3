//! The append log: CRC-framed records in numbered files, synced before an exposure is promised.
//!
//! The ledger appends; recovery reads. A crash leaves at most a torn, unsynced tail, which is cut to the last whole record.
//! Invariant: each frame says how far the log had been synced when it was written, so that damage to synced records is told
//! from a torn tail and refused. (Damage to the very last synced record cannot be told; egress announces that batch again.)

use crate::LedgerError;
use crate::faults::Faults;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"CFDLEDLG";
const VERSION: u32 = 1;
/// Magic, version, number of the log, end of the log before, checksum.
const HEADER_BYTES: usize = 8 + 4 + 8 + 8 + 4;
const FRAME_MAGIC: &[u8; 4] = b"\xc0\xf3LR";
/// Magic, payload length, synced offset, checksum.
const FRAME_BYTES: usize = 4 + 4 + 8 + 4;

/// The log file that is written to.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) number: u64,
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    /// Where the next frame goes.
    pub(crate) end: u64,
    /// Everything before this is on the disk.
    pub(crate) synced: u64,
    /// A sync failed: what is beyond `synced` is not promised, and nothing more is written here.
    pub(crate) poisoned: bool,
}

/// What one log file holds.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) payloads: Vec<Vec<u8>>,
    /// End of the last whole record.
    pub(crate) end: u64,
    /// How much of the log before this one counts.
    pub(crate) previous_end: u64,
}

/// Path of a log.
pub(crate) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join("log").join(format!("{number:010}.log"))
}

impl Log {
    /// Makes a fresh log, durable with its folder entry.
    pub(crate) fn create(
        dir: &Path,
        number: u64,
        previous_end: u64,
        faults: &Faults,
    ) -> Result<Self, LedgerError> {
        let path = path_of(dir, number);
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&number.to_le_bytes());
        header.extend_from_slice(&previous_end.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        let make = || -> std::io::Result<File> {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .open(&path)?;
            faults.hit("log.create")?;
            file.write_all(&header)?;
            faults.hit("log.create.sync")?;
            file.sync_all()?;
            sync_dir(&dir.join("log"))?;
            Ok(file)
        };
        let file = make().map_err(LedgerError::io("create", &path))?;
        Ok(Self {
            number,
            file: Arc::new(file),
            path,
            end: HEADER_BYTES as u64,
            synced: HEADER_BYTES as u64,
            poisoned: false,
        })
    }

    /// Goes on with a log that recovery has scanned; cuts a torn tail.
    pub(crate) fn resume(dir: &Path, number: u64, end: u64) -> Result<Self, LedgerError> {
        use std::io::{Seek, SeekFrom};
        let path = path_of(dir, number);
        let open = || -> std::io::Result<File> {
            let mut file = OpenOptions::new().write(true).open(&path)?;
            file.set_len(end)?;
            file.seek(SeekFrom::Start(end))?;
            file.sync_all()?;
            Ok(file)
        };
        let file = open().map_err(LedgerError::io("reopen", &path))?;
        Ok(Self {
            number,
            file: Arc::new(file),
            path,
            end,
            synced: end,
            poisoned: false,
        })
    }

    /// Appends payloads as frames in one write; returns the new end. Not synced.
    pub(crate) fn append(
        &mut self,
        payloads: &[Vec<u8>],
        faults: &Faults,
    ) -> Result<u64, LedgerError> {
        if self.poisoned {
            return Err(LedgerError::Poisoned);
        }
        let mut bytes = Vec::new();
        for payload in payloads {
            frame(&mut bytes, self.synced, payload);
        }
        let result = self.write(&bytes, faults);
        if let Err(source) = result {
            self.undo();
            return Err(LedgerError::io("append to", &self.path)(source));
        }
        self.end += bytes.len() as u64;
        Ok(self.end)
    }

    fn write(&self, bytes: &[u8], faults: &Faults) -> std::io::Result<()> {
        faults.hit("log.append")?;
        let mut file = self.file.as_ref();
        let half = bytes.len() / 2;
        let (one, other) = bytes.split_at(half);
        if faults.hit("log.append.torn").is_err() {
            file.write_all(one)?;
            return Err(std::io::Error::other("torn"));
        }
        file.write_all(one)?;
        file.write_all(other)
    }

    /// Takes a partial write back, so that the next frame follows a whole one; a log that cannot is out of service.
    fn undo(&mut self) {
        use std::io::{Seek, SeekFrom};
        let mut file = self.file.as_ref();
        let undone = file
            .set_len(self.end)
            .and_then(|()| file.seek(SeekFrom::Start(self.end)));
        self.poisoned |= undone.is_err();
    }
}

fn frame(out: &mut Vec<u8>, synced: u64, payload: &[u8]) {
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(FRAME_MAGIC);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&synced.to_le_bytes());
    out.extend_from_slice(&checksum(len, synced, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn checksum(len: u32, synced: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len.to_le_bytes());
    hasher.update(&synced.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// The whole frame at the start of `bytes`: synced offset and payload.
fn parse(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (synced, rest) = rest.split_first_chunk::<8>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len);
    let synced = u64::from_le_bytes(*synced);
    let payload = rest.get(..len as usize)?;
    (magic == FRAME_MAGIC && u32::from_le_bytes(*crc) == checksum(len, synced, payload))
        .then_some((synced, payload))
}

/// Reads a log. `is_last` allows a torn tail and, where the crash hit the creation, a torn header (`None`).
/// `must_reach`: what the log after this one says was synced here.
pub(crate) fn scan(
    dir: &Path,
    number: u64,
    is_last: bool,
    must_reach: Option<u64>,
) -> Result<Option<Scanned>, LedgerError> {
    let path = path_of(dir, number);
    let bytes = std::fs::read(&path).map_err(LedgerError::io("read", &path))?;
    let damaged = |at: usize, what| LedgerError::Damaged {
        path: path.clone(),
        at: at as u64,
        what,
    };
    let Some(previous_end) = header(&bytes, number, &path)? else {
        return if is_last && bytes.len() <= HEADER_BYTES {
            Ok(None)
        } else {
            Err(damaged(0, "the header is not that of this log"))
        };
    };
    let limit = must_reach
        .and_then(|end| usize::try_from(end).ok())
        .unwrap_or(bytes.len());
    let mut payloads = Vec::new();
    let mut at = HEADER_BYTES;
    while at < limit {
        let Some((_, payload)) = bytes.get(at..).and_then(parse) else {
            break;
        };
        at += FRAME_BYTES + payload.len();
        payloads.push(payload.to_vec());
    }
    if must_reach.is_some() && at != limit {
        return Err(damaged(at, "a synced record is broken"));
    }
    if must_reach.is_none() && synced_beyond(&bytes, at) {
        return Err(damaged(at, "a synced record is broken"));
    }
    Ok(Some(Scanned {
        payloads,
        end: at as u64,
        previous_end,
    }))
}

/// Whether a whole frame after `at` says that more than `at` had been synced.
fn synced_beyond(bytes: &[u8], at: usize) -> bool {
    let tail = bytes.get(at..).unwrap_or_default();
    tail.windows(FRAME_MAGIC.len())
        .enumerate()
        .filter(|(_, window)| window == FRAME_MAGIC)
        .filter_map(|(offset, _)| tail.get(offset..).and_then(parse))
        .any(|(synced, _)| synced > at as u64)
}

/// End of the log before, or `None` where this is no header of log `number`.
fn header(bytes: &[u8], number: u64, path: &Path) -> Result<Option<u64>, LedgerError> {
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let (body, crc) = head.split_at(HEADER_BYTES - 4);
    if crc != crc32fast::hash(body).to_le_bytes() {
        return Ok(None);
    }
    let (magic, rest) = body.split_at(8);
    let (version, rest) = rest.split_at(4);
    let (own, previous) = rest.split_at(8);
    let version = u32::from_le_bytes(version.try_into().unwrap_or_default());
    if magic == MAGIC && version > VERSION {
        return Err(LedgerError::Newer {
            path: path.to_path_buf(),
            found: version,
            known: VERSION,
        });
    }
    if magic != MAGIC || own != number.to_le_bytes() {
        return Ok(None);
    }
    Ok(Some(u64::from_le_bytes(
        previous.try_into().unwrap_or_default(),
    )))
}

/// Numbers of the logs in a folder, ascending.
pub(crate) fn numbers(dir: &Path) -> Result<Vec<u64>, LedgerError> {
    let folder = dir.join("log");
    let mut numbers = Vec::new();
    let entries = std::fs::read_dir(&folder).map_err(LedgerError::io("list", &folder))?;
    for entry in entries {
        let name = entry
            .map_err(LedgerError::io("list", &folder))?
            .file_name()
            .to_string_lossy()
            .into_owned();
        if let Some(number) = name.strip_suffix(".log").and_then(|n| n.parse().ok()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
