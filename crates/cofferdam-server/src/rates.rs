//! Rate limits at the door, per token and network, over fixed windows of the injected clock.
//!
//! Invariant: bounded memory: a window forgets everything at its end, and holds at most so many keys; beyond that, all share one.

use cofferdam_model::TimestampMs;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Most keys of one window; the rest share one count.
const KEYS_MAX: usize = 65_536;

/// The network of an address: /24 for IPv4, /48 for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network([u8; 6]);

impl Network {
    /// The network that limits are counted by.
    #[must_use]
    pub fn of(address: Option<IpAddr>) -> Self {
        let mut bytes = [0; 6];
        match address {
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                bytes = [4, a, b, c, 0, 0];
            }
            Some(IpAddr::V6(address)) => {
                for (byte, octet) in bytes.iter_mut().zip(address.octets()) {
                    *byte = octet;
                }
            }
            None => {}
        }
        Self(bytes)
    }
}

/// Counts per key in windows of fixed length.
#[derive(Debug)]
pub struct RateLimit<K> {
    window_ms: i64,
    max: u64,
    state: Mutex<Window<K>>,
}

#[derive(Debug)]
struct Window<K> {
    number: i64,
    counts: HashMap<K, u64>,
    others: u64,
}

impl<K: Hash + Eq> RateLimit<K> {
    /// At most `max` (0 = no limit) in each window of `window_ms`.
    #[must_use]
    pub fn new(max: u64, window_ms: i64) -> Self {
        let state = Mutex::new(Window {
            number: i64::MIN,
            counts: HashMap::new(),
            others: 0,
        });
        Self {
            window_ms,
            max,
            state,
        }
    }

    /// Whether there is a limit at all; without one nothing need be counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.max > 0
    }

    /// Takes `amount` if the limit allows; all or nothing.
    pub fn take(&self, key: K, amount: u64, now: TimestampMs) -> bool {
        self.room(key, now, |used| {
            (self.max == 0 || used + amount <= self.max).then_some(amount)
        })
        .is_some()
    }

    /// How much more the key may take in this window; `u64::MAX` without a limit.
    pub fn left(&self, key: K, now: TimestampMs) -> u64 {
        if self.max == 0 {
            return u64::MAX;
        }
        let mut left = 0;
        self.room(key, now, |used| {
            left = self.max.saturating_sub(used);
            None
        });
        left
    }

    /// Counts `amount` whether or not the limit allows it.
    pub fn count(&self, key: K, amount: u64, now: TimestampMs) {
        self.room(key, now, |_| Some(amount));
    }

    fn room(
        &self,
        key: K,
        now: TimestampMs,
        decide: impl FnOnce(u64) -> Option<u64>,
    ) -> Option<u64> {
        let mut window = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.0.div_euclid(self.window_ms);
        if number != window.number {
            *window = Window {
                number,
                counts: HashMap::new(),
                others: 0,
            };
        }
        let full = window.counts.len() >= KEYS_MAX && !window.counts.contains_key(&key);
        let window = &mut *window;
        let slot = if full {
            &mut window.others
        } else {
            window.counts.entry(key).or_default()
        };
        let taken = decide(*slot)?;
        *slot += taken;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::RateLimit;
    use cofferdam_model::TimestampMs;

    #[test]
    fn a_window_takes_all_or_nothing_and_forgets_at_its_end() {
        let limit = RateLimit::new(10, 60_000);
        assert!(limit.take("a", 6, TimestampMs(0)));
        assert!(!limit.take("a", 5, TimestampMs(59_999)));
        assert!(limit.take("a", 4, TimestampMs(59_999)));
        assert_eq!(limit.left("a", TimestampMs(59_999)), 0);
        assert!(limit.take("b", 10, TimestampMs(59_999)));
        assert!(limit.take("a", 10, TimestampMs(60_000)));
        assert!(RateLimit::new(0, 1).take("a", u64::MAX, TimestampMs(0)));
    }
}
