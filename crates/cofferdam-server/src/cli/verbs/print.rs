//! How API answers read as text.

mod radius;

pub(super) use radius::radius;

use super::output;
use cofferdam_model::TimestampMs;
use serde_json::Value;

pub(super) fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A count of the answer, its digits grouped.
fn number(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_u64)
        .map_or_else(String::new, output::grouped)
}

/// Prints rows, or the reason why there are none.
fn table_or(none: &str, header: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        output::line(none);
    } else {
        output::table(header, rows);
    }
}

/// A state of delivery: the API's word, as in the web app.
fn state(delivery: &Value) -> String {
    text(delivery, "state").replace('_', " ")
}

/// What a vendor's delivery last failed of, and with which status.
fn last_error(delivery: &Value) -> Option<String> {
    let error = delivery
        .get("last_error")
        .filter(|error| error.is_object())?;
    let status = text(error, "status");
    let with = if status.is_empty() {
        status
    } else {
        format!(", status {status}")
    };
    Some(format!("last error: {}{with}", text(error, "code")))
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

pub(in crate::cli) fn api_error(body: &Value) {
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

pub(super) fn named(body: &Value) {
    output::line(&format!(
        "written: {}:{}",
        text(body, "file"),
        text(body, "line")
    ));
}

pub(super) fn unnamed(body: &Value) {
    output::line(&format!("{} has no line of it", text(body, "file")));
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
                state(delivery),
                number(delivery, "delivered"),
                number(backlog, "events"),
            ]
        })
        .collect();
    table_or(
        "no vendor is declared; vendors/README.md shows how",
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
    for vendor in list(body, "vendors") {
        let delivery = vendor.get("delivery").unwrap_or(&Value::Null);
        if let Some(error) = last_error(delivery) {
            output::line(&format!("{}: {error}", text(vendor, "id")));
        }
    }
    for past in list(body, "past") {
        output::line(&format!(
            "{} ({}) is no longer configured since {}: it gets nothing; radius still answers",
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
    table_or(
        "nothing is open: every vendor has confirmed what it was asked to delete",
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
        number(body, "settled"),
        number(body, "open")
    ));
    output::line(
        "with a person's last id confirmed deleted, `radius --basis held` leaves out what was sent up to the day before the request.",
    );
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
        state(delivery),
        number(delivery, "delivered"),
        number(delivery, "possible")
    ));
    if let Some(error) = last_error(delivery) {
        output::line(&error);
    }
    output::line(&contract(body.get("contract").unwrap_or(&Value::Null)));
    output::line("");
    output::table(
        &["category", "form", "in words"],
        &rows(list(body, "receives"), &["category", "form", "words"]),
    );
    withheld(list(body, "withheld"));
    for problem in list(body, "problems") {
        output::line(&format!(
            "{}: {}",
            text(problem, "code"),
            text(problem, "message")
        ));
    }
}

/// The fields that a vendor did not get, most frequent first.
fn withheld(fields: &[Value]) {
    const FIRST: usize = 20;
    if fields.is_empty() {
        return;
    }
    output::line("");
    output::line("withheld since the server started:");
    let row = |field: &Value| {
        vec![
            number(field, "values"),
            text(field, "path"),
            text(field, "because"),
        ]
    };
    let first: Vec<_> = fields.iter().take(FIRST).map(row).collect();
    output::table(&["values", "field", "because"], &first);
    if let Some(more) = fields.len().checked_sub(FIRST).filter(|more| *more > 0) {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        output::line(&format!(
            "and {} more, with --json",
            output::count(more, "field", "fields")
        ));
    }
}

/// A vendor's contract on one line; what was not written is not known.
fn contract(contract: &Value) -> String {
    let or = |key: &str, none: &str| {
        let text = text(contract, key);
        if text.is_empty() {
            none.to_owned()
        } else {
            text
        }
    };
    let retention = match contract.get("retention_days").and_then(Value::as_u64) {
        Some(days) => {
            let is_verified = contract.get("retention_verified") == Some(&Value::Bool(true));
            let how = if is_verified { "verified" } else { "claimed" };
            format!("{} ({how})", output::count(days, "day", "days"))
        }
        None => "unknown".to_owned(),
    };
    format!(
        "contract {}: ends {}, reviewed {}, tells of a breach within {} hours, keeps for {retention}",
        or("reference", "without a reference"),
        or("expires", "never"),
        or("reviewed", "never"),
        or("breach_notice_hours", "unknown"),
    )
}

pub(super) fn contained(body: &Value) {
    output::line("contained: no event or profile byte leaves for it any more");
    output::line(&format!(
        "dropped from the backlog: {}",
        several(body, "dropped_events", "event", "events")
    ));
}

pub(super) fn resumed(_body: &Value) {
    output::line(
        "it flows again, starting with what happens from now on; what happened while it was contained is not sent",
    );
}

/// How many people sent a field; what stands on a group's profile, or in its id, nobody sent about themselves.
fn people_of(field: &Value) -> String {
    let path = text(field, "path");
    let is_of_group = path.starts_with("group.") || path == "group_id";
    match is_of_group && field.get("people").is_none_or(Value::is_null) {
        true => "organizations".to_owned(),
        false => number(field, "people"),
    }
}

pub(super) fn fields(body: &Value) {
    let row = |field: &Value| {
        let has = |vendor: &&Value| vendor.get("form").is_some_and(Value::is_string);
        let goes_to: Vec<String> = list(field, "vendors")
            .iter()
            .filter(has)
            .map(|vendor| format!("{}: {}", text(vendor, "id"), text(vendor, "form")))
            .collect();
        vec![
            text(field, "path"),
            text(field, "category"),
            text(field, "rule"),
            text(field, "state"),
            people_of(field),
            text(field, "first_seen"),
            goes_to.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = list(body, "fields").iter().map(row).collect();
    table_or(
        "no field was seen yet",
        &[
            "path",
            "category",
            "rule",
            "state",
            "people",
            "first seen",
            "may go to",
        ],
        &rows,
    );
}

pub(super) fn erased(body: &Value) {
    let ids = u64::try_from(list(body, "numbers").len()).unwrap_or(u64::MAX);
    let ids = output::count(ids, "id", "ids");
    output::line(
        &match body.get("forgotten_before").and_then(Value::as_i64) {
            Some(at) => format!(
                "already forgotten on {} (UTC): {ids}; nothing was left to forget",
                TimestampMs(at).day()
            ),
            None => format!("forgotten: {ids}"),
        },
    );
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
    let decision = |field: &Value, value: Option<&Value>| {
        let value = value.unwrap_or(&Value::Null);
        let is_masked = field.get("masked").and_then(Value::as_bool) == Some(true);
        match value.get("form").map(Value::as_str) {
            Some(Some("clear")) if is_masked => "masked".to_owned(),
            Some(form) => form.unwrap_or_default().to_owned(),
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
                decision(field, field.get("home")),
            ];
            for vendor in &vendors {
                row.push(decision(
                    field,
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
