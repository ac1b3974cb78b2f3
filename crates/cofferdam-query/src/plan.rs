//! Checking a request against the catalog, and making it ready to run.
//!
//! Invariant: a plan that exists can be run; whatever the request got wrong is named by its JSON path, with near names.

use crate::buckets::{Axis, Buckets};
use crate::compare::earlier;
use crate::expression::Bound;
use crate::formula::Formula;
use crate::measure::{Kind, Window};
use crate::selection::{Selection, at_most, column, invalid, zone};
use crate::{Aggregate, Breakdown, Measure, QueryError, QueryLimits, SegmentationRequest};
use cofferdam_model::Day;
use cofferdam_store::{CatalogInfo, Column, ColumnBatch, ScanRequest};
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
    computed: Vec<Computed>,
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
        catalog: &CatalogInfo,
        limits: &QueryLimits,
    ) -> Result<Self, QueryError> {
        at_most("events", request.events.len(), limits.events_max)?;
        at_most("breakdown", request.breakdown.len(), limits.breakdowns_max)?;
        if request.events.is_empty() {
            return Err(invalid("events", "no event is selected".to_owned()));
        }
        let window = window(request, limits)?;
        let mut places = Places {
            catalog,
            columns: Vec::new(),
            computed: Vec::new(),
        };
        let mut breakdown = Vec::new();
        for (at, part) in request.breakdown.iter().enumerate() {
            breakdown.push(places.of(part, &format!("breakdown[{at}]"), Shape::Texts)?);
        }
        let (kind, measured) = match &request.measure {
            Measure::Count(count) => (Kind::Count(*count), None),
            Measure::Property(measure) => {
                let kind = kind(measure.aggregate);
                let shape = if kind == Kind::Distinct {
                    Shape::Texts
                } else {
                    Shape::Numbers
                };
                let place = places.of(&measure.property, "measure.property", shape)?;
                (kind, Some(place))
            }
        };
        let mut selections = Vec::new();
        for (at, selection) in request.events.iter().enumerate() {
            let path = format!("events[{at}]");
            let columns = &mut places.columns;
            selections.push(Selection::new(selection, &path, columns, catalog, limits)?);
        }
        let formulas = Formula::all(request, limits)?;
        let Places {
            columns, computed, ..
        } = places;
        let position = |place: Place| match place {
            Place::Column(column) => column,
            Place::Computed(number) => columns.len() + number,
        };
        let (range, compare) = ranges(request, &columns, &selections, limits)?;
        Ok(Self {
            range,
            compare,
            breakdown: breakdown.into_iter().map(position).collect(),
            measured: measured.map(position),
            selections,
            kind,
            window,
            formulas,
            computed,
        })
    }

    /// Adds the computed columns to a batch.
    pub(crate) fn compute(&self, batch: &mut ColumnBatch) {
        let len = batch.len();
        for Computed { bound, shape } in &self.computed {
            let column = match shape {
                Shape::Texts => bound.texts(&batch.columns, len),
                Shape::Numbers => bound.numbers(&batch.columns, len),
            };
            batch.columns.push(column);
        }
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

/// What a computed column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Texts,
    Numbers,
}

/// A column that is computed from scanned ones.
#[derive(Debug)]
struct Computed {
    bound: Bound,
    shape: Shape,
}

/// Where a breakdown's or a measure's values are, while columns are still being added.
enum Place {
    Column(usize),
    Computed(usize),
}

/// The columns that a plan needs.
struct Places<'a> {
    catalog: &'a CatalogInfo,
    columns: Vec<Column>,
    computed: Vec<Computed>,
}

impl Places<'_> {
    fn of(&mut self, part: &Breakdown, path: &str, shape: Shape) -> Result<Place, QueryError> {
        match part {
            Breakdown::Property(property) => {
                column(&mut self.columns, self.catalog, property, path.to_owned())
                    .map(Place::Column)
            }
            Breakdown::Expression { expression } => {
                let path = format!("{path}.expression");
                let bound = Bound::new(expression, &path, &mut self.columns, self.catalog)?;
                Ok(if let Some(column) = bound.plain() {
                    Place::Column(column)
                } else {
                    self.computed.push(Computed { bound, shape });
                    Place::Computed(self.computed.len() - 1)
                })
            }
        }
    }
}
