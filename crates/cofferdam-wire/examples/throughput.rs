//! Measures CPU time per event of decode and parse, on one core, for batches of 50 in the two shapes that count: the browser SDK's
//! base64 form and a flat JSON event of 666 bytes.
//!
//! Run with `cargo run --release -p cofferdam-wire --example throughput`. Time is the thread's own CPU time (Linux), so that other
//! work on the machine does not count; the best and the median of the rounds are printed. An argument selects by name.

#![expect(clippy::unwrap_used, reason = "a measurement, not a library")]

use cofferdam_model::Limits;
use cofferdam_wire::mixpanel::{Endpoint, Method, Request, decode};
use std::fmt::Write;
use std::time::Instant;

const BATCH: usize = 50;
const BODIES: usize = 1000;
const ROUNDS: usize = 25;

fn main() {
    report(
        "browser, base64 form",
        "application/x-www-form-urlencoded",
        |body| {
            let json = batch(|event| browser_event(body * BATCH + event));
            let base64 = base64_simd::STANDARD.encode_to_string(json);
            let escaped = base64
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D");
            format!("data={escaped}").into_bytes()
        },
    );
    report(
        "browser, emoji (CESU-8)",
        "application/x-www-form-urlencoded",
        |body| {
            let json =
                batch(|event| browser_event(body * BATCH + event).replace("Berlin", "Berlin 🎉"));
            let base64 = base64_simd::STANDARD.encode_to_string(cesu8(&json));
            let escaped = base64
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D");
            format!("data={escaped}").into_bytes()
        },
    );
    report("flat JSON, 666 bytes", "application/json", |body| {
        batch(|event| flat_event(body * BATCH + event)).into_bytes()
    });
    report(
        "flat JSON with NaN (tolerant)",
        "application/json",
        |body| batch(|event| flat_event(body * BATCH + event).replace("true", "NaN ")).into_bytes(),
    );
}

fn report(name: &str, content_type: &str, body: impl Fn(usize) -> Vec<u8>) {
    let only = std::env::args().nth(1).unwrap_or_default();
    if !name.contains(&only) {
        return;
    }
    let bodies: Vec<Vec<u8>> = (0..BODIES).map(body).collect();
    let limits = Limits::default();
    let mut events = 0;
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            events = 0;
            let start = cpu_ns();
            for body in &bodies {
                let request = Request {
                    method: Method::Post,
                    path: "/track/",
                    query: Some("verbose=1&ip=1&_=1795314865003"),
                    content_type: Some(content_type),
                    content_encoding: None,
                    authorization: None,
                    body,
                };
                let decoded = decode(Endpoint::Track, &request, &limits).unwrap();
                let batch = decoded.parse(&limits).unwrap();
                assert!(batch.rejected.is_empty());
                events += std::hint::black_box(batch).items.len();
            }
            (cpu_ns() - start) / events as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let bytes: usize = bodies.iter().map(Vec::len).sum();
    println!(
        "{name:32} {:5} B/event on the wire  best {:6.0} ns/event  median {:6.0} ns/event",
        bytes / events,
        rounds.first().unwrap(),
        rounds.get(ROUNDS / 2).unwrap(),
    );
}

/// The thread's CPU time in nanoseconds; wall time where the system does not tell.
fn cpu_ns() -> f64 {
    thread_local!(static START: Instant = Instant::now());
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    told.and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| START.with(|start| start.elapsed().as_nanos() as f64))
}

fn batch(event: impl Fn(usize) -> String) -> String {
    let events: Vec<String> = (0..BATCH).map(event).collect();
    format!("[{}]", events.join(","))
}

/// A number that looks random and is not.
fn mix(seed: usize) -> u64 {
    let mut mixed = (seed as u64)
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^= mixed >> 29;
    mixed = mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 32)
}

fn browser_event(seed: usize) -> String {
    let (a, b) = (mix(seed), mix(seed + 1_000_000));
    let device = format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        a & 0xFFFF,
        b >> 52,
        b & 0xFFF,
        b >> 16
    );
    format!(
        r#"{{"event":"Viewed Page","properties":{{"$os":"Windows","$browser":"Chrome","$referrer":"https://www.example.com/search?q=shoes{b:x}","$referring_domain":"www.example.com","$current_url":"https://platform.example.com/console/{a:x}/keys?utm_source=newsletter&utm_campaign=spring{seed}","$browser_version":156,"$screen_height":720,"$screen_width":1280,"mp_lib":"web","$lib_version":"2.83.0","$insert_id":"{b:016x}","time":1795314864.849,"utm_source":"newsletter","utm_campaign":"spring{seed}","distinct_id":"$device:{device}","$device_id":"{device}","$search_engine":"google","mp_keyword":"shoes{b:x}","$initial_referrer":"https://www.example.com/search?q=shoes{b:x}","$initial_referring_domain":"www.example.com","plan":"Pro","city":"Berlin","token":"0123456789abcdef0123456789abcdef","mp_sent_by_lib_version":"2.83.0"}}}}"#
    )
}

fn flat_event(seed: usize) -> String {
    let (a, b) = (mix(seed), mix(seed + 1_000_000));
    let mut event = format!(
        r#"{{"event":"api_call","properties":{{"token":"0123456789abcdef0123456789abcdef","distinct_id":"user-{seed}","time":1795314864849,"$insert_id":"{a:016x}{b:016x}","endpoint":"/v1/chat/completions","method":"POST","status":200,"duration_ms":{},"region":"eu-central","plan":"Pro","org_id":"org-{}","streaming":true,"model":"large-2","tokens_in":{},"tokens_out":{},"sdk":"python","sdk_version":"5.4.1","key_id":"key-{b:x}""#,
        a % 5000,
        a % 150,
        b % 4000,
        b % 900,
    );
    let missing = 666_usize.saturating_sub(event.len() + r#","note":"""#.len() + 2);
    write!(event, r#","note":"{:x<missing$}"}}}}"#, "").unwrap();
    event
}

/// Text as the browser SDK's encoder writes it: characters beyond the basic plane as two surrogates of three bytes each.
fn cesu8(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for char in text.chars() {
        let mut units = [0; 2];
        match char.encode_utf16(&mut units) {
            [high, low] => {
                for unit in [*high, *low] {
                    bytes.extend([
                        0xE0 | (unit >> 12) as u8,
                        0x80 | (unit >> 6 & 0x3F) as u8,
                        0x80 | (unit & 0x3F) as u8,
                    ]);
                }
            }
            _ => bytes.extend(char.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}
