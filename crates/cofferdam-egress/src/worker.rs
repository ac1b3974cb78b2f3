//! One vendor's worker: journal to outbox to ledger to vendor, one batch at a time.
//!
//! It owns the order of things. Containment comes from outside through [`Shared`]; the outbox's lock orders the two.
//! Invariant: a request goes out only after its batch is durable in the outbox and its exposure in the ledger.

mod attempt;
mod live;
mod recheck;
mod shared;

pub(crate) use recheck::SendTerms;
pub(crate) use shared::Shared;

use attempt::Announced;

use crate::backoff::Backoff;
use crate::batch::assemble;
use crate::book::{Batch, Change, MadeFor};
use crate::feed::{Collected, Feed};
use crate::told::Told;
use crate::{EgressError, SendState, Step};
use cofferdam_model::Refusal;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What comes after a turn.
pub(crate) enum Next {
    /// Another turn at once.
    Again,
    /// Another turn when the journal, the policy or the containment has changed.
    WaitForChange,
    /// Another turn after this wait, or when the containment has changed.
    WaitFor(Duration),
    /// No further turn.
    Stop,
}

/// A vendor's worker.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) durable: watch::Receiver<u64>,
    pub(crate) policy: watch::Receiver<Arc<cofferdam_policy::Policy>>,
    pub(crate) backoff: Backoff,
    /// The batch that this worker has announced to the ledger.
    pub(crate) announced: Option<Announced>,
    /// The batch whose first open request this worker itself has marked.
    pub(crate) marked: Option<(u64, usize)>,
    /// When the oldest record in the backlog that was looked at arrived.
    pub(crate) oldest: Option<cofferdam_model::TimestampMs>,
    /// The batch that this worker itself has made.
    pub(crate) queued: Option<u64>,
    /// The open batch, and under which terms all of it was found to be permitted.
    pub(crate) checked: Option<(u64, SendTerms)>,
    /// What the vendor was told up to the cursor, under which terms.
    pub(crate) told: Option<(SendTerms, Told)>,
}

impl Worker {
    /// Runs until stopped.
    pub(crate) async fn run(mut self) {
        loop {
            let next = match self.turn().await {
                Ok(next) => next,
                Err(error) => self.fault(&error),
            };
            match next {
                Next::Again => {}
                Next::Stop => break,
                Next::WaitForChange => self.wait_for_change().await,
                Next::WaitFor(wait) => self.wait_for(wait).await,
            }
            if *self.stop.borrow() {
                break;
            }
        }
        self.shared.live(|live| live.state = SendState::Stopped);
    }

    async fn turn(&mut self) -> Result<Next, EgressError> {
        if self.shared.is_contained() {
            return self.contained().await;
        }
        let skip_until = self.shared.standing().await.skip_until;
        if self.shared.cursor() < skip_until {
            return self.skip(skip_until, Refusal::Contained).await;
        }
        if let Some(until) = self.over_quota() {
            return self.skip(until, Refusal::BacklogFull).await;
        }
        if let Some(next) = self.expire().await? {
            return Ok(next);
        }
        let is_listed = self
            .policy
            .borrow_and_update()
            .vendor(&self.feed.vendor.id)
            .is_some();
        if !is_listed {
            // The configuration does not parse, or lacks the vendor: hold, lose nothing. That goes for what waits in the outbox too.
            self.shared
                .live(|live| live.fail(SendState::Faulty, "no_policy", None));
            return Ok(Next::WaitForChange);
        }
        if self.shared.outbox.lock().await.book.open.is_some() {
            return self.attempt().await;
        }
        self.fill().await
    }

    /// Counts what arrives during containment; nothing is kept for later.
    async fn contained(&mut self) -> Result<Next, EgressError> {
        self.announced = None;
        self.told = None;
        self.shared.live(|live| {
            live.state = SendState::Contained;
            live.next_attempt = None;
        });
        // Where the containment could not be made durable at once, it is tried until it can.
        self.shared.make_durable().await?;
        let end = *self.durable.borrow_and_update();
        if self.shared.cursor() < end {
            return self.skip(end, Refusal::Contained).await;
        }
        Ok(Next::WaitForChange)
    }

