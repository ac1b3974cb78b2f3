//! What survives: restarts, replays, and what is (not) in the files.

use super::*;
use crate::{Choice, Scope, Standing, crypt};
use cofferdam_access::{ManageKeys, ReadPeople};
use cofferdam_model::{Day, IdKind, Pseudonyms, Refusal, SealError, Sealer};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn numbers_are_dense_and_definitions_ride_until_confirmed() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let claim = by_id("ada@example.com");
    let first = vault
        .resolve(&project(), &claim, Provenance::Claimed)
        .unwrap();
    assert_eq!((first.person.0, first.new_people), (0, 1));
    assert_eq!(first.definitions.len(), 1);
    // Another event of hers, before the first was acknowledged, carries the same.
    let second = vault
        .resolve(&project(), &claim, Provenance::Claimed)
        .unwrap();
    assert_eq!((second.person.0, second.new_people), (0, 0));
    assert_eq!(second.definitions, first.definitions);
    vault.confirm(&first.definitions);
    let third = vault
        .resolve(&project(), &claim, Provenance::Claimed)
        .unwrap();
    assert_eq!(third.definitions, []);
    let other = vault
        .resolve(&"other".into(), &claim, Provenance::Claimed)
        .unwrap();
    assert_eq!(other.person.0, 1, "ids belong to a project");
}

#[tokio::test]
async fn a_link_carries_both_people_until_confirmed() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let resolve = |claim| {
        vault
            .resolve(&project(), &claim, Provenance::Claimed)
            .unwrap()
    };
    let both = resolve(by_device("d1", Some("u1")));
    assert_eq!((both.definitions.len(), both.new_people), (3, 2));
    assert!(matches!(both.definitions[2], Definition::Link { .. }));
    assert_eq!(resolve(by_id("u1")).definitions.len(), 3);
    assert_eq!(resolve(by_device("d1", None)).definitions.len(), 3);
    vault.confirm(&both.definitions);
    assert_eq!(resolve(by_device("d1", Some("u1"))).definitions, []);
    assert_eq!(vault.merge_map().merged().len(), 1);
}

