//! Text into tokens with their columns.
//!
//! Invariant: columns count characters from 1, and every token names the one where it begins.

use super::{Fault, LENGTH_MAX};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) column: usize,
    pub(super) kind: Kind,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Number(f64),
    Text(String),
    Word(String),
    Symbol(&'static str),
    End,
}

impl Kind {
    /// As an error names it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Number(number) => format!("`{number}`"),
            Self::Text(_) => "a string".to_owned(),
            Self::Word(word) => format!("`{word}`"),
            Self::Symbol(symbol) => format!("`{symbol}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longer ones first.
const SYMBOLS: [&str; 16] = [
    "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",",
];
/// What people write from habit, and what it is called here.
const FOREIGN: [(&str, &str); 5] = [
    ("&&", "and"),
    ("||", "or"),
    ("!", "not"),
    ("=", "=="),
    ("<>", "!="),
];

/// The tokens of a text, ending with [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer {
        chars: text.chars().take(LENGTH_MAX + 1).collect(),
        at: 0,
    };
    if lexer.chars.len() > LENGTH_MAX {
        return Err(Fault::new(
            LENGTH_MAX + 1,
            format!("the expression is longer than {LENGTH_MAX} characters"),
        ));
    }
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token()?;
        let end = token.kind == Kind::End;
        tokens.push(token);
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(char) = self.peek(0).filter(|char| fits(*char)) {
            taken.push(char);
            self.at += 1;
        }
        taken
    }

    fn starts_with(&self, symbol: &str) -> bool {
        symbol
            .chars()
            .enumerate()
            .all(|(ahead, char)| self.peek(ahead) == Some(char))
    }

    fn token(&mut self) -> Result<Token, Fault> {
        self.take_while(char::is_whitespace);
        let column = self.at + 1;
        let kind = match self.peek(0) {
            None => Kind::End,
            Some(quote @ ('"' | '\'')) => Kind::Text(self.text(quote)?),
            Some(char) if char.is_ascii_digit() || (char == '.' && self.digit(1)) => {
                Kind::Number(self.number()?)
            }
            Some(char) if is_word(char) => Kind::Word(self.take_while(is_word)),
            Some(_) => Kind::Symbol(self.symbol()?),
        };
        Ok(Token { column, kind })
    }

    fn digit(&self, ahead: usize) -> bool {
        self.peek(ahead).is_some_and(|char| char.is_ascii_digit())
    }

    fn symbol(&mut self) -> Result<&'static str, Fault> {
        let foreign = FOREIGN
            .iter()
            .find(|(foreign, _)| self.starts_with(foreign));
        let symbol = SYMBOLS.iter().find(|symbol| self.starts_with(symbol));
        match (symbol, foreign) {
            (Some(symbol), foreign)
                if foreign.is_none_or(|(other, _)| other.len() <= symbol.len()) =>
            {
                self.at += symbol.len();
                Ok(symbol)
            }
            (_, Some((foreign, known))) => {
                let mut fault = Fault::new(
                    self.at + 1,
                    format!("expected an operator, found `{foreign}`"),
                );
                fault.suggestions = vec![(*known).to_owned()];
                Err(fault)
            }
            (_, None) => Err(Fault::new(
                self.at + 1,
                format!(
                    "the character `{}` has no meaning here",
                    self.peek(0).unwrap_or_default()
                ),
            )),
        }
    }

    fn number(&mut self) -> Result<f64, Fault> {
        let start = self.at + 1;
        let mut text = self.take_while(|char| char.is_ascii_digit());
        if self.peek(0) == Some('.') {
            text.push('.');
            self.at += 1;
            text.push_str(&self.take_while(|char| char.is_ascii_digit()));
        }
        let signed = matches!(self.peek(1), Some('+' | '-'));
        if matches!(self.peek(0), Some('e' | 'E')) && self.digit(1 + usize::from(signed)) {
            let exponent: String = (0..=usize::from(signed))
                .filter_map(|at| self.peek(at))
                .collect();
            text.push_str(&exponent);
            self.at += exponent.len();
            text.push_str(&self.take_while(|char| char.is_ascii_digit()));
        }
        if self
            .peek(0)
            .is_some_and(|char| is_word(char) || char == '.')
        {
            return Err(Fault::new(
                self.at + 1,
                format!(
                    "expected the number to end, found `{}`",
                    self.peek(0).unwrap_or_default()
                ),
            ));
        }
        text.parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| Fault::new(start, "the number is too large".to_owned()))
    }

    fn text(&mut self, quote: char) -> Result<String, Fault> {
        let start = self.at + 1;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(char) = self.peek(0) else {
                return Err(Fault::new(
                    start,
                    format!("the string that begins here has no closing {quote}"),
                ));
            };
            self.at += 1;
            if char == quote {
                return Ok(text);
            }
            text.push(if char == '\\' { self.escape()? } else { char });
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, Fault> {
        let column = self.at;
        let char = self.peek(0).unwrap_or_default();
        self.at += 1;
        Ok(match char {
            '"' | '\'' | '\\' | '/' => char,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let first = self.unit(column)?;
                let code = if (0xd800..0xdc00).contains(&first) && self.starts_with("\\u") {
                    self.at += 2;
                    let second = self.unit(column)?;
                    0x1_0000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff)
                } else {
                    first
                };
                char::from_u32(code)
                    .ok_or_else(|| Fault::new(column, "the escape is no character".to_owned()))?
            }
            _ => {
                return Err(Fault::new(
                    column,
                    r#"expected one of \" \' \\ \/ \n \r \t \b \f \uXXXX after a backslash"#
                        .to_owned(),
                ));
            }
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self, column: usize) -> Result<u32, Fault> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek(0).and_then(|char| char.to_digit(16));
            unit = unit * 16
                + digit.ok_or_else(|| {
                    Fault::new(
                        column,
                        "expected four hexadecimal digits after \\u".to_owned(),
                    )
                })?;
            self.at += 1;
        }
        Ok(unit)
    }
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_' || char == '$'
}
