//! The retention report's request and answer, exactly as the HTTP interface carries them.

use crate::{Breakdown, EventSelection, WeekStart};
use cofferdam_model::{Day, ProjectName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /api/v1/reports/retention`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionRequest {
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectName,
    /// What makes somebody a member of a cohort.
    pub born: EventSelection,
    /// What counts as coming back.
    pub returned: EventSelection,
    /// First day of births, in the time zone.
    #[schema(value_type = String)]
    pub from: Day,
    /// Last day of births, inclusive. Returns are looked for beyond it.
    #[schema(value_type = String)]
    pub to: Day,
    /// IANA time zone; absent means the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Length of a cohort, and of a bucket.
    #[serde(default)]
    pub unit: RetentionUnit,
    /// On which day weeks begin, of cohorts and of buckets by the calendar.
    #[serde(default)]
    pub week_start: WeekStart,
    /// Where buckets end, in units after the birth, ascending: `[1, 3, 7]` are the buckets 0, 1 to 2 and 3 to 6. Absent: eight
    /// buckets of one unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brackets: Option<Vec<u32>>,
    /// Whether somebody is born once or again in every cohort.
    #[serde(default)]
    pub births: Births,
    /// What it takes to count in a bucket.
    #[serde(default)]
    pub counted: Counted,
    /// Where buckets begin.
    #[serde(default)]
    pub alignment: Alignment,
    /// Whether the event of the birth counts as coming back, if it is such an event.
    #[serde(default)]
    pub birth_returns: bool,
    /// Properties or computed values of the birth, or cohorts, by whose values people are told apart.
    #[serde(default)]
    pub breakdown: Vec<Breakdown>,
}

/// Length of a cohort and of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetentionUnit {
    /// An hour.
    Hour,
    /// A day; as a rolling bucket 24 hours.
    #[default]
    Day,
    /// A week; as a rolling bucket 7 times 24 hours.
    Week,
    /// A month; as a rolling bucket 30 times 24 hours.
    Month,
}

/// Whether somebody is born once or again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Births {
    /// By the first such event ever stored (Mixpanel's `birth`).
    #[default]
    First,
    /// In every cohort by the first such event in it (Mixpanel's `compounded`).
    Recurring,
}

/// What it takes to count in a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// A return in the bucket or at any time after it, be it after the last bucket.
    #[default]
    OnOrAfter,
    /// A return in the bucket.
    On,
    /// A return in the bucket or in an earlier one.
    OnOrBefore,
}

/// Where buckets begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// At the birth: bucket = ⌊(time − birth) ÷ unit⌋.
    #[default]
    Rolling,
    /// With the calendar of the time zone: the birth's own day, week or month is bucket 0.
    Calendar,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Retention {
    /// Per bucket its first and last unit, counted from 0.
    pub buckets: Vec<(u32, u32)>,
    /// The cohorts, by start.
    pub cohorts: Vec<RetentionCohort>,
    /// Everybody's shares: per bucket over the cohorts for which it is complete, each weighed by its size; `null` where there is none.
    pub average: Vec<Option<f64>>,
    /// With a breakdown, the same of each segment, by size descending, `$other` last.
    pub segments: Vec<RetentionSegment>,
    /// The first day on record: births before it are not known, so that with `births: "first"` somebody may be called new who is not.
    #[schema(value_type = Option<String>)]
    pub known_since: Option<Day>,
    /// The store's version that was read, `SNAPSHOT.TAIL`.
    pub snapshot: String,
}

/// People who were born in one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RetentionCohort {
    /// Start of the unit.
    pub start: String,
    /// How many were born.
    pub size: u64,
    /// Per bucket, how many count.
    pub counts: Vec<u64>,
    /// Per bucket, whether it is not over for all of them; a cut first or last cohort is marked in `cut`.
    pub incomplete: Vec<bool>,
    /// Whether the range cuts the cohort, or it is not over.
    pub cut: bool,
}

/// People who were born with the same values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RetentionSegment {
    /// Per breakdown property its value as text, `null` where not set; `["$other"]` for the rest.
    pub segment: Vec<Option<String>>,
    /// How many were born.
    pub size: u64,
    /// Per bucket, how many count, of all cohorts.
    pub counts: Vec<u64>,
    /// As `average` of everybody.
    pub average: Vec<Option<f64>>,
}
