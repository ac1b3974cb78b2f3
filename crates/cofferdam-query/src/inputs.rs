//! What every report is computed from.

use crate::columns::Context;
use crate::{Cohorts, Progress, QueryLimits};
use cofferdam_access::{Permit, ReadReport};
use cofferdam_model::{MergeMap, TimestampMs};
use cofferdam_store::{CatalogInfo, Store};

/// What a report is computed from, beside its request. Nobody gets a report without a permit.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// That whoever asks may read reports.
    pub permit: &'a Permit<ReadReport>,
    /// The events.
    pub store: &'a Store,
    /// Which numbers are one person.
    pub merges: &'a MergeMap,
    /// The cohorts that the request names.
    pub cohorts: &'a Cohorts,
    /// Decides which buckets are over.
    pub now: TimestampMs,
    /// Shows how far the report is, and can end it.
    pub progress: &'a Progress,
}

impl<'a> Inputs<'a> {
    pub(crate) fn context(&self, catalog: &'a CatalogInfo, limits: &'a QueryLimits) -> Context<'a> {
        Context {
            catalog,
            cohorts: self.cohorts,
            limits,
        }
    }
}
