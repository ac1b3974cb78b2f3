//! Cohorts: sets of people with a name, by what they did; found anew each time, or frozen as they were once.
//!
//! Invariant: a cohort's conditions lead to other cohorts of its project, and never back to itself.

use super::shelf::{Boards, Kept, Stored, time_text};
use super::{ReportDraft, text};
use crate::error::ApiError;
use axum::http::StatusCode;
use cofferdam_access::{Permit, ReadReport, WriteReport};
use cofferdam_model::TimestampMs;
use cofferdam_query::{CohortDefinition, NamesCohorts, People};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use utoipa::ToSchema;

const NAME_CHARS_MAX: usize = 120;
const DESCRIPTION_CHARS_MAX: usize = 2_000;
/// Longest definition, bytes as JSON.
const DEFINITION_BYTES_MAX: usize = 64 * 1024;
/// Most cohorts that one request leads to.
const REACHED_MAX: usize = 50;

/// A cohort to be kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CohortDraft {
    /// The project.
    pub project: String,
    /// What it is called, at most 120 characters.
    pub name: String,
    /// What it is for, at most 2,000 characters.
    #[serde(default)]
    pub description: String,
    /// Who is in it.
    pub definition: CohortDefinition,
    /// Of a change: the version that it is a change of.
    #[serde(default, skip_serializing)]
    pub version: Option<u32>,
}

/// A cohort.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Cohort {
    /// Its number; never given twice. Requests name it as text.
    pub id: u64,
    /// Counts changes, from 1.
    pub version: u32,
    /// When it was made.
    pub created: String,
    /// By whom.
    pub created_by: String,
    /// When it was last changed.
    pub updated: String,
    /// By whom.
    pub updated_by: String,
    /// When its members were frozen; null where they are found anew each time.
    #[schema(required)]
    pub frozen: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub cohort: CohortDraft,
}

impl CohortDraft {
    /// Checks what can be checked without looking for members.
    ///
    /// # Errors
    /// [`ApiError`] with the path of what is wrong.
    pub(crate) fn checked(mut self) -> Result<Self, ApiError> {
        self.name = text::line("name", &self.name, NAME_CHARS_MAX)?;
        self.description = text::lines("description", &self.description, DESCRIPTION_CHARS_MAX)?;
        let bytes = serde_json::to_vec(&self.definition).map_or(0, |json| json.len());
        if bytes > DEFINITION_BYTES_MAX {
            let message = format!("{bytes} bytes are more than {DEFINITION_BYTES_MAX}");
            return Err(ApiError::invalid("definition", message));
        }
        Ok(self)
    }
}

impl Kept for CohortDraft {
    const SORT: &'static str = "cohort";
    const NOUN: &'static str = "cohort";
    const COUNT_MAX: usize = 1_000;
    type Write = WriteReport;

    fn project(&self) -> &str {
        &self.project
    }

    fn base(&self) -> Option<u32> {
        self.version
    }

    fn references(&self) -> Vec<(String, &'static str, u64)> {
        named("definition", &self.definition)
    }
}

/// What a request names, as references. A name that is no number is no cohort; 0 is none's.
pub(super) fn named(path: &str, request: &impl NamesCohorts) -> Vec<(String, &'static str, u64)> {
    let ids = request.cohorts().into_iter();
    ids.map(|id| (path.to_owned(), CohortDraft::SORT, id.parse().unwrap_or(0)))
        .collect()
}

/// A cohort that a request leads to.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    pub(crate) id: u64,
    pub(crate) version: u32,
    pub(crate) draft: CohortDraft,
    /// Its members as they were once, with the time.
    pub(crate) frozen: Option<(TimestampMs, Vec<u32>)>,
}

impl Boards {
    /// The cohorts that are named, and those that they lead to, each after those that it names itself. Ids that are none's are left out.
    ///
    /// # Errors
    /// [`ApiError`] where they lead back to themselves, or to too many.
    pub(crate) async fn reached(
        &self,
        _permit: &Permit<ReadReport>,
        project: &str,
        named: &BTreeSet<String>,
    ) -> Result<Vec<Reached>, ApiError> {
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let all: Vec<Stored<CohortDraft>> = self.all(Some(project)).await?;
        let all: HashMap<String, Stored<CohortDraft>> = all
            .into_iter()
            .map(|stored| (stored.id.to_string(), stored))
            .collect();
        let mut order = Vec::new();
        let mut walk = Walk {
            all: &all,
            done: BTreeSet::new(),
            open: BTreeSet::new(),
        };
        for id in named {
            walk.to(id, &mut order)?;
        }
        let mut reached = Vec::new();
        for stored in order {
            reached.push(Reached {
                frozen: self.frozen(stored.id).await?,
                id: stored.id,
                version: stored.version,
                draft: stored.content.clone(),
            });
        }
        Ok(reached)
    }

