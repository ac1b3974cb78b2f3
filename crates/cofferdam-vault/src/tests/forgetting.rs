//! A person can be forgotten: keys gone from memory and file, vendors to be told, late copies and restores refused.

use super::*;
use crate::{DeletionState, Who};
use cofferdam_access::{Erase, ManageKeys, ReadPeople};
use cofferdam_model::{IdKind, MS_PER_DAY, Pseudonyms, Refusal, SealError, Sealer};
use std::collections::BTreeSet;
use std::fs;

/// Ada with two devices and an id, Bob beside her; all projected unless said otherwise.
struct Town {
    fixture: Fixture,
    vault: Arc<Vault>,
    journal: Vec<Definition>,
    ada: Vec<PersonNumber>,
    bob: PersonNumber,
}

async fn town(project: bool) -> Town {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let mut journal = Vec::new();
    let mut ada = vec![journaled(&vault, &by_device("d1", None), &mut journal)];
    ada.push(journaled(
        &vault,
        &by_device("d1", Some("ada@example.com")),
        &mut journal,
    ));
    let bob = journaled(&vault, &by_id("bob@example.com"), &mut journal);
    journaled(
        &vault,
        &by_device("d2", Some("ada@example.com")),
        &mut journal,
    );
    ada.push(vault.lookup(&super::project(), "$device:d2").unwrap());
    if project {
        vault.apply(&journal, 4).await.unwrap();
    }
    Town {
        fixture,
        vault,
        journal,
        ada,
        bob,
    }
}

#[tokio::test]
async fn erasing_queues_the_tokens_of_every_vendor_and_epoch() {
    let Town {
        fixture,
        vault,
        ada,
        ..
    } = town(true).await;
    let one = domain(&vault, "mixpanel").await;
    let other = domain(&vault, "segment").await;
    let permit = fixture.permit::<ManageKeys>().await;
    let epoch = vault
        .rotate_epoch(&permit, &one.vendor, &one.region)
        .await
        .unwrap();
    let next = TokenDomain {
        epoch,
        ..one.clone()
    };
    let mut expected = BTreeSet::new();
    for domain in [&one, &next, &other] {
        for (id, device) in [("ada@example.com", false), ("d1", true), ("d2", true)] {
            let token = vault.token(domain, IdKind::Person, id);
            expected.insert((domain.vendor.clone(), domain.epoch, device, token));
        }
    }
    let permit = fixture.permit::<Erase>().await;
    let erased = vault
        .erase(&permit, &project(), Who::Id("$device:d2"), None)
        .await
        .unwrap();
    assert_eq!(erased.numbers, ada);
    assert_eq!(vault.deletion_requests().await.unwrap(), erased.requests);
    assert_eq!(erased.requests.len(), 9);
    let queued: BTreeSet<_> = erased
        .requests
        .into_iter()
        .map(|request| (request.vendor, request.epoch, request.device, request.token))
        .collect();
    assert_eq!(queued, expected);
}

/// The wrapped keys of these numbers, without the generation in front.
fn wrapped_keys(journal: &[Definition], numbers: &[PersonNumber]) -> Vec<Vec<u8>> {
    let wrapped = journal.iter().filter_map(|definition| match definition {
        Definition::Person {
            number,
            wrapped_key,
            ..
        } if numbers.contains(number) => Some(wrapped_key[4..].to_vec()),
        _ => None,
    });
    wrapped.collect()
}

#[tokio::test]
async fn erasing_destroys_every_key() {
    for projected in [true, false] {
        let Town {
            fixture,
            vault,
            journal,
            ada,
            bob,
        } = town(projected).await;
        let mut sealed = (Vec::new(), Vec::new());
        Sealer::seal(&*vault, ada[1], b"", b"hers", &mut sealed.0).unwrap();
        Sealer::seal(&*vault, bob, b"", b"his", &mut sealed.1).unwrap();
        let wrapped = wrapped_keys(&journal, &ada);
        let found = |key: &Vec<u8>| on_disk(fixture.dir.path(), &key[..12]);
        assert_eq!(wrapped.len(), 3);
        assert!(wrapped.iter().all(|key| found(key) == projected));
        let (tag, _) = vault.encrypt_entry(b"");
        let permit = fixture.permit::<Erase>().await;
        vault
            .erase(&permit, &project(), Who::Number(ada[2]), None)
            .await
            .unwrap();
        let next = vault.encrypt_entry(b"").0;
        assert_ne!(next, tag, "the journal's next segment has a new key");
        assert!(!wrapped.iter().any(found));
        vault.apply(&journal, 4).await.unwrap(); // What was in the journal comes once more, or only now.
        assert!(!wrapped.iter().any(found));
        drop(vault);
        let vault = fixture.vault().await;
        let permit = fixture.permit::<ReadPeople>().await;
        for number in &ada {
            let open = Sealer::open(&*vault, *number, b"", &sealed.0);
            assert_eq!(open, Err(SealError::Forgotten));
            let seal = Sealer::seal(&*vault, *number, b"", b"more", &mut Vec::new());
            assert_eq!(seal, Err(SealError::Forgotten));
            assert_eq!(vault.id_text(&permit, *number).await.unwrap(), None);
        }
        assert_eq!(Sealer::open(&*vault, bob, b"", &sealed.1).unwrap(), b"his");
        let map = vault.merge_map();
        assert_eq!(map.cluster(ada[0]), ada, "counts and proofs stay");
        assert_eq!(vault.people(), 4);
    }
}

