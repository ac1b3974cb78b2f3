//! A row of CSV as a line of Mixpanel's event export.
//!
//! The command line reads rows and hands them over; what comes out goes the way of every exported line.
//! Invariant: a cell keeps its text unless it is exactly what a number, a boolean or JSON would be written as: `007` stays text.

use serde_json::{Map, Number, Value};

/// Which column is what, by its place in the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    names: Vec<String>,
    event: usize,
    time: usize,
    distinct_id: usize,
    insert_id: Option<usize>,
}

/// A header or mapping that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// A mapping for nothing that there is.
    #[error("`{0}` cannot be mapped; there are event, time, distinct_id and insert_id")]
    NoSuchPart(String),
    /// The header has no such column.
    #[error("the file has no column `{0}`")]
    NoSuchColumn(String),
}

impl Columns {
    /// Reads a header under a mapping of parts (`event`, `time`, `distinct_id`, `insert_id`) to names of columns; a part that is
    /// not mapped has its own name, and `insert_id` may be absent.
    ///
    /// # Errors
    /// [`ColumnsError`].
    pub fn new(header: Vec<String>, mapping: &[(String, String)]) -> Result<Self, ColumnsError> {
        const PARTS: [&str; 4] = ["event", "time", "distinct_id", "insert_id"];
        if let Some((part, _)) = mapping
            .iter()
            .find(|(part, _)| !PARTS.contains(&part.as_str()))
        {
            return Err(ColumnsError::NoSuchPart(part.clone()));
        }
        let place = |part: &str| {
            let mapped = mapping.iter().find(|(of, _)| of == part);
            let name = mapped.map_or(part, |(_, name)| name);
            header
                .iter()
                .position(|column| column == name)
                .ok_or_else(|| {
                    (
                        ColumnsError::NoSuchColumn(name.to_owned()),
                        mapped.is_some(),
                    )
                })
        };
        let needed = |part| place(part).map_err(|(error, _)| error);
        Ok(Self {
            event: needed("event")?,
            time: needed("time")?,
            distinct_id: needed("distinct_id")?,
            insert_id: match place("insert_id") {
                Ok(at) => Some(at),
                Err((_, false)) => None,
                Err((error, true)) => return Err(error),
            },
            names: header,
        })
    }

    /// A row as a line of JSON, without a line break. Empty cells are absent.
    pub fn line<'r>(&self, cells: impl Iterator<Item = &'r str>) -> String {
        let mut event = Value::Null;
        let mut properties = Map::new();
        for (at, (name, cell)) in self.names.iter().zip(cells).enumerate() {
            if cell.is_empty() {
                continue;
            }
            let text = || Value::String(cell.to_owned());
            if at == self.event {
                event = text();
            } else if at == self.time {
                properties.insert("time".to_owned(), text());
            } else if at == self.distinct_id {
                properties.insert("distinct_id".to_owned(), text());
            } else if Some(at) == self.insert_id {
                properties.insert("$insert_id".to_owned(), text());
            } else {
                properties.insert(name.clone(), typed(cell));
            }
        }
        let mut line = Map::new();
        line.insert("event".to_owned(), event);
        line.insert("properties".to_owned(), Value::Object(properties));
        Value::Object(line).to_string()
    }
}

/// A cell as what it is written as.
fn typed(cell: &str) -> Value {
    match cell {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    let whole = cell
        .parse::<i64>()
        .ok()
        .filter(|number| number.to_string() == cell);
    if let Some(number) = whole {
        return Value::Number(number.into());
    }
    let looks_like_number = cell
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
    let float = cell.parse::<f64>().ok().filter(|_| looks_like_number);
    let float = float.filter(|number| number.to_string() == cell);
    if let Some(number) = float.and_then(Number::from_f64) {
        return Value::Number(number);
    }
    if cell.starts_with(['{', '['])
        && let Ok(nested) = serde_json::from_str::<Value>(cell)
    {
        return nested;
    }
    Value::String(cell.to_owned())
}
