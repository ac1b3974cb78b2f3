//! What a script asks: who it is, of which project, and its parameters, from the address and from a form.
//!
//! Invariant: nothing of the request is looked at before who asks is known, but the name of a project.

use crate::auth::{self, Asking};
use crate::error::ApiError;
use crate::routes::api::known_project;
use crate::system::System;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use cofferdam_access::Caller;
use cofferdam_model::{Day, ProjectName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A script's question.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) system: Arc<System>,
    pub(super) asking: Asking,
    pub(super) project: ProjectName,
    pub(super) takes_gzip: bool,
    parameters: BTreeMap<String, String>,
}

impl FromRequest<Arc<System>> for Asked {
    type Rejection = ApiError;

    async fn from_request(request: Request, system: &Arc<System>) -> Result<Self, ApiError> {
        let shown = auth::by_basic(system, request.headers()).await?;
        let header = request.headers().get(header::ACCEPT_ENCODING);
        let takes_gzip = header
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains("gzip"));
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body = Bytes::from_request(request, system)
            .await
            .map_err(|_| ApiError::invalid("body", "the form is too large, or was cut off"))?;
        let mut parameters = BTreeMap::new();
        for part in [query.as_bytes(), &body] {
            for (name, value) in url::form_urlencoded::parse(part) {
                parameters.insert(name.into_owned(), value.into_owned());
            }
        }
        let project = match (shown.project, parameters.get("project_id")) {
            (Some(project), _) => project,
            (None, Some(named)) => known_project(system, named)?,
            (None, None) => only_project(system)?,
        };
        Ok(Self {
            system: Arc::clone(system),
            asking: shown.asking,
            project,
            takes_gzip,
            parameters,
        })
    }
}

fn only_project(system: &System) -> Result<ProjectName, ApiError> {
    let config = system.config();
    match config.projects.as_slice() {
        [only] => Ok(only.name.clone()),
        several => {
            let names = several.iter().map(|project| project.name.to_string());
            let message = "say which project, by name";
            Err(ApiError::invalid("project_id", message).allowed(names.collect()))
        }
    }
}

impl Asked {
    /// Whether names may be shown: the query secret reads events, not who people are.
    pub(super) fn sees_names(&self) -> bool {
        self.asking.0 != Caller::Script
    }

    /// A parameter that is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let value = self.parameters.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    pub(super) fn needed(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)
            .ok_or_else(|| ApiError::invalid(name, "it is missing"))
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), Some("true" | "True" | "1"))
    }

    pub(super) fn number(&self, name: &str, default: u32, max: u32) -> Result<u32, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let number = text
            .parse()
            .ok()
            .filter(|number| (1..=max).contains(number));
        number.ok_or_else(|| ApiError::invalid(name, format!("give a number from 1 to {max}")))
    }

    /// One of some words, the first by default.
    pub(super) fn word(
        &self,
        name: &str,
        allowed: &[&'static str],
    ) -> Result<&'static str, ApiError> {
        let default = allowed.first().copied().unwrap_or_default();
        let given = self.text(name).unwrap_or(default);
        let known = allowed.iter().copied().find(|known| *known == given);
        known.ok_or_else(|| {
            let allowed = allowed.iter().map(|&word| word.to_owned());
            ApiError::invalid(name, "unknown").allowed(allowed.collect())
        })
    }

    pub(super) fn day(&self, name: &str) -> Result<Day, ApiError> {
        let text = self.needed(name)?;
        Day::parse(text).ok_or_else(|| ApiError::invalid(name, "it is not a day; write YYYY-MM-DD"))
    }

    /// A JSON array of texts, or one text.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let is_list = text.trim_start().starts_with('[');
        if !is_list {
            return Ok(Some(vec![text.to_owned()]));
        }
        let read = serde_json::from_str(text);
        let list = read.map_err(|_| ApiError::invalid(name, "give a JSON array of texts"))?;
        Ok(Some(list))
    }

    /// The project's time zone.
    pub(super) fn timezone(&self) -> String {
        let config = self.system.config();
        let mut projects = config.projects.iter();
        let known = projects.find(|known| known.name == self.project);
        known.map_or_else(|| "UTC".to_owned(), |known| known.timezone.clone())
    }

    /// Today, in the project's time zone.
    pub(super) fn today(&self) -> Day {
        let now = self.system.clock.now();
        let zone = jiff::tz::db().get(&self.timezone());
        let local = jiff::Timestamp::from_millisecond(now.0)
            .ok()
            .zip(zone.ok())
            .map(|(now, zone)| now.to_zoned(zone).date().to_string());
        local
            .and_then(|date| Day::parse(&date))
            .unwrap_or_else(|| now.day())
    }
}
