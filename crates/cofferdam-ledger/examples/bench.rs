//! Size and speed of the ledger on a data set of stated shape: `cargo run --release -p cofferdam-ledger --example bench [PEOPLE] [DIR]`.
//!
//! PEOPLE (default 1,000,000; the full figure is 10,000,000) × 20 vendors × 3–12 fields × 365 days. Vendor v reaches 5 to 60 % of
//! the people; each of them is sent on about 6 days, skewed; a third of the fields is lacked by an eighth of the people; 0.5 % of
//! the sends are never confirmed. 20 % of the people are merged after exposure. CPU time is this thread's, from the kernel.

#![expect(clippy::indexing_slicing, reason = "a tool with fixed tables")]

use anyhow::Context;
use cofferdam_access::{Permit, ReadRadius};
use cofferdam_audit::Audit;
use cofferdam_ledger::{
    Basis, Coverage, FieldKey, FieldSetId, Ledger, LedgerOptions, PossibleItem, RadiusRequest,
    Routing, SentRecord,
};
use cofferdam_model::{
    Category, Clock, Day, Entropy, Form, MergeMap, PersonNumber, TimestampMs, VendorId,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const VENDORS: u32 = 20;
/// 2025-01-01.
const FIRST: i32 = 20_089;
const DAYS: i32 = 365;

/// SplitMix64, the data set's only randomness.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in 0..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn fields_of(vendor: u32) -> u32 {
    3 + (7 * vendor) % 10
}

fn vendor_id(vendor: u32) -> VendorId {
    VendorId::from(format!("vendor-{vendor}").as_str())
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

struct Vendor {
    number: u32,
    id: VendorId,
    /// Field set by lacked fields.
    sets: Vec<FieldSetId>,
}

impl Vendor {
    fn new(ledger: &Ledger, number: u32) -> anyhow::Result<Self> {
        let categories: Vec<Category> = Category::all().filter(|c| !c.is_protected()).collect();
        let fields = fields_of(number);
        let mut sets = Vec::with_capacity(1 << fields);
        for bits in 0..1u32 << fields {
            let keys: Vec<FieldKey> = (0..fields)
                .filter(|field| bits >> field & 1 == 0)
                .map(|field| FieldKey {
                    path: Arc::from(format!("properties.field_{field}")),
                    category: categories[field as usize / 2],
                    form: Form::Clear,
                })
                .collect();
            sets.push(ledger.field_set(&keys)?);
        }
        Ok(Self {
            number,
            id: vendor_id(number),
            sets,
        })
    }

    /// The people sent on a day, ascending.
    fn day(&self, people: u32, day: i32) -> Vec<u32> {
        let reach = f64::from(people) * (5.0 + 55.0 * f64::from(self.number) / 19.0) / 100.0;
        let mut random = Random(u64::from(self.number) << 32 | day as u64);
        let draws = (reach * 6.0 / f64::from(DAYS)) as u32;
        let mut sent: Vec<u32> = (0..draws)
            .map(|_| {
                let rank = (random.unit().powf(1.7) * reach) as u64;
                // Scattered over the numbers, one to one.
                (rank * 6_700_417 % u64::from(people)) as u32
            })
            .collect();
        sent.sort_unstable();
        sent.dedup();
        sent
    }
}

#[derive(Debug)]
struct Now;

impl Clock for Now {
    fn now(&self) -> TimestampMs {
        Day(FIRST).start()
    }
}

#[derive(Debug)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = mix(self.0.fetch_add(1, Ordering::Relaxed)) as u8;
        }
    }
}

/// CPU time of this thread so far, ms.
fn cpu_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    ns.unwrap_or(f64::NAN) / 1e6
}

fn build(ledger: &Ledger, people: u32) -> anyhow::Result<(u64, u64)> {
    let (mut sends, mut rows) = (0u64, 0u64);
    for number in 0..VENDORS {
        let vendor = Vendor::new(ledger, number)?;
        let mut tick = Random(u64::from(number));
        let records = (0..DAYS).flat_map(|day| {
            vendor
                .day(people, day)
                .into_iter()
                .map(move |person| (day, person))
        });
        let records = records.map(|(day, person)| {
            let lacked = lacks(number, person);
            rows += u64::from(fields_of(number) - lacked.count_ones());
            SentRecord {
                vendor: vendor.id.clone(),
                day: Day(FIRST + day),
                item: PossibleItem {
                    person: Some(PersonNumber(person)),
                    organization: None,
                    fields: vendor.sets[lacked as usize],
                    is_event: true,
                },
                delivered: !tick.next().is_multiple_of(200),
            }
        });
        sends += ledger.rebuild(records)?;
    }
    Ok((sends, rows))
}

