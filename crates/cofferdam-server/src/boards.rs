//! What teams keep of their reports: saved reports with their history, dashboards, annotations, cohorts.
//!
//! Routes hand over what was sent; it is checked here, and kept in `control.db` as one JSON text for each version ([`Boards`]).
//! Running a report goes through the same handlers as asking for it. Invariant: a change is made to the version that its author saw,
//! or not at all; nothing kept refers to something that is not there.

mod alert;
mod annotation;
mod cohort;
pub(crate) mod csv;
mod dashboard;
mod delete;
mod digest;
mod range;
mod report;
mod request;
mod shelf;
mod text;

pub(crate) use alert::watch::{check as check_alert, check_due as check_due_alerts};
pub use alert::{Alert, AlertDraft, AlertEntry, AlertState, AlertStatus};
pub use annotation::{Annotation, AnnotationDraft};
pub(crate) use cohort::Reached;
pub use cohort::{Cohort, CohortDraft};
pub use dashboard::{Dashboard, DashboardDraft, DashboardVersion, Tile, TileKind};
pub(crate) use digest::send::{send_due as send_due_digests, send_now as send_digest};
pub use digest::{Digest, DigestDay, DigestDraft, DigestEvery};
pub use range::{RangeUnit, RelativeRange};
pub use report::{ReportDraft, ReportKind, ReportVersion, SavedReport};
pub use request::ReportRequest;
pub use shelf::Boards;
pub(crate) use shelf::{Stored, time_text};
