//! Merge semantics: by cases, and against a naive model that knows ids as text and people as sets.

use super::IdentityMode;
use crate::tests::{Fixture, by_device, by_id, project};
use crate::{Resolved, Vault};
use cofferdam_model::{IdentityClaim, LinkKind, Provenance, Refusal, is_uuid};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

use Provenance::{Claimed, Verified};

fn linked<'a>(kind: LinkKind, one: &'a str, other: &'a str) -> IdentityClaim<'a> {
    IdentityClaim {
        distinct_id: Some(other.into()),
        link: Some((kind, one.into(), other.into())),
        ..IdentityClaim::default()
    }
}

fn told(vault: &Vault, claim: &IdentityClaim<'_>, who: Provenance) -> Result<Resolved, Refusal> {
    vault.resolve(&project(), claim, who)
}

fn same(vault: &Vault, one: &str, other: &str) -> bool {
    let map = vault.merge_map();
    let canonical = |id| map.canonical(vault.lookup(&project(), id).unwrap());
    canonical(one) == canonical(other)
}

const UUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

#[tokio::test]
async fn simplified_merging_is_retroactive_and_never_joins_two_users() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    told(&vault, &by_device("d1", None), Claimed).unwrap();
    let first = told(&vault, &by_device("d1", Some("u1")), Claimed).unwrap();
    assert_eq!(Some(first.person), vault.lookup(&project(), "u1"));
    assert!(same(&vault, "$device:d1", "u1"));
    // The next user of the same browser keeps to himself; so do later anonymous events of it.
    let second = told(&vault, &by_device("d1", Some("u2")), Verified).unwrap();
    assert_eq!(Some(second.person), vault.lookup(&project(), "u2"));
    assert!(!same(&vault, "u1", "u2"));
    told(&vault, &by_device("d2", Some("u2")), Claimed).unwrap();
    assert!(same(&vault, "$device:d2", "u2") && !same(&vault, "$device:d1", "u2"));
    // A user id dressed as a device is not a user: otherwise one event would take over a stranger's device.
    let dressed = told(&vault, &by_device("d3", Some("$device:d1")), Claimed).unwrap();
    assert_eq!(Some(dressed.person), vault.lookup(&project(), "$device:d3"));
    assert!(!same(&vault, "$device:d3", "$device:d1"));
}

#[tokio::test]
async fn claimed_merges_of_two_identified_people_are_refused_and_change_nothing() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    for id in ["u1", "u2"] {
        told(&vault, &by_id(id), Claimed).unwrap();
    }
    for kind in [LinkKind::Identify, LinkKind::Alias, LinkKind::Merge] {
        for other in ["u2", "never seen"] {
            let refused = told(&vault, &linked(kind, "u1", other), Claimed);
            assert_eq!(refused.unwrap_err(), Refusal::ClaimedMerge, "{kind:?}");
        }
    }
    assert_eq!(vault.people(), 2);
    assert!(vault.merge_map().merged().is_empty());
    // Verified: `$identify` needs an anonymous id, `$merge` does not.
    told(&vault, &linked(LinkKind::Identify, "u1", "u2"), Verified).unwrap();
    assert!(!same(&vault, "u1", "u2"));
    told(&vault, &linked(LinkKind::Merge, "u1", "u2"), Verified).unwrap();
    assert!(same(&vault, "u1", "u2"));
    told(&vault, &linked(LinkKind::Alias, "u3", "u2"), Verified).unwrap();
    assert!(same(&vault, "u1", "u3"));
}

#[tokio::test]
async fn original_merging_joins_an_anonymous_uuid_once() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let anonymous = IdentityClaim {
        distinct_id: Some(UUID.into()),
        device_id: Some(UUID.into()),
        ..IdentityClaim::default()
    };
    told(&vault, &anonymous, Claimed).unwrap();
    told(&vault, &linked(LinkKind::Identify, UUID, "u1"), Claimed).unwrap();
    assert!(same(&vault, UUID, "u1"));
    // What identify() sends next carries both ids; the device is known under its bare id, so no third id appears.
    let after = IdentityClaim {
        distinct_id: Some("u1".into()),
        ..by_device(UUID, Some("u1"))
    };
    assert_eq!(told(&vault, &after, Claimed).unwrap().new_people, 0);
    // The same browser, another user: no effect, no refusal.
    let other = told(&vault, &linked(LinkKind::Identify, UUID, "u2"), Claimed).unwrap();
    assert_eq!(Some(other.person), vault.lookup(&project(), "u2"));
    assert!(!same(&vault, UUID, "u2"));
    // But a UUID that is a person's own id is nobody's device.
    let own = "11111111-2222-4333-8444-555555555555";
    told(&vault, &by_id(own), Verified).unwrap();
    let refused = told(&vault, &linked(LinkKind::Identify, own, "u2"), Claimed);
    assert_eq!(refused.unwrap_err(), Refusal::ClaimedMerge);
}

