//! Which statements there are: one that reads. And what a query looks like without the values in it.
//!
//! Invariant: nothing but a query, an explanation of one, or a question for tables and columns gets through; the engine's own check
//! of the plan comes on top of this one.

use super::SqlLimits;
use super::problem::Problems;
use crate::QueryError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    ObjectName, Query, ShowStatementInParentType, Statement as Ast,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// What is allowed, for who asked for something else.
const ALLOWED: [&str; 7] = [
    "SELECT",
    "WITH",
    "VALUES",
    "EXPLAIN",
    "SHOW TABLES",
    "SHOW COLUMNS",
    "DESCRIBE",
];

/// What a statement wants.
#[derive(Debug)]
pub(super) enum Asked {
    /// Rows.
    Rows(Box<Statement>),
    /// The tables.
    Tables,
    /// The columns of a table.
    Columns(String),
}

/// Parses a query that must be one statement that reads.
pub(super) fn parse(
    query: &str,
    limits: &SqlLimits,
    problems: &Problems<'_>,
) -> Result<Asked, QueryError> {
    if query.len() > limits.query_bytes_max {
        return Err(QueryError::TooLarge {
            path: "query".to_owned(),
            message: format!("a query has at most {} bytes", limits.query_bytes_max),
        });
    }
    let parser = DFParserBuilder::new(query)
        .with_dialect(&GenericDialect {})
        .build();
    let statements = parser.and_then(|mut parser| parser.parse_statements());
    let mut statements = statements.map_err(|error| problems.of(&error))?;
    let Some(statement) = statements.pop_front() else {
        return Err(refused("there is no statement".to_owned()));
    };
    if !statements.is_empty() {
        return Err(refused("only one statement at a time".to_owned()));
    }
    asked(statement)
}

fn asked(statement: Statement) -> Result<Asked, QueryError> {
    match &statement {
        Statement::Statement(ast) => match &**ast {
            Ast::Query(query) => readable(query)?,
            Ast::ShowTables { .. } => return Ok(Asked::Tables),
            Ast::ExplainTable { table_name, .. } => return Ok(Asked::Columns(name(table_name))),
            Ast::ShowColumns { show_options, .. } => {
                let parent = show_options.show_in.as_ref();
                let table = parent.filter(|parent| {
                    matches!(
                        parent.parent_type,
                        None | Some(ShowStatementInParentType::Table)
                    )
                });
                let table = table.and_then(|parent| parent.parent_name.as_ref());
                let table = table
                    .ok_or_else(|| refused("name a table: SHOW COLUMNS FROM events".to_owned()))?;
                return Ok(Asked::Columns(name(table)));
            }
            _ => return Err(not_possible(&statement)),
        },
        Statement::Explain(explained) => match &*explained.statement {
            Statement::Statement(ast) => match &**ast {
                Ast::Query(query) => readable(query)?,
                _ => return Err(not_possible(&explained.statement)),
            },
            other => return Err(not_possible(other)),
        },
        other => return Err(not_possible(other)),
    }
    Ok(Asked::Rows(Box::new(statement)))
}

/// A query may lock nothing. That it creates and changes nothing is seen in its plan.
fn readable(query: &Query) -> Result<(), QueryError> {
    if query.locks.is_empty() {
        Ok(())
    } else {
        Err(refused(
            "a query here locks nothing: leave out FOR UPDATE".to_owned(),
        ))
    }
}

/// A table's name, as the engine understands it.
fn name(name: &ObjectName) -> String {
    let idents = name.0.iter().filter_map(|part| part.as_ident());
    let words: Vec<String> = idents
        .map(|ident| match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        })
        .collect();
    words.join(".")
}

fn not_possible(statement: &Statement) -> QueryError {
    // The first word only: what follows is the asker's.
    let text = statement.to_string();
    let word = text.split_whitespace().next().unwrap_or("this");
    refused(format!("`{word}` is not possible here: a query only reads"))
}

fn refused(message: String) -> QueryError {
    QueryError::Sql {
        message,
        at: None,
        allowed: ALLOWED.map(str::to_owned).to_vec(),
        suggestions: Vec::new(),
    }
}

/// A query without comments, with single spaces, and with a `?` for each value in it: what may be said of it where the values may not
/// stand. What is no SQL becomes `?`.
#[must_use]
pub fn sql_shape(query: &str) -> String {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, query).tokenize() else {
        return "?".to_owned();
    };
    let mut shape = String::new();
    for token in tokens {
        let text = match &token {
            Token::Whitespace(_) => continue,
            Token::EOF => break,
            Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
            token => {
                if is_sign(token) {
                    token.to_string()
                } else {
                    "?".to_owned()
                }
            }
        };
        if !shape.is_empty() {
            shape.push(' ');
        }
        shape.push_str(&text);
    }
    shape
}

/// Whether a token is of signs alone: operators and brackets, which hold no value. Quoted names are somebody's own words.
fn is_sign(token: &Token) -> bool {
    let text = token.to_string();
    !text.is_empty()
        && text
            .chars()
            .all(|sign| sign.is_ascii_punctuation() && !matches!(sign, '\'' | '"' | '`'))
}

#[cfg(test)]
mod tests {
    use super::sql_shape;

    #[test]
    fn a_shape_has_the_words_and_no_value() {
        let query = "SELECT \"plan\", count(*) -- of bob@example.org\nFROM Events WHERE person = 17 AND \
                     plan IN ('pro', U&'x', X'6162', $$secret$$) AND n >= 1.5e3 /* hidden */ GROUP BY 1";
        assert_eq!(
            sql_shape(query),
            "select ? , count ( * ) from events where person = ? and plan in ( ? , ? , ? , ? ) and n >= ? group by ?"
        );
        assert_eq!(sql_shape("SELECT 'open"), "?");
    }
}
