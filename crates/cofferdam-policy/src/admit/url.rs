//! URLs by structure: the base is the field itself, each query key, the fragment and user info are fields of their own.
//!
//! Part of the walk. Invariant: user info never passes; what is found in a path is masked in every form of it.

use super::walk::{View, Walker};
use crate::address::{Ids, UrlParts, clean_path};
use crate::admitted::Node;
use crate::classify::{Basis, Class, RuleName};
use crate::paths::TEXT;
use crate::rules::FieldKind;
use cofferdam_model::{Category, Value};
use std::borrow::Cow;

/// Sets clean bases apart from texts of the same path that were looked at as a whole.
const BASE: u32 = 1 << 30;

/// What stands before the `@`.
const USER_INFO: Class = Class {
    category: Category::of("user.authorization.credentials"),
    kind: FieldKind::Plain,
    rule: RuleName::Known("url.user_info"),
    basis: Basis::Detected,
};

impl Walker<'_> {
    pub(super) fn url(&mut self, at: &mut String, path: u32, text: &str, parts: &UrlParts<'_>) {
        if parts.scheme.is_some() && parts.host.is_none() {
            // `mailto:` and the like: what follows the scheme is no path.
            let view = self.view(path, TEXT);
            return self.plain_text(path, view, Node::UrlText, text);
        }
        let has_parts =
            parts.query.is_some() || parts.fragment.is_some() || parts.user_info.is_some();
        if !has_parts {
            return self.base(path, Cow::Borrowed(text), parts);
        }
        let open = self.open(at, Node::Url);
        self.base(path, base_text(text, parts), parts);
        let length = at.len();
        for (mark, pairs) in [
            (
                "?",
                &mut parts.query_pairs() as &mut dyn Iterator<Item = (&str, &str)>,
            ),
            ("#", &mut parts.fragment_pairs()),
        ] {
            if mark == "#" && !parts.fragment_route().is_empty() {
                at.push_str(mark);
                self.part(at, parts.fragment_route());
                at.truncate(length);
            }
            for (key, value) in pairs {
                at.push_str(mark);
                at.push_str(key);
                self.part(at, value);
                at.truncate(length);
            }
        }
        if let Some(user_info) = parts.user_info {
            at.push('@');
            let path = self.path(at);
            let class = self.own_class(USER_INFO);
            self.note(class);
            self.leaf(
                path,
                class,
                Node::UrlText,
                &Value::Text(Cow::Borrowed(user_info)),
            );
            at.truncate(length);
        }
        self.close(open);
    }

    fn part(&mut self, at: &str, value: &str) {
        let path = self.path(at);
        let view = self.view(path, TEXT);
        self.plain_text(path, view, Node::UrlText, value);
    }

    /// A URL that is nothing but a base, and known to be clean. Those with a query, fragment or user info never are.
    pub(super) fn known_base(&mut self, path: u32, view: View, text: &str) -> bool {
        let known = self.project.paths.clean.look(path ^ BASE, text).is_none();
        if known {
            let class = self.class_of_words(view, text);
            self.leaf(
                path,
                class,
                Node::UrlText,
                &Value::Text(Cow::Borrowed(text)),
            );
        }
        known
    }

    /// Scheme, host, port and path, with what was found in the path replaced. A host that is an address is one.
    fn base(&mut self, path: u32, base: Cow<'_, str>, parts: &UrlParts<'_>) {
        let view = self.view(path, TEXT);
        let texts = &self.project.paths.clean;
        let Some(place) = texts.look(path ^ BASE, &base) else {
            let class = self.class_of_words(view, &base);
            return self.leaf(path, class, Node::UrlText, &Value::Text(base));
        };
        let host = parts.host.unwrap_or("");
        if host.starts_with(|first: char| first.is_ascii_digit() || first == '[')
            && let Some(worst) = self.inspect(view, host).worst()
        {
            let class = self.detected_class(worst);
            self.note(class);
            return self.leaf(path, class, Node::UrlText, &Value::Text(base));
        }
        let switches = &self.project.classifier.switches;
        let clean = clean_path(parts.path, Ids::Keep, switches);
        let base = match clean.text {
            Cow::Borrowed(_) => base,
            Cow::Owned(text) => {
                let before = base.trim_end().strip_suffix(parts.path).unwrap_or("");
                Cow::Owned([before, &text].concat())
            }
        };
        if let Some(worst) = clean.found.worst() {
            let class = self.detected_class(worst);
            self.note(class);
        } else if path < crate::admitted::EXTRA {
            texts.remember(place, path ^ BASE, &base);
        }
        let class = self.class_of_words(view, &base);
        self.leaf(path, class, Node::UrlText, &Value::Text(base));
    }
}

/// The URL up to its path, without user info.
fn base_text<'t>(text: &'t str, parts: &UrlParts<'_>) -> Cow<'t, str> {
    let end = text
        .bytes()
        .position(|byte| matches!(byte, b'?' | b'#'))
        .unwrap_or(text.len());
    let base = text.get(..end).unwrap_or("");
    match parts.user_info {
        None => Cow::Borrowed(base),
        Some(user_info) => Cow::Owned(base.replacen(&[user_info, "@"].concat(), "", 1)),
    }
}
