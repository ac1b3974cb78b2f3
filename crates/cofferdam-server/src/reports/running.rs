//! The reports that run: who can see how far they are, and end them.

use crate::error::ApiError;
use axum::http::StatusCode;
use cofferdam_model::ProjectName;
use cofferdam_query::Progress;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// Most reports that run at a time.
const RUNNING_MAX: usize = 64;

/// A report that runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RunningReport {
    /// Its number.
    pub(crate) id: u64,
    /// What whoever asked calls it, by the header `cofferdam-query`.
    #[schema(required)]
    pub(crate) name: Option<String>,
    /// Which report.
    pub(crate) kind: String,
    /// Of which project.
    pub(crate) project: String,
    /// Since when, milliseconds.
    pub(crate) elapsed_ms: u64,
    /// Parts of the store that were read.
    pub(crate) done: u64,
    /// Parts that will be, as far as is known; it may grow.
    pub(crate) parts: u64,
}

#[derive(Debug)]
struct One {
    name: Option<String>,
    kind: &'static str,
    project: ProjectName,
    began: Instant,
    progress: Arc<Progress>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    all: BTreeMap<u64, One>,
}

/// All that run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<State>>);

impl Running {
    /// A report begins; it is ended when the guard goes, with the connection of whoever asked.
    ///
    /// # Errors
    /// [`ApiError`] where too many run.
    pub(crate) fn begin(
        &self,
        kind: &'static str,
        project: &ProjectName,
        name: Option<String>,
        limit: Duration,
    ) -> Result<Guard, ApiError> {
        let progress = Arc::new(Progress::with_limit(limit));
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.all.len() >= RUNNING_MAX {
            let message = format!("{RUNNING_MAX} reports run already; try again in a moment");
            return Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                message,
            ));
        }
        state.next += 1;
        let id = state.next;
        state.all.insert(
            id,
            One {
                name,
                kind,
                project: project.clone(),
                began: Instant::now(),
                progress: Arc::clone(&progress),
            },
        );
        Ok(Guard {
            running: self.clone(),
            id,
            progress,
        })
    }

    /// Those that run, by number.
    pub(crate) fn all(&self) -> Vec<RunningReport> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |(id, one): (&u64, &One)| {
            let (done, parts) = one.progress.parts();
            RunningReport {
                id: *id,
                name: one.name.clone(),
                kind: one.kind.to_owned(),
                project: one.project.to_string(),
                elapsed_ms: u64::try_from(one.began.elapsed().as_millis()).unwrap_or(u64::MAX),
                done,
                parts,
            }
        };
        state.all.iter().map(shown).collect()
    }

    /// Ends the reports of that number or name. Returns how many.
    pub(crate) fn end(&self, name: &str) -> usize {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant =
            |(id, one): &(&u64, &One)| one.name.as_deref() == Some(name) || id.to_string() == name;
        let meant = state.all.iter().filter(is_meant);
        meant.map(|(_, one)| one.progress.cancel()).count()
    }
}

/// Ends a report when it goes.
#[derive(Debug)]
pub(crate) struct Guard {
    running: Running,
    id: u64,
    progress: Arc<Progress>,
}

impl Guard {
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.progress.cancel();
        let mut state = self
            .running
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.all.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::Running;
    use cofferdam_model::ProjectName;
    use std::time::Duration;

    #[test]
    fn a_report_is_seen_while_it_runs_and_ended_by_name_by_number_or_with_whoever_asked() {
        let running = Running::default();
        let project = ProjectName::from("console");
        let begin = |name: Option<&str>| {
            let name = name.map(str::to_owned);
            running
                .begin("funnel", &project, name, Duration::from_secs(60))
                .unwrap()
        };
        let (mine, other, third) = (begin(Some("mine")), begin(None), begin(None));
        let seen: Vec<_> = running
            .all()
            .into_iter()
            .map(|one| (one.id, one.name))
            .collect();
        assert_eq!(seen, [(1, Some("mine".to_owned())), (2, None), (3, None)]);
        assert_eq!(
            (running.end("yours"), running.end("mine"), running.end("2")),
            (0, 1, 1)
        );
        assert!(mine.progress().is_ended() && other.progress().is_ended());
        let progress = third.progress();
        assert!(!progress.is_ended());
        drop((mine, other, third));
        assert!(progress.is_ended());
        assert!(running.all().is_empty());
    }

    #[test]
    fn too_many_at_a_time_are_refused() {
        let running = Running::default();
        let project = ProjectName::from("console");
        let begin = || running.begin("flows", &project, None, Duration::from_secs(60));
        let all: Vec<_> = (0..super::RUNNING_MAX).map(|_| begin().unwrap()).collect();
        assert!(begin().is_err());
        drop(all);
        assert!(begin().is_ok());
    }
}
