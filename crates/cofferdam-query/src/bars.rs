//! The people behind a bar, cell or band of a report.
//!
//! Invariant: they are found by the report's own rules, so that there are as many of them as the report counted.

#[cfg(test)]
mod tests;

use crate::columns::Context;
use crate::kernel::keep;
use crate::people::People;
use crate::plan::Plan;
use crate::segment::{Segment, segments};
use crate::segmentation::{OTHER, Scan, largest, scan_of};
use crate::{
    FlowsBar, FlowsRequest, FunnelBar, FunnelRequest, Inputs, QueryError, QueryLimits,
    RetentionBar, RetentionRequest, SegmentationRequest,
};
use cofferdam_model::{MergeMap, PersonNumber, ProjectName};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use utoipa::ToSchema;

/// A report, and which of its bars is meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReportBar {
    /// Of Trends.
    Segmentation {
        /// The report.
        request: SegmentationRequest,
        /// The bar.
        #[serde(default)]
        bar: SegmentationBar,
    },
    /// Of a funnel.
    Funnel {
        /// The report.
        request: FunnelRequest,
        /// The bar.
        bar: FunnelBar,
    },
    /// Of a retention table.
    Retention {
        /// The report.
        request: RetentionRequest,
        /// The cell.
        #[serde(default)]
        bar: RetentionBar,
    },
    /// Of flows.
    Flows {
        /// The report.
        request: FlowsRequest,
        /// The node or band.
        bar: FlowsBar,
    },
}

/// A point of a series: everybody with a counted event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentationBar {
    /// Which of the request's event selections, from 0.
    #[serde(default)]
    pub event: usize,
    /// The bucket as the answer names it; absent means the whole range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The segment as the answer names it; absent means everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Vec<Option<String>>>,
}

impl ReportBar {
    /// Whose events it is about.
    #[must_use]
    pub fn project(&self) -> &ProjectName {
        match self {
            Self::Segmentation { request, .. } => &request.project,
            Self::Funnel { request, .. } => &request.project,
            Self::Retention { request, .. } => &request.project,
            Self::Flows { request, .. } => &request.project,
        }
    }

    /// The report's time zone, to fill in where it is absent.
    pub fn timezone(&mut self) -> &mut Option<String> {
        match self {
            Self::Segmentation { request, .. } => &mut request.timezone,
            Self::Funnel { request, .. } => &mut request.timezone,
            Self::Retention { request, .. } => &mut request.timezone,
            Self::Flows { request, .. } => &mut request.timezone,
        }
    }
}

/// Who is behind a bar: canonical persons. Blocking: call it on a blocking thread.
///
/// # Errors
/// As the report itself; paths of the bar begin with `bar`, those of the report with `request`.
pub fn people_behind(inputs: Inputs<'_>, bar: &ReportBar) -> Result<People, QueryError> {
    let found = match bar {
        ReportBar::Segmentation { request, bar } => segmentation(inputs, request, bar),
        ReportBar::Funnel { request, bar } => crate::funnel::behind(inputs, request, bar),
        ReportBar::Retention { request, bar } => crate::retention::behind(inputs, request, bar),
        ReportBar::Flows { request, bar } => crate::flows::behind(inputs, request, bar),
    };
    found.map_err(|error| error.below("request", "bar"))
}

/// A segment as an answer names it.
pub(crate) fn shown(segment: &Segment) -> Vec<Option<String>> {
    let texts = segment.iter();
    texts
        .map(|text| text.as_deref().map(str::to_owned))
        .collect()
}

/// The error of a bar that the report does not have.
pub(crate) fn no_such(what: &str, given: &str, known: impl Iterator<Item = String>) -> QueryError {
    QueryError::Invalid {
        path: format!("bar.{what}"),
        message: format!("the report has no {what} `{given}`"),
        allowed: known.take(50).collect(),
        suggestions: Vec::new(),
    }
}

fn segmentation(
    inputs: Inputs<'_>,
    request: &SegmentationRequest,
    bar: &SegmentationBar,
) -> Result<People, QueryError> {
    let (reader, limits) = (inputs.store.reader(), QueryLimits::default());
    let catalog = reader.catalog(&request.project);
    let mut scan = scan_of(&reader, &request.project, inputs.progress);
    let context = inputs.context(&catalog, &limits);
    behind(&mut scan, context, inputs.merges, request, bar)
}

/// The people behind a point of Trends, from any source of batches.
pub(crate) fn behind(
    scan: &mut Scan<'_>,
    context: Context<'_>,
    merges: &MergeMap,
    request: &SegmentationRequest,
    bar: &SegmentationBar,
) -> Result<People, QueryError> {
    let plan = Plan::new(request, context)?;
    let buckets = &plan.range.buckets;
    let Some(selection) = plan.selections.get(bar.event) else {
        let given = bar.event.to_string();
        let known = (0..plan.selections.len()).map(|at| at.to_string());
        return Err(no_such("event", &given, known));
    };
    let mut asked = plan.range.scan.clone();
    if let Some(bucket) = &bar.bucket {
        let labels = buckets.shown_labels();
        let at = labels.iter().position(|label| label == bucket);
        let at = at.ok_or_else(|| no_such("bucket", bucket, labels.iter().cloned()))?;
        let at = at + buckets.history();
        asked.from.0 = buckets.start(plan.window.first(at));
        asked.to.0 = buckets.end(at);
    }
    // With `$other`, the people of all segments that are not shown.
    let largest = match &bar.segment {
        Some(_) => largest(scan, &plan, merges, context.limits)?
            .into_iter()
            .nth(bar.event)
            .unwrap_or_default(),
        None => Vec::new(),
    };
    let is_meant: Box<dyn Fn(&Segment) -> bool> = match &bar.segment {
        None => Box::new(|_| true),
        Some(segment) if segment.as_slice() == [Some(OTHER.to_owned())] => {
            Box::new(|known| !largest.contains(known))
        }
        Some(segment) => {
            let given = || segment.iter().flatten().cloned().collect::<Vec<_>>();
            if !largest.iter().any(|known| shown(known) == *segment) {
                return Err(no_such("segment", &given().join(", "), std::iter::empty()));
            }
            Box::new(move |known| shown(known) == *segment)
        }
    };
    let mut people = People::default();
    scan(&asked, &mut |mut batch| {
        plan.computing.complete(&mut batch, merges);
        let keep = keep(selection, &batch, merges);
        let (codes, labels) = segments(&plan.breakdown, &batch.columns, batch.len());
        let meant: Vec<bool> = labels.iter().map(&is_meant).collect();
        for ((person, code), keep) in batch.person.iter().zip(codes).zip(keep) {
            if keep && meant.get(code as usize).copied().unwrap_or(false) {
                people.insert(merges.canonical(PersonNumber(*person)).0);
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(people)
}
