//! When a digest is due next.
//!
//! Invariant: once for each day or week of the time zone, also where a clock change skips or repeats the hour: a skipped hour is the
//! first after the gap, of a repeated one it is the first.

use super::{DigestDay, DigestDraft, DigestEvery};
use cofferdam_model::TimestampMs;
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// The first due time after `now`; `None` beyond the calendar.
pub(super) fn next(digest: &DigestDraft, zone: &TimeZone, now: TimestampMs) -> Option<TimestampMs> {
    let today = Timestamp::from_millisecond(now.0)
        .ok()?
        .to_zoned(zone.clone())
        .date();
    let hour = i8::try_from(digest.hour).ok()?;
    let mut day = today;
    // A week and a day: today's hour may be over.
    for _ in 0..=7 {
        let is_day = match (digest.every, digest.weekday) {
            (DigestEvery::Daily, _) => true,
            (DigestEvery::Weekly, weekday) => {
                weekday.is_some_and(|wanted| day.weekday() == wanted.into())
            }
        };
        if is_day {
            // "Compatible": after a gap, and the first of two.
            let due = day.at(hour, 0, 0, 0).to_zoned(zone.clone()).ok()?;
            let due = TimestampMs(due.timestamp().as_millisecond());
            if due > now {
                return Some(due);
            }
        }
        day = day.tomorrow().ok()?;
    }
    None
}

impl From<DigestDay> for Weekday {
    fn from(day: DigestDay) -> Self {
        match day {
            DigestDay::Monday => Self::Monday,
            DigestDay::Tuesday => Self::Tuesday,
            DigestDay::Wednesday => Self::Wednesday,
            DigestDay::Thursday => Self::Thursday,
            DigestDay::Friday => Self::Friday,
            DigestDay::Saturday => Self::Saturday,
            DigestDay::Sunday => Self::Sunday,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::next;
    use crate::boards::digest::DigestDraft;
    use cofferdam_model::TimestampMs;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use serde_json::json;

    #[test]
    fn a_digest_is_due_once_a_day_or_week_of_its_time_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        // Hour and weekday; now; the next three times.
        let cases = [
            (
                7,
                None,
                "2026-06-01T04:59:59Z",
                [
                    "2026-06-01T05:00:00Z",
                    "2026-06-02T05:00:00Z",
                    "2026-06-03T05:00:00Z",
                ],
            ),
            (
                7,
                None,
                "2026-06-01T05:00:00Z",
                [
                    "2026-06-02T05:00:00Z",
                    "2026-06-03T05:00:00Z",
                    "2026-06-04T05:00:00Z",
                ],
            ),
            (
                7,
                Some("monday"),
                "2026-06-01T05:00:00Z",
                [
                    "2026-06-08T05:00:00Z",
                    "2026-06-15T05:00:00Z",
                    "2026-06-22T05:00:00Z",
                ],
            ),
            // On 29 March there is no 02:00 in Berlin; from then on it is an hour earlier in UTC.
            (
                2,
                None,
                "2026-03-27T12:00:00Z",
                [
                    "2026-03-28T01:00:00Z",
                    "2026-03-29T01:00:00Z",
                    "2026-03-30T00:00:00Z",
                ],
            ),
            // On 25 October there is 02:00 twice.
            (
                2,
                None,
                "2026-10-24T12:00:00Z",
                [
                    "2026-10-25T00:00:00Z",
                    "2026-10-26T01:00:00Z",
                    "2026-10-27T01:00:00Z",
                ],
            ),
            (
                7,
                Some("sunday"),
                "2026-10-24T12:00:00Z",
                [
                    "2026-10-25T06:00:00Z",
                    "2026-11-01T06:00:00Z",
                    "2026-11-08T06:00:00Z",
                ],
            ),
        ];
        for (hour, weekday, now, expected) in cases {
            let every = if weekday.is_some() { "weekly" } else { "daily" };
            let digest: DigestDraft = serde_json::from_value(
                json!({ "project": "p", "name": "n", "dashboard": 1, "every": every,
                "weekday": weekday, "hour": hour, "recipients": [] }),
            )
            .unwrap();
            let mut now = TimestampMs(now.parse::<Timestamp>().unwrap().as_millisecond());
            for expected in expected {
                now = next(&digest, &zone, now).unwrap();
                assert_eq!(
                    Timestamp::from_millisecond(now.0).unwrap().to_string(),
                    expected
                );
            }
        }
    }
}
