//! Reads serialized roaring bitmaps (the portable format of the RoaringFormatSpec) container by container, without building them.
//!
//! Bytes come from month files whose checksum was verified; goes into dense chunks of 65,536 bits (`union.rs`).
//! Invariant: any bytes are read without a panic; bytes that do not parse end the view and mark it broken.

/// 65,536 bits.
pub(crate) type Chunk = [u64; 1024];

const COOKIE_NO_RUNS: u32 = 12_346;
const COOKIE_RUNS: u16 = 12_347;
const OFFSETS_FROM: usize = 4;
const ARRAY_MAX: usize = 4096;
const BITMAP_BYTES: usize = 8192;

/// One container's payload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Container<'a> {
    /// Sorted 16-bit values.
    Array(&'a [u8]),
    /// 1,024 words.
    Bits(&'a [u8]),
    /// Pairs of start and length minus one.
    Runs(&'a [u8]),
}

/// A cursor over a serialized bitmap.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    runs: &'a [u8],
    heads: &'a [u8],
    data: &'a [u8],
    at: usize,
    count: usize,
    broken: bool,
}

impl<'a> View<'a> {
    /// A view at the first container; `None` where the bytes are no serialized bitmap.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (cookie, rest) = bytes.split_first_chunk::<4>()?;
        let cookie = u32::from_le_bytes(*cookie);
        let (runs, count, rest): (&[u8], usize, &[u8]) = if cookie == COOKIE_NO_RUNS {
            let (count, rest) = rest.split_first_chunk::<4>()?;
            (&[], u32::from_le_bytes(*count) as usize, rest)
        } else if cookie & 0xffff == u32::from(COOKIE_RUNS) {
            let count = (cookie >> 16) as usize + 1;
            let (runs, rest) = rest.split_at_checked(count.div_ceil(8))?;
            (runs, count, rest)
        } else {
            return None;
        };
        let (heads, rest) = rest.split_at_checked(count.checked_mul(4)?)?;
        let has_offsets = runs.is_empty() || count >= OFFSETS_FROM;
        let skip = if has_offsets { count * 4 } else { 0 };
        let data = rest.get(skip..)?;
        Some(Self {
            runs,
            heads,
            data,
            at: 0,
            count,
            broken: false,
        })
    }

    /// Whether a container did not parse.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Key of the next container.
    #[inline]
    pub(crate) fn key(&self) -> Option<u16> {
        let head = self.heads.get(self.at * 4..self.at * 4 + 2)?;
        Some(u16::from_le_bytes(head.try_into().ok()?))
    }

    /// The container of `key`, if there is one; skips those before it.
    #[inline]
    pub(crate) fn seek(&mut self, key: u16) -> Option<Container<'a>> {
        loop {
            let next = self.key()?;
            if next > key {
                return None;
            }
            let container = self.next_container()?;
            if next == key {
                return Some(container);
            }
        }
    }

    fn next_container(&mut self) -> Option<Container<'a>> {
        let container = self.split();
        if container.is_none() {
            self.broken = true;
            self.at = self.count;
        } else {
            self.at += 1;
        }
        container
    }

    fn split(&mut self) -> Option<Container<'a>> {
        let head = self.heads.get(self.at * 4 + 2..self.at * 4 + 4)?;
        let cardinality = usize::from(u16::from_le_bytes(head.try_into().ok()?)) + 1;
        let is_run = self
            .runs
            .get(self.at / 8)
            .is_some_and(|byte| byte >> (self.at % 8) & 1 == 1);
        let (container, rest) = if is_run {
            let (count, rest) = self.data.split_first_chunk::<2>()?;
            let (pairs, rest) =
                rest.split_at_checked(usize::from(u16::from_le_bytes(*count)) * 4)?;
            (Container::Runs(pairs), rest)
        } else if cardinality <= ARRAY_MAX {
            let (values, rest) = self.data.split_at_checked(cardinality * 2)?;
            (Container::Array(values), rest)
        } else {
            let (words, rest) = self.data.split_at_checked(BITMAP_BYTES)?;
            (Container::Bits(words), rest)
        };
        self.data = rest;
        Some(container)
    }
}

