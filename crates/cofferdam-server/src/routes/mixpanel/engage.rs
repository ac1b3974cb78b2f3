//! `/engage`: profiles, a page at a time; the list of whom a question finds is kept between its pages.
//!
//! Invariant: the pages of one session have everybody whom the first one counted once; a session is of one caller and project.

use super::asked::Asked;
use super::cohorts;
use super::names::Names;
use crate::error::ApiError;
use crate::routes::api::Answer;
use crate::shown::Shown;
use axum::{Extension, Json};
use cofferdam_access::{Permit, ReadEvents};
use cofferdam_model::PersonNumber;
use cofferdam_query::PropertyCondition;
use cofferdam_store::Profile;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Profiles of a page, as at Mixpanel.
const PAGE: usize = 1000;
/// Sessions that are kept; the oldest goes first.
const SESSIONS_MAX: usize = 32;

/// Whom questions found.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    next: u64,
    sessions: VecDeque<Session>,
}

#[derive(Debug)]
struct Session {
    id: String,
    /// Whose it is.
    owner: String,
    found: Arc<[PersonNumber]>,
}

impl Sessions {
    fn keep(&self, owner: String, found: Arc<[PersonNumber]>) -> String {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.next += 1;
        let id = format!("{}-{}", held.next, found.len());
        if held.sessions.len() == SESSIONS_MAX {
            held.sessions.pop_front();
        }
        held.sessions.push_back(Session {
            id: id.clone(),
            owner,
            found,
        });
        id
    }

    fn find(&self, id: &str, owner: &str) -> Option<Arc<[PersonNumber]>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = held.sessions.iter();
        let found = sessions.find(|session| session.id == id && session.owner == owner);
        found.map(|session| Arc::clone(&session.found))
    }
}

/// Profiles that meet a condition.
pub(super) async fn engage(
    Extension(sessions): Extension<Arc<Sessions>>,
    asked: Asked,
) -> Answer<Value> {
    for name in ["behaviors", "data_group_id"] {
        if asked.text(name).is_some() {
            return Err(ApiError::invalid(
                name,
                "it is not answered here; use where",
            ));
        }
    }
    let page = match asked.text("page") {
        None | Some("0") => 0,
        Some(_) => asked.number("page", 1, u32::MAX)? as usize,
    };
    let about = format!("project/{}/profiles", asked.project);
    let access = &asked.system.access;
    let permit: Permit<ReadEvents> = access.permit(&asked.asking.0, &about).await?;
    let people = People {
        names: Names::of(&asked, &about).await?,
        clusters: HashMap::new(),
        asked,
        _permit: permit,
    };
    people.page(&sessions, page).await
}

struct People {
    asked: Asked,
    names: Names,
    /// Canonical numbers to all numbers, of those who have several.
    clusters: HashMap<u32, Vec<PersonNumber>>,
    _permit: Permit<ReadEvents>,
}

impl People {
    async fn page(mut self, sessions: &Sessions, page: usize) -> Answer<Value> {
        for merged in self.names.merges.merged() {
            let canonical = self.names.merges.canonical(PersonNumber(*merged));
            let cluster = self.clusters.entry(canonical.0);
            let cluster = cluster.or_insert_with(|| vec![canonical]);
            cluster.push(PersonNumber(*merged));
        }
        let owner = format!("{} {}", self.asked.asking.0.actor(), self.asked.project);
        let (session, found) = if let Some(id) = self.asked.text("session_id") {
            let found = sessions.find(id, &owner).ok_or_else(|| {
                let message = "this session is over; begin again without session_id and page";
                ApiError::invalid("session_id", message)
            })?;
            (id.to_owned(), found)
        } else {
            let found: Arc<[PersonNumber]> = self.found().await?.into();
            (sessions.keep(owner, Arc::clone(&found)), found)
        };
        let properties = self.asked.list("output_properties")?;
        let mut results = Vec::new();
        let start = page.saturating_mul(PAGE);
        for number in found.iter().skip(start).take(PAGE) {
            let mut profile = self.profile(*number).await?;
            if let Some(properties) = &properties {
                profile.retain(|name, _| properties.contains(name));
            }
            let name = self.names.person(*number).await?;
            results.push(json!({ "$distinct_id": name, "$properties": profile }));
        }
        Ok(Json(
            json!({ "page": page, "page_size": PAGE, "session_id": session, "status": "ok",
            "total": found.len(), "results": results }),
        ))
    }

