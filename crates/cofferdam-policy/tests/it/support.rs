//! Policies, events and fakes for the tests.
//!
//! The sealer hides bytes so that a leak test can tell sealed from plain; tokens are a plain hash of everything that they
//! must depend on. Invariant: no test depends on real keys.

use cofferdam_model::{
    Category, Day, Form, IdKey, IdKind, IdentityClaim, IncomingEvent, Limits, PersonNumber, Place,
    ProjectName, Provenance, Pseudonyms, Region, SealError, Sealer, TimestampMs, TokenDomain,
    Value, VendorId,
};
use cofferdam_policy::{
    ConsentMode, ConsentState, IntakeContext, Policy, PolicyId, PolicySource, ProjectSource,
    Record, ResolvedIdentity, SendContext, Signals, VendorEvent, VendorItem, VendorSource,
};
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeMap;

pub(crate) const RECEIVED: TimestampMs = TimestampMs(1_795_300_000_000);
pub(crate) const PERSON: PersonNumber = PersonNumber(17);

/// The default table of home, as the server writes it.
pub(crate) fn home() -> BTreeMap<Category, Form> {
    forms(&json!({
        "user.behavior": "clear", "user.behavior.referrer": "path", "user.device": "clear",
        "user.device.ip_address": "withheld", "user.device.device_id": "sealed",
        "user.location.imprecise": "city", "user.unique_id": "sealed", "user.name": "sealed",
        "user.contact": "sealed", "user.contact.organization": "clear",
        "user.contact.organization.id": "sealed", "user.account": "clear",
        "user.telemetry": "clear", "user.content": "withheld", "user.payment": "withheld",
        "user.financial": "withheld", "user.government_id": "withheld", "system": "clear",
        "unclassified": "clear"
    }))
}

pub(crate) fn forms(table: &serde_json::Value) -> BTreeMap<Category, Form> {
    serde_json::from_value(table.clone()).unwrap()
}

pub(crate) fn project() -> ProjectSource {
    ProjectSource {
        name: ProjectName::from("console"),
        region: Region::from("EU"),
        organization_key: Some("org_id".to_owned()),
        consent: ConsentMode::OptOut,
    }
}

pub(crate) fn vendor(id: &str, receives: &serde_json::Value) -> VendorSource {
    VendorSource {
        id: VendorId::from(id),
        region: Region::from("EU"),
        destination_region: Some(Region::from("EU")),
        purpose: "analytics.reporting".to_owned(),
        projects: vec![ProjectName::from("console")],
        consent: ConsentMode::OptOut,
        expires: None,
        observe_until: None,
        receives: forms(receives),
    }
}

/// An ordinary analytics contract.
pub(crate) fn analytics() -> serde_json::Value {
    json!({
        "user.unique_id": "token", "user.device.device_id": "token",
        "user.contact.organization.id": "token", "user.behavior": "clear",
        "user.behavior.browsing_history": "path", "user.behavior.referrer": "origin",
        "user.device": "family", "user.location": "country"
    })
}

pub(crate) fn source(vendors: Vec<VendorSource>) -> PolicySource {
    PolicySource {
        projects: vec![project()],
        home: home(),
        vendors,
        fields: BTreeMap::new(),
    }
}

pub(crate) fn compile(id: u32, source: PolicySource) -> Policy {
    Policy::compile(PolicyId(id), source).unwrap()
}

/// An event as wire would give it; `value` is Mixpanel's JSON.
pub(crate) fn event(value: &serde_json::Value) -> IncomingEvent<'static> {
    let mut properties = Vec::new();
    let mut distinct_id = None;
    let mut insert_id = None;
    let mut time = None;
    for (key, value) in value["properties"].as_object().unwrap() {
        match key.as_str() {
            "distinct_id" => distinct_id = value.as_str().map(|id| Cow::Owned(id.to_owned())),
            "$insert_id" => insert_id = value.as_str().map(|id| Cow::Owned(id.to_owned())),
            "time" => time = value.as_i64().map(|seconds| TimestampMs(seconds * 1000)),
            "token" => {}
            _ => properties.push((Cow::Owned(key.clone()), of_json(value))),
        }
    }
    IncomingEvent {
        index: 0,
        token: None,
        name: Cow::Owned(value["event"].as_str().unwrap().to_owned()),
        time,
        insert_id,
        identity: IdentityClaim {
            distinct_id,
            ..IdentityClaim::default()
        },
        properties,
    }
}