#[tokio::test]
async fn what_was_projected_is_there_after_a_restart() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let mut journal = Vec::new();
    let anonymous = journaled(&vault, &by_device("d1", None), &mut journal);
    let user = journaled(&vault, &by_device("d1", Some("u1")), &mut journal);
    let organization = vault
        .resolve_organization(&project(), None, "org-17", true)
        .unwrap();
    journal.extend(organization.definition);
    let mut sealed = Vec::new();
    Sealer::seal(&*vault, user, b"context", b"plain", &mut sealed).unwrap();
    let (tag, entry) = vault.encrypt_entry(b"entry");
    vault.apply(&journal, 9).await.unwrap();
    vault
        .set_choice(user, Scope::Vendor("mixpanel".into()), Choice::Objected)
        .await
        .unwrap();
    let insert = vault.insert_key(&project(), Some(Day(20_000)), "Signed Up", "u1", "i1");
    drop(vault);

    let vault = fixture.vault().await;
    assert_eq!(vault.cursor(), 9);
    assert_eq!(vault.lookup(&project(), "u1"), Some(user));
    assert_eq!(vault.lookup(&project(), "$device:d1"), Some(anonymous));
    assert_eq!(vault.lookup(&project(), "u2"), None);
    assert_eq!(vault.merge_map().canonical(user), anonymous);
    let again = vault
        .resolve_organization(&project(), None, "org-17", true)
        .unwrap();
    assert_eq!(
        (again.number, again.definition),
        (organization.number, None)
    );
    assert_eq!(
        Sealer::open(&*vault, user, b"context", &sealed).unwrap(),
        b"plain"
    );
    assert_eq!(vault.decrypt_entry(tag, &entry).unwrap(), b"entry");
    assert_ne!(
        vault.encrypt_entry(b"").0,
        tag,
        "every process has its own key"
    );
    assert_eq!(
        vault.insert_key(&project(), Some(Day(20_000)), "Signed Up", "u1", "i1"),
        insert
    );
    let standing = vault
        .consent(anonymous)
        .vendor(&"mixpanel".into(), "analytics");
    assert!(standing.objected, "a choice holds for all merged numbers");
    let permit = fixture.permit::<ReadPeople>().await;
    assert_eq!(
        vault.id_text(&permit, user).await.unwrap().as_deref(),
        Some("u1")
    );
    let text = vault.organization_text(&permit, organization.number).await;
    assert_eq!(text.unwrap().as_deref(), Some("org-17"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Killed before anything was projected: the journal's definitions, repeated and in any order, give the same numbers.
    #[test]
    fn a_replay_gives_the_same_people(
        steps in prop::collection::vec((0..4_u8, 0..5_u8), 1..20),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
        projected in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new();
            let vault = fixture.vault().await;
            let mut journal = Vec::new();
            for (user, device) in &steps {
                let (user, device) = (format!("u{user}"), format!("d{device}"));
                journaled(&vault, &by_device(&device, None), &mut journal);
                journaled(&vault, &by_device(&device, Some(&user)), &mut journal);
            }
            let before = vault.merge_map();
            vault.apply(&journal[..projected.index(journal.len())], 1).await.unwrap();
            let people = vault.people();
            drop(vault);
            let mut replay: Vec<_> = order.iter().map(|at| at.get(&journal).clone()).collect();
            replay.extend(journal.iter().rev().cloned());
            let vault = fixture.vault().await;
            vault.apply(&replay[..replay.len() / 2], 2).await.unwrap();
            vault.apply(&replay[replay.len() / 2..], 3).await.unwrap();
            prop_assert_eq!(vault.people(), people);
            prop_assert_eq!(vault.merge_map(), std::sync::Arc::clone(&before));
            let reopened = { drop(vault); fixture.vault().await };
            prop_assert_eq!(reopened.merge_map(), before);
            for (user, device) in &steps {
                let claim = (format!("u{user}"), format!("d{device}"));
                let resolved = reopened.resolve(&project(), &by_device(&claim.1, Some(&claim.0)), Provenance::Claimed).unwrap();
                prop_assert_eq!((resolved.new_people, resolved.definitions), (0, vec![]));
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn no_id_is_in_any_file() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let mut journal = Vec::new();
    for number in 0..50 {
        let email = format!("person{number}@example.com");
        journaled(
            &vault,
            &by_device(&format!("device-{number}"), Some(&email)),
            &mut journal,
        );
    }
    journal.extend(
        vault
            .resolve_organization(&project(), None, "org-secret", true)
            .unwrap()
            .definition,
    );
    vault.apply(&journal, 50).await.unwrap();
    assert!(
        fs::metadata(fixture.dir.path().join("vault.db-wal"))
            .unwrap()
            .len()
            > 0
    );
    let scan = |needle: &str| on_disk(fixture.dir.path(), needle.as_bytes());
    assert!(
        scan("console"),
        "the scan finds what is there: the project's name"
    );
    for needle in ["example.com", "person7@", "device-7", "org-secret"] {
        assert!(!scan(needle), "{needle}");
    }
    assert!(!on_disk(fixture.dir.path(), &MASTER));
    let secret = vault.people.read().unwrap().secret(3).unwrap();
    assert!(!on_disk(fixture.dir.path(), &*secret));
    // A planted positive in the same table, still in the write-ahead log, is found.
    sqlx::query("INSERT INTO meta (name, value) VALUES ('planted', 'person7@example.com')")
        .execute(&mut *vault.database.lock().await)
        .await
        .unwrap();
    assert!(scan("person7@"));
}

#[tokio::test]
async fn a_wrong_key_a_newer_file_and_a_foreign_file_are_refused_and_untouched() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    vault.checkpoint().await.unwrap();
    let path = fixture.path();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    drop(vault);
    let before = fs::read(&path).unwrap();
    let refused = fixture.open(&path, [1; 32]).await.unwrap_err();
    assert!(
        matches!(refused, VaultError::WrongMasterKey { .. }),
        "{refused}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    fixture.open(&path, MASTER).await.unwrap();

    let newer = fixture.dir.path().join("newer.db");
    let mut bytes = before.clone();
    bytes[60..64].copy_from_slice(&2_u32.to_be_bytes()); // user_version, SQLite file format §1.3
    fs::write(&newer, &bytes).unwrap();
    let refused = fixture.open(&newer, MASTER).await.unwrap_err();
    assert!(
        matches!(
            refused,
            VaultError::NewerFormat {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(fs::read(&newer).unwrap(), bytes);
    bytes[60..64].copy_from_slice(&0_u32.to_be_bytes());
    fs::write(&newer, &bytes).unwrap();
    let refused = fixture.open(&newer, MASTER).await.unwrap_err();
    assert!(matches!(refused, VaultError::NotAVault { .. }), "{refused}");
    fs::write(
        &newer,
        b"no database at all, but long enough to be taken for one",
    )
    .unwrap();
    let refused = fixture.open(&newer, MASTER).await.unwrap_err();
    assert!(matches!(refused, VaultError::NotAVault { .. }), "{refused}");
}

#[tokio::test]
async fn two_vendors_share_no_token_and_tokens_are_stable() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let mut seen = std::collections::HashSet::new();
    let (one, other) = (
        domain(&vault, "mixpanel").await,
        domain(&vault, "segment").await,
    );
    let us = TokenDomain {
        region: "US".into(),
        ..one.clone()
    };
    assert_eq!(vault.epoch(&us.vendor, &us.region).await.unwrap(), 1);
    let token = |domain: &TokenDomain, kind, value: &str| vault.token(domain, kind, value);
    for domain in [&one, &other, &us] {
        for value in ["u1", "u2"] {
            assert_eq!(
                token(domain, IdKind::Person, value),
                token(domain, IdKind::Device, value)
            );
            for kind in [IdKind::Person, IdKind::Group, IdKind::Event, IdKind::Other] {
                assert!(seen.insert(token(domain, kind, value)));
            }
        }
    }
    let permit = fixture.permit::<ManageKeys>().await;
    let epoch = vault
        .rotate_epoch(&permit, &one.vendor, &one.region)
        .await
        .unwrap();
    assert_eq!(
        (epoch, vault.epoch(&one.vendor, &one.region).await.unwrap()),
        (2, 2)
    );
    let next = TokenDomain {
        epoch,
        ..one.clone()
    };
    assert!(seen.insert(token(&next, IdKind::Person, "u1")));
    let stray = TokenDomain {
        epoch: 9,
        ..one.clone()
    };
    assert!(seen.insert(token(&stray, IdKind::Person, "u1")));
    let before = token(&one, IdKind::Person, "u1");
    drop(vault);
    let vault = fixture.vault().await;
    assert_eq!(vault.token(&one, IdKind::Person, "u1"), before);
    assert!(
        !seen.contains(&vault.token(&stray, IdKind::Person, "u1")),
        "never joinable"
    );
}

#[tokio::test]
async fn sealed_bytes_open_only_where_they_belong() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let mut journal = Vec::new();
    let ada = journaled(&vault, &by_id("ada"), &mut journal);
    let bob = journaled(&vault, &by_id("bob"), &mut journal);
    let mut sealed = b"kept".to_vec();
    Sealer::seal(&*vault, ada, b"record 1", b"ada@example.com", &mut sealed).unwrap();
    let (kept, sealed) = sealed.split_at(4);
    assert_eq!((kept, sealed.len()), (&b"kept"[..], 15 + 28));
    let open = |person, context: &[u8], bytes: &[u8]| Sealer::open(&*vault, person, context, bytes);
    assert_eq!(open(ada, b"record 1", sealed).unwrap(), b"ada@example.com");
    assert_eq!(open(bob, b"record 1", sealed), Err(SealError::Damaged));
    assert_eq!(open(ada, b"record 2", sealed), Err(SealError::Damaged));
    assert_eq!(
        open(PersonNumber(99), b"record 1", sealed),
        Err(SealError::UnknownPerson)
    );
    for at in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1;
        assert_eq!(open(ada, b"record 1", &changed), Err(SealError::Damaged));
    }
    assert_eq!(
        open(ada, b"record 1", &sealed[..20]),
        Err(SealError::Damaged)
    );
}

#[tokio::test]
async fn entry_keys_rotate_and_die() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let (first, one) = vault.encrypt_entry(b"same");
    let (_, two) = vault.encrypt_entry(b"same");
    assert_ne!(one, two);
    let second = vault.rotate_entry_key().await.unwrap();
    assert_ne!(first, second);
    let (tag, three) = vault.encrypt_entry(b"same");
    assert_eq!(tag, second);
    assert_eq!(vault.decrypt_entry(second, &one), Err(SealError::Damaged));
    assert_eq!(vault.destroy_entry_keys(&[first]).await.unwrap(), 0);
    assert_eq!(vault.decrypt_entry(first, &two).unwrap(), b"same");
    assert_eq!(vault.destroy_entry_keys(&[]).await.unwrap(), 1);
    assert_eq!(vault.decrypt_entry(first, &one), Err(SealError::Forgotten));
    assert_eq!(vault.decrypt_entry(second, &three).unwrap(), b"same");
    drop(vault);
    let vault = fixture.vault().await;
    assert_eq!(vault.decrypt_entry(first, &one), Err(SealError::Forgotten));
    assert_eq!(vault.decrypt_entry(second, &three).unwrap(), b"same");
}

#[tokio::test]
async fn choices_are_the_whole_persons_and_objections_outweigh() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let mut journal = Vec::new();
    let device = journaled(&vault, &by_device("d1", None), &mut journal);
    let set = |person, scope, choice| vault.set_choice(person, scope, choice);
    let vendor = VendorId::from("mixpanel");
    let standing = |person| {
        vault
            .consent(person)
            .vendor(&vendor, "marketing.advertising")
    };
    let said = |objected| Standing {
        opted_in: true,
        opted_in_since: Some(TimestampMs(1_764_000_000_000)),
        objected,
    };
    let (yes, no) = (said(false), said(true));
    assert_eq!(standing(device), Standing::default());
    set(device, Scope::All, Choice::OptedIn).await.unwrap();
    fixture.clock.advance(1);
    assert_eq!(standing(device), yes);
    let user = journaled(&vault, &by_device("d1", Some("u1")), &mut journal);
    assert_eq!(standing(user), yes);
    set(
        user,
        Scope::Purpose("marketing".to_owned()),
        Choice::Objected,
    )
    .await
    .unwrap();
    assert_eq!(standing(device), no);
    assert_eq!(vault.consent(user).vendor(&vendor, "marketingx"), yes);
    assert_eq!(vault.consent(user).home(), yes);
    set(
        device,
        Scope::Purpose("marketing".to_owned()),
        Choice::Withdrawn,
    )
    .await
    .unwrap();
    assert_eq!(standing(user), yes);
    set(user, Scope::All, Choice::Objected).await.unwrap();
    assert!(vault.consent(device).home().objected && !vault.consent(device).home().opted_in);
    vault.apply(&journal, 1).await.unwrap();
    drop(vault);
    let vault = fixture.vault().await;
    assert!(vault.consent(device).home().objected && !vault.consent(device).home().opted_in);
}

#[test]
fn the_keyed_hash_is_hmac_with_lengths() {
    let keyed = crypt::Keyed::new(&[9; 32]);
    let mut mac = Hmac::<Sha256>::new_from_slice(&[9; 32]).unwrap();
    mac.update(b"\x03\0\0\0abc\x01\0\0\0d");
    let expected: [u8; 32] = mac.finalize().into_bytes().into();
    assert_eq!(keyed.hash(&[&["a", "bc"], &["d"]]), expected);
    assert_ne!(keyed.hash(&[&["a"], &["bcd"]]), expected);
}

#[tokio::test]
async fn ids_that_name_nobody_and_floods_are_refused_without_a_trace() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    for id in [
        "",
        " ",
        "NULL",
        "anonymous",
        "undefined",
        "0",
        "$device:",
        "$device:null",
    ] {
        let refused = vault.resolve(&project(), &by_id(id), Provenance::Claimed);
        assert_eq!(refused.unwrap_err(), Refusal::RefusedId, "{id}");
    }
    let empty = vault.resolve(&project(), &IdentityClaim::default(), Provenance::Claimed);
    assert_eq!(empty.unwrap_err(), Refusal::RefusedId);
    let claim = by_device("d1", Some("u1"));
    let limited = |max| vault.resolve_limited(&project(), &claim, Provenance::Claimed, max);
    assert_eq!(limited(1).unwrap_err(), Refusal::NewPeopleLimit);
    assert_eq!(vault.people(), 0);
    assert_eq!(limited(2).unwrap().new_people, 2);
    assert_eq!(limited(0).unwrap().new_people, 0);
}

#[test]
fn concurrent_resolves_agree() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let fixture = Fixture::new();
    let vault = runtime.block_on(fixture.vault());
    let run = |seed: usize| {
        let mut numbers = std::collections::BTreeMap::new();
        for step in 0..2_000 {
            let user = format!("u{}", (step * 7 + seed * 3) % 300);
            let device = format!("d{}", (step * 7 + seed * 3) % 300);
            let claim = by_device(&device, Some(&user));
            let resolved = vault
                .resolve(&project(), &claim, Provenance::Claimed)
                .unwrap();
            vault.confirm(&resolved.definitions);
            assert_eq!(
                *numbers.entry(user).or_insert(resolved.person),
                resolved.person
            );
        }
        numbers
    };
    let run = &run;
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|seed| scope.spawn(move || run(seed))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(vault.people(), 600);
    assert_eq!(vault.merge_map().merged().len(), 300);
}
