//! The keeper: the thread that turns frozen tables into runs, merges runs, and deletes those that left the window.
//!
//! What fails is tried again; until then the keys stay in memory and the journal keeps the entries they came from.
//! Invariant: a file is deleted only when a durable run holds its keys, or when they left the window.

use super::{
    Frozen, merge,
    run::{self, BadRun, Run, RunWriter, Span},
};
use crate::{
    FileLayer, JournalError,
    stats::{Counters, add},
};
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Wait after a failure, and between looks at the time when there is nothing to do.
const PAUSE: Duration = Duration::from_secs(1);

/// What writer and keeper share.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) frozen: VecDeque<Arc<Frozen>>,
    /// In seq order, oldest first.
    pub(crate) runs: Vec<Arc<Run>>,
    now_ms: u64,
    stop: bool,
    idle: bool,
}

#[derive(Debug)]
pub(crate) struct Keeper {
    layer: Arc<dyn FileLayer>,
    dir: PathBuf,
    window_ms: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// Changes whenever `frozen` or `runs` do.
    pub(crate) generation: AtomicU64,
    covered: AtomicU64,
    counters: Arc<Counters>,
}

impl Keeper {
    /// Opens the runs in `dir`; returns how many could not be used. Those are renamed, not deleted.
    pub(crate) fn open(
        layer: Arc<dyn FileLayer>,
        dir: &Path,
        window_ms: u64,
        counters: Arc<Counters>,
    ) -> Result<(Self, usize), JournalError> {
        layer
            .create_dir(dir)
            .map_err(JournalError::io("creating", dir))?;
        let (runs, lost) = open_runs(layer.as_ref(), dir)?;
        let covered = runs.last().map_or(0, |run| run.span.to_seq);
        let keeper = Self {
            layer,
            dir: dir.to_path_buf(),
            window_ms,
            state: Mutex::new(State {
                runs,
                ..State::default()
            }),
            changed: Condvar::new(),
            generation: AtomicU64::new(0),
            covered: AtomicU64::new(covered),
            counters,
        };
        Ok((keeper, lost))
    }

    /// Entries below this seq are not needed to fill the window again.
    pub(crate) fn covered_seq(&self) -> u64 {
        self.covered.load(Ordering::Acquire)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, frozen: Arc<Frozen>) {
        let mut state = self.state();
        state.frozen.push_back(frozen);
        state.idle = false;
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn tell_time(&self, now_ms: u64) {
        self.state().now_ms = now_ms;
    }

    /// Ends the thread after the work that it is at.
    pub(crate) fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }

    /// Waits until there is nothing left to do; for measurements and tests.
    pub(crate) fn settle(&self) {
        let mut state = self.state();
        state.idle = false;
        self.changed.notify_all();
        while !state.idle && !state.stop {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The thread's life.
    pub(crate) fn work(&self) {
        while !self.state().stop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => self.pause(true),
                Err(_) if self.state().stop => {}
                Err(error) => {
                    add(&self.counters.window_errors, 1);
                    tracing::warn!(error = %error, "the dedupe window could not be written, trying again");
                    self.pause(false);
                }
            }
        }
    }

    fn pause(&self, idle: bool) {
        let mut state = self.state();
        if state.stop || (idle && !state.frozen.is_empty()) {
            return;
        }
        state.idle = idle;
        self.changed.notify_all();
        let _unused = self
            .changed
            .wait_timeout(state, PAUSE)
            .unwrap_or_else(PoisonError::into_inner);
    }

