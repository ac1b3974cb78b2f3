//! The steps of one item: whose project, within the limits, who it is about, what policy admits.
//!
//! Invariant: a step either goes on or returns one refusal; a refused item leaves nothing behind but a count.

use super::{Forgotten, Pipeline, Sender};
use crate::projects::{Project, Projects, Shown};
use crate::rates::{Network, RateLimit};
use cofferdam_journal::{Key, NO_KEY};
use cofferdam_model::{
    Definition, IdentityClaim, Incoming, IncomingEvent, IncomingUpdate, OrganizationNumber,
    PersonNumber, Place, Provenance, Pseudonyms, Refusal, Subject, TimestampMs, Value,
};
use cofferdam_policy::{
    ConsentState, IntakeContext, Policy, Record, ResolvedIdentity, usable_time,
};
use cofferdam_wire::{Notes, Rejected};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

/// The event by which Mixpanel's SDKs say that the person opted in.
const OPT_IN: &str = "$opt_in";

/// What the items of a request came to.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) records: Vec<Record>,
    pub(super) keys: Vec<Key>,
    pub(super) definitions: Vec<Definition>,
    defined: HashSet<[u32; 3]>,
    pub(super) items_kept: u32,
    pub(super) rejected: Vec<Rejected>,
    pub(super) refused: Vec<(Arc<str>, Refusal)>,
    pub(super) notes: Notes,
    /// People whose SDK said that they opted in.
    pub(super) opted_in: Vec<PersonNumber>,
}

impl Admission {
    pub(super) fn new(rejected: Vec<Rejected>, notes: Notes, items: usize) -> Self {
        let refused = rejected
            .iter()
            .map(|rejected| (Arc::from(""), rejected.refusal))
            .collect();
        Self {
            records: Vec::with_capacity(items),
            keys: Vec::with_capacity(items),
            definitions: Vec::new(),
            defined: HashSet::new(),
            items_kept: 0,
            rejected,
            refused,
            notes,
            opted_in: Vec::new(),
        }
    }

    /// Those of [`Admission::opted_in`] whose numbers are in the journal, given that this entry is or is not.
    pub(super) fn durably_opted_in(&self, is_written: bool) -> impl Iterator<Item = PersonNumber> {
        let people = self.opted_in.iter().copied();
        people.filter(move |person| is_written || !self.is_new(*person))
    }

    /// The records, without those of people who are not in the journal, given that this entry is or is not.
    pub(super) fn durable_records(&mut self, is_written: bool) -> Vec<Record> {
        let mut records = std::mem::take(&mut self.records);
        if !is_written {
            records.retain(|record| !self.is_new(record.person()));
        }
        records
    }

    /// Whether the person came up with this request.
    fn is_new(&self, person: PersonNumber) -> bool {
        self.definitions.iter().any(
            |definition| matches!(definition, Definition::Person { number, .. } if *number == person),
        )
    }

    pub(super) fn refuse(&mut self, index: u32, project: Arc<str>, refusal: Refusal) {
        self.rejected.push(Rejected::of(index, refusal));
        self.refused.push((project, refusal));
    }

    fn keep(&mut self, record: Record, key: Key, definitions: Vec<Definition>) {
        self.records.push(record);
        self.keys.push(key);
        for definition in definitions {
            // What makes a definition the same: its number, or the two that it links.
            let name = match &definition {
                Definition::Person {
                    number, anonymous, ..
                } => [0, number.0, u32::from(*anonymous)],
                Definition::Link { kind, alias, into } => [1 + *kind as u32, alias.0, into.0],
                Definition::Organization { number, .. } => [u32::MAX, number.0, 0],
            };
            if self.defined.insert(name) {
                self.definitions.push(definition);
            }
        }
        self.items_kept += 1;
    }
}

/// Position of an item in its request.
pub(super) fn index_of(item: &Incoming<'_>) -> u32 {
    match item {
        Incoming::Event(event) => event.index,
        Incoming::Update(update) => update.index,
    }
}

/// One item on its way.
pub(super) struct ItemStep<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) policy: &'a Policy,
    pub(super) projects: &'a Projects,
    pub(super) shown: Shown<'a>,
    pub(super) sender: &'a Sender<'a>,
    pub(super) network: Network,
    pub(super) place: Option<&'a Place>,
    pub(super) received: TimestampMs,
    /// Who the item before was about.
    pub(super) last: Option<Known<'a>>,
}

/// A claim that was resolved, and to whom. SDKs send what one person did together, and the same claim means the same person.
/// Kept only of items that were kept, so that what defines somebody new is in the entry already.
pub(super) struct Known<'a> {
    project: &'a Project,
    claim: &'a IdentityClaim<'a>,
    person: PersonNumber,
    consent: ConsentState,
}

