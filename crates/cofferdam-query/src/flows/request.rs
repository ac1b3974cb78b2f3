//! The flows report's request and answer, exactly as the HTTP interface carries them.

use crate::EventSelection;
use crate::funnel::FunnelWindow;
use cofferdam_model::{Day, ProjectName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /api/v1/reports/flows`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowsRequest {
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectName,
    /// The event that paths are looked at from.
    pub anchor: EventSelection,
    /// How many events after it, at most 10.
    #[serde(default = "three")]
    pub after: u32,
    /// How many events before it, at most 10.
    #[serde(default)]
    pub before: u32,
    /// First day of anchors, in the time zone.
    #[schema(value_type = String)]
    pub from: Day,
    /// Last day of anchors, inclusive. Events after are looked for beyond it, events before only from `from` on.
    #[schema(value_type = String)]
    pub to: Day,
    /// IANA time zone; absent means the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What is counted.
    #[serde(default)]
    pub count: FlowsCount,
    /// How far from the anchor an event may be.
    #[serde(default)]
    pub window: FunnelWindow,
    /// Whether several equal events in a row are one.
    #[serde(default = "yes")]
    pub collapse_repeats: bool,
    /// Events that are left out, as if nobody had sent them; an anchor never is.
    #[serde(default)]
    pub hide: Vec<String>,
    /// Most events shown of a step; the rest is `$other`.
    #[serde(default = "ten")]
    pub events_max: u32,
}

fn three() -> u32 {
    3
}

fn ten() -> u32 {
    10
}

fn yes() -> bool {
    true
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlowsCount {
    /// Paths: after one has ended, the person's next anchor begins another.
    #[default]
    Totals,
    /// People, each with the path of the first anchor in the range.
    Uniques,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flows {
    /// How many paths.
    pub paths: u64,
    /// The steps, from the farthest before to the farthest after; the anchor's offset is 0.
    pub steps: Vec<FlowsStep>,
    /// How many went from an event of a step to one of the next.
    pub links: Vec<FlowsLink>,
    /// The most frequent whole paths.
    pub top: Vec<FlowsPath>,
    /// The store's version that was read, `SNAPSHOT.TAIL`.
    pub snapshot: String,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowsStep {
    /// Events from the anchor, negative before it.
    pub offset: i32,
    /// Its events, most frequent first, then `$other`. Paths that end or begin before are not among them.
    pub events: Vec<FlowsEvent>,
}

/// An event of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowsEvent {
    /// The event's name, or `$other`.
    pub event: String,
    /// How many paths have it there.
    pub count: u64,
}

/// Paths from one event to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowsLink {
    /// Offset of the event that they come from.
    pub offset: i32,
    /// That event; `$start` where nothing was before.
    pub from: String,
    /// The event of the next offset; `$end` where nothing came.
    pub to: String,
    /// How many.
    pub count: u64,
}

/// A whole path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowsPath {
    /// Its events from first to last, the anchor among them.
    pub events: Vec<String>,
    /// Which of them is the anchor.
    pub anchor: u32,
    /// How many paths are so.
    pub count: u64,
}
