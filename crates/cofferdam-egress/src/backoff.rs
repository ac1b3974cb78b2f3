//! How long to wait before the next attempt.
//!
//! Invariant: never shorter than the vendor's Retry-After (within its cap), never shorter than half of the step.

use crate::EgressLimits;
use cofferdam_model::Entropy;
use std::time::Duration;

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn failures(self) -> u32 {
        self.failures
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure and says how long to wait: the step doubles from the least to the most wait, half of it is jitter.
    pub(crate) fn next(
        &mut self,
        limits: &EgressLimits,
        retry_after: Option<Duration>,
        entropy: &dyn Entropy,
    ) -> Duration {
        let doubled = limits
            .backoff_min
            .saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let step = doubled.min(limits.backoff_max);
        let mut bytes = [0u8; 4];
        entropy.fill(&mut bytes);
        let share = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
        let wait = step.mul_f64(0.5 + share / 2.0);
        match retry_after {
            Some(asked) => asked.min(limits.retry_after_max) + wait / 4,
            None => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use crate::EgressLimits;
    use cofferdam_model::Entropy;
    use std::time::Duration;

    #[derive(Debug)]
    struct Fixed(u8);
    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn it_doubles_from_two_seconds_to_sixty_with_jitter_below() {
        let limits = EgressLimits::default();
        let waits = |byte| {
            let mut backoff = Backoff::default();
            (0..8)
                .map(|_| {
                    backoff
                        .next(&limits, None, &Fixed(byte))
                        .as_secs_f64()
                        .round()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(255), [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
        assert_eq!(waits(0), [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    }

    #[test]
    fn retry_after_is_honoured_and_capped() {
        let limits = EgressLimits::default();
        let mut backoff = Backoff::default();
        assert!(
            backoff.next(&limits, Some(Duration::from_secs(90)), &Fixed(0))
                >= Duration::from_secs(90)
        );
        let capped = backoff.next(&limits, Some(Duration::from_secs(1_000_000)), &Fixed(255));
        assert!(capped <= limits.retry_after_max + limits.backoff_max);
        backoff.reset();
        assert_eq!(backoff.failures(), 0);
    }
}