#[tokio::test]
async fn a_uuid_taken_for_a_devices_that_turns_out_a_users_is_protected() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let as_device = IdentityClaim {
        distinct_id: Some(UUID.into()),
        device_id: Some(UUID.into()),
        ..IdentityClaim::default()
    };
    let first = told(&vault, &as_device, Claimed).unwrap();
    let as_user = IdentityClaim {
        user_id: Some(UUID.into()),
        ..IdentityClaim::default()
    };
    let second = told(&vault, &as_user, Verified).unwrap();
    assert_eq!((second.person, second.new_people), (first.person, 0));
    let refused = told(&vault, &linked(LinkKind::Identify, UUID, "eve"), Claimed);
    assert_eq!(refused.unwrap_err(), Refusal::ClaimedMerge);
    // Also after a restart, whichever definition is projected first.
    let definitions = [second.definitions, first.definitions].concat();
    vault.apply(&definitions, 1).await.unwrap();
    drop(vault);
    let vault = fixture.vault().await;
    let refused = told(&vault, &linked(LinkKind::Identify, UUID, "eve"), Claimed);
    assert_eq!(refused.unwrap_err(), Refusal::ClaimedMerge);
}

#[tokio::test]
async fn the_mode_decides_which_statements_count() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let (simple, original) = ("simple".into(), "original".into());
    vault.set_identity_mode(&simple, IdentityMode::Simplified);
    vault.set_identity_mode(&original, IdentityMode::Original);
    let claim = linked(LinkKind::Identify, UUID, "u1");
    vault.resolve(&simple, &claim, Claimed).unwrap();
    assert!(vault.merge_map().merged().is_empty());
    vault
        .resolve(&original, &by_device("d1", Some("u1")), Claimed)
        .unwrap();
    assert!(vault.merge_map().merged().is_empty());
    vault.resolve(&original, &claim, Claimed).unwrap();
    assert_eq!(vault.merge_map().merged().len(), 1);
}

#[tokio::test]
async fn a_person_has_at_most_500_ids() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    for number in 0..510 {
        let resolved = told(
            &vault,
            &by_device(&format!("d{number}"), Some("u1")),
            Claimed,
        );
        vault.confirm(&resolved.unwrap().definitions);
    }
    assert_eq!(vault.merge_map().merged().len(), 499);
}

/// People as sets of ids; every id with whether it is a device's.
#[derive(Default)]
struct Model {
    anonymous: BTreeMap<String, bool>,
    people: Vec<BTreeSet<String>>,
}

impl Model {
    fn see(&mut self, id: &str, anonymous: bool) {
        if !self.anonymous.contains_key(id) {
            self.anonymous.insert(id.to_owned(), anonymous);
            self.people.push(BTreeSet::from([id.to_owned()]));
        }
    }

    fn person(&self, id: &str, anonymous: bool) -> (BTreeSet<String>, bool) {
        match self.people.iter().find(|person| person.contains(id)) {
            Some(person) => (person.clone(), person.iter().any(|id| !self.anonymous[id])),
            None => (BTreeSet::from([id.to_owned()]), !anonymous),
        }
    }

    fn merge(&mut self, one: &str, other: &str) {
        let (one, other) = (self.person(one, true).0, self.person(other, true).0);
        self.people
            .retain(|person| *person != one && *person != other);
        self.people.push(one.into_iter().chain(other).collect());
    }

