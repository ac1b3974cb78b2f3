//! What the outboxes still prove of what was sent: the source for rebuilding and for checking the ledger.
//!
//! Invariant: a line that is still there is told exactly; a request without a recorded outcome counts as possible.

use crate::book::{Batch, Book, Change, Ending};
use crate::outbox::Outbox;
use crate::{Egress, EgressError};
use cofferdam_ledger::{Ledger, LedgerError, PossibleItem, SentRecord};
use cofferdam_model::VendorId;
use std::sync::Arc;

/// What an outbox proves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Every item that was sent, or may have been, as far back as the outbox reaches.
    pub records: Vec<SentRecord>,
    /// Batches in it.
    pub batches: u64,
    /// Whether the outbox reaches back to its first line.
    pub is_complete: bool,
}

impl Egress {
    /// What a vendor's outbox proves of what was sent.
    ///
    /// # Errors
    /// [`EgressError`] where the outbox cannot be read.
    pub async fn sent_records(&self, vendor: &VendorId) -> Result<Verified, EgressError> {
        let shared = self.shared(vendor)?;
        let ledger = Arc::clone(&self.options().ledger);
        let id = vendor.clone();
        let work = move || recompute(&shared.outbox.blocking_lock(), &ledger, &id);
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| EgressError::Gone(vendor.clone()))?
    }
}

fn recompute(outbox: &Outbox, ledger: &Ledger, vendor: &VendorId) -> Result<Verified, EgressError> {
    let mut out = Verified {
        is_complete: outbox.first_line() == 0,
        ..Verified::default()
    };
    let mut book = Book::default();
    let mut open: Option<(Batch, Vec<bool>)> = None;
    let mut at = outbox.first_line();
    loop {
        let lines = outbox.lines(at)?;
        let Some((last, _)) = lines.last() else {
            break;
        };
        at = last.number + 1;
        for line in lines.into_iter().filter_map(|(_, line)| line) {
            if let (
                Some((_, delivered)),
                Some((_, part)),
                Change::Ended {
                    ending: Ending::Taken { refused },
                    ..
                },
            ) = (&mut open, book.part(), &line.change)
            {
                let taken = part.items.iter().enumerate();
                for (_, item) in taken.filter(|(index, _)| {
                    !refused
                        .iter()
                        .any(|(refused, _)| *refused as usize == *index)
                }) {
                    if let Some(slot) = delivered.get_mut(*item as usize) {
                        *slot = true;
                    }
                }
            }
            let begun = match &line.change {
                Change::Queued(batch) => Some(batch),
                // Where the lines before it are still there, it repeats one of their batches.
                Change::Kept { open: kept, .. } => kept.as_ref().filter(|kept| {
                    let known = open.as_ref();
                    known.is_none_or(|(known, _)| known.number != kept.number)
                }),
                _ => None,
            };
            if let Some(batch) = begun {
                emit(open.take(), ledger, vendor, &mut out)?;
                open = Some((batch.clone(), vec![false; batch.metas.len()]));
            }
            if let (Some((known, delivered)), Change::Rebuilt(batch)) = (&mut open, &line.change)
                && known.metas != batch.metas
            {
                // Rebuilt before the ledger heard of it.
                *delivered = vec![false; batch.metas.len()];
                known.clone_from(batch);
            }
            book.apply(line);
        }
    }
    emit(open, ledger, vendor, &mut out)?;
    Ok(out)
}

fn emit(
    open: Option<(Batch, Vec<bool>)>,
    ledger: &Ledger,
    vendor: &VendorId,
    out: &mut Verified,
) -> Result<(), EgressError> {
    let Some((batch, delivered)) = open else {
        return Ok(());
    };
    let sets = batch
        .field_sets
        .iter()
        .map(|fields| ledger.field_set(fields))
        .collect::<Result<Vec<_>, _>>()?;
    for (meta, delivered) in batch.metas.iter().zip(delivered) {
        let fields = sets
            .get(meta.fields as usize)
            .copied()
            .ok_or(LedgerError::UnknownFieldSet(meta.fields))?;
        let item = PossibleItem {
            person: meta.person,
            organization: meta.organization,
            fields,
            is_event: meta.is_event,
        };
        out.records.push(SentRecord {
            vendor: vendor.clone(),
            day: batch.day,
            item,
            delivered,
        });
    }
    out.batches += 1;
    Ok(())
}
