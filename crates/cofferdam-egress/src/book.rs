//! The state that the outbox's lines add up to: cursor, containment, totals, open batches, dead letters.
//!
//! Each line carries cursor, containment and totals whole, so that any suffix of the log that holds the open batch is enough.
//! Invariant: applying the lines of the log in order gives the book that wrote them; pure, no IO.

use crate::answer::Verdict;
use crate::batch::{Assembled, ItemMeta, Plan};
use crate::dialect::Lane;
use crate::{DeadLetter, Reason, Totals};
use bytes::Bytes;
use cofferdam_ledger::FieldKey;
use cofferdam_model::Day;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What every line carries whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// Next journal record to look at.
    pub(crate) cursor: u64,
    /// Whether the vendor is contained.
    pub(crate) contained: bool,
    /// Records before this one are counted as contained, not sent: where a resume starts.
    pub(crate) skip_until: u64,
    /// Number of the next batch.
    pub(crate) next_number: u64,
    /// Number of the last batch of which something may have left.
    #[serde(default)]
    pub(crate) attempted: u64,
    /// Accounts into which the vendor's events go ([`crate::VendorOptions::account`]): the present one, and while it is contained
    /// every one that it had meanwhile.
    #[serde(default)]
    pub(crate) accounts: Vec<u32>,
}

/// One request of a batch, byte for byte as it goes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) lane: Lane,
    pub(crate) repeatable: bool,
    /// Positions in the batch, in the order of the body.
    pub(crate) items: Vec<u32>,
    /// The exact bytes; kept behind the line's head.
    #[serde(skip)]
    pub(crate) body: Bytes,
    /// Whether an attempt has begun (of a part that must not be repeated), or may have left and failed (of any other).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) marked: bool,
}

impl Part {
    pub(crate) fn new(plan: Plan) -> Self {
        let Plan {
            lane,
            repeatable,
            items,
            body,
        } = plan;
        Self {
            lane,
            repeatable,
            items,
            body: body.into(),
            marked: false,
        }
    }
}

/// A batch: everything that one stretch of the journal became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    /// UTC day of the first attempt.
    pub(crate) day: Day,
    /// Epoch of the tokens in it.
    pub(crate) epoch: u32,
    /// For which destination it was made ([`crate::VendorOptions::destination`]); 0 in outboxes from before this was kept.
    #[serde(default)]
    pub(crate) destination: u32,
    pub(crate) metas: Vec<ItemMeta>,
    pub(crate) field_sets: Vec<Vec<FieldKey>>,
    /// Requests that have no outcome yet, in order.
    pub(crate) parts: VecDeque<Part>,
}

/// For whom the bytes of a batch were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MadeFor {
    /// Epoch of the tokens.
    pub(crate) epoch: u32,
    /// [`crate::VendorOptions::destination`].
    pub(crate) destination: u32,
}

impl Batch {
    pub(crate) fn new(number: u64, day: Day, made_for: MadeFor, assembled: Assembled) -> Self {
        let Assembled {
            metas,
            field_sets,
            plans,
            unsendable: _,
        } = assembled;
        Self {
            number,
            day,
            epoch: made_for.epoch,
            destination: made_for.destination,
            metas,
            field_sets,
            parts: plans.into_iter().map(Part::new).collect(),
        }
    }
}

/// How the first open request of a batch ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// The vendor has all items but the refused ones.
    Taken { refused: Vec<(u32, Reason)> },
    /// The vendor refused all.
    Refused(Reason),
    /// It will never be known.
    Unknown,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// Only the standing or the totals changed.
    Moved,
    /// A batch is about to be sent.
    Queued(Batch),
    /// What is open of the batch is this now: some of it may not go any more.
    Rebuilt(Batch),
    /// The first open request of the batch is about to be attempted, or was where it may be repeated.
    Marked,
    /// The first open request is replaced by two.
    Halved(Vec<Part>),
    /// The first open request has an outcome.
    Ended { ending: Ending, day: Day },
    /// Contained: open batches are dropped.
    Contained,
    /// Resumed: starts at `skip_until`.
    Resumed,
    /// All that the lines before it still say, so that they can go.
    Kept {
        dead: VecDeque<DeadLetter>,
        open: Option<Batch>,
    },
}

/// A line of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) standing: Standing,
    pub(crate) totals: Totals,
    pub(crate) change: Change,
}

/// The state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) standing: Standing,
    pub(crate) totals: Totals,
    /// The batch that is being sent; there is at most one.
    pub(crate) open: Option<Batch>,
    pub(crate) dead: VecDeque<DeadLetter>,
    pub(crate) dead_max: usize,
}

