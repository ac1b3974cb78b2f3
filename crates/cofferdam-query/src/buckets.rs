//! The time axis: where buckets begin and end in a time zone, across clock changes.
//!
//! Made from a request; the kernel looks times up in it.
//! Invariant: buckets are contiguous, ascending and cover exactly the local days asked for.

use crate::measure::Window;
use crate::{QueryError, Unit, WeekStart};
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
    /// Buckets before the first that is shown.
    history: usize,
}

/// What buckets are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    /// First local day shown.
    pub(crate) from: Day,
    /// Last, inclusive.
    pub(crate) to: Day,
    pub(crate) unit: Unit,
    pub(crate) week_start: WeekStart,
    /// Buckets before the first that is shown; where given, be it none, that one is whole as well.
    pub(crate) history: Option<usize>,
}

/// Length of the buckets that are parts of a day, milliseconds.
fn step(unit: Unit) -> Option<i64> {
    match unit {
        Unit::Minute => Some(60_000),
        Unit::Hour => Some(3_600_000),
        Unit::Day | Unit::Week | Unit::Month | Unit::Quarter => None,
    }
}

impl Buckets {
    /// The buckets of local days `from..=to`, with weeks from Monday.
    pub(crate) fn new(
        from: Day,
        to: Day,
        zone: &TimeZone,
        unit: Unit,
        buckets_max: usize,
    ) -> Result<Self, QueryError> {
        let axis = Axis {
            from,
            to,
            unit,
            week_start: WeekStart::Monday,
            history: None,
        };
        Self::on(&axis, zone, buckets_max)
    }

    /// The buckets of an axis.
    pub(crate) fn on(axis: &Axis, zone: &TimeZone, buckets_max: usize) -> Result<Self, QueryError> {
        let (unit, history) = (axis.unit, axis.history.unwrap_or(0));
        if axis.to < axis.from {
            return Err(invalid("to", "`to` is before `from`"));
        }
        let days = usize::try_from(axis.to.0 - axis.from.0).unwrap_or(usize::MAX);
        let per_day = match unit {
            Unit::Minute => 24 * 60,
            Unit::Hour => 24,
            Unit::Day => 1,
            Unit::Week | Unit::Month | Unit::Quarter => 0,
        };
        // Longer units still walk the days of their range, which is bounded first.
        if days.saturating_mul(per_day).saturating_add(history) >= buckets_max || days > 366 * 200 {
            return Err(QueryError::TooLarge {
                path: "from".to_owned(),
                message: format!("the range has more than {buckets_max} buckets"),
            });
        }
        let (first, last) = (date(axis.from, "from")?, date(axis.to, "to")?);
        let end = tomorrow(last)?;
        let mut built = Self {
            edges: Vec::new(),
            labels: Vec::new(),
            cut: Vec::new(),
            history,
        };
        let mut day = axis.first(first)?;
        while day < end {
            let next = axis.next(day)?;
            let (start, stop) = (start(day, zone)?, start(next.min(end), zone)?);
            if let Some(step) = step(unit) {
                built.steps(start, stop, step, zone)?;
            } else {
                let whole = day == axis.begin(day)? && next <= end;
                built.edges.push(start);
                built.labels.push(day.to_string());
                built.cut.push(!whole);
            }
            day = next;
        }
        built.edges.push(start(end, zone)?);
        if step(unit).is_some() {
            // Whole days were read for the buckets before the first day.
            let shown = start(first, zone)?;
            let before = built.edges.partition_point(|edge| *edge < shown);
            let extra = before.saturating_sub(history);
            built.edges.drain(..extra);
            built.labels.drain(..extra);
            built.cut.drain(..extra);
        }
        Ok(built)
    }