impl Container<'_> {
    /// Sets the container's bits.
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "a 16-bit value divided by 64 is below the chunk's 1,024 words"
    )]
    pub(crate) fn set(self, chunk: &mut Chunk) {
        match self {
            Self::Array(values) => {
                for pair in values.as_chunks::<2>().0 {
                    let value = u16::from_le_bytes(*pair);
                    chunk[usize::from(value >> 6)] |= 1 << (value & 63);
                }
            }
            Self::Bits(words) => {
                for (word, bytes) in chunk.iter_mut().zip(words.as_chunks::<8>().0) {
                    *word |= u64::from_le_bytes(*bytes);
                }
            }
            Self::Runs(pairs) => each_run(pairs, |word, mask| chunk[word & 1023] |= mask),
        }
    }

    /// Clears the container's bits.
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "a 16-bit value divided by 64 is below the chunk's 1,024 words"
    )]
    pub(crate) fn clear(self, chunk: &mut Chunk) {
        match self {
            Self::Array(values) => {
                for pair in values.as_chunks::<2>().0 {
                    let value = u16::from_le_bytes(*pair);
                    chunk[usize::from(value >> 6)] &= !(1 << (value & 63));
                }
            }
            Self::Bits(words) => {
                for (word, bytes) in chunk.iter_mut().zip(words.as_chunks::<8>().0) {
                    *word &= !u64::from_le_bytes(*bytes);
                }
            }
            Self::Runs(pairs) => each_run(pairs, |word, mask| chunk[word & 1023] &= !mask),
        }
    }

    /// Whether the container holds the low 16 bits of a number.
    pub(crate) fn holds(self, low: u16) -> bool {
        match self {
            Self::Array(values) => values
                .as_chunks::<2>()
                .0
                .binary_search_by_key(&low, |pair| u16::from_le_bytes(*pair))
                .is_ok(),
            Self::Bits(words) => words
                .get(usize::from(low / 8))
                .is_some_and(|byte| byte >> (low % 8) & 1 == 1),
            Self::Runs(pairs) => pairs.as_chunks::<4>().0.iter().any(|pair| {
                let (start, more) = (
                    u16::from_le_bytes([pair[0], pair[1]]),
                    u16::from_le_bytes([pair[2], pair[3]]),
                );
                low >= start && low - start <= more
            }),
        }
    }
}

/// Calls with word and mask for every word that a run touches.
#[inline]
fn each_run(pairs: &[u8], mut apply: impl FnMut(usize, u64)) {
    for pair in pairs.as_chunks::<4>().0 {
        let start = u32::from(u16::from_le_bytes([pair[0], pair[1]]));
        let end = (start + u32::from(u16::from_le_bytes([pair[2], pair[3]]))).min(65_535);
        let (first, last) = (start / 64, end / 64);
        for word in first..=last {
            let low = if word == first { start % 64 } else { 0 };
            let high = if word == last { end % 64 } else { 63 };
            apply(word as usize, (u64::MAX >> (63 - high)) & (u64::MAX << low));
        }
    }
}

/// Whether a serialized bitmap holds a number; `None` where it is broken.
pub(crate) fn contains(bytes: &[u8], number: u32) -> Option<bool> {
    let mut view = View::new(bytes)?;
    let [low0, low1, high0, high1] = number.to_le_bytes();
    let container = view.seek(u16::from_le_bytes([high0, high1]));
    if view.is_broken() {
        return None;
    }
    Some(container.is_some_and(|container| container.holds(u16::from_le_bytes([low0, low1]))))
}

#[cfg(test)]
mod tests {
    use super::{View, contains};
    use proptest::prelude::*;
    use roaring::RoaringBitmap;

    fn bitmap() -> impl Strategy<Value = RoaringBitmap> {
        let spread = prop::collection::vec(0u32..400_000, 0..300);
        let runs = prop::collection::vec((0u32..400_000, 0u32..20_000), 0..4);
        let dense = prop::collection::vec(70_000u32..90_000, 0..9_000);
        (spread, runs, dense, any::<bool>()).prop_map(|(spread, runs, dense, optimize)| {
            let mut bitmap: RoaringBitmap = spread.into_iter().chain(dense).collect();
            for (start, len) in runs {
                bitmap.insert_range(start..start + len);
            }
            if optimize {
                bitmap.optimize();
            }
            bitmap
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_view_reads_what_roaring_wrote(bitmap in bitmap(), minus in bitmap(), probes in prop::collection::vec(0u32..430_000, 20)) {
            let (mut bytes, mut other) = (Vec::new(), Vec::new());
            bitmap.serialize_into(&mut bytes).unwrap();
            minus.serialize_into(&mut other).unwrap();
            let (mut view, mut minus_view) = (View::new(&bytes).unwrap(), View::new(&other).unwrap());
            let mut found = RoaringBitmap::new();
            for key in 0..8u16 {
                let mut chunk = [0u64; 1024];
                if let Some(container) = view.seek(key) { container.set(&mut chunk); }
                if let Some(container) = minus_view.seek(key) { container.clear(&mut chunk); }
                for (word, bits) in chunk.iter().enumerate() {
                    for bit in (0..64).filter(|bit| bits >> bit & 1 == 1) {
                        found.insert(u32::from(key) << 16 | (word as u32 * 64 + bit));
                    }
                }
            }
            prop_assert!(!view.is_broken());
            prop_assert_eq!(found, &bitmap - &minus);
            for probe in probes {
                prop_assert_eq!(contains(&bytes, probe), Some(bitmap.contains(probe)));
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, number: u32) {
            let _ = contains(&bytes, number);
        }
    }
}