    /// A cohort as it is shown.
    pub(crate) async fn shown(&self, stored: Stored<CohortDraft>) -> Result<Cohort, ApiError> {
        let frozen: Option<i64> = sqlx::query_scalar("SELECT at FROM cohort_people WHERE id = ?")
            .bind(stored.id.cast_signed())
            .fetch_optional(self.pool())
            .await?;
        Ok(Cohort {
            id: stored.id,
            version: stored.version,
            created: stored.created,
            created_by: stored.created_by,
            updated: stored.updated,
            updated_by: stored.updated_by,
            frozen: frozen.map(|at| time_text(TimestampMs(at))),
            cohort: stored.content,
        })
    }

    async fn frozen(&self, id: u64) -> Result<Option<(TimestampMs, Vec<u32>)>, ApiError> {
        let row: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT at, people FROM cohort_people WHERE id = ?")
                .bind(id.cast_signed())
                .fetch_optional(self.pool())
                .await?;
        Ok(row.map(|(at, people)| {
            let (numbers, _) = people.as_chunks::<4>();
            let numbers = numbers.iter().map(|number| u32::from_le_bytes(*number));
            (TimestampMs(at), numbers.collect())
        }))
    }

    /// Keeps the members as they are, until [`Boards::thaw`].
    pub(crate) async fn freeze(
        &self,
        _permit: &Permit<WriteReport>,
        id: u64,
        at: TimestampMs,
        people: &People,
    ) -> Result<(), ApiError> {
        let _one_at_a_time = self.lock().await;
        self.current::<CohortDraft>(id).await?;
        let people: Vec<u8> = people.numbers().flat_map(u32::to_le_bytes).collect();
        sqlx::query("INSERT OR REPLACE INTO cohort_people VALUES (?, ?, ?)")
            .bind(id.cast_signed())
            .bind(at.0)
            .bind(people)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Has the members found anew from now on.
    pub(crate) async fn thaw(
        &self,
        _permit: &Permit<WriteReport>,
        id: u64,
    ) -> Result<(), ApiError> {
        let _one_at_a_time = self.lock().await;
        self.current::<CohortDraft>(id).await?;
        sqlx::query("DELETE FROM cohort_people WHERE id = ?")
            .bind(id.cast_signed())
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Puts a new version of a cohort in the place of the one that it names. The conditions of a frozen one stay.
    pub(crate) async fn replace_cohort(
        &self,
        permit: &Permit<WriteReport>,
        id: u64,
        draft: CohortDraft,
    ) -> Result<Stored<CohortDraft>, ApiError> {
        let current: Stored<CohortDraft> = self.current(id).await?;
        let is_frozen = self.frozen(id).await?.is_some();
        if is_frozen && current.content.definition != draft.definition {
            let message = "its members are frozen: thaw it before its conditions change";
            return Err(ApiError::new(StatusCode::CONFLICT, "frozen", message));
        }
        let all: Vec<Stored<CohortDraft>> = self.all(Some(&draft.project)).await?;
        let mut all: HashMap<String, Stored<CohortDraft>> = all
            .into_iter()
            .map(|stored| (stored.id.to_string(), stored))
            .collect();
        if let Some(own) = all.get_mut(&id.to_string()) {
            own.content = draft.clone();
        }
        let mut walk = Walk {
            all: &all,
            done: BTreeSet::new(),
            open: BTreeSet::new(),
        };
        walk.to(&id.to_string(), &mut Vec::new())?;
        self.replace(permit, id, draft).await
    }

    /// Forgets a cohort, unless another one or a saved report names it.
    pub(crate) async fn delete_cohort(
        &self,
        _permit: &Permit<WriteReport>,
        id: u64,
    ) -> Result<(), ApiError> {
        let _one_at_a_time = self.lock().await;
        let cohort: Stored<CohortDraft> = self.current(id).await?;
        let cohorts: Vec<Stored<CohortDraft>> = self.showing(&cohort).await?;
        let reports: Vec<Stored<ReportDraft>> = self.showing(&cohort).await?;
        let cohorts = cohorts.iter().map(|by| ("cohort", by.id, &by.content.name));
        let reports = reports
            .iter()
            .map(|by| ("saved report", by.id, &by.content.name));
        super::delete::refuse_in_use::<CohortDraft>(cohorts.chain(reports), "")?;
        sqlx::query("DELETE FROM cohort_people WHERE id = ?")
            .bind(id.cast_signed())
            .execute(self.pool())
            .await?;
        self.remove(id).await
    }
}

/// A walk from cohort to cohort.
struct Walk<'a> {
    all: &'a HashMap<String, Stored<CohortDraft>>,
    done: BTreeSet<String>,
    open: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn to(&mut self, id: &str, order: &mut Vec<&'a Stored<CohortDraft>>) -> Result<(), ApiError> {
        let Some(stored) = self.all.get(id) else {
            return Ok(());
        };
        if self.done.contains(id) {
            return Ok(());
        }
        if !self.open.insert(id.to_owned()) {
            let message = format!("cohort {id} leads back to itself");
            return Err(ApiError::invalid("definition", message));
        }
        if self.open.len() + self.done.len() > REACHED_MAX {
            let message = format!("it leads to more than {REACHED_MAX} cohorts");
            return Err(ApiError::invalid("definition", message));
        }
        for next in stored.content.definition.cohorts() {
            self.to(&next, order)?;
        }
        self.done.insert(id.to_owned());
        order.push(stored);
        Ok(())
    }
}
