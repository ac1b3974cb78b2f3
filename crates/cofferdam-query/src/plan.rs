//! Checking a request against the catalog, and making it ready to run.
//!
//! Invariant: a plan that exists can be run; whatever the request got wrong is named by its JSON path, with near names.

use crate::buckets::Buckets;
use crate::expression::Bound;
use crate::selection::{Selection, at_most, column, invalid, zone};
use crate::{Breakdown, Measure, QueryError, QueryLimits, SegmentationRequest};
use cofferdam_store::{CatalogInfo, Column, ColumnBatch, ScanRequest};
use std::sync::Arc;

/// A request made ready.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scan: ScanRequest,
    pub(crate) buckets: Buckets,
    pub(crate) selections: Vec<Selection>,
    /// Positions of the breakdown's columns; those of computed ones are after the scanned ones.
    pub(crate) breakdown: Vec<usize>,
    computed: Vec<Bound>,
    pub(crate) unique: bool,
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
        let zone = zone(request.timezone.as_deref().unwrap_or("UTC"))?;
        let buckets = Buckets::new(
            request.from,
            request.to,
            &zone,
            request.unit,
            limits.buckets_max,
        )?;
        let mut columns = Vec::new();
        let mut computed = Vec::new();
        let places: Vec<Place> = (0..)
            .zip(&request.breakdown)
            .map(|(at, part)| place(part, at, &mut columns, &mut computed, catalog))
            .collect::<Result<_, _>>()?;
        let mut selections = Vec::new();
        for (at, selection) in request.events.iter().enumerate() {
            let path = format!("events[{at}]");
            selections.push(Selection::new(
                selection,
                &path,
                &mut columns,
                catalog,
                limits,
            )?);
        }
        let events: Option<Vec<Arc<str>>> = selections
            .iter()
            .map(|selection| selection.event.clone())
            .collect();
        let breakdown = places
            .into_iter()
            .map(|place| match place {
                Place::Column(column) => column,
                Place::Computed(number) => columns.len() + number,
            })
            .collect();
        Ok(Self {
            scan: ScanRequest {
                from: buckets.from(),
                to: buckets.to(),
                columns,
                events,
            },
            buckets,
            selections,
            breakdown,
            computed,
            unique: request.measure == Measure::Unique,
        })
    }

    /// Adds the computed columns to a batch.
    pub(crate) fn compute(&self, batch: &mut ColumnBatch) {
        let len = batch.len();
        for bound in &self.computed {
            let texts = bound.texts(&batch.columns, len);
            batch.columns.push(texts);
        }
    }
}

/// Where a breakdown's values are, while columns are still being added.
enum Place {
    Column(usize),
    Computed(usize),
}

fn place(
    part: &Breakdown,
    at: usize,
    columns: &mut Vec<Column>,
    computed: &mut Vec<Bound>,
    catalog: &CatalogInfo,
) -> Result<Place, QueryError> {
    let path = format!("breakdown[{at}]");
    match part {
        Breakdown::Property(property) => {
            column(columns, catalog, property, path).map(Place::Column)
        }
        Breakdown::Expression { expression } => {
            let path = format!("{path}.expression");
            let bound = Bound::new(expression, &path, columns, catalog)?;
            Ok(bound.plain().map_or_else(
                || {
                    computed.push(bound);
                    Place::Computed(computed.len() - 1)
                },
                Place::Column,
            ))
        }
    }
}
