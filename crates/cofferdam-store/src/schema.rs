//! A project's columns: the fixed ones, and one typed column per property when first seen.
//!
//! Ingest registers properties in the order of the journal, flush writes the additions to the catalog, scans read through it.
//! Invariant: a property's column and type never change; a value that does not fit its column goes to `properties_rest`, and the
//! property is then marked as mixed before the value is visible.

use crate::store::ColumnKind;
use crate::{Map, Set};
use cofferdam_model::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A column that every project has: name, DuckLake type. The field id is the position plus 1.
pub(crate) const FIXED: [(&str, &str); 10] = [
    ("person", "uint32"),
    ("time", "timestamp_ms"),
    ("seq", "uint64"),
    ("event", "varchar"),
    ("organization", "uint32"),
    ("insert_key", "uint64"),
    ("policy", "uint32"),
    ("verified", "boolean"),
    ("properties_rest", "varchar"),
    ("sealed", "varchar"),
];

/// Field ids of the fixed columns.
pub(crate) mod id {
    pub(crate) const PERSON: i32 = 1;
    pub(crate) const TIME: i32 = 2;
    pub(crate) const SEQ: i32 = 3;
    pub(crate) const EVENT: i32 = 4;
    pub(crate) const ORGANIZATION: i32 = 5;
    pub(crate) const INSERT_KEY: i32 = 6;
    pub(crate) const POLICY: i32 = 7;
    pub(crate) const VERIFIED: i32 = 8;
    pub(crate) const REST: i32 = 9;
    pub(crate) const SEALED: i32 = 10;
    /// Field id of the first property column.
    pub(crate) const FIRST_PROPERTY: i32 = 11;
}

/// Longest property name that gets a column, bytes.
const NAME_BYTES_MAX: usize = 255;

/// A property of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) name: Arc<str>,
    pub(crate) kind: ColumnKind,
    /// Field id and name of its own column.
    pub(crate) column: Option<(i32, Arc<str>)>,
    /// Whether some value is in `properties_rest`.
    pub(crate) in_rest: bool,
    /// Whether the catalog does not have this state yet.
    pub(crate) unsaved: bool,
}

/// The columns and event names of one project.
#[derive(Clone, Debug)]
pub(crate) struct ProjectSchema {
    pub(crate) properties: Vec<Property>,
    index: Map<Arc<str>, usize>,
    taken: Set<String>,
    next_column: i32,
    pub(crate) events: BTreeSet<Arc<str>>,
    columns_max: usize,
    properties_max: usize,
}

/// Where a value goes.
#[derive(Debug, PartialEq)]
pub(crate) enum Place<'a> {
    Nowhere,
    Bool(usize, bool),
    Int(usize, i64),
    Float(usize, f64),
    Text(usize, &'a str),
    Rest,
}

impl ProjectSchema {
    pub(crate) fn new(columns_max: usize, properties_max: usize) -> Self {
        Self {
            properties: Vec::new(),
            index: Map::default(),
            taken: FIXED.iter().map(|(name, _)| (*name).to_owned()).collect(),
            next_column: id::FIRST_PROPERTY,
            events: BTreeSet::new(),
            columns_max,
            properties_max,
        }
    }

    /// Puts back a property that the catalog knows; in the order of first sight.
    pub(crate) fn restore(&mut self, property: Property) {
        if let Some((id, name)) = &property.column {
            self.next_column = self.next_column.max(id + 1);
            self.taken.insert(name.to_lowercase());
        }
        self.index
            .insert(Arc::clone(&property.name), self.properties.len());
        self.properties.push(property);
    }

    pub(crate) fn property(&self, name: &str) -> Option<&Property> {
        self.index
            .get(name)
            .and_then(|&position| self.properties.get(position))
    }

    /// Whether the schema already knows everything about this property and value.
    pub(crate) fn knows(&self, name: &str, value: &Value<'_>) -> bool {
        match self.index.get(name) {
            None => *value == Value::Null || self.properties.len() >= self.properties_max,
            Some(_) => match self.place(name, value) {
                Place::Rest => self.property(name).is_some_and(|known| known.in_rest),
                _ => true,
            },
        }
    }

    /// Registers a property by a value that it has.
    pub(crate) fn learn(&mut self, name: &Arc<str>, value: &Value<'_>) {
        if self.knows(name, value) {
            return;
        }
        if let Some(&position) = self.index.get(name) {
            if let Some(property) = self.properties.get_mut(position) {
                property.in_rest = true;
                property.unsaved = true;
            }
            return;
        }
        let kind = kind(value);
        let column = self.new_column(name, kind);
        self.index.insert(Arc::clone(name), self.properties.len());
        self.properties.push(Property {
            name: Arc::clone(name),
            kind,
            in_rest: column.is_none(),
            column,
            unsaved: true,
        });
    }

