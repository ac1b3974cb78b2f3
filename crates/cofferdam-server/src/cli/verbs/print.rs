//! How API answers read as text.

use super::output;
use serde_json::Value;

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A count of the answer with its noun.
fn several(value: &Value, key: &str, one: &str, many: &str) -> String {
    let count = value.get(key).and_then(Value::as_u64).unwrap_or(0);
    output::count(count, one, many)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn words(value: &Value, key: &str) -> String {
    list(value, key)
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn rows(items: &[Value], keys: &[&str]) -> Vec<Vec<String>> {
    items
        .iter()
        .map(|item| keys.iter().map(|key| text(item, key)).collect())
        .collect()
}

pub(super) fn api_error(body: &Value) {
    let error = body.get("error").unwrap_or(body);
    output::error(&format!(
        "{}: {}",
        text(error, "code"),
        text(error, "message")
    ));
    let suggestions = words(error, "suggestions");
    if !suggestions.is_empty() {
        output::error(&suggestions);
    }
    let allowed = words(error, "allowed");
    if suggestions.is_empty() && !allowed.is_empty() {
        output::error(&format!("there is: {allowed}"));
    }
}

pub(super) fn done(body: &Value) {
    output::line(&format!(
        "done: {}:{}",
        text(body, "file"),
        text(body, "line")
    ));
}

pub(super) fn radius(body: &Value) {
    output::line(&format!(
        "{}: {} exposed ({} of them without a confirmed delivery), {}, {}",
        text(body, "vendor"),
        several(body, "people", "person", "people"),
        text(body, "people_possible"),
        several(body, "organizations", "organization", "organizations"),
        several(body, "events", "event", "events"),
    ));
    if body.get("configured") == Some(&Value::Bool(false)) {
        output::line("this vendor is no longer configured; the ledger tells what it knows of it");
    }
    output::line(&format!(
        "basis {}, {} to {}; coverage {}, complete from {} through {}",
        text(body, "basis"),
        text(body, "since"),
        text(body, "until"),
        text(body, "coverage"),
        text(body, "complete_from"),
        text(body, "complete_through"),
    ));
    output::line("");
    output::table(
        &["category", "sensitivity", "people"],
        &rows(
            list(body, "categories"),
            &["category", "sensitivity", "people"],
        ),
    );
    output::line("");
    output::table(
        &["field", "category", "form", "people", "first", "last"],
        &rows(
            list(body, "fields"),
            &["field", "category", "form", "people", "first", "last"],
        ),
    );
    output::line("");
    output::line(&format!("not exposed: {}", words(body, "not_exposed")));
    if !list(body, "unknown").is_empty() {
        output::line(&format!("unknown: {}", words(body, "unknown")));
    }
    for gap in list(body, "gaps") {
        output::line(&format!("gap: {gap}"));
    }
}

pub(super) fn vendors(body: &Value) {
    let rows: Vec<Vec<String>> = list(body, "vendors")
        .iter()
        .map(|vendor| {
            let delivery = vendor.get("delivery").unwrap_or(&Value::Null);
            let backlog = delivery.get("backlog").unwrap_or(&Value::Null);
            vec![
                text(vendor, "id"),
                text(vendor, "name"),
                text(vendor, "region"),
                text(vendor, "mode"),
                text(delivery, "state"),
                text(delivery, "delivered"),
                text(backlog, "events"),
            ]
        })
        .collect();
    output::table(
        &[
            "id",
            "name",
            "region",
            "mode",
            "state",
            "delivered",
            "backlog",
        ],
        &rows,
    );
    for past in list(body, "past") {
        output::line(&format!(
            "no longer configured: {} ({}), last on {}",
            text(past, "id"),
            text(past, "name"),
            text(past, "last_day")
        ));
    }
}

pub(super) fn gap(body: &Value) {
    output::line(&format!(
        "unknown from {} to {}: {}",
        text(body, "since"),
        text(body, "until"),
        text(body, "reason")
    ));
}

pub(super) fn deletions(body: &Value) {
    let rows: Vec<Vec<String>> = list(body, "deletions")
        .iter()
        .map(|deletion| {
            vec![
                text(deletion, "id"),
                text(deletion, "vendor"),
                text(deletion, "region"),
                text(deletion, "person"),
                text(deletion, "state"),
                words(deletion, "distinct_ids"),
            ]
        })
        .collect();
    output::table(
        &[
            "id",
            "vendor",
            "region",
            "person",
            "state",
            "one of these ids",
        ],
        &rows,
    );
}

pub(super) fn settled(body: &Value) {
    output::line(&format!(
        "recorded: {}; open: {}",
        text(body, "settled"),
        text(body, "open")
    ));
}

pub(super) fn vendor(body: &Value) {
    let delivery = body.get("delivery").unwrap_or(&Value::Null);
    output::line(&format!(
        "{} ({}), {} in {}",
        text(body, "name"),
        text(body, "id"),
        text(body, "purpose"),
        text(body, "region")
    ));
    output::line(&format!(
        "state {}, delivered {}, possible {}",
        text(delivery, "state"),
        text(delivery, "delivered"),
        text(delivery, "possible")
    ));
    output::line("");
    output::table(
        &["category", "form", "in words"],
        &rows(list(body, "receives"), &["category", "form", "words"]),
    );
    for problem in list(body, "problems") {
        output::line(&format!(
            "{}: {}",
            text(problem, "code"),
            text(problem, "message")
        ));
    }
}

pub(super) fn contained(body: &Value) {
    output::line(&format!("state: {}", text(body, "state")));
    if body.get("dropped_events").is_some() {
        output::line(&format!(
            "dropped from the backlog: {}",
            several(body, "dropped_events", "event", "events")
        ));
    }
}

pub(super) fn fields(body: &Value) {
    output::table(
        &["path", "category", "rule", "state", "people", "first seen"],
        &rows(
            list(body, "fields"),
            &["path", "category", "rule", "state", "people", "first_seen"],
        ),
    );
}

pub(super) fn erased(body: &Value) {
    let ids = u64::try_from(list(body, "numbers").len()).unwrap_or(u64::MAX);
    output::line(&format!("forgotten: {}", output::count(ids, "id", "ids")));
    let requests = rows(
        list(body, "deletion_requests"),
        &["vendor", "requests", "state"],
    );
    output::table(&["vendor", "deletion requests", "state"], &requests);
}

pub(super) fn snapshot(body: &Value) {
    output::line(&format!(
        "wrote {}: {}, {}; in DuckDB: ATTACH 'ducklake:sqlite:{}'",
        text(body, "dir"),
        several(body, "files", "file", "files"),
        several(body, "events", "event", "events"),
        text(body, "catalog")
    ));
}

pub(super) fn rotated(body: &Value) {
    output::line(&format!(
        "every key is wrapped by the new master key in {}",
        text(body, "file")
    ));
    output::line("set vault.master_key_file to it, and keep the old one until the next backup.");
}

pub(super) fn backed_up(_body: &Value) {
    output::line(
        "the master key is encrypted to the recipients; keep the file away from the data.",
    );
}

pub(super) fn explanation(body: &Value) {
    output::line(&format!(
        "event `{}`: {}",
        text(body, "event"),
        text(body, "decision")
    ));
    let mut vendors: Vec<&String> = Vec::new();
    for field in list(body, "fields") {
        for vendor in field
            .get("vendors")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|map| map.keys())
        {
            if !vendors.contains(&vendor) {
                vendors.push(vendor);
            }
        }
    }
    let decision = |value: Option<&Value>| {
        let value = value.unwrap_or(&Value::Null);
        match value.get("form") {
            Some(form) => form.as_str().unwrap_or_default().to_owned(),
            None => format!("withheld ({})", text(value, "withheld")),
        }
    };
    let mut header = vec!["field", "category", "rule", "home"];
    header.extend(vendors.iter().map(|vendor| vendor.as_str()));
    let rows: Vec<Vec<String>> = list(body, "fields")
        .iter()
        .map(|field| {
            let mut row = vec![
                text(field, "path"),
                text(field, "category"),
                text(field, "rule"),
                decision(field.get("home")),
            ];
            for vendor in &vendors {
                row.push(decision(
                    field
                        .get("vendors")
                        .and_then(|map| map.get(vendor.as_str())),
                ));
            }
            row
        })
        .collect();
    output::table(&header, &rows);
    for note in list(body, "notes") {
        output::line(&format!("note: {}", note.as_str().unwrap_or_default()));
    }
}