#[tokio::test]
async fn late_copies_are_refused_for_30_days_and_then_it_is_somebody_new() {
    let Town {
        fixture,
        vault,
        ada,
        ..
    } = town(true).await;
    let permit = fixture.permit::<Erase>().await;
    vault
        .erase(&permit, &project(), Who::Number(ada[0]), None)
        .await
        .unwrap();
    let vault = {
        drop(vault);
        fixture.vault().await
    };
    fixture.clock.advance(30 * MS_PER_DAY - 1);
    let resolve = |claim| vault.resolve(&project(), &claim, Provenance::Claimed);
    for claim in [
        by_id("ada@example.com"),
        by_device("d1", None),
        by_device("d9", Some("ada@example.com")),
        // The device as original merging spells it.
        by_id("d1"),
    ] {
        assert_eq!(resolve(claim).unwrap_err(), Refusal::Forgotten);
    }
    for (id, is_hers) in [("d1", true), ("$device:d1", true), ("d8", false)] {
        assert_eq!(vault.is_forgotten_id(&project(), id), is_hers, "{id}");
    }
    assert!(vault.has_forgotten());
    // Somebody else on her device is not refused, and not linked to it.
    let carol = resolve(by_device("d1", Some("carol"))).unwrap();
    assert_eq!(carol.new_people, 1);
    fixture.clock.advance(1);
    let again = resolve(by_id("ada@example.com")).unwrap();
    assert!(!ada.contains(&again.person));
    vault.confirm(&again.definitions);
    vault.apply(&again.definitions, 9).await.unwrap();
    let vault = {
        drop(vault);
        fixture.vault().await
    };
    assert_eq!(
        vault.lookup(&project(), "ada@example.com"),
        Some(again.person)
    );
    let mut sealed = Vec::new();
    Sealer::seal(&*vault, again.person, b"", b"new", &mut sealed).unwrap();
}

