//! From a claim to a number: look up, link where the claim says so and may, make what is new.
//!
//! The common case (everybody known, nothing to link, nothing pending) takes a read lock and no allocation.
//! Invariant: a refused claim changes nothing.

use super::index::{CLUSTER_IDS_MAX, People, TOMBSTONE_MS};
use super::plan::{self, Id, Plan};
use super::{IdentityMode, Resolved};
use crate::vault::Vault;
use cofferdam_model::{
    DEVICE_PREFIX, Definition, IdKey, IdentityClaim, LinkKind, PersonNumber, ProjectName,
    Provenance, Refusal,
};
use std::sync::PoisonError;

/// An id with its key, and its number if it has one.
#[derive(Clone, Copy)]
struct Known<'a> {
    id: Id<'a>,
    key: [u8; 16],
    number: Option<u32>,
}

/// What the claim's link comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Link,
    Nothing,
    Refuse,
}

impl Vault {
    pub(crate) fn resolve_claim(
        &self,
        project: &ProjectName,
        claim: &IdentityClaim<'_>,
        provenance: Provenance,
        new_people_max: u32,
    ) -> Result<Resolved, Refusal> {
        let mode = self.identity_mode(project);
        let plan = plan::plan(mode, claim).ok_or(Refusal::RefusedId)?;
        {
            let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(done) = self.settled(&people, project, &plan, provenance)? {
                return Ok(done);
            }
        }
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = self.settled(&people, project, &plan, provenance)? {
            return Ok(done);
        }
        self.settle(&mut people, project, &plan, provenance, new_people_max)
    }

    /// The answer where nothing has to change.
    fn settled(
        &self,
        people: &People,
        project: &ProjectName,
        plan: &Plan<'_>,
        provenance: Provenance,
    ) -> Result<Option<Resolved>, Refusal> {
        let subject = self.known(people, project, plan.subject)?;
        let link = self.sides(people, project, plan, &subject)?;
        let verdict = match &link {
            Some((kind, one, other)) => judge(people, *kind, one, other, provenance),
            None => Verdict::Nothing,
        };
        if verdict == Verdict::Refuse {
            return Err(Refusal::ClaimedMerge);
        }
        let Some(number) = subject.number else {
            return Ok(None);
        };
        if verdict == Verdict::Link || (plan.is_user && people.is_anonymous(number)) {
            return Ok(None);
        }
        let ends = link.map(|(_, one, other)| [one.number, other.number]);
        let numbers = [Some(number)].into_iter().chain(ends.into_iter().flatten());
        let mut definitions = Vec::new();
        if numbers
            .clone()
            .flatten()
            .any(|number| people.is_pending(number))
        {
            definitions = people.pending(&numbers.flatten().collect::<Vec<_>>());
        }
        Ok(Some(Resolved {
            person: PersonNumber(number),
            definitions,
            new_people: 0,
        }))
    }

    /// Makes what is new, and links.
    fn settle(
        &self,
        people: &mut People,
        project: &ProjectName,
        plan: &Plan<'_>,
        provenance: Provenance,
        new_people_max: u32,
    ) -> Result<Resolved, Refusal> {
        let subject = self.known(people, project, plan.subject)?;
        let link = self
            .sides(people, project, plan, &subject)?
            .filter(|(kind, one, other)| {
                judge(people, *kind, one, other, provenance) == Verdict::Link
            });
        let mut unseen: Vec<[u8; 16]> = Vec::new();
        let ends = link.iter().flat_map(|(_, one, other)| [one, other]);
        for known in std::iter::once(&subject).chain(ends) {
            if known.number.is_none() && !unseen.contains(&known.key) {
                unseen.push(known.key);
            }
        }
        let new_people = u32::try_from(unseen.len()).unwrap_or(u32::MAX);
        if new_people > new_people_max {
            return Err(Refusal::NewPeopleLimit);
        }
        let number = self.number(people, project, &subject, plan.is_user)?;
        if plan.is_user && people.is_anonymous(number) {
            self.identify(people, project, &subject, number)?;
        }
        let mut numbers = vec![number];
        if let Some((kind, one, other)) = link {
            let alias = self.number(people, project, &one, false)?;
            let into = self.number(people, project, &other, false)?;
            numbers.extend([alias, into]);
            if people.link(alias, into) {
                people.remember(Definition::Link {
                    kind,
                    alias: PersonNumber(alias),
                    into: PersonNumber(into),
                });
            }
        }
        Ok(Resolved {
            person: PersonNumber(number),
            definitions: people.pending(&numbers),
            new_people,
        })
    }

