//! Requests to vendors to delete a person: a queue with states, separate from events, not stopped by containment.
//!
//! Vault queues them at an erasure, with the tokens of all epochs; operators (later: the vendor's own endpoint, through its
//! declared control host) move them on. Invariant: the ledger learns of a deletion only when the vendor has confirmed it.

use crate::EgressError;
use cofferdam_ledger::Ledger;
use cofferdam_model::{Clock, Day, VendorId};
use cofferdam_vault::{DeletionRequest, DeletionState, Vault};
use std::sync::Arc;

/// The deletion requests of all vendors.
#[derive(Clone, Debug)]
pub struct DeletionQueue {
    vault: Arc<Vault>,
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
}

impl DeletionQueue {
    /// A view on vault's list.
    #[must_use]
    pub fn new(vault: Arc<Vault>, ledger: Arc<Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self {
            vault,
            ledger,
            clock,
        }
    }

    /// A vendor's requests that are not done.
    ///
    /// # Errors
    /// [`EgressError::Deletions`].
    pub async fn pending(&self, vendor: &VendorId) -> Result<Vec<DeletionRequest>, EgressError> {
        Ok(self
            .all_pending()
            .await?
            .into_iter()
            .filter(|request| request.vendor == *vendor)
            .collect())
    }

    /// All requests that are not done, oldest first.
    ///
    /// # Errors
    /// [`EgressError::Deletions`].
    pub async fn all_pending(&self) -> Result<Vec<DeletionRequest>, EgressError> {
        let all = self.vault.deletion_requests().await;
        all.map_err(EgressError::Deletions)
    }

    /// Records how far a request got. When the last one for a number is done, with the tokens of all epochs and regions, what
    /// was sent until the day before the request counts as deleted: on that day itself something may have followed it.
    ///
    /// # Errors
    /// [`EgressError`]; the request's state is unchanged where the ledger fails.
    pub async fn advance(
        &self,
        request: &DeletionRequest,
        state: DeletionState,
    ) -> Result<(), EgressError> {
        let is_last = !self
            .pending(&request.vendor)
            .await?
            .iter()
            .any(|other| other.number == request.number && other.id != request.id);
        if state == DeletionState::Done && is_last {
            let asked = cofferdam_model::TimestampMs(request.asked_at).day();
            let as_of = Day(asked.0.min(self.clock.now().day().0) - 1);
            let (ledger, vendor, number) = (
                Arc::clone(&self.ledger),
                request.vendor.clone(),
                request.number,
            );
            let confirmed = tokio::task::spawn_blocking(move || {
                ledger.deletion_confirmed(&vendor, &[number], as_of)
            })
            .await;
            confirmed.map_err(|_| EgressError::Gone(request.vendor.clone()))??;
        }
        self.vault
            .settle_deletion(request.id, state)
            .await
            .map_err(EgressError::Deletions)
    }
}