#[tokio::test]
async fn the_contact_is_kept_until_the_last_vendor_confirms() {
    let Town { fixture, vault, .. } = town(true).await;
    domain(&vault, "mixpanel").await;
    let permit = fixture.permit::<Erase>().await;
    let contact = Some(&b"ada@example.com"[..]);
    let erased = vault
        .erase(&permit, &project(), Who::Id("ada@example.com"), contact)
        .await
        .unwrap();
    assert!(!on_disk(fixture.dir.path(), b"ada@example.com"));
    let vault = {
        drop(vault);
        fixture.vault().await
    };
    let permit = fixture.permit::<ReadPeople>().await;
    let kept = || vault.escrowed_contact(&permit, erased.erasure);
    let (last, first) = erased.requests.split_last().unwrap();
    for request in first {
        vault
            .settle_deletion(request.id, DeletionState::Done)
            .await
            .unwrap();
    }
    vault
        .settle_deletion(last.id, DeletionState::Acknowledged)
        .await
        .unwrap();
    assert_eq!(kept().await.unwrap().as_deref(), contact);
    assert_eq!(vault.deletion_requests().await.unwrap().len(), 1);
    vault
        .settle_deletion(last.id, DeletionState::Done)
        .await
        .unwrap();
    assert_eq!(kept().await.unwrap(), None);
    vault
        .settle_deletion(last.id, DeletionState::Requested)
        .await
        .unwrap();
    assert_eq!(
        vault.deletion_requests().await.unwrap(),
        [],
        "a state never goes back"
    );
    let mut connection = vault.database.lock().await;
    let (keys,): (i64,) = sqlx::query_as("SELECT count(*) FROM keys WHERE purpose = 'escrow'")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn a_restored_vault_forgets_again() {
    for journaled_only in [false, true] {
        let Town {
            fixture,
            vault,
            journal,
            ada,
            bob,
        } = town(!journaled_only).await;
        vault.checkpoint().await.unwrap();
        let backup = fs::read(fixture.path()).unwrap();
        let permit = fixture.permit::<Erase>().await;
        vault
            .erase(&permit, &project(), Who::Number(ada[1]), None)
            .await
            .unwrap();
        let list = vault.erasures().await.unwrap();
        assert_eq!(list.len(), 3);
        let restored = fixture.dir.path().join("restored.db");
        fs::write(&restored, backup).unwrap();
        let restored = fixture.open(&restored, MASTER).await.unwrap();
        let numbers = restored.repeat_erasures(&permit, &list).await.unwrap();
        assert_eq!(numbers, if journaled_only { vec![] } else { ada.clone() });
        restored.apply(&journal, 4).await.unwrap();
        for number in &ada {
            let seal = Sealer::seal(&*restored, *number, b"", b"", &mut Vec::new());
            assert_eq!(seal, Err(SealError::Forgotten), "{journaled_only}");
        }
        assert_eq!(restored.lookup(&project(), "bob@example.com"), Some(bob));
        let late = restored.resolve(&project(), &by_id("ada@example.com"), Provenance::Claimed);
        assert_eq!(late.unwrap_err(), Refusal::Forgotten);
    }
}

#[tokio::test]
async fn an_erasure_can_be_repeated_and_strangers_are_nobody() {
    let Town {
        fixture,
        vault,
        ada,
        ..
    } = town(true).await;
    domain(&vault, "mixpanel").await;
    let permit = fixture.permit::<Erase>().await;
    let console = project();
    let erase = |who| vault.erase(&permit, &console, who, None);
    let first = erase(Who::Id("ada@example.com")).await.unwrap();
    let second = erase(Who::Id("ada@example.com")).await.unwrap();
    assert_eq!((&second.numbers, &second.requests), (&ada, &first.requests));
    // The repetition says when it had happened, also after a restart; whoever was there is not called forgotten before.
    assert_eq!(first.forgotten_before, None);
    let at = second.forgotten_before.unwrap();
    let vault_again = fixture.open(&fixture.path(), MASTER).await.unwrap();
    for who in [Who::Id("ada@example.com"), Who::Number(ada[1])] {
        let third = vault_again.erase(&permit, &console, who, None).await;
        assert_eq!(third.unwrap().forgotten_before, Some(at));
    }
    for nobody in [Who::Id("nobody"), Who::Number(PersonNumber(99))] {
        assert!(matches!(erase(nobody).await, Err(VaultError::NoSuchPerson)));
    }
}

/// Killed between any two statements: nothing, or all of it; and repeating finishes it.
#[tokio::test]
async fn a_kill_during_an_erasure_leaves_all_or_nothing() {
    let Town {
        fixture,
        vault,
        ada,
        bob,
        ..
    } = town(true).await;
    domain(&vault, "mixpanel").await;
    let copies = super::copy_at_every_step(&fixture, &vault);
    let permit = fixture.permit::<Erase>().await;
    vault
        .erase(&permit, &project(), Who::Number(ada[0]), None)
        .await
        .unwrap();
    let copies = std::mem::take(&mut *copies.lock().unwrap());
    assert_eq!(copies.len(), 4);
    for (step, copy) in copies {
        let vault = fixture.open(&copy, MASTER).await.unwrap();
        let mut sealed = Vec::new();
        let gone = ada
            .iter()
            .map(|number| Sealer::seal(&*vault, *number, b"", b"", &mut sealed).is_err())
            .collect::<BTreeSet<_>>();
        assert_eq!(
            gone,
            BTreeSet::from([step == "erasure committed"]),
            "{step}"
        );
        let queued = vault.deletion_requests().await.unwrap().len();
        assert_eq!(queued, if step == "erasure committed" { 3 } else { 0 });
        let unfinished = vault.unfinished_erasures().await.unwrap();
        assert_eq!(unfinished.is_empty(), step != "erasure committed", "{step}");
        vault
            .erase(&permit, &project(), Who::Number(ada[0]), None)
            .await
            .unwrap();
        assert_eq!(vault.deletion_requests().await.unwrap().len(), 3);
        assert_eq!(vault.unfinished_erasures().await.unwrap(), ada);
        vault.rewrite(&permit).await.unwrap();
        vault.finish_erasures(&permit, &ada).await.unwrap();
        let again = fixture.open(&copy, MASTER).await.unwrap();
        assert_eq!(again.unfinished_erasures().await.unwrap(), []);
        Sealer::seal(&*vault, bob, b"", b"", &mut sealed).unwrap();
    }
}

#[tokio::test]
async fn erasures_of_a_file_without_marks_are_taken_up() {
    let Town {
        fixture,
        vault,
        ada,
        ..
    } = town(true).await;
    let permit = fixture.permit::<Erase>().await;
    vault
        .erase(&permit, &project(), Who::Number(ada[0]), None)
        .await
        .unwrap();
    sqlx::query("DROP TABLE unfinished_erasures")
        .execute(&mut *vault.database.lock().await)
        .await
        .unwrap();
    let vault = fixture.open(&fixture.path(), MASTER).await.unwrap();
    assert_eq!(vault.unfinished_erasures().await.unwrap(), ada);
}