    fn steps(
        &mut self,
        start: i64,
        stop: i64,
        step: i64,
        zone: &TimeZone,
    ) -> Result<(), QueryError> {
        let mut at = start;
        while at < stop {
            let zoned = Timestamp::from_millisecond(at)
                .map_err(|_| invalid("from", "the day is out of range"))?
                .to_zoned(zone.clone());
            self.edges.push(at);
            self.labels
                .push(zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
            self.cut.push(false);
            at += step;
        }
        Ok(())
    }

    /// Takes the labels of the buckets that are shown.
    pub(crate) fn shown_labels(&self) -> Vec<String> {
        self.labels.iter().skip(self.history).cloned().collect()
    }

    /// How many buckets before the first shown one there are.
    pub(crate) fn history(&self) -> usize {
        self.history
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
        // Of few edges a look at each is faster than halving.
        if inner.len() <= 8 {
            return first + inner.iter().take_while(|edge| **edge <= time).count();
        }
        first + inner.partition_point(|edge| *edge <= time)
    }

    /// Per bucket shown, whether one of its window is not over at `now`, or cut by the range. That a cumulative figure begins where
    /// the range does is its meaning.
    pub(crate) fn incomplete_over(&self, window: Window, now: TimestampMs) -> Vec<bool> {
        let partial = self.incomplete(now);
        let own = |bucket: usize| match window {
            Window::Trailing(_) => window.first(bucket),
            Window::Cumulative => bucket,
        };
        (self.history..self.len())
            .map(|bucket| {
                let parts = partial.get(own(bucket)..=bucket).unwrap_or(&[]);
                parts.contains(&true)
            })
            .collect()
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

impl Axis {
    /// The day on which the first bucket begins, where `day` is the first shown.
    fn first(&self, day: Date) -> Result<Date, QueryError> {
        let Some(history) = self.history else {
            return Ok(day);
        };
        let back = i64::try_from(history).unwrap_or(i64::MAX);
        let span = match self.unit {
            Unit::Minute => Span::new().try_days(back / (24 * 60) + 2),
            Unit::Hour => Span::new().try_days(back / 24 + 2),
            Unit::Day => Span::new().try_days(back),
            Unit::Week => Span::new().try_weeks(back),
            Unit::Month => Span::new().try_months(back),
            Unit::Quarter => Span::new().try_months(back.saturating_mul(3)),
        };
        span.and_then(|span| self.begin_of(day)?.checked_sub(span))
            .ok()
            .filter(|date| date.year() >= 1900)
            .ok_or_else(|| invalid("rolling", "the days before are out of range"))
    }

    /// The first day of the unit that a day is in.
    fn begin(&self, day: Date) -> Result<Date, QueryError> {
        self.begin_of(day)
            .map_err(|_| invalid("from", "the day is out of range"))
    }

    fn begin_of(&self, day: Date) -> Result<Date, jiff::Error> {
        match self.unit {
            Unit::Minute | Unit::Hour | Unit::Day => Ok(day),
            Unit::Month => Ok(day.first_of_month()),
            Unit::Quarter => Date::new(day.year(), (day.month() - 1) / 3 * 3 + 1, 1),
            Unit::Week => {
                let back = match self.week_start {
                    WeekStart::Monday => day.weekday().to_monday_zero_offset(),
                    WeekStart::Sunday => day.weekday().to_sunday_zero_offset(),
                };
                day.checked_sub(Span::new().days(i64::from(back)))
            }
        }
    }

    /// The first day of the next unit.
    fn next(&self, day: Date) -> Result<Date, QueryError> {
        let span = match self.unit {
            Unit::Minute | Unit::Hour | Unit::Day => Span::new().days(1),
            Unit::Week => Span::new().weeks(1),
            Unit::Month => Span::new().months(1),
            Unit::Quarter => Span::new().months(3),
        };
        self.begin(day)?
            .checked_add(span)
            .map_err(|_| invalid("to", "the day is out of range"))
    }
}

pub(crate) fn invalid(path: &str, message: &str) -> QueryError {
    QueryError::Invalid {
        path: path.to_owned(),
        message: message.to_owned(),
        allowed: Vec::new(),
        suggestions: Vec::new(),
    }
}

/// A day as a date; an error of the request's field at `path` where it is out of range.
pub(crate) fn date(day: Day, path: &str) -> Result<Date, QueryError> {
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

/// The first instant of a local day.
fn start(day: Date, zone: &TimeZone) -> Result<i64, QueryError> {
    day.to_zoned(zone.clone())
        .and_then(|zoned| zoned.start_of_day())
        .map(|zoned| zoned.timestamp().as_millisecond())
        .map_err(|_| invalid("from", "the day is out of range"))
}
