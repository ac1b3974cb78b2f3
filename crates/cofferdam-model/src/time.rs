//! Points in time and calendar days, both UTC, both plain numbers.
//!
//! Time zones with DST are the query crate's business; everything stored or sent uses these.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds in a UTC day.
pub const MS_PER_DAY: i64 = 86_400_000;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TimestampMs(pub i64);

impl TimestampMs {
    /// The UTC day that this instant lies in.
    #[must_use]
    pub fn day(self) -> Day {
        Day(i32::try_from(self.0.div_euclid(MS_PER_DAY)).unwrap_or(i32::MAX))
    }
}

/// Days since 1970-01-01, UTC. Displays and parses as `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The first instant of the day.
    #[must_use]
    pub fn start(self) -> TimestampMs {
        TimestampMs(i64::from(self.0) * MS_PER_DAY)
    }

    /// Parses `YYYY-MM-DD`; `None` where the text is not a day of the proleptic Gregorian calendar.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
            return None;
        }
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let parsed = Self::from_civil(year.parse().ok()?, month, day);
        (parsed.to_string() == text).then_some(parsed)
    }

    /// Day number of a civil date (H. Hinnant's `days_from_civil`).
    fn from_civil(year: i32, month: u32, day: u32) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_shifted = (month + 9) % 12;
        let day_of_year = (153 * month_shifted + 2) / 5 + day - 1;
        let day_of_era =
            year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year.cast_signed();
        Self(era * 146_097 + day_of_era - 719_468)
    }

    /// Year, month, day of this day number (H. Hinnant's `civil_from_days`).
    #[must_use]
    pub fn civil(self) -> (i32, u32, u32) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_shifted = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month_shifted + 2) / 5 + 1).cast_unsigned();
        let month = if month_shifted < 10 {
            month_shifted + 3
        } else {
            month_shifted - 9
        }
        .cast_unsigned();
        let year = year_of_era + era * 400 + i32::from(month <= 2);
        (year, month, day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected a day as YYYY-MM-DD"))
    }
}

#[cfg(test)]
mod tests {
    use super::Day;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        assert_eq!(Day(0).to_string(), "1970-01-01");
        assert_eq!(Day::parse("2024-02-29"), Some(Day(19_782)));
        assert_eq!(Day::parse("2023-02-29"), None);
        assert_eq!(Day::parse("2023-2-09"), None);
        for never in [
            "2000-03-00",
            "2000-00-01",
            "2000-13-01",
            "2000-01-32",
            "0000-00-00",
        ] {
            assert_eq!(Day::parse(never), None);
        }
    }

    proptest! {
        #[test]
        fn display_and_parse_agree(number in -700_000..2_900_000) {
            prop_assert_eq!(Day::parse(&Day(number).to_string()), Some(Day(number)));
        }
    }
}
