//! Puts objects, arrays, JSON strings and URLs together again from the parts that the recipient may have.
//!
//! Shared by home and vendors; the recipient decides on each leaf. Invariant: nothing is in the result that a leaf decision
//! did not give; a container of which nothing is left is left out.

use crate::admitted::{Body, Kept, Node};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_model::{Form, Value};
use std::borrow::Cow;

/// A recipient's decisions.
pub(super) trait Recipient {
    /// The value of a leaf in the form that the recipient may have, and that form; `None` where it does not go.
    fn leaf(&mut self, number: usize) -> Option<(Value<'static>, Form)>;

    /// A part that does not go: of a URL of which the recipient gets less than the whole base, or below a name that is a piece
    /// of personal data.
    fn drop_part(&mut self, number: usize);
}

/// The value that begins at a field, and the number of the field after it.
pub(super) fn value(
    body: &Body,
    number: usize,
    end: usize,
    recipient: &mut dyn Recipient,
) -> (Option<Value<'static>>, usize) {
    let Some(field) = body.fields.get(number).filter(|_| number < end) else {
        return (None, end);
    };
    if field.kept != Kept::Inside {
        return (recipient.leaf(number).map(|(value, _)| value), number + 1);
    }
    let after = (number + 1 + field.len as usize).min(end);
    let whole = match field.node {
        Node::Object => object(body, number, after, recipient),
        Node::List => list(body, number, after, recipient),
        Node::Url => url(body, number, after, recipient),
        node => value(body, number + 1, after, recipient)
            .0
            .and_then(|inside| {
                let json = serde_json::to_string(&inside).ok()?;
                let text = if node == Node::Base64 {
                    STANDARD.encode(json)
                } else {
                    json
                };
                Some(Value::Text(Cow::Owned(text)))
            }),
    };
    (whole, after)
}

fn object(
    body: &Body,
    number: usize,
    end: usize,
    recipient: &mut dyn Recipient,
) -> Option<Value<'static>> {
    let mut members = Vec::new();
    let mut next = number + 1;
    while next < end {
        let Some(key) = key(body, number, next) else {
            next = dropped(body, next, end, recipient);
            continue;
        };
        let (member, after) = value(body, next, end, recipient);
        if let Some(member) = member
            && !is_taken(
                key,
                members.iter().map(|(key, _): &(Cow<'_, str>, _)| &**key),
            )
        {
            members.push((Cow::Owned(key.to_owned()), member));
        }
        next = after;
    }
    (!members.is_empty()).then_some(Value::Object(members))
}

/// Drops the part that begins at a field, with all that is in it; the number of the field after it.
fn dropped(body: &Body, number: usize, end: usize, recipient: &mut dyn Recipient) -> usize {
    let inside = match body.fields.get(number) {
        Some(field) if field.kept == Kept::Inside => field.len as usize,
        _ => 0,
    };
    let after = (number + 1 + inside).min(end);
    let is_leaf = |at: &usize| {
        body.fields
            .get(*at)
            .is_some_and(|field| field.kept != Kept::Inside)
    };
    for leaf in (number..after).filter(is_leaf) {
        recipient.drop_part(leaf);
    }
    after
}

/// Whether a name that was masked stands there already: of several that became the same, only the first goes.
pub(super) fn is_taken<'n>(name: &str, mut names: impl Iterator<Item = &'n str>) -> bool {
    name.contains('[') && names.any(|known| known == name)
}

fn list(
    body: &Body,
    number: usize,
    end: usize,
    recipient: &mut dyn Recipient,
) -> Option<Value<'static>> {
    let mut items = Vec::new();
    let mut next = number + 1;
    while next < end {
        let (item, after) = value(body, next, end, recipient);
        items.extend(item);
        next = after;
    }
    (!items.is_empty()).then_some(Value::List(items))
}

/// The name of a part: what its path has beyond the whole's path and the mark between them. `None` where the whole's name is
/// a piece of personal data that reaches into the part's: nobody gets it then.
fn key(body: &Body, whole: usize, part: usize) -> Option<&str> {
    let whole = body.fields.get(whole).and_then(|field| body.path(field))?;
    let part = body.fields.get(part).and_then(|field| body.path(field))?;
    part.path.strip_prefix(&*whole.path)?.strip_prefix('.')
}

/// The base, then the parts that may go, where the base goes whole.
fn url(
    body: &Body,
    number: usize,
    end: usize,
    recipient: &mut dyn Recipient,
) -> Option<Value<'static>> {
    let base = recipient.leaf(number + 1);
    let whole = body.fields.get(number).and_then(|field| body.path(field))?;
    let is_clear = matches!(&base, Some((_, Form::Clear)));
    let mut text = match &base {
        Some((Value::Text(base), Form::Clear)) => base.to_string(),
        _ => String::new(),
    };
    // Whether there is a query, a fragment, and in the fragment a pair already.
    let (mut query, mut fragment, mut paired) = (false, false, false);
    for part in number + 2..end {
        let path = body.fields.get(part).and_then(|field| body.path(field));
        let rest = path
            .and_then(|path| path.path.strip_prefix(&*whole.path))
            .unwrap_or("");
        if !is_clear || rest.is_empty() {
            recipient.drop_part(part);
            continue;
        }
        let Some((Value::Text(value), Form::Clear | Form::Token)) = recipient.leaf(part) else {
            continue;
        };
        match rest.split_at_checked(1) {
            Some(("?", key)) => {
                pair(&mut text, if query { "&" } else { "?" }, key, &value);
                query = true;
            }
            Some(("#", "")) => {
                text.push('#');
                text.push_str(&value);
                fragment = true;
                paired |= value.contains('=');
            }
            Some(("#", key)) => {
                let mark = match (fragment, paired) {
                    (false, _) => "#",
                    (true, true) => "&",
                    (true, false) => "?",
                };
                pair(&mut text, mark, key, &value);
                fragment = true;
                paired |= !value.is_empty();
            }
            _ => {}
        }
    }
    match base? {
        (Value::Text(_), Form::Clear) => Some(Value::Text(Cow::Owned(text))),
        (value, _) => Some(value),
    }
}

fn pair(text: &mut String, mark: &str, key: &str, value: &str) {
    text.extend([mark, key]);
    if !value.is_empty() {
        // What was too long for a name has none.
        text.extend([if key.is_empty() { "" } else { "=" }, value]);
    }
}