    /// Moves the cursor towards `until`, counting; one piece at a time, so that containment and stop get through.
    async fn skip(&mut self, until: u64, refusal: Refusal) -> Result<Next, EgressError> {
        self.told = None;
        let cursor = self.shared.cursor();
        let feed = Arc::clone(&self.feed);
        let collected = self
            .blocking(move || feed.skip(cursor, until, refusal))
            .await??;
        if collected.cursor == cursor {
            // Nothing there: the journal has released it. It was counted when its segment went.
            let lost = Collected {
                cursor: until,
                ..Collected::default()
            };
            self.shared.moved(lost, None).await?;
            return Ok(Next::Again);
        }
        self.shared.moved(collected, Some(refusal)).await?;
        Ok(Next::Again)
    }

    /// Moves the cursor past what has waited too long. Looks at the journal only when the oldest that it saw has.
    async fn expire(&mut self) -> Result<Option<Next>, EgressError> {
        let cursor = self.shared.cursor();
        let is_young = self.oldest.is_some_and(|at| !self.feed.is_expired(at));
        if is_young || cursor >= *self.durable.borrow() {
            return Ok(None);
        }
        let feed = Arc::clone(&self.feed);
        let (collected, oldest) = self.blocking(move || feed.expire(cursor)).await??;
        self.oldest = oldest;
        if collected.cursor == cursor {
            return Ok(None);
        }
        self.told = None;
        self.shared
            .moved(collected, Some(Refusal::BacklogExpired))
            .await?;
        Ok(Some(Next::Again))
    }

    /// Up to where records must leave the backlog; `None` within the quota.
    fn over_quota(&self) -> Option<u64> {
        let end = *self.durable.borrow();
        let cursor = self.shared.cursor();
        let most = self.shared.quota(&self.feed.options.limits);
        (end.saturating_sub(cursor) > most).then(|| end - most)
    }

    /// Turns the next stretch of the journal into a batch.
    async fn fill(&mut self) -> Result<Next, EgressError> {
        let cursor = self.shared.cursor();
        let end = *self.durable.borrow_and_update();
        let terms = self.terms();
        let policy = Arc::clone(&terms.policy);
        if policy.vendor(&self.feed.vendor.id).is_none() {
            // The configuration does not parse, or lacks the vendor: hold, lose nothing.
            self.shared
                .live(|live| live.fail(SendState::Faulty, "no_policy", None));
            return Ok(Next::WaitForChange);
        }
        if cursor >= end {
            self.shared.live(|live| live.state = SendState::Idle);
            return Ok(Next::WaitForChange);
        }
        if end - cursor < self.feed.options.limits.batch_items_max as u64 {
            self.feed
                .options
                .timer
                .sleep(self.feed.options.limits.linger)
                .await;
        }
        let epoch = self.epoch().await?;
        let feed = Arc::clone(&self.feed);
        // Until the batch is durable nothing is known: whatever fails below, its records are looked at again.
        let told = self.told.take().filter(|(under, _)| under.is(&terms));
        let told = told.map_or_else(Told::default, |(_, told)| told);
        let (mut collected, assembled) = self
            .blocking(move || {
                let collected = feed.collect(cursor, epoch, &policy, told)?;
                let limits = &feed.options.limits;
                let now = feed.options.clock.now();
                let assembled = assemble(
                    &collected.items,
                    &feed.vendor.token,
                    now,
                    limits.batch_items_max,
                );
                Ok::<_, EgressError>((collected, assembled))
            })
            .await??;
        if !self.step(Step::Collected) {
            return Ok(Next::Stop);
        }
        let day = self.feed.options.clock.now().day();
        let destination = self.feed.vendor.destination();
        let made_for = MadeFor { epoch, destination };
        let (told, next) = (std::mem::take(&mut collected.told), collected.cursor);
        let is_all_sendable = assembled.unsendable.is_empty();
        let queued = self
            .shared
            .queue(collected, assembled, day, made_for)
            .await?;
        if is_all_sendable && self.shared.cursor() == next {
            self.told = Some((terms.clone(), told));
        }
        let Some(number) = queued else {
            return Ok(Next::Again);
        };
        self.queued = Some(number);
        self.checked = Some((number, terms));
        if !self.step(Step::Queued) {
            return Ok(Next::Stop);
        }
        Ok(Next::Again)
    }

