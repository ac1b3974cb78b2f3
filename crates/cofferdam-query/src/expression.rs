//! Mixpanel's expression grammar: conditions and values computed from an event's properties, and arithmetic over series.
//!
//! Text comes from a request; it is parsed, its properties are looked up in the catalog, and kernels evaluate it over columns.
//! Grammar and meaning are those of Mixpanel's reference page on segmentation expressions. What that leaves open is chosen here:
//! strings compare by code point; `in` also looks into lists; two values that are not set are equal; `datetime` reads ISO 8601
//! (UTC where no offset is given) and seconds or milliseconds since 1970; a list or another type as operand of `and`, which is an
//! error there, makes the result undefined.
//! Invariant: parsing never panics and is bounded; evaluation is total, and what does not fit is undefined.

mod bound;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use bound::Bound;
pub(crate) use parser::{parse, parse_formula};
pub(crate) use value::Value;

use crate::QueryError;
use std::sync::Arc;

/// Longest text, characters.
const LENGTH_MAX: usize = 10_000;
/// Most nodes.
const NODES_MAX: usize = 2_000;
/// Deepest nesting.
const DEPTH_MAX: usize = 64;

/// What is wrong with a text, and where.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    /// Character, from 1.
    pub(crate) column: usize,
    pub(crate) message: String,
    pub(crate) allowed: Vec<String>,
    pub(crate) suggestions: Vec<String>,
}

impl Fault {
    fn new(column: usize, message: String) -> Self {
        Self {
            column,
            message,
            allowed: Vec::new(),
            suggestions: Vec::new(),
        }
    }

    /// As an error of the request's field at `path`.
    pub(crate) fn at(self, path: &str) -> QueryError {
        QueryError::Invalid {
            path: path.to_owned(),
            message: self.message,
            allowed: self.allowed,
            suggestions: self.suggestions,
        }
        .in_column(self.column)
    }
}

/// A parsed expression; inputs are numbered as first named.
#[derive(Debug, PartialEq)]
pub(crate) struct Expression {
    root: Node,
    /// The properties, and the column where each is first named; of a formula nothing, as letters are numbers.
    properties: Vec<(String, usize)>,
}

/// A node of the tree.
#[derive(Debug, PartialEq)]
enum Node {
    Literal(Value),
    /// The value of an input.
    Input(usize),
    List(Vec<Node>),
    Unary(Unary, Box<Node>),
    /// Operators of one precedence, from left to right: a long condition is no deep tree.
    Chain(Box<Node>, Vec<(Binary, Node)>),
}

/// Operators and functions of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unary {
    Not,
    Negate,
    Floor,
    Round,
    Ceil,
    Boolean,
    Number,
    String,
    Datetime,
    Defined,
}

/// Operators of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Expression {
    /// The properties in the order of its inputs, and the column where each is first named.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&str, usize)> {
        let properties = self.properties.iter();
        properties.map(|(name, column)| (name.as_str(), *column))
    }

    /// Its value for the values of its inputs.
    pub(crate) fn value(&self, inputs: &[Value]) -> Value {
        self.root.value(inputs)
    }

    /// Which inputs it uses.
    pub(crate) fn uses(&self, input: usize) -> bool {
        self.root.uses(input)
    }

    /// The parts that are all true exactly where it is.
    fn conjuncts(&self) -> Vec<&Node> {
        let mut parts = Vec::new();
        self.root.conjuncts(&mut parts);
        parts
    }
}

impl Node {
    fn value(&self, inputs: &[Value]) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Input(input) => inputs.get(*input).cloned().unwrap_or(Value::Undefined),
            Self::List(items) => {
                let items: Vec<Value> = items.iter().map(|item| item.value(inputs)).collect();
                Value::List(Arc::from(items))
            }
            Self::Unary(operator, operand) => operand.value(inputs).unary(*operator),
            Self::Chain(first, rest) => rest
                .iter()
                .fold(first.value(inputs), |left, (operator, right)| {
                    left.binary(*operator, &right.value(inputs))
                }),
        }
    }

    fn conjuncts<'a>(&'a self, parts: &mut Vec<&'a Self>) {
        match self {
            Self::Chain(first, rest)
                if rest.iter().all(|(operator, _)| *operator == Binary::And) =>
            {
                first.conjuncts(parts);
                rest.iter().for_each(|(_, node)| node.conjuncts(parts));
            }
            node => parts.push(node),
        }
    }

    fn uses(&self, input: usize) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Input(number) => *number == input,
            Self::List(items) => items.iter().any(|item| item.uses(input)),
            Self::Unary(_, operand) => operand.uses(input),
            Self::Chain(first, rest) => {
                first.uses(input) || rest.iter().any(|(_, node)| node.uses(input))
            }
        }
    }
}
