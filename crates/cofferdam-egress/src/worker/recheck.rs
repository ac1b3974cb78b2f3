//! Before a batch goes out, or goes out again: is all of it still permitted?
//!
//! Erasures, objections, narrowed contracts and the calendar reach what is open through here. What was attempted and is still
//! permitted in full is left as it is, byte for byte; as soon as one item is not, the batch's requests are built anew from the
//! journal's records.
//! Invariant: nothing is attempted under other terms than it was last checked under; nothing goes that was not announced; what may
//! have left stays possible in the ledger.

use super::Worker;
use crate::EgressError;
use crate::batch::{Ready, assemble};
use crate::book::{Batch, Change, MadeFor, Part};
use crate::narrow::within;
use cofferdam_ledger::{BatchId, Items, Outcome};
use cofferdam_model::{Day, Refusal};
use cofferdam_policy::Policy;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Fields by which vendors recognize an event that they have; with the token under `$insert_id`, which is always there.
const RECOGNIZED_BY: [&str; 3] = ["event", "time", "distinct_id"];

/// What decides whether something may go.
#[derive(Clone, Debug)]
pub(crate) struct SendTerms {
    pub(crate) policy: Arc<Policy>,
    withdrawals: u64,
    today: Day,
}

impl SendTerms {
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.policy, &other.policy)
            && (self.withdrawals, self.today) == (other.withdrawals, other.today)
    }
}

/// An open item on its way into a request built anew.
struct Open<'b> {
    part: &'b Part,
    position: u32,
    /// Bytes of it may have left.
    has_left: bool,
}

/// What becomes of a batch.
struct Rebuilt {
    batch: Batch,
    /// Items that go no further, by position, and why.
    gone: Vec<u32>,
    refused: Vec<Refusal>,
}

impl Worker {
    /// The terms of this moment. To be read before what is checked under them.
    pub(crate) fn terms(&mut self) -> SendTerms {
        SendTerms {
            withdrawals: self.feed.options.vault.withdrawals(),
            policy: Arc::clone(&self.policy.borrow_and_update()),
            today: self.feed.options.clock.now().day(),
        }
    }

    /// Whether the open batch was made by this worker and the ledger has not heard of it: nothing of it can have left.
    pub(super) async fn is_unheard_of(&self) -> bool {
        let outbox = self.shared.outbox.lock().await;
        let number = outbox.book.open.as_ref().map(|batch| batch.number);
        number.is_some() && number == self.queued && self.announced_as() != number
    }

    /// Asks again of every open item whether it may go, unless that was asked under the same terms. Where one may not, or not
    /// in full, the requests are built anew, and this returns true. `known` is the ledger's batch, if it knows one.
    pub(super) async fn rebuilt(&mut self, known: Option<BatchId>) -> Result<bool, EgressError> {
        let terms = self.terms();
        let vendor = &self.feed.vendor;
        if terms.policy.vendor(&vendor.id).is_none() {
            // The configuration does not parse since a moment ago, or lacks the vendor: the next turn holds everything.
            return Ok(true);
        }
        let (batch, is_kept_first) = {
            let outbox = self.shared.outbox.lock().await;
            let Some((batch, part)) = outbox.book.part() else {
                return Ok(false);
            };
            let is_checked =
                |(number, under): &(u64, SendTerms)| *number == batch.number && under.is(&terms);
            if self.checked.as_ref().is_some_and(is_checked) {
                return Ok(false);
            }
            // Attempted and never to be repeated: it is ended as it is.
            let ours = self.marked == Some((batch.number, batch.parts.len()));
            (batch.clone(), !part.repeatable && part.marked && !ours)
        };
        let was_here = self.queued == Some(batch.number);
        let destination = vendor.destination();
        let has_moved = ![0, destination].contains(&batch.destination);
        let epoch = if has_moved {
            self.epoch().await?
        } else {
            batch.epoch
        };
        let made_for = MadeFor { epoch, destination };
        let (feed, policy) = (Arc::clone(&self.feed), Arc::clone(&terms.policy));
        let work = move || {
            let open = open_items(&batch, is_kept_first, was_here);
            let seqs: BTreeSet<u64> = open
                .iter()
                .filter_map(|item| Some(batch.metas.get(item.position as usize)?.seq))
                .collect();
            let ready = feed.again(&seqs, epoch, &policy)?;
            if !has_moved && open.iter().all(|item| is_whole(&batch, item, &ready)) {
                return Ok(None);
            }
            let now = feed.options.clock.now();
            let items_max = feed.options.limits.batch_items_max;
            let build = |items: &[Ready]| assemble(items, &feed.vendor.token, now, items_max);
            Ok::<_, EgressError>(Some(match known {
                None => afresh(&batch, made_for, ready, build),
                Some(_) => remade(&batch, made_for, is_kept_first, &open, &ready, build),
            }))
        };
        let number_and_terms = |number| Some((number, terms));
        let Some(Rebuilt {
            batch,
            gone,
            refused,
        }) = self.blocking(work).await??
        else {
            let outbox = self.shared.outbox.lock().await;
            let number = outbox.book.open.as_ref().map(|batch| batch.number);
            self.checked = number.and_then(number_and_terms);
            return Ok(false);
        };
        tracing::info!(vendor = %self.shared.vendor, items = gone.len(), "what was about to be sent is no longer permitted as it was; its requests are built anew");
        if let Some(known) = known {
            let (ledger, unknown) = (
                Arc::clone(&self.feed.options.ledger),
                Items::At(gone.clone()),
            );
            let outcome = Outcome {
                unknown,
                ..Outcome::default()
            };
            self.blocking(move || ledger.settle(known, &outcome))
                .await??;
        }
        self.checked = number_and_terms(batch.number);
        self.marked = None;
        self.replace(batch, known.is_some(), gone.len(), &refused)
            .await?;
        Ok(true)
    }

