//! Cohorts: named sets of people, by what they did and what they are.
//!
//! A cohort is a condition and a breakdown of every report. Invariant: members are canonical persons, found by the same conditions
//! and sweeps as reports, so that a cohort has whom a report counts.

mod members;
mod named;
mod request;

#[cfg(test)]
mod tests;

use crate::QueryError;
use crate::people::People;
use crate::selection::near;
pub use members::members;
pub use named::NamesCohorts;
pub use request::{CohortCondition, CohortDefinition, CohortWindow, Matching, Times, TimesOp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A cohort with its members.
#[derive(Clone, Debug)]
pub struct Cohort {
    /// What breakdowns call it.
    pub name: Arc<str>,
    /// Who is in it: canonical persons.
    pub people: Arc<People>,
}

/// The cohorts that a request may name, by id.
#[derive(Clone, Debug, Default)]
pub struct Cohorts(BTreeMap<String, Cohort>);

impl Cohorts {
    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Makes a cohort known.
    pub fn insert(&mut self, id: String, cohort: Cohort) {
        self.0.insert(id, cohort);
    }

    pub(crate) fn find(&self, id: &str, path: &str) -> Result<&Cohort, QueryError> {
        self.0.get(id).ok_or_else(|| QueryError::Invalid {
            path: path.to_owned(),
            message: format!("there is no cohort `{id}`"),
            allowed: self.0.keys().take(50).cloned().collect(),
            suggestions: near(id, self.0.keys().map(String::as_str)),
        })
    }
}
