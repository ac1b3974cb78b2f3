//! How far an input was imported: one row of `control.db` for each file, project, format and vendor.
//!
//! Invariant: what a row says is done is in the journal, and in the ledger where it belongs there.

use super::{ImportReport, Job};
use sqlx::SqlitePool;

/// How far an import is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Lines that are done with.
    pub lines: u64,
    /// Whether these are all.
    pub is_done: bool,
    /// What became of them.
    pub report: ImportReport,
}

pub(super) async fn load(pool: &SqlitePool, job: &Job) -> Result<Progress, sqlx::Error> {
    let row: Option<(i64, bool, String)> = sqlx::query_as(
        "SELECT lines, is_done, report FROM imports WHERE fingerprint = ? AND project = ? AND format = ? AND vendor = ?",
    )
    .bind(&job.fingerprint)
    .bind(job.project.as_str())
    .bind(job.format.1)
    .bind(vendor(job))
    .fetch_optional(pool)
    .await?;
    let Some((lines, is_done, report)) = row else {
        return Ok(Progress::default());
    };
    // A report of another version is begun anew; what it is of is done with all the same.
    Ok(Progress {
        lines: lines.cast_unsigned(),
        is_done,
        report: serde_json::from_str(&report).unwrap_or_default(),
    })
}

pub(super) async fn store(
    pool: &SqlitePool,
    job: &Job,
    progress: &Progress,
) -> Result<(), sqlx::Error> {
    if !job.resumable {
        return Ok(());
    }
    let report = serde_json::to_string(&progress.report).unwrap_or_default();
    sqlx::query(
        "INSERT INTO imports VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET lines = ?5, is_done = ?6, report = ?7",
    )
    .bind(&job.fingerprint)
    .bind(job.project.as_str())
    .bind(job.format.1)
    .bind(vendor(job))
    .bind(progress.lines.cast_signed())
    .bind(progress.is_done)
    .bind(report)
    .execute(pool)
    .await?;
    Ok(())
}

fn vendor(job: &Job) -> &str {
    job.as_sent_to.as_ref().map_or("", |vendor| vendor.as_str())
}
