//! Pages about single people and organizations: who they are, what they did.
//!
//! Ids come from the vault, profiles and events from the store. Whom a page is about, an id as sent or a number says, never a value
//! that a browser claimed, such as an e-mail address.
//! Invariant: a page is read under a permit whose leaf names the person by number; sealed values open only under the permit to read
//! people; text of fields that no rule knows does not come (P2); of whoever was forgotten nothing does.

use super::fields::{StoredField, TimelineEvent, add_profile, described, ids, profile};
use super::{id_of, resource};
use crate::auth::Asking;
use crate::error::ApiError;
use crate::routes::api::{Answer, Shared, known_project};
use crate::routes::sent::{Path, Query};
use crate::shown::Shown;
use crate::system::System;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use cofferdam_access::{Permit, ReadEvents, ReadPeople};
use cofferdam_model::{OrganizationNumber, PersonNumber, ProjectName};
use cofferdam_query::{RowPosition, TimelineRequest};
use cofferdam_vault::{VaultError, Who};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// Most people or events of one answer.
const LIMIT_MAX: usize = 500;
/// People or events of an answer where nobody says how many.
const LIMIT: usize = 50;

#[derive(Debug, Deserialize)]
pub(in crate::routes) struct PeopleQuery {
    search: Option<String>,
    after: Option<u32>,
    limit: Option<usize>,
}

/// People of a project, ascending by number.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::routes) struct PeopleList {
    people: Vec<ListedPerson>,
    /// `after` for the next page.
    #[schema(required)]
    next: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ListedPerson {
    number: u32,
    /// All ids as sent.
    ids: Vec<String>,
}

/// The people of a project, or the one that a number or `id:<distinct_id>` names.
#[utoipa::path(get, path = "/api/v1/projects/{project}/people", operation_id = "list_people",
    params(("project" = String, Path), ("search" = Option<String>, Query, description = "a number, or id:<distinct_id>"),
        ("after" = Option<u32>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = PeopleList)))]
pub(in crate::routes) async fn list(
    State(system): Shared,
    asking: Asking,
    Path(project): Path<String>,
    Query(query): Query<PeopleQuery>,
) -> Answer<PeopleList> {
    let project = known_project(&system, &project)?;
    let limit = limit(query.limit)?;
    let search = query.search.as_deref().map(str::trim).unwrap_or_default();
    let found = if search.is_empty() {
        None
    } else {
        Some(system.vault.find(&project, who(search, "search")?).await)
    };
    let about = found.as_ref().map_or_else(
        || format!("project/{project}/people"),
        |found| resource(&project, found),
    );
    let permit = system
        .access
        .permit::<ReadPeople>(&asking.0, &about)
        .await?;
    let merges = system.vault.merge_map();
    let (numbers, next) = match found {
        Some(Ok(number)) if !system.vault.is_forgotten(number) => {
            (vec![merges.canonical(number)], None)
        }
        Some(Ok(_) | Err(VaultError::NoSuchPerson)) => (Vec::new(), None),
        Some(Err(error)) => return Err(error.into()),
        None => {
            let after = query.after.map(PersonNumber);
            let vault = &system.vault;
            let page = vault.people_of(&permit, &project, after, limit).await?;
            let next = page
                .last()
                .filter(|_| page.len() == limit)
                .map(|last| last.0);
            (page, next)
        }
    };
    let mut people = Vec::with_capacity(numbers.len());
    for number in numbers {
        let ids = ids(&system, &permit, &merges.cluster(number)).await?;
        people.push(ListedPerson {
            number: number.0,
            ids,
        });
    }
    Ok(Json(PeopleList { people, next }))
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::routes) struct PersonPage {
    /// The canonical number.
    number: u32,
    /// All numbers that were merged into it, it included.
    numbers: Vec<u32>,
    /// All ids as sent.
    ids: Vec<String>,
    profile: Vec<StoredField>,
    events: u64,
    /// Milliseconds since 1970.
    #[schema(required)]
    first_seen: Option<i64>,
    /// Milliseconds since 1970.
    #[schema(required)]
    last_seen: Option<i64>,
    /// How many events of each name, most first.
    by_event: Vec<EventCount>,
    /// The organizations that the events name.
    organizations: Vec<NamedOrganization>,
}

