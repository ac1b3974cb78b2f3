//! Computing a report for somebody who asks: its cohorts, its progress, its end; and answers that are asked for again.
//!
//! Invariants: an answer is given again only for the same request over the same version of the store, the same merges and the same
//! cohorts; a report ends with the connection of whoever asked, when it is told to, or after [`TIME_MAX`].

mod kept;
mod running;

use crate::boards::Reached;
use crate::error::ApiError;
use crate::system::System;
use cofferdam_access::{Permit, ReadReport};
use cofferdam_model::{MergeMap, PersonNumber, ProjectName};
use cofferdam_query::{Cohort, Cohorts, Inputs, NamesCohorts, People, QueryError};
use cofferdam_store::VersionId;
use kept::Kept;
pub(crate) use running::{Running, RunningReport};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How long a report may take.
const TIME_MAX: Duration = Duration::from_secs(120);
/// Answers kept, bytes as JSON.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Members of cohorts kept, bytes.
const COHORT_BYTES_MAX: usize = 64 << 20;

/// The reports of an installation: those that run, and what is kept of those that ran.
#[derive(Debug)]
pub struct Reports {
    /// Those that run.
    pub(crate) running: Running,
    answers: Kept,
    cohorts: Kept,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            running: Running::default(),
            answers: Kept::new(ANSWER_BYTES_MAX),
            cohorts: Kept::new(COHORT_BYTES_MAX),
        }
    }
}

/// What somebody asks.
#[derive(Debug)]
pub(crate) struct Question<'a, R> {
    /// The route's last part.
    pub(crate) kind: &'static str,
    pub(crate) project: &'a ProjectName,
    pub(crate) request: R,
    /// What whoever asks calls it, to follow it.
    pub(crate) name: Option<String>,
}

/// The version of everything that an answer depends on.
#[derive(Clone, Copy, Debug)]
struct Ground {
    version: VersionId,
    merges: u64,
    /// Minutes since 1970: buckets and windows end with time.
    minute: i64,
}

impl Ground {
    fn key(self, rest: &str) -> String {
        let Self {
            version,
            merges,
            minute,
        } = self;
        format!("{version} {merges} {minute} {rest}")
    }
}

/// Computes an answer beside the requests, or gives the one that is kept.
pub(crate) async fn answer<R, T>(
    system: &Arc<System>,
    permit: Permit<ReadReport>,
    question: Question<'_, R>,
    compute: impl FnOnce(Inputs<'_>, &R) -> Result<T, QueryError> + Send + 'static,
) -> Result<T, ApiError>
where
    R: NamesCohorts + Serialize + Send + 'static,
    T: Clone + Serialize + Send + Sync + 'static,
{
    let Question {
        kind,
        project,
        request,
        name,
    } = question;
    let named = request.cohorts();
    let reached = system
        .boards
        .reached(&permit, project.as_str(), &named)
        .await?;
    let timezone = crate::routes::reports::zone(system, project, None);
    let (now, merges) = (system.clock.now(), system.vault.merge_map());
    let ground = Ground {
        version: system.store.reader().id(),
        merges: merges.version(),
        minute: now.0.div_euclid(60_000),
    };
    let text = serde_json::to_string(&request).map_err(|error| ApiError::internal(&error))?;
    let cohorts: Vec<String> = reached.iter().map(state).collect();
    let key = ground.key(&format!("{kind} {text} {}", cohorts.join(" ")));
    if let Some(known) = system.reports.answers.get::<T>(&key) {
        return Ok((*known).clone());
    }
    let running = system
        .reports
        .running
        .begin(kind, project, name, TIME_MAX)?;
    let progress = running.progress();
    let (project, shared) = (project.clone(), Arc::clone(system));
    let computed = tokio::task::spawn_blocking(move || {
        let none = Cohorts::none();
        let mut inputs = Inputs {
            permit: &permit,
            store: &shared.store,
            merges: &merges,
            cohorts: &none,
            now,
            progress: &progress,
        };
        let timezone = timezone.as_deref().unwrap_or("UTC");
        let mut known = Cohorts::none();
        for one in &reached {
            let finder = Inputs {
                cohorts: &known,
                ..inputs
            };
            let people = members(&shared.reports, ground, finder, &project, timezone, one)?;
            let name = Arc::from(one.draft.name.as_str());
            known.insert(one.id.to_string(), Cohort { name, people });
        }
        inputs.cohorts = &known;
        compute(inputs, &request).map_err(ApiError::from)
    });
    let answer = computed.await??;
    drop(running);
    let bytes = serde_json::to_vec(&answer).map_or(0, |json| json.len());
    system
        .reports
        .answers
        .put(key, Arc::new(answer.clone()), bytes);
    Ok(answer)
}

/// What makes a cohort's members other than they were.
fn state(one: &Reached) -> String {
    let frozen = one.frozen.as_ref().map_or(0, |(at, _)| at.0);
    format!("{}.{}.{frozen}", one.id, one.version)
}

fn members(
    reports: &Reports,
    ground: Ground,
    inputs: Inputs<'_>,
    project: &ProjectName,
    timezone: &str,
    one: &Reached,
) -> Result<Arc<People>, ApiError> {
    if let Some((_, numbers)) = &one.frozen {
        let merges: &MergeMap = inputs.merges;
        let canonical = |number: &u32| merges.canonical(PersonNumber(*number)).0;
        return Ok(Arc::new(numbers.iter().map(canonical).collect()));
    }
    // Cohorts that it names have versions of their own, which this key does not have: they are asked for each time.
    let is_alone = one.draft.definition.cohorts().is_empty();
    let key = ground.key(&format!("{timezone} {}", state(one)));
    if let Some(known) = reports.cohorts.get::<People>(&key).filter(|_| is_alone) {
        return Ok(known);
    }
    let found = cofferdam_query::members(inputs, project, timezone, &one.draft.definition);
    let people = Arc::new(found.map_err(|error| within(one, error))?);
    if is_alone {
        reports
            .cohorts
            .put(key, Arc::clone(&people), people.bytes());
    }
    Ok(people)
}

/// An error within a cohort, in the terms of a request that names it.
fn within(one: &Reached, error: QueryError) -> ApiError {
    match error {
        QueryError::Invalid { path, message, .. } | QueryError::TooLarge { path, message } => {
            let message = format!("cohort {}, {path}: {message}", one.id);
            ApiError::invalid("cohorts", message)
        }
        other => ApiError::from(other),
    }
}
