//! What is wrong with a configuration folder: file, line, column, what was found, what is expected.
//!
//! Invariant: a problem names keys and categories, never the content of a secret.

use serde::Serialize;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use utoipa::ToSchema;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// `serve` refuses to start.
    Error,
    /// A misconfiguration that works and should not stay.
    Warning,
}

/// One problem of the configuration folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Stable code, e.g. `unknown_key` or a lint's name.
    pub code: &'static str,
    /// The file, as given.
    #[schema(value_type = String)]
    pub file: PathBuf,
    /// Line from 1; 0 where the problem is not in a line.
    pub line: usize,
    /// Column from 1; 0 where the problem is not in a line.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {severity}[{}]: {}", self.code, self.message)?;
        if !self.help.is_empty() {
            write!(f, "\n    help: {}", self.help)?;
        }
        Ok(())
    }
}

/// A file of the folder with its text, to turn byte spans into lines.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The path, as given.
    pub path: PathBuf,
    /// The text.
    pub text: String,
    /// The text as it is in the file, where `text` was merged with environment overrides.
    pub as_written: Option<String>,
}

impl SourceFile {
    /// Reads a file; what cannot be read is a problem.
    ///
    /// # Errors
    /// A [`Problem`] with code `unreadable_file`.
    pub fn read(path: &Path) -> Result<Self, Box<Problem>> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self {
                path: path.to_owned(),
                text,
                as_written: None,
            }),
            Err(error) => Err(Box::new(Problem {
                severity: Severity::Error,
                code: "unreadable_file",
                file: path.to_owned(),
                line: 0,
                column: 0,
                message: format!("the file cannot be read: {error}"),
                help: "check the path and its permissions; `cofferdam init` writes a new folder"
                    .to_owned(),
            })),
        }
    }

    /// A problem at a byte span of this file.
    #[must_use]
    pub fn problem(
        &self,
        severity: Severity,
        code: &'static str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        let (line, column) = span.map_or((0, 0), |span| self.position(span.start));
        Problem {
            severity,
            code,
            file: self.path.clone(),
            line,
            column,
            message: message.into(),
            help: help.into(),
        }
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |tail| tail.chars().count())
            + 1;
        match &self.as_written {
            None => (line, column),
            // A key that only the environment has is on no line.
            Some(as_written) => (1..=as_written.lines().count())
                .find(|candidate| key_at(as_written, *candidate) == key_at(&self.text, line))
                .map_or((0, 0), |line| (line, 1)),
        }
    }

    /// Parses the text as `T`; unknown keys and wrong types become problems with line and near names.
    ///
    /// # Errors
    /// The first [`Problem`] that the TOML parser meets.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, Box<Problem>> {
        toml::from_str(&self.text).map_err(|error| Box::new(self.toml_problem(&error)))
    }

    fn toml_problem(&self, error: &toml::de::Error) -> Problem {
        let message = error.message();
        // Rust's names of types mean nothing to an operator.
        let message = &["usize", "u64", "u32"]
            .iter()
            .fold(message.to_owned(), |message, name| {
                message.replace(&format!("expected {name}"), "expected a whole number")
            });
        let (code, help) = match unknown_key(message) {
            Some((key, expected)) => ("unknown_key", did_you_mean(key, &expected)),
            None => (
                "invalid_value",
                "see docs/operate.md for every key and its type".to_owned(),
            ),
        };
        self.problem(
            Severity::Error,
            code,
            error.span(),
            message.to_owned(),
            help,
        )
    }
}

/// What a line says something about: its section, which one of that name, and the key.
fn key_at(text: &str, line: usize) -> Option<(&str, usize, &str)> {
    let is_header = |text: &str| text.starts_with('[');
    let (mut section, mut key) = ("", "");
    let mut headers = Vec::new();
    for line in text.lines().take(line) {
        let line = line.trim();
        key = "";
        if is_header(line) {
            section = line.split(" #").next().unwrap_or(line).trim();
            headers.push(section);
        } else if let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            key = name.trim().trim_matches('"');
        } else {
            key = "#";
        }
    }
    let which = headers.iter().filter(|header| **header == section).count();
    (key != "#").then_some((section, which, key))
}

/// The key and the expected keys of serde's "unknown field" message.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let expected = rest.split('`').skip(1).step_by(2).collect();
    Some((key, expected))
}

/// "did you mean" for the nearest of `known`, else the list of what is known.
#[must_use]
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    // Jaro-Winkler thinks little of short words with two letters swapped.
    let slip = known
        .iter()
        .find(|candidate| word.len() > 2 && strsim::osa_distance(word, candidate) == 1);
    match slip.map(|candidate| (1.0, candidate)).or(nearest) {
        Some((score, candidate)) if score >= 0.8 => format!("did you mean `{candidate}`?"),
        _ if known.len() <= 24 => format!("expected one of: {}", known.join(", ")),
        Some((_, candidate)) => format!("the nearest known name is `{candidate}`"),
        None => String::new(),
    }
}
