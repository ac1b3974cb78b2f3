//! Deciding, recording, then minting.
//!
//! Invariant: the order is decision, durable leaf, permit; a failure in the middle leaves a leaf without an act, never the reverse,
//! but for [`Leave`].
//! What strangers attempt and machines repeat is recorded in bounded number (see `bounded`).

use crate::act::{Act, Contain};
use crate::bounded::{Readings, Strangers};
use crate::caller::Caller;
use crate::error::AccessError;
use crate::token::Token;
use cofferdam_audit::{Audit, Decision, NewLeaf, Recorded};
use cofferdam_model::{Clock, Entropy};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

/// Proof that an act was permitted and recorded. Cannot be made, copied or turned into a permit for another act elsewhere:
///
/// ```compile_fail
/// use cofferdam_access::{Caller, Erase, Permit};
/// fn made(recorded: cofferdam_audit::Recorded, caller: Caller) -> Permit<Erase> {
///     Permit { recorded, caller, act: std::marker::PhantomData }
/// }
/// ```
/// ```compile_fail
/// use cofferdam_access::{Erase, Permit};
/// fn twice(permit: Permit<Erase>) -> (Permit<Erase>, Permit<Erase>) {
///     (permit.clone(), permit)
/// }
/// ```
/// ```compile_fail
/// use cofferdam_access::{Erase, Permit, ReadReport};
/// fn erase(_: &Permit<Erase>) {}
/// fn with(permit: &Permit<ReadReport>) {
///     erase(permit)
/// }
/// ```
/// ```compile_fail
/// struct Mine;
/// impl cofferdam_access::Act for Mine {
///     const NAME: &'static str = "mine";
///     const BY_SYSTEM: bool = true;
/// }
/// ```
#[derive(Debug)]
pub struct Permit<A: Act> {
    recorded: Recorded,
    caller: Caller,
    act: PhantomData<fn() -> A>,
}

impl<A: Act> Permit<A> {
    /// Position of the leaf that records it.
    #[must_use]
    pub fn leaf(&self) -> u64 {
        self.recorded.seq
    }

    /// Who may do it.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.caller
    }

    fn of(recorded: Recorded, caller: Caller) -> Self {
        Self {
            recorded,
            caller,
            act: PhantomData,
        }
    }

    /// A permit for one of the product's own jobs; `why` names the job and becomes the leaf's resource.
    ///
    /// # Errors
    /// [`AccessError::Denied`] where jobs may not do this; [`AccessError::Audit`] where the leaf is not durable.
    pub async fn for_system(audit: &Audit, why: &'static str) -> Result<Self, AccessError> {
        let caller = Caller::System(why);
        let recorded = record::<A>(audit, caller, Request::on(why)).await?;
        Ok(Self::of(recorded, caller))
    }
}

/// Leave to stop what goes to a vendor, at once: the one act that comes before its leaf, because a stop cannot wait for a disk
/// (`docs/decisions/9-a-stop-does-not-wait.md`). It stops, and permits nothing else.
#[derive(Debug)]
pub struct Leave(());

/// What [`Access::open`] needs.
#[derive(Debug)]
pub struct AccessOptions {
    /// The administrator's token file, `data/admin.token`; made where it is not there.
    pub token_file: PathBuf,
    /// The audit log.
    pub audit: Arc<Audit>,
    /// Source of the token.
    pub entropy: Arc<dyn Entropy>,
    /// Minutes and hours of what is recorded in bounded number.
    pub clock: Arc<dyn Clock>,
}

/// Authentication and authorization of management acts.
#[derive(Debug)]
pub struct Access {
    audit: Arc<Audit>,
    token: Token,
    clock: Arc<dyn Clock>,
    strangers: Strangers,
    readings: tokio::sync::Mutex<Readings>,
}

