//! How a cohort is defined, exactly as the HTTP interface carries it.

use crate::{EventSelection, ReportBar};
use cofferdam_model::Day;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who is in a cohort.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CohortDefinition {
    /// Whether all conditions must hold or any.
    #[serde(default)]
    pub matching: Matching,
    /// The conditions, 1 to 20.
    pub conditions: Vec<CohortCondition>,
}

/// How conditions are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Matching {
    /// All of them.
    #[default]
    All,
    /// At least one.
    Any,
}

/// A condition on a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum CohortCondition {
    /// What the person did.
    Did {
        /// Which events.
        selection: EventSelection,
        /// How often; absent means at least once.
        #[serde(default)]
        times: Times,
        /// When; absent means ever.
        #[serde(default)]
        window: CohortWindow,
        /// Whether it must not hold.
        #[serde(default)]
        not: bool,
    },
    /// The person is in another cohort.
    Cohort {
        /// The cohort's id.
        cohort: String,
        /// Whether the person must not be in it.
        #[serde(default)]
        not: bool,
    },
    /// The person is behind a bar of a report.
    Bar {
        /// The report and the bar.
        #[schema(no_recursion)]
        bar: Box<ReportBar>,
        /// Whether the person must not be.
        #[serde(default)]
        not: bool,
    },
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// The comparison.
    pub op: TimesOp,
    /// With what.
    pub count: u32,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            op: TimesOp::AtLeast,
            count: 1,
        }
    }
}

/// A comparison of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimesOp {
    /// So often or more.
    AtLeast,
    /// So often or less; people who never did it count, if they did anything at all.
    AtMost,
    /// Exactly so often.
    Exactly,
}

/// When something was done, by days of the project's time zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "nothing, `{\"last_days\": N}` or `{\"from\": DAY, \"to\": DAY}`"
)]
pub enum CohortWindow {
    /// At any time.
    #[default]
    Ever,
    /// Within the last so many days, the present one included.
    Last {
        /// Days, from 1.
        last_days: u32,
    },
    /// Between two days, inclusive.
    Between {
        /// First day.
        #[schema(value_type = String)]
        from: Day,
        /// Last day.
        #[schema(value_type = String)]
        to: Day,
    },
}
