//! The segmentation report (Trends): totals or distinct people per bucket, event and segment.
//!
//! Invariant: both sweeps read one version of the store, and the answer names it.

use crate::kernel::{Counter, Totals};
use crate::plan::Plan;
use crate::segment::Segment;
use crate::{QueryError, QueryLimits, Segmentation, SegmentationRequest, Series};
use cofferdam_access::{Permit, ReadReport};
use cofferdam_model::{MergeMap, TimestampMs};
use cofferdam_store::{CatalogInfo, ColumnBatch, ScanRequest, Store};
use std::ops::ControlFlow;

/// The segment of what is beyond the limit of segments.
const OTHER: &str = "$other";

/// A way to scan one version: request, then a sink of batches.
type Scan<'a> = dyn FnMut(&ScanRequest, &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>) -> Result<(), QueryError>
    + 'a;

/// Computes the report with the default limits. Blocking: call it on a blocking thread. `now` decides which buckets are over.
///
/// # Errors
/// [`QueryError::Invalid`] and [`QueryError::TooLarge`] for the request, [`QueryError::Store`] where the store cannot be read.
pub fn segmentation(
    permit: &Permit<ReadReport>,
    store: &Store,
    merges: &MergeMap,
    request: &SegmentationRequest,
    now: TimestampMs,
) -> Result<Segmentation, QueryError> {
    let _ = permit;
    let reader = store.reader();
    let mut answer = compute(
        &mut |scan, batch| {
            reader.scan(&request.project, scan, batch)?;
            Ok(())
        },
        &reader.catalog(&request.project),
        merges,
        request,
        now,
        &QueryLimits::default(),
    )?;
    answer.snapshot = reader.id().to_string();
    Ok(answer)
}

/// Computes the report from any source of batches.
pub(crate) fn compute(
    scan: &mut Scan<'_>,
    catalog: &CatalogInfo,
    merges: &MergeMap,
    request: &SegmentationRequest,
    now: TimestampMs,
    limits: &QueryLimits,
) -> Result<Segmentation, QueryError> {
    let plan = Plan::new(request, catalog, limits)?;
    let segments: Vec<Vec<Segment>> = if plan.breakdown.is_empty() {
        plan.selections.iter().map(|_| vec![Vec::new()]).collect()
    } else {
        largest(scan, &plan, limits)?
    };
    let mut counters: Vec<Counter> = segments
        .iter()
        .map(|segments| Counter::new(segments, plan.buckets.len()))
        .collect();
    let mut failed = None;
    scan(&plan.scan, &mut |mut batch| {
        plan.compute(&mut batch);
        for (counter, selection) in counters.iter_mut().zip(&plan.selections) {
            if let Err(error) = counter.add(&plan, selection, &batch, merges, limits) {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let mut series = Vec::new();
    for ((selection, segments), counter) in request.events.iter().zip(segments).zip(counters) {
        let labels = segments
            .into_iter()
            .map(|segment| {
                segment
                    .iter()
                    .map(|text| text.as_deref().map(str::to_owned))
                    .collect()
            })
            .chain([vec![Some(OTHER.to_owned())]]);
        let all = labels.zip(counter.finish());
        series.extend(
            all.filter(|(segment, values)| {
                *segment != [Some(OTHER.to_owned())] || values.iter().any(|value| *value > 0)
            })
            .map(|(segment, values)| Series {
                event: selection.event.clone(),
                segment,
                values,
            }),
        );
    }
    Ok(Segmentation {
        incomplete: plan.buckets.incomplete(now),
        buckets: plan.buckets.labels,
        series,
        snapshot: String::new(),
    })
}

/// The first sweep: the largest segments of each event selection.
fn largest(
    scan: &mut Scan<'_>,
    plan: &Plan,
    limits: &QueryLimits,
) -> Result<Vec<Vec<Segment>>, QueryError> {
    let mut totals: Vec<Totals> = plan.selections.iter().map(|_| Totals::default()).collect();
    scan(&plan.scan, &mut |mut batch| {
        plan.compute(&mut batch);
        for (totals, selection) in totals.iter_mut().zip(&plan.selections) {
            totals.add(plan, selection, &batch, limits);
        }
        ControlFlow::Continue(())
    })?;
    Ok(totals
        .into_iter()
        .map(|totals| totals.largest(limits.segments_max))
        .collect())
}
