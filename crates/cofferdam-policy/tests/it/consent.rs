//! Consent, contracts, regions and observe mode.

use crate::support::*;
use cofferdam_model::{Limits, ProjectName, Refusal, Region, TimestampMs, VendorId};
use cofferdam_policy::{
    ConsentMode, ConsentState, IntakeContext, SendContext, Signals, VendorSource,
};
use serde_json::json;

fn page() -> serde_json::Value {
    json!({"event": "Page", "properties": {
        "distinct_id": "u-1", "$insert_id": "i-1", "plan": "pro", "email": "ada@example.com",
        "made_up_by_nobody": "word", "password": "hunter2", "note": "write to ada@example.com"}})
}

fn signals(change: impl Fn(&mut Signals)) -> Signals {
    let mut signals = Signals::default();
    change(&mut signals);
    signals
}

fn vendor_refusal(
    vendor: VendorSource,
    signals: Signals,
    consent: ConsentState,
) -> Option<Refusal> {
    let id = vendor.id.clone();
    let policy = compile(1, source(vec![vendor]));
    let record = admit_with(&policy, &page(), signals);
    let context = SendContext {
        consent,
        opted_in_since: consent.opted_in.then_some(RECEIVED),
        ..send(&policy)
    };
    policy
        .minimize_vendor(&id, &record, &context, &Fake, &Fake)
        .err()
}

#[test]
fn a_vendor_gets_what_the_person_agrees_to() {
    let none = Signals::default();
    let gpc = signals(|s| s.gpc = true);
    let dnt = signals(|s| s.dnt = true);
    let said_yes = signals(|s| s.opted_in = true);
    let free = ConsentState::default();
    let yes = ConsentState {
        opted_in: true,
        objected: false,
    };
    let no = ConsentState {
        opted_in: true,
        objected: true,
    };
    let analytics = "analytics.reporting";
    let ads = "marketing.advertising.third_party.targeted";
    let legal = "third_party_sharing.legal_obligation";
    use ConsentMode::{None as Other, OptIn, OptOut};
    let table = [
        (OptOut, analytics, none, free, None),
        (OptOut, analytics, gpc, free, None),
        (OptOut, ads, none, free, None),
        (OptOut, ads, gpc, free, Some(Refusal::Objected)),
        (OptOut, ads, dnt, free, Some(Refusal::Objected)),
        (OptOut, legal, gpc, free, None),
        (OptOut, analytics, none, no, Some(Refusal::Objected)),
        (OptIn, analytics, none, free, Some(Refusal::ConsentMissing)),
        (OptIn, analytics, said_yes, free, None),
        (OptIn, analytics, none, yes, None),
        (OptIn, ads, gpc, yes, Some(Refusal::Objected)),
        (Other, ads, gpc, free, None),
        (Other, ads, none, no, Some(Refusal::Objected)),
    ];
    for (mode, purpose, signals, consent, expected) in table {
        let vendor = VendorSource {
            consent: mode,
            purpose: purpose.to_owned(),
            ..vendor("v", &analytics_forms())
        };
        let refusal = vendor_refusal(vendor, signals, consent);
        assert_eq!(
            refusal, expected,
            "{mode:?} {purpose} {signals:?} {consent:?}"
        );
    }
}

fn analytics_forms() -> serde_json::Value {
    analytics()
}

#[test]
fn an_opt_out_and_a_missing_opt_in_refuse_the_whole_event() {
    let (name, limits) = (ProjectName::from("console"), Limits::default());
    let refusal = |mode, signals, consent| {
        let mut source = source(vec![]);
        source.projects[0].consent = mode;
        let policy = compile(1, source);
        let context = IntakeContext {
            signals,
            consent,
            ..context(&name, &limits, None)
        };
        policy
            .admit(&context, &event(&page()), &identity("i-1"))
            .err()
    };
    let out = signals(|s| s.opted_out = true);
    let objected = ConsentState {
        opted_in: false,
        objected: true,
    };
    let free = ConsentState::default();
    assert_eq!(
        refusal(ConsentMode::OptOut, out, free),
        Some(Refusal::Objected)
    );
    assert_eq!(refusal(ConsentMode::None, out, free), None);
    assert_eq!(
        refusal(ConsentMode::None, Signals::default(), objected),
        Some(Refusal::Objected)
    );
    assert_eq!(
        refusal(ConsentMode::OptIn, Signals::default(), free),
        Some(Refusal::ConsentMissing)
    );
    assert_eq!(
        refusal(ConsentMode::OptIn, signals(|s| s.opted_in = true), free),
        None
    );
}