pub(crate) fn of_json(value: &serde_json::Value) -> Value<'static> {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(bool) => Value::Bool(*bool),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Int),
        serde_json::Value::String(text) => Value::Text(Cow::Owned(text.clone())),
        serde_json::Value::Array(items) => Value::List(items.iter().map(of_json).collect()),
        serde_json::Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, value)| (Cow::Owned(key.clone()), of_json(value)))
                .collect(),
        ),
    }
}

pub(crate) fn context<'a>(
    project: &'a ProjectName,
    limits: &'a Limits,
    place: Option<&'a Place>,
) -> IntakeContext<'a> {
    IntakeContext {
        project,
        received: RECEIVED,
        provenance: Provenance::Claimed,
        signals: Signals::default(),
        consent: ConsentState::default(),
        address: None,
        place,
        user_agent: None,
        limits,
        forgotten: None,
    }
}

pub(crate) fn identity(insert_id: &str) -> ResolvedIdentity<'_> {
    ResolvedIdentity {
        person: PERSON,
        organization: None,
        insert_key: [7; 16],
        insert_id,
    }
}

/// Admits with nothing special about the connection.
pub(crate) fn admit(policy: &Policy, value: &serde_json::Value) -> Record {
    admit_with(policy, value, Signals::default())
}

pub(crate) fn admit_with(policy: &Policy, value: &serde_json::Value, signals: Signals) -> Record {
    let (name, limits) = (ProjectName::from("console"), Limits::default());
    let event = event(value);
    let context = IntakeContext {
        signals,
        ..context(&name, &limits, None)
    };
    let id = event
        .insert_id
        .clone()
        .unwrap_or(Cow::Borrowed("made-up-1"));
    Record::Event(policy.admit(&context, &event, &identity(&id)).unwrap())
}

pub(crate) fn send(policy: &Policy) -> SendContext<'_> {
    SendContext {
        epoch: 1,
        today: RECEIVED.day(),
        consent: ConsentState::default(),
        opted_in_since: None,
        admitted_under: policy,
    }
}

/// What a vendor gets of an event under one and the same policy.
pub(crate) fn sent(policy: &Policy, vendor: &str, record: &Record) -> VendorEvent {
    let item = policy
        .minimize_vendor(&VendorId::from(vendor), record, &send(policy), &Fake, &Fake)
        .unwrap()
        .into_item();
    match item {
        VendorItem::Event(event) => event,
        VendorItem::Update(_) => panic!("an event was admitted"),
    }
}

pub(crate) fn property<'e>(event: &'e VendorEvent, name: &str) -> Option<&'e Value<'static>> {
    let mut found = event.properties.iter().filter(|(key, _)| &**key == name);
    found.next().map(|(_, value)| value)
}

pub(crate) fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

/// A sealer that only hides, and tokens that are only hashed.
#[derive(Debug)]
pub(crate) struct Fake;

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    for (lane, chunk) in out.chunks_mut(8).enumerate() {
        let mut state =
            0xcbf2_9ce4_8422_2325_u64 ^ (lane as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for part in parts {
            for byte in part.iter().chain(&[0xFF]) {
                state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
                state ^= state >> 29;
            }
        }
        chunk.copy_from_slice(&state.wrapping_mul(0xBF58_476D_1CE4_E5B9).to_le_bytes());
    }
    out
}

impl Sealer for Fake {
    fn seal(
        &self,
        person: PersonNumber,
        context: &[u8],
        plain: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        sealed.extend_from_slice(&hash(&[&person.0.to_le_bytes(), context])[..16]);
        sealed.extend(plain.iter().map(|byte| byte ^ 0xA5));
        Ok(())
    }

    fn open(
        &self,
        person: PersonNumber,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let (tag, rest) = sealed.split_at_checked(16).ok_or(SealError::Damaged)?;
        if tag != &hash(&[&person.0.to_le_bytes(), context])[..16] {
            return Err(SealError::Damaged);
        }
        Ok(rest.iter().map(|byte| byte ^ 0xA5).collect())
    }
}

impl Pseudonyms for Fake {
    fn id_key(&self, _: &ProjectName, _: &str) -> IdKey {
        IdKey([0; 16])
    }

    fn insert_key(&self, _: &ProjectName, _: Option<Day>, _: &str, _: &str, _: &str) -> [u8; 16] {
        [0; 16]
    }

    fn token(&self, domain: &TokenDomain, kind: IdKind, value: &str) -> [u8; 32] {
        let kind = match kind {
            IdKind::Person | IdKind::Device => 0_u8,
            IdKind::Group => 1,
            IdKind::Event => 2,
            IdKind::Other => 3,
        };
        hash(&[
            domain.vendor.as_str().as_bytes(),
            domain.region.as_str().as_bytes(),
            &domain.epoch.to_le_bytes(),
            &[kind],
            value.as_bytes(),
        ])
    }
}
