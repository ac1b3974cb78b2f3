//! What is wrong with a configuration folder: file, line, column, what was found, what is expected.
//!
//! Invariant: a problem names keys and categories, never the content of a secret.

use super::near::did_you_mean;
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
    /// What the environment changed, where it changed anything.
    pub merged: Option<Merged>,
}

/// A file's text before environment variables were merged into it, and those variables.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The text as it is in the file.
    pub as_written: String,
    /// Each variable with the key that it sets, e.g. `server.listen`.
    pub variables: Vec<(String, String)>,
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
                merged: None,
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

    /// A problem at a byte span of this file; what an environment variable says is blamed on the variable.
    #[must_use]
    pub fn problem(
        &self,
        severity: Severity,
        code: &'static str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        let (file, line, column) = span.map_or_else(
            || (self.path.clone(), 0, 0),
            |span| self.position(span.start),
        );
        Problem {
            severity,
            code,
            file,
            line,
            column,
            message: message.into(),
            help: help.into(),
        }
    }

    fn position(&self, offset: usize) -> (PathBuf, usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |tail| tail.chars().count())
            + 1;
        let Some(merged) = &self.merged else {
            return (self.path.clone(), line, column);
        };
        let key = key_at(&self.text, line);
        if let Some(variable) = key.and_then(|key| merged.variable_of(key)) {
            return (variable_place(variable), 0, 0);
        }
        let as_written = &merged.as_written;
        let (line, column) = (1..=as_written.lines().count())
            .find(|candidate| key_at(as_written, *candidate) == key)
            .map_or((0, 0), |line| (line, 1));
        (self.path.clone(), line, column)
    }

    /// Where a key of a section stands; else the section, else the file's beginning. The section of the file's head is empty.
    #[must_use]
    pub fn span_of(&self, section: &str, key: &str) -> Option<Range<usize>> {
        let header = format!("[{section}]");
        let section = if section.is_empty() {
            ""
        } else {
            header.as_str()
        };
        let lines = self.text.split_inclusive('\n').scan(0, |offset, line| {
            let start = *offset;
            *offset += line.len();
            Some(start..*offset)
        });
        let all: Vec<Range<usize>> = lines.collect();
        let find = |wanted: &str| {
            all.iter().enumerate().find_map(|(at, span)| {
                let (within, _, name) = key_at(&self.text, at + 1)?;
                (within == section && name == wanted).then(|| span.clone())
            })
        };
        find(key).or_else(|| find("")).or(Some(0..1))
    }

    /// A complaint of the TOML parser with line and near names.
    pub(super) fn toml_problem(&self, error: &toml::de::Error) -> Problem {
        let message = error.message();
        let message = &in_plain_words(message);
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

impl Merged {
    /// The variable that sets what stands at a key.
    fn variable_of(&self, (section, _, key): (&str, usize, &str)) -> Option<&str> {
        let section = section.trim_matches(['[', ']']);
        let path = [section, key].map(|part| part.trim_matches('"'));
        let path = path.iter().filter(|part| !part.is_empty());
        let path = path.copied().collect::<Vec<_>>().join(".");
        let sets = |target: &str| {
            path.strip_prefix(target)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let found = self.variables.iter().find(|(_, target)| sets(target));
        found.map(|(name, _)| name.as_str())
    }
}

/// A variable as the place of a problem.
pub(crate) fn variable_place(name: &str) -> PathBuf {
    PathBuf::from(format!("environment variable {name}"))
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
pub(super) fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let expected = rest.split('`').skip(1).step_by(2).collect();
    Some((key, expected))
}

/// A complaint of serde's without Rust's names of types, which mean nothing to an operator.
pub(crate) fn in_plain_words(message: &str) -> String {
    ["usize", "u64", "u32", "i64"]
        .iter()
        .fold(message.to_owned(), |message, name| {
            message.replace(&format!("expected {name}"), "expected a whole number")
        })
}
