//! Cohorts: list, make, change, delete; how many they have, who they are; freezing their members.

use super::{Deleted, OfProject, number, reading, sent_project, writing};
use crate::auth::Asking;
use crate::boards::{Cohort, CohortDraft, Stored};
use crate::error::ApiError;
use crate::reports::{Question, answer};
use crate::routes::api::{Answer, Shared, known_project};
use crate::routes::reports::{Named, Page, PeopleFound, zone};
use crate::routes::sent::{Body, Path, Query};
use crate::system::System;
use axum::Json;
use axum::extract::State;
use cofferdam_access::{Permit, ReadPeople, ReadReport};
use cofferdam_model::ProjectName;
use cofferdam_query::{CohortCondition, CohortDefinition, Matching, People};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

const NOUN: &str = "cohort";

/// Cohorts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CohortList {
    /// By number.
    cohorts: Vec<Cohort>,
}

/// A definition to try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    /// The project.
    project: String,
    /// Who is in it.
    definition: CohortDefinition,
}

/// How many people are in a cohort.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CohortSize {
    people: u64,
}

/// The cohorts, of one project or of all.
#[utoipa::path(get, path = "/api/v1/cohorts", operation_id = "list_cohorts", params(("project" = Option<String>, Query)),
    responses((status = 200, body = CohortList)))]
pub(crate) async fn list(
    State(system): Shared,
    asking: Asking,
    Query(of): Query<OfProject>,
) -> Answer<CohortList> {
    let permit = reading(&system, &asking, "cohorts").await?;
    if let Some(project) = &of.project {
        known_project(&system, project)?;
    }
    let mut cohorts = Vec::new();
    for stored in system.boards.list(&permit, of.project.as_deref()).await? {
        cohorts.push(system.boards.shown(stored).await?);
    }
    Ok(Json(CohortList { cohorts }))
}

/// Makes a cohort.
#[utoipa::path(post, path = "/api/v1/cohorts", operation_id = "make_cohort", request_body = CohortDraft,
    responses((status = 200, body = Cohort)))]
pub(crate) async fn create(
    State(system): Shared,
    asking: Asking,
    Body(draft): Body<CohortDraft>,
) -> Answer<Cohort> {
    sent_project(&system, &draft.project)?;
    let draft = draft.checked()?;
    // A cohort that cannot be looked up is no cohort: its events and properties are checked by doing so.
    let permit = reading(&system, &asking, "cohorts").await?;
    members(&system, permit, &draft.project, &draft.definition, None).await?;
    let permit = writing(&system, &asking, "cohorts").await?;
    let stored = system.boards.insert(&permit, draft).await?;
    Ok(Json(system.boards.shown(stored).await?))
}

/// A cohort.
#[utoipa::path(get, path = "/api/v1/cohorts/{id}", operation_id = "cohort", params(("id" = u64, Path)),
    responses((status = 200, body = Cohort)))]
pub(crate) async fn show(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<Cohort> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("cohort/{id}")).await?;
    let stored = system.boards.one(&permit, id).await?;
    Ok(Json(system.boards.shown(stored).await?))
}

/// Changes a cohort; `version` names the version that was changed. The conditions of a frozen one stay as they are.
#[utoipa::path(put, path = "/api/v1/cohorts/{id}", operation_id = "change_cohort", params(("id" = u64, Path)),
    request_body = CohortDraft, responses((status = 200, body = Cohort)))]
pub(crate) async fn change(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Body(draft): Body<CohortDraft>,
) -> Answer<Cohort> {
    let id = number(NOUN, &id)?;
    sent_project(&system, &draft.project)?;
    let draft = draft.checked()?;
    let permit = reading(&system, &asking, &format!("cohort/{id}")).await?;
    members(&system, permit, &draft.project, &draft.definition, None).await?;
    let permit = writing(&system, &asking, &format!("cohort/{id}")).await?;
    let stored = system.boards.replace_cohort(&permit, id, draft).await?;
    Ok(Json(system.boards.shown(stored).await?))
}

/// Deletes a cohort, unless another one or a saved report names it.
#[utoipa::path(delete, path = "/api/v1/cohorts/{id}", operation_id = "delete_cohort", params(("id" = u64, Path)),
    responses((status = 200, body = Deleted)))]
