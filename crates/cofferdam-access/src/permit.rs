//! Deciding, recording, then minting.
//!
//! Invariant: the order is decision, durable leaf, permit; a failure in the middle leaves a leaf without an act, never the reverse.

use crate::act::Act;
use crate::caller::Caller;
use crate::error::AccessError;
use crate::token::Token;
use cofferdam_audit::{Audit, Decision, NewLeaf, Recorded};
use cofferdam_model::Entropy;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

/// Proof that an act was permitted and recorded. Cannot be made, copied or turned into a permit for another act elsewhere:
///
/// ```compile_fail
/// use cofferdam_access::{Erase, Permit};
/// let permit: Permit<Erase> = Permit { recorded: todo!(), caller: todo!(), act: std::marker::PhantomData };
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

    /// A permit for one of the product's own jobs; `why` names the job and becomes the leaf's resource.
    ///
    /// # Errors
    /// [`AccessError::Denied`] where jobs may not do this; [`AccessError::Audit`] where the leaf is not durable.
    pub async fn for_system(audit: &Audit, why: &'static str) -> Result<Self, AccessError> {
        mint(audit, Caller::System(why), why, None, &[]).await
    }
}

/// What [`Access::open`] needs.
#[derive(Debug)]
pub struct AccessOptions {
    /// The administrator's token file, `data/admin.token`; made where it is not there.
    pub token_file: PathBuf,
    /// The audit log.
    pub audit: Arc<Audit>,
    /// Source of the token.
    pub entropy: Arc<dyn Entropy>,
}

/// Authentication and authorization of management acts.
#[derive(Debug)]
pub struct Access {
    audit: Arc<Audit>,
    token: Token,
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
        mint(&self.audit, *caller, resource, None, &[]).await
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
        mint(&self.audit, *caller, resource, request, details).await
    }
}

/// Whether `caller` may do an act.
pub(crate) fn may(caller: Caller, by_system: bool) -> bool {
    match caller {
        Caller::Admin | Caller::LocalOperator => true,
        Caller::System(_) => by_system,
        Caller::Stranger => false,
    }
}

async fn mint<A: Act>(
    audit: &Audit,
    caller: Caller,
    resource: &str,
    request: Option<[u8; 32]>,
    details: &[(&'static str, &str)],
) -> Result<Permit<A>, AccessError> {
    let permitted = may(caller, A::BY_SYSTEM);
    let recorded = audit
        .append(NewLeaf {
            actor: caller.actor().to_owned(),
            action: A::NAME.to_owned(),
            resource: resource.to_owned(),
            decision: if permitted {
                Decision::Permitted
            } else {
                Decision::Denied
            },
            request,
            details: details
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        })
        .await?;
    if !permitted {
        return Err(AccessError::Denied {
            actor: caller.actor(),
            act: A::NAME,
        });
    }
    Ok(Permit {
        recorded,
        caller,
        act: PhantomData,
    })
}
