//! Event selections and property names of a request, checked against the catalog.
//!
//! Every report is made of these. Invariant: whatever is wrong is named by its JSON path, with near names.

use crate::columns::{Columns, Persons};
use crate::expression::Bound;
use crate::filter::Condition;
use crate::people::People;
use crate::{EventSelection, Filter, FilterOp, Operand, QueryError};
use cofferdam_store::{CatalogInfo, Column, ColumnData};
use jiff::tz::TimeZone;
use std::sync::Arc;

/// One event selection.
#[derive(Debug)]
pub(crate) struct Selection {
    /// `None` for all events.
    pub(crate) event: Option<Arc<str>>,
    /// Column positions and conditions.
    pub(crate) conditions: Vec<(usize, Condition)>,
    /// The `where` expression.
    condition: Option<Bound>,
    /// Sets of people, and whether the row's person must be in them.
    members: Vec<(Arc<People>, bool)>,
}

/// The name that stands for all events.
pub(crate) const ALL: &str = "$all";

impl Selection {
    /// Checks a selection; `path` is its place in the request. Columns that it needs are added to `columns`.
    pub(crate) fn new(
        selection: &EventSelection,
        path: &str,
        columns: &mut Columns<'_>,
    ) -> Result<Self, QueryError> {
        let (catalog, limits) = (columns.context.catalog, columns.context.limits);
        let event = event(catalog, &selection.event, format!("{path}.event"))?;
        at_most(
            &format!("{path}.filters"),
            selection.filters.len(),
            limits.filters_max,
        )?;
        let mut conditions = Vec::new();
        for (number, filter) in selection.filters.iter().enumerate() {
            let path = format!("{path}.filters[{number}]");
            check_operand(filter, &path)?;
            let path = format!("{path}.property");
            let column = columns.property(&filter.property, path)?;
            conditions.push((column, Condition::new(filter)));
        }
        let condition = selection
            .condition
            .as_ref()
            .map(|text| {
                let path = format!("{path}.where");
                Bound::new(text, &path, &mut columns.stored, catalog)
            })
            .transpose()?;
        at_most(
            &format!("{path}.cohorts"),
            selection.cohorts.len(),
            limits.filters_max,
        )?;
        let mut members = Vec::new();
        for (at, filter) in selection.cohorts.iter().enumerate() {
            let path = format!("{path}.cohorts[{at}].cohort");
            let cohort = columns.context.cohorts.find(&filter.cohort, &path)?;
            members.push((Arc::clone(&cohort.people), !filter.not));
        }
        Ok(Self {
            event,
            conditions,
            condition,
            members,
        })
    }

    /// Whether the event alone decides.
    pub(crate) fn is_plain(&self) -> bool {
        self.conditions.is_empty() && self.condition.is_none() && self.members.is_empty()
    }

    /// Clears the rows of `keep` that do not meet the conditions.
    pub(crate) fn narrow(&self, columns: &[ColumnData], persons: Persons<'_>, keep: &mut [bool]) {
        for (people, is_in) in &self.members {
            for (row, keep) in keep.iter_mut().enumerate() {
                *keep = *keep && people.contains(persons.of(row)) == *is_in;
            }
        }
        for (column, condition) in &self.conditions {
            if let Some(column) = columns.get(*column) {
                condition.narrow(column, keep);
            }
        }
        if let Some(condition) = &self.condition {
            condition.narrow(columns, keep);
        }
    }
}

pub(crate) fn invalid(path: &str, message: String) -> QueryError {
    QueryError::Invalid {
        path: path.to_owned(),
        message,
        allowed: Vec::new(),
        suggestions: Vec::new(),
    }
}

pub(crate) fn at_most(path: &str, number: usize, max: usize) -> Result<(), QueryError> {
    if number <= max {
        return Ok(());
    }
    Err(QueryError::TooLarge {
        path: path.to_owned(),
        message: format!("{number} are given, at most {max} are allowed"),
    })
}

fn event(catalog: &CatalogInfo, name: &str, path: String) -> Result<Option<Arc<str>>, QueryError> {
    if name == ALL {
        return Ok(None);
    }
    if let Some(known) = catalog.events.iter().find(|known| ***known == *name) {
        return Ok(Some(Arc::clone(known)));
    }
    let names = || catalog.events.iter().map(|name| &**name);
    Err(unknown(path, "event", name, names))
}

