//! Texts that people type: names, descriptions, notes.
//!
//! Invariant: what passes has something in it where it must, is within its limit, and has no control characters.

use crate::error::ApiError;

/// The text without blanks around it, of one line and not empty.
///
/// # Errors
/// [`ApiError`] naming `path`.
pub(super) fn line(path: &str, text: &str, chars_max: usize) -> Result<String, ApiError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ApiError::invalid(path, "it must not be empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(ApiError::invalid(path, "it must be one line of text"));
    }
    within(path, text, chars_max)
}

/// The text without blanks around it; it may be empty and have several lines.
///
/// # Errors
/// [`ApiError`] naming `path`.
pub(super) fn lines(path: &str, text: &str, chars_max: usize) -> Result<String, ApiError> {
    let text = text.trim();
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(ApiError::invalid(
            path,
            "control characters are not allowed",
        ));
    }
    within(path, text, chars_max)
}

fn within(path: &str, text: &str, chars_max: usize) -> Result<String, ApiError> {
    let chars = text.chars().count();
    if chars > chars_max {
        return Err(ApiError::invalid(
            path,
            format!("{chars} characters are more than {chars_max}"),
        ));
    }
    Ok(text.to_owned())
}
