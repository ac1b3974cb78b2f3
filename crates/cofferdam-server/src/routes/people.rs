//! People: forget one, record what one chose; pages about them.

mod fields;
pub(super) mod pages;

use super::api::{Answer, Shared, known_project};
use super::sent::Body;
use crate::auth::Asking;
use crate::config::near::did_you_mean;
use crate::error::ApiError;
use axum::Json;
use axum::extract::State;
use cofferdam_access::{Erase, WriteConfig};
use cofferdam_model::{PersonNumber, ProjectName, VendorId, category::DATA_USES};
use cofferdam_vault::{Choice, DeletionState, Scope, VaultError, Who};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A person: a number, or `id:<distinct_id>`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a number, or id:<distinct_id>")]
enum Person {
    /// A person number.
    Number(u32),
    /// `id:` and an id as sent.
    Id(String),
}

/// Whom to forget.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct EraseRequest {
    project: String,
    person: Person,
    /// Where to reach the person about a breach at a vendor that still holds data: sealed under a key of its own, which dies
    /// with the last vendor's confirmation.
    contact: Option<String>,
}

/// What an erasure did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Erased {
    /// All numbers of the person.
    numbers: Vec<u32>,
    /// When the person was forgotten, milliseconds since 1970, where an earlier erasure had left nothing to forget; else null.
    #[schema(required)]
    forgotten_before: Option<i64>,
    deletion_requests: Vec<DeletionRequests>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DeletionRequests {
    vendor: String,
    requests: usize,
    /// `requested`, `acknowledged` or `done`.
    state: &'static str,
}

/// Forgets a person: destroys the keys, queues deletion requests to the vendors, refuses late copies. Of somebody who is forgotten
/// already it says since when, and how far the requests got.
#[utoipa::path(post, path = "/api/v1/people/erase", request_body = EraseRequest, responses((status = 200, body = Erased)))]
pub(super) async fn erase(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<EraseRequest>,
) -> Answer<Erased> {
    let project = known_project(&system, &request.project)?;
    let who = who(&request.person)?;
    let found = system.vault.find(&project, who).await;
    let permit = system
        .access
        .permit::<Erase>(&asking.0, &resource(&project, &found))
        .await?;
    let who = Who::Number(found?);
    let contact = request.contact.as_deref().map(str::as_bytes);
    let erased = system.vault.erase(&permit, &project, who, contact).await?;
    let failed = |error: anyhow::Error| ApiError::internal(error.as_ref());
    system.list_erasures().await.map_err(failed)?;
    let numbers = &erased.numbers;
    system
        .forget_in_house(&permit, numbers)
        .await
        .map_err(failed)?;
    system.keep_house().await.map_err(failed)?;
    let mut counts: BTreeMap<(String, DeletionState), usize> = BTreeMap::new();
    for deletion in &erased.requests {
        let which = (deletion.vendor.to_string(), deletion.state);
        *counts.entry(which).or_default() += 1;
    }
    let deletion_requests = counts
        .into_iter()
        .map(|((vendor, state), requests)| DeletionRequests {
            vendor,
            requests,
            state: super::deletions::state_name(state),
        })
        .collect();
    Ok(Json(Erased {
        forgotten_before: erased.forgotten_before.map(|at| at.0),
        numbers: erased.numbers.iter().map(|number| number.0).collect(),
        deletion_requests,
    }))
}

/// What a person chose.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ConsentRequest {
    project: String,
    /// `id:<distinct_id>` or a number.
    person: Person,
    /// For one vendor.
    vendor: Option<String>,
    /// For a data use and everything below it.
    purpose: Option<String>,
    /// `object`, `consent` or `clear`.
    state: String,
}

/// The choice that is now on record.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConsentRecorded {
    state: String,
}

/// Records an objection or a consent of a person; it reaches what is not sent yet.
#[utoipa::path(post, path = "/api/v1/consent", request_body = ConsentRequest, responses((status = 200, body = ConsentRecorded)))]
pub(super) async fn consent(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<ConsentRequest>,
) -> Answer<ConsentRecorded> {
    let project = known_project(&system, &request.project)?;
    let choice = match request.state.as_str() {
        "object" => Choice::Objected,
        "consent" => Choice::OptedIn,
        "clear" => Choice::Withdrawn,
        _ => {
            let allowed = ["object", "consent", "clear"].map(str::to_owned).to_vec();
            return Err(ApiError::invalid("state", "unknown state").allowed(allowed));
        }
    };
    let scope = match (&request.vendor, &request.purpose) {
        (Some(vendor), None) => {
            super::vendors::known(&system, vendor).await?;
            Scope::Vendor(VendorId::from(vendor.as_str()))
        }
        (None, Some(purpose)) => Scope::Purpose(known_purpose(purpose)?.to_owned()),
        (None, None) => Scope::All,
        _ => {
            return Err(ApiError::invalid(
                "vendor",
                "give vendor or purpose, not both",
            ));
        }
    };
    let found = system.vault.find(&project, who(&request.person)?).await;
    let about = request.vendor.as_deref().or(request.purpose.as_deref());
    let details = [
        ("state", request.state.as_str()),
        ("about", about.unwrap_or("everything")),
    ];
    let _permit = system
        .access
        .permit_with::<WriteConfig>(
            &asking.0,
            &format!("{}/consent", resource(&project, &found)),
            None,
            &details,
        )
        .await?;
    let person = found?;
    system.vault.set_choice(person, scope, choice).await?;
    Ok(Json(ConsentRecorded {
        state: request.state,
    }))
}

fn who(person: &Person) -> Result<Who<'_>, ApiError> {
    match person {
        Person::Number(number) => Ok(Who::Number(PersonNumber(*number))),
        Person::Id(text) => Ok(Who::Id(id_of(text, "person")?)),
    }
}

/// How an audit leaf names the person: by the number, which stays when the person is forgotten.
fn resource(project: &ProjectName, found: &Result<PersonNumber, VaultError>) -> String {
    match found {
        Ok(number) => format!("project/{project}/person/{}", number.0),
        Err(_) => format!("project/{project}/person"),
    }
}

/// A data use as it stands in the taxonomy; an objection to anything else would stop nothing.
fn known_purpose(text: &str) -> Result<&'static str, ApiError> {
    let known = DATA_USES.iter().find(|known| **known == text);
    known.copied().ok_or_else(|| {
        ApiError::not_found("data use", text, DATA_USES)
            .suggestions(vec![did_you_mean(text, DATA_USES)])
    })
}

fn id_of<'a>(text: &'a str, path: &str) -> Result<&'a str, ApiError> {
    text.strip_prefix("id:")
        .ok_or_else(|| ApiError::invalid(path, "give a number, or id:<distinct_id>"))
}
