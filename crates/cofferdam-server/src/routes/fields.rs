//! Fields: what was seen, what it is, who may have it; the inbox of what no rule knows; one-click rules.

use super::api::{Answer, Shared};
use super::sent::{Body, Query};
use crate::auth::Asking;
use crate::config::fields_file;
use crate::config::problem::{Problem, Severity};
use crate::error::ApiError;
use crate::fields::SeenField;
use crate::projector::home_form;
use crate::system::System;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use cofferdam_access::{ReadConfig, ReadRadius, WriteConfig};
use cofferdam_model::{Category, Day, Form, ProjectName};
use cofferdam_policy::Policy;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// Groups smaller than this are not shown as a number.
const SMALLEST_GROUP: u64 = 10;

#[derive(Debug, Deserialize)]
pub(super) struct FieldsQuery {
    project: Option<String>,
}

/// The fields, and the categories there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldList {
    fields: Vec<Field>,
    categories: Vec<CategoryInfo>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Field {
    project: String,
    path: String,
    category: &'static str,
    rule: String,
    evidence: String,
    state: FieldState,
    /// People who sent it; null below ten.
    #[schema(required)]
    people: Option<u64>,
    values: u64,
    #[schema(value_type = String)]
    first_seen: Day,
    types: Vec<&'static str>,
    home_form: &'static str,
    vendors: Vec<VendorForm>,
    #[schema(required)]
    guess: Option<Guess>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum FieldState {
    /// No rule knows it.
    New,
    /// A built-in rule does.
    Known,
    /// A line of fields.toml does.
    Named,
}

#[derive(Debug, Serialize, ToSchema)]
struct VendorForm {
    id: String,
    #[schema(required)]
    form: Option<&'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Guess {
    category: &'static str,
    evidence: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct CategoryInfo {
    key: &'static str,
    #[schema(value_type = String)]
    sensitivity: cofferdam_model::category::Sensitivity,
    extension: bool,
}

/// Every field that was seen, its category and who may have it.
#[utoipa::path(get, path = "/api/v1/fields", operation_id = "list_fields", params(("project" = Option<String>, Query)), responses((status = 200, body = FieldList)))]
pub(super) async fn list(
    State(system): Shared,
    asking: Asking,
    Query(query): Query<FieldsQuery>,
) -> Answer<FieldList> {
    let _permit = system
        .access
        .permit::<ReadConfig>(&asking.0, "fields")
        .await?;
    let radius = system
        .access
        .permit::<ReadRadius>(&asking.0, "fields/people")
        .await?;
    let worker = Arc::clone(&system);
    let fields = tokio::task::spawn_blocking(move || {
        let merges = worker.vault.merge_map();
        let today = worker.clock.now().day();
        let policy = worker.policies.active();
        let mut fields = Vec::new();
        for project in worker.pipeline.projects().all() {
            if query
                .project
                .as_deref()
                .is_some_and(|wanted| wanted != project.name.as_str())
            {
                continue;
            }
            let seen = worker
                .ledger
                .seen_fields(&radius, &project.name, Day(0), today, &merges)?;
            let mut people: HashMap<Arc<str>, u64> = HashMap::new();
            for field in seen {
                let most = people.entry(field.field).or_default();
                *most = (*most).max(field.people);
            }
            for (path, field) in worker.fields.of(&project.name) {
                let people = people.get(&path).copied();
                fields.push(describe(&policy, &project.name, &path, &field, people));
            }
        }
        Ok::<_, cofferdam_ledger::LedgerError>(fields)
    })
    .await??;
    let categories = Category::all()
        .map(|category| CategoryInfo {
            key: category.key(),
            sensitivity: category.sensitivity(),
            extension: category.is_extension(),
        })
        .collect();
    Ok(Json(FieldList { fields, categories }))
}

fn describe(
    policy: &Policy,
    project: &ProjectName,
    path: &Arc<str>,
    seen: &SeenField,
    people: Option<u64>,
) -> Field {
    let classified = policy.classify(project, path, seen.widest_type());
    let named = policy.source().fields.contains_key(&**path);
    let unclassified = Category::of("unclassified");
    // What detectors found in the values outweighs what the name says.
    let category = if named || seen.category == unclassified {
        classified
            .as_ref()
            .map_or(seen.category, |classified| classified.category)
    } else {
        seen.category
    };
    // Under a name that nobody knows it is known to no vendor either.
    let is_stray = classified.as_ref().is_some_and(|found| found.is_stray);
    let is_unknown = category == unclassified || is_stray;
    let state = match (named, is_unknown) {
        (true, _) => FieldState::Named,
        (false, true) => FieldState::New,
        (false, false) => FieldState::Known,
    };
    let vendors = policy
        .source()
        .vendors
        .iter()
        .map(|vendor| {
            let form = category
                .covering()
                .find_map(|covering| vendor.receives.get(&covering).copied());
            let form = form.filter(|form| *form != Form::Withheld && !is_unknown);
            VendorForm {
                id: vendor.id.to_string(),
                form: form.map(Form::as_str),
            }
        })
        .collect();
    Field {
        project: project.to_string(),
        path: path.to_string(),
        category: category.key(),
        rule: match &classified {
            Some(classified) if seen.rule.is_empty() => classified.rule.to_string(),
            _ => seen.rule.to_string(),
        },
        evidence: classified
            .map(|classified| classified.evidence.to_string())
            .unwrap_or_default(),
        state,
        people: people.filter(|people| *people >= SMALLEST_GROUP),
        values: seen.count,
        first_seen: seen.first_day,
        types: seen.types.iter().copied().collect(),
        home_form: home_form(policy, category).as_str(),
        vendors,
        guess: (state == FieldState::New).then(|| match category == unclassified {
            true => guess(seen),
            false => Guess {
                category: category.key(),
                evidence: "its own name says so; nobody knows a name around it".to_owned(),
            },
        }),
    }
}

/// A first guess for a field that nothing knows: numbers, flags and single words of a product are behavior.
fn guess(seen: &SeenField) -> Guess {
    let plain = seen
        .types
        .iter()
        .all(|name| matches!(*name, "boolean" | "integer" | "number" | "null"));
    let evidence = if plain {
        "only numbers and flags were seen"
    } else {
        "single words were seen, no personal data was detected"
    };
    Guess {
        category: "user.behavior",
        evidence: evidence.to_owned(),
    }
}

/// What a field is.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SetField {
    path: String,
    category: String,
}

/// Which field to forget about.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct UnsetField {
    path: String,
}