impl Access {
    /// Reads the administrator's token, or makes one.
    ///
    /// # Errors
    /// [`AccessError`] where the token file cannot be used.
    pub fn open(options: &AccessOptions) -> Result<Self, AccessError> {
        Ok(Self {
            token: Token::open(&options.token_file, &*options.entropy)?,
            audit: Arc::clone(&options.audit),
            clock: Arc::clone(&options.clock),
            strangers: Strangers::default(),
            readings: tokio::sync::Mutex::default(),
        })
    }

    /// The audit log that permits are recorded in.
    #[must_use]
    pub fn audit(&self) -> &Arc<Audit> {
        &self.audit
    }

    /// Who comes with this bearer token (or none); takes the same time for every token.
    #[must_use]
    pub fn authenticate(&self, bearer: Option<&str>) -> Caller {
        match bearer {
            Some(bearer) if self.token.is(bearer) => Caller::Admin,
            _ => Caller::Stranger,
        }
    }

    /// Decides, records, and permits. `resource` is a plain name such as `vendor/mixpanel`, never personal data.
    ///
    /// # Errors
    /// [`AccessError::Denied`] (recorded as well); [`AccessError::Audit`] where nothing could be recorded.
    pub async fn permit<A: Act>(
        &self,
        caller: &Caller,
        resource: &str,
    ) -> Result<Permit<A>, AccessError> {
        self.mint(*caller, Request::on(resource)).await
    }

    /// As [`Access::permit`], with the request's hash and details, to whose values the leaf commits with a salt.
    ///
    /// # Errors
    /// As [`Access::permit`].
    pub async fn permit_with<A: Act>(
        &self,
        caller: &Caller,
        resource: &str,
        request: Option<[u8; 32]>,
        details: &[(&'static str, &str)],
    ) -> Result<Permit<A>, AccessError> {
        let asked = Request {
            hash: request,
            details,
            ..Request::on(resource)
        };
        self.mint(*caller, asked).await
    }

    /// Decides whether somebody may stop a vendor, without waiting for the leaf; ask for the permit to record it next.
    ///
    /// # Errors
    /// As [`Access::permit`].
    pub async fn leave_to_stop(
        &self,
        caller: &Caller,
        resource: &str,
    ) -> Result<Leave, AccessError> {
        if may(*caller, (Contain::BY_SYSTEM, Contain::BY_SCRIPT)) {
            return Ok(Leave(()));
        }
        self.mint::<Contain>(*caller, Request::on(resource)).await?;
        Err(AccessError::Denied {
            actor: caller.actor(),
            act: Contain::NAME,
        })
    }

    /// As [`Access::permit`], for what a machine reads again and again: the first reading of an hour writes the leaf, the others
    /// of that hour go under it, and the next leaf counts them.
    ///
    /// # Errors
    /// As [`Access::permit`].
    pub async fn permit_reading<A: Act>(
        &self,
        caller: &Caller,
        resource: &'static str,
    ) -> Result<Permit<A>, AccessError> {
        let (reading, now) = ((caller.actor(), A::NAME, resource), self.clock.now());
        let mut readings = self.readings.lock().await;
        let unrecorded = match readings.covered(reading, now) {
            Ok(recorded) => return Ok(Permit::of(recorded, *caller)),
            Err(unrecorded) => unrecorded,
        };
        let asked = Request {
            count: unrecorded + 1,
            ..Request::on(resource)
        };
        let permit: Permit<A> = self.mint(*caller, asked).await?;
        readings.cover(reading, now, permit.recorded);
        Ok(permit)
    }

    /// Turns away a caller that did not sign in, before anything of the request is looked at; `resource` is the route. Recorded,
    /// but never more than a few leaves a minute.
    pub async fn turn_away(&self, resource: &str) -> AccessError {
        let recorded = self.note_stranger(SIGN_IN, Request::on(resource)).await;
        match recorded {
            Ok(()) => AccessError::Denied {
                actor: Caller::Stranger.actor(),
                act: SIGN_IN,
            },
            Err(error) => error,
        }
    }

    /// Writes the leaf that counts the strangers' refusals that got none.
    ///
    /// # Errors
    /// [`AccessError::Audit`]; the count is kept then.
    pub async fn settle_strangers(&self) -> Result<(), AccessError> {
        let count = self.strangers.take();
        let settled = self.summarize(count).await;
        if settled.is_err() {
            self.strangers.put_back(count);
        }
        settled
    }

    /// Writes leaves for everything that was only counted so far: for the end of the process.
    ///
    /// # Errors
    /// [`AccessError::Audit`].
    pub async fn settle(&self) -> Result<(), AccessError> {
        self.settle_strangers().await?;
        for ((actor, act, resource), count) in self.readings.lock().await.take() {
            let asked = Request {
                count,
                ..Request::on(resource)
            };
            let leaf = asked.leaf(actor, act, Decision::Permitted);
            self.audit.append(leaf).await?;
        }
        Ok(())
    }

    async fn mint<A: Act>(
        &self,
        caller: Caller,
        asked: Request<'_>,
    ) -> Result<Permit<A>, AccessError> {
        if caller == Caller::Stranger {
            self.note_stranger(A::NAME, asked).await?;
            return Err(AccessError::Denied {
                actor: caller.actor(),
                act: A::NAME,
            });
        }
        let recorded = record::<A>(&self.audit, caller, asked).await?;
        Ok(Permit::of(recorded, caller))
    }

    async fn note_stranger(&self, act: &str, asked: Request<'_>) -> Result<(), AccessError> {
        let (is_leaf, waiting) = self.strangers.note(self.clock.now());
        if let Err(error) = self.summarize(waiting).await {
            self.strangers.put_back(waiting);
            return Err(error);
        }
        if is_leaf {
            let leaf = asked.leaf(Caller::Stranger.actor(), act, Decision::Denied);
            self.audit.append(leaf).await?;
        }
        Ok(())
    }

    async fn summarize(&self, count: u64) -> Result<(), AccessError> {
        if count > 0 {
            let asked = Request {
                count,
                ..Request::on("*")
            };
            let leaf = asked.leaf(Caller::Stranger.actor(), SIGN_IN, Decision::Denied);
            self.audit.append(leaf).await?;
        }
        Ok(())
    }
}

/// What a stranger is denied, whatever else was wanted.
const SIGN_IN: &str = "sign_in";

/// What a leaf says of a request.
#[derive(Clone, Copy)]
struct Request<'r> {
    resource: &'r str,
    hash: Option<[u8; 32]>,
    details: &'r [(&'static str, &'r str)],
    count: u64,
}

impl<'r> Request<'r> {
    fn on(resource: &'r str) -> Self {
        Self {
            resource,
            hash: None,
            details: &[],
            count: 1,
        }
    }

