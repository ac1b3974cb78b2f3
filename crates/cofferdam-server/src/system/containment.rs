//! Containing a vendor: the cut comes first, then the record, then what survives a restart.
//!
//! Where the disk takes neither, the vendor stays stopped in memory and the rest is owed: housekeeping tries again each minute.
//! Invariant: nobody is told that a vendor is contained before it is durable; nobody waits for a disk before the vendor is cut.

use super::System;
use cofferdam_access::{AccessError, Caller, Contain, Permit};
use cofferdam_egress::EgressError;
use cofferdam_model::VendorId;
use thiserror::Error;

/// Why a vendor is not contained for good.
#[derive(Debug, Error)]
pub enum ContainError {
    /// It is stopped, which a restart would forget.
    #[error("vendor `{0}` is stopped, but that cannot be written down")]
    Owed(VendorId),
    /// Nobody may do this, or it makes no sense.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It has no worker.
    #[error(transparent)]
    Egress(#[from] EgressError),
}

/// A containment in memory that is not written down yet.
#[derive(Debug)]
pub(super) struct Owed {
    caller: Caller,
    vendor: VendorId,
    reason: String,
    /// Once its leaf is on disk.
    permit: Option<Permit<Contain>>,
}

impl System {
    /// Stops everything that goes to a vendor, then records it, then makes it last.
    ///
    /// # Errors
    /// [`ContainError::Owed`]: it is stopped, and only that. Any other: it is not.
    pub async fn contain(
        &self,
        caller: Caller,
        vendor: &VendorId,
        reason: &str,
    ) -> Result<(), ContainError> {
        let leave = self
            .access
            .leave_to_stop(&caller, &resource(vendor))
            .await?;
        self.egress.cut(&leave, vendor);
        let mut owed = Owed {
            caller,
            vendor: vendor.clone(),
            reason: reason.to_owned(),
            permit: None,
        };
        match self.settle(&mut owed).await {
            Err(error) if is_disk(&error) => {
                tracing::error!(%vendor, error = ?error, "the vendor is stopped, but that cannot be written down; it is tried again, and a restart before that would forget it");
                self.egress.hold(&leave, vendor);
                self.owed.lock().await.push(owed);
                Err(ContainError::Owed(vendor.clone()))
            }
            settled => settled,
        }
    }

    /// Writes down what is owed.
    ///
    /// # Errors
    /// Where it cannot be written still; the vendors stay stopped.
    pub(crate) async fn settle_containments(&self) -> Result<(), ContainError> {
        let mut all = self.owed.lock().await;
        while let Some(owed) = all.last_mut() {
            let settled = self.settle(owed).await;
            if let Err(error) = settled {
                if is_disk(&error) {
                    return Err(error);
                }
                tracing::warn!(vendor = %owed.vendor, %error, "a vendor that was stopped is gone");
            }
            all.pop();
        }
        Ok(())
    }

    async fn settle(&self, owed: &mut Owed) -> Result<(), ContainError> {
        let permit = match owed.permit.take() {
            Some(permit) => permit,
            None => {
                let details = [("reason", owed.reason.as_str())];
                let resource = resource(&owed.vendor);
                let access = &self.access;
                access
                    .permit_with(&owed.caller, &resource, None, &details)
                    .await?
            }
        };
        let contained = self.egress.contain(&permit, &owed.vendor).await;
        owed.permit = Some(permit);
        Ok(contained?)
    }
}

/// Whether it is the disk that refused.
fn is_disk(error: &ContainError) -> bool {
    matches!(
        error,
        ContainError::Access(AccessError::Audit(_))
            | ContainError::Egress(EgressError::NotDurable { .. })
    )
}

fn resource(vendor: &VendorId) -> String {
    format!("vendor/{vendor}")
}
