//! A new master key renames nobody, and a kill at any point leaves a vault that one of the two keys opens.

use super::*;
use crate::Who;
use cofferdam_access::{Erase, ManageKeys, ReadPeople};
use cofferdam_model::{IdKind, Pseudonyms, Sealer};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

const NEW: [u8; 32] = [43; 32];

#[tokio::test]
async fn rotating_the_master_changes_no_name_and_no_number() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let mut journal = Vec::new();
    let ada = journaled(&vault, &by_id("ada@example.com"), &mut journal);
    vault.apply(&journal, 1).await.unwrap();
    // Bob is in the journal only, wrapped before the rotation and projected after it.
    let mut later = Vec::new();
    let bob = journaled(&vault, &by_id("bob@example.com"), &mut later);
    let vendor = domain(&vault, "mixpanel").await;
    let token = vault.token(&vendor, IdKind::Person, "ada@example.com");
    let mut sealed = Vec::new();
    Sealer::seal(&*vault, ada, b"", b"hers", &mut sealed).unwrap();
    let (tag, entry) = vault.encrypt_entry(b"entry");

    let permit = fixture.permit::<ManageKeys>().await;
    vault
        .rotate_master(&permit, MasterKey::from_bytes(NEW))
        .await
        .unwrap();
    let check = async |vault: &Vault| {
        assert_eq!(vault.lookup(&project(), "ada@example.com"), Some(ada));
        assert_eq!(
            vault.token(&vendor, IdKind::Person, "ada@example.com"),
            token
        );
        assert_eq!(Sealer::open(vault, ada, b"", &sealed).unwrap(), b"hers");
        assert_eq!(vault.decrypt_entry(tag, &entry).unwrap(), b"entry");
    };
    check(&vault).await;
    let carol = journaled(&vault, &by_id("carol@example.com"), &mut later);
    domain(&vault, "segment").await;
    // Asked beside the open vault, as `check` does while a server runs.
    let fits = async |key| Vault::check_master(&fixture.path(), &MasterKey::from_bytes(key)).await;
    fits(NEW).await.unwrap();
    assert!(matches!(
        fits(MASTER).await.unwrap_err(),
        VaultError::WrongMasterKey { .. }
    ));
    drop(vault);
    let refused = fixture.open(&fixture.path(), MASTER).await.unwrap_err();
    assert!(matches!(refused, VaultError::WrongMasterKey { .. }));
    let vault = fixture.open(&fixture.path(), NEW).await.unwrap();
    check(&vault).await;
    vault.apply(&later, 3).await.unwrap();
    let permit = fixture.permit::<ReadPeople>().await;
    for (number, text) in [(bob, "bob@example.com"), (carol, "carol@example.com")] {
        assert_eq!(
            vault.id_text(&permit, number).await.unwrap().as_deref(),
            Some(text)
        );
    }
}

#[tokio::test]
async fn killed_at_any_step_one_of_the_two_keys_opens_the_vault() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let mut journal = Vec::new();
    let ada = journaled(&vault, &by_id("ada@example.com"), &mut journal);
    vault.apply(&journal, 1).await.unwrap();
    let vendor = domain(&vault, "mixpanel").await;
    let token = vault.token(&vendor, IdKind::Person, "ada@example.com");
    vault.checkpoint().await.unwrap();
    let copies = copy_at_every_step(&fixture, &vault);
    let permit = fixture.permit::<ManageKeys>().await;
    vault
        .rotate_master(&permit, MasterKey::from_bytes(NEW))
        .await
        .unwrap();
    let mut copies = std::mem::take(&mut *copies.lock().unwrap());
    assert!(copies.len() >= 9, "{}", copies.len());
    // And a power cut in the middle of the commit: the write-ahead log cut at every kilobyte.
    let (_, committed) = copies
        .iter()
        .find(|(step, _)| *step == "committed")
        .unwrap();
    let (database, log) = (
        fs::read(committed).unwrap(),
        fs::read(wal(committed)).unwrap(),
    );
    for length in (0..=log.len()).step_by(1024) {
        let copy = fixture.dir.path().join(format!("cut-{length}.db"));
        fs::write(&copy, &database).unwrap();
        fs::write(wal(&copy), &log[..length]).unwrap();
        copies.push(("cut", copy));
    }
    let mut opened = (0, 0);
    for (step, copy) in copies {
        let old = fixture.open(&copy, MASTER).await;
        let new = fixture.open(&copy, NEW).await;
        let vault = match (old, new) {
            (Ok(vault), Err(VaultError::WrongMasterKey { .. })) => {
                opened.0 += 1;
                vault
            }
            (Err(VaultError::WrongMasterKey { .. }), Ok(vault)) => {
                opened.1 += 1;
                vault
            }
            (old, new) => panic!("{step}: {old:?} {new:?}"),
        };
        assert_eq!(vault.lookup(&project(), "ada@example.com"), Some(ada));
        assert_eq!(
            vault.token(&vendor, IdKind::Person, "ada@example.com"),
            token
        );
        let mut sealed = Vec::new();
        Sealer::seal(&*vault, ada, b"", b"", &mut sealed).unwrap();
    }
    assert!(opened.0 > 9 && opened.1 == 2, "{opened:?}");
}

