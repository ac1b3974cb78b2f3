//! Who shares a part, what a part is bound to, and entries of the format before.

use crate::record::{decode, encode};
use crate::values::put_bytes;
use crate::{
    ConsentState, HomeItem, IntakeContext, Policy, PolicyId, PolicySource, ProjectSource, Record,
    RecordError, ResolvedIdentity, Signals,
};
use cofferdam_model::{
    Category, Form, IdentityClaim, IncomingEvent, Limits, PersonNumber, ProjectName, Provenance,
    Refusal, Region, SealError, Sealer, TimestampMs, Value,
};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Writes down person and context in clear, and counts.
#[derive(Debug, Default)]
struct Open {
    seals: AtomicUsize,
    opens: AtomicUsize,
}

impl Sealer for Open {
    fn seal(
        &self,
        person: PersonNumber,
        context: &[u8],
        plain: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        self.seals.fetch_add(1, Ordering::Relaxed);
        sealed.extend_from_slice(&person.0.to_le_bytes());
        put_bytes(sealed, context);
        sealed.extend_from_slice(plain);
        Ok(())
    }

    fn open(
        &self,
        person: PersonNumber,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.opens.fetch_add(1, Ordering::Relaxed);
        let mut head = person.0.to_le_bytes().to_vec();
        put_bytes(&mut head, context);
        let plain = sealed.strip_prefix(head.as_slice());
        plain.map(<[u8]>::to_vec).ok_or(SealError::Damaged)
    }
}

fn policy() -> Policy {
    let source = PolicySource {
        projects: vec![ProjectSource {
            name: ProjectName::from("console"),
            region: Region::from("EU"),
            organization_key: None,
            consent: crate::ConsentMode::OptOut,
        }],
        home: [
            ("user.contact", Form::Sealed),
            ("user.behavior", Form::Clear),
        ]
        .map(|(key, form)| (Category::of(key), form))
        .into(),
        ..PolicySource::default()
    };
    Policy::compile(PolicyId(1), source).unwrap()
}

fn record(policy: &Policy, person: u32, number: u8) -> Record {
    let (project, limits) = (ProjectName::from("console"), Limits::default());
    let context = IntakeContext {
        project: &project,
        received: TimestampMs(1_795_300_001_000),
        provenance: Provenance::Claimed,
        signals: Signals::default(),
        consent: ConsentState::default(),
        address: None,
        place: None,
        user_agent: None,
        limits: &limits,
        forgotten: None,
    };
    let event = IncomingEvent {
        index: 0,
        token: None,
        name: Cow::Borrowed("seen"),
        time: None,
        insert_id: None,
        identity: IdentityClaim::default(),
        properties: vec![(
            Cow::Borrowed("$email"),
            Value::Text(Cow::Owned(format!("person-{person}-{number}@example.com"))),
        )],
    };
    let identity = ResolvedIdentity {
        person: PersonNumber(person),
        organization: None,
        insert_key: [number; 16],
        insert_id: "i",
    };
    Record::Event(policy.admit(&context, &event, &identity).unwrap())
}

/// What home gets, as text.
fn kept(policy: &Policy, records: &[Record], sealer: &Open) -> Vec<Result<String, Refusal>> {
    let id = |record| {
        let HomeItem::Event(event) = policy.minimize_home(record, sealer)?.into_item() else {
            panic!("an event")
        };
        Ok(format!("{event:?}"))
    };
    records.iter().map(id).collect()
}

#[test]
fn one_call_seals_all_that_identifies_a_person_in_an_entry_and_one_opens_it() {
    let (policy, sealer) = (policy(), Open::default());
    let records: Vec<Record> = [(7, 0), (8, 1), (7, 2), (7, 3)]
        .map(|(person, number)| record(&policy, person, number))
        .into();
    let mut bytes = Vec::new();
    encode(&[], &records, &sealer, &mut bytes).unwrap();
    assert_eq!(sealer.seals.load(Ordering::Relaxed), 2);
    let entry = decode(&bytes).unwrap();
    let read = kept(&policy, &entry.records, &sealer);
    assert_eq!(sealer.opens.load(Ordering::Relaxed), 2);
    assert_eq!(read, kept(&policy, &records, &sealer));
    // Each has its own value, not its neighbor's.
    let distinct: BTreeSet<_> = read.iter().map(|item| item.as_ref().unwrap()).collect();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn what_was_sealed_together_is_not_taken_apart() {
    let (policy, sealer) = (policy(), Open::default());
    let records = [record(&policy, 7, 0), record(&policy, 7, 1)];
    let mut bytes = Vec::new();
    encode(&[], &records, &sealer, &mut bytes).unwrap();
    let entry = decode(&bytes).unwrap();
    let mut out = Vec::new();
    let first = entry.records.get(..1).unwrap();
    let error = encode(&[], first, &sealer, &mut out).unwrap_err();
    assert!(matches!(error, RecordError::Moved { record: 0, .. }));
    assert!(out.is_empty());
}

#[test]
fn an_entry_of_the_format_before_is_read() {
    let (policy, sealer) = (policy(), Open::default());
    let records = [record(&policy, 7, 3)];
    let mut bytes = Vec::new();
    encode(&[], &records, &sealer, &mut bytes).unwrap();
    // Behind the record stand the length and the number of its part, then the part's length and the part, as `Open` makes it.
    let bound = 4 + 1 + b"cofferdam record 2\0console\0".len() + 24;
    let tail = |length: &usize| {
        let at = bytes.len() - bound - length - 3;
        bytes.get(at..at + 3) == Some(&[*length as u8, 0, (bound + length) as u8])
    };
    let length = (0..70).find(tail).unwrap();
    let (head, plain) = (bytes.len() - bound - length - 3, bytes.len() - length);
    let mut before = vec![1];
    before.extend_from_slice(&bytes[1..head]);
    let mut sealed = Vec::new();
    let context = [
        b"cofferdam record 1\0console\0\0\0\0\0".as_slice(),
        &[3; 16],
    ]
    .concat();
    sealer
        .seal(PersonNumber(7), &context, &bytes[plain..], &mut sealed)
        .unwrap();
    put_bytes(&mut before, &sealed);
    let entry = decode(&before).unwrap();
    let read = kept(&policy, &entry.records, &sealer);
    assert_eq!(read, kept(&policy, &records, &sealer));
    assert!(read[0].is_ok());
}