pub(crate) async fn delete(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<Deleted> {
    let id = number(NOUN, &id)?;
    let permit = writing(&system, &asking, &format!("cohort/{id}")).await?;
    system.boards.delete_cohort(&permit, id).await?;
    Ok(Json(Deleted { id }))
}

/// How many people a definition has, without keeping it.
#[utoipa::path(post, path = "/api/v1/cohorts/try", operation_id = "try_cohort", request_body = Trial,
    responses((status = 200, body = CohortSize)))]
pub(crate) async fn trial(
    State(system): Shared,
    asking: Asking,
    Named(name): Named,
    Body(trial): Body<Trial>,
) -> Answer<CohortSize> {
    sent_project(&system, &trial.project)?;
    let permit = reading(&system, &asking, "cohorts/try").await?;
    let people = members(&system, permit, &trial.project, &trial.definition, name).await?;
    Ok(Json(CohortSize {
        people: people.len() as u64,
    }))
}

/// The people of a cohort, by number.
#[utoipa::path(get, path = "/api/v1/cohorts/{id}/people", operation_id = "cohort_people",
    params(("id" = u64, Path), ("after" = Option<u32>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = PeopleFound)))]
pub(crate) async fn people(
    State(system): Shared,
    asking: Asking,
    Named(name): Named,
    id: Path<String>,
    Query(page): Query<Page>,
) -> Answer<PeopleFound> {
    let id = number(NOUN, &id)?;
    let page = page.check()?;
    let resource = format!("cohort/{id}/people");
    let permit = reading(&system, &asking, &resource).await?;
    let _people: Permit<ReadPeople> = system.access.permit(&asking.0, &resource).await?;
    let found = of(&system, permit, id, name).await?;
    Ok(Json(page.of(&found)))
}

/// Keeps the members of a cohort as they are now, until it is thawed.
#[utoipa::path(post, path = "/api/v1/cohorts/{id}/freeze", operation_id = "freeze_cohort", params(("id" = u64, Path)),
    responses((status = 200, body = Cohort)))]
pub(crate) async fn freeze(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<Cohort> {
    let id = number(NOUN, &id)?;
    let resource = format!("cohort/{id}/freeze");
    let at = system.clock.now();
    let permit = reading(&system, &asking, &resource).await?;
    let people: People = of(&system, permit, id, None).await?.into_iter().collect();
    let permit = writing(&system, &asking, &resource).await?;
    system.boards.freeze(&permit, id, at, &people).await?;
    shown(&system, &asking, id).await
}

/// Has the members of a cohort found anew from now on.
#[utoipa::path(post, path = "/api/v1/cohorts/{id}/thaw", operation_id = "thaw_cohort", params(("id" = u64, Path)),
    responses((status = 200, body = Cohort)))]
pub(crate) async fn thaw(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<Cohort> {
    let id = number(NOUN, &id)?;
    let permit = writing(&system, &asking, &format!("cohort/{id}/thaw")).await?;
    system.boards.thaw(&permit, id).await?;
    shown(&system, &asking, id).await
}

async fn shown(system: &System, asking: &Asking, id: u64) -> Answer<Cohort> {
    let permit = reading(system, asking, &format!("cohort/{id}")).await?;
    let stored = system.boards.one(&permit, id).await?;
    Ok(Json(system.boards.shown(stored).await?))
}

/// The members of a kept cohort.
pub(crate) async fn of(
    system: &Arc<System>,
    permit: Permit<ReadReport>,
    id: u64,
    name: Option<String>,
) -> Result<Vec<u32>, ApiError> {
    let stored: Stored<CohortDraft> = system.boards.one(&permit, id).await?;
    // A frozen one has the members that it had: so it is asked for by its number, not by its conditions.
    let definition = CohortDefinition {
        matching: Matching::All,
        conditions: vec![CohortCondition::Cohort {
            cohort: id.to_string(),
            not: false,
        }],
    };
    members(system, permit, &stored.content.project, &definition, name).await
}

async fn members(
    system: &Arc<System>,
    permit: Permit<ReadReport>,
    project: &str,
    definition: &CohortDefinition,
    name: Option<String>,
) -> Result<Vec<u32>, ApiError> {
    let project = ProjectName::from(project);
    let timezone = zone(system, &project, None).unwrap_or_else(|| "UTC".to_owned());
    let question = Question {
        kind: "cohort",
        project: &project,
        request: definition.clone(),
        name,
    };
    let of = project.clone();
    let found = answer(system, permit, question, move |inputs, definition| {
        let people = cofferdam_query::members(inputs, &of, &timezone, definition)?;
        Ok(people.numbers().collect::<Vec<u32>>())
    });
    found.await.map_err(|error| error.below("definition"))
}