fn merges(people: u32) -> MergeMap {
    let mut random = Random(77);
    let mut pick = || PersonNumber((random.next() % u64::from(people)) as u32);
    let links: Vec<_> = (0..people / 5).map(|_| (pick(), pick())).collect();
    MergeMap::from_links(&links)
}

fn permit(dir: &std::path::Path) -> anyhow::Result<Permit<ReadRadius>> {
    let entropy = Arc::new(Counting(AtomicU64::new(0)));
    let audit = Audit::open(&dir.join("audit"), Arc::new(Now), entropy)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(Permit::for_system(&audit, "bench"))?)
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let people: u32 = match arguments.next() {
        Some(people) => people.parse().context("PEOPLE is a number")?,
        None => 1_000_000,
    };
    let dir = match arguments.next() {
        Some(dir) => PathBuf::from(dir),
        None => std::env::temp_dir().join(format!("cofferdam-ledger-bench-{people}")),
    };
    std::fs::create_dir_all(dir.join("audit"))?;
    let permit = permit(&dir)?;
    let ledger = Ledger::open(LedgerOptions::new(dir.join("ledger")))?;
    if ledger.sizes()?.files == 0 {
        let start = cpu_ms();
        let (sends, rows) = build(&ledger, people)?;
        println!(
            "built {sends} sends, {rows} rows in {:.1} CPU s",
            (cpu_ms() - start) / 1e3
        );
        let sizes = ledger.sizes()?;
        let per_row = |bytes: u64| bytes as f64 / rows as f64;
        println!(
            "days {:.1} MB = {:.3} B per row (bar 0.4); with month roll-ups {:.1} MB = {:.3} B per row (bar 0.6)",
            (sizes.bytes - sizes.rollup_bytes) as f64 / 1e6,
            per_row(sizes.bytes - sizes.rollup_bytes),
            sizes.bytes as f64 / 1e6,
            per_row(sizes.bytes)
        );
    }
    let merged = merges(people);
    println!("people merged into others: {}", merged.merged().len());
    // June 7 to 13, April, the year by whole months, a year that starts mid-month as far as there is data.
    let windows = [
        ("7 days", 157, 163),
        ("30 days", 90, 119),
        ("30 days across months", 100, 129),
        ("365 days, whole months", 0, 364),
        ("355 days, any window", 5, 359),
    ];
    for vendor in [10, 19] {
        for (name, from, to) in windows {
            for (how, map) in [("unmerged", &MergeMap::new()), ("20 % merged", &merged)] {
                measure(&ledger, &permit, vendor, (name, how), (from, to), map)?;
            }
        }
    }
    Ok(())
}

fn measure(
    ledger: &Ledger,
    permit: &Permit<ReadRadius>,
    vendor: u32,
    (name, how): (&str, &str),
    (from, to): (i32, i32),
    map: &MergeMap,
) -> anyhow::Result<()> {
    let coverage = Coverage {
        routing: Routing::Routed,
        complete_from: Some(Day(FIRST)),
        nothing_before: true,
        ..Coverage::default()
    };
    let request = RadiusRequest {
        vendor: vendor_id(vendor),
        since: Day(FIRST + from),
        until: Day(FIRST + to),
        basis: Basis::Sent,
        retention_verified_days: None,
        retention_claimed_days: None,
        known: Vec::new(),
    };
    let ask = || ledger.radius(permit, &request, map, &coverage);
    let start = cpu_ms();
    let radius = ask()?;
    let first = cpu_ms() - start;
    // The kernel accounts in ticks of milliseconds, so many runs are averaged.
    let (start, mut runs) = (cpu_ms(), 0);
    while runs < 5 || cpu_ms() - start < 300.0 {
        ask()?;
        runs += 1;
    }
    let mean = (cpu_ms() - start) / f64::from(runs);
    println!(
        "V{vendor} {name}, {how}: {mean:.1} CPU ms (first {first:.1}); {} people, {} possible only, {} fields",
        radius.people,
        radius.people_possible,
        radius.fields.len()
    );
    Ok(())
}
