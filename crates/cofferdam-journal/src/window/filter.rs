//! A blocked Bloom filter: 13 bits a key, 7 probes inside one cache line, about one false hit in 250.
//!
//! Built while a run is written, kept in memory while the run lives, stored in the run's file.
//! Invariant: never says no to a key that was added.

use crate::Key;

const BITS_PER_KEY: usize = 13;
const PROBES: u32 = 7;
const BLOCK_BITS: usize = 512;

/// One cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Block([u64; 8]);

#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    blocks: Vec<Block>,
}

/// Where a key's bits are, for filters of any size; computed once for many filters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    place: u64,
    bits: u64,
}

impl Probe {
    /// Keys are mixed again: they are opaque, and may not be random.
    pub(crate) fn new(key: &Key) -> Self {
        let number = u128::from_le_bytes(*key);
        let low = number as u64;
        let high = (number >> 64) as u64;
        let place = fold(low ^ 0x9e37_79b9_7f4a_7c15, high ^ 0xd1b5_4a32_d192_ed03);
        let bits = fold(place ^ 0x8bb8_4b93_962e_acc9, low ^ 0x4b33_a62e_d433_d4a3);
        Self { place, bits }
    }
}

fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

impl Filter {
    /// A filter with room for `keys`.
    pub(crate) fn with_room(keys: u64) -> Self {
        let blocks = (keys as usize * BITS_PER_KEY).div_ceil(BLOCK_BITS).max(1);
        Self {
            blocks: vec![Block::default(); blocks],
        }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut blocks = Vec::with_capacity(bytes.len() / 64);
        for line in bytes.chunks_exact(64) {
            let mut block = Block::default();
            for (word, eight) in block.0.iter_mut().zip(line.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*eight);
            }
            blocks.push(block);
        }
        Self { blocks }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let words = self.blocks.iter().flat_map(|block| block.0);
        words.flat_map(u64::to_le_bytes).collect()
    }

    /// Bytes in memory and in the file.
    pub(crate) fn size(&self) -> usize {
        self.blocks.len() * size_of::<Block>()
    }

    pub(crate) fn add(&mut self, key: &Key) {
        let probe = Probe::new(key);
        let place = self.place(probe);
        if let Some(block) = self.blocks.get_mut(place) {
            for index in bit_indices(probe) {
                if let Some(word) = block.0.get_mut(index >> 6) {
                    *word |= 1 << (index & 63);
                }
            }
        }
    }

    #[inline]
    pub(crate) fn may_contain(&self, probe: Probe) -> bool {
        self.blocks.get(self.place(probe)).is_some_and(|block| {
            bit_indices(probe).all(|index| {
                block
                    .0
                    .get(index >> 6)
                    .is_some_and(|word| word & (1 << (index & 63)) != 0)
            })
        })
    }

    #[inline]
    fn place(&self, probe: Probe) -> usize {
        ((u128::from(probe.place) * self.blocks.len() as u128) >> 64) as usize
    }
}

#[inline]
fn bit_indices(probe: Probe) -> impl Iterator<Item = usize> {
    (0..PROBES).map(move |round| ((probe.bits >> (round * 9)) & 511) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        (u128::from(number).wrapping_mul(0x2545_f491_4f6c_dd1d_9e37_79b9_7f4a_7c15) | 1)
            .to_le_bytes()
    }

    #[test]
    fn knows_what_was_added_and_little_else() {
        let mut filter = Filter::with_room(100_000);
        for number in 0..100_000 {
            filter.add(&key(number));
        }
        let filter = Filter::from_bytes(&filter.to_bytes());
        assert!((0..100_000).all(|number| filter.may_contain(Probe::new(&key(number)))));
        let false_hits = (100_000..300_000)
            .filter(|number| filter.may_contain(Probe::new(&key(*number))))
            .count();
        assert!(false_hits < 1_600, "{false_hits} of 200,000");
        assert!(filter.size() * 8 <= 100_000 * 13 + 512);
    }
}
