//! The bench's data: who was sent what on which day, the same for every engine that is asked.
//!
//! PEOPLE × 20 vendors × 3 to 12 fields × 365 days. Vendor v reaches 5 to 60 % of the people; each of them is sent on about 6
//! days, skewed; a third of the fields is lacked by an eighth of the people; 0.5 % of the sends are never confirmed.

use crate::seeded::{Random, mix};
use anyhow::Context;
use cofferdam_ledger::{FieldKey, FieldSetId, Ledger, PossibleItem, SentRecord};
use cofferdam_model::{Category, Day, Form, MergeMap, PersonNumber, VendorId};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// How many vendors there are.
pub(crate) const VENDORS: u32 = 20;
/// 2025-01-01.
pub(crate) const FIRST: i32 = 20_089;
/// How many days there are.
pub(crate) const DAYS: i32 = 365;
/// The sample's vendors and days, as `ledger_sql.py` of the reference asks for them.
const SAMPLE: ([u32; 3], std::ops::Range<i32>) = ([0, 10, 19], 100..130);

fn fields_of(vendor: u32) -> u32 {
    3 + (7 * vendor) % 10
}

/// A vendor's id.
pub(crate) fn vendor_id(vendor: u32) -> VendorId {
    VendorId::from(format!("vendor-{vendor}").as_str())
}

/// Path of a field; its number is the path's end.
fn path_of(field: u32) -> String {
    format!("properties.field_{field}")
}

/// Number of a field by its path.
pub(crate) fn number_of(path: &str) -> anyhow::Result<u32> {
    let number = path.rsplit('_').next().context("a path without number")?;
    Ok(number.parse()?)
}

/// Which fields of a vendor a person lacks, as bits.
fn lacks(vendor: u32, person: u32) -> u32 {
    let mut bits = 0;
    for field in (0..fields_of(vendor)).step_by(3) {
        let hash = mix(u64::from(person) << 16 | u64::from(vendor) << 8 | u64::from(field));
        bits |= u32::from(hash.is_multiple_of(8)) << field;
    }
    bits
}

/// The people sent to a vendor on a day, ascending.
fn sent(people: u32, vendor: u32, day: i32) -> Vec<u32> {
    let reach = f64::from(people) * (5.0 + 55.0 * f64::from(vendor) / 19.0) / 100.0;
    let mut random = Random(u64::from(vendor) << 32 | day as u64);
    let draws = (reach * 6.0 / f64::from(DAYS)) as u32;
    let mut sent: Vec<u32> = (0..draws)
        .map(|_| {
            // Uniform in 0..1.
            let unit = (random.next() >> 11) as f64 / (1u64 << 53) as f64;
            let rank = (unit.powf(1.7) * reach) as u64;
            // Scattered over the numbers, one to one.
            (rank * 6_700_417 % u64::from(people)) as u32
        })
        .collect();
    sent.sort_unstable();
    sent.dedup();
    sent
}

/// Field sets of a vendor, by lacked fields.
fn field_sets(ledger: &Ledger, vendor: u32) -> anyhow::Result<Vec<FieldSetId>> {
    let categories: Vec<Category> = Category::all().filter(|c| !c.is_protected()).collect();
    let fields = fields_of(vendor);
    let sets = (0..1u32 << fields).map(|bits| {
        let keys: Vec<FieldKey> = (0..fields)
            .filter(|field| bits >> field & 1 == 0)
            .map(|field| FieldKey {
                path: Arc::from(path_of(field)),
                category: categories[field as usize / 2],
                form: Form::Clear,
            })
            .collect();
        Ok(ledger.field_set(&keys)?)
    });
    sets.collect()
}

/// Fills a ledger. Returns the sends and the (person, vendor, field, day) rows.
pub(crate) fn build(ledger: &Ledger, people: u32) -> anyhow::Result<(u64, u64)> {
    let (mut sends, mut rows) = (0u64, 0u64);
    for vendor in 0..VENDORS {
        let sets = field_sets(ledger, vendor)?;
        let mut tick = Random(u64::from(vendor));
        let records = (0..DAYS)
            .flat_map(|day| sent(people, vendor, day).into_iter().map(move |p| (day, p)))
            .map(|(day, person)| {
                let lacked = lacks(vendor, person);
                rows += u64::from(fields_of(vendor) - lacked.count_ones());
                SentRecord {
                    vendor: vendor_id(vendor),
                    day: Day(FIRST + day),
                    item: PossibleItem {
                        person: Some(PersonNumber(person)),
                        organization: None,
                        fields: sets[lacked as usize],
                        is_event: true,
                    },
                    delivered: tick.below(200) != 0,
                }
            });
        sends += ledger.rebuild(records)?;
    }
    Ok((sends, rows))
}

/// Writes the sample's rows: person u32, vendor u8, field u8, day u16, little-endian. Returns how many.
pub(crate) fn write_sample(path: &Path, people: u32) -> anyhow::Result<u64> {
    let mut rows = 0;
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    for vendor in SAMPLE.0 {
        for day in SAMPLE.1 {
            for person in sent(people, vendor, day) {
                let lacked = lacks(vendor, person);
                for field in (0..fields_of(vendor)).filter(|field| lacked >> field & 1 == 0) {
                    out.write_all(&person.to_le_bytes())?;
                    out.write_all(&[vendor as u8, field as u8])?;
                    out.write_all(&(day as u16).to_le_bytes())?;
                    rows += 1;
                }
            }
        }
    }
    out.flush()?;
    Ok(rows)
}

/// A fifth of the people are merged, each with somebody.
pub(crate) fn merges(people: u32) -> MergeMap {
    let mut random = Random(77);
    let mut pick = || PersonNumber(random.below(u64::from(people)) as u32);
    let links: Vec<_> = (0..people / 5).map(|_| (pick(), pick())).collect();
    MergeMap::from_links(&links)
}
