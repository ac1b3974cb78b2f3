//! Profiles and groups: applying updates in journal order, the states that the next flush writes.
//!
//! Ingest applies, the commit stores each touched state as one JSON row.
//! Invariant: a state is what the updates in journal order make of nothing; sealed values are never opened.

use crate::StoreError;
use crate::store::{Store, Subject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_model::{Operation, OrganizationNumber, PersonNumber, ProjectName, Value};
use cofferdam_policy::{HomeSubject, HomeUpdate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// Clean states kept in memory.
const CACHE_MAX: usize = 20_000;

/// A profile's or group's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProfileState {
    /// Property path to value, in clear.
    #[serde(default)]
    pub(crate) values: Map<String, Json>,
    /// Property path to base64 of the sealed value, or a list of them.
    #[serde(default)]
    pub(crate) sealed: Map<String, Json>,
}

impl ProfileState {
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.sealed.is_empty()
    }

    /// Applies one update.
    pub(crate) fn apply(&mut self, update: &HomeUpdate) {
        if update.operation == Operation::Delete {
            *self = Self::default();
            return;
        }
        for (path, operand) in &update.values {
            // Through JSON, whose objects are sorted, so that those that are equal compare so.
            let operand = serde_json::to_value(operand).unwrap_or(Json::Null);
            self.apply_clear(update.operation, path, value(&operand));
        }
        for (path, sealed) in &update.sealed {
            self.apply_sealed(update.operation, path, STANDARD.encode(sealed));
        }
    }

    fn apply_clear(&mut self, operation: Operation, path: &str, operand: Value<'static>) {
        if operation == Operation::SetOnce && self.sealed.contains_key(path) {
            return;
        }
        if matches!(operation, Operation::Set | Operation::Unset) {
            self.sealed.remove(path);
        }
        let old = self.values.remove(path).as_ref().map(value);
        if let Some(new) = operation.applied(old, operand) {
            let new = serde_json::to_value(new).unwrap_or(Json::Null);
            self.values.insert(path.to_owned(), new);
        }
    }

    /// Sealed values cannot be compared or added: lists grow, `$add` and `$remove` leave them alone.
    fn apply_sealed(&mut self, operation: Operation, path: &str, sealed: String) {
        match operation {
            Operation::Set => {
                self.values.remove(path);
                self.sealed.insert(path.to_owned(), Json::String(sealed));
            }
            Operation::SetOnce => {
                if !self.values.contains_key(path) {
                    self.sealed.entry(path).or_insert(Json::String(sealed));
                }
            }
            Operation::Unset => {
                self.values.remove(path);
                self.sealed.remove(path);
            }
            Operation::Append | Operation::Union => {
                let slot = self.sealed.entry(path).or_insert(Json::Array(Vec::new()));
                match slot {
                    Json::Array(list) => list.push(Json::String(sealed)),
                    single => *single = Json::Array(vec![single.take(), Json::String(sealed)]),
                }
            }
            Operation::Add | Operation::Remove | Operation::Delete => {}
        }
    }
}

impl ProfileState {
    /// As readers see it.
    fn into_profile(self) -> Result<Profile, StoreError> {
        let damaged = || StoreError::damaged("a sealed value of a profile");
        let open = |json: &Json| {
            let text = json.as_str().ok_or_else(damaged)?;
            STANDARD.decode(text).map_err(|_| damaged())
        };
        let mut sealed = Vec::with_capacity(self.sealed.len());
        for (path, value) in &self.sealed {
            let values = match value {
                Json::Array(items) => items.iter().map(open).collect::<Result<_, _>>()?,
                single => vec![open(single)?],
            };
            sealed.push((path.clone(), values));
        }
        Ok(Profile {
            values: self.values,
            sealed,
        })
    }
}

/// What the store has about a person or an organization.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Property path to value, in clear.
    pub values: Map<String, Json>,
    /// Property path to its values' JSON, sealed with context `home:<path>`.
    pub sealed: Vec<(String, Vec<Vec<u8>>)>,
}