    /// The rules as the vendor's documentation tells them, with provenance.
    fn tell(&mut self, step: &Step) -> Result<(), Refusal> {
        match step {
            Step::Anonymous(device) => self.see(&format!("$device:{device}"), true),
            Step::Known(user) => self.see(user, false),
            Step::Both(device, user) => {
                let device = format!("$device:{device}");
                self.see(user, false);
                if !self.person(&device, true).1 {
                    self.see(&device, true);
                    if !self.person(&device, true).0.contains(user) {
                        self.merge(&device, user);
                    }
                }
            }
            Step::Link(kind, verified, one, other) => {
                let shape = |id: &str| id.starts_with("$device:");
                let looks = |id: &str| match self.anonymous.get(id) {
                    Some(anonymous) => *anonymous,
                    None if shape(id) => true,
                    // In the place of the anonymous id, unless it is the subject itself.
                    None => {
                        *kind == LinkKind::Identify
                            && id == one
                            && id != other
                            && is_uuid(id.as_bytes())
                    }
                };
                let (one_anonymous, other_anonymous) = (looks(one), looks(other));
                let (one_person, one_known) = self.person(one, one_anonymous);
                let (_, other_known) = self.person(other, other_anonymous);
                let joined = one == other || one_person.contains(other);
                let join = match kind {
                    _ if joined => false,
                    LinkKind::Identify if !one_anonymous && !other_anonymous => {
                        if !verified {
                            return Err(Refusal::ClaimedMerge);
                        }
                        false
                    }
                    LinkKind::Identify => !(one_known && other_known),
                    _ if one_known && other_known && !verified => {
                        return Err(Refusal::ClaimedMerge);
                    }
                    _ => true,
                };
                self.see(other, other_anonymous);
                if join {
                    self.see(one, one_anonymous);
                    self.merge(one, other);
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Anonymous(String),
    Known(String),
    Both(String, String),
    Link(LinkKind, bool, String, String),
}

impl Step {
    fn claim(&self) -> (IdentityClaim<'_>, Provenance) {
        match self {
            Self::Anonymous(device) => (by_device(device, None), Claimed),
            Self::Known(user) => (by_id(user), Claimed),
            Self::Both(device, user) => (by_device(device, Some(user)), Claimed),
            Self::Link(kind, verified, one, other) => {
                let provenance = if *verified { Verified } else { Claimed };
                (linked(*kind, one, other), provenance)
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = (0..4_u8).prop_map(|n| format!("d{n}"));
    let user = (0..5_u8).prop_map(|n| format!("u{n}"));
    let uuid = (0..3_u8).prop_map(|n| format!("0f8fad5b-d9cb-469f-a165-70867728950{n}"));
    let id = prop_oneof![
        device
            .clone()
            .prop_map(|device| format!("$device:{device}")),
        user.clone(),
        uuid.clone(),
    ];
    let kind = prop_oneof![
        Just(LinkKind::Identify),
        Just(LinkKind::Alias),
        Just(LinkKind::Merge)
    ];
    let step = prop_oneof![
        2 => device.clone().prop_map(Step::Anonymous),
        1 => prop_oneof![user.clone(), uuid].prop_map(Step::Known),
        3 => (device, user).prop_map(|(device, user)| Step::Both(device, user)),
        4 => (kind, any::<bool>(), id.clone(), id)
            .prop_map(|(kind, verified, one, other)| Step::Link(kind, verified, one, other)),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn merging_agrees_with_the_naive_model(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new();
            let vault = fixture.vault().await;
            let mut model = Model::default();
            for step in &steps {
                let before = model.anonymous.len();
                let (claim, provenance) = step.claim();
                let expected = model.tell(step);
                let found = told(&vault, &claim, provenance);
                prop_assert_eq!(found.as_ref().err(), expected.as_ref().err(), "{:?}", step);
                if let Ok(found) = found {
                    prop_assert_eq!(found.new_people as usize, model.anonymous.len() - before, "{:?}", step);
                }
            }
            prop_assert_eq!(vault.people() as usize, model.anonymous.len());
            let map = vault.merge_map();
            let mut clusters: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
            for id in model.anonymous.keys() {
                let number = vault.lookup(&project(), id);
                prop_assert!(number.is_some(), "{} has no number", id);
                clusters.entry(map.canonical(number.unwrap()).0).or_default().insert(id.clone());
            }
            let found: BTreeSet<_> = clusters.into_values().collect();
            prop_assert_eq!(found, model.people.into_iter().collect::<BTreeSet<_>>());
            Ok(())
        })?;
    }
}
