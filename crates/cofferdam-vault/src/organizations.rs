//! Organizations: numbers, keyed lookup, ids sealed under one key.
//!
//! As people, without keys of their own: an organization is not forgotten, its people are.

use crate::VaultError;
use crate::crypt;
use crate::identity::ResolvedOrganization;
use crate::vault::Vault;
use cofferdam_access::{Permit, ReadPeople};
use cofferdam_model::{Definition, IdKey, OrganizationNumber, ProjectName};
use foldhash::HashMap;
use std::sync::PoisonError;

/// All organizations.
#[derive(Debug, Default)]
pub(crate) struct Organizations {
    numbers: HashMap<[u8; 16], u32>,
    pending: HashMap<u32, Definition>,
    recent: HashMap<u32, Definition>,
    next_number: u32,
}

impl Organizations {
    pub(crate) fn insert(&mut self, key: [u8; 16], number: u32) {
        self.numbers.entry(key).or_insert(number);
        self.next_number = self.next_number.max(number.saturating_add(1));
    }

    pub(crate) fn confirm(&mut self, definition: &Definition) {
        if let Definition::Organization { number, .. } = definition {
            self.pending.remove(&number.0);
        }
    }

    pub(crate) fn applied(&mut self, definition: &Definition) {
        self.confirm(definition);
        if let Definition::Organization { number, .. } = definition {
            self.recent.remove(&number.0);
        }
    }

    /// A definition that the database does not have yet.
    pub(crate) fn recent(&self, number: u32) -> Option<&Definition> {
        self.recent.get(&number)
    }

    fn known(&self, key: &[u8; 16]) -> Option<ResolvedOrganization> {
        let number = *self.numbers.get(key)?;
        Some(ResolvedOrganization {
            number: OrganizationNumber(number),
            definition: self.pending.get(&number).cloned(),
        })
    }
}

impl Vault {
    pub(crate) fn organization(
        &self,
        project: &ProjectName,
        group: Option<&str>,
        id: &str,
        may_be_new: bool,
    ) -> Option<ResolvedOrganization> {
        // Parts are told apart by their lengths: no key and id are taken for another key and id, or for an id alone.
        let name = ["organization", project.as_str(), id];
        let [kind, of, named] = name.each_ref().map(std::slice::from_ref);
        let key = match group {
            None => self.id_keys.short(&[kind, of, named]),
            Some(group) => self.id_keys.short(&[kind, of, &[group], named]),
        };
        {
            let organizations = self
                .organizations
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = organizations.known(&key) {
                return Some(known);
            }
        }
        let mut organizations = self
            .organizations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = organizations.known(&key) {
            return Some(known);
        }
        if !may_be_new {
            return None;
        }
        let text = match group {
            None => id.to_owned(),
            Some(group) => format!("{group}:{id}"),
        };
        let number = organizations.next_number;
        let mut sealed_id = Vec::new();
        let context = number.to_le_bytes();
        let nonce = self.nonces.next();
        if crypt::seal(
            &self.organization_key,
            nonce,
            &context,
            text.as_bytes(),
            &mut sealed_id,
        )
        .is_none()
        {
            sealed_id.clear(); // Only beyond the cipher's 64 GiB; the number then has no text.
        }
        let definition = Definition::Organization {
            project: project.clone(),
            key: IdKey(key),
            number: OrganizationNumber(number),
            sealed_id,
        };
        organizations.insert(key, number);
        organizations.pending.insert(number, definition.clone());
        organizations.recent.insert(number, definition.clone());
        Some(ResolvedOrganization {
            number: OrganizationNumber(number),
            definition: Some(definition),
        })
    }

    /// An organization's id as sent; `None` where unknown.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn organization_text(
        &self,
        _permit: &Permit<ReadPeople>,
        organization: OrganizationNumber,
    ) -> Result<Option<String>, VaultError> {
        let recent = {
            let organizations = self
                .organizations
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            organizations.recent.get(&organization.0).cloned()
        };
        let sealed = match recent {
            Some(Definition::Organization { sealed_id, .. }) => Some(sealed_id),
            _ => {
                let mut connection = self.database.lock().await;
                let found: Option<(Vec<u8>,)> =
                    sqlx::query_as("SELECT sealed_id FROM organizations WHERE number = ?")
                        .bind(organization.0)
                        .fetch_optional(&mut *connection)
                        .await
                        .map_err(VaultError::database("read an organization from"))?;
                found.map(|(sealed,)| sealed)
            }
        };
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        crypt::open(
            &self.organization_key,
            &organization.0.to_le_bytes(),
            &sealed,
        )
        .and_then(|text| String::from_utf8(text).ok())
        .map(Some)
        .ok_or(VaultError::Damaged {
            problem: "an organization's id does not open",
        })
    }
}
