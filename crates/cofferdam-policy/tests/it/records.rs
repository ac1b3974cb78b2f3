//! Records as bytes: they come back, they are small, they hide what identifies, and damage is only ever an error.

use crate::support::*;
use cofferdam_model::{
    Definition, IdKey, LinkKind, OrganizationNumber, PersonNumber, ProjectName, Refusal,
};
use cofferdam_policy::{Policy, Record, RecordError, record};
use proptest::prelude::*;
use serde_json::json;

fn browser(person: u32, number: u32) -> serde_json::Value {
    let device = format!("0e6a3a52-3d58-4f0c-9f7f-2f8f1c{person:06x}");
    json!({"event": "$mp_web_page_view", "properties": {
        "$os": "Windows", "$browser": "Chrome", "$browser_version": 142, "$screen_height": 1080,
        "$screen_width": 1920, "mp_lib": "web", "$lib_version": "2.74.0", "$device": "PC",
        "$current_url": format!("https://platform.example.com/docs/page-{number}?utm_source=news"),
        "$referrer": "https://www.example.org/search", "$referring_domain": "www.example.org",
        "$initial_referrer": "$direct", "$initial_referring_domain": "$direct",
        "current_page_title": "Docs", "current_domain": "platform.example.com",
        "current_url_path": format!("/docs/page-{number}"), "current_url_protocol": "https:",
        "distinct_id": format!("$device:{device}"), "$device_id": device,
        "$insert_id": format!("k3j4h5g6f{number:07}"), "time": 1795299990 + number,
        "plan": "pro", "seats": 5, "is_trial": false, "org_id": format!("org-{person}"),
    }})
}

fn definitions() -> Vec<Definition> {
    vec![
        Definition::Person {
            project: ProjectName::from("console"),
            key: IdKey([1; 16]),
            number: PersonNumber(300),
            wrapped_key: vec![2; 60],
            sealed_id: vec![3; 40],
            anonymous: true,
        },
        Definition::Link {
            kind: LinkKind::Identify,
            alias: PersonNumber(1),
            into: PersonNumber(2),
        },
        Definition::Organization {
            project: ProjectName::from("console"),
            key: IdKey([4; 16]),
            number: OrganizationNumber(9),
            sealed_id: vec![5; 30],
        },
    ]
}

fn policy() -> Policy {
    compile(1, source(vec![vendor("v", &analytics())]))
}

fn batch(policy: &Policy, count: u32) -> Vec<Record> {
    (0..count)
        .map(|number| admit(policy, &browser(number / 10, number)))
        .collect()
}

#[test]
fn an_entry_comes_back_whole() {
    let policy = policy();
    let records = batch(&policy, 12);
    let mut bytes = vec![9, 9];
    record::encode(&definitions(), &records, &Fake, &mut bytes).unwrap();
    let entry = record::decode(&bytes[2..]).unwrap();
    assert_eq!(entry.definitions, definitions());
    for (before, after) in records.iter().zip(&entry.records) {
        assert_eq!(before.shape(), after.shape());
        assert_eq!(before.findings(), after.findings());
        assert_eq!(
            (
                before.project(),
                before.person(),
                before.time(),
                before.received(),
                before.insert_key()
            ),
            (
                after.project(),
                after.person(),
                after.time(),
                after.received(),
                after.insert_key()
            )
        );
        assert_eq!(before.event_name(), after.event_name());
        assert_eq!(
            policy.minimize_home(before, &Fake),
            policy.minimize_home(after, &Fake)
        );
        assert_eq!(sent(&policy, "v", before), sent(&policy, "v", after));
    }
    // A second time round, from what was read.
    let mut again = Vec::new();
    record::encode(&entry.definitions, &entry.records, &Fake, &mut again).unwrap();
    assert_eq!(again, &bytes[2..]);
}

#[test]
fn a_typical_browser_event_is_small() {
    let policy = policy();
    let mut bytes = Vec::new();
    record::encode(&[], &batch(&policy, 50), &Fake, &mut bytes).unwrap();
    let each = bytes.len() / 50;
    assert!(each <= 250, "{each} bytes an event");
}

#[test]
fn what_identifies_is_nowhere_in_the_bytes() {
    let policy = policy();
    let value = json!({"event": "Sent to evelyn@example.com", "properties": {
        "distinct_id": "ada@example.com", "$insert_id": "ada@example.com-1", "$name": "Ada Lovelace",
        "phone": "+49 30 901820", "note": "bob@example.com asked", "password": "hunter2",
        "nested": {"list": ["carol@example.com"], "json": "{\"mail\":\"dan@example.com\"}"},
        "$current_url": "https://x.example.com/u/erin@example.com?e=frank@example.com#t=grace@example.com",
        "hanna@example.com": 1}});
    let mut bytes = Vec::new();
    record::encode(&[], &[admit(&policy, &value)], &Fake, &mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for name in [
        "ada", "Lovelace", "901820", "bob", "hunter2", "carol", "dan", "evelyn", "erin", "frank",
        "grace", "hanna",
    ] {
        assert!(!text.contains(name), "{name} is in clear in {text}");
    }
}

#[test]
fn a_sealed_part_opens_only_where_it_stood() {
    let policy = policy();
    let mut bytes = Vec::new();
    record::encode(&[], &batch(&policy, 2), &Fake, &mut bytes).unwrap();
    let mut entry = record::decode(&bytes).unwrap();
    entry.records.swap(0, 1);
    let mut out = Vec::new();
    let error = record::encode(&[], &entry.records, &Fake, &mut out).unwrap_err();
    assert_eq!(
        error,
        RecordError::Moved {
            record: 0,
            sealed_at: 1
        }
    );
    assert!(out.is_empty());
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let found = record::VERSION + 1;
    assert_eq!(
        record::decode(&[found, 0, 0, 0]).unwrap_err(),
        RecordError::UnknownVersion {
            found,
            newest: record::VERSION
        }
    );
    assert!(matches!(
        record::decode(&[]),
        Err(RecordError::Damaged { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damaged_bytes_are_an_error_or_a_record_never_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        thread_local! {
            static WHOLE: (Policy, Vec<u8>) = {
                let policy = policy();
                let mut bytes = Vec::new();
                record::encode(&definitions(), &batch(&policy, 4), &Fake, &mut bytes).unwrap();
                (policy, bytes)
            };
        }
        WHOLE.with(|(policy, whole)| {
            let mut bytes = whole.clone();
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(entry) = record::decode(&bytes) {
                for record in &entry.records {
                    let _ = record.shape();
                    let _ = record.findings();
                    let _: Result<_, Refusal> = policy.minimize_home(record, &Fake);
                    let _ = policy.minimize_vendor(&cofferdam_model::VendorId::from("v"), record, &send(policy), &Fake, &Fake);
                }
                let _ = record::encode(&entry.definitions, &entry.records, &Fake, &mut Vec::new());
            }
        });
    }
}
