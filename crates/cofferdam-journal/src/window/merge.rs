//! Which runs to merge or drop, and the merging.
//!
//! Invariant: only runs next to each other in seq order and of one bucket are merged, so that the runs stay in seq order
//! and a bucket can be dropped as a whole. At most 23 runs are left when there is nothing more to do.

use super::{
    BUCKETS,
    run::{Run, RunWriter, Span},
};
use crate::{FileLayer, Key};
use std::{io, ops::Range, path::Path, sync::Arc};

/// Runs of the newest bucket, none alike, before all of it is merged.
const RUNS_MAX: usize = 16;
/// Runs that are merged together while their bucket grows.
const FAN: usize = 4;

/// Keys merged before other work gets its turn.
const BETWEEN: u64 = 1 << 16;

/// The bucket of a time.
pub(crate) fn bucket(ms: u64, window_ms: u64) -> u64 {
    ms / (window_ms / BUCKETS).max(1)
}

/// How many of the oldest runs have left the window. A run is as old as the oldest of those after it, since its keys came
/// before theirs: a clock that once ran ahead does not keep it for ever.
pub(crate) fn expired(spans: &[Span], now_ms: u64, window_ms: u64) -> usize {
    let gone = |span: &Span| span.max_ms.saturating_add(window_ms) < now_ms;
    spans.iter().rposition(gone).map_or(0, |last| last + 1)
}

/// The next runs to merge: a finished bucket becomes one run; in the newest, runs of like size are merged.
pub(crate) fn plan(spans: &[Span], keys: &[u64], window_ms: u64) -> Option<Range<usize>> {
    let buckets: Vec<u64> = spans
        .iter()
        .map(|span| bucket(span.min_ms, window_ms))
        .collect();
    let newest = *buckets.last()?;
    let mut from = 0;
    for group in buckets.chunk_by(|left, right| left == right) {
        let range = from..from + group.len();
        from = range.end;
        let finished = group.first() != Some(&newest);
        if finished && group.len() > 1 {
            return Some(range);
        }
        let sizes = keys.get(range.clone()).unwrap_or_default();
        let alike = |four: &[u64]| {
            let largest = four.iter().max().copied().unwrap_or(0);
            largest <= four.iter().sum::<u64>() - largest
        };
        if let Some(at) = sizes.windows(FAN).rposition(alike) {
            return Some(range.start + at..range.start + at + FAN);
        }
        if group.len() > RUNS_MAX {
            return Some(range);
        }
    }
    None
}

/// Writes one run with the keys of all of `runs`; calls `between` now and then.
pub(crate) fn merge(
    layer: &dyn FileLayer,
    dir: &Path,
    runs: &[Arc<Run>],
    between: &dyn Fn() -> io::Result<()>,
) -> io::Result<Run> {
    let spans = runs.iter().map(|run| run.span);
    let span = spans
        .reduce(Span::join)
        .ok_or(io::ErrorKind::InvalidInput)?;
    let keys = runs.iter().map(|run| run.keys).sum();
    let mut out = RunWriter::new(layer, dir, &span, keys)?;
    let mut cursors = Vec::with_capacity(runs.len());
    for run in runs {
        cursors.push(Cursor::new(run)?);
    }
    for turn in 1_u64.. {
        if turn.is_multiple_of(BETWEEN) {
            between()?;
        }
        let lowest = cursors
            .iter_mut()
            .filter_map(|cursor| cursor.key().map(|key| (key, cursor)))
            .min_by_key(|(key, _)| *key);
        let Some((key, cursor)) = lowest else { break };
        out.push(&key)?;
        cursor.advance()?;
    }
    out.finish(span)
}

/// A place in a run's keys.
#[derive(Debug)]
struct Cursor<'a> {
    run: &'a Run,
    next_page: u64,
    page: Vec<Key>,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(run: &'a Run) -> io::Result<Self> {
        let mut cursor = Self {
            run,
            next_page: 0,
            page: Vec::new(),
            at: 0,
        };
        cursor.load()?;
        Ok(cursor)
    }

    fn key(&self) -> Option<Key> {
        self.page.get(self.at).copied()
    }

    fn advance(&mut self) -> io::Result<()> {
        self.at += 1;
        if self.at >= self.page.len() {
            self.load()?;
        }
        Ok(())
    }

    fn load(&mut self) -> io::Result<()> {
        self.at = 0;
        self.page.clear();
        while self.page.is_empty() && self.next_page < self.run.pages() {
            match self.run.page(self.next_page) {
                Ok(page) => self.page = page,
                // The window forgets the keys of a damaged page; waiting would not bring them back.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(error) => return Err(error),
            }
            self.next_page += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(times: &[(u64, u64)]) -> Vec<Span> {
        let span = |(at, (min_ms, max_ms)): (usize, &(u64, u64))| Span {
            from_seq: at as u64,
            to_seq: at as u64 + 1,
            min_ms: *min_ms,
            max_ms: *max_ms,
        };
        times.iter().enumerate().map(span).collect()
    }

    #[test]
    fn a_clock_that_ran_ahead_keeps_nothing_for_ever() {
        let runs = spans(&[(0, 50), (9_000, 9_999), (60, 70), (100, 700)]);
        assert_eq!(expired(&runs, 751, 700), 1);
        assert_eq!(expired(&runs, 771, 700), 3);
        assert_eq!(expired(&runs, 1_401, 700), 4);
    }

    #[test]
    fn like_sizes_merge_and_finished_buckets_become_one() {
        let times = [(0, 5); 4];
        assert_eq!(plan(&spans(&times), &[9, 9, 9, 9], 700), Some(0..4));
        assert_eq!(plan(&spans(&times), &[99, 9, 9, 9], 700), None);
        let times = [(0, 5), (10, 20), (100, 120)];
        assert_eq!(plan(&spans(&times), &[99, 1, 1], 700), Some(0..2));
        assert_eq!(plan(&spans(&[(0, 5), (100, 105)]), &[5, 5], 700), None);
    }
}
