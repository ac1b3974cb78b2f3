//! A kept request, read as its kind's own type; and what is done to it before it runs: days, a board's filters.
//!
//! Invariant: what runs is the type that the report's route takes, so a kept report can do nothing that asking for it cannot.

use super::{RelativeRange, ReportKind};
use crate::error::ApiError;
use crate::routes::sent;
use cofferdam_model::{Day, ProjectName, TimestampMs};
use cofferdam_query::{
    EventSelection, Filter, FlowsRequest, FunnelRequest, NamesCohorts, RetentionRequest,
    SegmentationRequest, WeekStart,
};
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// A request of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ReportRequest {
    /// Trends.
    Segmentation(SegmentationRequest),
    /// A funnel.
    Funnel(FunnelRequest),
    /// Retention.
    Retention(RetentionRequest),
    /// Flows.
    Flows(FlowsRequest),
}

impl ReportRequest {
    /// Reads a request of a project. Where `is_relative`, its days are of no account.
    ///
    /// # Errors
    /// [`ApiError`] with the path below `request`.
    pub(crate) fn read(
        kind: ReportKind,
        project: &str,
        request: &Value,
        is_relative: bool,
    ) -> Result<Self, ApiError> {
        let Value::Object(mut request) = request.clone() else {
            return Err(ApiError::invalid("request", "expected an object"));
        };
        match request.get("project") {
            None => {
                request.insert("project".to_owned(), json!(project));
            }
            Some(sent) if sent == project => {}
            Some(_) => {
                return Err(ApiError::invalid(
                    "request.project",
                    "it must be the project beside the request",
                ));
            }
        }
        if is_relative {
            for day in ["from", "to"] {
                request.insert(day.to_owned(), json!(Day(0)));
            }
        }
        let request = &Value::Object(request);
        Ok(match kind {
            ReportKind::Segmentation => Self::Segmentation(sent::value(request, "request")?),
            ReportKind::Funnel => Self::Funnel(sent::value(request, "request")?),
            ReportKind::Retention => Self::Retention(sent::value(request, "request")?),
            ReportKind::Flows => Self::Flows(sent::value(request, "request")?),
        })
    }

    /// Which kind it is of.
    #[must_use]
    pub fn kind(&self) -> ReportKind {
        match self {
            Self::Segmentation(_) => ReportKind::Segmentation,
            Self::Funnel(_) => ReportKind::Funnel,
            Self::Retention(_) => ReportKind::Retention,
            Self::Flows(_) => ReportKind::Flows,
        }
    }

    /// Puts the days of a relative range in, as of `now`, in the request's time zone or else in `timezone`.
    ///
    /// # Errors
    /// [`ApiError`] where the zone is unknown or the days are out of the calendar.
    pub(crate) fn move_to(
        &mut self,
        range: RelativeRange,
        now: TimestampMs,
        timezone: &str,
    ) -> Result<(), ApiError> {
        let asked = self.timezone().unwrap_or(timezone);
        let zone = TimeZone::get(asked)
            .map_err(|_| ApiError::invalid("request.timezone", "there is no such time zone"))?;
        let week_start = match self {
            Self::Segmentation(request) => request.week_start,
            Self::Funnel(_) | Self::Retention(_) | Self::Flows(_) => WeekStart::default(),
        };
        let (from, to) = range.days(now, &zone, week_start)?;
        self.set_days(from, to);
        Ok(())
    }

    /// Puts days in, both inclusive.
    pub(crate) fn set_days(&mut self, from: Day, to: Day) {
        match self {
            Self::Segmentation(request) => (request.from, request.to) = (from, to),
            Self::Funnel(request) => (request.from, request.to) = (from, to),
            Self::Retention(request) => (request.from, request.to) = (from, to),
            Self::Flows(request) => (request.from, request.to) = (from, to),
        }
    }

    /// Adds conditions to every event that the report looks at; of flows, to the anchor, since the others are whatever follows.
    pub(crate) fn narrow(&mut self, filters: &[Filter]) {
        for selection in self.selections() {
            selection.filters.extend_from_slice(filters);
        }
    }

    fn selections(&mut self) -> Vec<&mut EventSelection> {
        match self {
            Self::Segmentation(request) => request.events.iter_mut().collect(),
            Self::Funnel(request) => {
                let steps = request.steps.iter_mut().map(|step| &mut step.selection);
                let exclusions = request.exclusions.iter_mut();
                steps
                    .chain(exclusions.map(|exclusion| &mut exclusion.selection))
                    .collect()
            }
            Self::Retention(request) => vec![&mut request.born, &mut request.returned],
            Self::Flows(request) => vec![&mut request.anchor],
        }
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> &ProjectName {
        match self {
            Self::Segmentation(request) => &request.project,
            Self::Funnel(request) => &request.project,
            Self::Retention(request) => &request.project,
            Self::Flows(request) => &request.project,
        }
    }

    /// The time zone that it names.
    #[must_use]
    pub fn timezone(&self) -> Option<&str> {
        match self {
            Self::Segmentation(request) => request.timezone.as_deref(),
            Self::Funnel(request) => request.timezone.as_deref(),
            Self::Retention(request) => request.timezone.as_deref(),
            Self::Flows(request) => request.timezone.as_deref(),
        }
    }
}

impl NamesCohorts for ReportRequest {
    fn add_cohorts(&self, ids: &mut BTreeSet<String>) {
        match self {
            Self::Segmentation(request) => request.add_cohorts(ids),
            Self::Funnel(request) => request.add_cohorts(ids),
            Self::Retention(request) => request.add_cohorts(ids),
            Self::Flows(request) => request.add_cohorts(ids),
        }
    }
}
