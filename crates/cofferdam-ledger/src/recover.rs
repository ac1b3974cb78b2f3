//! Opening a folder: the last checkpoint, the logs after it, and nothing else.
//!
//! Invariant: a torn tail of the last log is cut to its last whole record; any other damage is refused and nothing is changed.

use crate::LedgerError;
use crate::checkpoint::Saved;
use crate::entry::Entry;
use crate::faults::Faults;
use crate::files::Files;
use crate::ledger::Core;
use crate::log::{self, Log, Scanned};
use crate::month;
use crate::state::State;
use foldhash::{HashMap, HashSet};
use std::path::Path;

/// What is on the disk.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) saved: Saved,
    pub(crate) state: State,
    /// Number and end of the last whole log, if there is one.
    pub(crate) last: Option<(u64, u64)>,
    /// Log whose creation was cut short.
    unborn: Option<u64>,
    pub(crate) records: u64,
}

/// Opens a folder for writing.
pub(crate) fn open(dir: &Path, faults: &Faults) -> Result<Core, LedgerError> {
    for folder in [dir.to_path_buf(), dir.join("log"), dir.join("cells")] {
        std::fs::create_dir_all(&folder).map_err(LedgerError::io("make", &folder))?;
    }
    log::sync_dir(dir).map_err(LedgerError::io("sync", dir))?;
    let found = read(dir)?;
    let numbers = cell_numbers(dir)?;
    let known: HashSet<u64> = found.saved.files.iter().map(|(_, _, n)| *n).collect();
    for (stream, month, number) in &found.saved.files {
        if !numbers.contains(number) {
            tracing::error!(stream = %stream, month, "a month file is missing");
            return Err(LedgerError::Damaged {
                path: month::path_of(dir, *number),
                at: 0,
                what: "the file is missing",
            });
        }
    }
    for number in numbers.iter().filter(|number| !known.contains(*number)) {
        let path = month::path_of(dir, *number);
        std::fs::remove_file(&path).map_err(LedgerError::io("delete", &path))?;
    }
    for number in log::numbers(dir)? {
        if number < found.saved.first_log || found.unborn == Some(number) {
            let path = log::path_of(dir, number);
            std::fs::remove_file(&path).map_err(LedgerError::io("delete", &path))?;
        }
    }
    let log = match found.last {
        Some((number, end)) => Log::resume(dir, number, end)?,
        None => Log::create(dir, found.saved.first_log, 0, faults)?,
    };
    let mut files = Files::new(dir.to_path_buf());
    for (stream, month, number) in &found.saved.files {
        files.put(stream, *month, *number);
    }
    Ok(Core {
        durable_cursor: found.state.books.seen_cursor,
        state: found.state,
        log,
        defined: HashSet::default(),
        frozen: Vec::new(),
        files,
        lost: Vec::new(),
        next_file: numbers.iter().max().map_or(0, |max| max + 1),
    })
}

/// Reads checkpoint and logs; changes nothing.
pub(crate) fn read(dir: &Path) -> Result<Found, LedgerError> {
    let saved = Saved::read(dir)?;
    let has_checkpoint = saved.is_some();
    let mut saved = saved.unwrap_or_default();
    let mut numbers = log::numbers(dir)?;
    numbers.retain(|&number| number >= saved.first_log);
    let missing = |number| LedgerError::Damaged {
        path: log::path_of(dir, number),
        at: 0,
        what: "the log is missing",
    };
    let expected = (saved.first_log..).zip(&numbers);
    if let Some((number, _)) = expected
        .into_iter()
        .find(|(number, found)| number != *found)
    {
        return Err(missing(number));
    }
    if has_checkpoint && numbers.is_empty() {
        return Err(missing(saved.first_log));
    }
    let mut state = State {
        books: std::mem::take(&mut saved.books),
        ..State::default()
    };
    let mut unborn = None;
    if let Some(&last) = numbers.last()
        && last != saved.first_log
        && log::scan(dir, last, true, None)?.is_none()
    {
        unborn = numbers.pop();
    }
    let mut scans: Vec<(u64, Scanned)> = Vec::with_capacity(numbers.len());
    let mut must_reach = None;
    for &number in numbers.iter().rev() {
        let is_last = must_reach.is_none();
        match log::scan(dir, number, is_last, must_reach)? {
            Some(scanned) => {
                must_reach = Some(scanned.previous_end);
                scans.push((number, scanned));
            }
            None => unborn = Some(number),
        }
    }
    if has_checkpoint && scans.is_empty() {
        return Err(missing(saved.first_log));
    }
    let mut records = 0;
    for (number, scanned) in scans.iter().rev() {
        replay(dir, *number, scanned, &mut state)?;
        records += scanned.payloads.len() as u64;
    }
    Ok(Found {
        last: scans
            .first()
            .map(|(number, scanned)| (*number, scanned.end)),
        saved,
        state,
        unborn,
        records,
    })
}

fn replay(
    dir: &Path,
    number: u64,
    scanned: &Scanned,
    state: &mut State,
) -> Result<(), LedgerError> {
    let mut numbers = Some(HashMap::default());
    for payload in &scanned.payloads {
        let applied = Entry::decode(payload).map(|entry| state.apply(&entry, &mut numbers));
        if applied != Some(true) {
            return Err(LedgerError::Damaged {
                path: log::path_of(dir, number),
                at: 0,
                what: "a record does not decode or names an undefined field set",
            });
        }
    }
    Ok(())
}

/// Numbers of the month files in the folder.
fn cell_numbers(dir: &Path) -> Result<HashSet<u64>, LedgerError> {
    let folder = dir.join("cells");
    let mut numbers = HashSet::default();
    let entries = std::fs::read_dir(&folder).map_err(LedgerError::io("list", &folder))?;
    for entry in entries {
        let entry = entry.map_err(LedgerError::io("list", &folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(number) = name.strip_suffix(".cells").and_then(|n| n.parse().ok()) {
            numbers.insert(number);
        }
    }
    Ok(numbers)
}
