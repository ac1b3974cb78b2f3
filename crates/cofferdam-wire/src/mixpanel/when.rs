//! Times as SDKs send them: seconds or milliseconds, as a number, as text, or as an ISO date.
//!
//! Invariant: what cannot be a time is `None`; the caller counts it and takes the time of receipt.

use cofferdam_model::{Day, TimestampMs, Value};

/// Numbers from here on are milliseconds: as seconds they would lie beyond the year 5000.
const MS_FROM: f64 = 1e11;
/// Numbers from here on are no time: as milliseconds they lie beyond the year 5000.
const NO_TIME_FROM: f64 = 1e14;
const MS_PER_MINUTE: i64 = 60_000;

/// Reads a time; `None` where the value is none.
pub(super) fn time_of(value: &Value<'_>) -> Option<TimestampMs> {
    match value {
        Value::Int(number) => of_number(*number as f64),
        Value::Float(number) => of_number(*number),
        Value::Text(text) => {
            let text = text.trim();
            text.parse().ok().map_or_else(|| of_iso(text), of_number)
        }
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Object(_) => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked against NO_TIME_FROM"
)]
fn of_number(number: f64) -> Option<TimestampMs> {
    let size = number.abs();
    if !size.is_finite() || size >= NO_TIME_FROM {
        return None;
    }
    let ms = if size >= MS_FROM {
        number
    } else {
        number * 1000.0
    };
    Some(TimestampMs(ms.round() as i64))
}

/// `YYYY-MM-DD`, then optionally `T` or a space, `HH:MM[:SS[.fff]]` and `Z` or an offset. Without offset it is UTC.
fn of_iso(text: &str) -> Option<TimestampMs> {
    let (date, rest) = text.split_at_checked(10)?;
    let midnight = Day::parse(date)?.start().0;
    if rest.is_empty() {
        return Some(TimestampMs(midnight));
    }
    let clock = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, offset_ms) = split_offset(clock)?;
    let mut parts = clock.splitn(3, ':');
    let hours = digits(parts.next()?, 23)?;
    let minutes = digits(parts.next()?, 59)?;
    let (seconds, ms) = match parts.next() {
        None => (0, 0),
        Some(text) => match text.split_once(['.', ',']) {
            None => (digits(text, 60)?, 0),
            Some((whole, fraction)) => (digits(whole, 60)?, milliseconds(fraction)?),
        },
    };
    Some(TimestampMs(
        midnight + (hours * 60 + minutes) * MS_PER_MINUTE + seconds * 1000 + ms - offset_ms,
    ))
}

/// The clock time without its zone, and the zone's distance from UTC in milliseconds.
fn split_offset(clock: &str) -> Option<(&str, i64)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = clock.rfind(['+', '-']) else {
        return Some((clock, 0));
    };
    let (clock, offset) = clock.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = offset.get(1..)?;
    let (hours, minutes) = offset
        .split_once(':')
        .or_else(|| offset.split_at_checked(2))?;
    let minutes = if minutes.is_empty() {
        0
    } else {
        digits(minutes, 59)?
    };
    Some((
        clock,
        sign * (digits(hours, 23)? * 60 + minutes) * MS_PER_MINUTE,
    ))
}

fn digits(text: &str, max: i64) -> Option<i64> {
    if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= max)
}

fn milliseconds(fraction: &str) -> Option<i64> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let three: String = fraction.chars().chain("00".chars()).take(3).collect();
    three.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_that_sdks_send() {
        let text = |text: &'static str| Value::Text(text.into());
        let table = [
            (Value::Int(1_700_000_000), Some(1_700_000_000_000)),
            (Value::Int(1_700_000_000_123), Some(1_700_000_000_123)),
            (Value::Float(1_795_314_864.849), Some(1_795_314_864_849)),
            (Value::Int(0), Some(0)),
            (Value::Int(-1), Some(-1000)),
            (Value::Int(946_684_799_000), Some(946_684_799_000)),
            (text("1700000000"), Some(1_700_000_000_000)),
            (text(" 1700000000.5 "), Some(1_700_000_000_500)),
            (text("2024-01-02T03:04:05"), Some(1_704_164_645_000)),
            (text("2024-01-02T03:04:05.5Z"), Some(1_704_164_645_500)),
            (text("2024-01-02 03:04:05.123456"), Some(1_704_164_645_123)),
            (text("2024-01-02T03:04+01:00"), Some(1_704_161_040_000)),
            (text("2024-01-02T03:04:05-0130"), Some(1_704_170_045_000)),
            (text("2024-01-02"), Some(1_704_153_600_000)),
            (text("2024-02-30"), None),
            (text("2024-03-00"), None),
            (text("2024-01-02T25:00"), None),
            (text("yesterday"), None),
            (text("NaN"), None),
            (text(""), None),
            (Value::Float(1e15), None),
            (Value::Int(i64::MAX), None),
            (Value::Bool(true), None),
            (Value::Null, None),
        ];
        for (value, expected) in table {
            assert_eq!(time_of(&value).map(|time| time.0), expected, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = time_of(&Value::Text(text.into()));
        }

        #[test]
        fn near_dates_do_not_panic(text in "20[0-9-]{2}-[01][0-9]-[0-3][0-9][T é+-]?[0-9:.+Zé-]{0,14}") {
            let _ = time_of(&Value::Text(text.into()));
        }
    }
}