/// Where the line is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Written {
    file: String,
    line: usize,
}

/// Says what a field is: writes a line of fields.toml and puts it in force.
#[utoipa::path(put, path = "/api/v1/fields", request_body = SetField, responses((status = 200, body = Written)))]
pub(super) async fn set(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<SetField>,
) -> Answer<Written> {
    let Some(category) = Category::parse(&request.category) else {
        let known: Vec<&str> = Category::all().map(Category::key).collect();
        let help = crate::config::near::did_you_mean(&request.category, &known);
        return Err(ApiError::invalid(
            "category",
            format!("`{}` is not a data category", request.category),
        )
        .suggestions(vec![help]));
    };
    write(&system, asking, &request.path, Some(category)).await
}

/// Takes back what was said about a field.
#[utoipa::path(delete, path = "/api/v1/fields", request_body = UnsetField, responses((status = 200, body = Written)))]
pub(super) async fn unset(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<UnsetField>,
) -> Answer<Written> {
    write(&system, asking, &request.path, None).await
}

async fn write(
    system: &System,
    asking: Asking,
    path: &str,
    category: Option<Category>,
) -> Answer<Written> {
    if !fields_file::is_path(path) {
        return Err(ApiError::invalid(
            "path",
            "a field path starts with properties., profile. or group.",
        ));
    }
    let _permit = system
        .access
        .permit::<WriteConfig>(&asking.0, "fields")
        .await?;
    let _one_at_a_time = system.config_lock.lock().await;
    let config = system.config();
    let broken = |problems: &[Problem]| {
        let error = problems
            .iter()
            .find(|problem| problem.severity == Severity::Error);
        ApiError::new(
            StatusCode::CONFLICT,
            "configuration_broken",
            format!(
                "the configuration has an error, so nothing was written: {}",
                error.map(ToString::to_string).unwrap_or_default()
            ),
        )
    };
    // What somebody broke by hand must not come into force by this, nor be hidden by it.
    let (main, today) = (config.path.clone(), system.clock.now().day());
    let load = move || crate::config::load(&main, &crate::config::environment(), today);
    if let Err(problems) = tokio::task::spawn_blocking(load).await?.into_result() {
        return Err(broken(&problems));
    }
    let failed = |error: std::io::Error| ApiError::internal(&error);
    let file = config.root.join("fields.toml");
    let before = fields_file::read(&file).map_err(failed)?;
    let (text, line) = fields_file::edited(&before, path, category);
    fields_file::replace(&file, &text).map_err(failed)?;
    if let Err(problems) = system.reload().await {
        fields_file::replace(&file, &before).map_err(failed)?;
        // If that fails as well, the folder was broken meanwhile: status and log say so.
        let _ = system.reload().await;
        return Err(broken(&problems));
    }
    Ok(Json(Written {
        file: file.display().to_string(),
        line,
    }))
}