#[derive(Debug, Serialize, ToSchema)]
struct EventCount {
    event: String,
    count: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct NamedOrganization {
    number: u32,
    /// Its id as sent.
    #[schema(required)]
    id: Option<String>,
}

/// Who somebody is: ids, profile, when seen, how much.
#[utoipa::path(get, path = "/api/v1/projects/{project}/people/{person}",
    params(("project" = String, Path), ("person" = String, Path, description = "a number, or id:<distinct_id>")),
    responses((status = 200, body = PersonPage)))]
pub(in crate::routes) async fn person(
    State(system): Shared,
    asking: Asking,
    Path((project, person)): Path<(String, String)>,
) -> Answer<PersonPage> {
    let about = About::of(&system, &asking, &project, &person).await?;
    let (store, merges) = (Arc::clone(&system.store), system.vault.merge_map());
    let (events, named, number) = (about.events, about.project.clone(), about.number);
    let summary = tokio::task::spawn_blocking(move || {
        cofferdam_query::person_summary(&events, &store, &merges, &named, number)
    })
    .await??;
    let mut by_event: Vec<EventCount> = summary
        .by_event
        .iter()
        .map(|(event, count)| EventCount {
            event: event.to_string(),
            count: *count,
        })
        .collect();
    by_event.sort_by_key(|event| std::cmp::Reverse(event.count));
    let mut organizations = Vec::new();
    for number in summary.organizations {
        let organization = OrganizationNumber(number);
        let text = system.vault.organization_text(&about.people, organization);
        organizations.push(NamedOrganization {
            number,
            id: text.await?,
        });
    }
    let profile = profile(&system, &about.people, &about.project, &about.numbers).await?;
    Ok(Json(PersonPage {
        number: about.number.0,
        ids: ids(&system, &about.people, &about.numbers).await?,
        numbers: about.numbers.iter().map(|number| number.0).collect(),
        profile,
        events: summary.events,
        first_seen: summary.first_seen.map(|time| time.0),
        last_seen: summary.last_seen.map(|time| time.0),
        by_event,
        organizations,
    }))
}

#[derive(Debug, Deserialize)]
pub(in crate::routes) struct TimelineQuery {
    before: Option<String>,
    limit: Option<usize>,
}

/// A person's events, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::routes) struct Timeline {
    events: Vec<TimelineEvent>,
    /// `before` for the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// What somebody did, newest first, page by page.
#[utoipa::path(get, path = "/api/v1/projects/{project}/people/{person}/timeline",
    params(("project" = String, Path), ("person" = String, Path, description = "a number, or id:<distinct_id>"),
        ("before" = Option<String>, Query, description = "`next` of the page before"), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Timeline)))]
pub(in crate::routes) async fn timeline(
    State(system): Shared,
    asking: Asking,
    Path((project, person)): Path<(String, String)>,
    Query(query): Query<TimelineQuery>,
) -> Answer<Timeline> {
    let limit = limit(query.limit)?;
    let before = query.before.as_deref().filter(|text| !text.is_empty());
    let before = before.map(position).transpose()?;
    let about = About::of(&system, &asking, &project, &person).await?;
    let request = TimelineRequest {
        project: about.project.clone(),
        person: about.number,
        before,
        limit,
    };
    let (store, merges, events) = (
        Arc::clone(&system.store),
        system.vault.merge_map(),
        about.events,
    );
    let rows = tokio::task::spawn_blocking(move || {
        cofferdam_query::timeline(&events, &store, &merges, &request)
    })
    .await??;
    let last = rows.last().filter(|_| rows.len() == limit);
    let next = last.map(|row| format!("{}.{}", row.time.0, row.seq));
    let policy = system.policies.active();
    let mut shown = Shown::new(&policy, &about.project);
    let events = rows
        .into_iter()
        .map(|row| described(&system, &about.people, &mut shown, row))
        .collect::<Result<_, VaultError>>()?;
    Ok(Json(Timeline { events, next }))
}

