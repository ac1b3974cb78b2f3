//! The columns that a report needs: those of the store, and those that are computed from them and from who the rows are of.
//!
//! Invariant: computed columns come after the stored ones, so that conditions and breakdowns name either by one position.

use crate::cohort::Cohorts;
use crate::expression::Bound;
use crate::people::People;
use crate::selection::{find_column, unknown_property};
use crate::{Breakdown, QueryError, QueryLimits};
use cofferdam_model::MergeMap;
use cofferdam_store::{CatalogInfo, Codes, Column, ColumnBatch, ColumnData};
use std::sync::Arc;

/// What a request is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) catalog: &'a CatalogInfo,
    pub(crate) cohorts: &'a Cohorts,
    pub(crate) limits: &'a QueryLimits,
}

/// Whose rows they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Persons<'a> {
    /// Per row the number as first seen.
    pub(crate) numbers: &'a [u32],
    pub(crate) merges: &'a MergeMap,
}

impl Persons<'_> {
    /// The canonical person of a row.
    pub(crate) fn of(&self, row: usize) -> u32 {
        let number = self.numbers.get(row).copied().unwrap_or(u32::MAX);
        let table = self.merges.table();
        table.get(number as usize).copied().unwrap_or(number)
    }
}

/// What a computed column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Texts, as a report shows them.
    Texts,
    /// Numbers; what is none is not set.
    Numbers,
}

/// A column that is computed.
#[derive(Debug)]
enum Computed {
    Expression(Bound, Shape),
    /// The cohort's name for its members, not set for others.
    Member(Arc<str>, Arc<People>),
}

/// Where values are, while columns are still being added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    Stored(usize),
    Computed(usize),
}

/// The columns of a plan that is being made.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) stored: Vec<Column>,
    computed: Vec<Computed>,
}

impl<'a> Columns<'a> {
    pub(crate) fn new(context: Context<'a>) -> Self {
        Self {
            context,
            stored: Vec::new(),
            computed: Vec::new(),
        }
    }

    /// A property's column, which is added where it is missing.
    pub(crate) fn property(&mut self, property: &str, path: String) -> Result<usize, QueryError> {
        let catalog = self.context.catalog;
        find_column(&mut self.stored, catalog, property)
            .ok_or_else(|| unknown_property(catalog, property, path))
    }

    /// The column of a breakdown's or a measure's values.
    pub(crate) fn place(
        &mut self,
        part: &Breakdown,
        path: &str,
        shape: Shape,
    ) -> Result<Place, QueryError> {
        let computed = match part {
            Breakdown::Property(property) => {
                return self.property(property, path.to_owned()).map(Place::Stored);
            }
            Breakdown::Expression { expression } => {
                let path = format!("{path}.expression");
                let catalog = self.context.catalog;
                let bound = Bound::new(expression, &path, &mut self.stored, catalog)?;
                if let Some(column) = bound.plain() {
                    return Ok(Place::Stored(column));
                }
                Computed::Expression(bound, shape)
            }
            Breakdown::Cohort { cohort } => {
                let path = format!("{path}.cohort");
                let known = self.context.cohorts.find(cohort, &path)?;
                Computed::Member(Arc::clone(&known.name), Arc::clone(&known.people))
            }
        };
        self.computed.push(computed);
        Ok(Place::Computed(self.computed.len() - 1))
    }

    /// The places of a whole breakdown; `name` is its place in the request.
    pub(crate) fn places(
        &mut self,
        name: &str,
        parts: &[Breakdown],
    ) -> Result<Vec<Place>, QueryError> {
        let parts = parts.iter().enumerate();
        parts
            .map(|(at, part)| self.place(part, &format!("{name}[{at}]"), Shape::Texts))
            .collect()
    }

    /// The position of a place, once all columns are known.
    pub(crate) fn position(&self, place: Place) -> usize {
        match place {
            Place::Stored(column) => column,
            Place::Computed(number) => self.stored.len() + number,
        }
    }

    /// [`Columns::position`] of each.
    pub(crate) fn positions(&self, places: &[Place]) -> Vec<usize> {
        places.iter().map(|place| self.position(*place)).collect()
    }

    /// The stored columns to read, and what is computed from them.
    pub(crate) fn finish(self) -> (Vec<Column>, Computing) {
        (self.stored, Computing(self.computed))
    }
}

/// What is computed.
#[derive(Debug, Default)]
pub(crate) struct Computing(Vec<Computed>);

impl Computing {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the computed columns to the stored ones.
    pub(crate) fn add(&self, columns: &mut Vec<ColumnData>, persons: Persons<'_>) {
        let len = persons.numbers.len();
        let stored = columns.len();
        for computed in &self.0 {
            let inputs = columns.get(..stored).unwrap_or(&[]);
            let column = match computed {
                Computed::Expression(bound, Shape::Texts) => bound.texts(inputs, len),
                Computed::Expression(bound, Shape::Numbers) => bound.numbers(inputs, len),
                Computed::Member(name, people) => {
                    let code = |row| {
                        if people.contains(persons.of(row)) {
                            0
                        } else {
                            Codes::NULL
                        }
                    };
                    ColumnData::Text(Codes {
                        codes: (0..len).map(code).collect(),
                        names: vec![Arc::clone(name)],
                    })
                }
            };
            columns.push(column);
        }
    }

    /// Adds the computed columns to a batch.
    pub(crate) fn complete(&self, batch: &mut ColumnBatch, merges: &MergeMap) {
        let persons = Persons {
            numbers: &batch.person,
            merges,
        };
        self.add(&mut batch.columns, persons);
    }
}
