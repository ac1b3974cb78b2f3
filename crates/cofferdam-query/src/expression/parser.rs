//! Tokens into a tree, by recursive descent over the levels of precedence.
//!
//! From loose to tight: `or`, `and`, `not`, comparisons and `in`, `+ -`, `* / %`, unary minus.
//! Invariant: recursion is bounded by the depth limit, and a tree by the node limit.

use super::lexer::{Kind, Token, tokens};
use super::value::Value;
use super::{Binary, DEPTH_MAX, Expression, Fault, NODES_MAX, Node, Unary};
use crate::selection::near;
use std::sync::Arc;

/// The functions.
pub(super) const FUNCTIONS: [(&str, Unary); 8] = [
    ("floor", Unary::Floor),
    ("round", Unary::Round),
    ("ceil", Unary::Ceil),
    ("boolean", Unary::Boolean),
    ("number", Unary::Number),
    ("string", Unary::String),
    ("datetime", Unary::Datetime),
    ("defined", Unary::Defined),
];
/// Words that are no functions.
const WORDS: [&str; 8] = [
    "properties",
    "user",
    "true",
    "false",
    "and",
    "or",
    "not",
    "in",
];
/// Operators of two operands by level, from loose to tight; `not` is between the second and the third.
pub(super) const LEVELS: [&[(&str, Binary)]; 5] = [
    &[("or", Binary::Or)],
    &[("and", Binary::And)],
    &[
        ("==", Binary::Equal),
        ("!=", Binary::NotEqual),
        ("<=", Binary::LessOrEqual),
        (">=", Binary::GreaterOrEqual),
        ("<", Binary::Less),
        (">", Binary::Greater),
        ("in", Binary::In),
    ],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[
        ("*", Binary::Multiply),
        ("/", Binary::Divide),
        ("%", Binary::Remainder),
    ],
];
const NOT_LEVEL: usize = 2;
/// The first level of arithmetic: a formula has only these.
const ARITHMETIC: usize = 3;

/// Parses an expression over properties.
pub(crate) fn parse(text: &str) -> Result<Expression, Fault> {
    Parser::new(text, None)?.whole()
}

/// Parses arithmetic over so many series, which it names by letter from `A`; their numbers are the inputs.
pub(crate) fn parse_formula(text: &str, series: usize) -> Result<Expression, Fault> {
    Parser::new(text, Some(series))?.whole()
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// Where the text ends.
    end: Token,
    /// The number of series of a formula.
    series: Option<usize>,
    properties: Vec<(String, usize)>,
    nodes: usize,
    depth: usize,
}

impl Parser {
    fn new(text: &str, series: Option<usize>) -> Result<Self, Fault> {
        let tokens = tokens(text)?;
        Ok(Self {
            end: Token {
                column: tokens.last().map_or(1, |token| token.column),
                kind: Kind::End,
            },
            tokens: tokens.into_iter().peekable(),
            series,
            properties: Vec::new(),
            nodes: 0,
            depth: 0,
        })
    }

    fn whole(mut self) -> Result<Expression, Fault> {
        let root = self.expression()?;
        if self.peek().kind != Kind::End {
            return Err(self.no_operator());
        }
        Ok(Expression {
            root,
            properties: self.properties,
        })
    }

    fn peek(&mut self) -> &Token {
        self.tokens.peek().unwrap_or(&self.end)
    }

    fn next(&mut self) -> Token {
        self.tokens.next().unwrap_or_else(|| self.end.clone())
    }

    fn expected(token: &Token, what: &str) -> Fault {
        Fault::new(
            token.column,
            format!("expected {what}, found {}", token.kind.name()),
        )
    }

    /// The fault of something that stands where only an operator can.
    fn no_operator(&mut self) -> Fault {
        let first = if self.series.is_some() { ARITHMETIC } else { 0 };
        let operators: Vec<&str> = LEVELS
            .iter()
            .skip(first)
            .flat_map(|level| level.iter().map(|(name, _)| *name))
            .collect();
        let token = self.peek().clone();
        let mut fault = Self::expected(&token, "an operator or the end");
        if let Kind::Word(word) = &token.kind {
            fault.suggestions = near(word, operators.iter().copied());
        }
        fault.allowed = operators.into_iter().map(str::to_owned).collect();
        fault
    }

    fn symbol(&mut self, symbol: &'static str) -> Result<(), Fault> {
        let token = self.next();
        if token.kind == Kind::Symbol(symbol) {
            return Ok(());
        }
        Err(Self::expected(&token, &format!("`{symbol}`")))
    }