/// An organization.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::routes) struct OrganizationPage {
    number: u32,
    /// Its id as sent.
    #[schema(required)]
    id: Option<String>,
    profile: Vec<StoredField>,
}

/// An organization: its id and its profile.
#[utoipa::path(get, path = "/api/v1/projects/{project}/organizations/{id}",
    params(("project" = String, Path), ("id" = String, Path, description = "a number, or id:<id as sent>")),
    responses((status = 200, body = OrganizationPage)))]
pub(in crate::routes) async fn organization(
    State(system): Shared,
    asking: Asking,
    Path((project, id)): Path<(String, String)>,
) -> Answer<OrganizationPage> {
    let project = known_project(&system, &project)?;
    let who = who(&id, "id")?;
    let about = match who {
        Who::Number(number) => format!("project/{project}/organization/{}", number.0),
        Who::Id(_) => format!("project/{project}/organization"),
    };
    let permit = system
        .access
        .permit::<ReadPeople>(&asking.0, &about)
        .await?;
    let found = system.vault.find_organization(&permit, &project, who);
    let number = found.await?.ok_or_else(|| {
        let message = "there is no organization with that number or id in this project";
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    })?;
    let stored = system.store.organization_profile(&project, number).await?;
    let owner = PersonNumber::ORGANIZATIONS;
    let mut fields = BTreeMap::new();
    let policy = system.policies.active();
    let mut shown = Shown::new(&policy, &project);
    add_profile(
        &system,
        &permit,
        &mut shown,
        ("group.", owner),
        stored,
        &mut fields,
    )?;
    Ok(Json(OrganizationPage {
        number: number.0,
        id: system.vault.organization_text(&permit, number).await?,
        profile: fields.into_values().collect(),
    }))
}

/// Whom a page is about, and the permits to read it.
struct About {
    project: ProjectName,
    /// The canonical number.
    number: PersonNumber,
    numbers: Vec<PersonNumber>,
    people: Permit<ReadPeople>,
    events: Permit<ReadEvents>,
}

impl About {
    async fn of(
        system: &System,
        asking: &Asking,
        project: &str,
        person: &str,
    ) -> Result<Self, ApiError> {
        let project = known_project(system, project)?;
        let found = system.vault.find(&project, who(person, "person")?).await;
        let about = resource(&project, &found);
        let people = system.access.permit(&asking.0, &about).await?;
        let events = system.access.permit(&asking.0, &about).await?;
        let found = found?;
        if system.vault.is_forgotten(found) {
            return Err(ApiError::new(
                StatusCode::GONE,
                "forgotten",
                format!("person {} was forgotten", found.0),
            ));
        }
        let merges = system.vault.merge_map();
        Ok(Self {
            project,
            number: merges.canonical(found),
            numbers: merges.cluster(found),
            people,
            events,
        })
    }
}

fn who<'a>(text: &'a str, path: &str) -> Result<Who<'a>, ApiError> {
    if let Ok(number) = text.parse() {
        return Ok(Who::Number(PersonNumber(number)));
    }
    id_of(text, path).map(Who::Id)
}

fn limit(asked: Option<usize>) -> Result<usize, ApiError> {
    match asked {
        None => Ok(LIMIT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => {
            let message = format!("give a number from 1 to {LIMIT_MAX}");
            Err(ApiError::invalid("limit", message))
        }
    }
}

fn position(text: &str) -> Result<RowPosition, ApiError> {
    text.split_once('.')
        .and_then(|(time, seq)| {
            Some(RowPosition {
                time: time.parse().ok()?,
                seq: seq.parse().ok()?,
            })
        })
        .ok_or_else(|| ApiError::invalid("before", "give `next` of the page before"))
}
