//! Days counted back from today, so that a kept report moves with the time.
//!
//! Invariant: days are local days of the report's time zone; a day that the calendar does not have is refused, not moved.

use crate::error::ApiError;
use cofferdam_model::{Day, TimestampMs};
use cofferdam_query::WeekStart;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most days that a relative range reaches back.
const DAYS_MAX: u32 = 3_660;

/// The last so many units, in the report's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RelativeRange {
    /// How many, from 1.
    pub last: u32,
    /// Of which length.
    pub unit: RangeUnit,
    /// Whether only units that are over count. Without, the one under way is the last of them, up to today.
    #[serde(default)]
    pub complete: bool,
}

/// Length of what a relative range counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RangeUnit {
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Months.
    Month,
    /// Quarters from January.
    Quarter,
    /// Years.
    Year,
}

impl RelativeRange {
    /// Refuses ranges that are empty or too long.
    ///
    /// # Errors
    /// [`ApiError`] naming `path`.
    pub(crate) fn check(self, path: &str) -> Result<(), ApiError> {
        let days = match self.unit {
            RangeUnit::Day => 1,
            RangeUnit::Week => 7,
            RangeUnit::Month => 30,
            RangeUnit::Quarter => 91,
            RangeUnit::Year => 365,
        };
        let max = DAYS_MAX / days;
        if (1..=max).contains(&self.last) {
            return Ok(());
        }
        Err(ApiError::invalid(
            &format!("{path}.last"),
            format!("it must be from 1 to {max} for this unit"),
        ))
    }

    /// First and last day, both inclusive, as of `now`.
    ///
    /// # Errors
    /// [`ApiError`] naming `range` where the calendar does not reach so far.
    pub(super) fn days(
        self,
        now: TimestampMs,
        zone: &TimeZone,
        week_start: WeekStart,
    ) -> Result<(Day, Day), ApiError> {
        self.dates(now, zone, week_start)
            .ok()
            .and_then(|(from, to)| Some((day(from)?, day(to)?)))
            .ok_or_else(|| ApiError::invalid("range", "the range is out of the calendar"))
    }

    fn dates(
        self,
        now: TimestampMs,
        zone: &TimeZone,
        week_start: WeekStart,
    ) -> Result<(Date, Date), jiff::Error> {
        let now = Timestamp::from_millisecond(now.0)?.to_zoned(zone.clone());
        let today = now.date();
        let present = self.unit.begin(today, week_start)?;
        let last = i64::from(self.last);
        Ok(if self.complete {
            let from = present.checked_sub(self.unit.span(last)?)?;
            (from, present.yesterday()?)
        } else {
            (present.checked_sub(self.unit.span(last - 1)?)?, today)
        })
    }
}

impl RangeUnit {
    /// The first day of the unit that a day is in.
    fn begin(self, day: Date, week_start: WeekStart) -> Result<Date, jiff::Error> {
        match self {
            Self::Day => Ok(day),
            Self::Month => Ok(day.first_of_month()),
            Self::Quarter => Date::new(day.year(), (day.month() - 1) / 3 * 3 + 1, 1),
            Self::Year => Ok(day.first_of_year()),
            Self::Week => {
                let back = match week_start {
                    WeekStart::Monday => day.weekday().to_monday_zero_offset(),
                    WeekStart::Sunday => day.weekday().to_sunday_zero_offset(),
                };
                day.checked_sub(Span::new().days(i64::from(back)))
            }
        }
    }

    fn span(self, count: i64) -> Result<Span, jiff::Error> {
        match self {
            Self::Day => Span::new().try_days(count),
            Self::Week => Span::new().try_weeks(count),
            Self::Month => Span::new().try_months(count),
            Self::Quarter => Span::new().try_months(count * 3),
            Self::Year => Span::new().try_years(count),
        }
    }
}

/// A date of the calendar as a day number.
fn day(date: Date) -> Option<Day> {
    Day::parse(&date.to_string())
}

#[cfg(test)]
mod tests {
    use super::{RangeUnit, RelativeRange};
    use cofferdam_model::TimestampMs;
    use cofferdam_query::WeekStart;
    use jiff::tz::TimeZone;

    #[test]
    fn days_are_counted_back_in_the_time_zone() {
        let at =
            |text: &str| TimestampMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let range = |last, unit, complete| RelativeRange {
            last,
            unit,
            complete,
        };
        use RangeUnit::{Day, Month, Quarter, Week, Year};
        // It is Wednesday; at half past ten in the evening UTC it is Thursday in Berlin already.
        let (noon, night) = (at("2026-04-01T12:00:00Z"), at("2026-04-01T22:30:00Z"));
        for (now, range, from, to) in [
            (noon, range(7, Day, false), "2026-03-26", "2026-04-01"),
            (noon, range(7, Day, true), "2026-03-25", "2026-03-31"),
            (night, range(1, Day, false), "2026-04-02", "2026-04-02"),
            (noon, range(1, Week, false), "2026-03-30", "2026-04-01"),
            (noon, range(2, Week, true), "2026-03-16", "2026-03-29"),
            (noon, range(1, Month, false), "2026-04-01", "2026-04-01"),
            (noon, range(2, Month, true), "2026-02-01", "2026-03-31"),
            (noon, range(1, Quarter, true), "2026-01-01", "2026-03-31"),
            (noon, range(1, Year, true), "2025-01-01", "2025-12-31"),
        ] {
            let (first, last) = range.days(now, &berlin, WeekStart::Monday).unwrap();
            assert_eq!(
                (first.to_string(), last.to_string()),
                (from.to_owned(), to.to_owned()),
                "{range:?}"
            );
        }
        let sunday = range(1, Week, false).days(noon, &berlin, WeekStart::Sunday);
        assert_eq!(sunday.unwrap().0.to_string(), "2026-03-29");
        assert!(range(0, Day, false).check("range").is_err());
        assert!(range(3_661, Day, false).check("range").is_err());
        assert!(range(121, Month, false).check("range").is_ok());
    }
}
