//! Opening: which segments there are, which of their bytes count, where to go on.
//!
//! Starting at the newest segment with a whole header, the chain of `previous` is followed back. A segment in the chain
//! counts up to the length that its successor's header names, the newest one up to its last whole group. What is not in the
//! chain was begun and given up before it held an entry.
//! Invariant: nothing is changed on disk before every check has passed, and no byte that counts is ever changed.

use crate::{
    Cut, JournalError, Recovery,
    file::{File, FileLayer, read_exact, read_full, write_all},
    format::{self, BadHeader, HEADER, Head, Header, PROBE},
    scan::{Group, Step, Visit, Walker},
    segment::{self, Segment},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The chain, oldest first.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Higher than every seq that was or may have been used.
    pub(crate) next_seq: u64,
    pub(crate) entries: u64,
    pub(crate) cut: Option<Cut>,
    /// Files that were begun and given up.
    pub(crate) junk: Vec<PathBuf>,
}

impl Found {
    pub(crate) fn report(&self) -> Recovery {
        let held = |segment: &&Arc<Segment>| segment.has_records();
        let first = self.segments.iter().find(held);
        Recovery {
            segments: self.segments.iter().filter(held).count(),
            entries: self.entries,
            first_seq: first.map_or(self.next_seq, |segment| segment.header.first_seq),
            next_seq: self.next_seq,
            cut: self.cut.clone(),
            ..Recovery::default()
        }
    }
}

impl Found {
    /// Notes the end that does not count; returns how many seqs it had.
    fn cut_off(&mut self, path: &Path, offset: u64, bytes: u64, records: Option<u32>) -> u64 {
        self.cut = Some(Cut {
            segment: path.to_path_buf(),
            offset,
            bytes: bytes - offset,
            records,
        });
        // Nobody was given them, unless the file was cut by something else than a crash.
        u64::from(records.unwrap_or(0))
    }
}

/// A file with a segment's name.
#[derive(Debug)]
struct Candidate {
    path: PathBuf,
    file: Arc<dyn File>,
    bytes: u64,
    /// `None`: it was never finished.
    header: Option<Header>,
}

/// Finds the segments in `dir` and shows every entry of a whole group to `visit`, in order.
pub(crate) fn recover(
    layer: &dyn FileLayer,
    dir: &Path,
    visit: &mut Visit<'_>,
) -> Result<Found, JournalError> {
    let mut candidates = candidates(layer, dir)?;
    // A process before this one may have been killed between a creation or removal and its sync. What was found here, a
    // power failure must not take back later.
    layer
        .sync_dir(dir)
        .map_err(JournalError::io("syncing", dir))?;
    let mut found = Found::default();
    if let Some((highest, _)) = candidates.last_key_value() {
        found.next_seq = highest + 1;
    }
    let chain = chain(&candidates)?;
    for first_seq in &chain {
        if let Some(candidate) = candidates.remove(first_seq) {
            let next = chain.iter().find(|next| *next > first_seq);
            let sealed = next
                .and_then(|next| candidates.get(next))
                .and_then(|next| next.header?.previous);
            scan(candidate, sealed, visit, &mut found)?;
        }
    }
    for candidate in candidates.into_values() {
        let newest = found
            .segments
            .last()
            .is_none_or(|segment| segment.path < candidate.path);
        if candidate.header.is_none() && newest {
            found.cut = Some(Cut {
                segment: candidate.path.clone(),
                offset: 0,
                bytes: candidate.bytes,
                records: None,
            });
        }
        found.junk.push(candidate.path);
    }
    Ok(found)
}

fn candidates(layer: &dyn FileLayer, dir: &Path) -> Result<BTreeMap<u64, Candidate>, JournalError> {
    let mut candidates = BTreeMap::new();
    for name in layer.list(dir).map_err(JournalError::io("listing", dir))? {
        let Some(first_seq) = segment::parse_name(&name) else {
            continue;
        };
        let path = dir.join(&name);
        let file = layer
            .open(&path)
            .map_err(JournalError::io("opening", &path))?;
        let bytes = file.size().map_err(JournalError::io("reading", &path))?;
        let mut start = vec![0; HEADER];
        let read =
            read_full(file.as_ref(), &mut start, 0).map_err(JournalError::io("reading", &path))?;
        start.truncate(read);
        let header = match format::parse_header(&start) {
            Ok(header) if header.first_seq == first_seq => Some(header),
            Err(BadHeader::Newer(found)) => {
                return Err(JournalError::Newer {
                    segment: path,
                    found,
                    supported: format::VERSION,
                });
            }
            // The header is made durable before anything is written behind it.
            _ if bytes <= HEADER as u64 => None,
            _ => return Err(damaged(&path, 0, "the header is not as it was written")),
        };
        let candidate = Candidate {
            path,
            file,
            bytes,
            header,
        };
        candidates.insert(first_seq, candidate);
    }
    Ok(candidates)
}

