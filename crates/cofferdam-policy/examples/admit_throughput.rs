//! How long admit, encode and decode take per event of the intake bench's two shapes, on one core, without real ciphers.
//!
//! `cargo run --release -p cofferdam-policy --example admit_throughput [SHAPE] [ROUNDS]`. Prints nanoseconds and bytes per event,
//! median of the rounds. On a loaded machine count instructions instead: `valgrind --tool=callgrind --zero-before='*measured*'`
//! with one round (the first events, which bring the paths and fill the memories, come before it).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement at the command line"
)]

#[path = "../../cofferdam-server/examples/intake/events.rs"]
#[expect(dead_code, reason = "bodies and statistics are for the intake bench")]
mod events;

use cofferdam_model::{
    Category, Form, IdentityClaim, IncomingEvent, Limits, PersonNumber, ProjectName, Provenance,
    Region, SealError, Sealer, TimestampMs, Value, VendorId,
};
use cofferdam_policy::{
    ConsentMode, ConsentState, IntakeContext, Policy, PolicyId, PolicySource, ProjectSource,
    Record, ResolvedIdentity, Signals, VendorSource, record,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

const BATCH: usize = 50;
/// Batches before the measured ones.
const WARM_UP: usize = 100;
const BATCHES: usize = 100;

/// An event's JSON, by its number and the project's token.
type Shape = fn(usize, &str) -> String;

/// When the events were sent.
fn now_seconds() -> u64 {
    1_795_300_000
}

#[derive(Debug)]
struct Copying;

impl Sealer for Copying {
    fn seal(
        &self,
        _: PersonNumber,
        _: &[u8],
        plain: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        sealed.extend_from_slice(&[0; 28]);
        sealed.extend_from_slice(plain);
        Ok(())
    }

    fn open(&self, _: PersonNumber, _: &[u8], _: &[u8]) -> Result<Vec<u8>, SealError> {
        Err(SealError::Damaged)
    }
}

fn forms(table: &[(&'static str, Form)]) -> BTreeMap<Category, Form> {
    table
        .iter()
        .map(|(key, form)| (Category::of(key), *form))
        .collect()
}

/// The server's default `[home]`, and two vendors.
fn policy() -> Policy {
    let vendor = |id: &str| VendorSource {
        id: VendorId::from(id),
        region: Region::from("EU"),
        destination_region: None,
        purpose: "analytics.reporting".to_owned(),
        projects: vec![ProjectName::from("console")],
        consent: ConsentMode::OptOut,
        expires: None,
        observe_until: None,
        receives: forms(&[
            ("user.unique_id", Form::Token),
            ("user.behavior", Form::Clear),
            ("user.device", Form::Family),
            ("user.location", Form::Country),
        ]),
    };
    let source = PolicySource {
        projects: vec![ProjectSource {
            name: ProjectName::from("console"),
            region: Region::from("EU"),
            organization_key: None,
            consent: ConsentMode::OptOut,
        }],
        home: forms(&[
            ("user.behavior", Form::Clear),
            ("user.behavior.referrer", Form::Path),
            ("user.device", Form::Clear),
            ("user.device.ip_address", Form::Withheld),
            ("user.device.device_id", Form::Sealed),
            ("user.device.cookie_id", Form::Withheld),
            ("user.location.imprecise", Form::City),
            ("user.location.precise", Form::Withheld),
            ("user.unique_id", Form::Sealed),
            ("user.name", Form::Sealed),
            ("user.contact", Form::Sealed),
            ("user.contact.organization", Form::Clear),
            ("user.contact.organization.id", Form::Sealed),
            ("user.account", Form::Clear),
            ("user.account.username", Form::Sealed),
            ("user.job_title", Form::Clear),
            ("user.workplace", Form::Clear),
            ("user.demographic.language", Form::Clear),
            ("user.telemetry", Form::Clear),
            ("user.privacy_preferences", Form::Clear),
            ("user.content", Form::Withheld),
            ("user.payment", Form::Withheld),
            ("user.financial", Form::Withheld),
            ("user.government_id", Form::Withheld),
            ("system", Form::Clear),
            ("unclassified", Form::Clear),
        ]),
        vendors: vec![vendor("one"), vendor("two")],
        fields: BTreeMap::new(),
    };
    Policy::compile(PolicyId(1), source).unwrap()
}

/// As the decoder of Mixpanel's dialect would give it.
fn parse(json: &str) -> IncomingEvent<'static> {
    let mut event: serde_json::Value = serde_json::from_str(json).unwrap();
    let properties = event["properties"].as_object_mut().unwrap();
    let mut taken = |key: &str| Some(properties.remove(key)?.as_str()?.to_owned());
    let insert_id = taken("$insert_id").map(Cow::Owned);
    let distinct_id = taken("distinct_id").map(Cow::Owned);
    taken("token");
    properties.remove("time");
    let properties = std::mem::take(properties)
        .into_iter()
        .map(|(key, value)| {
            let value = match value {
                serde_json::Value::Bool(value) => Value::Bool(value),
                serde_json::Value::Number(value) => Value::Int(value.as_i64().unwrap()),
                serde_json::Value::String(value) => Value::Text(Cow::Owned(value)),
                other => unreachable!("{other}"),
            };
            (Cow::Owned(key), value)
        })
        .collect();
    IncomingEvent {
        index: 0,
        token: None,
        name: Cow::Owned(event["event"].as_str().unwrap().to_owned()),
        time: Some(TimestampMs(1_795_300_000_000)),
        insert_id,
        identity: IdentityClaim {
            distinct_id,
            ..IdentityClaim::default()
        },
        properties,
    }
}

#[inline(never)]
fn admit_batch(
    policy: &Policy,
    context: &IntakeContext<'_>,
    batch: &[IncomingEvent<'_>],
) -> Vec<Record> {
    batch
        .iter()
        .enumerate()
        .map(|(number, event)| {
            let identity = ResolvedIdentity {
                person: PersonNumber(number as u32),
                organization: None,
                insert_key: [number as u8; 16],
                insert_id: event.insert_id.as_deref().unwrap_or(""),
            };
            Record::Event(policy.admit(context, event, &identity).unwrap())
        })
        .collect()
}

#[inline(never)]
fn encode_batch(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::with_capacity(BATCH * 300);
    record::encode(&[], records, &Copying, &mut out).unwrap();
    out
}

#[inline(never)]
fn decode_batch(bytes: &[u8], records: usize) {
    assert_eq!(record::decode(bytes).unwrap().records.len(), records);
}

#[inline(never)]
fn measured(
    policy: &Policy,
    context: &IntakeContext<'_>,
    events: &[IncomingEvent<'_>],
    rounds: usize,
) {
    let mut times: [Vec<u128>; 4] = Default::default();
    let mut bytes = 0;
    for _ in 0..rounds {
        let mut total = [0; 4];
        bytes = 0;
        for batch in events.chunks(BATCH) {
            let start = Instant::now();
            let records = admit_batch(policy, context, batch);
            let admitted = Instant::now();
            let out = encode_batch(&records);
            let encoded = Instant::now();
            drop(black_box(records));
            let dropped = Instant::now();
            decode_batch(&out, batch.len());
            for (total, (from, to)) in total.iter_mut().zip([
                (start, admitted),
                (admitted, encoded),
                (encoded, dropped),
                (dropped, Instant::now()),
            ]) {
                *total += (to - from).as_nanos();
            }
            bytes += out.len();
        }
        for (times, total) in times.iter_mut().zip(total) {
            times.push(total / events.len() as u128);
        }
    }
    for (name, mut times) in ["admit", "encode", "drop", "decode"].into_iter().zip(times) {
        times.sort_unstable();
        let middle = times.get(rounds / 2).unwrap();
        let fastest = times.first().unwrap();
        println!("  {name:6} {middle:>6} ns an event (fastest round {fastest})");
    }
    let each = bytes / events.len();
    println!("  record {each:>6} bytes an event, before compression");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only = arguments.first().map_or("", String::as_str);
    let rounds = arguments
        .get(1)
        .map_or(11, |rounds| rounds.parse().unwrap());
    let (policy, project, limits) = (policy(), ProjectName::from("console"), Limits::default());
    let context = IntakeContext {
        project: &project,
        received: TimestampMs(1_795_300_001_000),
        provenance: Provenance::Claimed,
        signals: Signals::default(),
        consent: ConsentState::default(),
        address: "203.0.113.7".parse().ok(),
        place: None,
        user_agent: None,
        limits: &limits,
        forgotten: None,
    };
    let shapes: [(&str, Shape); 2] = [
        ("browser", events::browser_event),
        ("flat", events::flat_event),
    ];
    for (name, shape) in shapes.into_iter().filter(|(name, _)| name.contains(only)) {
        let events: Vec<_> = (0..BATCH * (WARM_UP + BATCHES))
            .map(|number| parse(&shape(number, "token")))
            .collect();
        let (warm_up, events) = events.split_at(BATCH * WARM_UP);
        for batch in warm_up.chunks(BATCH) {
            drop(encode_batch(&admit_batch(&policy, &context, batch)));
        }
        println!("{name}: {} B a JSON event", shape(0, "token").len());
        measured(&policy, &context, events, rounds);
    }
}
