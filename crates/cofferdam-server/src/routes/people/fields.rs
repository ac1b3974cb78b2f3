//! What stands on a page about a person or an organization: ids, and properties as the store has them.
//!
//! Invariant: sealed values open only under the permit to read people; text of fields that no rule knows does not come (P2).

use crate::error::ApiError;
use crate::shown::Shown;
use crate::system::System;
use cofferdam_access::{Permit, ReadPeople};
use cofferdam_model::{PersonNumber, ProjectName};
use cofferdam_store::{Profile, StoredRow};
use cofferdam_vault::VaultError;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A property as the store has it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoredField {
    path: String,
    category: &'static str,
    /// `clear`, or `sealed`: opened for this answer.
    form: &'static str,
    /// Null where it is not shown: text of a field that no rule knows is shown for groups of people only.
    #[schema(required)]
    value: Option<serde_json::Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimelineEvent {
    /// Its number in the journal.
    seq: u64,
    /// Milliseconds since 1970.
    time: i64,
    event: String,
    /// The person's number as first seen.
    person: u32,
    #[schema(required)]
    organization: Option<u32>,
    /// Whether it came with a server's secret; else it is what a browser claimed.
    verified: bool,
    fields: Vec<StoredField>,
}

/// All ids as sent, those of the canonical number first.
pub(super) async fn ids(
    system: &System,
    permit: &Permit<ReadPeople>,
    numbers: &[PersonNumber],
) -> Result<Vec<String>, ApiError> {
    let mut ids = Vec::with_capacity(numbers.len());
    for number in numbers {
        ids.extend(system.vault.id_text(permit, *number).await?);
    }
    Ok(ids)
}

/// The profile of all numbers as one: where several have a property, the smallest number's counts.
pub(super) async fn profile(
    system: &System,
    permit: &Permit<ReadPeople>,
    project: &ProjectName,
    numbers: &[PersonNumber],
) -> Result<Vec<StoredField>, ApiError> {
    let mut stored = Vec::with_capacity(numbers.len());
    for number in numbers {
        stored.push((*number, system.store.profile(project, *number).await?));
    }
    let mut fields = BTreeMap::new();
    let policy = system.policies.active();
    let mut shown = Shown::new(&policy, project);
    for (number, profile) in stored {
        add_profile(
            system,
            permit,
            &mut shown,
            ("profile.", number),
            profile,
            &mut fields,
        )?;
    }
    Ok(fields.into_values().collect())
}

/// Adds what a profile has and the fields have not yet; `owner` is whose key sealed it.
pub(super) fn add_profile(
    system: &System,
    permit: &Permit<ReadPeople>,
    shown: &mut Shown<'_>,
    (prefix, owner): (&str, PersonNumber),
    profile: Profile,
    fields: &mut BTreeMap<String, StoredField>,
) -> Result<(), VaultError> {
    for (path, value) in profile.values {
        let field = clear(shown, prefix, &path, value);
        fields.entry(path).or_insert(field);
    }
    for (path, sealed) in profile.sealed {
        let mut values = Vec::with_capacity(sealed.len());
        for sealed in &sealed {
            values.extend(opened(system, permit, owner, &path, sealed)?);
        }
        let value = match values.len() {
            0 => continue,
            1 => values.pop(),
            _ => Some(serde_json::Value::Array(values)),
        };
        let field = of_sealed(shown, prefix, &path, value);
        fields.entry(path).or_insert(field);
    }
    Ok(())
}

pub(super) fn described(
    system: &System,
    permit: &Permit<ReadPeople>,
    shown: &mut Shown<'_>,
    row: StoredRow,
) -> Result<TimelineEvent, VaultError> {
    let mut fields = Vec::with_capacity(row.properties.len() + row.sealed.len());
    for (path, value) in row.properties {
        fields.push(clear(shown, "properties.", &path, value));
    }
    for (path, sealed) in row.sealed {
        let value = opened(system, permit, PersonNumber(row.person), &path, &sealed)?;
        fields.push(of_sealed(shown, "properties.", &path, value));
    }
    fields.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(TimelineEvent {
        seq: row.seq,
        time: row.time.0,
        event: row.event.to_string(),
        person: row.person,
        organization: row.organization,
        verified: row.is_verified,
        fields,
    })
}

fn clear(shown: &mut Shown<'_>, prefix: &str, path: &str, value: serde_json::Value) -> StoredField {
    let full = format!("{prefix}{path}");
    StoredField {
        path: path.to_owned(),
        category: shown.category(&full, &value).key(),
        form: "clear",
        value: shown.part(&full, value),
    }
}

fn of_sealed(
    shown: &mut Shown<'_>,
    prefix: &str,
    path: &str,
    value: Option<serde_json::Value>,
) -> StoredField {
    let full = format!("{prefix}{path}");
    let category = shown.category(&full, value.as_ref().unwrap_or(&serde_json::Value::Null));
    StoredField {
        path: path.to_owned(),
        category: category.key(),
        form: "sealed",
        value,
    }
}

fn opened(
    system: &System,
    permit: &Permit<ReadPeople>,
    owner: PersonNumber,
    path: &str,
    sealed: &[u8],
) -> Result<Option<serde_json::Value>, VaultError> {
    let plain = system.vault.open_home_value(permit, owner, path, sealed)?;
    Ok(plain.and_then(|plain| serde_json::from_slice(&plain).ok()))
}
