//! The segmentation report's answer, exactly as the HTTP interface carries it.

use cofferdam_model::Day;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Segmentation {
    /// Start of each bucket: a local day, or for hours and minutes a local time with its offset.
    pub buckets: Vec<String>,
    /// Per bucket, whether it, or for a rolling figure one of its window, is not over yet or cut by the range.
    pub incomplete: Vec<bool>,
    /// The series, by event selection in the request's order, then by total descending, `$other` last.
    pub series: Vec<Series>,
    /// The formulas' series, in the request's order, each by segment as the series are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<FormulaSeries>,
    /// The same over the range to compare with, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<Comparison>,
    /// The store's version that was read, `SNAPSHOT.TAIL`.
    pub snapshot: String,
}

/// The earlier range. It can have more or fewer buckets: months differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// First day.
    #[schema(value_type = String)]
    pub from: Day,
    /// Last day, inclusive.
    #[schema(value_type = String)]
    pub to: Day,
    /// As above.
    pub buckets: Vec<String>,
    /// As above.
    pub incomplete: Vec<bool>,
    /// The same segments as above, also those without events here; `$other` only where it has some.
    pub series: Vec<Series>,
    /// As above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<FormulaSeries>,
}

/// One line of the chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// The event selection's event.
    pub event: String,
    /// Per breakdown its value as text, `null` where not set; `["$other"]` for the rest; empty without breakdown.
    pub segment: Vec<Option<String>>,
    /// Per bucket the figure; `null` where there is none, as for an average over nothing.
    #[schema(value_type = Vec<Option<f64>>)]
    pub values: Vec<Option<Figure>>,
}

/// One line of a formula.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FormulaSeries {
    /// The formula's name.
    pub name: String,
    /// As in [`Series`].
    pub segment: Vec<Option<String>>,
    /// Per bucket the result; `null` where there is none, as for a division by zero.
    #[schema(value_type = Vec<Option<f64>>)]
    pub values: Vec<Option<Figure>>,
}

/// A figure of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Figure {
    /// A number of events, people or values.
    Count(u64),
    /// Any other number.
    Number(f64),
}

impl Figure {
    /// As a number.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "JSON numbers are doubles to every client"
    )]
    pub fn number(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Number(number) => number,
        }
    }
}