/// The first seqs of the segments that count, ascending.
fn chain(candidates: &BTreeMap<u64, Candidate>) -> Result<Vec<u64>, JournalError> {
    let mut chain = Vec::new();
    let mut next = candidates
        .iter()
        .rev()
        .find_map(|(_, candidate)| candidate.header);
    while let Some(header) = next {
        chain.push(header.first_seq);
        next = match header.previous {
            Some(previous) if previous.first_seq < header.first_seq => {
                match candidates.get(&previous.first_seq) {
                    Some(candidate) if candidate.header.is_none() => {
                        let reason = "the header is not as it was written";
                        return Err(damaged(&candidate.path, 0, reason));
                    }
                    Some(candidate) => candidate.header,
                    None => None,
                }
            }
            _ => None,
        };
    }
    chain.reverse();
    for (first_seq, candidate) in candidates {
        let given_up = candidate.bytes <= (HEADER + PROBE) as u64;
        if !chain.contains(first_seq) && !given_up {
            let after = chain.iter().find(|next| *next > first_seq);
            let segment = after.and_then(|after| candidates.get(after));
            return Err(JournalError::Missing {
                segment: segment.unwrap_or(candidate).path.clone(),
            });
        }
    }
    Ok(chain)
}

/// Checks one segment of the chain. `sealed` is what its successor says about it.
fn scan(
    candidate: Candidate,
    sealed: Option<format::Previous>,
    visit: &mut Visit<'_>,
    found: &mut Found,
) -> Result<(), JournalError> {
    let Candidate {
        path,
        file,
        bytes,
        header: Some(header),
    } = candidate
    else {
        return Ok(());
    };
    let limit = sealed.map_or(bytes, |sealed| sealed.length);
    if limit > bytes {
        return Err(damaged(
            &path,
            bytes,
            "it is shorter than when it was sealed",
        ));
    }
    let segment = Segment::existing(path.clone(), Arc::clone(&file), header);
    let mut walker = Walker::new(file.as_ref(), header.salt, header.first_seq, limit);
    let (mut last, mut burnt) = (None, 0);
    loop {
        // Entries are shown only once their group proves whole.
        let mut held: Vec<(Head, Vec<u8>, Vec<u8>)> = Vec::new();
        match walker.step(&mut |head, bitmap, keys| {
            held.push((*head, bitmap.to_vec(), keys.to_vec()));
        }) {
            Ok(Step::Group(group)) => {
                let mut tags: Vec<u32> = held.iter().map(|(head, _, _)| head.tag).collect();
                tags.dedup();
                for (head, bitmap, keys) in &held {
                    visit(head, bitmap, keys);
                }
                found.entries += u64::from(group.entries);
                segment.publish(group.first_seq, group.end_seq, group.end, &tags);
                last = Some(group);
            }
            Ok(Step::End) => break,
            Ok(Step::Broken { reason, records }) => {
                let later = walker
                    .later_group()
                    .map_err(JournalError::io("reading", &path))?;
                if sealed.is_some() || later {
                    return Err(damaged(&path, walker.offset, reason));
                }
                burnt = found.cut_off(&path, walker.offset, bytes, records);
                break;
            }
            Err(error) => return Err(JournalError::io("reading", path)(error)),
        }
    }
    if sealed.is_some_and(|sealed| sealed.end_seq != segment.end_seq()) {
        return Err(damaged(
            &path,
            limit,
            "it does not end with the seq it was sealed with",
        ));
    }
    if sealed.is_none() {
        confirm(&file, last).map_err(JournalError::io("confirming the end of", &path))?;
    }
    found.next_seq = found.next_seq.max(segment.end_seq() + burnt);
    found.segments.push(Arc::new(segment));
    Ok(())
}

/// The last group may never have been synced, or its fdatasync may have failed: then the kernel can hold its pages as clean
/// while the disk has other bytes. Writing the same bytes again makes the pages dirty, so that the sync is a true one. All
/// groups before it were synced before it was written.
fn confirm(file: &Arc<dyn File>, last: Option<Group>) -> std::io::Result<()> {
    let (offset, length) = last.map_or((0, HEADER as u64), |group| {
        (group.offset, group.end - group.offset)
    });
    let bytes = read_exact(file.as_ref(), length as usize, offset)?;
    write_all(file.as_ref(), &bytes, offset)?;
    file.sync_data()
}

fn damaged(path: &Path, offset: u64, reason: &'static str) -> JournalError {
    JournalError::Damaged {
        segment: path.to_path_buf(),
        offset,
        reason,
    }
}
