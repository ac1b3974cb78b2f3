//! Ordinary analytics values are not taken for personal data: fewer than one in a thousand.
//!
//! Values are generated from a seed: times, ids, versions, sizes, prices, slugs, paths and names of features, each under a key
//! that analytics really uses. A finding of a protecting rule counts as false; URLs are not personal data by themselves.

#![expect(clippy::indexing_slicing, reason = "tests")]

use cofferdam_policy::detect::{detect_number, inspect};
use cofferdam_policy::rules::{Effect, KeyContext, RuleSwitches};
use std::collections::BTreeMap;

/// A small deterministic generator (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn text(&mut self, length: usize, alphabet: &str) -> String {
        let alphabet = alphabet.as_bytes();
        (0..length)
            .map(|_| char::from(alphabet[self.below(alphabet.len() as u64) as usize]))
            .collect()
    }
}

const HEX: &str = "0123456789abcdef";
const BASE36: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
const BASE62: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const CROCKFORD: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const WORDS: &[&str] = &[
    "api", "keys", "usage", "billing", "docs", "create", "model", "chat", "limits", "team",
    "guide", "batch",
];

/// Key and value of one kind.
fn sample(kind: u64, random: &mut Random) -> (&'static str, String) {
    let word = |random: &mut Random| WORDS[random.below(WORDS.len() as u64) as usize];
    match kind {
        0 => (
            "created_at",
            format!("{}", 1_600_000_000 + random.below(200_000_000)),
        ),
        1 => (
            "created_ms",
            format!("{}", 1_600_000_000_000 + random.below(200_000_000_000)),
        ),
        2 => (
            "started",
            format!(
                "20{:02}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                random.below(30),
                1 + random.below(12),
                1 + random.below(28),
                random.below(24),
                random.below(60),
                random.below(60),
                random.below(1000)
            ),
        ),
        3 => {
            let h = random.text(32, HEX);
            (
                "request_ref",
                format!(
                    "{}-{}-4{}-a{}-{}",
                    &h[..8],
                    &h[8..12],
                    &h[13..16],
                    &h[17..20],
                    &h[20..32]
                ),
            )
        }
        4 => (
            "release",
            format!(
                "{}.{}.{}",
                random.below(30),
                random.below(30),
                random.below(300)
            ),
        ),
        5 => (
            "$browser_version",
            format!(
                "{}.0.{}.{}",
                80 + random.below(60),
                random.below(7000),
                random.below(255)
            ),
        ),
        6 => ("trace", random.text(32, HEX)),
        7 => ("commit", random.text(40, HEX)),
        8 => ("object", random.text(24, HEX)),
        9 => (
            "viewport",
            format!("{}x{}", 300 + random.below(3000), 300 + random.below(2000)),
        ),
        10 => ("$insert_id", random.text(16, BASE36)),
        11 => ("nano", random.text(21, BASE62)),
        12 => ("item", format!("{}", random.below(1_000_000_000_000))),
        13 => (
            "price",
            format!("{}.{:02}", random.below(10_000), random.below(100)),
        ),
        14 => ("ratio", format!("0.{}", random.text(16, DIGITS))),
        15 => ("snowflake", format!("1{}", random.text(17, DIGITS))),
        16 => (
            "slug",
            format!("{}-{}-{}", word(random), word(random), random.below(100)),
        ),
        17 => (
            "path",
            format!("/{}/{}/{}", word(random), word(random), random.below(1000)),
        ),
        18 => ("feature", format!("{}_{}", word(random), word(random))),
        19 => ("ulid", format!("01{}", random.text(24, CROCKFORD))),
        20 => ("zone", "America/Argentina/Buenos_Aires".to_owned()),
        21 => (
            "label",
            format!("{} {} {}", word(random), word(random), random.below(10_000)),
        ),
        22 => (
            "range",
            format!("{}-{}", random.below(1_000_000), random.below(1_000_000)),
        ),
        23 => ("cart", format!("cart_{}", random.text(14, BASE62))),
        24 => (
            "date",
            format!(
                "{}/{}/20{:02}",
                1 + random.below(12),
                1 + random.below(28),
                random.below(30)
            ),
        ),
        25 => (
            "clock",
            format!(
                "{:02}:{:02}:{:02}",
                random.below(24),
                random.below(60),
                random.below(60)
            ),
        ),
        26 => (
            "build",
            format!(
                "20{:02}{:02}{:02}.{}",
                random.below(30),
                1 + random.below(12),
                1 + random.below(28),
                random.below(50)
            ),
        ),
        _ => (
            "amount",
            format!(
                "{} {:03} {:03}",
                1 + random.below(999),
                random.below(1000),
                random.below(1000)
            ),
        ),
    }
}

#[test]
fn ordinary_values_are_left_alone() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut false_ones, mut examples) = (BTreeMap::new(), Vec::new());
    let total = 140_000_u64;
    for round in 0..total {
        let kind = round % 28;
        let (key, value) = sample(kind, &mut random);
        let found = inspect(&value, KeyContext::of(key), &RuleSwitches::ALL_ON);
        if let Some(found) = found
            .iter()
            .find(|found| found.rule.rule().effect() == Effect::Protects)
        {
            *false_ones
                .entry((kind, found.rule.as_str()))
                .or_insert(0_u64) += 1;
            examples.push(format!("{} in {key}: {value}", found.rule));
        }
    }
    let count: u64 = false_ones.values().sum();
    println!("{count} of {total} ordinary values taken for personal data: {false_ones:?}");
    assert!(
        count * 1000 < total,
        "{count} of {total}: {:?}",
        &examples[..examples.len().min(20)]
    );
}

#[test]
fn ordinary_numbers_are_left_alone() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let total = 40_000_u64;
    let count = (0..total)
        .filter(|round| {
            let number = match round % 4 {
                0 => 1_600_000_000 + random.below(200_000_000),
                1 => 1_600_000_000_000 + random.below(200_000_000_000),
                2 => random.below(10_000_000_000),
                _ => random.below(1_000_000_000_000),
            };
            let key = ["time", "duration_ms", "item", "bytes"][(round / 4 % 4) as usize];
            !detect_number(number as i64, KeyContext::of(key), &RuleSwitches::ALL_ON).is_empty()
        })
        .count() as u64;
    println!("{count} of {total} ordinary numbers taken for personal data");
    assert!(count * 1000 < total, "{count} of {total}");
}