    /// Canonical numbers of those who have a profile that meets the condition, ascending.
    async fn found(&mut self) -> Result<Vec<PersonNumber>, ApiError> {
        let text = self.asked.text("where").or(self.asked.text("selector"));
        let condition = text.map(|text| PropertyCondition::new(text, "where"));
        let condition = condition.transpose()?;
        let mut named = self.asked.list("distinct_ids")?;
        if let Some(id) = self.asked.text("distinct_id") {
            named.get_or_insert_default().push(id.to_owned());
        }
        let all: BTreeSet<PersonNumber> = match named {
            Some(names) => {
                let project = &self.asked.project;
                let numbers = names
                    .iter()
                    .filter_map(|name| self.names.find(project, name));
                numbers.collect()
            }
            None => self.everybody().await?,
        };
        let cohort = match self.asked.text("filter_by_cohort") {
            None => None,
            Some(text) => Some(cohorts::filter(&self.asked, text).await?),
        };
        let mut found = Vec::new();
        for number in all {
            if cohort
                .as_ref()
                .is_some_and(|members| members.binary_search(&number.0).is_err())
            {
                continue;
            }
            let profile = self.profile(number).await?;
            let is_met = condition
                .as_ref()
                .is_none_or(|condition| condition.holds(|name| profile.get(name).cloned()));
            let has_one = !profile.is_empty() || self.is_known(number).await?;
            if is_met && has_one {
                found.push(number);
            }
        }
        Ok(found)
    }

    /// Canonical numbers of those who have a profile.
    async fn everybody(&self) -> Result<BTreeSet<PersonNumber>, ApiError> {
        let (store, project) = (&self.asked.system.store, &self.asked.project);
        let mut all = BTreeSet::new();
        let mut after = None;
        loop {
            let page = store.profiles(project, after, PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(all);
            };
            after = Some(*last);
            let with_one = page.iter().filter(|(_, profile)| !is_empty(profile));
            all.extend(with_one.map(|(number, _)| self.names.merges.canonical(*number)));
        }
    }

    /// Whether there is a profile, be it one of which nothing is shown.
    async fn is_known(&self, number: PersonNumber) -> Result<bool, ApiError> {
        for number in self.numbers(number) {
            let (store, project) = (&self.asked.system.store, &self.asked.project);
            if !is_empty(&store.profile(project, number).await?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn numbers(&self, canonical: PersonNumber) -> Vec<PersonNumber> {
        let several = self.clusters.get(&canonical.0);
        several.cloned().unwrap_or_else(|| vec![canonical])
    }

    /// What is shown of a profile; of several numbers' properties the smallest number's counts.
    async fn profile(&self, canonical: PersonNumber) -> Result<Map<String, Value>, ApiError> {
        let (system, project) = (&self.asked.system, &self.asked.project);
        let mut profiles = Vec::new();
        for number in self.numbers(canonical) {
            profiles.push((number, system.store.profile(project, number).await?));
        }
        let policy = system.policies.active();
        let mut shown = Shown::new(&policy, project);
        let mut properties = Map::new();
        for (number, profile) in profiles {
            for (path, value) in profile.values {
                if let Some(value) = shown.part(&format!("profile.{path}"), value) {
                    properties.entry(path).or_insert(value);
                }
            }
            for (path, sealed) in profile.sealed {
                let mut values = Vec::new();
                for sealed in &sealed {
                    values.extend(self.names.opened(number, &path, sealed)?);
                }
                let value = if sealed.len() == 1 {
                    values.pop()
                } else {
                    Some(json!(values)).filter(|_| !values.is_empty())
                };
                if let Some(value) = value {
                    properties.entry(path).or_insert(value);
                }
            }
        }
        Ok(properties)
    }
}

fn is_empty(profile: &Profile) -> bool {
    profile.values.is_empty() && profile.sealed.is_empty()
}