    /// Looks an id up; refuses a forgotten one.
    fn known<'a>(
        &self,
        people: &People,
        project: &ProjectName,
        id: Id<'a>,
    ) -> Result<Known<'a>, Refusal> {
        let key = self.person_key(project, &id.pieces());
        let number = people.find(&key);
        if number.is_none() && self.is_buried(people, project, &id.pieces()) {
            return Err(Refusal::Forgotten);
        }
        Ok(Known { id, key, number })
    }

    /// Whether an id has a tombstone that still holds, in this spelling or the other one of the same device.
    pub(crate) fn is_buried(&self, people: &People, project: &ProjectName, id: &[&str; 2]) -> bool {
        let [prefix, text] = *id;
        let holds = |pieces: &[&str; 2]| {
            let stone = people.tombstone(&self.person_key(project, pieces));
            stone.is_some_and(|stone| self.holds(stone.erased_at))
        };
        let other = match (prefix, text.strip_prefix(DEVICE_PREFIX)) {
            ("", None) => [DEVICE_PREFIX, text],
            ("", Some(bare)) => ["", bare],
            _ => ["", text],
        };
        people.newest_tombstone().is_some() && (holds(id) || holds(&other))
    }

    /// Whether a tombstone of that time, milliseconds since 1970, still holds.
    pub(crate) fn holds(&self, erased_at: i64) -> bool {
        self.clock.now().0 < erased_at.saturating_add(TOMBSTONE_MS)
    }

    /// The two ids of the claim's link, looked up; `None` where there is no link, or the device of it was forgotten. An event
    /// that is only about a link is refused where one of the ids was.
    fn sides<'a>(
        &self,
        people: &People,
        project: &ProjectName,
        plan: &Plan<'a>,
        subject: &Known<'a>,
    ) -> Result<Option<(LinkKind, Known<'a>, Known<'a>)>, Refusal> {
        let Some((kind, one, other)) = plan.link else {
            return Ok(None);
        };
        let look = |id: Id<'a>| {
            if id.pieces() == subject.id.pieces() {
                return Ok(*subject);
            }
            self.known(people, project, id)
        };
        let (mut one, other) = match (look(one), look(other)) {
            (Ok(one), Ok(other)) => (one, other),
            _ if kind == LinkKind::Simplified => return Ok(None),
            (Err(refusal), _) | (_, Err(refusal)) => return Err(refusal),
        };
        if kind == LinkKind::Simplified && one.number.is_none() {
            // The same device may have sent its events under the bare id, as original merging does.
            let bare = Id {
                prefix: "",
                ..one.id
            };
            if let Ok(bare) = look(bare)
                && bare
                    .number
                    .is_some_and(|number| people.is_anonymous(number))
            {
                one = bare;
            }
        }
        Ok(Some((kind, one, other)))
    }

    fn number(
        &self,
        people: &mut People,
        project: &ProjectName,
        known: &Known<'_>,
        is_user: bool,
    ) -> Result<u32, Refusal> {
        if let Some(number) = people.find(&known.key) {
            return Ok(number);
        }
        let number = people.next_number();
        if number == u32::MAX {
            return Err(Refusal::NewPeopleLimit);
        }
        let anonymous = known.id.anonymous && !is_user;
        let secret = self.nonces.secret();
        let definition = self
            .person_definition(project, known.id, known.key, number, &secret, anonymous)
            .ok_or(Refusal::RefusedId)?;
        people.insert(number, known.key, &secret, anonymous);
        people.remember(definition);
        Ok(number)
    }

    /// An id taken for a device's turned out to be a user's.
    fn identify(
        &self,
        people: &mut People,
        project: &ProjectName,
        known: &Known<'_>,
        number: u32,
    ) -> Result<(), Refusal> {
        let secret = people.secret(number).ok_or(Refusal::Forgotten)?;
        let definition = self
            .person_definition(project, known.id, known.key, number, &secret, false)
            .ok_or(Refusal::RefusedId)?;
        people.identify(number);
        people.remember(definition);
        Ok(())
    }

    fn person_definition(
        &self,
        project: &ProjectName,
        id: Id<'_>,
        key: [u8; 16],
        number: u32,
        secret: &crate::crypt::Secret,
        anonymous: bool,
    ) -> Option<Definition> {
        Some(Definition::Person {
            project: project.clone(),
            key: IdKey(key),
            number: PersonNumber(number),
            wrapped_key: self.wrap_person(number, secret)?,
            sealed_id: self.seal_id(number, secret, id.pieces().concat().as_bytes())?,
            anonymous,
        })
    }

    fn identity_mode(&self, project: &ProjectName) -> IdentityMode {
        let modes = self.modes.read().unwrap_or_else(PoisonError::into_inner);
        modes.get(project).copied().unwrap_or_default()
    }
}

/// What becomes of a link between two ids.
fn judge(
    people: &People,
    kind: LinkKind,
    one: &Known<'_>,
    other: &Known<'_>,
    provenance: Provenance,
) -> Verdict {
    if one.key == other.key {
        return Verdict::Nothing;
    }
    if let (Some(one), Some(other)) = (one.number, other.number)
        && people.canonical(one) == people.canonical(other)
    {
        return Verdict::Nothing;
    }
    let size = |side: &Known<'_>| side.number.map_or(1, |number| people.cluster(number).len());
    let identified = |side: &Known<'_>| match side.number {
        Some(number) => people.is_identified(number),
        None => !side.id.anonymous,
    };
    let anonymous = |side: &Known<'_>| match side.number {
        Some(number) => people.is_anonymous(number),
        None => side.id.anonymous,
    };
    let both = identified(one) && identified(other);
    let verified = provenance == Provenance::Verified;
    let verdict = match kind {
        // Two users never merge: a device stays with the first.
        LinkKind::Simplified if identified(one) => Verdict::Nothing,
        LinkKind::Simplified => Verdict::Link,
        LinkKind::Identify if !anonymous(one) && !anonymous(other) => {
            if verified {
                Verdict::Nothing
            } else {
                Verdict::Refuse
            }
        }
        // The anonymous id was merged before: ordinary on a shared device, and without effect.
        LinkKind::Identify if both => Verdict::Nothing,
        LinkKind::Identify => Verdict::Link,
        LinkKind::Alias | LinkKind::Merge if both && !verified => Verdict::Refuse,
        LinkKind::Alias | LinkKind::Merge => Verdict::Link,
    };
    if verdict == Verdict::Link && size(one) + size(other) > CLUSTER_IDS_MAX {
        return Verdict::Nothing;
    }
    verdict
}
