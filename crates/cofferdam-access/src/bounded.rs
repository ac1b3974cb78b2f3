//! Acts that somebody can repeat without end, recorded in bounded number: refusals of strangers, and readings by machines.
//!
//! Invariant: nothing is uncounted while the process lives. What got no leaf of its own is in the `count` of a later one.

use cofferdam_audit::Recorded;
use cofferdam_model::TimestampMs;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Refusals of strangers that become leaves of their own, a minute; the others of that minute share one.
pub(crate) const STRANGERS_A_MINUTE: u32 = 20;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Refusals of strangers in this minute.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    minute: i64,
    leaves: u32,
    unrecorded: u64,
}

impl Strangers {
    /// Counts a refusal: whether it is a leaf of its own, and how many of an earlier minute wait for theirs.
    pub(crate) fn note(&self, now: TimestampMs) -> (bool, u64) {
        let minute = now.0.div_euclid(MINUTE_MS);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = 0;
        if state.minute != minute {
            waiting = state.unrecorded;
            *state = Minute {
                minute,
                ..Minute::default()
            };
        }
        let is_leaf = state.leaves < STRANGERS_A_MINUTE;
        if is_leaf {
            state.leaves += 1;
        } else {
            state.unrecorded += 1;
        }
        (is_leaf, waiting)
    }

    /// Takes out how many wait for their leaf.
    pub(crate) fn take(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.unrecorded)
    }

    /// Puts back what could not be recorded.
    pub(crate) fn put_back(&self, count: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.unrecorded += count;
    }
}

/// Who repeats which act on what: actor, act, resource.
pub(crate) type Reading = (&'static str, &'static str, &'static str);

/// The leaf under which a reading goes on for the rest of its hour.
#[derive(Debug)]
struct Standing {
    hour: i64,
    recorded: Recorded,
    unrecorded: u64,
}

/// Readings that machines repeat.
#[derive(Debug, Default)]
pub(crate) struct Readings(HashMap<Reading, Standing>);

impl Readings {
    /// The leaf of this hour that covers a reading, which is counted then; else how many earlier ones a new leaf stands for too.
    pub(crate) fn covered(&mut self, reading: Reading, now: TimestampMs) -> Result<Recorded, u64> {
        let standing = self.0.get_mut(&reading).ok_or(0_u64)?;
        if standing.hour != now.0.div_euclid(HOUR_MS) {
            return Err(standing.unrecorded);
        }
        standing.unrecorded += 1;
        Ok(standing.recorded)
    }

    /// A new leaf covers a reading for the rest of this hour.
    pub(crate) fn cover(&mut self, reading: Reading, now: TimestampMs, recorded: Recorded) {
        let standing = Standing {
            hour: now.0.div_euclid(HOUR_MS),
            recorded,
            unrecorded: 0,
        };
        self.0.insert(reading, standing);
    }

    /// Takes out what was read without a leaf that counts it.
    pub(crate) fn take(&mut self) -> Vec<(Reading, u64)> {
        let readings = self.0.iter_mut();
        let counts = readings
            .map(|(reading, standing)| (*reading, std::mem::take(&mut standing.unrecorded)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}
