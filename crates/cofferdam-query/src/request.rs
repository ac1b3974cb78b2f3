//! The segmentation report's request, exactly as the HTTP interface carries them.

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
    /// On which day weeks begin.
    #[serde(default)]
    pub week_start: WeekStart,
    /// Arithmetic over the event selections, which are `A`, `B`, `C` and so on. With formulas, all selections are broken down into
    /// the same segments: the largest of all together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<Formula>,
    /// An earlier range to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<Compare>,
    /// Each figure is over so many buckets, ending with its own, as if they were one; those before `from` are read for it. Divide by
    /// it in a formula for a moving average. Buckets are whole then: the first one begins where its week or month does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling: Option<usize>,
    /// Each figure is over all buckets from the first to its own.
    #[serde(default)]
    pub cumulative: bool,
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
    /// Only events of people who are in these cohorts, or are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cohorts: Vec<CohortFilter>,
}

/// A condition on whose event it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CohortFilter {
    /// The cohort's id.
    pub cohort: String,
    /// Whether the person must not be in it.
    #[serde(default)]
    pub not: bool,
}

/// A property, a value computed from properties, or a cohort.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a property's name or `{\"expression\": TEXT}` or `{\"cohort\": ID}`"
)]
pub enum Breakdown {
    /// The property's path without `properties.`.
    Property(String),
    /// A value in Mixpanel's expression grammar.
    Expression {
        /// E.g. `floor(properties["ms"] / 100) * 100`.
        expression: String,
    },
    /// Whether the person is in a cohort: its name, or not set.
    Cohort {
        /// The cohort's id.
        cohort: String,
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

/// What is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "`total`, `unique`, `per_person` or `{\"aggregate\": NAME, \"property\": PROPERTY}`"
)]
pub enum Measure {
    /// A count.
    Count(CountMeasure),
    /// Something about the values of a property.
    Property(PropertyMeasure),
}

impl Default for Measure {
    fn default() -> Self {
        Self::Count(CountMeasure::default())
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountMeasure {
    /// Events.
    #[default]
    Total,
    /// Distinct canonical persons.
    Unique,
    /// Events per distinct canonical person.
    PerPerson,
}

/// What is computed of a property's values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PropertyMeasure {
    /// What.
    pub aggregate: Aggregate,
    /// Of which property or computed value.
    pub property: Breakdown,
}

/// What is computed of values. All but `distinct` look at numbers only; values of other types are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The 50th percentile. Percentiles are exact, linear between the two nearest ranks.
    Median,
    /// The 25th percentile.
    P25,
    /// The 75th.
    P75,
    /// The 90th.
    P90,
    /// The 95th.
    P95,
    /// The 99th.
    P99,
    /// How many different values there are, as text.
    Distinct,
}

/// Arithmetic over event selections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Formula {
    /// What its series is called.
    pub name: String,
    /// E.g. `A / B * 100`: letters, numbers, `+ - * / %`, parentheses, `floor`, `round` and `ceil`.
    pub expression: String,
}

/// Which earlier range is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "`previous` or `{\"offset\": N, \"unit\": UNIT}`"
)]
pub enum Compare {
    /// A range by its name.
    Named(NamedRange),
    /// The same range so much earlier. A day that its month does not have is the month's last, and the last day of a month stays one.
    Offset {
        /// How many units, from 1.
        offset: u32,
        /// Of which length.
        unit: CompareUnit,
    },
}

/// An earlier range by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamedRange {
    /// The range of the same length that ends before this one begins; whole months are compared with whole months.
    Previous,
}

/// The unit of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompareUnit {
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Months.
    Month,
    /// Quarters.
    Quarter,
    /// Years.
    Year,
}

/// On which day weeks begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeekStart {
    /// As in ISO 8601.
    #[default]
    Monday,
    /// As in North America.
    Sunday,
}

/// Length of a bucket, in the time zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Minutes of the local clock.
    Minute,
    /// Hours of the local clock; the hour that a clock change repeats is two buckets.
    Hour,
    /// Local days.
    #[default]
    Day,
    /// Weeks; the first and last are cut to the range.
    Week,
    /// Months; the first and last are cut to the range.
    Month,
    /// Quarters from January; the first and last are cut to the range.
    Quarter,
}
