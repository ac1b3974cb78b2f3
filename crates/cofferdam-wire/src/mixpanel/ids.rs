//! Ids on the wire: which values are text, which name nobody.
//!
//! Invariant: two ids that differ on the wire stay different as text; an id that every anonymous client shares is never used to
//! join people.

use cofferdam_model::{DEVICE_PREFIX, Value, is_nobody};
use std::borrow::Cow;

/// Whole numbers up to here are the same as JSON numbers and as doubles.
const EXACT_WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// An id position of an item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Id<'a> {
    /// Absent or null.
    Absent,
    /// Text, possibly empty.
    Text(Cow<'a, str>),
    /// One of the values that name nobody, or no scalar.
    Refused,
}

impl<'a> Id<'a> {
    pub(super) fn of(value: &Value<'a>) -> Self {
        match text_of(value) {
            None if *value == Value::Null => Self::Absent,
            None => Self::Refused,
            Some(text) if is_refused_id(&text) => Self::Refused,
            Some(text) => Self::Text(text),
        }
    }

    /// The id where it can be used to join people: neither absent, refused nor empty.
    pub(super) fn usable(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

/// A scalar as the text that an id or token is.
pub(super) fn text_of<'a>(value: &Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        Value::Float(number) if number.fract() == 0.0 && number.abs() < EXACT_WHOLE_MAX => {
            Some(Cow::Owned(format!("{number:.0}")))
        }
        Value::Float(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(bool) => Some(Cow::Borrowed(if *bool { "true" } else { "false" })),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

/// Whether the vendor would refuse the id: it names nobody, like `null` or `anonymous`. The empty id is not refused.
#[must_use]
pub fn is_refused_id(id: &str) -> bool {
    !id.trim().is_empty() && is_nobody(id)
}

/// The id without the prefix that the browser SDK puts before device ids.
pub(super) fn without_device_prefix(id: Cow<'_, str>) -> Cow<'_, str> {
    match id {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(DEVICE_PREFIX).unwrap_or(text)),
        Cow::Owned(text) => match text.strip_prefix(DEVICE_PREFIX) {
            Some(device) => Cow::Owned(device.to_owned()),
            None => Cow::Owned(text),
        },
    }
}

/// Keys whose values are ids: whole numbers there keep every digit.
pub(crate) fn is_id_key(key: &str) -> bool {
    matches!(
        key,
        "distinct_id"
            | "$distinct_id"
            | "$device_id"
            | "$user_id"
            | "$anon_distinct_id"
            | "$anon_id"
            | "$identified_id"
            | "$distinct_ids"
            | "alias"
            | "$insert_id"
            | "$group_id"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refused_value_in_any_case_and_behind_the_device_prefix() {
        for id in [
            "anonymous",
            "n/a",
            "<nil>",
            "-1",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(is_refused_id(id), "{id}");
            assert!(is_refused_id(&id.to_uppercase()), "{id}");
            assert!(is_refused_id(&format!("$device:{id}")), "{id}");
            assert!(is_refused_id(&format!(" {id} ")), "{id}");
        }
        for id in [
            "",
            "user-1",
            "anonymous-1",
            "00",
            "1",
            "$device:1",
            "nobody",
        ] {
            assert!(!is_refused_id(id), "{id}");
        }
    }

    #[test]
    fn scalars_become_text_and_containers_are_refused() {
        assert_eq!(Id::of(&Value::Int(17)), Id::Text("17".into()));
        assert_eq!(Id::of(&Value::Float(17.0)), Id::Text("17".into()));
        assert_eq!(Id::of(&Value::Float(1.5)), Id::Text("1.5".into()));
        assert_eq!(Id::of(&Value::Int(0)), Id::Refused);
        assert_eq!(Id::of(&Value::Bool(true)), Id::Refused);
        assert_eq!(Id::of(&Value::List(vec![])), Id::Refused);
        assert_eq!(Id::of(&Value::Null), Id::Absent);
        assert_eq!(Id::of(&Value::Text("".into())), Id::Text("".into()));
    }
}
