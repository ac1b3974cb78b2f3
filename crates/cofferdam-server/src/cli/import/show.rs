//! What an import shows: a bar while it runs, then what became of the file.
//!
//! Invariant: the bar is on standard error and only on a terminal; the result is on standard output.

use super::Done;
use super::source::Source;
use crate::cli::output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::io::IsTerminal;

/// A bar over the bytes of the file, with rate and time left; a spinner where the size is not known.
pub(super) fn bar(source: &Source) -> ProgressBar {
    let template = match source.size {
        0 => "{spinner} {msg} · {bytes} · {bytes_per_sec}",
        _ => "{bar:40} {percent}% · {msg} · {bytes_per_sec} · {eta} left",
    };
    let bar = match source.size {
        0 => ProgressBar::no_length(),
        size => ProgressBar::new(size),
    };
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Prints what became of an import.
pub(super) fn report(done: &Done, as_json: bool) {
    if as_json {
        let mut body = done.report.clone();
        if let Some(members) = body.as_object_mut() {
            let before = json!(done.lines_before);
            members.insert("lines_before_this_run".to_owned(), before);
            members.insert("rejects_file".to_owned(), json!(done.rejects));
        }
        output::json(&body);
        return;
    }
    let report = &done.report;
    let number = |key: &str| report.get(key).and_then(Value::as_u64).unwrap_or(0);
    let text = |key: &str| report.get(key).and_then(Value::as_str).unwrap_or("–");
    output::line(&format!(
        "{} read{}",
        output::count(number("lines"), "line", "lines"),
        match done.lines_before {
            0 => String::new(),
            lines => format!(", {} of them by earlier runs", output::grouped(lines)),
        }
    ));
    output::line(&format!(
        "kept: {} ({} of them were already there) of {} to {}, {}",
        output::count(number("events"), "event", "events"),
        output::grouped(number("already_there")),
        text("first_day"),
        text("last_day"),
        output::count(number("updates"), "profile update", "profile updates"),
    ));
    let refused = report.get("refused").and_then(Value::as_object);
    for (reason, count) in refused.into_iter().flatten() {
        let count = output::grouped(count.as_u64().unwrap_or(0));
        output::line(&format!("refused: {count} ({reason})"));
    }
    if let Some(path) = &done.rejects {
        output::line(&format!(
            "what was refused, line by line: {}",
            path.display()
        ));
    }
    if number("secrets_dropped") > 0 {
        let secrets = output::count(number("secrets_dropped"), "secret", "secrets");
        output::line(&format!("{secrets} found and dropped"));
    }
    if number("in_ledger") > 0 {
        let items = output::count(
            number("in_ledger"),
            "event or profile",
            "events and profiles",
        );
        output::line(&format!("in the ledger as what the vendor has: {items}"));
    }
    fields(report);
}

fn fields(report: &Value) {
    let fields = report.get("fields").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = fields
        .into_iter()
        .flatten()
        .map(|field| {
            let text = |key: &str| field.get(key).and_then(Value::as_str).unwrap_or_default();
            let refusal = text("refusal");
            let form = match refusal {
                "" => text("form").to_owned(),
                refusal => format!("{} ({refusal})", text("form")),
            };
            let count = field.get("count").and_then(Value::as_u64).unwrap_or(0);
            vec![
                text("path").to_owned(),
                text("category").to_owned(),
                form,
                output::grouped(count),
            ]
        })
        .collect();
    if !rows.is_empty() {
        output::line("");
        output::table(&["field", "taken for", "kept as", "values"], &rows);
    }
}