/// Why an item went no further, and the project it was for (empty where unknown).
type Stopped = (Arc<str>, Refusal);

impl<'a> ItemStep<'a> {
    /// All steps of one item.
    pub(super) fn admit(
        &mut self,
        item: &'a Incoming<'a>,
        admission: &mut Admission,
    ) -> Result<(), Stopped> {
        let token = match item {
            Incoming::Event(event) => event.token.as_deref(),
            Incoming::Update(update) => update.token.as_deref(),
        };
        let standing = match self.sender.import {
            Some(name) => {
                let project = self.projects.named(name);
                project.map(|project| (project, Provenance::Verified))
            }
            None => self.projects.standing(token, self.shown),
        };
        let (project, provenance) =
            standing.ok_or_else(|| (Arc::from(""), Refusal::UnknownToken))?;
        let stopped = |refusal| (Arc::clone(&project.name.0), refusal);
        self.check_origin(project, provenance).map_err(stopped)?;
        self.check_rate(project).map_err(stopped)?;
        match item {
            Incoming::Event(event) => self
                .event(project, provenance, event, admission)
                .map_err(stopped),
            Incoming::Update(update) => self
                .update(project, provenance, update, admission)
                .map_err(stopped),
        }
    }

    fn check_origin(&self, project: &Project, provenance: Provenance) -> Result<(), Refusal> {
        match self.sender.origin {
            Some(origin) if provenance == Provenance::Claimed && !project.allows_origin(origin) => {
                Err(Refusal::OriginNotAllowed)
            }
            _ => Ok(()),
        }
    }

    fn check_rate(&self, project: &Project) -> Result<(), Refusal> {
        let events = &self.pipeline.rates.events;
        if !self.is_limited(events) || events.take(self.rate_key(project), 1, self.received) {
            Ok(())
        } else {
            Err(Refusal::RateLimited)
        }
    }

    /// Whether this limit is on for this sender.
    fn is_limited(&self, limit: &RateLimit<(Arc<str>, Network)>) -> bool {
        limit.is_on() && self.sender.import.is_none()
    }

    fn rate_key(&self, project: &Project) -> (Arc<str>, Network) {
        (Arc::clone(&project.name.0), self.network)
    }

    fn event(
        &mut self,
        project: &'a Project,
        provenance: Provenance,
        event: &'a IncomingEvent<'a>,
        admission: &mut Admission,
    ) -> Result<(), Refusal> {
        let (known, mut definitions) = self.resolve(project, provenance, &event.identity)?;
        let person = known.person;
        let organization = self.organization_of(project, &event.properties, &mut definitions)?;
        let made_up;
        let (insert_id, is_sent) = match event.insert_id.as_deref() {
            Some(insert_id) if !insert_id.is_empty() => (insert_id, true),
            _ => {
                made_up = self.make_insert_id();
                (made_up.as_str(), false)
            }
        };
        let as_sent = event.identity.distinct_id.as_deref().unwrap_or_default();
        let day = usable_time(event.time, self.received).map(TimestampMs::day);
        let key =
            self.pipeline
                .vault
                .insert_key(&project.name, day, &event.name, as_sent, insert_id);
        let identity = ResolvedIdentity {
            person,
            organization,
            insert_key: key,
            insert_id,
        };
        let forgotten = Forgotten::of(&self.pipeline.vault, &project.name);
        let mut context = self.context(project, provenance, known.consent, forgotten.as_ref());
        let opts_in = &*event.name == OPT_IN;
        // What comes after the yes in the same request comes after the yes.
        context.signals.opted_in |= opts_in || admission.opted_in.contains(&person);
        let admitted = self.policy.admit(&context, event, &identity)?;
        if opts_in {
            admission.opted_in.push(person);
        }
        admission.keep(
            admitted.into(),
            if is_sent { key } else { NO_KEY },
            definitions,
        );
        self.last = Some(known);
        Ok(())
    }

    fn update(
        &mut self,
        project: &'a Project,
        provenance: Provenance,
        update: &'a IncomingUpdate<'a>,
        admission: &mut Admission,
    ) -> Result<(), Refusal> {
        let mut definitions = Vec::new();
        let mut consent = ConsentState::default();
        let (person, organization) = match &update.subject {
            Subject::Person => {
                let (known, defined) = self.resolve(project, provenance, &update.identity)?;
                definitions = defined;
                consent = known.consent;
                (known.person, None)
            }
            Subject::Group { key, id } => {
                let own = project.organization_key.as_deref() == Some(key);
                let group = (!own).then_some(&**key);
                (
                    PersonNumber::ORGANIZATIONS,
                    Some(self.organization(project, group, id, &mut definitions)?),
                )
            }
        };
        let identity = ResolvedIdentity {
            person,
            organization,
            insert_key: NO_KEY,
            insert_id: "",
        };
        let forgotten = Forgotten::of(&self.pipeline.vault, &project.name);
        let mut context = self.context(project, provenance, consent, forgotten.as_ref());
        context.signals.opted_in |= admission.opted_in.contains(&person);
        let admitted = self.policy.admit_update(&context, update, &identity)?;
        admission.keep(admitted.into(), NO_KEY, definitions);
        Ok(())
    }

