//! One attempt at the first open request: announce, send, judge, settle.
//!
//! Invariant: the ledger holds the exposure before the guarded client gets the bytes; a request whose batch was dropped
//! meanwhile has no effect on the book.

use super::{Next, Worker};
use crate::answer::{Failure, Verdict, judge};
use crate::book::{Batch, Change, Ending, Part, ending_of};
use crate::{EgressError, SendState, Step};
use cofferdam_ledger::{BatchId, Items, LedgerError, Outcome, PossibleItem};
use cofferdam_model::Day;
use cofferdam_outbound::{OutboundRequest, Verb};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// What this process has told the ledger of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Announced {
    number: u64,
    id: BatchId,
    day: Day,
}

/// The request that is attempted, taken out of the book.
struct Attempt {
    number: u64,
    /// Open requests of the batch, to recognise the same one again.
    left: usize,
    part: Part,
    generation: u64,
}

impl Worker {
    /// Attempts the first open request.
    pub(crate) async fn attempt(&mut self) -> Result<Next, EgressError> {
        if self.is_unheard_of().await && self.rebuilt(None).await? {
            return Ok(Next::Again);
        }
        let Some(batch_id) = self.announce().await? else {
            return Ok(Next::Again);
        };
        if !self.step(Step::Announced) {
            return Ok(Next::Stop);
        }
        if self.rebuilt(Some(batch_id)).await? {
            return Ok(Next::Again);
        }
        let Some(attempt) = self.take().await else {
            return Ok(Next::Again);
        };
        if !attempt.part.repeatable {
            if attempt.part.marked && self.marked != Some((attempt.number, attempt.left)) {
                // Attempted before a restart, outcome not recorded: never again.
                return self.end(batch_id, &attempt, Ending::Unknown).await;
            }
            if !attempt.part.marked {
                self.shared.outbox.lock().await.note(Change::Marked).await?;
                self.marked = Some((attempt.number, attempt.left));
            }
            if !self.step(Step::Marked) {
                return Ok(Next::Stop);
            }
        }
        self.shared.live(|live| live.state = SendState::Sending);
        let result = self
            .feed
            .options
            .outbound
            .send(self.request(&attempt))
            .await;
        let verdict = judge(attempt.part.lane, attempt.part.items.len(), &result);
        if !self.step(Step::Answered) {
            return Ok(Next::Stop);
        }
        match ending_of(&verdict, &attempt.part) {
            Some(ending) => self.end(batch_id, &attempt, ending).await,
            None => self.again(&attempt, &verdict).await,
        }
    }

    /// Makes the exposure of the open batch durable: once per batch and process, and again on the day on which a request that
    /// never left before is first attempted, so that no window of days misses it.
    async fn announce(&mut self) -> Result<Option<BatchId>, EgressError> {
        let today = self.feed.options.clock.now().day();
        let (batch, day) = {
            let outbox = self.shared.outbox.lock().await;
            let Some((batch, part)) = outbox.book.part() else {
                return Ok(None);
            };
            let known = self.announced.filter(|known| known.number == batch.number);
            if let Some(known) = known
                && (part.marked || known.day >= today)
            {
                return Ok(Some(known.id));
            }
            // What may have left already did so on a day that the ledger knows.
            let day = if part.marked {
                batch.day
            } else {
                batch.day.max(today)
            };
            (batch.clone(), day)
        };
        let (ledger, vendor) = (
            Arc::clone(&self.feed.options.ledger),
            self.shared.vendor.clone(),
        );
        let number = batch.number;
        let id = self
            .blocking(move || {
                let items = possible_items(&ledger, &batch)?;
                ledger.possible_once(&vendor, batch.number, day, &items)
            })
            .await??;
        self.announced = Some(Announced { number, id, day });
        Ok(Some(id))
    }

    /// Number of the batch that this worker has announced last.
    pub(super) fn announced_as(&self) -> Option<u64> {
        self.announced.map(|announced| announced.number)
    }

    /// The first open request, with the generation of the way out that belongs to it.
    async fn take(&self) -> Option<Attempt> {
        let outbox = self.shared.outbox.lock().await;
        if outbox.book.standing.contained || self.shared.is_contained() {
            return None;
        }
        let generation = self.feed.options.outbound.generation(&self.shared.purpose);
        let (batch, part) = outbox.book.part()?;
        Some(Attempt {
            number: batch.number,
            left: batch.parts.len(),
            part: part.clone(),
            generation,
        })
    }

    fn request(&self, attempt: &Attempt) -> OutboundRequest {
        let vendor = &self.feed.vendor;
        let (target, headers) = attempt.part.lane.head(&vendor.token);
        OutboundRequest {
            purpose: self.shared.purpose.clone(),
            verb: Verb::Post,
            url: format!("{}{target}", vendor.endpoint.trim_end_matches('/')),
            headers,
            body: attempt.part.body.clone(),
            reuse: attempt.part.repeatable,
            generation: Some(attempt.generation),
        }
    }

    /// Records an outcome: ledger first, so that a crash in between repeats rather than forgets.
    async fn end(
        &mut self,
        batch: BatchId,
        attempt: &Attempt,
        ending: Ending,
    ) -> Result<Next, EgressError> {
        let outcome = outcome_of(&attempt.part, &ending);
        let ledger = Arc::clone(&self.feed.options.ledger);
        self.blocking(move || ledger.settle(batch, &outcome))
            .await??;
        if !self.step(Step::Settled) {
            return Ok(Next::Stop);
        }
        let now = self.feed.options.clock.now();
        let taken = match &ending {
            Ending::Taken { refused } => {
                Some(attempt.part.items.len().saturating_sub(refused.len()))
            }
            Ending::Refused(_) | Ending::Unknown => None,
        };
        self.write(
            attempt,
            Change::Ended {
                ending,
                day: now.day(),
            },
        )
        .await?;
        self.backoff.reset();
        self.marked = None;
        self.shared.live(|live| match taken {
            Some(items) => live.succeed(now, items as u64),
            None => live.failures = 0,
        });
        if !self.step(Step::Done) {
            return Ok(Next::Stop);
        }
        Ok(Next::Again)
    }

