//! What can be asked: tables, columns, functions, for whoever writes a query and for autocomplete.
//!
//! Invariant: the tables and columns listed are those that a query sees, of the same version of the store.

use super::problem::{Problems, quoted};
use super::{SqlAnswer, SqlColumn, SqlLimits, cells, session};
use crate::QueryError;
use cofferdam_model::ProjectName;
use cofferdam_store::{Reader, Store};
use datafusion::logical_expr::Documentation;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// What can be asked of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SqlSchema {
    /// The tables.
    pub tables: Vec<SqlTable>,
    /// The functions, by name.
    pub functions: Vec<SqlFunction>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SqlTable {
    /// Its name.
    pub name: String,
    /// What a row is.
    pub description: String,
    /// Its columns, in order.
    pub columns: Vec<SqlTableColumn>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SqlTableColumn {
    /// Its name.
    pub name: String,
    /// Its name as it stands in a query: in double quotes where it has capital letters or signs.
    pub quoted: String,
    /// Its type, as in answers.
    #[serde(rename = "type")]
    pub kind: String,
    /// The property that it holds, where it is one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// Whether some values of the property are of another type, and are in `properties_rest`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mixed: bool,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SqlFunction {
    /// Its name.
    pub name: String,
    /// What it works on.
    pub kind: SqlFunctionKind,
    /// How it is written.
    pub syntax: String,
    /// What it does, in a sentence.
    pub description: String,
}

/// What a function works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SqlFunctionKind {
    /// One row.
    Scalar,
    /// A group of rows.
    Aggregate,
    /// A row and those around it.
    Window,
    /// Makes rows.
    Table,
}

/// Tables, columns and functions of a project.
#[must_use]
pub fn sql_schema(store: &Store, project: &ProjectName) -> SqlSchema {
    SqlSchema {
        functions: functions(),
        ..of(&store.reader(), project)
    }
}

/// The tables and columns; functions are left out.
pub(super) fn of(reader: &Reader, project: &ProjectName) -> SqlSchema {
    let table = reader.table(project);
    let catalog = reader.catalog(project);
    let mixed = |property: &str| {
        let mut known = catalog.properties.iter();
        known.any(|known| known.mixed && &*known.property == property)
    };
    let columns = table
        .columns
        .iter()
        .zip(table.schema.fields())
        .map(|(column, field)| SqlTableColumn {
            name: column.name.to_string(),
            quoted: quoted(&column.name),
            kind: cells::kind(field.data_type()).to_owned(),
            mixed: column.property.as_deref().is_some_and(mixed),
            property: column.property.as_deref().map(str::to_owned),
        })
        .collect();
    SqlSchema {
        tables: vec![SqlTable {
            name: "events".to_owned(),
            description: "One row per event; `person` is who did it after all merges, `time` is UTC, and `properties_rest` is a JSON \
                          object of what has no column of its own or another type than its column."
                .to_owned(),
            columns,
        }],
        functions: Vec::new(),
    }
}

fn functions() -> Vec<SqlFunction> {
    let Ok(session) = session::bare(&SqlLimits::default()) else {
        return Vec::new();
    };
    let state = session.state();
    let scalar = state.scalar_functions().values();
    let aggregate = state.aggregate_functions().values();
    let window = state.window_functions().values();
    let table = state.table_functions().keys();
    let mut functions: Vec<SqlFunction> =
        scalar
            .map(|known| function(known.name(), SqlFunctionKind::Scalar, known.documentation()))
            .chain(aggregate.map(|known| {
                function(
                    known.name(),
                    SqlFunctionKind::Aggregate,
                    known.documentation(),
                )
            }))
            .chain(window.map(|known| {
                function(known.name(), SqlFunctionKind::Window, known.documentation())
            }))
            .chain(table.map(|name| function(name, SqlFunctionKind::Table, None)))
            .collect();
    functions.sort_by(|one, other| (&one.name, one.kind).cmp(&(&other.name, other.kind)));
    functions.dedup_by(|one, other| (&one.name, one.kind) == (&other.name, other.kind));
    functions
}

fn function(
    name: &str,
    kind: SqlFunctionKind,
    documentation: Option<&Documentation>,
) -> SqlFunction {
    let syntax = documentation.map(|known| known.syntax_example.trim().to_owned());
    let description = documentation.map_or("", |known| known.description.trim());
    let sentence = description
        .split_inclusive(['.', '\n'])
        .next()
        .unwrap_or("");
    SqlFunction {
        name: name.to_owned(),
        kind,
        syntax: syntax.unwrap_or_else(|| format!("{name}(…)")),
        description: sentence.trim().to_owned(),
    }
}

impl SqlSchema {
    pub(super) fn table_names(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(|table| table.name.as_str())
    }

    pub(super) fn column_names(&self) -> impl Iterator<Item = &str> {
        let columns = self.tables.iter().flat_map(|table| &table.columns);
        columns.map(|column| column.name.as_str())
    }

    /// The answer to SHOW TABLES.
    pub(super) fn list_tables(&self) -> SqlAnswer {
        let rows = self.tables.iter();
        listed(
            ["table", "description"],
            rows.map(|table| vec![json!(table.name), json!(table.description)]),
        )
    }

    /// The answer to DESCRIBE.
    pub(super) fn list_columns(
        &self,
        table: &str,
        problems: &Problems<'_>,
    ) -> Result<SqlAnswer, QueryError> {
        let found = self.tables.iter().find(|known| known.name == table);
        let found = found.ok_or_else(|| problems.no_table(table, None))?;
        let rows = found.columns.iter();
        Ok(listed(
            ["column", "type", "property"],
            rows.map(|column| {
                vec![
                    json!(column.quoted),
                    json!(column.kind),
                    json!(column.property),
                ]
            }),
        ))
    }
}

fn listed<const N: usize>(
    names: [&str; N],
    rows: impl Iterator<Item = Vec<serde_json::Value>>,
) -> SqlAnswer {
    SqlAnswer {
        columns: names
            .map(|name| SqlColumn {
                name: name.to_owned(),
                kind: "text".to_owned(),
            })
            .to_vec(),
        rows: rows.collect(),
        truncated: false,
        snapshot: String::new(),
    }
}