    fn leaf(self, actor: &str, act: &str, decision: Decision) -> NewLeaf {
        let details = self.details.iter();
        NewLeaf {
            actor: actor.to_owned(),
            action: act.to_owned(),
            resource: self.resource.to_owned(),
            count: self.count,
            decision,
            request: self.hash,
            details: details
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        }
    }
}

/// Whether `caller` may do an act that system jobs and scripts may do or not.
pub(crate) fn may(caller: Caller, (by_system, by_script): (bool, bool)) -> bool {
    match caller {
        Caller::Admin | Caller::LocalOperator => true,
        Caller::Script => by_script,
        Caller::System(_) => by_system,
        Caller::Stranger => false,
    }
}

/// Decides and writes the leaf; it is durable when this returns.
async fn record<A: Act>(
    audit: &Audit,
    caller: Caller,
    asked: Request<'_>,
) -> Result<Recorded, AccessError> {
    let permitted = may(caller, (A::BY_SYSTEM, A::BY_SCRIPT));
    let decision = if permitted {
        Decision::Permitted
    } else {
        Decision::Denied
    };
    let recorded = audit
        .append(asked.leaf(caller.actor(), A::NAME, decision))
        .await?;
    if permitted {
        Ok(recorded)
    } else {
        Err(AccessError::Denied {
            actor: caller.actor(),
            act: A::NAME,
        })
    }
}
