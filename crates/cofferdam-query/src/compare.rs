//! The earlier range that a report is compared with.
//!
//! Invariant: a range that ends with a month's last day is compared with one that ends so too, where the offset is in months.

use crate::buckets::{date, invalid};
use crate::request::{Compare, CompareUnit};
use crate::{QueryError, SegmentationRequest};
use cofferdam_model::Day;
use jiff::Span;
use jiff::civil::Date;

/// Most units of an offset.
const OFFSET_MAX: u32 = 10_000;

/// First and last day of the range that the request wants compared.
pub(crate) fn earlier(
    request: &SegmentationRequest,
    compare: &Compare,
) -> Result<(Day, Day), QueryError> {
    let (from, to) = (date(request.from, "from")?, date(request.to, "to")?);
    let (count, unit) = match compare {
        Compare::Named(_) => length(from, to),
        Compare::Offset { offset: 0, .. } => {
            return Err(invalid("compare.offset", "the offset is at least 1"));
        }
        Compare::Offset { offset, .. } if *offset > OFFSET_MAX => {
            return Err(invalid("compare.offset", "the offset is at most 10000"));
        }
        Compare::Offset { offset, unit } => (i64::from(*offset), *unit),
    };
    let (Some(first), Some(mut last)) = (back(from, count, unit), back(to, count, unit)) else {
        return Err(invalid("compare", "the earlier range is out of range"));
    };
    let by_days = matches!(unit, CompareUnit::Day | CompareUnit::Week);
    if !by_days && to == to.last_of_month() {
        last = last.last_of_month();
    }
    Ok((day(first)?, day(last)?))
}

/// How far back the range of the same length is that ends before this one begins: whole months count as months, others as days.
fn length(from: Date, to: Date) -> (i64, CompareUnit) {
    if from == from.first_of_month() && to == to.last_of_month() {
        let years = i64::from(to.year()) - i64::from(from.year());
        let months = years * 12 + i64::from(to.month()) - i64::from(from.month()) + 1;
        return (months, CompareUnit::Month);
    }
    let days = from.until(to).map_or(0, |span| i64::from(span.get_days()));
    (days + 1, CompareUnit::Day)
}

fn back(day: Date, count: i64, unit: CompareUnit) -> Option<Date> {
    let span = match unit {
        CompareUnit::Day => Span::new().try_days(count),
        CompareUnit::Week => Span::new().try_weeks(count),
        CompareUnit::Month => Span::new().try_months(count),
        CompareUnit::Quarter => Span::new().try_months(count * 3),
        CompareUnit::Year => Span::new().try_years(count),
    };
    day.checked_sub(span.ok()?).ok()
}

fn day(date: Date) -> Result<Day, QueryError> {
    Day::parse(&date.to_string())
        .ok_or_else(|| invalid("compare", "the earlier range is out of range"))
}