/// The position of a property's column, which is added to `columns` where it is missing; `None` for a property that nobody sent.
pub(crate) fn find_column(
    columns: &mut Vec<Column>,
    catalog: &CatalogInfo,
    property: &str,
) -> Option<usize> {
    let known = catalog
        .properties
        .iter()
        .find(|known| *known.property == *property)?;
    let column = Column::Property(Arc::clone(&known.property));
    let have = columns.iter().position(|have| *have == column);
    Some(have.unwrap_or_else(|| {
        columns.push(column);
        columns.len() - 1
    }))
}

/// The error of a property that nobody sent.
pub(crate) fn unknown_property(catalog: &CatalogInfo, property: &str, path: String) -> QueryError {
    let names = || catalog.properties.iter().map(|known| &*known.property);
    unknown(path, "property", property, names)
}

/// Names shown as allowed; more are not helpful.
const ALLOWED_MAX: usize = 50;

fn unknown<'a, N: Iterator<Item = &'a str>>(
    path: String,
    what: &str,
    name: &str,
    names: impl Fn() -> N,
) -> QueryError {
    let allowed: Vec<String> = names().map(str::to_owned).collect();
    QueryError::Invalid {
        path,
        message: format!("no {what} `{name}` has been seen"),
        suggestions: near(name, names()),
        allowed: if allowed.len() <= ALLOWED_MAX {
            allowed
        } else {
            Vec::new()
        },
    }
}

/// Up to three names that are near, nearest first.
pub(crate) fn near<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let lower = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = names
        .map(|known| (strsim::jaro_winkler(&lower, &known.to_lowercase()), known))
        .filter(|(score, _)| *score >= 0.8)
        .collect();
    scored.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
    scored
        .into_iter()
        .take(3)
        .map(|(_, name)| name.to_owned())
        .collect()
}

pub(crate) fn zone(name: &str) -> Result<TimeZone, QueryError> {
    jiff::tz::db().get(name).map_err(|_| {
        let names: Vec<String> = jiff::tz::db()
            .available()
            .map(|name| name.to_string())
            .collect();
        QueryError::Invalid {
            path: "timezone".to_owned(),
            message: format!("no time zone `{name}` is known"),
            allowed: Vec::new(),
            suggestions: near(name, names.iter().map(String::as_str)),
        }
    })
}

fn check_operand(filter: &Filter, path: &str) -> Result<(), QueryError> {
    let fits = match filter.op {
        FilterOp::IsSet | FilterOp::IsNotSet | FilterOp::IsTrue | FilterOp::IsFalse => {
            filter.value == Operand::Absent
        }
        FilterOp::Gt | FilterOp::Gte | FilterOp::Lt | FilterOp::Lte => {
            matches!(filter.value, Operand::Int(_) | Operand::Float(_))
        }
        FilterOp::Contains | FilterOp::NotContains => texts(&filter.value),
        FilterOp::Equals | FilterOp::NotEquals => match &filter.value {
            Operand::Absent => false,
            Operand::List(items) => {
                !items.is_empty()
                    && items
                        .iter()
                        .all(|item| !matches!(item, Operand::Absent | Operand::List(_)))
            }
            _ => true,
        },
    };
    if fits {
        return Ok(());
    }
    let expected = match filter.op {
        FilterOp::IsSet | FilterOp::IsNotSet | FilterOp::IsTrue | FilterOp::IsFalse => "no value",
        FilterOp::Gt | FilterOp::Gte | FilterOp::Lt | FilterOp::Lte => "a number",
        FilterOp::Contains | FilterOp::NotContains => "a text or a list of texts",
        FilterOp::Equals | FilterOp::NotEquals => "a value or a list of values",
    };
    Err(invalid(
        &format!("{path}.value"),
        format!("the comparison takes {expected}"),
    ))
}

fn texts(operand: &Operand) -> bool {
    match operand {
        Operand::Text(_) => true,
        Operand::List(items) => {
            !items.is_empty() && items.iter().all(|item| matches!(item, Operand::Text(_)))
        }
        _ => false,
    }
}
