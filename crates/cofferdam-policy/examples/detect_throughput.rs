//! How fast the detectors are on a browser event of real shape: `cargo run --release -p cofferdam-policy --example detect_throughput`.
//!
//! Prints nanoseconds per event of 25 strings and per string, for `detect` and for `inspect`, and per kind of string.

use cofferdam_policy::address::{Ids, clean_path, split_url};
use cofferdam_policy::detect::{detect, inspect};
use cofferdam_policy::rules::{Carrier, KeyContext, RuleSwitches, ValueType, classify};
use std::hint::black_box;
use std::time::Instant;

const EVENT: [(&str, &str); 25] = [
    ("$os", "Mac OS X"),
    ("$browser", "Chrome"),
    ("$browser_version", "126"),
    (
        "$current_url",
        "https://platform.example.com/docs/guides/batch?utm_source=newsletter&tab=2",
    ),
    ("$referrer", "https://www.google.com/"),
    ("$referring_domain", "www.google.com"),
    ("$initial_referrer", "$direct"),
    ("$initial_referring_domain", "$direct"),
    ("mp_lib", "web"),
    ("$lib_version", "2.83.0"),
    ("$insert_id", "k3j2h4g5f6d7s8a9"),
    ("$device_id", "18f2c1a5-7a1e-4f0b-9d59-0d2f3a1c9e77"),
    ("distinct_id", "user_8c2f91ab"),
    ("$user_id", "user_8c2f91ab"),
    ("plan", "pro"),
    ("feature", "api_keys"),
    ("section", "billing overview"),
    ("button", "Create new secret key"),
    ("org_id", "org-4821"),
    ("model", "example-large-2026-01"),
    ("$search_engine", "google"),
    ("mp_keyword", "batch api limits"),
    ("current_page_title", "Batch requests - Example Platform"),
    ("current_url_path", "/docs/guides/batch"),
    ("utm_campaign", "spring_2026_launch"),
];

/// Nanoseconds per call of `work`: the best of 400 short batches, so that other work on the machine does not count.
fn time(rounds: u32, mut work: impl FnMut()) -> f64 {
    let batch = (rounds / 400).max(1);
    (0..400)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..batch {
                work();
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(batch)
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let on = RuleSwitches::ALL_ON;
    let fields: Vec<(KeyContext, &str)> = EVENT
        .iter()
        .map(|(key, value)| (KeyContext::of(key), *value))
        .collect();
    let bytes: usize = EVENT.iter().map(|(_, value)| value.len()).sum();
    println!("event of {} strings, {bytes} bytes of values", EVENT.len());
    let surface = time(200_000, || {
        for (context, value) in &fields {
            black_box(detect(black_box(value), *context, &on));
        }
    });
    println!(
        "detect   {surface:8.0} ns an event, {:6.1} ns a string",
        surface / 25.0
    );
    let deep = time(200_000, || {
        for (context, value) in &fields {
            black_box(inspect(black_box(value), *context, &on));
        }
    });
    println!(
        "inspect  {deep:8.0} ns an event, {:6.1} ns a string",
        deep / 25.0
    );
    for (key, value) in EVENT {
        let context = KeyContext::of(key);
        let one = time(400_000, || {
            black_box(inspect(black_box(value), context, &on));
        });
        println!("  {one:7.1} ns  {:3} bytes  {key}", value.len());
    }
    let url = EVENT[3].1;
    let split = time(400_000, || {
        let parts = split_url(black_box(url));
        if let Some(parts) = parts {
            black_box(parts.query_pairs().count());
            black_box(clean_path(parts.path, Ids::Keep, &on));
        }
    });
    println!("split_url, pairs and clean_path  {split:.0} ns");
    let key = time(100_000, || {
        black_box(classify(
            black_box("customer_billing_email"),
            Carrier::Event,
            ValueType::Text,
            &on,
        ));
    });
    println!("classify (uncached)  {key:.0} ns");
}