#[tokio::test]
async fn an_interrupted_rotation_opens_with_the_staged_key() {
    let fixture = Fixture::new();
    let file = fixture.dir.path().join("master.key");
    let options = |master| VaultOptions {
        path: fixture.path(),
        master,
        clock: Arc::clone(&fixture.clock) as _,
        entropy: Arc::clone(&fixture.entropy) as _,
    };
    let master = MasterKey::create(&file, &*fixture.entropy).unwrap();
    assert!(
        MasterKey::create(&file, &*fixture.entropy).is_err(),
        "never replaced"
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let vault = Vault::open(options(master)).await.unwrap();
    let new = MasterKey::generate(&*fixture.entropy);
    new.stage(&file).unwrap();
    let reopened = Vault::open(options(MasterKey::load(&file).unwrap())).await;
    assert!(reopened.is_ok(), "staged, not yet rotated");
    drop(reopened);
    let permit = fixture.permit::<ManageKeys>().await;
    vault.rotate_master(&permit, new).await.unwrap();
    drop(vault);
    let vault = Vault::open(options(MasterKey::load(&file).unwrap()))
        .await
        .unwrap();
    drop(vault);
    MasterKey::promote(&file).unwrap();
    let vault = Vault::open(options(MasterKey::load(&file).unwrap()))
        .await
        .unwrap();
    // After the promotion the vault still rotates and erases.
    let mut journal = Vec::new();
    journaled(&vault, &by_id("ada@example.com"), &mut journal);
    let permit = fixture.permit::<Erase>().await;
    vault
        .erase(&permit, &project(), Who::Id("ada@example.com"), None)
        .await
        .unwrap();
}

#[test]
fn key_files_that_are_open_to_others_or_malformed_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("master.key");
    let load = |text: &str, mode| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        MasterKey::load(&file).map(|key| **key.key())
    };
    assert!(matches!(
        MasterKey::load(&file),
        Err(VaultError::KeyFile { .. })
    ));
    assert_eq!(load(&"2a".repeat(32), 0o600).unwrap(), MASTER);
    assert_eq!(
        load("KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=\n", 0o400).unwrap(),
        MASTER
    );
    for (text, mode) in [
        ("2a".repeat(32), 0o644),
        ("2a".repeat(31), 0o600),
        ("zz".repeat(32), 0o600),
        ("Kioq".to_owned(), 0o600),
        (String::new(), 0o600),
    ] {
        let refused = load(&text, mode).unwrap_err();
        assert!(matches!(refused, VaultError::KeyRefused { .. }));
        assert!(text.is_empty() || !refused.to_string().contains(&text));
    }
}

#[tokio::test]
async fn the_backup_opens_for_each_recipient_and_nobody_else() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let people = [(); 2].map(|()| age::x25519::Identity::generate());
    let recipients = people.each_ref().map(|one| one.to_public().to_string());
    let permit = fixture.permit::<ManageKeys>().await;
    let backup = vault.backup(&permit, &recipients).unwrap();
    for identity in &people {
        let decryptor = age::Decryptor::new(&backup[..]).unwrap();
        let mut text = String::new();
        decryptor
            .decrypt(std::iter::once(identity as &dyn age::Identity))
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "2a".repeat(32) + "\n");
    }
    let stranger = age::x25519::Identity::generate();
    let decryptor = age::Decryptor::new(&backup[..]).unwrap();
    assert!(
        decryptor
            .decrypt(std::iter::once(&stranger as &dyn age::Identity))
            .is_err()
    );
    let wrong = vault.backup(&permit, &[recipients[0].clone(), "age1nonsense".to_owned()]);
    assert!(matches!(wrong, Err(VaultError::Recipient { position: 1 })));
    assert!(matches!(
        vault.backup(&permit, &[]),
        Err(VaultError::Backup)
    ));
}
