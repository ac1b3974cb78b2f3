//! The key of a group (`org_id`), which goes with every group update like an event's name with every event.
//!
//! Part of `minimize_vendor`. Invariant: it goes only where it is clean, and where both policies know a field of that name; in
//! observe mode also where one does not, and then it is exposed as what it is, unclassified.

use super::Picker;
use crate::admitted::{Body, NAME_FIELD};
use crate::classify::{BEHAVIOR, Carrier, UNCLASSIFIED};
use crate::compile::Tables;
use crate::paths::{PathInfo, TEXT};
use cofferdam_model::{Form, Refusal};
use std::sync::Arc;

/// The exposed path of a group's key.
pub(crate) const GROUP_KEY: &str = "group_key";

impl Picker<'_> {
    /// Exposes the key, or says why the update may not go.
    pub(super) fn expose_group_key(&mut self, body: &Body, key: &str) -> Result<(), Refusal> {
        if body.found.iter().any(|(field, _)| *field == NAME_FIELD) {
            return Err(Refusal::Detected);
        }
        let tables = self.sender.context.admitted_under.tables();
        let now = is_known(self.sender.tables, body, key)?;
        let then = is_known(tables, body, key)?;
        if !(now || self.observed.now) || !(then || self.observed.then) {
            return Err(Refusal::Unclassified);
        }
        if !now {
            let would = (Arc::from(GROUP_KEY), Refusal::Unclassified);
            self.fate.would_withhold.push(would);
        }
        let category = if now { BEHAVIOR } else { UNCLASSIFIED };
        self.expose(GROUP_KEY, category, Form::Clear);
        Ok(())
    }
}

/// Whether a rule knows the key. SDKs send the group's id under the key's name as a property: what is known as a property is
/// known as a key.
fn is_known(tables: &Tables, body: &Body, key: &str) -> Result<bool, Refusal> {
    let mut projects = tables.projects.iter();
    let project = projects
        .find(|project| project.source.name == body.project)
        .ok_or(Refusal::OtherProject)?;
    let (paths, classifier) = (&project.paths, &project.classifier);
    let number = paths.number(classifier, Carrier::Property, key);
    let fresh;
    let info = match number.and_then(|number| paths.get(number)) {
        Some(info) => info,
        None => {
            fresh = PathInfo::new(classifier, Carrier::Property, key);
            &fresh
        }
    };
    if info.found.is_some() {
        return Err(Refusal::Detected);
    }
    Ok(info.class(TEXT).category != UNCLASSIFIED)
}
