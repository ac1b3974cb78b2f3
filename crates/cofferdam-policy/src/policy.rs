//! The compiled policy and its entry points.
//!
//! Compiled once from a `PolicySource`; used by intake, the store's consumer and every vendor's worker.
//! Invariant: pure; what the source does not declare is withheld; a policy that does not compile refuses everything.

use crate::{
    Admitted, Classification, Event, Explanation, Home, IntakeContext, Minimized, PolicyId,
    PolicyProblem, PolicySource, Record, ResolvedIdentity, SendContext, Update, Vendor,
    VendorSource,
};
use cofferdam_model::{
    Category, IncomingEvent, IncomingUpdate, Pseudonyms, Refusal, Sealer, VendorId,
};
use std::sync::Arc;

/// A compiled policy.
#[derive(Debug)]
pub struct Policy {
    id: PolicyId,
    source: PolicySource,
}

impl Policy {
    /// Compiles a policy.
    ///
    /// # Errors
    /// Every problem that there is, not only the first.
    pub fn compile(id: PolicyId, source: PolicySource) -> Result<Self, Vec<PolicyProblem>> {
        Ok(Self { id, source })
    }

    /// The policy in place of one that does not parse: it refuses everything.
    #[must_use]
    pub fn refuse_all(id: PolicyId) -> Self {
        Self {
            id,
            source: PolicySource::default(),
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> PolicyId {
        self.id
    }

    /// What it was compiled from.
    #[must_use]
    pub fn source(&self) -> &PolicySource {
        &self.source
    }

    /// What is declared of a vendor.
    #[must_use]
    pub fn vendor(&self, id: &VendorId) -> Option<&VendorSource> {
        self.source.vendors.iter().find(|vendor| vendor.id == *id)
    }

    /// Decides on an event at the door.
    ///
    /// # Errors
    /// The reason why nothing of the event is kept.
    pub fn admit(
        &self,
        context: &IntakeContext<'_>,
        event: &IncomingEvent<'_>,
        identity: &ResolvedIdentity<'_>,
    ) -> Result<Admitted<Event>, Refusal> {
        let _ = (context, event, identity);
        Err(Refusal::PolicyBroken)
    }

    /// Decides on a profile or group update at the door.
    ///
    /// # Errors
    /// The reason why nothing of the update is kept.
    pub fn admit_update(
        &self,
        context: &IntakeContext<'_>,
        update: &IncomingUpdate<'_>,
        identity: &ResolvedIdentity<'_>,
    ) -> Result<Admitted<Update>, Refusal> {
        let _ = (context, update, identity);
        Err(Refusal::PolicyBroken)
    }

    /// What home keeps of a record.
    ///
    /// # Errors
    /// The reason why home keeps nothing.
    pub fn minimize_home(
        &self,
        record: &Record,
        sealer: &dyn Sealer,
    ) -> Result<Minimized<Home>, Refusal> {
        let _ = (record, sealer);
        Err(Refusal::PolicyBroken)
    }

    /// What a vendor may have of a record: what the policy at intake and this one both permit.
    ///
    /// # Errors
    /// The reason why the vendor gets nothing.
    pub fn minimize_vendor(
        &self,
        vendor: &VendorId,
        record: &Record,
        context: &SendContext<'_>,
        sealer: &dyn Sealer,
        pseudonyms: &dyn Pseudonyms,
    ) -> Result<Minimized<Vendor>, Refusal> {
        let _ = (vendor, record, context, sealer, pseudonyms);
        Err(Refusal::PolicyBroken)
    }

    /// What would happen to an event, and why, for every field and recipient.
    #[must_use]
    pub fn explain(&self, context: &IntakeContext<'_>, event: &IncomingEvent<'_>) -> Explanation {
        let _ = (context, event);
        Explanation {
            policy: self.id,
            refused: Some(Refusal::PolicyBroken),
            vendors: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// What a field is, by its path (with prefix) alone.
    #[must_use]
    pub fn classify(&self, path: &str) -> Classification {
        let category = self
            .source
            .fields
            .get(path)
            .copied()
            .unwrap_or(Category::of("unclassified"));
        Classification {
            category,
            rule: Arc::from("none"),
            evidence: Arc::from(""),
        }
    }
}