    fn node(&mut self, node: Node) -> Result<Node, Fault> {
        self.nodes += 1;
        if self.nodes <= NODES_MAX {
            return Ok(node);
        }
        Err(Fault::new(
            self.peek().column,
            format!("the expression has more than {NODES_MAX} parts"),
        ))
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::new(
                self.peek().column,
                format!("the expression is nested deeper than {DEPTH_MAX}"),
            ));
        }
        let found = inner(self)?;
        self.depth -= 1;
        Ok(found)
    }

    fn expression(&mut self) -> Result<Node, Fault> {
        let first = if self.series.is_some() { ARITHMETIC } else { 0 };
        self.deeper(|parser| parser.level(first))
    }

    /// Operands of the next level, joined by this level's operators.
    fn level(&mut self, level: usize) -> Result<Node, Fault> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        if level == NOT_LEVEL && self.peek().kind == Kind::Word("not".to_owned()) {
            self.next();
            let operand = self.deeper(|parser| parser.level(NOT_LEVEL))?;
            return self.node(Node::Unary(Unary::Not, Box::new(operand)));
        }
        let first = self.level(level + 1)?;
        let mut rest = Vec::new();
        loop {
            let found = match &self.peek().kind {
                Kind::Word(word) => word.as_str(),
                Kind::Symbol(symbol) => symbol,
                _ => break,
            };
            let Some((_, operator)) = operators.iter().find(|(name, _)| *name == found) else {
                break;
            };
            self.next();
            let right = self.level(level + 1)?;
            rest.push((*operator, right));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        self.node(Node::Chain(Box::new(first), rest))
    }

    fn unary(&mut self) -> Result<Node, Fault> {
        if self.peek().kind != Kind::Symbol("-") {
            return self.primary();
        }
        self.next();
        let operand = self.deeper(Self::unary)?;
        self.node(Node::Unary(Unary::Negate, Box::new(operand)))
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let token = self.next();
        match &token.kind {
            Kind::Number(number) => self.node(Node::Literal(Value::number(*number))),
            Kind::Symbol("(") => {
                let inner = self.expression()?;
                self.close(")")?;
                Ok(inner)
            }
            Kind::Word(word) => self.word(word, &token),
            Kind::Text(text) if self.series.is_none() => {
                self.node(Node::Literal(Value::Text(Arc::from(text.as_str()))))
            }
            Kind::Symbol("[") if self.series.is_none() => {
                let items = self.items()?;
                self.node(Node::List(items))
            }
            _ => Err(Self::expected(&token, "a value")),
        }
    }

    /// The end of something in parentheses or brackets.
    fn close(&mut self, symbol: &'static str) -> Result<(), Fault> {
        if self.peek().kind == Kind::Symbol(symbol) {
            self.next();
            return Ok(());
        }
        let mut fault = self.no_operator();
        let found = self.peek().kind.name();
        fault.message = format!("expected an operator or `{symbol}`, found {found}");
        Err(fault)
    }

    fn items(&mut self) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        if self.peek().kind == Kind::Symbol("]") {
            self.next();
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            let token = self.next();
            match token.kind {
                Kind::Symbol(",") => {}
                Kind::Symbol("]") => return Ok(items),
                _ => return Err(Self::expected(&token, "`,` or `]`")),
            }
        }
    }

    fn word(&mut self, word: &str, token: &Token) -> Result<Node, Fault> {
        let function = FUNCTIONS.iter().find(|(name, _)| *name == word);
        match (word, function, self.series) {
            (_, Some((_, function)), series)
                if series.is_none()
                    || matches!(function, Unary::Floor | Unary::Round | Unary::Ceil) =>
            {
                self.symbol("(")?;
                let operand = self.expression()?;
                self.close(")")?;
                self.node(Node::Unary(*function, Box::new(operand)))
            }
            (_, _, Some(series)) => self.letter(word, token, series),
            ("true", ..) => self.node(Node::Literal(Value::Bool(true))),
            ("false", ..) => self.node(Node::Literal(Value::Bool(false))),
            ("properties", ..) => {
                let name = self.name()?;
                let known = self.properties.iter().position(|(known, _)| *known == name);
                let input = known.unwrap_or_else(|| {
                    self.properties.push((name, token.column));
                    self.properties.len() - 1
                });
                self.node(Node::Input(input))
            }
            ("user", ..) => {
                self.name()?;
                Err(Fault::new(
                    token.column,
                    "user properties are not yet available".to_owned(),
                ))
            }
            ("not", ..) => Err(Fault::new(
                token.column,
                "`not` binds less than what stands before it; put it and its operand in parentheses"
                    .to_owned(),
            )),
            _ => {
                let mut fault = Self::expected(token, "a value");
                let known = || FUNCTIONS.iter().map(|(name, _)| *name).chain(WORDS);
                fault.suggestions = near(word, known());
                fault.allowed = known().map(str::to_owned).collect();
                Err(fault)
            }
        }
    }

    /// `["name"]`.
    fn name(&mut self) -> Result<String, Fault> {
        self.symbol("[")?;
        let token = self.next();
        let Kind::Text(name) = token.kind else {
            return Err(Self::expected(&token, "a property's name in quotes"));
        };
        self.symbol("]")?;
        Ok(name)
    }

    /// A formula's series.
    fn letter(&mut self, word: &str, token: &Token, series: usize) -> Result<Node, Fault> {
        let letters = || ('A'..='Z').take(series).map(String::from);
        if let Some(input) = letters().position(|letter| letter == word) {
            return self.node(Node::Input(input));
        }
        let mut fault = Fault::new(token.column, format!("no event selection `{word}` exists"));
        fault.suggestions = letters()
            .filter(|letter| letter.eq_ignore_ascii_case(word))
            .collect();
        fault.allowed = letters().collect();
        Err(fault)
    }
}