    /// Writes the rebuilt batch, unless containment has dropped the old one.
    async fn replace(
        &self,
        batch: Batch,
        is_known: bool,
        gone: usize,
        refused: &[Refusal],
    ) -> Result<(), EgressError> {
        let mut outbox = self.shared.outbox.lock().await;
        let is_same = |open: &Batch| open.number == batch.number;
        if !outbox.book.open.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let (standing, mut totals) = (outbox.book.standing.clone(), outbox.book.totals.clone());
        if is_known {
            totals.unknown += gone as u64;
        } else {
            totals.announced = totals.announced.saturating_sub(gone as u64);
        }
        for refusal in refused {
            totals.withhold(*refusal, 1);
        }
        outbox
            .write(standing, totals, Change::Rebuilt(batch))
            .await?;
        outbox.release()?;
        self.shared.publish(&outbox);
        Ok(())
    }
}

/// What is open of a batch and may be asked for again.
fn open_items(batch: &Batch, is_kept_first: bool, was_here: bool) -> Vec<Open<'_>> {
    let parts = batch.parts.iter().enumerate();
    parts
        .skip(usize::from(is_kept_first))
        .flat_map(|(index, part)| {
            // Of a request from before a restart nobody knows whether it was attempted.
            let has_left = part.marked || (index == 0 && !was_here);
            part.items.iter().map(move |position| Open {
                part,
                position: *position,
                has_left,
            })
        })
        .collect()
}

/// Whether everything that the item holds may go today.
fn is_whole(batch: &Batch, item: &Open<'_>, ready: &BTreeMap<u64, Result<Ready, Refusal>>) -> bool {
    let held = held(batch, item.position);
    let may = batch
        .metas
        .get(item.position as usize)
        .and_then(|meta| ready.get(&meta.seq)?.as_ref().ok());
    may.is_some_and(|ready| held.iter().all(|field| ready.fields.contains(field)))
}

fn held(batch: &Batch, position: u32) -> &[cofferdam_ledger::FieldKey] {
    batch
        .metas
        .get(position as usize)
        .and_then(|meta| batch.field_sets.get(meta.fields as usize))
        .map_or(&[], Vec::as_slice)
}

/// Whether the vendor would recognize the event as the one that it may have.
fn is_recognized(batch: &Batch, item: &Open<'_>, ready: &Ready) -> bool {
    let of = |fields: &[cofferdam_ledger::FieldKey]| {
        let mut named: Vec<_> = fields
            .iter()
            .filter(|field| RECOGNIZED_BY.contains(&&*field.path))
            .cloned()
            .collect();
        named.sort_unstable();
        named
    };
    of(held(batch, item.position)) == of(&ready.fields)
}

