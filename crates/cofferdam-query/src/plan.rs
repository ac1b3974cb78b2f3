//! Checking a request against the catalog, and making it ready to run.
//!
//! Invariant: a plan that exists can be run; whatever the request got wrong is named by its JSON path, with near names.

use crate::buckets::Buckets;
use crate::selection::{Selection, at_most, column, invalid, zone};
use crate::{Measure, QueryError, QueryLimits, SegmentationRequest};
use cofferdam_store::{CatalogInfo, ScanRequest};
use std::sync::Arc;

/// A request made ready.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scan: ScanRequest,
    pub(crate) buckets: Buckets,
    pub(crate) selections: Vec<Selection>,
    /// Positions of the breakdown's columns.
    pub(crate) breakdown: Vec<usize>,
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
        let mut breakdown = Vec::new();
        for (at, property) in request.breakdown.iter().enumerate() {
            let path = format!("breakdown[{at}]");
            breakdown.push(column(&mut columns, catalog, property, path)?);
        }
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
            unique: request.measure == Measure::Unique,
        })
    }
}
