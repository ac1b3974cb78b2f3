//! The log's files: segments of framed blocks, each block one group commit; and the mark of what was acknowledged.
//!
//! Segment `<first seq, 20 digits>.log` = blocks of: magic, payload length (u32 LE), payload (leaves, one a line), SHA-256 of the
//! three. A crash can leave only the last block of the last segment torn, because every block is synced before the next.
//! Invariant: whatever stands before the last block is either exactly what was written, or an error.

use crate::error::AuditError;
use crate::leaf::{self, Leaf};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const MAGIC: &[u8; 4] = b"CfA1";
const HEAD_BYTES: usize = 8;
const HASH_BYTES: usize = 32;
/// Written after each sync, so it never runs ahead of the leaves: `<leaves>\n`, 20 digits.
const ACKNOWLEDGED: &str = "acknowledged";
/// Salt per leaf: `<seq> <hex>\n`. Deleting a line deletes the way to open that leaf's commitments.
const SALTS: &str = "salts";

/// Where the log stands.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) next_seq: u64,
    pub(crate) previous: [u8; 32],
    /// Last segment, its valid length, and the bytes after it.
    pub(crate) last: Option<(PathBuf, u64, u64)>,
}

/// Faults for tests: writes or syncs fail as on a full disk, until told otherwise. Never set outside of tests.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<AtomicU8>);

impl Faults {
    /// Nothing fails.
    pub const NONE: u8 = 0;
    /// Half a block is written.
    pub const WRITE: u8 = 1;
    /// A block is written and not synced.
    pub const SYNC: u8 = 2;

    /// What fails from now on.
    pub fn set(&self, fault: u8) {
        self.0.store(fault, Ordering::SeqCst);
    }

    fn hits(&self, fault: u8) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) == fault {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

/// Reads and checks the log, handing every leaf to `each`.
///
/// `Some(acknowledged)` reads the log that a writer has open, up to the leaves that it had acknowledged: what it appends or
/// replaces after them meanwhile is not looked at. `None` reads all there is.
pub(crate) fn read(
    dir: &Path,
    acknowledged: Option<u64>,
    each: &mut dyn FnMut(Leaf),
) -> Result<State, AuditError> {
    // Before the leaves: a mark read after them would count leaves that were appended in between.
    let wanted = match acknowledged {
        Some(leaves) => leaves,
        None => marked(dir)?,
    };
    let limit = acknowledged.unwrap_or(u64::MAX);
    let segments = segments(dir)?;
    let mut state = State {
        next_seq: 0,
        previous: [0; 32],
        last: None,
    };
    for (position, (first, path)) in segments.iter().enumerate() {
        if state.next_seq >= limit {
            break;
        }
        let next = segments.get(position + 1).map(|(next, _)| *next);
        if *first != state.next_seq {
            return Err(damaged(path, 0, "leaves are missing before it"));
        }
        read_segment(path, next, limit, &mut state, each)?;
    }
    if state.next_seq < wanted {
        return Err(AuditError::Truncated {
            found: state.next_seq,
            wanted,
        });
    }
    Ok(state)
}

/// Reads a segment up to where the `next` begins, if there is one, and no further than the leaf `limit`.
fn read_segment(
    path: &Path,
    next: Option<u64>,
    limit: u64,
    state: &mut State,
    each: &mut dyn FnMut(Leaf),
) -> Result<(), AuditError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|source| AuditError::io("read", source))?;
    let mut offset = 0;
    // A segment ends where the next begins: what follows was never acknowledged.
    let until = next.map_or(limit, |next| next.min(limit));
    while state.next_seq < until {
        let Some((payload, end)) = block(&bytes, offset) else {
            break;
        };
        for line in payload.split(|byte| *byte == b'\n') {
            let leaf = check(line, state).map_err(|what| damaged(path, offset, what))?;
            each(leaf);
        }
        offset = end;
    }
    let rest = bytes.len() - offset;
    state.last = Some((path.to_owned(), offset as u64, rest as u64));
    if state.next_seq == until {
        return Ok(());
    }
    if next.is_some() {
        return Err(damaged(path, offset, "leaves are missing"));
    }
    if rest > 0 && (offset + 1..bytes.len()).any(|at| block(&bytes, at).is_some()) {
        return Err(damaged(path, offset, "a block is not what was written"));
    }
    Ok(())
}

