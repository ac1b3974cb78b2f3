//! The time axis: where buckets begin and end in a time zone, across clock changes.
//!
//! Made from a request; the kernel looks times up in it.
//! Invariant: buckets are contiguous, ascending and cover exactly the local days asked for.

use crate::{QueryError, Unit};
use cofferdam_model::{Day, TimestampMs};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Buckets as instants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// First instant of each bucket, then the end of the last.
    edges: Vec<i64>,
    pub(crate) labels: Vec<String>,
    /// Whether the range cuts the bucket.
    cut: Vec<bool>,
}

const HOUR_MS: i64 = 3_600_000;

impl Buckets {
    /// The buckets of local days `from..=to`.
    pub(crate) fn new(
        from: Day,
        to: Day,
        zone: &TimeZone,
        unit: Unit,
        buckets_max: usize,
    ) -> Result<Self, QueryError> {
        if to < from {
            return Err(invalid("to", "`to` is before `from`"));
        }
        let days = usize::try_from(to.0 - from.0).unwrap_or(usize::MAX);
        let per_day = match unit {
            Unit::Hour => 24,
            Unit::Day => 1,
            Unit::Week | Unit::Month => 0,
        };
        // Weeks and months still walk the days of their range, which is bounded first.
        if days.saturating_mul(per_day) >= buckets_max || days > 366 * 200 {
            return Err(QueryError::TooLarge {
                path: "from".to_owned(),
                message: format!("the range has more than {buckets_max} buckets"),
            });
        }
        let (first, last) = (date(from, "from")?, date(to, "to")?);
        let end = tomorrow(last)?;
        let mut built = Self {
            edges: Vec::new(),
            labels: Vec::new(),
            cut: Vec::new(),
        };
        let mut day = first;
        while day < end {
            let next = next(day, unit)?;
            let (start, stop) = (start(day, zone)?, start(next.min(end), zone)?);
            if unit == Unit::Hour {
                built.hours(start, stop, zone)?;
            } else {
                let whole = day == begin(day, unit)? && next <= end;
                built.edges.push(start);
                built.labels.push(day.to_string());
                built.cut.push(!whole);
            }
            day = next;
        }
        built.edges.push(start(end, zone)?);
        Ok(built)
    }

    fn hours(&mut self, start: i64, stop: i64, zone: &TimeZone) -> Result<(), QueryError> {
        let mut at = start;
        while at < stop {
            let zoned = Timestamp::from_millisecond(at)
                .map_err(|_| invalid("from", "the day is out of range"))?
                .to_zoned(zone.clone());
            self.edges.push(at);
            self.labels
                .push(zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
            self.cut.push(false);
            at += HOUR_MS;
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn from(&self) -> TimestampMs {
        TimestampMs(self.edges.first().copied().unwrap_or(0))
    }

    pub(crate) fn to(&self) -> TimestampMs {
        TimestampMs(self.edges.last().copied().unwrap_or(0))
    }

    /// The first instant of a bucket.
    pub(crate) fn start(&self, bucket: usize) -> i64 {
        self.edges.get(bucket).copied().unwrap_or(i64::MAX)
    }

    /// The end of a bucket.
    pub(crate) fn end(&self, bucket: usize) -> i64 {
        self.edges.get(bucket + 1).copied().unwrap_or(i64::MAX)
    }

    /// The bucket of a time within the range.
    pub(crate) fn of(&self, time: i64) -> usize {
        self.edges
            .partition_point(|edge| *edge <= time)
            .saturating_sub(1)
    }

    /// First and last bucket that a UTC day touches.
    pub(crate) fn of_day(&self, day: Day) -> (usize, usize) {
        let last = self.len().saturating_sub(1);
        let (start, end) = (day.start().0, Day(day.0.saturating_add(1)).start().0 - 1);
        (self.of(start).min(last), self.of(end).min(last))
    }

    /// The bucket of a time, known to be in `first..=last`.
    pub(crate) fn within(&self, time: i64, first: usize, last: usize) -> usize {
        let inner = self.edges.get(first + 1..=last).unwrap_or(&[]);
        first + inner.iter().take_while(|edge| **edge <= time).count()
    }

    /// Per bucket, whether it is not over at `now`, or cut by the range.
    pub(crate) fn incomplete(&self, now: TimestampMs) -> Vec<bool> {
        (0..self.len())
            .map(|bucket| {
                self.end(bucket) > now.0 || self.cut.get(bucket).copied().unwrap_or(false)
            })
            .collect()
    }
}

fn invalid(path: &str, message: &str) -> QueryError {
    QueryError::Invalid {
        path: path.to_owned(),
        message: message.to_owned(),
        allowed: Vec::new(),
        suggestions: Vec::new(),
    }
}

fn date(day: Day, path: &str) -> Result<Date, QueryError> {
    let (year, month, day) = day.civil();
    let part = |number: u32| i8::try_from(number).unwrap_or(0);
    i16::try_from(year)
        .ok()
        .and_then(|year| Date::new(year, part(month), part(day)).ok())
        .filter(|date| (1900..9000).contains(&date.year()))
        .ok_or_else(|| invalid(path, "the day is out of range"))
}

fn tomorrow(day: Date) -> Result<Date, QueryError> {
    day.tomorrow()
        .map_err(|_| invalid("to", "the day is out of range"))
}

/// The first day of the unit that a day is in.
fn begin(day: Date, unit: Unit) -> Result<Date, QueryError> {
    Ok(match unit {
        Unit::Hour | Unit::Day => day,
        Unit::Month => day.first_of_month(),
        Unit::Week => {
            let back = i64::from(day.weekday().to_monday_zero_offset());
            day.checked_sub(Span::new().days(back))
                .map_err(|_| invalid("from", "the day is out of range"))?
        }
    })
}

/// The first day of the next unit.
fn next(day: Date, unit: Unit) -> Result<Date, QueryError> {
    let begin = begin(day, unit)?;
    match unit {
        Unit::Hour | Unit::Day => tomorrow(day),
        Unit::Month => tomorrow(day.last_of_month()),
        Unit::Week => begin
            .checked_add(Span::new().days(7))
            .map_err(|_| invalid("to", "the day is out of range")),
    }
}

/// The first instant of a local day.
fn start(day: Date, zone: &TimeZone) -> Result<i64, QueryError> {
    day.to_zoned(zone.clone())
        .and_then(|zoned| zoned.start_of_day())
        .map(|zoned| zoned.timestamp().as_millisecond())
        .map_err(|_| invalid("from", "the day is out of range"))
}