    /// The request stays open: halved, or tried again after a wait.
    async fn again(&mut self, attempt: &Attempt, verdict: &Verdict) -> Result<Next, EgressError> {
        // Time will pass, and with it what is permitted: also what no counter tells of, such as two people becoming one.
        self.checked = None;
        let (failure, state) = match verdict {
            Verdict::Halve(_) => {
                self.marked = None;
                return self.halve(attempt).await;
            }
            Verdict::Refused(failure) => (*failure, SendState::Refused),
            Verdict::NotTaken(failure) | Verdict::Unknown(failure) => {
                (*failure, SendState::BackingOff)
            }
            Verdict::Delivered | Verdict::Partial(_) => return Ok(Next::Again),
        };
        if self.shared.is_contained() {
            return Ok(Next::Again);
        }
        // Bytes may have left, today; a connection that never was leaves the day of the first attempt open.
        let never_left = matches!(verdict, Verdict::NotTaken(failure) if failure.status.is_none());
        if attempt.part.repeatable && !attempt.part.marked && !never_left {
            self.write(attempt, Change::Marked).await?;
        }
        let wait = self.wait_after(failure, state);
        let (failures, due) = (self.backoff.failures(), self.due(wait));
        tracing::warn!(vendor = %self.shared.vendor, error.code = failure.code, failures, "a vendor did not take a request");
        self.shared.live(|live| {
            live.fail(state, failure.code, failure.status);
            live.failures = failures;
            live.next_attempt = Some(due);
        });
        Ok(Next::WaitFor(wait))
    }

    fn wait_after(&mut self, failure: Failure, state: SendState) -> Duration {
        let options = &self.feed.options;
        let wait = self
            .backoff
            .next(&options.limits, failure.retry_after, &*options.entropy);
        if state == SendState::Refused {
            wait.max(options.limits.unauthorized_wait)
        } else {
            wait
        }
    }

    async fn halve(&mut self, attempt: &Attempt) -> Result<Next, EgressError> {
        let part = &attempt.part;
        let Some([one, other]) = part.lane.halve(&part.body, part.items.len()) else {
            return Err(EgressError::DamagedLine {
                vendor: self.shared.vendor.clone(),
                line: attempt.number,
            });
        };
        let (first, last) = part.items.split_at(part.items.len() / 2);
        let half = |items: &[u32], body: Vec<u8>| Part {
            lane: part.lane,
            repeatable: part.repeatable,
            items: items.to_vec(),
            body: body.into(),
            marked: false,
        };
        self.write(
            attempt,
            Change::Halved(vec![half(first, one), half(last, other)]),
        )
        .await?;
        Ok(Next::Again)
    }

    /// Writes a change to the attempted request, unless containment has dropped it.
    async fn write(&self, attempt: &Attempt, change: Change) -> Result<(), EgressError> {
        let mut outbox = self.shared.outbox.lock().await;
        let is_same = outbox.book.open.as_ref().is_some_and(|batch| {
            batch.number == attempt.number && batch.parts.len() == attempt.left
        });
        if is_same {
            outbox.note(change).await?;
            outbox.release()?;
            self.shared.publish(&outbox);
        }
        Ok(())
    }
}

/// The items of the batch by position; of those that have ended, or go no further, nothing but the place.
fn possible_items(
    ledger: &cofferdam_ledger::Ledger,
    batch: &Batch,
) -> Result<Vec<PossibleItem>, LedgerError> {
    let sets = batch
        .field_sets
        .iter()
        .map(|fields| ledger.field_set(fields))
        .collect::<Result<Vec<_>, _>>()?;
    let nothing = ledger.field_set(&[])?;
    let open: HashSet<u32> = batch
        .parts
        .iter()
        .flat_map(|part| part.items.iter().copied())
        .collect();
    let item = |(at, meta): (u32, &crate::batch::ItemMeta)| {
        if !open.contains(&at) {
            return Ok(PossibleItem {
                person: None,
                organization: None,
                fields: nothing,
                is_event: false,
            });
        }
        let fields = sets
            .get(meta.fields as usize)
            .copied()
            .ok_or(LedgerError::UnknownFieldSet(meta.fields))?;
        Ok(PossibleItem {
            person: meta.person,
            organization: meta.organization,
            fields,
            is_event: meta.is_event,
        })
    };
    (0..).zip(&batch.metas).map(item).collect()
}

fn outcome_of(part: &Part, ending: &Ending) -> Outcome {
    let all = || Items::At(part.items.clone());
    match ending {
        Ending::Taken { refused } => {
            let is_refused = |index: usize| {
                refused
                    .binary_search_by_key(&index, |(index, _)| *index as usize)
                    .is_ok()
            };
            let (mut delivered, mut gone) = (Vec::new(), Vec::new());
            for (index, item) in part.items.iter().enumerate() {
                if is_refused(index) {
                    gone.push(*item);
                } else {
                    delivered.push(*item);
                }
            }
            Outcome {
                delivered: Items::At(delivered),
                refused: Items::At(gone),
                unknown: Items::None,
            }
        }
        Ending::Refused(_) => Outcome {
            refused: all(),
            ..Outcome::default()
        },
        Ending::Unknown => Outcome {
            unknown: all(),
            ..Outcome::default()
        },
    }
}
