//! The segmentation report's request and answer, exactly as the HTTP interface carries them.

use cofferdam_model::{Day, ProjectName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /api/v1/reports/segmentation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentationRequest {
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectName,
    /// The series: one per event selection and segment.
    pub events: Vec<EventSelection>,
    /// What is counted.
    #[serde(default)]
    pub measure: Measure,
    /// By whose values the series are broken down.
    #[serde(default)]
    pub breakdown: Vec<Breakdown>,
    /// Length of a bucket.
    #[serde(default)]
    pub unit: Unit,
    /// First day, in the time zone.
    #[schema(value_type = String)]
    pub from: Day,
    /// Last day, inclusive, in the time zone.
    #[schema(value_type = String)]
    pub to: Day,
    /// IANA time zone; absent means the project's, which the server fills in, else UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// Which events a series counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventSelection {
    /// The event's name, or `$all`.
    pub event: String,
    /// Conditions, all of which must hold.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// A further condition in Mixpanel's expression grammar, e.g. `properties["n"] > 2 and defined(properties["plan"])`.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
}

/// A property, or a value computed from properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a property's name or `{\"expression\": TEXT}`"
)]
pub enum Breakdown {
    /// The property's path without `properties.`.
    Property(String),
    /// A value in Mixpanel's expression grammar.
    Expression {
        /// E.g. `floor(properties["ms"] / 100) * 100`.
        expression: String,
    },
}

/// One condition on a property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The property's path without `properties.`.
    pub property: String,
    /// The comparison.
    pub op: FilterOp,
    /// The operand, or a list of alternatives; absent for `is_set`, `is_not_set`, `is_true` and `is_false`.
    #[serde(default, skip_serializing_if = "Operand::is_absent")]
    pub value: Operand,
}

/// A filter's operand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Operand {
    /// No operand.
    #[default]
    Absent,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// Alternatives, any of which may match.
    #[schema(value_type = Vec<serde_json::Value>)]
    List(Vec<Operand>),
}

impl Operand {
    fn is_absent(&self) -> bool {
        *self == Self::Absent
    }
}

/// How a filter compares. A negated comparison also holds where the property is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilterOp {
    /// Equal to any of the values, as text or number.
    Equals,
    /// Not `equals`.
    NotEquals,
    /// Contains any of the texts, whatever the case.
    Contains,
    /// Not `contains`.
    NotContains,
    /// Greater than the number.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less than the number.
    Lt,
    /// Less or equal.
    Lte,
    /// Has a value.
    IsSet,
    /// Has none.
    IsNotSet,
    /// Is `true`.
    IsTrue,
    /// Is `false`.
    IsFalse,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Events.
    #[default]
    Total,
    /// Distinct canonical persons.
    Unique,
}

/// Length of a bucket, in the time zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Hours of the local clock; the hour that a clock change repeats is two buckets.
    Hour,
    /// Local days.
    #[default]
    Day,
    /// Weeks from Monday; the first and last are cut to the range.
    Week,
    /// Months; the first and last are cut to the range.
    Month,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Segmentation {
    /// Start of each bucket: a local day, or for hours a local time with its offset.
    pub buckets: Vec<String>,
    /// Per bucket, whether it is not over yet or cut by the range.
    pub incomplete: Vec<bool>,
    /// The series, by event selection in the request's order, then by total descending, `$other` last.
    pub series: Vec<Series>,
    /// The store's version that was read, `SNAPSHOT.TAIL`.
    pub snapshot: String,
}

/// One line of the chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// The event selection's event.
    pub event: String,
    /// Per breakdown property its value as text, `null` where not set; `["$other"]` for the rest; empty without breakdown.
    pub segment: Vec<Option<String>>,
    /// Per bucket the count.
    pub values: Vec<u64>,
}