#[test]
fn expired_contracts_and_wrong_regions_get_nothing_and_keep_nothing() {
    let only = json!({"user.behavior": "clear", "user.unique_id": "token", "user.device.ip_address": "clear"});
    let mut expired = vendor("v", &only);
    expired.expires = Some(day("2026-11-01"));
    let mut abroad = vendor("v", &only);
    abroad.destination_region = Some(Region::from("US"));
    let free = ConsentState::default();
    for (vendor, refusal) in [
        (expired, Refusal::ContractExpired),
        (abroad, Refusal::RegionMismatch),
    ] {
        assert_eq!(
            vendor_refusal(vendor.clone(), Signals::default(), free),
            Some(refusal)
        );
        let policy = compile(1, source(vec![vendor]));
        let record = admit(
            &policy,
            &json!({"event": "e", "properties": {"ip": "203.0.113.9"}}),
        );
        let shape = record.shape();
        let field = shape
            .iter()
            .find(|field| &*field.path == "properties.ip")
            .unwrap();
        assert_eq!(field.refusal, Some(Refusal::Withheld));
    }
}

#[test]
fn a_vendor_without_behavior_or_of_another_project_gets_no_event() {
    let free = ConsentState::default();
    let silent = vendor("v", &json!({"user.unique_id": "token"}));
    assert_eq!(
        vendor_refusal(silent, Signals::default(), free),
        Some(Refusal::NoBehavior)
    );
    let mut other = vendor("v", &analytics());
    other.projects.clear();
    assert_eq!(
        vendor_refusal(other, Signals::default(), free),
        Some(Refusal::OtherProject)
    );
}

#[test]
fn observe_mode_lets_flow_what_the_sdk_sends_but_secrets_until_its_day() {
    let mut observed = vendor("v", &analytics());
    observed.observe_until = Some(RECEIVED.day());
    let policy = compile(1, source(vec![observed]));
    let record = admit(&policy, &page());
    let event = sent(&policy, "v", &record);
    assert_eq!(event.distinct_id, "u-1");
    assert_eq!(
        property(&event, "email").unwrap().as_text(),
        Some("ada@example.com")
    );
    assert!(property(&event, "note").is_some());
    assert!(property(&event, "made_up_by_nobody").is_some());
    assert!(property(&event, "password").is_none());
    let would: Vec<_> = event
        .fate
        .would_withhold
        .iter()
        .map(|(path, why)| (&**path, *why))
        .collect();
    assert!(
        would.contains(&("properties.email", Refusal::NotListed)),
        "{would:?}"
    );
    assert!(
        would.contains(&("properties.made_up_by_nobody", Refusal::Unclassified)),
        "{would:?}"
    );

    let later = SendContext {
        today: cofferdam_model::Day(RECEIVED.day().0 + 1),
        ..send(&policy)
    };
    let item = policy
        .minimize_vendor(&VendorId::from("v"), &record, &later, &Fake, &Fake)
        .unwrap();
    let text = format!("{item:?}");
    assert!(
        !text.contains("ada@example.com") && !text.contains("u-1"),
        "{text}"
    );
}

#[test]
fn an_objection_stops_observe_mode_too() {
    let mut observed = vendor("v", &analytics());
    observed.observe_until = Some(RECEIVED.day());
    let no = ConsentState {
        opted_in: false,
        objected: true,
    };
    assert_eq!(
        vendor_refusal(observed, Signals::default(), no),
        Some(Refusal::Objected)
    );
}

#[test]
fn a_yes_is_no_yes_to_what_came_before_it() {
    let yes = ConsentState {
        opted_in: true,
        objected: false,
    };
    let said_yes = signals(|s| s.opted_in = true);
    let none = Signals::default();
    let before = TimestampMs(RECEIVED.0 - 1);
    let after = TimestampMs(RECEIVED.0 + 1);
    let missing = Some(Refusal::ConsentMissing);
    let free = ConsentState::default();
    for (mode, signals, consent, since, expected) in [
        (ConsentMode::OptIn, none, yes, Some(before), None),
        (ConsentMode::OptIn, none, yes, Some(RECEIVED), None),
        (ConsentMode::OptIn, none, yes, Some(after), missing),
        (ConsentMode::OptIn, said_yes, yes, Some(after), None),
        (ConsentMode::OptIn, none, free, None, missing),
        (ConsentMode::OptOut, none, yes, Some(after), None),
    ] {
        let policy = compile(
            1,
            source(vec![VendorSource {
                consent: mode,
                ..vendor("v", &analytics())
            }]),
        );
        let record = admit_with(&policy, &page(), signals);
        let context = SendContext {
            consent,
            opted_in_since: since,
            ..send(&policy)
        };
        let vendor = VendorId::from("v");
        let item = policy.minimize_vendor(&vendor, &record, &context, &Fake, &Fake);
        assert_eq!(item.err(), expected, "{mode:?} {signals:?} {since:?}");
    }
}
