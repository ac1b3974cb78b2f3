//! Paths around anchors, row by row as the sweep brings them.
//!
//! Invariant: a person's rows come in time order; memory is bounded by people and paths.

use crate::QueryError;
use crate::sweep::Hits;
use std::ops::Range;

/// Bit of an anchor in a row's mask.
pub(crate) const ANCHOR: u32 = 1;
/// Stands for "no event".
pub(crate) const NONE: u32 = u32::MAX;

/// The rules, made ready.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) before: usize,
    pub(crate) after: usize,
    /// Milliseconds.
    pub(crate) window: i64,
    pub(crate) collapse: bool,
    pub(crate) unique: bool,
    /// Times at which an anchor counts.
    pub(crate) anchors: Range<i64>,
}

/// A person's last path.
#[derive(Clone, Copy, Debug, Default)]
struct Current {
    /// Number of the path, plus one; 0 where there was none.
    path: u32,
    /// Events after its anchor so far.
    filled: u32,
    /// The event before this one in the path.
    last: u32,
    is_open: bool,
    anchored: i64,
}

/// All paths so far.
#[derive(Debug)]
pub(crate) struct Paths<'a> {
    rules: &'a Rules,
    people: Vec<Current>,
    /// Per person the last events, newest first, with their times.
    recent: Vec<(i64, u32)>,
    /// Per path `before` events, nearest last, the anchor, and `after` events.
    events: Vec<u32>,
    /// Per path whose it is.
    whose: Vec<u32>,
    paths_max: usize,
}

impl<'a> Paths<'a> {
    pub(crate) fn new(rules: &'a Rules, bytes_max: usize) -> Self {
        Self {
            rules,
            people: Vec::new(),
            recent: Vec::new(),
            events: Vec::new(),
            whose: Vec::new(),
            paths_max: bytes_max / (4 * (rules.before + rules.after + 2)),
        }
    }

    /// The events of each path: as many before the anchor as are asked for, the anchor, as many after it.
    pub(crate) fn all(&self) -> impl Iterator<Item = &[u32]> {
        self.events.chunks(self.width())
    }

    /// Whose path each is, in the same order.
    pub(crate) fn whose(&self) -> &[u32] {
        &self.whose
    }

    /// Events of a path.
    pub(crate) fn width(&self) -> usize {
        self.rules.before + 1 + self.rules.after
    }

    /// Adds a day's rows; `hidden` says which events count for nothing.
    pub(crate) fn add(
        &mut self,
        hits: &Hits,
        hidden: &impl Fn(u32) -> bool,
    ) -> Result<(), QueryError> {
        let events = hits.values.last().map_or(&[][..], Vec::as_slice);
        let rows = hits
            .person
            .iter()
            .zip(&hits.time)
            .zip(&hits.mask)
            .zip(events);
        for (((&person, &time), &mask), &event) in rows {
            let is_anchor = mask & ANCHOR != 0;
            if is_anchor || !hidden(event) {
                self.row(
                    person as usize,
                    hits.start + i64::from(time),
                    event,
                    is_anchor,
                )?;
            }
        }
        Ok(())
    }

    fn row(
        &mut self,
        person: usize,
        time: i64,
        event: u32,
        is_anchor: bool,
    ) -> Result<(), QueryError> {
        if person >= self.people.len() {
            let people = (person + 1).max(self.people.len() * 2);
            self.people.resize(people, Current::default());
            self.recent.resize(people * self.rules.before, (0, NONE));
        }
        let width = self.width();
        let Some(current) = self.people.get_mut(person) else {
            return Ok(());
        };
        let mut took = false;
        if current.is_open && time - current.anchored > self.rules.window {
            current.is_open = false;
        }
        if current.is_open {
            took = true;
            if !(self.rules.collapse && current.last == event) {
                let place = (current.path as usize - 1) * width
                    + self.rules.before
                    + 1
                    + current.filled as usize;
                if let Some(slot) = self.events.get_mut(place) {
                    *slot = event;
                }
                current.filled += 1;
                current.last = event;
                current.is_open = (current.filled as usize) < self.rules.after;
            }
        }
        let again = current.path != 0 && self.rules.unique;
        if is_anchor && !took && !again && self.rules.anchors.contains(&time) {
            if self.events.len() / width >= self.paths_max {
                return Err(QueryError::TooLarge {
                    path: "from".to_owned(),
                    message: "so many paths take too much memory; ask for fewer days".to_owned(),
                });
            }
            let start = self.events.len();
            self.whose.push(u32::try_from(person).unwrap_or(u32::MAX));
            self.events.resize(start + width, NONE);
            let recent = person * self.rules.before;
            let recent = self.recent.get(recent..recent + self.rules.before);
            let before = self.events.get_mut(start..start + self.rules.before);
            let pairs = before
                .into_iter()
                .flatten()
                .rev()
                .zip(recent.into_iter().flatten());
            for (slot, (then, event)) in pairs {
                if time - then <= self.rules.window {
                    *slot = *event;
                }
            }
            if let Some(slot) = self.events.get_mut(start + self.rules.before) {
                *slot = event;
            }
            *current = Current {
                path: u32::try_from(start / width + 1).unwrap_or(u32::MAX),
                filled: 0,
                last: event,
                is_open: self.rules.after > 0,
                anchored: time,
            };
        }
        self.remember(person, time, event);
        Ok(())
    }

    /// Keeps the row for anchors that come.
    fn remember(&mut self, person: usize, time: i64, event: u32) {
        let start = person * self.rules.before;
        let Some(recent) = self.recent.get_mut(start..start + self.rules.before) else {
            return;
        };
        match recent.first_mut() {
            Some(newest) if self.rules.collapse && newest.1 == event => newest.0 = time,
            Some(_) => {
                recent.rotate_right(1);
                if let Some(newest) = recent.first_mut() {
                    *newest = (time, event);
                }
            }
            None => {}
        }
    }
}