    /// The epoch of the vendor's tokens, made where there is none yet.
    pub(crate) async fn epoch(&self) -> Result<u32, EgressError> {
        let (vault, vendor) = (&self.feed.options.vault, &self.feed.vendor);
        let epoch = vault.epoch(&vendor.id, &vendor.region).await;
        epoch.map_err(|source| EgressError::Tokens {
            vendor: vendor.id.clone(),
            source,
        })
    }

    fn fault(&mut self, error: &EgressError) -> Next {
        let wait = self
            .backoff
            .next(&self.feed.options.limits, None, &*self.feed.options.entropy);
        tracing::error!(vendor = %self.feed.vendor.id, %error, "sending to a vendor is held up by a fault of our own");
        let (failures, due) = (self.backoff.failures(), self.due(wait));
        self.shared.live(|live| {
            live.fail(SendState::Faulty, error.code(), None);
            live.failures = failures;
            live.next_attempt = Some(due);
        });
        Next::WaitFor(wait)
    }

    async fn wait_for_change(&mut self) {
        tokio::select! {
            _ = self.durable.changed() => {}
            _ = self.policy.changed() => {}
            _ = self.stop.changed() => {}
            () = self.shared.changed() => {}
        }
    }

    /// Waits; meanwhile the backlog is held within its quota.
    async fn wait_for(&mut self, wait: Duration) {
        let timer = Arc::clone(&self.feed.options.timer);
        let mut sleep = timer.sleep(wait);
        loop {
            tokio::select! {
                () = &mut sleep => return,
                _ = self.stop.changed() => return,
                () = self.shared.changed() => return,
                changed = self.durable.changed() => {
                    if changed.is_err() {
                        return sleep.await;
                    }
                }
            }
            self.durable.borrow_and_update();
            while let (false, Some(until)) = (self.shared.is_contained(), self.over_quota()) {
                if self.skip(until, Refusal::BacklogFull).await.is_err() {
                    break;
                }
            }
        }
    }

    pub(crate) fn step(&self, step: Step) -> bool {
        self.feed
            .options
            .hook
            .as_ref()
            .is_none_or(|hook| hook(step))
    }

    pub(crate) fn due(&self, wait: Duration) -> cofferdam_model::TimestampMs {
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        cofferdam_model::TimestampMs(self.feed.options.clock.now().0.saturating_add(wait))
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EgressError> {
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| EgressError::Gone(self.feed.vendor.id.clone()))
    }
}

impl Shared {
    /// Makes a batch durable, or only the cursor where nothing came of the stretch. Returns the number of the batch, if any.
    /// What was collected before or during a containment makes none, also where that has ended meanwhile.
    pub(crate) async fn queue(
        &self,
        collected: Collected,
        assembled: crate::batch::Assembled,
        day: cofferdam_model::Day,
        made_for: MadeFor,
    ) -> Result<Option<u64>, EgressError> {
        self.observe(&collected);
        let mut outbox = self.outbox.lock().await;
        let (mut standing, mut totals) = (outbox.book.standing.clone(), outbox.book.totals.clone());
        let was_contained = standing.cursor < standing.skip_until;
        if standing.contained
            || self.is_contained()
            || was_contained
            || standing.cursor >= collected.cursor
        {
            return Ok(None);
        }
        for (refusal, count) in &collected.refused {
            totals.withhold(*refusal, *count);
        }
        for refusal in &assembled.unsendable {
            totals.withhold(*refusal, 1);
        }
        standing.cursor = collected.cursor;
        let number = (!assembled.metas.is_empty()).then_some(standing.next_number);
        let change = if let Some(number) = number {
            Change::Queued(Batch::new(number, day, made_for, assembled))
        } else {
            Change::Moved
        };
        outbox.write(standing, totals, change).await?;
        self.publish(&outbox);
        Ok(number)
    }
}