impl Book {
    /// The line that says `change`, with standing and totals as they are then.
    pub(crate) fn line(&self, standing: Standing, totals: Totals, change: Change) -> Line {
        let mut line = Line {
            standing,
            totals,
            change,
        };
        let has_left = !matches!(
            line.change,
            Change::Moved
                | Change::Queued(_)
                | Change::Rebuilt(_)
                | Change::Resumed
                | Change::Kept { .. }
        );
        if let (true, Some(batch)) = (has_left, &self.open) {
            line.standing.attempted = batch.number;
        }
        match &line.change {
            Change::Queued(batch) => {
                line.totals.announced += batch.metas.len() as u64;
                line.standing.next_number = batch.number + 1;
            }
            Change::Ended { ending, .. } => self.count(ending, &mut line.totals),
            Change::Contained | Change::Resumed => {
                line.standing.contained = matches!(line.change, Change::Contained);
                // What was announced and is dropped now may have left.
                line.totals.unknown += self.open_items();
            }
            Change::Moved
            | Change::Rebuilt(_)
            | Change::Marked
            | Change::Halved(_)
            | Change::Kept { .. } => {}
        }
        line
    }

    /// Takes a line over.
    pub(crate) fn apply(&mut self, line: Line) {
        self.standing = line.standing;
        self.totals = line.totals;
        match line.change {
            Change::Moved => {}
            Change::Queued(batch) => self.open = Some(batch),
            Change::Rebuilt(batch) => {
                self.open = Some(batch).filter(|batch| !batch.parts.is_empty());
            }
            Change::Marked => {
                if let Some(part) = self.part_mut() {
                    part.marked = true;
                }
            }
            Change::Halved(parts) => {
                if let Some(batch) = &mut self.open {
                    batch.parts.pop_front();
                    for mut part in parts.into_iter().rev() {
                        // Its items left with the whole.
                        part.marked = part.repeatable;
                        batch.parts.push_front(part);
                    }
                }
            }
            Change::Ended { ending, day } => self.end(&ending, day),
            Change::Contained | Change::Resumed => self.open = None,
            Change::Kept { dead, open } => (self.dead, self.open) = (dead, open),
        }
    }

    /// The request that is next, with its batch.
    pub(crate) fn part(&self) -> Option<(&Batch, &Part)> {
        let batch = self.open.as_ref()?;
        Some((batch, batch.parts.front()?))
    }

    /// The first journal record that may still be read again: for what is open, or for what comes next.
    pub(crate) fn needs(&self) -> u64 {
        let metas = self.open.iter().flat_map(|batch| &batch.metas);
        let oldest = metas.map(|meta| meta.seq).min();
        oldest.map_or(self.standing.cursor, |seq| seq.min(self.standing.cursor))
    }

    /// Items of the open batch that have no outcome yet.
    pub(crate) fn open_items(&self) -> u64 {
        let parts = self.open.iter().flat_map(|batch| &batch.parts);
        parts.map(|part| part.items.len() as u64).sum()
    }

    fn part_mut(&mut self) -> Option<&mut Part> {
        self.open.as_mut()?.parts.front_mut()
    }

    fn count(&self, ending: &Ending, totals: &mut Totals) {
        let items = self.part().map_or(0, |(_, part)| part.items.len() as u64);
        match ending {
            Ending::Taken { refused } => {
                totals.delivered += items.saturating_sub(refused.len() as u64);
                for (_, reason) in refused {
                    *totals.refused.entry(*reason).or_default() += 1;
                }
            }
            Ending::Refused(reason) => *totals.refused.entry(*reason).or_default() += items,
            Ending::Unknown => totals.unknown += items,
        }
    }

    fn end(&mut self, ending: &Ending, day: Day) {
        let Some(batch) = &mut self.open else { return };
        let Some(part) = batch.parts.pop_front() else {
            return;
        };
        for (item, reason) in dead_of(&part, ending) {
            self.dead.push_back(DeadLetter {
                batch: batch.number,
                item,
                reason,
                day,
            });
        }
        while self.dead.len() > self.dead_max {
            self.dead.pop_front();
        }
        if batch.parts.is_empty() {
            self.open = None;
        }
    }
}

/// The items, by position in the batch, that the vendor refused for good.
fn dead_of(part: &Part, ending: &Ending) -> Vec<(u32, Reason)> {
    match ending {
        Ending::Taken { refused } => refused
            .iter()
            .filter_map(|(index, reason)| Some((*part.items.get(*index as usize)?, *reason)))
            .collect(),
        Ending::Refused(reason) => part.items.iter().map(|item| (*item, *reason)).collect(),
        Ending::Unknown => Vec::new(),
    }
}

/// What a verdict means for a request; `None` where it stays open.
pub(crate) fn ending_of(verdict: &Verdict, part: &Part) -> Option<Ending> {
    match verdict {
        Verdict::Delivered => Some(Ending::Taken {
            refused: Vec::new(),
        }),
        Verdict::Partial(refused) => Some(Ending::Taken {
            refused: refused.clone(),
        }),
        Verdict::Halve(reason) if part.items.len() < 2 => Some(Ending::Refused(*reason)),
        Verdict::Unknown(_) if !part.repeatable => Some(Ending::Unknown),
        Verdict::Halve(_) | Verdict::Refused(_) | Verdict::NotTaken(_) | Verdict::Unknown(_) => {
            None
        }
    }
}
