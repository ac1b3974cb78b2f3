//! An expression over the columns of batches.
//!
//! Invariant: of one text column each distinct text is evaluated once per batch, whatever the number of rows; otherwise a row with the
//! values of the row before it is not evaluated again. The parts of an `and` are conditions of their own, for rows that are still kept.

use super::parser::parse;
use super::{Expression, Node, Value};
use crate::QueryError;
use crate::selection::{find_column, unknown_property};
use cofferdam_store::{CatalogInfo, Codes, Column, ColumnData, Scalar};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::sync::Arc;

/// An expression whose properties are columns.
#[derive(Debug)]
pub(crate) struct Bound {
    expression: Expression,
    /// Per property the column's position.
    columns: Vec<usize>,
}

impl Bound {
    /// Parses, and looks its properties up; columns that it needs are added to `columns`.
    pub(crate) fn new(
        text: &str,
        path: &str,
        columns: &mut Vec<Column>,
        catalog: &CatalogInfo,
    ) -> Result<Self, QueryError> {
        let expression = parse(text).map_err(|fault| fault.at(path))?;
        let mut positions = Vec::new();
        for (property, at) in &expression.properties {
            let column = find_column(columns, catalog, property).ok_or_else(|| {
                unknown_property(catalog, property, path.to_owned()).in_column(*at)
            })?;
            positions.push(column);
        }
        Ok(Self {
            expression,
            columns: positions,
        })
    }

    /// The column, where the expression is nothing but a property.
    pub(crate) fn plain(&self) -> Option<usize> {
        match self.expression.root {
            Node::Input(input) => self.columns.get(input).copied(),
            _ => None,
        }
    }

    /// Clears the rows of `keep` for which it is not true.
    pub(crate) fn narrow(&self, columns: &[ColumnData], keep: &mut [bool]) {
        for part in self.expression.conjuncts() {
            let mut rows = Rows::new(part, &self.columns, columns);
            for (row, keep) in keep.iter_mut().enumerate() {
                if *keep {
                    *keep = rows.value(row).is_true();
                }
            }
        }
    }

    /// Its values as a column of numbers; what is no number is not set.
    pub(crate) fn numbers(&self, columns: &[ColumnData], len: usize) -> ColumnData {
        let mut rows = Rows::new(&self.expression.root, &self.columns, columns);
        let number = |row| match rows.value(row) {
            Value::Number(number) => Some(*number),
            _ => None,
        };
        ColumnData::Float((0..len).map(number).collect())
    }

    /// Its values as a column of texts, as a report shows them.
    pub(crate) fn texts(&self, columns: &[ColumnData], len: usize) -> ColumnData {
        let mut rows = Rows::new(&self.expression.root, &self.columns, columns);
        let mut names = Vec::new();
        let mut known: HashMap<Arc<str>, u32, RandomState> = HashMap::default();
        let mut last: Option<(Value, u32)> = None;
        let codes = (0..len)
            .map(|row| {
                let value = rows.value(row);
                if let Some((same, code)) = &last
                    && same == value
                {
                    return *code;
                }
                let code = value.text().map_or(Codes::NULL, |text| {
                    *known.entry(text).or_insert_with_key(|text| {
                        names.push(Arc::clone(text));
                        u32::try_from(names.len() - 1).unwrap_or(Codes::NULL)
                    })
                });
                last = Some((value.clone(), code));
                code
            })
            .collect();
        ColumnData::Text(Codes { codes, names })
    }
}

/// A batch's values, row by row.
struct Rows<'a> {
    node: &'a Node,
    /// The columns that are used, each with its input and its value in the row before.
    columns: Vec<(usize, &'a ColumnData, Scalar)>,
    /// Per code of the only column, if it is one of texts; the last is that of "not set".
    by_code: Vec<Option<Value>>,
    /// The inputs of the row before, and its value.
    inputs: Vec<Value>,
    last: Option<Value>,
}

impl<'a> Rows<'a> {
    fn new(node: &'a Node, positions: &[usize], columns: &'a [ColumnData]) -> Self {
        let columns: Vec<_> = (0..)
            .zip(positions)
            .filter(|(input, _)| node.uses(*input))
            .filter_map(|(input, column)| Some((input, columns.get(*column)?, Scalar::Null)))
            .collect();
        let by_code = match columns.as_slice() {
            [(_, ColumnData::Text(codes), _)] => vec![None; codes.names.len() + 1],
            _ => Vec::new(),
        };
        Self {
            node,
            inputs: vec![Value::Undefined; positions.len()],
            columns,
            by_code,
            last: None,
        }
    }

    fn value(&mut self, row: usize) -> &Value {
        if let [(input, ColumnData::Text(codes), _)] = self.columns.as_slice() {
            let unset = codes.names.len();
            let code = codes.codes.get(row).map_or(unset, |code| *code as usize);
            return match self.by_code.get_mut(code.min(unset)) {
                Some(value) => value.get_or_insert_with(|| {
                    if let Some(input) = self.inputs.get_mut(*input) {
                        let text = codes.names.get(code).cloned();
                        *input = text.map_or(Value::Undefined, Value::Text);
                    }
                    self.node.value(&self.inputs)
                }),
                None => &Value::Undefined,
            };
        }
        for (input, column, before) in &mut self.columns {
            let new = column.scalar(row);
            if new != *before {
                if let Some(input) = self.inputs.get_mut(*input) {
                    *input = Value::of(&new);
                }
                *before = new;
                self.last = None;
            }
        }
        self.last
            .get_or_insert_with(|| self.node.value(&self.inputs))
    }
}
