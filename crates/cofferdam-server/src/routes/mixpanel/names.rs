//! What people and organizations are called in an answer: ids as sent, or numbers.
//!
//! A project's query secret lies in scripts and on build machines for years; with it, people are their canonical numbers, `person-17` (P2, P6).
//! The administrator sees ids as sent, under the permit to read people.
//! Invariant: without that permit nothing here asks the vault.

use super::asked::Asked;
use crate::error::ApiError;
use crate::system::System;
use cofferdam_access::{Permit, ReadPeople};
use cofferdam_model::{MergeMap, OrganizationNumber, PersonNumber, ProjectName};
use cofferdam_vault::VaultError;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Before a person's number. A number alone could be taken for an id that names nobody, such as 0.
const PERSON: &str = "person-";
/// Before an organization's number.
const ORGANIZATION: &str = "organization-";

/// The names of one answer.
#[derive(Debug)]
pub(super) struct Names {
    system: Arc<System>,
    permit: Option<Permit<ReadPeople>>,
    pub(super) merges: Arc<MergeMap>,
    people: HashMap<u32, String>,
    organizations: HashMap<u32, String>,
}

impl Names {
    /// Takes the permit where whoever asks may see names; `about` is the leaf's resource.
    pub(super) async fn of(asked: &Asked, about: &str) -> Result<Self, ApiError> {
        let system = Arc::clone(&asked.system);
        let permit = if asked.sees_names() {
            Some(system.access.permit(&asked.asking.0, about).await?)
        } else {
            None
        };
        Ok(Self {
            merges: system.vault.merge_map(),
            system,
            permit,
            people: HashMap::new(),
            organizations: HashMap::new(),
        })
    }

    /// A person's name: that of the canonical person.
    pub(super) async fn person(&mut self, number: PersonNumber) -> Result<String, VaultError> {
        let canonical = self.merges.canonical(number);
        let Some(permit) = &self.permit else {
            return Ok(format!("{PERSON}{}", canonical.0));
        };
        if let Some(known) = self.people.get(&canonical.0) {
            return Ok(known.clone());
        }
        let id = self.system.vault.best_id(permit, canonical).await?;
        let name = id.unwrap_or_else(|| format!("forgotten-{}", canonical.0));
        self.people.insert(canonical.0, name.clone());
        Ok(name)
    }

    /// An organization's name.
    pub(super) async fn organization(&mut self, number: u32) -> Result<String, VaultError> {
        let Some(permit) = &self.permit else {
            return Ok(format!("{ORGANIZATION}{number}"));
        };
        if let Some(known) = self.organizations.get(&number) {
            return Ok(known.clone());
        }
        let organization = OrganizationNumber(number);
        let id = self
            .system
            .vault
            .organization_text(permit, organization)
            .await?;
        let name = id.unwrap_or_else(|| format!("{ORGANIZATION}{number}"));
        self.organizations.insert(number, name.clone());
        Ok(name)
    }

    /// What a sealed value says, where that may be seen.
    pub(super) fn opened(
        &self,
        owner: PersonNumber,
        path: &str,
        sealed: &[u8],
    ) -> Result<Option<Value>, VaultError> {
        let Some(permit) = &self.permit else {
            return Ok(None);
        };
        let plain = self
            .system
            .vault
            .open_home_value(permit, owner, path, sealed)?;
        Ok(plain.and_then(|plain| serde_json::from_slice(&plain).ok()))
    }

    /// The person that a name in a request means.
    pub(super) fn find(&self, project: &ProjectName, name: &str) -> Option<PersonNumber> {
        let number = if self.permit.is_some() {
            self.system.vault.lookup(project, name)
        } else {
            let number = name.strip_prefix(PERSON);
            number
                .and_then(|number| number.parse().ok())
                .map(PersonNumber)
        };
        number.map(|number| self.merges.canonical(number))
    }
}