    /// One piece of work; false when there is none.
    fn step(&self) -> io::Result<bool> {
        if self.write_frozen()? {
            return Ok(true);
        }
        let (runs, now_ms) = {
            let state = self.state();
            (state.runs.clone(), state.now_ms)
        };
        let spans: Vec<Span> = runs.iter().map(|run| run.span).collect();
        let gone = merge::expired(&spans, now_ms, self.window_ms);
        if gone > 0 {
            self.replace(runs.get(..gone).unwrap_or_default(), None)?;
            return Ok(true);
        }
        let keys: Vec<u64> = runs.iter().map(|run| run.keys).collect();
        let Some(range) = merge::plan(&spans, &keys, self.window_ms) else {
            return Ok(false);
        };
        let old = runs.get(range).unwrap_or_default();
        let merged = merge::merge(self.layer.as_ref(), &self.dir, old, &|| {
            if self.state().stop {
                return Err(io::ErrorKind::Interrupted.into());
            }
            while self.write_frozen()? {}
            Ok(())
        })?;
        self.replace(old, Some(Arc::new(merged)))?;
        Ok(true)
    }

    /// Writes the oldest frozen table as a run; false when there is none.
    fn write_frozen(&self) -> io::Result<bool> {
        let Some(frozen) = self.state().frozen.front().cloned() else {
            return Ok(false);
        };
        let mut keys: Vec<_> = frozen.keys.iter().copied().collect();
        keys.sort_unstable();
        let mut out = RunWriter::new(
            self.layer.as_ref(),
            &self.dir,
            &frozen.span,
            keys.len() as u64,
        )?;
        for key in &keys {
            out.push(key)?;
        }
        let run = Arc::new(out.finish(frozen.span)?);
        let mut state = self.state();
        state.frozen.pop_front();
        state.runs.push(run);
        self.generation.fetch_add(1, Ordering::AcqRel);
        drop(state);
        self.covered.store(frozen.span.to_seq, Ordering::Release);
        Ok(true)
    }

    /// Puts `new` in the place of `old`, then deletes the old files.
    fn replace(&self, old: &[Arc<Run>], new: Option<Arc<Run>>) -> io::Result<()> {
        let mut state = self.state();
        let at = state
            .runs
            .iter()
            .position(|run| old.first().is_some_and(|first| Arc::ptr_eq(first, run)));
        if let Some(at) = at {
            let end = (at + old.len()).min(state.runs.len());
            state.runs.splice(at..end, new);
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        drop(state);
        for run in old {
            match self.layer.remove(&run.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn open_runs(layer: &dyn FileLayer, dir: &Path) -> Result<(Vec<Arc<Run>>, usize), JournalError> {
    let names = layer.list(dir).map_err(JournalError::io("listing", dir))?;
    let mut runs: Vec<Arc<Run>> = Vec::new();
    let mut lost = 0;
    for name in names {
        let path = dir.join(&name);
        if name.ends_with(".tmp") {
            layer
                .remove(&path)
                .map_err(JournalError::io("removing", &path))?;
        }
        if !name.ends_with(".run") {
            continue;
        }
        match Run::open(layer, &path) {
            Ok(run) if run::name(&run.span) == name => runs.push(Arc::new(run)),
            Ok(_) | Err(BadRun::Damaged) => {
                lost += 1;
                layer
                    .rename(&path, &dir.join(format!("{name}.damaged")))
                    .map_err(JournalError::io("renaming", &path))?;
            }
            Err(BadRun::Newer(found)) => {
                return Err(JournalError::Newer {
                    segment: path,
                    found,
                    supported: run::VERSION,
                });
            }
            Err(BadRun::Io(error)) => return Err(JournalError::io("reading", path)(error)),
        }
    }
    // A crash between a merge and the deletion of its inputs leaves both: the longer one holds the keys of the shorter.
    runs.sort_by_key(|run| (run.span.from_seq, std::cmp::Reverse(run.span.to_seq)));
    let mut kept: Vec<Arc<Run>> = Vec::with_capacity(runs.len());
    for run in runs {
        if kept
            .last()
            .is_some_and(|longer| run.span.to_seq <= longer.span.to_seq)
        {
            layer
                .remove(&run.path)
                .map_err(JournalError::io("removing", &run.path))?;
        } else {
            kept.push(run);
        }
    }
    Ok((kept, lost))
}
