//! Who may do what, what is recorded, and the token file.

use crate::act::ALL;
use crate::bounded::STRANGERS_A_MINUTE;
use crate::permit::may;
use crate::{
    Access, AccessError, AccessOptions, Caller, Erase, Export, Permit, ReadConfig, ReadRadius,
};
use cofferdam_audit::{Audit, Decision};
use cofferdam_model::{Clock, Entropy, TimestampMs};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

#[derive(Debug)]
struct HandClock(AtomicI64);

impl HandClock {
    fn advance(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> TimestampMs {
        TimestampMs(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug, Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.0.fetch_add(1, Ordering::SeqCst));
    }
}

fn access(dir: &Path) -> Result<Access, AccessError> {
    access_at(dir, &Arc::new(HandClock(AtomicI64::new(1_764_000_000_000))))
}

fn access_at(dir: &Path, clock: &Arc<HandClock>) -> Result<Access, AccessError> {
    let audit = Audit::open(
        &dir.join("audit"),
        Arc::clone(clock) as _,
        Arc::new(Counting::default()),
    )
    .unwrap();
    Access::open(&AccessOptions {
        token_file: dir.join("admin.token"),
        audit: Arc::new(audit),
        entropy: Arc::new(Counting::default()),
        clock: Arc::clone(clock) as _,
    })
}

#[test]
fn the_matrix() {
    let callers = [
        Caller::Admin,
        Caller::LocalOperator,
        Caller::System("job"),
        Caller::Script,
        Caller::Stranger,
    ];
    let mut matrix = String::new();
    for (act, by_system, by_script) in ALL {
        let may = |caller| may(caller, (*by_system, *by_script));
        let row = callers.map(|caller| if may(caller) { "yes" } else { "-" });
        matrix.push_str(&format!("{act} {}\n", row.join(" ")));
    }
    insta::assert_snapshot!(matrix, @r"
    report.read yes yes yes yes -
    report.write yes yes - - -
    alert.write yes yes - - -
    mail.send yes yes yes - -
    radius.read yes yes yes - -
    people.read yes yes - - -
    events.read yes yes - yes -
    sql.run yes yes - - -
    config.read yes yes yes - -
    config.write yes yes - - -
    vendor.contain yes yes yes - -
    vendor.resume yes yes - - -
    person.erase yes yes yes - -
    data.import yes yes - - -
    data.export yes yes - - -
    keys.manage yes yes yes - -
    audit.read yes yes yes - -
    ");
}

#[tokio::test]
async fn a_permit_comes_after_its_leaf_and_a_denial_is_a_leaf() {
    let dir = tempfile::tempdir().unwrap();
    let access = access(dir.path()).unwrap();
    let permit: Permit<ReadRadius> = access
        .permit(&Caller::Admin, "vendor/mixpanel")
        .await
        .unwrap();
    assert_eq!((permit.leaf(), permit.caller()), (0, Caller::Admin));
    let denied = access
        .permit::<Erase>(&Caller::Stranger, "person/17")
        .await
        .unwrap_err();
    assert!(matches!(
        denied,
        AccessError::Denied {
            actor: "stranger",
            act: "person.erase"
        }
    ));
    Permit::<Erase>::for_system(access.audit(), "retention")
        .await
        .unwrap();
    assert!(
        Permit::<Export>::for_system(access.audit(), "retention")
            .await
            .is_err()
    );
    let leaves = access.audit().tail(10).unwrap();
    let told: Vec<_> = leaves
        .iter()
        .map(|leaf| (&*leaf.actor, &*leaf.action, &*leaf.resource, leaf.decision))
        .collect();
    assert_eq!(
        told,
        [
            (
                "admin",
                "radius.read",
                "vendor/mixpanel",
                Decision::Permitted
            ),
            ("stranger", "person.erase", "person/17", Decision::Denied),
            ("system", "person.erase", "retention", Decision::Permitted),
            ("system", "data.export", "retention", Decision::Denied),
        ]
    );
}

/// Action, resource and count of every leaf.
fn told(access: &Access) -> Vec<(String, String, u64)> {
    let leaves = access.audit().tail(1_000).unwrap();
    let told = leaves.into_iter();
    told.map(|leaf| (leaf.action, leaf.resource, leaf.count))
        .collect()
}

#[tokio::test]
async fn a_flood_of_strangers_writes_few_leaves_and_all_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock(AtomicI64::new(1_764_000_000_000)));
    let access = access_at(dir.path(), &clock).unwrap();
    for _ in 0..500 {
        let turned = access.turn_away("vendors").await;
        assert!(matches!(
            turned,
            AccessError::Denied {
                actor: "stranger",
                ..
            }
        ));
        let denied = access.permit::<Erase>(&Caller::Stranger, "person").await;
        assert!(matches!(denied, Err(AccessError::Denied { .. })));
    }
    assert_eq!(told(&access).len(), STRANGERS_A_MINUTE as usize);
    clock.advance(60_000);
    access.turn_away("vendors").await;
    let leaves = told(&access);
    assert_eq!(
        leaves[STRANGERS_A_MINUTE as usize..],
        [
            (
                "sign_in".to_owned(),
                "*".to_owned(),
                1_000 - u64::from(STRANGERS_A_MINUTE)
            ),
            ("sign_in".to_owned(), "vendors".to_owned(), 1),
        ]
    );
    // What came last is counted without another stranger.
    for _ in 0..STRANGERS_A_MINUTE {
        access.turn_away("fields").await;
    }
    access.settle_strangers().await.unwrap();
    access.settle_strangers().await.unwrap();
    let all: u64 = told(&access).iter().map(|(_, _, count)| count).sum();
    assert_eq!(all, 1_001 + u64::from(STRANGERS_A_MINUTE));
    assert_eq!(access.audit().verify().unwrap().leaves, 42);
}

