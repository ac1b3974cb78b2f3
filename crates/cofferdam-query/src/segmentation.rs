//! The segmentation report (Trends): a figure per bucket, event selection and segment.
//!
//! Invariant: all sweeps read one version of the store, and the answer names it.

use crate::columns::Context;
use crate::kernel::{Counter, Figures, Totals};
use crate::measure::Window;
use crate::plan::{Plan, Range};
use crate::segment::Segment;
use crate::{
    Comparison, FormulaSeries, Inputs, Progress, QueryError, QueryLimits, Segmentation,
    SegmentationRequest, Series,
};
use cofferdam_model::{Day, MergeMap, ProjectName, TimestampMs};
use cofferdam_store::{ColumnBatch, Reader, ScanRequest};
use std::ops::ControlFlow;

/// The segment of what is beyond the limit of segments.
pub(crate) const OTHER: &str = "$other";

/// A way to scan one version: request, then a sink of batches.
pub(crate) type Scan<'a> = dyn FnMut(&ScanRequest, &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>) -> Result<(), QueryError>
    + 'a;

/// Computes the report with the default limits. Blocking: call it on a blocking thread.
///
/// # Errors
/// [`QueryError::Invalid`] and [`QueryError::TooLarge`] for the request, [`QueryError::Store`] where the store cannot be read.
pub fn segmentation(
    inputs: Inputs<'_>,
    request: &SegmentationRequest,
) -> Result<Segmentation, QueryError> {
    let (reader, limits) = (inputs.store.reader(), QueryLimits::default());
    let mut answer = compute(
        &mut scan_of(&reader, &request.project, inputs.progress),
        inputs.context(&reader.catalog(&request.project), &limits),
        inputs.merges,
        request,
        inputs.now,
    )?;
    answer.snapshot = reader.id().to_string();
    Ok(answer)
}

/// Scans a project, as far as the report is still wanted.
pub(crate) fn scan_of<'a>(
    reader: &'a Reader,
    project: &'a ProjectName,
    progress: &'a Progress,
) -> impl FnMut(&ScanRequest, &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>) -> Result<(), QueryError>
+ 'a {
    move |request, sink| {
        let mut wanted = progress.check();
        let days = (request.to.0 - request.from.0).max(0) / 86_400_000;
        progress.expect(usize::try_from(days).unwrap_or(usize::MAX));
        let mut last: Option<Day> = None;
        reader.scan(project, request, &mut |batch: ColumnBatch| {
            wanted = progress.check();
            if wanted.is_err() {
                return ControlFlow::Break(());
            }
            if last.replace(batch.day).is_none_or(|last| last != batch.day) {
                progress.step();
            }
            sink(batch)
        })?;
        wanted
    }
}

/// Computes the report from any source of batches.
pub(crate) fn compute(
    scan: &mut Scan<'_>,
    context: Context<'_>,
    merges: &MergeMap,
    request: &SegmentationRequest,
    now: TimestampMs,
) -> Result<Segmentation, QueryError> {
    let limits = context.limits;
    let plan = Plan::new(request, context)?;
    let segments: Vec<Vec<Segment>> = if plan.breakdown.is_empty() {
        plan.selections.iter().map(|_| vec![Vec::new()]).collect()
    } else {
        largest(scan, &plan, merges, limits)?
    };
    let mut sweep = |range: &Range| {
        check_size(&plan, range, &segments, limits)?;
        sweep(scan, &plan, range, &segments, merges, limits)
    };
    let found = sweep(&plan.range)?;
    let (series, formulas) = lines(request, &plan, &plan.range, &segments, &found, None);
    let compare = match &plan.compare {
        None => None,
        Some((range, from, to)) => {
            let earlier = sweep(range)?;
            let (series, formulas) =
                lines(request, &plan, range, &segments, &earlier, Some(&found));
            Some(Comparison {
                from: *from,
                to: *to,
                buckets: range.buckets.shown_labels(),
                incomplete: range.buckets.incomplete_over(plan.window, now),
                series,
                formulas,
            })
        }
    };
    Ok(Segmentation {
        buckets: plan.range.buckets.shown_labels(),
        incomplete: plan.range.buckets.incomplete_over(plan.window, now),
        series,
        formulas,
        compare,
        snapshot: String::new(),
    })
}

fn check_size(
    plan: &Plan,
    range: &Range,
    segments: &[Vec<Segment>],
    limits: &QueryLimits,
) -> Result<(), QueryError> {
    let series: usize = segments.iter().map(|segments| segments.len() + 1).sum();
    let (buckets, max) = (range.buckets.len(), limits.cells_max);
    let cells = series.saturating_mul(buckets);
    let (path, message) = match plan.window {
        _ if cells > max => (
            "unit",
            format!("{series} series of {buckets} buckets are more than {max} figures"),
        ),
        Window::Trailing(rolling) if cells.saturating_mul(rolling) > max.saturating_mul(10) => (
            "rolling",
            format!("{series} series of {buckets} buckets are too many for a window of {rolling}"),
        ),
        _ => return Ok(()),
    };
    Err(QueryError::TooLarge {
        path: path.to_owned(),
        message,
    })
}

