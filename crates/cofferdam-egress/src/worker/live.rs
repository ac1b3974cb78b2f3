//! What is known of a vendor's delivery right now, in memory.

use crate::feed::FieldCounts;
use crate::{SendState, WithheldCount};
use cofferdam_model::TimestampMs;
use std::collections::VecDeque;

/// The volatile half of a vendor's status.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) state: SendState,
    pub(crate) last_success: Option<TimestampMs>,
    pub(crate) last_error: Option<&'static str>,
    pub(crate) last_status: Option<u16>,
    pub(crate) failures: u32,
    pub(crate) next_attempt: Option<TimestampMs>,
    /// Items delivered by second.
    recent: VecDeque<(i64, u64)>,
    pub(crate) withheld: FieldCounts,
    pub(crate) would_withhold: FieldCounts,
    /// Journal bytes of a record, of what was read last.
    pub(crate) record_bytes: Option<u64>,
}

const WINDOW_S: i64 = 60;

impl Live {
    pub(crate) fn fail(&mut self, state: SendState, code: &'static str, status: Option<u16>) {
        self.state = state;
        self.last_error = Some(code);
        self.last_status = status;
    }

    pub(crate) fn succeed(&mut self, now: TimestampMs, items: u64) {
        self.state = SendState::Sending;
        self.failures = 0;
        self.next_attempt = None;
        self.last_success = Some(now);
        let second = now.0.div_euclid(1000);
        match self.recent.back_mut() {
            Some((last, count)) if *last == second => *count += items,
            _ => self.recent.push_back((second, items)),
        }
        self.forget(second);
    }

    /// Items per second over the last minute.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    pub(crate) fn rate(&mut self, now: TimestampMs) -> f64 {
        self.forget(now.0.div_euclid(1000));
        self.recent.iter().map(|(_, count)| *count).sum::<u64>() as f64 / WINDOW_S as f64
    }

    fn forget(&mut self, second: i64) {
        while self
            .recent
            .front()
            .is_some_and(|(oldest, _)| *oldest <= second - WINDOW_S)
        {
            self.recent.pop_front();
        }
    }
}

/// The counts, most frequent first.
pub(crate) fn ranked(counts: &FieldCounts) -> Vec<WithheldCount> {
    let mut out: Vec<WithheldCount> = counts
        .iter()
        .map(|((field, refusal), count)| WithheldCount {
            field: std::sync::Arc::clone(field),
            refusal: *refusal,
            count: *count,
        })
        .collect();
    out.sort_by(|one, other| {
        other
            .count
            .cmp(&one.count)
            .then_with(|| one.field.cmp(&other.field))
    });
    out
}
