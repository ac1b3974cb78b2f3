//! URLs by structure: the base is the field itself, each query key, the fragment and user info are fields of their own.
//!
//! Part of the walk. Invariant: user info never passes; what is found in a path is masked in every form of it.

use super::text::{BASE, class_of_words};
use super::walk::{View, Walker, related};
use crate::address::{Ids, UrlParts, clean_path, split_after_base, split_url};
use crate::admitted::Node;
use crate::classify::{Basis, Class, RuleName};
use crate::clean::{Clean, Place};
use crate::detect::{self, Detections};
use crate::names;
use crate::paths::TEXT;
use crate::rules::FieldKind;
use cofferdam_model::Category;
use std::borrow::Cow;

/// What stands before the `@`.
const USER_INFO: Class = Class {
    category: Category::of("user.authorization.credentials"),
    kind: FieldKind::Plain,
    rule: RuleName::Known("url.user_info"),
    basis: Basis::Detected,
    stray: false,
};

/// What stands where a port belongs and is none may be anything.
const PORT: Class = Class {
    category: crate::classify::CONTENT,
    kind: FieldKind::Plain,
    rule: RuleName::Known("url.port"),
    basis: Basis::Detected,
    stray: false,
};

const BROWSING: Category = Category::of("user.behavior.browsing_history");

impl<'p> Walker<'p> {
    /// A URL; false where the text is none. `place` is where the text as a whole would be remembered.
    pub(super) fn url(&mut self, at: &str, view: View<'p>, place: Place, text: &str) -> bool {
        // Most pages come again and again, each time with another query: then only what follows the base is taken apart.
        // No base with user info is ever remembered. A space behind the base may tell that this is no URL after all.
        let end = base_end(text);
        let (base, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let known = match rest {
            "" => Err(place),
            _ => self.look(view, BASE, base),
        };
        let base_place = match known {
            Err(place) => place,
            Ok(clean) if rest.bytes().all(|byte| byte.is_ascii_graphic()) => {
                let open = self.open(view.path, Node::Url);
                self.clean_leaf(view, clean, base);
                self.parts(at, &split_after_base(rest));
                self.close(open);
                return true;
            }
            Ok(_) => Place::NOWHERE,
        };
        let Some(parts) = split_url(text) else {
            return false;
        };
        if parts.scheme.is_some() && parts.host.is_none() {
            // `mailto:` and the like: what follows the scheme is no path.
            self.plain_text(view, place, Node::UrlText, text);
        } else if rest.is_empty() && parts.user_info.is_none() {
            self.base(view, place, Cow::Borrowed(text), &parts);
        } else {
            let open = self.open(view.path, Node::Url);
            match parts.user_info {
                None => self.base(view, base_place, Cow::Borrowed(base), &parts),
                Some(user_info) => {
                    let base = base.replacen(&[user_info, "@"].concat(), "", 1);
                    self.base(view, Place::NOWHERE, Cow::Owned(base), &parts);
                }
            }
            self.parts(at, &parts);
            self.close(open);
        }
        true
    }

    /// Query, fragment and user info.
    fn parts(&mut self, at: &str, parts: &UrlParts<'_>) {
        if parts.query.is_some() {
            self.pairs(at, "?", parts.query_pairs());
        }
        if parts.fragment.is_some() {
            if !parts.fragment_route().is_empty() {
                self.pairs(at, "#", std::iter::once(("", parts.fragment_route())));
            }
            self.pairs(at, "#", parts.fragment_pairs());
        }
        if let Some(user_info) = parts.user_info {
            let inside = self.below(at, "@");
            let path = self.field(&inside, TEXT).path;
            self.at = inside;
            let class = self.own_class(USER_INFO);
            self.note(class);
            self.text_leaf(self.view(path, class), Node::UrlText, user_info);
        }
    }

    fn pairs<'t>(&mut self, at: &str, mark: &str, pairs: impl Iterator<Item = (&'t str, &'t str)>) {
        let mut inside = self.below(at, mark);
        for (key, value) in pairs {
            inside.truncate(at.len() + mark.len());
            let is_name = key.len() <= self.limits.name_bytes_max;
            if is_name {
                inside.push_str(&names::plain(key));
            }
            if !self.has_room(&inside) {
                break;
            }
            if is_name {
                self.part(&inside, value);
            } else {
                // Too long for a name: a text, as it stands.
                let mark = if value.is_empty() { "" } else { "=" };
                self.part(&inside, &[key, mark, value].concat());
            }
        }
        self.at = inside;
    }

    /// The class that host and port give a base, whose path is looked at too then; `None` where they tell nothing.
    fn class_of_authority(
        &mut self,
        view: View<'p>,
        base: &str,
        parts: &UrlParts<'_>,
    ) -> Option<u16> {
        let host = parts.host.unwrap_or("");
        let mut found = Detections::default();
        if is_telling(host) {
            found = detect::inspect_name(host, &self.project.classifier.switches);
        }
        let has_port = parts.has_port();
        if found.is_empty() && has_port {
            return None;
        }
        for other in self.inspect(view, base).iter() {
            // That it is a URL is known.
            if !related(other.category, BROWSING) {
                found.push(other.rule, other.start, other.end, other.confidence);
            }
        }
        match found.worst() {
            Some(worst) => Some(self.detected_class(view, worst)),
            None => Some(self.own_class(Class {
                stray: view.stray,
                ..PORT
            })),
        }
    }

    /// Scheme, host, port and path, with what was found in the path replaced. A host that is an address is one.
    fn base(&mut self, view: View<'p>, place: Place, base: Cow<'_, str>, parts: &UrlParts<'_>) {
        if let Some(class) = self.class_of_authority(view, &base, parts) {
            self.note(class);
            return self.text_leaf(self.view(view.path, class), Node::UrlText, &base);
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
        let class = class_of_words(view, &base);
        let kept = Clean {
            class,
            node: Node::UrlText,
        };
        if let Some(worst) = clean.found.worst() {
            let class = self.detected_class(view, worst);
            self.note(class);
        } else {
            self.project.paths.clean.remember(place, &base, kept);
        }
        self.clean_leaf(view, kept, &base);
    }
}

/// Whether a host is more than words, dashes and dots with hardly a digit: all that may hide something.
fn is_telling(host: &str) -> bool {
    let bytes = host.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    bytes.first().is_some_and(u8::is_ascii_digit)
        || !bytes.iter().all(is_plain)
        || bytes.iter().filter(|byte| byte.is_ascii_digit()).count() >= 4
}

/// Where the URL's query or fragment begins.
fn base_end(text: &str) -> usize {
    memchr::memchr2(b'?', b'#', text.as_bytes()).unwrap_or(text.len())
}
