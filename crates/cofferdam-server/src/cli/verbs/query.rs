//! `query`: SQL in the terminal, as an aligned table, JSON or CSV.
//!
//! Invariant: rows go to standard output and nothing else does; what was cut is told on standard error.

use super::{Call, output};
use crate::boards::csv as sheet;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

/// Widest cell of a table, in characters; JSON and CSV have it whole.
const CELL_CHARS_MAX: usize = 60;

/// Arguments of `query`.
#[derive(Debug, clap::Args)]
pub struct QueryArguments {
    /// One SQL statement that reads (`-` = from standard input); SHOW TABLES and DESCRIBE events tell what there is.
    sql: String,
    /// The project; default: the first one.
    #[arg(long)]
    project: Option<String>,
    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Most rows; default 10,000.
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Give up after so many milliseconds; default 30,000.
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
}

pub(super) fn call(arguments: &QueryArguments) -> anyhow::Result<Call> {
    let query = match arguments.sql.as_str() {
        "-" => super::read(&PathBuf::from("-"))?,
        query => query.to_owned(),
    };
    let body = json!({
        "project": arguments.project, "query": query, "limit": arguments.limit, "timeout_ms": arguments.timeout_ms,
    });
    let show = if arguments.csv { csv } else { table };
    Ok(Call::post("/api/v1/sql", body, show))
}

/// Columns and rows of an answer.
fn answer(body: &Value) -> (Vec<String>, Vec<Vec<Value>>) {
    let list = |key: &str| {
        body.get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let columns = list("columns")
        .iter()
        .map(|column| super::print::text(column, "name"))
        .collect();
    let rows = list("rows").into_iter();
    let rows = rows
        .map(|row| row.as_array().cloned().unwrap_or_default())
        .collect();
    (columns, rows)
}

fn table(body: &Value) {
    let (columns, rows) = answer(body);
    let header: Vec<&str> = columns.iter().map(String::as_str).collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(cell).collect())
        .collect();
    output::table(&header, &cells);
    let count = output::count(cells.len() as u64, "row", "rows");
    output::error(&count);
    tell_cut(body);
}

fn csv(body: &Value) {
    let (columns, rows) = answer(body);
    let text = sheet::rows(columns.iter().map(String::as_str), &rows);
    // A closed pipe is the reader's choice, not an error of ours.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    tell_cut(body);
}

fn tell_cut(body: &Value) {
    if body.get("truncated").and_then(Value::as_bool) == Some(true) {
        output::error("there are more rows; --limit ROWS shows up to 100,000");
    }
}

/// A cell on one line: nothing that a terminal would obey, and not too wide.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return "∅".to_owned(),
        Value::String(text) => text.clone(),
        other => return other.to_string(),
    };
    let plain = |letter: char| if letter.is_control() { '·' } else { letter };
    let mut shown: String = text.chars().take(CELL_CHARS_MAX).map(plain).collect();
    if text.chars().nth(CELL_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::cell;
    use serde_json::json;

    #[test]
    fn a_cell_is_one_harmless_line() {
        assert_eq!(cell(&json!("a\nb\u{1b}[31m")), "a·b·[31m");
        assert_eq!(cell(&json!("x".repeat(61))), format!("{}…", "x".repeat(60)));
        assert_eq!(cell(&json!(null)), "∅");
        assert_eq!(cell(&json!(1.5)), "1.5");
    }
}
