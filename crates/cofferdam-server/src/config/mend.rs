//! Reads a file past its mistakes, so that one of them hides no other: what is wrong is noted and taken out, and the rest is read again.
//!
//! Invariant: a file that was mended is not usable; what is made of it serves only to find more mistakes.

use super::near::nearest;
use super::problem::{Problem, SourceFile, unknown_key};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most mistakes of one file that are told at once.
const MISTAKES_MAX: usize = 100;

/// Parses the text as `T`. What is no TOML ends with the first problem; unknown keys and wrong values are told all together.
pub(super) fn parse<T: DeserializeOwned>(
    source: &SourceFile,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let mut table = match DeTable::parse(&source.text) {
        Ok(table) => table,
        Err(error) => {
            problems.push(source.toml_problem(&error));
            return None;
        }
    };
    let mut taken_out = Vec::new();
    for _ in 0..MISTAKES_MAX {
        let error = match T::deserialize(toml::Deserializer::from(table.clone())) {
            Ok(parsed) => return Some(parsed),
            Err(error) => error,
        };
        // That a value is missing which was just taken out is no second mistake.
        let missing = quoted_after(error.message(), "missing field ");
        if !missing.is_some_and(|key| taken_out.iter().any(|taken| taken == key)) {
            problems.push(source.toml_problem(&error));
        }
        let span = error.span().filter(|_| missing.is_none())?;
        let meant = unknown_key(error.message()).and_then(|(key, known)| nearest(key, &known));
        taken_out.push(mend(table.get_mut(), &span, meant)?);
    }
    None
}

/// Takes out the entry that a span is the key or the value of, or writes the key that was meant. Returns the key.
fn mend(table: &mut DeTable<'_>, span: &Range<usize>, meant: Option<&str>) -> Option<String> {
    let at = |key: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>| {
        key.span() == *span || is_in(value, span)
    };
    if let Some((key, _)) = table.iter().find(|(key, value)| at(key, value)) {
        let key = key.clone();
        let value = table.remove(&key)?;
        if let Some(meant) = meant
            && !table.keys().any(|known| known.get_ref() == meant)
        {
            table.insert(
                Spanned::new(key.span(), Cow::Owned(meant.to_owned())),
                value,
            );
        }
        return Some(key.into_inner().into_owned());
    }
    table
        .iter_mut()
        .find_map(|(_, value)| within(value, span, meant))
}

/// Whether it is this value, or stands in this list of plain values.
fn is_in(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    let listed = |value: &Spanned<DeValue<'_>>| !value.get_ref().is_table() && is_in(value, span);
    value.span() == *span
        || value
            .get_ref()
            .as_array()
            .is_some_and(|list| list.iter().any(listed))
}

/// Goes on in the tables of a value.
fn within(
    value: &mut Spanned<DeValue<'_>>,
    span: &Range<usize>,
    meant: Option<&str>,
) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(table) => mend(table, span, meant),
        DeValue::Array(list) => list.iter_mut().find_map(|value| within(value, span, meant)),
        _ => None,
    }
}

/// What stands in backticks behind a beginning.
fn quoted_after<'m>(message: &'m str, start: &str) -> Option<&'m str> {
    message
        .strip_prefix(start)?
        .strip_prefix('`')?
        .split('`')
        .next()
}
