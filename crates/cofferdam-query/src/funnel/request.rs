//! The funnel report's request and answer, exactly as the HTTP interface carries them.
//!
//! Every choice on which products differ is a field with a name; the defaults mean what Mixpanel means.

use crate::{Breakdown, EventSelection, Unit};
use cofferdam_model::{Day, ProjectName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /api/v1/reports/funnel`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FunnelRequest {
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectName,
    /// The steps, 2 to 20.
    pub steps: Vec<FunnelStep>,
    /// First day on which somebody may enter, in the time zone.
    #[schema(value_type = String)]
    pub from: Day,
    /// Last day, inclusive. Later steps are looked for beyond it, as far as the window reaches.
    #[schema(value_type = String)]
    pub to: Day,
    /// IANA time zone; absent means the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// How long somebody has.
    #[serde(default)]
    pub window: FunnelWindow,
    /// In which order steps count.
    #[serde(default)]
    pub order: FunnelOrder,
    /// What is counted.
    #[serde(default)]
    pub count: FunnelCount,
    /// Which first step begins a person's attempt.
    #[serde(default)]
    pub entry: FunnelEntry,
    /// For `strict`: what may not stand between two steps.
    #[serde(default)]
    pub strict_among: StrictAmong,
    /// Steps and exclusions at most this far apart may stand in either order, milliseconds; Mixpanel itself takes 2000. Only with
    /// `order: "loose"` and `entry: "first"`.
    #[serde(default)]
    pub grace_ms: u32,
    /// Events that end an attempt; at most 10.
    #[serde(default)]
    pub exclusions: Vec<FunnelExclusion>,
    /// What becomes of an attempt that meets an exclusion.
    #[serde(default)]
    pub excluded: Excluded,
    /// Properties whose values must be those of the first step in every later step; at most 3.
    #[serde(default)]
    pub hold_constant: Vec<Breakdown>,
    /// Properties, computed values or cohorts by whose values people are told apart.
    #[serde(default)]
    pub breakdown: Vec<Breakdown>,
    /// Which step's value of the breakdown's properties a person has.
    #[serde(default)]
    pub attribution: Attribution,
    /// With a unit, the answer has a funnel of its own for each bucket of entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<Unit>,
    /// For `count: "sessions"`: a pause of this many minutes ends a session.
    #[serde(default = "session_gap")]
    pub session_gap_minutes: u32,
}

fn session_gap() -> u32 {
    30
}

/// A step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FunnelStep {
    /// Which events are the step.
    #[serde(flatten)]
    pub selection: EventSelection,
    /// Whether it may be left out; never the first step.
    #[serde(default)]
    pub optional: bool,
    /// A name for the chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// How long somebody has, to the last millisecond inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FunnelWindow {
    /// How many.
    pub length: u32,
    /// Of what; a day has 24 hours.
    pub unit: WindowUnit,
    /// From where it is counted.
    #[serde(default)]
    pub since: WindowSince,
}

impl Default for FunnelWindow {
    fn default() -> Self {
        Self {
            length: 7,
            unit: WindowUnit::Day,
            since: WindowSince::Entry,
        }
    }
}

/// Unit of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowUnit {
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// 24 hours.
    Day,
    /// 7 times 24 hours.
    Week,
}

/// From where a window is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowSince {
    /// From the first step (Mixpanel, PostHog).
    #[default]
    Entry,
    /// From the step before (Umami).
    Step,
}

/// In which order steps count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunnelOrder {
    /// In the order given; anything may happen in between.
    #[default]
    Loose,
    /// Each the person's next event after the one before.
    Strict,
    /// In any order, beginning with any of them.
    Any,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunnelCount {
    /// People: one attempt each.
    #[default]
    Uniques,
    /// Attempts: a person enters again after converting, running out of time or being excluded.
    Totals,
    /// Sessions: one attempt in each, which ends with it.
    Sessions,
}

/// Which first step begins a person's attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunnelEntry {
    /// The first in the range; later ones change nothing (Mixpanel).
    #[default]
    First,
    /// The one that leads furthest; of those the one whose last step came first, counted from the latest entry that leads there
    /// (PostHog, and ClickHouse's windowFunnel).
    Best,
}

/// For `strict`: what may not stand between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StrictAmong {
    /// Any event of the person.
    #[default]
    AllEvents,
    /// Any event that is a step or an exclusion of this funnel.
    FunnelEvents,
}

/// An event that ends an attempt between two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FunnelExclusion {
    /// Which events.
    #[serde(flatten)]
    pub selection: EventSelection,
    /// From after this step, counted from 1; absent means the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// Until before this step, counted from 1; absent means the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u32>,
}

/// What becomes of an attempt that meets an exclusion. An event that is the next step too counts as the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Excluded {
    /// It ends there and counts for the steps that it reached (Mixpanel).
    #[default]
    Dropped,
    /// The person counts for no step (PostHog).
    Removed,
}

/// Which step's values a person has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// The first step's. With `uniques` a person has one attempt for each value that it enters with.
    #[default]
    First,
    /// The last step's that was reached.
    Last,
    /// That of a step, counted from 1; not set where it was not reached.
    Step(u32),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Funnel {
    /// The funnel of everybody, computed without the breakdown.
    pub steps: Vec<FunnelCounts>,
    /// Attempts that met an exclusion; with `removed` they are in no step.
    pub excluded: u64,
    /// Time from the first to the last step of those who reached the last.
    pub histogram: Vec<HistogramBin>,
    /// With a breakdown, the funnel of each segment, by entries descending, `$other` last.
    pub segments: Vec<FunnelSegment>,
    /// With `trend`, a funnel for each bucket. They are independent: a person may be in several, so they do not add up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend: Option<FunnelTrend>,
    /// Whether the window of some who entered is not over yet: they may still convert.
    pub incomplete: bool,
    /// The store's version that was read, `SNAPSHOT.TAIL`.
    pub snapshot: String,
}

/// A step of a funnel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunnelCounts {
    /// How many reached it.
    pub count: u64,
    /// Their share of those who entered, 0 to 1; `null` where nobody did.
    pub conversion: Option<f64>,
    /// Their share of those who reached the step before, 0 to 1.
    pub step_conversion: Option<f64>,
    /// Time from the step before; absent for the first step and where nobody reached it.
    pub from_previous: Option<Durations>,
    /// Time from the first step.
    pub from_first: Option<Durations>,
}

/// How long people took, seconds. Quantiles are interpolated between neighbours (SQL's `percentile_cont`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Durations {
    /// Mean.
    pub average: f64,
    /// Half took less.
    pub median: f64,
    /// A quarter took less.
    pub p25: f64,
    /// Three quarters took less.
    pub p75: f64,
    /// Nine of ten took less.
    pub p90: f64,
    /// 99 of 100 took less.
    pub p99: f64,
}

/// How many took so long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistogramBin {
    /// From so many seconds on.
    pub from_s: f64,
    /// To less than so many; the last bin has its end too.
    pub to_s: f64,
    /// How many.
    pub count: u64,
}

/// A segment's funnel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunnelSegment {
    /// Per breakdown property its value as text, `null` where not set; `["$other"]` for the rest.
    pub segment: Vec<Option<String>>,
    /// Its steps.
    pub steps: Vec<FunnelCounts>,
}

/// A funnel for each bucket of entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunnelTrend {
    /// Start of each bucket.
    pub buckets: Vec<String>,
    /// Whether the bucket or its window is not over yet, or the range cuts it.
    pub incomplete: Vec<bool>,
    /// Per step and bucket, how many reached it.
    pub steps: Vec<Vec<u64>>,
}
