//! The compiled policy and its entry points.
//!
//! Compiled once from a `PolicySource`; used by intake, the store's consumer and every vendor's worker.
//! Invariant: pure; what the source does not declare is withheld; a policy that does not compile refuses everything.

use crate::admit;
use crate::classify::Carrier;
use crate::compile::{self, Tables};
use crate::explain;
use crate::minimize::{self, Sender};
use crate::paths::{BOOL, NESTED, NUMBER, PathInfo, TEXT};
use crate::rules::RuleSwitches;
use crate::{
    Admitted, Classification, Event, Explanation, FieldOutcome, Home, IntakeContext, Minimized,
    PolicyId, PolicyProblem, PolicySource, Record, ResolvedIdentity, SendContext, Update,
    ValueType, Vendor, VendorSource,
};
use cofferdam_model::{
    IncomingEvent, IncomingUpdate, PersonNumber, ProjectName, Pseudonyms, Refusal, Sealer, VendorId,
};
use std::sync::Arc;

/// A compiled policy.
#[derive(Debug)]
pub struct Policy {
    id: PolicyId,
    source: PolicySource,
    tables: Tables,
    is_broken: bool,
}

impl Policy {
    /// Compiles a policy.
    ///
    /// # Errors
    /// Every problem that there is, not only the first.
    pub fn compile(id: PolicyId, source: PolicySource) -> Result<Self, Vec<PolicyProblem>> {
        Self::compile_with(id, source, &RuleSwitches::ALL_ON)
    }

    /// Compiles a policy with some rules switched off: for tests that show what each rule is for.
    ///
    /// # Errors
    /// As [`Policy::compile`].
    pub fn compile_with(
        id: PolicyId,
        source: PolicySource,
        switches: &RuleSwitches,
    ) -> Result<Self, Vec<PolicyProblem>> {
        let problems = compile::problems(&source);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            id,
            tables: Tables::new(&source, switches),
            source,
            is_broken: false,
        })
    }

    /// The policy in place of one that does not parse: it refuses everything.
    #[must_use]
    pub fn refuse_all(id: PolicyId) -> Self {
        let source = PolicySource::default();
        Self {
            id,
            tables: Tables::new(&source, &RuleSwitches::ALL_ON),
            source,
            is_broken: true,
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

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
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
        self.unbroken()?;
        admit::event(&self.tables, self.id, context, event, identity)
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
        self.unbroken()?;
        admit::update(&self.tables, self.id, context, update, identity)
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
        self.unbroken()?;
        minimize::home(&self.tables, self.id, record, sealer, None)
    }

    /// What a vendor may have of a record: what the policy at intake and this one both permit.
    ///
    /// # Errors
    /// The reason why the vendor gets nothing. [`Refusal::PolicyBroken`] also where `admitted_under` is not the policy of the
    /// record; [`Refusal::NotKept`] where that policy gave the vendor nothing.
    pub fn minimize_vendor(
        &self,
        vendor: &VendorId,
        record: &Record,
        context: &SendContext<'_>,
        sealer: &dyn Sealer,
        pseudonyms: &dyn Pseudonyms,
    ) -> Result<Minimized<Vendor>, Refusal> {
        let sender = self.sender(vendor, record, context, sealer, pseudonyms)?;
        minimize::vendor(&sender, record, None)
    }

    /// Every field of a stored record, once, with the form in which a vendor gets it today or the reason why it does not: what
    /// [`Policy::minimize_vendor`] decides, told field by field.
    ///
    /// # Errors
    /// The refusal of the record as a whole.
    pub fn vendor_fields(
        &self,
        vendor: &VendorId,
        record: &Record,
        context: &SendContext<'_>,
        sealer: &dyn Sealer,
        pseudonyms: &dyn Pseudonyms,
    ) -> Result<Vec<(Arc<str>, FieldOutcome)>, Refusal> {
        let sender = self.sender(vendor, record, context, sealer, pseudonyms)?;
        explain::vendor_fields(&sender, record)
    }

    /// Both policies' entries for a vendor.
    fn sender<'s>(
        &'s self,
        vendor: &VendorId,
        record: &Record,
        context: &'s SendContext<'_>,
        sealer: &'s dyn Sealer,
        pseudonyms: &'s dyn Pseudonyms,
    ) -> Result<Sender<'s>, Refusal> {
        self.unbroken()?;
        context.admitted_under.unbroken()?;
        if context.admitted_under.id != record.policy() {
            return Err(Refusal::PolicyBroken);
        }
        let table = |tables: &'_ Tables| {
            tables
                .vendors
                .iter()
                .position(|known| known.source.id == *vendor)
        };
        let now = table(&self.tables).and_then(|at| self.tables.vendors.get(at));
        let tables = &context.admitted_under.tables;
        let then = table(tables).and_then(|at| tables.vendors.get(at));
        Ok(Sender {
            tables: &self.tables,
            policy: self.id,
            now: now.ok_or(Refusal::OtherProject)?,
            then: then.ok_or(Refusal::NotKept)?,
            context,
            sealer,
            pseudonyms,
        })
    }

    /// What would happen to an event, and why, for every field and recipient.
    #[must_use]
    pub fn explain(&self, context: &IntakeContext<'_>, event: &IncomingEvent<'_>) -> Explanation {
        let identity = ResolvedIdentity {
            person: PersonNumber(0),
            organization: None,
            insert_key: [0; 16],
            insert_id: event.insert_id.as_deref().unwrap_or("none"),
        };
        match self.admit(context, event, &identity) {
            Ok(admitted) => explain::explain(self, context, admitted),
            Err(refusal) => Explanation::refused(self.id, refusal),
        }
    }

    /// What a field of a project is, by its path (with prefix) and the type of its value alone: `tokens` is a secret where it
    /// is text and a count where it is a number. `None`: no such project.
    #[must_use]
    pub fn classify(
        &self,
        project: &ProjectName,
        path: &str,
        value_type: ValueType,
    ) -> Option<Classification> {
        let project = self
            .tables
            .projects
            .iter()
            .find(|table| table.source.name == *project)?;
        let (carrier, key) = Carrier::split(path);
        let info = PathInfo::new(&project.classifier, carrier, key);
        let class = info.class(match value_type {
            ValueType::Boolean => BOOL,
            ValueType::Integer | ValueType::Number => NUMBER,
            ValueType::Text | ValueType::Url => TEXT,
            ValueType::Null | ValueType::Nested => NESTED,
        });
        Some(Classification {
            category: class.category,
            rule: class.rule.to_arc(),
            evidence: explain::evidence(class),
            is_stray: class.stray,
        })
    }

    fn unbroken(&self) -> Result<(), Refusal> {
        if self.is_broken {
            Err(Refusal::PolicyBroken)
        } else {
            Ok(())
        }
    }
}