impl Store {
    /// The profile that stands under a person's number, as of the last update ingested; merges are the caller's business.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub async fn profile(
        &self,
        project: &ProjectName,
        person: PersonNumber,
    ) -> Result<Profile, StoreError> {
        self.state(project, Subject::Person(person)).await
    }

    /// An organization's profile, as of the last update ingested.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub async fn organization_profile(
        &self,
        project: &ProjectName,
        organization: OrganizationNumber,
    ) -> Result<Profile, StoreError> {
        self.state(project, Subject::Organization(organization))
            .await
    }

    /// People of a project who have a profile, ascending by number as first seen, those above `after`, with their profiles as of the
    /// last update ingested.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub async fn profiles(
        &self,
        project: &ProjectName,
        after: Option<PersonNumber>,
        limit: usize,
    ) -> Result<Vec<(PersonNumber, Profile)>, StoreError> {
        let from = after.map_or(0, |after| i64::from(after.0) + 1);
        let writer = self.inner.writer.lock().await;
        let mut found: BTreeMap<u32, ProfileState> = BTreeMap::new();
        let stored = self.inner.catalog.profiles(project, from, limit).await?;
        // What is held beyond a full page belongs to a later one.
        let end = stored.last().filter(|_| stored.len() == limit);
        let end = end.map_or(u32::MAX, |(last, _)| *last);
        for (number, state) in stored {
            found.insert(number, parse(Some(state))?);
        }
        for ((of, subject), held) in &writer.profiles.held {
            if let Subject::Person(number) = subject
                && of == project
                && i64::from(number.0) >= from
                && number.0 <= end
            {
                found.insert(number.0, held.state.clone());
            }
        }
        drop(writer);
        // Those that are gone are not stored; of a page that held ones made longer, the next call brings the rest.
        found
            .into_iter()
            .take(limit)
            .map(|(number, state)| Ok((PersonNumber(number), state.into_profile()?)))
            .collect()
    }

    async fn state(&self, project: &ProjectName, subject: Subject) -> Result<Profile, StoreError> {
        let key = (project.clone(), subject);
        let writer = self.inner.writer.lock().await;
        if let Some(held) = writer.profiles.held.get(&key) {
            return held.state.clone().into_profile();
        }
        let (kind, number) = row_key(subject);
        let stored = self.inner.catalog.profile(project, kind, number).await?;
        parse(stored)?.into_profile()
    }
}

/// A stored value.
fn value(json: &Json) -> Value<'static> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(bool) => Value::Bool(*bool),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Value::Int(number),
            (None, number) => number.map_or(Value::Null, Value::Float),
        },
        Json::String(text) => Value::Text(text.clone().into()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, member)| (key.clone().into(), value(member)))
                .collect(),
        ),
    }
}

/// Whom an update is about.
pub(crate) fn subject(update: &HomeUpdate) -> Subject {
    match update.subject {
        HomeSubject::Person(number) => Subject::Person(number),
        HomeSubject::Organization(number) => Subject::Organization(number),
    }
}

/// A subject as the database names it.
pub(crate) fn row_key(subject: Subject) -> (i64, u32) {
    match subject {
        Subject::Person(PersonNumber(number)) => (0, number),
        Subject::Organization(OrganizationNumber(number)) => (1, number),
    }
}

/// A state in memory, and whether the database has it.
#[derive(Debug, Default)]
struct Held {
    state: ProfileState,
    dirty: bool,
}

/// The states touched since the last flush, and some more.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    held: crate::Map<(ProjectName, Subject), Held>,
}

/// A stored state.
pub(crate) fn parse(stored: Option<String>) -> Result<ProfileState, StoreError> {
    stored.map_or_else(
        || Ok(ProfileState::default()),
        |text| serde_json::from_str(&text).map_err(|_| StoreError::damaged("a profile")),
    )
}

impl Profiles {
    pub(crate) fn has(&self, key: &(ProjectName, Subject)) -> bool {
        self.held.contains_key(key)
    }

    pub(crate) fn load(&mut self, key: (ProjectName, Subject), state: ProfileState) {
        self.held.insert(
            key,
            Held {
                state,
                dirty: false,
            },
        );
    }

    pub(crate) fn apply(&mut self, update: &HomeUpdate) {
        let key = (update.project.clone(), subject(update));
        let held = self.held.entry(key).or_default();
        held.state.apply(update);
        held.dirty = true;
    }

    /// What the database does not have: `None` for states that are gone.
    pub(crate) fn dirty(&self) -> Result<Vec<(ProjectName, Subject, Option<String>)>, StoreError> {
        self.held
            .iter()
            .filter(|(_, held)| held.dirty)
            .map(|((project, subject), held)| {
                let state = if held.state.is_empty() {
                    None
                } else {
                    Some(
                        serde_json::to_string(&held.state)
                            .map_err(|_| StoreError::damaged("a profile"))?,
                    )
                };
                Ok((project.clone(), *subject, state))
            })
            .collect()
    }

    /// After the commit: everything is stored; a large cache starts over.
    pub(crate) fn stored(&mut self) {
        if self.held.len() > CACHE_MAX {
            self.held.clear();
        }
        for held in self.held.values_mut() {
            held.dirty = false;
        }
    }

    /// Forgets persons.
    pub(crate) fn forget(&mut self, numbers: &crate::Set<u32>) {
        self.held.retain(|(_, subject), _| match subject {
            Subject::Person(number) => !numbers.contains(&number.0),
            Subject::Organization(_) => true,
        });
    }
}