/// A batch that nobody has heard of, made as if it had never been.
fn afresh(
    batch: &Batch,
    made_for: MadeFor,
    ready: BTreeMap<u64, Result<Ready, Refusal>>,
    build: impl Fn(&[Ready]) -> crate::batch::Assembled,
) -> Rebuilt {
    let (mut items, mut refused) = (Vec::new(), Vec::new());
    for ready in ready.into_values() {
        match ready {
            Ok(ready) => items.push(ready),
            Err(refusal) => refused.push(refusal),
        }
    }
    let assembled = build(&items);
    refused.extend(&assembled.unsendable);
    let batch = Batch::new(batch.number, batch.day, made_for, assembled);
    Rebuilt {
        batch,
        // No ledger knows them by position.
        gone: vec![0; refused.len()],
        refused,
    }
}

/// A batch that the ledger knows: the same items, but those that may not go; what may have left apart from what has not.
fn remade(
    batch: &Batch,
    made_for: MadeFor,
    is_kept_first: bool,
    open: &[Open<'_>],
    ready: &BTreeMap<u64, Result<Ready, Refusal>>,
    build: impl Fn(&[Ready]) -> crate::batch::Assembled,
) -> Rebuilt {
    let mut out = Rebuilt {
        batch: batch.clone(),
        gone: Vec::new(),
        refused: Vec::new(),
    };
    out.batch.parts.truncate(usize::from(is_kept_first));
    let has_moved = ![0, made_for.destination].contains(&batch.destination);
    (out.batch.epoch, out.batch.destination) = (made_for.epoch, made_for.destination);
    for marked in [true, false] {
        let mut items = BTreeMap::new();
        for item in open.iter().filter(|item| item.part.marked == marked) {
            let Some(meta) = batch.metas.get(item.position as usize) else {
                continue;
            };
            let may = ready.get(&meta.seq).cloned();
            match may.unwrap_or(Err(Refusal::BacklogExpired)) {
                // Another event to the vendor: sent again, it would count twice.
                Ok(ready)
                    if meta.is_event && item.has_left && !is_recognized(batch, item, &ready) =>
                {
                    out.gone.push(item.position);
                    out.refused.push(Refusal::NotRepeatable);
                }
                // Nobody but the earlier destination may have it, and it may.
                Ok(_) if has_moved && item.has_left => {
                    out.gone.push(item.position);
                    out.refused.push(Refusal::NotRepeatable);
                }
                // What it leads to may have left, and nobody remembers it: once more would be twice.
                Ok(ready) if item.part.repeatable && !ready.repeatable && item.has_left => {
                    out.gone.push(item.position);
                    out.refused.push(Refusal::NotRepeatable);
                }
                // The ledger was told of what the item held: nothing beyond that.
                Ok(ready) => match within(ready, held(batch, item.position)) {
                    Some(ready) => {
                        items.insert(meta.seq, (item.position, ready));
                    }
                    None => {
                        out.gone.push(item.position);
                        out.refused.push(Refusal::NotRepeatable);
                    }
                },
                Err(refusal) => {
                    out.gone.push(item.position);
                    out.refused.push(refusal);
                }
            }
        }
        // Journal order, which keeps the order of a subject's updates.
        let (positions, ready): (Vec<u32>, Vec<Ready>) = items.values().cloned().unzip();
        let assembled = build(&ready);
        let place = |of: u32| {
            let meta = assembled.metas.get(of as usize)?;
            items.get(&meta.seq).map(|(position, _)| *position)
        };
        let mut placed = BTreeSet::new();
        for plan in &assembled.plans {
            let mut part = Part::new(plan.clone());
            part.items = plan.items.iter().filter_map(|of| place(*of)).collect();
            part.marked = marked && part.repeatable;
            placed.extend(part.items.iter().copied());
            out.batch.parts.push_back(part);
        }
        out.gone
            .extend(positions.iter().filter(|at| !placed.contains(at)));
        out.refused.extend(&assembled.unsendable);
    }
    out
}
