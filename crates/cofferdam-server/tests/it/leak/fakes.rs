//! Sealer, pseudonyms and contexts for policy without a server. The sealer only hides: sealed bytes never show the plain ones.

use cofferdam_model::{
    Category, Day, Form, IdKey, IdKind, IdentityClaim, IncomingEvent, Limits, PersonNumber,
    ProjectName, Provenance, Pseudonyms, Region, SealError, Sealer, TimestampMs, TokenDomain,
    Value, VendorId,
};
use cofferdam_policy::{
    ConsentMode, ConsentState, IntakeContext, Policy, ProjectSource, Record, ResolvedIdentity,
    SendContext, Signals, VendorSource,
};
use std::borrow::Cow;
use std::collections::BTreeMap;

const RECEIVED: TimestampMs = TimestampMs(1_795_300_000_000);

pub(super) fn project() -> ProjectSource {
    ProjectSource {
        name: ProjectName::from("console"),
        region: Region::from("EU"),
        organization_key: None,
        consent: ConsentMode::OptOut,
    }
}

pub(super) fn vendor(id: &str, receives: BTreeMap<Category, Form>) -> VendorSource {
    VendorSource {
        id: VendorId::from(id),
        region: Region::from("EU"),
        destination_region: Some(Region::from("EU")),
        purpose: "analytics.reporting".to_owned(),
        projects: vec![ProjectName::from("console")],
        consent: ConsentMode::OptOut,
        expires: None,
        observe_until: None,
        receives,
    }
}

/// An event with one property; a key with `?` is a key of a URL's query.
pub(super) fn admit(policy: &Policy, key: &str, value: &str) -> Record {
    let (name, limits) = (ProjectName::from("console"), Limits::default());
    let (key, value) = match key.split_once('?') {
        Some((url, parameter)) => (
            url,
            format!("https://app.example.com/a?{parameter}={value}"),
        ),
        None => (key, value.to_owned()),
    };
    let event = IncomingEvent {
        index: 0,
        token: None,
        name: Cow::Borrowed("Used"),
        time: None,
        insert_id: None,
        identity: IdentityClaim::default(),
        properties: vec![(Cow::Borrowed(key), Value::Text(Cow::Owned(value)))],
    };
    let context = IntakeContext {
        project: &name,
        received: RECEIVED,
        provenance: Provenance::Claimed,
        signals: Signals::default(),
        consent: ConsentState::default(),
        address: None,
        place: None,
        user_agent: None,
        limits: &limits,
        forgotten: None,
    };
    let identity = ResolvedIdentity {
        person: PersonNumber(17),
        organization: None,
        insert_key: [7; 16],
        insert_id: "made-up-1",
    };
    Record::Event(policy.admit(&context, &event, &identity).unwrap())
}

pub(super) fn send(policy: &Policy) -> SendContext<'_> {
    SendContext {
        epoch: 1,
        today: RECEIVED.day(),
        consent: ConsentState::default(),
        opted_in_since: None,
        admitted_under: policy,
    }
}

#[derive(Debug)]
pub(super) struct Fake;

impl Sealer for Fake {
    fn seal(
        &self,
        _: PersonNumber,
        _: &[u8],
        plain: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        sealed.extend(plain.iter().map(|byte| byte ^ 0xA5));
        Ok(())
    }

    fn open(&self, _: PersonNumber, _: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(sealed.iter().map(|byte| byte ^ 0xA5).collect())
    }
}

impl Pseudonyms for Fake {
    fn id_key(&self, _: &ProjectName, _: &str) -> IdKey {
        IdKey([0; 16])
    }

    fn insert_key(&self, _: &ProjectName, _: Option<Day>, _: &str, _: &str, _: &str) -> [u8; 16] {
        [0; 16]
    }

    fn token(&self, _: &TokenDomain, _: IdKind, value: &str) -> [u8; 32] {
        let mut token = [0x5A; 32];
        for (position, byte) in value.bytes().enumerate() {
            token[position % 32] ^= byte.rotate_left(3).wrapping_add(position as u8);
        }
        token
    }
}
