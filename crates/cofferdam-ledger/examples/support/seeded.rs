//! What the tools of this crate share: seeded randomness, a clock that stands, and a permit.
//!
//! Invariant: equal seeds give equal data.

use cofferdam_access::{Permit, ReadRadius};
use cofferdam_audit::Audit;
use cofferdam_model::{Clock, Day, Entropy, TimestampMs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// SplitMix64's finalizer: a fixed scattering of 64 bits.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A clock that stands.
#[derive(Debug)]
struct Standing(Day);

impl Clock for Standing {
    fn now(&self) -> TimestampMs {
        self.0.start()
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

/// The permit to ask, from an audit log in `dir`; `who` is the tool.
pub(crate) fn permit(
    dir: &Path,
    today: Day,
    who: &'static str,
) -> anyhow::Result<Permit<ReadRadius>> {
    let audit = dir.join("audit");
    std::fs::create_dir_all(&audit)?;
    let entropy = Arc::new(Counting(AtomicU64::new(0)));
    let audit = Audit::open(&audit, Arc::new(Standing(today)), entropy)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(Permit::for_system(&audit, who))?)
}