#[tokio::test]
async fn a_reading_that_repeats_writes_one_leaf_an_hour_before_it_and_the_next_counts_it() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock(AtomicI64::new(1_764_000_000_000)));
    let access = access_at(dir.path(), &clock).unwrap();
    for minute in 0..60 {
        let permit: Permit<ReadConfig> = access
            .permit_reading(&Caller::Admin, "metrics")
            .await
            .unwrap();
        assert_eq!(permit.leaf(), 0, "minute {minute}");
        clock.advance(59_000);
    }
    access
        .permit_reading::<ReadConfig>(&Caller::LocalOperator, "metrics")
        .await
        .unwrap();
    clock.advance(3_600_000);
    for _ in 0..3 {
        access
            .permit_reading::<ReadConfig>(&Caller::Admin, "metrics")
            .await
            .unwrap();
    }
    let leaf = |count| ("config.read".to_owned(), "metrics".to_owned(), count);
    assert_eq!(told(&access), [leaf(1), leaf(1), leaf(60)]);
    access.settle().await.unwrap();
    assert_eq!(told(&access)[3..], [leaf(2)]);
    let stranger = access
        .permit_reading::<ReadConfig>(&Caller::Stranger, "metrics")
        .await;
    assert!(matches!(stranger, Err(AccessError::Denied { .. })));
}

#[tokio::test]
async fn without_a_leaf_there_is_no_permit() {
    let dir = tempfile::tempdir().unwrap();
    let access = access(dir.path()).unwrap();
    // The first segment cannot be made, because something else has its name.
    fs::create_dir(dir.path().join("audit/00000000000000000000.log")).unwrap();
    let refused = access.permit::<Erase>(&Caller::Admin, "person/17").await;
    assert!(matches!(refused, Err(AccessError::Audit(_))));
    fs::remove_dir(dir.path().join("audit/00000000000000000000.log")).unwrap();
    assert!(
        access
            .permit::<Erase>(&Caller::Admin, "person/17")
            .await
            .is_ok()
    );
}

#[test]
fn the_token_is_made_once_and_only_the_token_opens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.token");
    drop(access(dir.path()).unwrap());
    let text = fs::read_to_string(&path).unwrap();
    let token = text.trim();
    assert_eq!(token.len(), 64);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let again = access(dir.path()).unwrap();
    assert_eq!(again.authenticate(Some(token)), Caller::Admin);
    for wrong in [
        None,
        Some(""),
        Some(&token[..63]),
        Some(&*token.to_uppercase()),
    ] {
        assert_eq!(again.authenticate(wrong), Caller::Stranger);
    }
    assert!(!format!("{again:?}").contains(token));
}

#[test]
fn a_token_file_that_others_can_read_or_that_holds_no_token_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.token");
    fs::write(&path, "ab".repeat(32)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        access(dir.path()),
        Err(AccessError::TokenRefused { .. })
    ));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(access(dir.path()).is_ok());
    fs::write(&path, "short").unwrap();
    assert!(matches!(
        access(dir.path()),
        Err(AccessError::TokenRefused { .. })
    ));
}
