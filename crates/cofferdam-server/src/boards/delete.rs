//! Deleting what others show: refused by name, or done everywhere at once.
//!
//! Invariant: what shows a thing is changed before the thing goes, so that a crash in between leaves nothing that shows what is not
//! there.

use super::shelf::{Boards, Kept, Stored};
use super::{AnnotationDraft, DashboardDraft, ReportDraft};
use crate::error::ApiError;
use axum::http::StatusCode;
use cofferdam_access::{Permit, WriteReport};

impl Boards {
    /// Forgets a saved report. Where a dashboard shows it that is refused, unless `force`: then its tiles go first.
    pub(crate) async fn delete_report(
        &self,
        permit: &Permit<WriteReport>,
        id: u64,
        force: bool,
    ) -> Result<(), ApiError> {
        let _one_at_a_time = self.lock().await;
        let report: Stored<ReportDraft> = self.current(id).await?;
        let dashboards: Vec<Stored<DashboardDraft>> = self.showing(&report).await?;
        if !force {
            let names = dashboards
                .iter()
                .map(|board| ("dashboard", board.id, &board.content.name));
            refuse_in_use::<ReportDraft>(names, "; with `force` it goes from there too")?;
        }
        for dashboard in dashboards {
            let without = dashboard.content.clone().without_report(id);
            self.put(&dashboard, &without, permit.caller().actor())
                .await?;
        }
        self.remove(id).await
    }

    /// Forgets a dashboard.
    pub(crate) async fn delete_dashboard(
        &self,
        _permit: &Permit<WriteReport>,
        id: u64,
    ) -> Result<(), ApiError> {
        let _one_at_a_time = self.lock().await;
        self.current::<DashboardDraft>(id).await?;
        self.remove(id).await
    }

    /// Forgets an annotation.
    pub(crate) async fn delete_annotation(
        &self,
        _permit: &Permit<WriteReport>,
        id: u64,
    ) -> Result<(), ApiError> {
        let _one_at_a_time = self.lock().await;
        self.current::<AnnotationDraft>(id).await?;
        self.remove(id).await
    }

    /// Those of a sort that show a thing.
    pub(super) async fn showing<By: Kept, T: Kept>(
        &self,
        shown: &Stored<T>,
    ) -> Result<Vec<Stored<By>>, ApiError> {
        let mut all: Vec<Stored<By>> = self.all(Some(shown.content.project())).await?;
        all.retain(|by| {
            let mut references = by.content.references().into_iter();
            references.any(|(_, sort, id)| sort == T::SORT && id == shown.id)
        });
        Ok(all)
    }
}

/// `hint` says what can be done about it.
pub(super) fn refuse_in_use<'n, T: Kept>(
    by: impl Iterator<Item = (&'static str, u64, &'n String)>,
    hint: &str,
) -> Result<(), ApiError> {
    let by: Vec<String> = by
        .map(|(noun, id, name)| format!("{noun} {id}, {name}"))
        .collect();
    if by.is_empty() {
        return Ok(());
    }
    let message = format!("this {} is in use: {}{hint}", T::NOUN, by.join("; "));
    Err(ApiError::new(StatusCode::CONFLICT, "in_use", message))
}