    fn resolve(
        &mut self,
        project: &'a Project,
        provenance: Provenance,
        claim: &'a IdentityClaim<'a>,
    ) -> Result<(Known<'a>, Vec<Definition>), Refusal> {
        if let Some(last) = self.last.take()
            && std::ptr::eq(last.project, project)
            && last.claim == claim
        {
            return Ok((last, Vec::new()));
        }
        let (vault, limit) = (&self.pipeline.vault, &self.pipeline.rates.new_people);
        let is_limited = self.is_limited(limit);
        let none_new = if is_limited { 0 } else { u32::MAX };
        let resolved = match vault.resolve_limited(&project.name, claim, provenance, none_new) {
            // Somebody new: only now the limit matters. A refused claim changed nothing.
            Err(Refusal::NewPeopleLimit) if is_limited => {
                let left = limit.left(self.rate_key(project), self.received);
                let left = u32::try_from(left).unwrap_or(u32::MAX);
                let resolved = vault.resolve_limited(&project.name, claim, provenance, left)?;
                let new_people = u64::from(resolved.new_people);
                limit.count(self.rate_key(project), new_people, self.received);
                resolved
            }
            resolved => resolved?,
        };
        let standing = vault.consent(resolved.person).home();
        let known = Known {
            project,
            claim,
            person: resolved.person,
            consent: ConsentState {
                opted_in: standing.opted_in,
                objected: standing.objected,
            },
        };
        Ok((known, resolved.definitions))
    }

    fn organization_of(
        &self,
        project: &Project,
        properties: &[(Cow<'_, str>, Value<'_>)],
        definitions: &mut Vec<Definition>,
    ) -> Result<Option<OrganizationNumber>, Refusal> {
        let wanted = project.organization_key.as_deref();
        let found = properties.iter().find(|(key, _)| Some(&**key) == wanted);
        let first = match found {
            Some((_, Value::List(items))) => items.first(),
            Some((_, other)) => Some(other),
            None => None,
        };
        let id = match first {
            Some(Value::Text(text)) if !text.is_empty() => Cow::Borrowed(&**text),
            Some(Value::Int(number)) => Cow::Owned(number.to_string()),
            _ => return Ok(None),
        };
        self.organization(project, None, &id, definitions).map(Some)
    }

    /// The organization's number; new ones count against the limit on new people.
    fn organization(
        &self,
        project: &Project,
        group: Option<&str>,
        id: &str,
        definitions: &mut Vec<Definition>,
    ) -> Result<OrganizationNumber, Refusal> {
        let (vault, limit) = (&self.pipeline.vault, &self.pipeline.rates.new_people);
        let name = &project.name;
        let known = vault.resolve_organization(name, group, id, !self.is_limited(limit));
        let resolved = match known {
            Some(known) => known,
            None if limit.left(self.rate_key(project), self.received) == 0 => {
                return Err(Refusal::NewPeopleLimit);
            }
            None => {
                limit.count(self.rate_key(project), 1, self.received);
                vault
                    .resolve_organization(name, group, id, true)
                    .ok_or(Refusal::NewPeopleLimit)?
            }
        };
        definitions.extend(resolved.definition);
        Ok(resolved.number)
    }

    fn context<'b>(
        &'b self,
        project: &'b Project,
        provenance: Provenance,
        consent: ConsentState,
        forgotten: Option<&'b Forgotten<'_>>,
    ) -> IntakeContext<'b> {
        let sender = self.sender;
        IntakeContext {
            project: &project.name,
            received: self.received,
            provenance,
            signals: sender.signals,
            consent,
            address: sender.address.filter(|_| sender.is_person),
            place: self.place,
            user_agent: sender.user_agent.filter(|_| sender.is_person),
            limits: &self.pipeline.limits,
            forgotten: forgotten.map(|forgotten| forgotten as _),
        }
    }

    /// An id for an event that came without one; such events cannot be told from their copies.
    fn make_insert_id(&self) -> String {
        crate::config::init::random_hex::<16>(&*self.pipeline.entropy)
    }
}
