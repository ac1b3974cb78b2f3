//! Profiles and groups: applying updates in journal order, the states that the next flush writes.
//!
//! Ingest applies, the commit stores each touched state as one JSON row, egress asks for current values.
//! Invariant: a state is what the updates in journal order make of nothing; sealed values are never opened.

use crate::StoreError;
use crate::store::Subject;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_model::{Operation, OrganizationNumber, PersonNumber, ProjectName};
use cofferdam_policy::{HomeSubject, HomeUpdate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

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
            let operand = serde_json::to_value(operand).unwrap_or(Json::Null);
            self.apply_clear(update.operation, path, operand);
        }
        for (path, sealed) in &update.sealed {
            self.apply_sealed(update.operation, path, STANDARD.encode(sealed));
        }
    }

    fn apply_clear(&mut self, operation: Operation, path: &str, operand: Json) {
        match operation {
            Operation::Set => {
                self.sealed.remove(path);
                self.values.insert(path.to_owned(), operand);
            }
            Operation::SetOnce => {
                if !self.sealed.contains_key(path) {
                    self.values.entry(path).or_insert(operand);
                }
            }
            Operation::Unset => {
                self.sealed.remove(path);
                self.values.remove(path);
            }
            Operation::Add => {
                let old = self.values.get(path).cloned().unwrap_or(Json::from(0));
                if let Some(sum) = add(&old, &operand) {
                    self.values.insert(path.to_owned(), sum);
                }
            }
            Operation::Append => {
                let mut list = self.take_list(path);
                list.push(operand);
                self.values.insert(path.to_owned(), Json::Array(list));
            }
            Operation::Union => {
                let new = match operand {
                    Json::Array(items) => items,
                    item => vec![item],
                };
                let mut list = self.take_list(path);
                for item in new {
                    if !list.contains(&item) {
                        list.push(item);
                    }
                }
                self.values.insert(path.to_owned(), Json::Array(list));
            }
            Operation::Remove => {
                if let Some(Json::Array(list)) = self.values.get_mut(path)
                    && let Some(position) = list.iter().position(|item| *item == operand)
                {
                    list.remove(position);
                }
            }
            Operation::Delete => {}
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

    /// The list at a path; what is no list becomes its first element.
    fn take_list(&mut self, path: &str) -> Vec<Json> {
        match self.values.remove(path) {
            Some(Json::Array(list)) => list,
            None | Some(Json::Null) => Vec::new(),
            Some(single) => vec![single],
        }
    }
}

/// The sum of two numbers, exact for integers; `None` where either is no number.
fn add(one: &Json, other: &Json) -> Option<Json> {
    if let (Some(one), Some(other)) = (one.as_i64(), other.as_i64())
        && let Some(sum) = one.checked_add(other)
    {
        return Some(Json::from(sum));
    }
    serde_json::Number::from_f64(one.as_f64()? + other.as_f64()?).map(Json::Number)
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

    pub(crate) fn state(&self, key: &(ProjectName, Subject)) -> Option<&ProfileState> {
        self.held.get(key).map(|held| &held.state)
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
