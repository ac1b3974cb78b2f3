//! Who may do what, what is recorded, and the token file.

use crate::act::ALL;
use crate::permit::may;
use crate::{Access, AccessError, AccessOptions, Caller, Erase, Export, Permit, ReadRadius};
use cofferdam_audit::{Audit, Decision};
use cofferdam_model::{Clock, Entropy, TimestampMs};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> TimestampMs {
        TimestampMs(1_764_000_000_000)
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
    let audit = Audit::open(
        &dir.join("audit"),
        Arc::new(Noon),
        Arc::new(Counting::default()),
    )
    .unwrap();
    Access::open(&AccessOptions {
        token_file: dir.join("admin.token"),
        audit: Arc::new(audit),
        entropy: Arc::new(Counting::default()),
    })
}

#[test]
fn the_matrix() {
    let callers = [
        Caller::Admin,
        Caller::LocalOperator,
        Caller::System("job"),
        Caller::Stranger,
    ];
    let mut matrix = String::new();
    for (act, by_system) in ALL {
        let row = callers.map(|caller| if may(caller, *by_system) { "yes" } else { "-" });
        matrix.push_str(&format!("{act} {}\n", row.join(" ")));
    }
    insta::assert_snapshot!(matrix, @r"
    report.read yes yes yes -
    radius.read yes yes yes -
    people.read yes yes - -
    events.read yes yes - -
    config.read yes yes yes -
    config.write yes yes - -
    vendor.contain yes yes yes -
    person.erase yes yes yes -
    data.export yes yes - -
    keys.manage yes yes yes -
    audit.read yes yes yes -
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