/// The payload of the block at `offset` and where the next begins; `None` unless whole and right.
fn block(bytes: &[u8], offset: usize) -> Option<(&[u8], usize)> {
    let framed = bytes.get(offset..)?.strip_prefix(MAGIC)?;
    let (length, _) = framed.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let body = offset.checked_add(HEAD_BYTES)?.checked_add(length)?;
    let end = body.checked_add(HASH_BYTES)?;
    let hash = bytes.get(body..end)?;
    let right = Sha256::digest(bytes.get(offset..body)?);
    (right.as_slice() == hash).then_some(())?;
    Some((bytes.get(offset + HEAD_BYTES..body)?, end))
}

fn check(line: &[u8], state: &mut State) -> Result<Leaf, &'static str> {
    let leaf: Leaf = serde_json::from_slice(line).map_err(|_| "a leaf cannot be read")?;
    if leaf.bytes() != line {
        return Err("a leaf is not canonical");
    }
    if leaf.seq != state.next_seq {
        return Err("leaves are out of order");
    }
    if leaf.previous != hex::encode(state.previous) {
        return Err("the chain of hashes is broken");
    }
    state.previous = leaf::hash(line);
    state.next_seq += 1;
    Ok(leaf)
}

/// Frames a group of leaves.
pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + payload.len() + HASH_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(
        &u32::try_from(payload.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    bytes.extend_from_slice(payload);
    let hash = Sha256::digest(&bytes);
    bytes.extend_from_slice(&hash);
    bytes
}

/// Appends and syncs.
pub(crate) fn commit(file: &mut File, bytes: &[u8], faults: &Faults) -> io::Result<()> {
    if let Err(error) = faults.hits(1) {
        file.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
        return Err(error);
    }
    file.write_all(bytes)?;
    faults.hits(2)?;
    file.sync_data()
}

/// Creates the segment that begins with leaf `first`, durably. An unacknowledged one of that name is replaced.
pub(crate) fn create_segment(dir: &Path, first: u64) -> io::Result<(PathBuf, File)> {
    let path = dir.join(format!("{first:020}.log"));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = private().create_new(true).append(true).open(&path)?;
    file.sync_all()?;
    sync_dir(dir)?;
    Ok((path, file))
}

/// Opens a segment for appending at `length`, cutting what follows.
pub(crate) fn reopen_segment(path: &Path, length: u64, rest: u64) -> io::Result<File> {
    let file = private().append(true).open(path)?;
    if rest > 0 {
        file.set_len(length)?;
        file.sync_all()?;
    }
    Ok(file)
}

/// Makes the folder, owner-only.
pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    sync_dir(dir)
}

/// Opens the file of salts for appending.
pub(crate) fn salts(dir: &Path) -> io::Result<File> {
    private().create(true).append(true).open(dir.join(SALTS))
}

/// Marks how many leaves were acknowledged. Not synced: it may lag, and never leads.
pub(crate) fn acknowledge(dir: &Path, leaves: u64) -> io::Result<()> {
    let mut file = private()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join(ACKNOWLEDGED))?;
    file.write_all(format!("{leaves:020}\n").as_bytes())
}

fn marked(dir: &Path) -> Result<u64, AuditError> {
    match fs::read_to_string(dir.join(ACKNOWLEDGED)) {
        // Anything unreadable is a mark torn by a power cut: it says nothing.
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(AuditError::io("read", error)),
    }
}

fn segments(dir: &Path) -> Result<Vec<(u64, PathBuf)>, AuditError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(|source| AuditError::io("list", source))? {
        let path = entry
            .map_err(|source| AuditError::io("list", source))?
            .path();
        let name = path.file_name().and_then(|name| name.to_str());
        let first = name.and_then(|name| name.strip_suffix(".log")?.parse().ok());
        if let Some(first) = first {
            segments.push((first, path));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn damaged(path: &Path, offset: usize, problem: &'static str) -> AuditError {
    AuditError::Damaged {
        file: path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        offset: offset as u64,
        problem,
    }
}
