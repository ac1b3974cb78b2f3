//! What the engine complains of, in the terms of the query: where, what, and which names are near.
//!
//! Invariant: no path of this machine and no line of a file is in a message, and nothing of the engine's own faults but that there
//! is one; messages go to whoever asked and are not logged, because they may repeat values of the query.

use super::SqlLimits;
use super::schema::SqlSchema;
use crate::QueryError;
use crate::error::TextPlace;
use crate::selection::near;
use cofferdam_store::StoreError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Where the parser's own messages say their place.
const AT_LINE: &str = " at Line: ";

/// What the planner puts before the names of our tables.
const OWN: &str = "cofferdam.main.";

/// Turns errors of one query into answers.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    query: &'a str,
    schema: &'a SqlSchema,
    memory_bytes_max: usize,
}

impl<'a> Problems<'a> {
    pub(super) fn new(query: &'a str, schema: &'a SqlSchema, limits: &SqlLimits) -> Self {
        Self {
            query,
            schema,
            memory_bytes_max: limits.memory_bytes_max,
        }
    }

    /// An error of the engine.
    pub(super) fn of(&self, error: &DataFusionError) -> QueryError {
        let diagnostic = error.diagnostic();
        let span = diagnostic.and_then(|diagnostic| diagnostic.span);
        let place = span.map(|span| TextPlace {
            line: span.start.line,
            column: span.start.column,
        });
        let told = diagnostic.map(|diagnostic| diagnostic.message.clone());
        match error.find_root() {
            DataFusionError::SchemaError(schema, _) => match &**schema {
                SchemaError::FieldNotFound {
                    field,
                    valid_fields,
                } => {
                    let known = valid_fields.iter().map(|column| column.name.as_str());
                    let all = self.schema.column_names();
                    self.unknown("column", &field.name, place, known.chain(all))
                }
                other => self.problem(other.to_string(), place),
            },
            DataFusionError::SQL(parser, _) => {
                let (message, place) = placed(&parser.to_string());
                self.problem(message, place)
            }
            DataFusionError::ResourcesExhausted(_) => QueryError::TooLarge {
                path: "query".to_owned(),
                message: format!(
                    "the query needs more than {} MB of memory; narrow its range of time or its events, or group by less",
                    self.memory_bytes_max >> 20
                ),
            },
            DataFusionError::External(cause) => {
                // It is shared with other parts of the plan, so only its words can be taken along.
                let what = cause.downcast_ref::<StoreError>().map_or_else(
                    || "a part that could not be read".to_owned(),
                    StoreError::to_string,
                );
                QueryError::Store(StoreError::Damaged { what })
            }
            DataFusionError::ExecutionJoin(_) | DataFusionError::IoError(_) => {
                QueryError::Store(StoreError::Task)
            }
            DataFusionError::Plan(message) if unknown_table(message).is_some() => {
                self.no_table(unknown_table(message).unwrap_or_default(), place)
            }
            other => {
                let message = told.unwrap_or_else(|| other.message().into_owned());
                self.problem(first_lines(&message), place)
            }
        }
    }

    /// A table that there is not.
    pub(super) fn no_table(&self, name: &str, place: Option<TextPlace>) -> QueryError {
        self.unknown("table", name, place, self.schema.table_names())
    }

    fn unknown<'n>(
        &self,
        what: &str,
        name: &str,
        place: Option<TextPlace>,
        known: impl Iterator<Item = &'n str>,
    ) -> QueryError {
        let mut suggestions: Vec<String> =
            near(name, known).iter().map(|name| quoted(name)).collect();
        suggestions.dedup();
        let hint = match suggestions.first() {
            Some(first) if first.starts_with('"') => format!("; write {first} with its quotes"),
            _ => String::new(),
        };
        QueryError::Sql {
            message: format!("there is no {what} `{name}`{hint}"),
            at: place.or_else(|| self.find(name)),
            allowed: if what == "table" {
                self.schema.table_names().map(str::to_owned).collect()
            } else {
                Vec::new()
            },
            suggestions,
        }
    }

    fn problem(&self, message: String, at: Option<TextPlace>) -> QueryError {
        QueryError::Sql {
            message,
            at,
            allowed: Vec::new(),
            suggestions: Vec::new(),
        }
    }

    /// Where a word stands first.
    fn find(&self, word: &str) -> Option<TextPlace> {
        let word = word.rsplit('.').next().unwrap_or(word);
        let tokens = Tokenizer::new(&GenericDialect {}, self.query).tokenize_with_location();
        let found = tokens.ok()?.into_iter().find(|token| match &token.token {
            Token::Word(known) => known.value.eq_ignore_ascii_case(word),
            _ => false,
        })?;
        Some(TextPlace {
            line: found.span.start.line,
            column: found.span.start.column,
        })
    }
}

/// A name as it stands in a query: in quotes where it has capital letters or signs.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The parser's message and its place, which it writes at the end.
fn placed(text: &str) -> (String, Option<TextPlace>) {
    let text = text.trim_start_matches("sql parser error: ");
    let Some((message, place)) = text.rsplit_once(AT_LINE) else {
        return (text.to_owned(), None);
    };
    let numbers = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(TextPlace {
            line: line.trim().parse().ok()?,
            column: column.trim().parse().ok()?,
        })
    });
    (message.to_owned(), numbers)
}

/// The table of a message of the planner.
fn unknown_table(message: &str) -> Option<&str> {
    let name = message
        .strip_prefix("table '")?
        .strip_suffix("' not found")?;
    Some(name.strip_prefix(OWN).unwrap_or(name))
}

/// Without the list of candidates that the engine may add, and without its own advice.
fn first_lines(message: &str) -> String {
    let message = message
        .split("\nThis issue was likely caused by")
        .next()
        .unwrap_or(message);
    let mut lines = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    lines.next().map_or_else(String::new, |first| {
        let rest: Vec<&str> = lines.take(3).collect();
        if rest.is_empty() {
            first.to_owned()
        } else {
            format!("{first} {}", rest.join(" "))
        }
    })
}
