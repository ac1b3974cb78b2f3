//! Reports over the event store: a typed request in, typed rows out, by own kernels; and SQL, by `DataFusion`.
//!
//! The server hands over a request and the current merge map; batches come from the store's scan.
//! Invariant: an answer is computed from one version of the store, counts canonical persons, and names that version, so that
//! another engine can recompute it (P7).

mod answer;
mod bars;
mod buckets;
mod cohort;
mod columns;
mod compare;
mod error;
mod expression;
mod filter;
mod flows;
mod formula;
mod funnel;
mod inputs;
mod kernel;
mod measure;
mod people;
mod plan;
mod progress;
mod request;
mod retention;
mod rows;
mod segment;
mod segmentation;
mod selection;
mod sets;
mod sql;
mod sweep;
#[cfg(test)]
mod testing;
mod timeline;
#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests;

pub use answer::{Comparison, Figure, FormulaSeries, Segmentation, Series};
pub use bars::{ReportBar, SegmentationBar, people_behind};
pub use cohort::{
    Cohort, CohortCondition, CohortDefinition, CohortWindow, Cohorts, Matching, NamesCohorts,
    Times, TimesOp, members,
};
pub use error::{QueryError, QueryLimits, TextPlace};
pub use flows::{
    Flows, FlowsBar, FlowsCount, FlowsEvent, FlowsLink, FlowsPath, FlowsRequest, FlowsStep, flows,
};
pub use funnel::{
    Attribution, Durations, Funnel, FunnelBar, FunnelCount, FunnelCounts, FunnelEntry,
    FunnelExcluded, FunnelExclusion, FunnelOrder, FunnelOutcome, FunnelRequest, FunnelSegment,
    FunnelStep, FunnelTrend, FunnelWindow, HistogramBin, StrictAmong, WindowSince, WindowUnit,
    funnel,
};
pub use inputs::Inputs;
pub use people::People;
pub use progress::Progress;
pub use request::{
    Aggregate, Breakdown, CohortFilter, Compare, CompareUnit, CountMeasure, EventSelection, Filter,
    FilterOp, Formula, Measure, NamedRange, Operand, PropertyMeasure, SegmentationRequest, Unit,
    WeekStart,
};
pub use retention::{
    Alignment, Births, Counted, Retention, RetentionBar, RetentionCohort, RetentionRequest,
    RetentionSegment, RetentionUnit, retention,
};
pub use rows::{
    PersonSummary, PropertyCondition, RowPosition, Rows, RowsRequest, TimelineRequest,
    person_summary, timeline,
};
pub use segmentation::segmentation;
pub use sql::{
    SqlAnswer, SqlCell, SqlColumn, SqlFunction, SqlFunctionKind, SqlLimits, SqlRequest, SqlSchema,
    SqlTable, SqlTableColumn, sql, sql_schema, sql_shape,
};
