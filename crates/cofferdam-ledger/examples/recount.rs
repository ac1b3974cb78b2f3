//! Sends a seeded, messy month through a ledger and writes what was sent and what the ledger says, for a foreign recount:
//! `cargo run -p cofferdam-ledger --example recount -- DIR [SEED]`, then `tests/python/ledger_recount.py DIR/sends.jsonl
//! DIR/radius.json --merges DIR/merges.json`. Retries, partial success, lost outcomes, checkpoints, reopening and merges happen.

#![expect(clippy::indexing_slicing, reason = "a tool with fixed tables")]

#[path = "support/seeded.rs"]
mod seeded;

use anyhow::Context;
use cofferdam_ledger::{
    Basis, Coverage, FieldKey, Items, Ledger, LedgerOptions, Outcome, PossibleItem, RadiusRequest,
};
use cofferdam_model::{Category, Day, Form, MergeMap, OrganizationNumber, PersonNumber, VendorId};
use seeded::Random;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

const FIRST: i32 = 20_100;
const VENDORS: [&str; 3] = ["mixpanel", "other", "third"];

/// Fields that may go out, and whether they are a profile's.
fn fields() -> Vec<FieldKey> {
    let rows = [
        ("distinct_id", "user.unique_id", Form::Token),
        ("event", "user.behavior", Form::Clear),
        ("time", "user.behavior", Form::Clear),
        ("properties.$browser", "user.device", Form::Family),
        ("properties.$city", "user.location", Form::Country),
        (
            "properties.$referrer",
            "user.behavior.referrer",
            Form::Origin,
        ),
        ("properties.plan", "user.behavior", Form::Clear),
    ];
    let keys = rows.iter().map(|(path, category, form)| FieldKey {
        path: Arc::from(*path),
        category: Category::of(category),
        form: *form,
    });
    keys.collect()
}

/// One batch: sent, settled in part, written down.
fn send(
    ledger: &Ledger,
    random: &mut Random,
    day: i32,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let vendor = VENDORS[random.below(3) as usize];
    let all = fields();
    let (mut items, mut lines) = (Vec::new(), Vec::new());
    for _ in 0..=random.below(40) {
        let mask = random.below(128) | 3;
        let chosen: Vec<FieldKey> = all
            .iter()
            .enumerate()
            .filter(|(at, _)| mask >> at & 1 == 1)
            .map(|(_, key)| key.clone())
            .collect();
        let person = random.below(900) as u32;
        let organization = (random.below(3) > 0).then(|| random.below(40) as u32);
        items.push(PossibleItem {
            person: Some(PersonNumber(person)),
            organization: organization.map(OrganizationNumber),
            fields: ledger.field_set(&chosen)?,
            is_event: true,
        });
        let names: Vec<_> = chosen
            .iter()
            .map(|k| json!({"field": k.path, "category": k.category, "form": k.form}))
            .collect();
        lines.push((person, organization, names));
    }
    let day = Day(FIRST + day);
    let batch = ledger.possible(&VendorId::from(vendor), day, &items)?;
    let confirmed: Vec<u32> = match random.below(4) {
        0 => Vec::new(),
        1 => (0..items.len() as u32)
            .filter(|_| random.below(2) == 0)
            .collect(),
        _ => (0..items.len() as u32).collect(),
    };
    let outcome = Outcome {
        delivered: Items::At(confirmed.clone()),
        unknown: Items::All,
        ..Outcome::default()
    };
    ledger.settle(batch, &outcome)?;
    // A retry of the same batch is told again.
    ledger.settle(batch, &outcome)?;
    for (at, (person, organization, fields)) in (0u32..).zip(lines) {
        let line = json!({"vendor": vendor, "day": day, "person": person, "organization": organization, "is_event": true,
            "delivered": confirmed.contains(&at), "fields": fields});
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().context("usage: recount DIR [SEED]")?);
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let mut random = Random(seed);
    let permit = seeded::permit(&dir, Day(FIRST), "recount")?;
    let options = LedgerOptions::new(dir.join("ledger"));
    let mut ledger = Ledger::open(options.clone())?;
    let mut sends = std::io::BufWriter::new(std::fs::File::create(dir.join("sends.jsonl"))?);
    for day in 0..75 {
        for _ in 0..3 {
            send(&ledger, &mut random, day, &mut sends)?;
        }
        match random.below(6) {
            0 => ledger.checkpoint()?,
            1 => {
                drop(ledger);
                ledger = Ledger::open(options.clone())?;
            }
            _ => {}
        }
    }
    sends.flush()?;
    let mut pick = || PersonNumber(random.below(900) as u32);
    let links: Vec<_> = (0..250).map(|_| (pick(), pick())).collect();
    let merges = MergeMap::from_links(&links);
    let mut answers = Vec::new();
    for vendor in VENDORS {
        for (since, until) in [(0, 74), (0, 0), (10, 16), (3, 33), (20, 60), (80, 90)] {
            let request = RadiusRequest {
                vendor: VendorId::from(vendor),
                since: Day(FIRST + since),
                until: Day(FIRST + until),
                basis: Basis::Sent,
                retention_verified_days: None,
                retention_claimed_days: None,
                known: Category::all().collect(),
            };
            answers.push(ledger.radius(&permit, &request, &merges, &Coverage::default())?);
        }
    }
    ledger.verify()?;
    let write = |name: &str, text: String| std::fs::write(dir.join(name), text);
    write("merges.json", serde_json::to_string(&links)?)?;
    write("radius.json", serde_json::to_string(&answers)?)?;
    println!(
        "seed {seed}: {} answers in {}",
        answers.len(),
        dir.display()
    );
    Ok(())
}
