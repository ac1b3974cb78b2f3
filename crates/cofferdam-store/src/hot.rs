//! The columns that every behavioural report reads, decoded: who, when, what. Ten bytes an event.
//!
//! Filled from a file the first time a report needs it, kept in a bounded memory that all readers share.
//! Invariant: a file never changes, so what was decoded of it stays true for as long as the file is named by any version; the
//! memory never holds more than its bound, whatever is asked of it.

use crate::StoreError;
use crate::batch::Codes;
use crate::read::{Reader, codes, times, u32s};
use crate::schema::id;
use crate::version::DataFile;
use cofferdam_model::Day;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of one UTC day, sorted by (person, time, seq).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HotColumns {
    /// The person as first seen; apply the merge map.
    pub person: Vec<u32>,
    /// Milliseconds since the day began.
    pub time: Vec<u32>,
    /// Index into `names`.
    pub event: Vec<u16>,
    /// The events' names, each once.
    pub names: Vec<Arc<str>>,
}

impl HotColumns {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.person.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.person.is_empty()
    }

    fn bytes(&self) -> usize {
        self.len() * 10 + self.names.len() * 64
    }

    /// Adds rows; their names may be new.
    pub(crate) fn extend(
        &mut self,
        day: Day,
        person: &[u32],
        time: &[i64],
        event: &Codes,
    ) -> Result<(), StoreError> {
        let mut known = Vec::with_capacity(event.names.len());
        for name in &event.names {
            known.push(match self.names.iter().position(|have| have == name) {
                Some(position) => position,
                None => {
                    self.names.push(Arc::clone(name));
                    self.names.len() - 1
                }
            });
        }
        if self.names.len() > usize::from(u16::MAX) {
            return Err(StoreError::damaged(
                "more event names than a report can tell apart",
            ));
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        let known: Vec<u16> = known.into_iter().map(|position| position as u16).collect();
        let start = day.start().0;
        self.person.extend_from_slice(person);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a row's time is within its file's day"
        )]
        self.time
            .extend(time.iter().map(|time| (time - start) as u32));
        let code = |code: &u32| known.get(*code as usize).copied().unwrap_or(u16::MAX);
        self.event.extend(event.codes.iter().map(code));
        Ok(())
    }
}

/// Decodes a file's.
fn decode(file: &DataFile) -> Result<HotColumns, StoreError> {
    let mut hot = HotColumns::default();
    let rows = usize::try_from(file.rows).unwrap_or(0);
    hot.person.reserve_exact(rows);
    hot.time.reserve_exact(rows);
    hot.event.reserve_exact(rows);
    let wanted = [id::PERSON, id::TIME, id::EVENT];
    for arrays in Reader::open(&file.path, true)?.columns(&wanted)? {
        let arrays = arrays?;
        let at = |position: usize| arrays.get(position).and_then(Option::as_ref);
        let event = at(2)
            .and_then(codes)
            .ok_or_else(|| StoreError::damaged("a file without events"))?;
        hot.extend(file.day, &u32s(at(0))?, &times(at(1))?, &event)?;
    }
    Ok(hot)
}

/// The bounded memory.
#[derive(Debug)]
pub(crate) struct HotCache {
    bytes_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    files: crate::Map<i64, (u64, Arc<HotColumns>)>,
    bytes: usize,
    clock: u64,
}

impl HotCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            held: Mutex::default(),
        }
    }

    /// A file's columns, from memory or decoded now. Blocking.
    pub(crate) fn of(&self, file: &DataFile) -> Result<Arc<HotColumns>, StoreError> {
        if let Some(known) = self.find(file.id) {
            return Ok(known);
        }
        // Decoded without the lock: two reports may do it twice, none waits for the other.
        let decoded = Arc::new(decode(file)?);
        self.keep(file.id, &decoded);
        Ok(decoded)
    }

    fn find(&self, file: i64) -> Option<Arc<HotColumns>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clock += 1;
        let clock = held.clock;
        let (used, columns) = held.files.get_mut(&file)?;
        *used = clock;
        Some(Arc::clone(columns))
    }

    fn keep(&self, file: i64, columns: &Arc<HotColumns>) {
        let bytes = columns.bytes();
        if bytes > self.bytes_max {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while held.bytes + bytes > self.bytes_max {
            let oldest = held.files.iter().min_by_key(|(_, (used, _))| *used);
            let Some(oldest) = oldest.map(|(file, _)| *file) else {
                break;
            };
            if let Some((_, gone)) = held.files.remove(&oldest) {
                held.bytes -= gone.bytes();
            }
        }
        held.clock += 1;
        let clock = held.clock;
        if held
            .files
            .insert(file, (clock, Arc::clone(columns)))
            .is_none()
        {
            held.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(rows: usize) -> Arc<HotColumns> {
        Arc::new(HotColumns {
            person: vec![0; rows],
            ..HotColumns::default()
        })
    }

    #[test]
    fn the_memory_is_bounded_and_what_was_not_used_goes_first() {
        let cache = HotCache::new(2_500);
        for file in 0..2 {
            cache.keep(file, &columns(100));
        }
        assert!(cache.find(0).is_some());
        cache.keep(2, &columns(100));
        assert!(cache.find(1).is_none());
        assert!(cache.find(0).is_some() && cache.find(2).is_some());
        cache.keep(3, &columns(1_000));
        assert!(cache.find(3).is_none(), "larger than the memory");
        assert_eq!(cache.held.lock().unwrap().bytes, 2_000);
    }
}