/// One sweep over a range: the figures of each event selection.
fn sweep(
    scan: &mut Scan<'_>,
    plan: &Plan,
    range: &Range,
    segments: &[Vec<Segment>],
    merges: &MergeMap,
    limits: &QueryLimits,
) -> Result<Vec<Figures>, QueryError> {
    let buckets = &range.buckets;
    let mut counters: Vec<Counter> = segments
        .iter()
        .map(|segments| Counter::new(plan, segments, buckets.len()))
        .collect();
    let mut failed = None;
    scan(&range.scan, &mut |mut batch| {
        plan.computing.complete(&mut batch, merges);
        for (counter, selection) in counters.iter_mut().zip(&plan.selections) {
            if let Err(error) = counter.add(plan, buckets, selection, &batch, merges, limits) {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(counters.into_iter().map(Counter::finish).collect()),
    }
}

/// The series and formulas of a range. `main` is what the range found that this one is compared with: both show the same segments.
fn lines(
    request: &SegmentationRequest,
    plan: &Plan,
    range: &Range,
    segments: &[Vec<Segment>],
    found: &[Figures],
    main: Option<&[Figures]>,
) -> (Vec<Series>, Vec<FormulaSeries>) {
    let skip = range.buckets.history();
    let touched = |figures: Option<&Figures>, number: usize| {
        let touched = figures.and_then(|figures| figures.touched.get(number));
        touched.copied().unwrap_or(false)
    };
    let mut series = Vec::new();
    let selections = (0..).zip(request.events.iter().zip(segments).zip(found));
    for (selection, ((wanted, segments), figures)) in selections {
        let main = main.and_then(|main: &[Figures]| main.get(selection));
        let all = labels(segments).enumerate();
        series.extend(
            all.filter(|(number, segment)| {
                segment.is_empty() || touched(Some(figures), *number) || touched(main, *number)
            })
            .map(|(number, segment)| Series {
                event: wanted.event.clone(),
                segment,
                values: figures.series(number, skip),
            }),
        );
    }
    let mut formulas = Vec::new();
    for formula in &plan.formulas {
        for (number, segment) in labels(segments.first().map_or(&[], Vec::as_slice)).enumerate() {
            let figures: Vec<_> = found.iter().map(|one| one.series(number, skip)).collect();
            let inputs: Vec<_> = (0..)
                .zip(found.iter().zip(&figures))
                .map(|(selection, (one, figures))| {
                    let main = main.and_then(|main: &[Figures]| main.get(selection));
                    let shown =
                        segment.is_empty() || touched(Some(one), number) || touched(main, number);
                    (shown, figures.as_slice())
                })
                .collect();
            let buckets = range.buckets.len() - skip;
            formulas.extend(formula.series(&segment, &inputs, buckets));
        }
    }
    (series, formulas)
}

/// Segments as the answer names them, `$other` last.
fn labels(segments: &[Segment]) -> impl Iterator<Item = Vec<Option<String>>> + '_ {
    let own = segments.iter().map(|segment| {
        let parts = segment.iter();
        parts
            .map(|text| text.as_deref().map(str::to_owned))
            .collect()
    });
    own.chain([vec![Some(OTHER.to_owned())]])
}

/// The first sweep: the largest segments of each event selection; with formulas those of all together.
pub(crate) fn largest(
    scan: &mut Scan<'_>,
    plan: &Plan,
    merges: &MergeMap,
    limits: &QueryLimits,
) -> Result<Vec<Vec<Segment>>, QueryError> {
    let mut totals: Vec<Totals> = plan.selections.iter().map(|_| Totals::default()).collect();
    scan(&plan.range.scan, &mut |mut batch| {
        plan.computing.complete(&mut batch, merges);
        for (totals, selection) in totals.iter_mut().zip(&plan.selections) {
            totals.add(plan, selection, &batch, merges, limits);
        }
        ControlFlow::Continue(())
    })?;
    if plan.formulas.is_empty() {
        let largest = |totals: Totals| totals.largest(limits.segments_max);
        return Ok(totals.into_iter().map(largest).collect());
    }
    let mut all = Totals::default();
    totals.into_iter().for_each(|one| all.merge(one));
    let joint = all.largest(limits.segments_max);
    Ok(plan.selections.iter().map(|_| joint.clone()).collect())
}
