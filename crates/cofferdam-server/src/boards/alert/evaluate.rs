//! Whether an answer meets an alert's condition: a pure function of both.
//!
//! Invariant: a bucket that is not over, or that the range cuts, is neither judged nor compared with.

use super::{AlertCondition, AlertSeries, ChangeAgainst, ChangeDirection, ThresholdDirection};
use cofferdam_query::{Figure, Segmentation};

/// What was found at the last bucket that is over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// The bucket.
    pub(crate) bucket: String,
    /// Its place among the answer's.
    pub(crate) position: usize,
    /// Its figure.
    pub(crate) value: f64,
    /// What it was compared with.
    pub(crate) base: Option<f64>,
    /// The change in percent; `None` from 0, where there is none.
    pub(crate) change_percent: Option<f64>,
    /// Whether the condition holds.
    pub(crate) holds: bool,
}

/// Why nothing can be said; in words for whoever looks at the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nothing {
    /// The range is too new.
    #[error("no bucket of the report is over yet")]
    NoCompleteBucket,
    /// Which one is meant?
    #[error("the report has several series; say which one is watched")]
    SeveralSeries,
    /// It is not in the answer.
    #[error("the report has no such series")]
    NoSeries,
    /// It may be in the rest.
    #[error("the series is not among those that the report shows")]
    Hidden,
    /// An average over nothing, a division by zero.
    #[error("the last bucket that is over has no figure")]
    NoValue,
    /// The range has one complete bucket, or the period before has none there.
    #[error("there is no bucket to compare with")]
    NoBase,
}

/// Judges the last bucket that is over.
pub(crate) fn evaluate(
    condition: &AlertCondition,
    series: Option<&AlertSeries>,
    answer: &Segmentation,
) -> Result<Reading, Nothing> {
    let over = |incomplete: &[bool], at: usize| incomplete.get(at) == Some(&false);
    let position = (0..answer.buckets.len())
        .rev()
        .find(|at| over(&answer.incomplete, *at))
        .ok_or(Nothing::NoCompleteBucket)?;
    let now = Side {
        series: answer.series.iter().map(Line::from).collect(),
        formulas: answer.formulas.iter().map(Line::from).collect(),
    };
    let values = now.find(series)?;
    let value = number(values, position).ok_or(Nothing::NoValue)?;
    let bucket = answer.buckets.get(position).cloned().unwrap_or_default();
    let (base, change_percent, holds) = match *condition {
        AlertCondition::Threshold {
            direction,
            value: line,
        } => {
            let holds = match direction {
                ThresholdDirection::Above => value > line,
                ThresholdDirection::Below => value < line,
            };
            (None, None, holds)
        }
        AlertCondition::Change {
            direction,
            percent,
            against,
        } => {
            let base = match against {
                ChangeAgainst::PreviousBucket => {
                    let before = position.checked_sub(1).ok_or(Nothing::NoBase)?;
                    if !over(&answer.incomplete, before) {
                        return Err(Nothing::NoBase);
                    }
                    number(values, before)
                }
                ChangeAgainst::PreviousPeriod => {
                    let compare = answer.compare.as_ref().ok_or(Nothing::NoBase)?;
                    if !over(&compare.incomplete, position) {
                        return Err(Nothing::NoBase);
                    }
                    let then = Side {
                        series: compare.series.iter().map(Line::from).collect(),
                        formulas: compare.formulas.iter().map(Line::from).collect(),
                    };
                    number(then.find(series)?, position)
                }
            };
            let base = base.ok_or(Nothing::NoBase)?;
            let change = change(base, value);
            let rises = change.map_or(value > base, |change| change > percent);
            let falls = change.map_or(value < base, |change| change < -percent);
            let holds = match direction {
                ChangeDirection::Rise => rises,
                ChangeDirection::Fall => falls,
                ChangeDirection::Any => rises || falls,
            };
            (Some(base), change, holds)
        }
    };
    Ok(Reading {
        bucket,
        position,
        value,
        base,
        change_percent,
        holds,
    })
}

/// The change in percent of the base's size; from 0 to 0 it is none, from 0 to anything else it has no figure.
pub(crate) fn change(base: f64, value: f64) -> Option<f64> {
    if base == 0.0 {
        return (value == 0.0).then_some(0.0);
    }
    Some((value - base) / base.abs() * 100.0)
}

/// The series of a range.
struct Side<'a> {
    series: Vec<Line<'a>>,
    formulas: Vec<Line<'a>>,
}

struct Line<'a> {
    name: &'a str,
    segment: &'a [Option<String>],
    values: &'a [Option<Figure>],
}

impl<'a> From<&'a cofferdam_query::Series> for Line<'a> {
    fn from(series: &'a cofferdam_query::Series) -> Self {
        Self {
            name: &series.event,
            segment: &series.segment,
            values: &series.values,
        }
    }
}

impl<'a> From<&'a cofferdam_query::FormulaSeries> for Line<'a> {
    fn from(series: &'a cofferdam_query::FormulaSeries) -> Self {
        Self {
            name: &series.name,
            segment: &series.segment,
            values: &series.values,
        }
    }
}

impl<'a> Side<'a> {
    /// The values of a series; without a name, of the only one. Formulas come before what they are made of.
    fn find(&self, wanted: Option<&AlertSeries>) -> Result<&'a [Option<Figure>], Nothing> {
        let Some(wanted) = wanted else {
            let lines = if self.formulas.is_empty() {
                &self.series
            } else {
                &self.formulas
            };
            return match lines.as_slice() {
                [only] => Ok(only.values),
                [] => Err(Nothing::NoSeries),
                _ => Err(Nothing::SeveralSeries),
            };
        };
        let named = || {
            self.formulas
                .iter()
                .chain(&self.series)
                .filter(|line| line.name == wanted.name)
        };
        let mut found = named().filter(|line| line.segment == wanted.segment);
        match (found.next(), found.next()) {
            (Some(line), None) => Ok(line.values),
            (Some(_), Some(_)) => Err(Nothing::SeveralSeries),
            (None, _) => {
                let is_rest =
                    |line: &Line<'_>| matches!(line.segment, [Some(only)] if only == "$other");
                let is_hidden = named().any(is_rest);
                Err(if is_hidden {
                    Nothing::Hidden
                } else {
                    Nothing::NoSeries
                })
            }
        }
    }
}

fn number(values: &[Option<Figure>], at: usize) -> Option<f64> {
    values.get(at).copied().flatten().map(Figure::number)
}

#[cfg(test)]
mod tests;
