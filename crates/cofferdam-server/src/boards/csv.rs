//! Reports as CSV (RFC 4180): one pure function for each kind, from request and answer to a table.
//!
//! One line a figure, with the names of series, segments and buckets beside it, so that a sheet can pivot it. Invariant: every
//! figure of the answer's series, steps, cohorts and links is there, written as in JSON; a text can start no formula.

mod flows;
mod funnel;
mod retention;
mod rows;
mod segmentation;

pub(crate) use flows::flows;
pub(crate) use funnel::funnel;
pub(crate) use retention::retention;
pub(crate) use rows::rows;
pub(crate) use segmentation::segmentation;

use serde::Serialize;
use serde_json::Value;

/// A table under way.
#[derive(Debug, Default)]
pub(crate) struct Sheet(String);

/// A cell.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// Nothing.
    Empty,
    /// Ours or a number: written as it is.
    Plain(String),
    /// Somebody's: may start no formula.
    Text(String),
}

impl Sheet {
    /// Adds a line.
    pub(crate) fn line(&mut self, cells: impl IntoIterator<Item = Cell>) {
        for (position, cell) in cells.into_iter().enumerate() {
            if position > 0 {
                self.0.push(',');
            }
            match cell {
                Cell::Empty => {}
                Cell::Plain(text) => self.quoted(&text),
                Cell::Text(text) => self.quoted(&harmless(text)),
            }
        }
        self.0.push_str("\r\n");
    }

    /// The table as text.
    pub(crate) fn finish(self) -> String {
        self.0
    }

    fn quoted(&mut self, text: &str) {
        if text.contains(['"', ',', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
            self.0.push('"');
            self.0.push_str(&text.replace('"', "\"\""));
            self.0.push('"');
        } else {
            self.0.push_str(text);
        }
    }
}

/// Spreadsheets compute what begins with one of these signs, and some also what follows a tab or the end of a line; an apostrophe
/// before it makes it a text. What is a number is one all the same.
fn harmless(text: String) -> String {
    let begins = text.trim_start_matches([' ', '\t', '\r', '\n', '\u{feff}']);
    let computes = begins.starts_with(['=', '+', '-', '@', '|', '＝', '＋', '－', '＠'])
        || text.starts_with(['\t', '\r', '\n']);
    let is_number = text
        .strip_prefix(['+', '-'])
        .unwrap_or(&text)
        .chars()
        .all(|c| c.is_ascii_digit() || c == '.');
    if computes && !(is_number && text.parse::<f64>().is_ok()) {
        format!("'{text}")
    } else {
        text
    }
}

/// A word of ours.
pub(super) fn word(text: &str) -> Cell {
    Cell::Plain(text.to_owned())
}

/// A text of somebody else.
pub(super) fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// A number or a truth, as in JSON; `null` is an empty cell.
pub(super) fn figure(value: impl Serialize) -> Cell {
    match serde_json::to_value(value) {
        Ok(Value::Null) | Err(_) => Cell::Empty,
        Ok(value) => Cell::Plain(value.to_string()),
    }
}

/// The names of a breakdown's columns: the property, else the expression as it stands in the request.
pub(super) fn columns<B: Serialize>(breakdown: &[B]) -> Vec<Cell> {
    let name = |by: &B| match serde_json::to_value(by) {
        Ok(Value::String(property)) => Cell::Text(property),
        Ok(Value::Object(members)) if members.len() == 1 => {
            let only = members.into_iter().next().map(|(_, value)| value);
            match only {
                Some(Value::String(expression)) => Cell::Text(expression),
                other => Cell::Text(other.unwrap_or_default().to_string()),
            }
        }
        Ok(other) => Cell::Text(other.to_string()),
        Err(_) => Cell::Empty,
    };
    breakdown.iter().map(name).collect()
}

/// A segment's values in so many columns. The rest has its `$other` in the first of them.
pub(super) fn segment(values: &[Option<String>], columns: usize) -> Vec<Cell> {
    let cell = |at: usize| match values.get(at) {
        Some(Some(value)) => text(value),
        Some(None) | None => Cell::Empty,
    };
    (0..columns).map(cell).collect()
}

#[cfg(test)]
mod tests;
