//! How long admit and encode take per browser event, on one core, without the cost of real ciphers.
//!
//! `cargo run --release -p cofferdam-policy --example admit_throughput`. Every event has its own ids, page and title; a third
//! of the strings are new. Prints nanoseconds and bytes per event, median of the rounds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement at the command line"
)]

use cofferdam_model::{
    Category, Form, IdentityClaim, IncomingEvent, Limits, PersonNumber, Place, ProjectName,
    Provenance, Region, SealError, Sealer, TimestampMs, Value, VendorId,
};
use cofferdam_policy::{
    ConsentMode, ConsentState, IntakeContext, Policy, PolicyId, PolicySource, ProjectSource,
    Record, ResolvedIdentity, Signals, VendorSource, record,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

const BATCH: usize = 50;
const BATCHES: usize = 400;
const ROUNDS: usize = 11;

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
            organization_key: Some("org_id".to_owned()),
            consent: ConsentMode::OptOut,
        }],
        home: forms(&[
            ("user.behavior", Form::Clear),
            ("user.behavior.referrer", Form::Path),
            ("user.device", Form::Clear),
            ("user.device.device_id", Form::Sealed),
            ("user.location.imprecise", Form::City),
            ("user.unique_id", Form::Sealed),
            ("user.contact", Form::Sealed),
            ("user.content", Form::Withheld),
            ("system", Form::Clear),
            ("unclassified", Form::Clear),
        ]),
        vendors: vec![vendor("one"), vendor("two")],
        fields: BTreeMap::new(),
    };
    Policy::compile(PolicyId(1), source).unwrap()
}

fn event(number: usize) -> IncomingEvent<'static> {
    let person = number / 7;
    let device = format!("{person:08x}-3d58-4f0c-9f7f-{:012x}", person * 7919);
    let text = |text: &str| Value::Text(Cow::Owned(text.to_owned()));
    let page = format!("/docs/guides/topic-{}", number % 5000);
    let referrer = format!("https://www.example.org/search/{}", number % 300);
    let properties: Vec<(&'static str, Value<'static>)> = vec![
        ("$os", text("Windows")),
        ("$browser", text("Chrome")),
        ("$browser_version", Value::Int(142)),
        ("$screen_height", Value::Int(1080)),
        ("$screen_width", Value::Int(1920)),
        ("mp_lib", text("web")),
        ("$lib_version", text("2.74.0")),
        ("$device_id", text(&device)),
        (
            "$current_url",
            text(&format!(
                "https://platform.example.com{page}?utm_source=news&tab={}",
                number % 9
            )),
        ),
        ("$referrer", text(&referrer)),
        ("$referring_domain", text("www.example.org")),
        ("$initial_referrer", text("$direct")),
        ("$initial_referring_domain", text("$direct")),
        (
            "current_page_title",
            text(&format!("Guide {} - Console", number % 5000)),
        ),
        ("current_domain", text("platform.example.com")),
        ("current_url_path", text(&page)),
        ("current_url_protocol", text("https:")),
        ("utm_source", text("news")),
        ("plan", text("pro")),
        ("seats", Value::Int(5)),
        ("is_trial", Value::Bool(false)),
        ("org_id", text(&format!("org-{}", person % 150))),
        ("request", text(&format!("req{number:012}"))),
        ("duration_ms", Value::Int(1200 + number as i64 % 700)),
        ("status", text("ok")),
    ];
    IncomingEvent {
        index: 0,
        token: None,
        name: Cow::Borrowed("$mp_web_page_view"),
        time: Some(TimestampMs(1_795_300_000_000 - number as i64)),
        insert_id: Some(Cow::Owned(format!("k3j4h5{number:010}"))),
        identity: IdentityClaim {
            distinct_id: Some(Cow::Owned(format!("$device:{device}"))),
            ..IdentityClaim::default()
        },
        properties: properties
            .into_iter()
            .map(|(key, value)| (Cow::Borrowed(key), value))
            .collect(),
    }
}

fn main() {
    let policy = policy();
    let project = ProjectName::from("console");
    let limits = Limits::default();
    let place = Place {
        country: "DE".to_owned(),
        region: Some("Berlin".to_owned()),
        city: Some("Berlin".to_owned()),
    };
    let context = IntakeContext {
        project: &project,
        received: TimestampMs(1_795_300_001_000),
        provenance: Provenance::Claimed,
        signals: Signals::default(),
        consent: ConsentState::default(),
        address: "203.0.113.7".parse().ok(),
        place: Some(&place),
        user_agent: None,
        limits: &limits,
    };
    let events: Vec<IncomingEvent<'_>> = (0..BATCH * BATCHES).map(event).collect();
    let (mut admits, mut encodes, mut decodes) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let (mut admit, mut encode, mut decode) = (0, 0, 0);
        bytes = 0;
        for batch in events.chunks(BATCH) {
            let start = Instant::now();
            let records: Vec<Record> = batch
                .iter()
                .enumerate()
                .map(|(number, event)| {
                    let identity = ResolvedIdentity {
                        person: PersonNumber(number as u32),
                        organization: None,
                        insert_key: [number as u8; 16],
                        insert_id: event.insert_id.as_deref().unwrap_or(""),
                    };
                    Record::Event(policy.admit(&context, event, &identity).unwrap())
                })
                .collect();
            admit += start.elapsed().as_nanos();
            let start = Instant::now();
            let mut out = Vec::with_capacity(BATCH * 300);
            record::encode(&[], &records, &Copying, &mut out).unwrap();
            encode += start.elapsed().as_nanos();
            bytes += out.len();
            let start = Instant::now();
            let entry = record::decode(&out).unwrap();
            decode += start.elapsed().as_nanos();
            assert_eq!(entry.records.len(), batch.len());
        }
        let each = |total: u128| total / (BATCH * BATCHES) as u128;
        admits.push(each(admit));
        encodes.push(each(encode));
        decodes.push(each(decode));
    }
    for times in [&mut admits, &mut encodes, &mut decodes] {
        times.sort_unstable();
    }
    let middle = |times: &[u128]| times.get(ROUNDS / 2).copied().unwrap_or(0);
    println!(
        "admit  {:>6} ns an event (fastest round {})",
        middle(&admits),
        admits.first().unwrap()
    );
    println!(
        "encode {:>6} ns an event (fastest round {})",
        middle(&encodes),
        encodes.first().unwrap()
    );
    println!(
        "decode {:>6} ns an event (fastest round {})",
        middle(&decodes),
        decodes.first().unwrap()
    );
    println!(
        "record {:>6} bytes an event, before compression",
        bytes / (BATCH * BATCHES)
    );
}
