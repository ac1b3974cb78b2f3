//! Checking a request against the catalog, and making it ready to run.
//!
//! Invariant: a plan that exists can be run; whatever the request got wrong is named by its JSON path, with near names.

use crate::buckets::{Axis, Buckets};
use crate::columns::{Columns, Computing, Context, Shape};
use crate::compare::earlier;
use crate::formula::Formula;
use crate::measure::{Kind, Window};
use crate::selection::{Selection, at_most, invalid, zone};
use crate::{Aggregate, Measure, QueryError, QueryLimits, SegmentationRequest};
use cofferdam_model::Day;
use cofferdam_store::{Column, ScanRequest};
use std::sync::Arc;

/// A request made ready.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) range: Range,
    /// The earlier range, with its first and last day.
    pub(crate) compare: Option<(Range, Day, Day)>,
    pub(crate) selections: Vec<Selection>,
    /// Positions of the breakdown's columns; those of computed ones are after the scanned ones.
    pub(crate) breakdown: Vec<usize>,
    pub(crate) kind: Kind,
    /// Position of the column that is measured.
    pub(crate) measured: Option<usize>,
    pub(crate) window: Window,
    pub(crate) formulas: Vec<Formula>,
    pub(crate) computing: Computing,
}

/// A range to sweep.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) scan: ScanRequest,
    pub(crate) buckets: Buckets,
}

impl Plan {
    pub(crate) fn new(
        request: &SegmentationRequest,
        context: Context<'_>,
    ) -> Result<Self, QueryError> {
        let limits = context.limits;
        at_most("events", request.events.len(), limits.events_max)?;
        at_most("breakdown", request.breakdown.len(), limits.breakdowns_max)?;
        if request.events.is_empty() {
            return Err(invalid("events", "no event is selected".to_owned()));
        }
        let window = window(request, limits)?;
        let mut columns = Columns::new(context);
        let breakdown = columns.places("breakdown", &request.breakdown)?;
        let (kind, measured) = match &request.measure {
            Measure::Count(count) => (Kind::Count(*count), None),
            Measure::Property(measure) => {
                let kind = kind(measure.aggregate);
                let shape = if kind == Kind::Distinct {
                    Shape::Texts
                } else {
                    Shape::Numbers
                };
                let place = columns.place(&measure.property, "measure.property", shape)?;
                (kind, Some(place))
            }
        };
        let mut selections = Vec::new();
        for (at, selection) in request.events.iter().enumerate() {
            let path = format!("events[{at}]");
            selections.push(Selection::new(selection, &path, &mut columns)?);
        }
        let formulas = Formula::all(request, limits)?;
        let breakdown = columns.positions(&breakdown);
        let measured = measured.map(|place| columns.position(place));
        let (columns, computing) = columns.finish();
        let (range, compare) = ranges(request, &columns, &selections, limits)?;
        Ok(Self {
            range,
            compare,
            breakdown,
            measured,
            selections,
            kind,
            window,
            formulas,
            computing,
        })
    }
}

fn window(request: &SegmentationRequest, limits: &QueryLimits) -> Result<Window, QueryError> {
    let Some(buckets) = request.rolling else {
        return Ok(if request.cumulative {
            Window::Cumulative
        } else {
            Window::Trailing(1)
        });
    };
    at_most("rolling", buckets, limits.rolling_max)?;
    if buckets == 0 {
        return Err(invalid(
            "rolling",
            "a window has at least 1 bucket".to_owned(),
        ));
    }
    if request.cumulative {
        let message = "a figure is either rolling or cumulative".to_owned();
        return Err(invalid("cumulative", message));
    }
    Ok(Window::Trailing(buckets))
}

fn kind(aggregate: Aggregate) -> Kind {
    match aggregate {
        Aggregate::Sum | Aggregate::Average | Aggregate::Min | Aggregate::Max => {
            Kind::Moments(aggregate)
        }
        Aggregate::P25 => Kind::Quantile(0.25),
        Aggregate::Median => Kind::Quantile(0.5),
        Aggregate::P75 => Kind::Quantile(0.75),
        Aggregate::P90 => Kind::Quantile(0.9),
        Aggregate::P95 => Kind::Quantile(0.95),
        Aggregate::P99 => Kind::Quantile(0.99),
        Aggregate::Distinct => Kind::Distinct,
    }
}

/// The range, and the earlier one.
#[expect(
    clippy::type_complexity,
    reason = "named where it is kept, in the plan"
)]
fn ranges(
    request: &SegmentationRequest,
    columns: &[Column],
    selections: &[Selection],
    limits: &QueryLimits,
) -> Result<(Range, Option<(Range, Day, Day)>), QueryError> {
    let zone = zone(request.timezone.as_deref().unwrap_or("UTC"))?;
    let events: Option<Vec<Arc<str>>> = selections
        .iter()
        .map(|selection| selection.event.clone())
        .collect();
    let history = request.rolling.map(|buckets| buckets.saturating_sub(1));
    let range = |from, to| {
        let axis = Axis {
            from,
            to,
            unit: request.unit,
            week_start: request.week_start,
            history,
        };
        let buckets = Buckets::on(&axis, &zone, limits.buckets_max)?;
        Ok::<_, QueryError>(Range {
            scan: ScanRequest {
                from: buckets.from(),
                to: buckets.to(),
                columns: columns.to_vec(),
                events: events.clone(),
            },
            buckets,
        })
    };
    let own = range(request.from, request.to)?;
    let compare = match &request.compare {
        None => None,
        Some(compare) => {
            let (from, to) = earlier(request, compare)?;
            Some((range(from, to)?, from, to))
        }
    };
    Ok((own, compare))
}
