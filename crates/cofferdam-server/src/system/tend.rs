//! What is due by itself: alerts to evaluate, digests to make, mails to send.
//!
//! Invariant: each is recorded as the system's act, and what fails is tried again at the next round.

use super::System;
use crate::boards;
use crate::error::ApiError;
use cofferdam_access::{Caller, SendMail};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How often is looked for what is due.
const ROUND: Duration = Duration::from_secs(30);

impl System {
    /// Does what is due now, by the clock.
    ///
    /// # Errors
    /// Where something cannot be read or recorded; the rest is done by the next round.
    pub async fn tend(self: &Arc<Self>) -> Result<(), ApiError> {
        boards::check_due_alerts(self).await?;
        boards::send_due_digests(self).await?;
        self.deliver_mails(&Caller::System("mails")).await
    }

    /// Sends the mails that are due, if any.
    pub(crate) async fn deliver_mails(&self, caller: &Caller) -> Result<(), ApiError> {
        if self.mails.has_relay() && self.mails.is_due().await? {
            let permit = self.access.permit::<SendMail>(caller, "mails").await?;
            self.mails.deliver(&permit).await?;
        }
        Ok(())
    }
}

/// Tends until it is told to stop.
pub(super) async fn tending(system: Weak<System>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let Some(system) = system.upgrade() else {
            return;
        };
        if let Err(error) = system.tend().await {
            tracing::error!(
                error = error.message(),
                "alerts, digests and mails wait; they are tried again"
            );
        }
    }
}
