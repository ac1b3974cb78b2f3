//! Events of real shape, each different from every other: what the browser SDK sends, and a flat JSON event of 666 bytes.
//!
//! Every seventh event brings a new person. Invariant: an event depends on its number and the token only, and never repeats.

use super::now_seconds;
use std::collections::HashSet;
use std::fmt::Write;

const PAGES: [&str; 6] = [
    "console",
    "docs/guides",
    "usage",
    "settings/keys",
    "help",
    "billing",
];
const WORDS: [&str; 12] = [
    "quarterly",
    "usage",
    "limits",
    "batch",
    "vision",
    "invoice",
    "latency",
    "tokens",
    "streaming",
    "errors",
    "upgrade",
    "keys",
];

/// A number that looks random and is not.
fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^= mixed >> 29;
    mixed = mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 32)
}

fn pick<'a>(words: &[&'a str], number: u64) -> &'a str {
    words.get((number % words.len() as u64) as usize).unwrap()
}

/// As the browser SDK sends a page view.
pub(crate) fn browser_event(number: usize, token: &str) -> String {
    let number = number as u64;
    let (a, b, person) = (
        mix(number),
        mix(number + 1_000_000_000),
        mix(number / 7 + 7_000_000_000),
    );
    let device = format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        person >> 32,
        person & 0xFFFF,
        person >> 52,
        person >> 8 & 0xFFF,
        mix(person) >> 16
    );
    let page = pick(&PAGES, a);
    let (one, other) = (pick(&WORDS, b), pick(&WORDS, b >> 8));
    format!(
        r#"{{"event":"$mp_web_page_view","properties":{{"$os":"Windows","$browser":"Chrome","$referrer":"https://www.example.com/search?q={one}+{other}+{:x}","$referring_domain":"www.example.com","$current_url":"https://platform.example.com/{page}/{:x}/{one}?utm_source=newsletter&utm_campaign=spring{}","$browser_version":156,"$screen_height":1080,"$screen_width":1920,"mp_lib":"web","$lib_version":"2.83.0","$insert_id":"{b:016x}","time":{}.{:03},"utm_source":"newsletter","utm_campaign":"spring{}","distinct_id":"$device:{device}","$device_id":"{device}","current_page_title":"{one} {other} {} - Console","current_domain":"platform.example.com","current_url_path":"/{page}/{:x}/{one}","current_url_protocol":"https:","$search_engine":"google","mp_keyword":"{one} {other} {:x}","$initial_referrer":"$direct","$initial_referring_domain":"$direct","plan":"pro","org_id":"org-{}","token":"{token}","mp_sent_by_lib_version":"2.83.0"}}}}"#,
        b & 0xFFFF_FFFF,
        a & 0xFF_FFFF,
        a % 1_000_000,
        now_seconds() - number % 3600,
        a % 1000,
        a % 1_000_000,
        a % 100_000,
        a & 0xFF_FFFF,
        b & 0xFFFF_FFFF,
        person % 150,
    )
}

/// A flat event of 666 bytes, as a server would send it.
pub(crate) fn flat_event(number: usize, token: &str) -> String {
    let number = number as u64;
    let (a, b, person) = (mix(number), mix(number + 1_000_000_000), number / 7);
    let mut event = format!(
        r#"{{"event":"api_call","properties":{{"token":"{token}","distinct_id":"user-{person}","time":{}{:03},"$insert_id":"{a:016x}{b:016x}","endpoint":"/v1/chat/completions","method":"POST","status":200,"duration_ms":{},"region":"eu-central","plan":"pro","org_id":"org-{}","streaming":true,"model":"large-2","tokens_in":{},"tokens_out":{},"sdk":"python","sdk_version":"5.4.1","request":"req_{b:x}","trace":"{b:016x}{a:016x}","key_id":"key-{:x}","country":"DE","browser":"Chrome","os":"Windows","url":"/docs/guides/{:x}","referrer":"https://www.example.com/{}/{:x}""#,
        now_seconds() - number % 3600,
        a % 1000,
        a % 5000,
        person % 150,
        b % 4000,
        b % 900,
        a >> 40,
        a & 0xFFF_FFFF,
        pick(&WORDS, b),
        b & 0xFFFF,
    );
    // The rest are words that no other event has in this order.
    event.push_str(r#","summary":""#);
    let mut seed = b;
    while event.len() < 666 - 4 {
        seed = mix(seed);
        write!(event, "{} ", pick(&WORDS, seed)).unwrap();
    }
    event.truncate(666 - 3);
    event.push_str("\"}}");
    event
}

fn array(event: fn(usize, &str) -> String, first: usize, count: usize, token: &str) -> String {
    let events: Vec<String> = (first..first + count)
        .map(|number| event(number, token))
        .collect();
    format!("[{}]", events.join(","))
}

/// `data=<base64, percent-encoded>`.
pub(crate) fn browser_body(first: usize, count: usize, token: &str) -> Vec<u8> {
    use base64::Engine;
    let base64 =
        base64::engine::general_purpose::STANDARD.encode(array(browser_event, first, count, token));
    let escaped = base64
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    format!("data={escaped}").into_bytes()
}

/// A JSON array.
pub(crate) fn flat_body(first: usize, count: usize, token: &str) -> Vec<u8> {
    array(flat_event, first, count, token).into_bytes()
}

/// Per cent of the property strings that no earlier event had.
pub(crate) fn unseen(event: fn(usize, &str) -> String) -> f64 {
    let mut known = HashSet::new();
    let (mut strings, mut fresh) = (0, 0);
    for number in 0..20_000 {
        let parsed: serde_json::Value = serde_json::from_str(&event(number, "t")).unwrap();
        for value in parsed
            .get("properties")
            .and_then(serde_json::Value::as_object)
            .unwrap()
            .values()
        {
            if let Some(text) = value.as_str() {
                strings += 1;
                fresh += u32::from(known.insert(text.to_owned()));
            }
        }
    }
    f64::from(fresh) / f64::from(strings) * 100.0
}
