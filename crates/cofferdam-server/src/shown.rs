//! Which stored values are shown beside one person.
//!
//! Pages about a person, timelines and exports of single events ask; reports over groups of people do not.
//! Invariant: text of a field that no rule knows is shown only for groups of people (P2): it may be a person's own.

use cofferdam_model::{Category, ProjectName};
use cofferdam_policy::{Policy, ValueType};
use serde_json::Value as Json;
use std::collections::HashMap;

/// Whether text of this category may stand beside one person.
pub(crate) fn shows_text(category: Category) -> bool {
    category != Category::of("unclassified")
}

/// Decides under one policy, and remembers what it decided of names.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    policy: &'a Policy,
    project: &'a ProjectName,
    known: HashMap<(String, ValueType), Category>,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(policy: &'a Policy, project: &'a ProjectName) -> Self {
        Self {
            policy,
            project,
            known: HashMap::new(),
        }
    }

    /// The category of a field, by its path with prefix.
    pub(crate) fn category(&mut self, path: &str, value: &Json) -> Category {
        let value_type = match value {
            Json::Null => ValueType::Null,
            Json::Bool(_) => ValueType::Boolean,
            Json::Number(_) => ValueType::Number,
            Json::String(_) => ValueType::Text,
            Json::Array(_) | Json::Object(_) => ValueType::Nested,
        };
        let key = (path.to_owned(), value_type);
        if let Some(category) = self.known.get(&key) {
            return *category;
        }
        let found = self.policy.classify(self.project, path, value_type);
        let category = found
            .filter(|found| !found.is_stray)
            .map_or(Category::of("unclassified"), |found| found.category);
        self.known.insert(key, category);
        category
    }

    /// What is shown of a value: lists and objects without the parts that are not.
    pub(crate) fn part(&mut self, path: &str, value: Json) -> Option<Json> {
        match value {
            Json::Null | Json::Bool(_) | Json::Number(_) => Some(value),
            Json::String(_) => shows_text(self.category(path, &value)).then_some(value),
            Json::Array(items) => {
                let path = format!("{path}[]");
                let any = !items.is_empty();
                let items: Vec<Json> = items
                    .into_iter()
                    .filter_map(|item| self.part(&path, item))
                    .collect();
                (!any || !items.is_empty()).then_some(Json::Array(items))
            }
            Json::Object(members) => {
                let any = !members.is_empty();
                let members: serde_json::Map<String, Json> = members
                    .into_iter()
                    .filter_map(|(name, member)| {
                        let shown = self.part(&format!("{path}.{name}"), member)?;
                        Some((name, shown))
                    })
                    .collect();
                (!any || !members.is_empty()).then_some(Json::Object(members))
            }
        }
    }
}
