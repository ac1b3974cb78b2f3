//! Deleting what others show: refused by name, or done everywhere at once.
//!
//! Invariant: what shows a thing is changed before the thing goes, so that a crash in between leaves nothing that shows what is not
//! there.

use super::shelf::{Boards, Kept, Stored};
use super::{AlertDraft, AnnotationDraft, DashboardDraft, DigestDraft, ReportDraft};
use crate::error::ApiError;
use axum::http::StatusCode;
use cofferdam_access::{Permit, WriteAlert, WriteReport};

impl Boards {
    /// Forgets an alert with its history and the mails that wait.
    pub(crate) async fn delete_alert(
        &self,
        _permit: &Permit<WriteAlert>,
        id: u64,
    ) -> Result<(), ApiError> {
        let _one_at_a_time = self.lock().await;
        self.current::<AlertDraft>(id).await?;
        self.remove(id).await?;
        self.forget_state(id).await
    }

    /// Forgets a saved report. Where a dashboard shows it or an alert watches it that is refused, unless `force`: then tiles and
    /// alerts go first.
    pub(crate) async fn delete_report(
        &self,
        permit: &Permit<WriteReport>,
        id: u64,
        force: bool,
    ) -> Result<(), ApiError> {
        let _one_at_a_time = self.lock().await;
        let report: Stored<ReportDraft> = self.current(id).await?;
        let dashboards: Vec<Stored<DashboardDraft>> = self.showing(&report).await?;
        let alerts: Vec<Stored<AlertDraft>> = self.showing(&report).await?;
        if !force {
            let boards = dashboards
                .iter()
                .map(|board| ("dashboard", board.id, &board.content.name));
            let watching = alerts
                .iter()
                .map(|alert| ("alert", alert.id, &alert.content.name));
            refuse_in_use::<ReportDraft>(
                boards.chain(watching),
                "; with `force` it goes from there too",
            )?;
        }
        for alert in alerts {
            self.remove(alert.id).await?;
            self.forget_state(alert.id).await?;
        }
        for dashboard in dashboards {
            let without = dashboard.content.clone().without_report(id);
            self.put(&dashboard, &without, permit.caller().actor())
                .await?;
        }
        self.remove(id).await
    }

    /// Forgets a digest with the mails that wait.
    pub(crate) async fn delete_digest(
        &self,
        _permit: &Permit<WriteAlert>,
        id: u64,
    ) -> Result<(), ApiError> {
        let _one_at_a_time = self.lock().await;
        self.current::<DigestDraft>(id).await?;
        self.remove(id).await?;
        self.forget_digest(id).await
    }

    /// Forgets a dashboard. Where a digest sends it that is refused, unless `force`: then the digest goes first.
    pub(crate) async fn delete_dashboard(
        &self,
        _permit: &Permit<WriteReport>,
        id: u64,
        force: bool,
    ) -> Result<(), ApiError> {
        let _one_at_a_time = self.lock().await;
        let board: Stored<DashboardDraft> = self.current(id).await?;
        let digests: Vec<Stored<DigestDraft>> = self.showing(&board).await?;
        if !force {
            let names = digests
                .iter()
                .map(|digest| ("digest", digest.id, &digest.content.name));
            refuse_in_use::<DashboardDraft>(names, "; with `force` it goes too")?;
        }
        for digest in digests {
            self.remove(digest.id).await?;
            self.forget_digest(digest.id).await?;
        }
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
