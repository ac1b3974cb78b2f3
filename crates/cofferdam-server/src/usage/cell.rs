//! What is kept of the requests of one minute or hour, key, organization and endpoint: counts, bytes, a histogram of latency.
//!
//! The buckets of the histogram grow by the eighth root of two: bucket 0 is below 1 ms, bucket `i` from `2^((i-1)/8)` to `2^(i/8)` ms.
//! A percentile is told as the geometric middle of its bucket, so it is at most 4.5 % off ([`PERCENTILE_ERROR`]).
//! Invariant: cells add up: of two batches the counts are those of both in one.

use std::collections::BTreeMap;

/// Buckets to a doubling.
const STEPS: f64 = 8.0;
/// How far a percentile from 1 ms on may be off, as a share of it.
pub(crate) const PERCENTILE_ERROR: f64 = 0.045;

/// Classes of errors, in the order of [`Cell::errors`].
pub(crate) const CLASSES: [&str; 5] = ["auth", "not_found", "rate_limited", "client", "server"];

/// Counts of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) requests: u64,
    /// By class: 401 and 403, 404, 429, other 4xx, 5xx.
    pub(crate) errors: [u64; 5],
    pub(crate) bytes: u64,
    latency: BTreeMap<u16, u64>,
}

impl Cell {
    /// Counts a request.
    pub(crate) fn count(&mut self, status: u16, latency_ms: f64, bytes: u64) {
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(class) = class(status).and_then(|class| self.errors.get_mut(class)) {
            *class += 1;
        }
        *self.latency.entry(bucket(latency_ms)).or_default() += 1;
    }

    /// Adds another cell.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes = self.bytes.saturating_add(other.bytes);
        for (mine, others) in self.errors.iter_mut().zip(other.errors) {
            *mine += others;
        }
        for (bucket, count) in &other.latency {
            *self.latency.entry(*bucket).or_default() += count;
        }
    }

    /// Requests that failed.
    pub(crate) fn failed(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// The latency that a share of the requests stayed below, milliseconds; `None` without requests.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among counts far below 2^53"
    )]
    pub(crate) fn percentile(&self, share: f64) -> Option<f64> {
        let rank = ((self.requests as f64 * share).ceil() as u64).max(1);
        let mut passed = 0;
        for (bucket, count) in &self.latency {
            passed += count;
            if passed >= rank {
                return Some(middle(*bucket));
            }
        }
        None
    }

    /// As bytes: counts as LEB128 numbers, then pairs of bucket and count.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + self.latency.len() * 3);
        let fixed = std::iter::once(self.requests)
            .chain(self.errors)
            .chain([self.bytes]);
        let pairs = self
            .latency
            .iter()
            .flat_map(|(bucket, count)| [u64::from(*bucket), *count]);
        for number in fixed.chain(pairs) {
            put(&mut bytes, number);
        }
        bytes
    }

    /// The cell of bytes; `None` where they are none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut cell = Self {
            requests: take(&mut rest)?,
            ..Self::default()
        };
        for class in &mut cell.errors {
            *class = take(&mut rest)?;
        }
        cell.bytes = take(&mut rest)?;
        while !rest.is_empty() {
            let bucket = u16::try_from(take(&mut rest)?).ok()?;
            cell.latency.insert(bucket, take(&mut rest)?);
        }
        Some(cell)
    }
}

fn class(status: u16) -> Option<usize> {
    match status {
        401 | 403 => Some(0),
        404 => Some(1),
        429 => Some(2),
        400..=499 => Some(3),
        500..=599 => Some(4),
        _ => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a day is below 2^27 ms, so a bucket below 217"
)]
fn bucket(latency_ms: f64) -> u16 {
    if latency_ms < 1.0 {
        return 0;
    }
    (latency_ms.log2() * STEPS).floor() as u16 + 1
}

/// The geometric middle of a bucket, milliseconds.
fn middle(bucket: u16) -> f64 {
    if bucket == 0 {
        return 0.5;
    }
    ((f64::from(bucket) - 0.5) / STEPS).exp2()
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Cell, PERCENTILE_ERROR};
    use proptest::prelude::*;

    #[test]
    fn errors_are_counted_by_class() {
        let mut cell = Cell::default();
        for status in [200, 301, 401, 403, 404, 429, 400, 422, 500, 503] {
            cell.count(status, 1.0, 10);
        }
        assert_eq!(
            (cell.requests, cell.errors, cell.failed(), cell.bytes),
            (10, [2, 1, 1, 2, 2], 8, 100)
        );
        assert_eq!(Cell::default().percentile(0.5), None);
    }

    proptest! {
        /// Against all latencies sorted: the percentile is within the stated error, and cells add up and survive their bytes.
        #[test]
        fn percentiles_keep_their_error(latencies in prop::collection::vec(1.0..80_000_000.0f64, 1..300), share in 0.01..1.0f64, cut in 0usize..300) {
            let mut sorted = latencies.clone();
            sorted.sort_by(f64::total_cmp);
            let rank = ((sorted.len() as f64 * share).ceil() as usize).max(1);
            let exact = sorted[rank - 1];
            let (mut one, mut other) = (Cell::default(), Cell::default());
            for (at, latency) in latencies.iter().enumerate() {
                if at < cut { one.count(200, *latency, 1) } else { other.count(503, *latency, 1) }
            }
            one.add(&Cell::decode(&other.encode()).unwrap());
            let told = one.percentile(share).unwrap();
            prop_assert!((told - exact).abs() <= exact * PERCENTILE_ERROR, "{told} for {exact}");
            prop_assert_eq!(Cell::decode(&one.encode()), Some(one));
        }
    }
}