    fn new_column(&mut self, name: &Arc<str>, kind: ColumnKind) -> Option<(i32, Arc<str>)> {
        let used = usize::try_from(self.next_column - id::FIRST_PROPERTY).unwrap_or(usize::MAX);
        let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains('\0');
        if kind == ColumnKind::Json || used >= self.columns_max || !fits {
            return None;
        }
        // Names are compared without case by SQL engines, so that `Plan` beside `plan` needs another one.
        let column: Arc<str> = std::iter::once(name.to_string())
            .chain((1u32..).map(|n| format!("properties.{name}{}", ".".repeat(n as usize - 1))))
            .find(|candidate| self.taken.insert(candidate.to_lowercase()))
            .map_or_else(|| Arc::clone(name), Arc::from);
        let id = self.next_column;
        self.next_column += 1;
        Some((id, column))
    }

    /// Where a value of a known property goes; the position is that of the property.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "only where the conversion is exact"
    )]
    pub(crate) fn place<'a>(&self, name: &str, value: &'a Value<'_>) -> Place<'a> {
        if *value == Value::Null {
            return Place::Nowhere;
        }
        let Some(&position) = self.index.get(name) else {
            return Place::Rest;
        };
        let Some(property) = self.properties.get(position) else {
            return Place::Rest;
        };
        if property.column.is_none() {
            return Place::Rest;
        }
        match (property.kind, value) {
            (ColumnKind::Boolean, Value::Bool(bool)) => Place::Bool(position, *bool),
            (ColumnKind::Integer, Value::Int(number)) => Place::Int(position, *number),
            (ColumnKind::Integer, Value::Float(number)) if integral(*number) => {
                Place::Int(position, *number as i64)
            }
            (ColumnKind::Number, Value::Float(number)) => Place::Float(position, *number),
            (ColumnKind::Number, Value::Int(number))
                if number.unsigned_abs() <= EXACT.unsigned_abs() =>
            {
                Place::Float(position, *number as f64)
            }
            (ColumnKind::Text, Value::Text(text)) => Place::Text(position, text),
            _ => Place::Rest,
        }
    }
}

/// Integers up to this size are exact as doubles.
const EXACT: i64 = 1 << 53;

#[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
fn integral(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() <= EXACT as f64
}

/// The type of a value.
pub(crate) fn kind(value: &Value<'_>) -> ColumnKind {
    match value {
        Value::Bool(_) => ColumnKind::Boolean,
        Value::Int(_) => ColumnKind::Integer,
        Value::Float(_) => ColumnKind::Number,
        Value::Text(_) => ColumnKind::Text,
        Value::Null | Value::List(_) | Value::Object(_) => ColumnKind::Json,
    }
}

/// A type's name in DuckLake.
pub(crate) fn ducklake_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Boolean => "boolean",
        ColumnKind::Integer => "int64",
        ColumnKind::Number => "float64",
        ColumnKind::Text | ColumnKind::Json => "varchar",
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, ProjectSchema};
    use cofferdam_model::Value;
    use std::sync::Arc;

    #[test]
    fn columns_come_in_order_of_sight_and_clashes_go_to_the_rest() {
        let mut schema = ProjectSchema::new(3, 5);
        let text = Value::Text("x".into());
        for (name, value) in [
            ("plan", &text),
            ("Plan", &Value::Int(1)),
            ("time", &Value::Bool(true)),
            ("late", &Value::Int(1)),
            ("list", &Value::List(vec![])),
            ("sixth", &text),
        ] {
            schema.learn(&Arc::from(name), value);
        }
        let names: Vec<_> = schema
            .properties
            .iter()
            .map(|p| p.column.as_ref().map(|c| (c.0, c.1.to_string())))
            .collect();
        assert_eq!(
            names,
            [
                Some((11, "plan".into())),
                Some((12, "properties.Plan".into())),
                Some((13, "properties.time".into())),
                None,
                None
            ],
            "the limit of columns and the limit of listed properties hold"
        );
        assert_eq!(schema.place("plan", &Value::Int(5)), Place::Rest);
        assert_eq!(schema.place("Plan", &Value::Float(5.0)), Place::Int(1, 5));
        assert_eq!(schema.place("Plan", &Value::Float(5.5)), Place::Rest);
        assert_eq!(schema.place("sixth", &text), Place::Rest);
        assert!(!schema.property("plan").unwrap().in_rest);
        schema.learn(&Arc::from("plan"), &Value::Int(5));
        assert!(schema.property("plan").unwrap().in_rest);
    }
}
