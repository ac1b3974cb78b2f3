//! Reading people: who there are, whom an organization's name means, what a sealed value says.
//!
//! For pages about single people; every function takes the permit to read them.
//! Invariant: of whoever was forgotten nothing comes from here but the number.

use crate::vault::Vault;
use crate::{VaultError, Who};
use cofferdam_access::{Permit, ReadPeople};
use cofferdam_model::{
    Definition, OrganizationNumber, PersonNumber, ProjectName, SealError, Sealer as _,
};
use std::sync::PoisonError;

impl Vault {
    /// Canonical people of a project who are not forgotten, ascending by number, those above `after`.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn people_of(
        &self,
        _permit: &Permit<ReadPeople>,
        project: &ProjectName,
        after: Option<PersonNumber>,
        limit: usize,
    ) -> Result<Vec<PersonNumber>, VaultError> {
        let mut found = Vec::new();
        let mut next = after.map_or(Some(0), |after| after.0.checked_add(1));
        while let Some(from) = next
            && found.len() < limit
        {
            let page = self.stored_people(project, from).await?;
            next = match page.last() {
                Some(last) => last.checked_add(1),
                None => None,
            };
            let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
            let page = if page.is_empty() {
                // What the database does not have yet comes after everything that it has.
                let is_of = |number: &u32| matches!(people.recent(*number), Some(Definition::Person { project: of, .. }) if of == project);
                (from..people.next_number()).filter(is_of).collect()
            } else {
                page
            };
            found.extend(page.into_iter().filter(|number| {
                people.canonical(*number) == *number && !people.is_forgotten(*number)
            }));
        }
        found.truncate(limit);
        Ok(found.into_iter().map(PersonNumber).collect())
    }

    async fn stored_people(
        &self,
        project: &ProjectName,
        from: u32,
    ) -> Result<Vec<u32>, VaultError> {
        let mut connection = self.database.lock().await;
        sqlx::query_scalar(
            "SELECT number FROM persons WHERE project = ? AND number >= ? AND forgotten = 0 ORDER BY number LIMIT 1000",
        )
        .bind(project.as_str())
        .bind(from)
        .fetch_all(&mut *connection)
        .await
        .map_err(VaultError::database("list the people of"))
    }

    /// The id that names a person best, as sent: one that somebody signed in with, else the first. `None` where forgotten or unknown.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn best_id(
        &self,
        permit: &Permit<ReadPeople>,
        person: PersonNumber,
    ) -> Result<Option<String>, VaultError> {
        let best = {
            let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
            let numbers = people.cluster(person.0);
            let named = numbers.iter().find(|number| !people.is_anonymous(**number));
            named.or(numbers.first()).copied().unwrap_or(person.0)
        };
        self.id_text(permit, PersonNumber(best)).await
    }

    /// The number of an organization of that project: by its number, or by its id as sent under the project's own group key.
    ///
    /// # Errors
    /// The database's. `None` where there is none.
    pub async fn find_organization(
        &self,
        _permit: &Permit<ReadPeople>,
        project: &ProjectName,
        who: Who<'_>,
    ) -> Result<Option<OrganizationNumber>, VaultError> {
        let number = match who {
            Who::Id(id) => {
                let known = self.resolve_organization(project, None, id, false);
                return Ok(known.map(|known| known.number));
            }
            Who::Number(number) => number.0,
        };
        let recent = {
            let organizations = self
                .organizations
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            match organizations.recent(number) {
                Some(Definition::Organization { project, .. }) => Some(project.to_string()),
                _ => None,
            }
        };
        let owner = match recent {
            Some(owner) => Some(owner),
            None => {
                let mut connection = self.database.lock().await;
                sqlx::query_scalar("SELECT project FROM organizations WHERE number = ?")
                    .bind(number)
                    .fetch_optional(&mut *connection)
                    .await
                    .map_err(VaultError::database("read an organization of"))?
            }
        };
        let is_of = owner.is_some_and(|owner: String| owner == project.as_str());
        Ok(is_of.then_some(OrganizationNumber(number)))
    }

    /// What a value that home keeps sealed says: JSON. `person` is the number that it was sealed under, or
    /// [`PersonNumber::ORGANIZATIONS`] for a group's own property. `None` where the person was forgotten.
    ///
    /// # Errors
    /// [`VaultError::Damaged`].
    pub fn open_home_value(
        &self,
        _permit: &Permit<ReadPeople>,
        person: PersonNumber,
        path: &str,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        let context = [b"home:", path.as_bytes()].concat();
        match self.open(person, &context, sealed) {
            Ok(plain) => Ok(Some(plain)),
            Err(SealError::Forgotten | SealError::UnknownPerson) => Ok(None),
            Err(SealError::Damaged) => Err(VaultError::Damaged {
                problem: "a sealed value does not open",
            }),
        }
    }
}
