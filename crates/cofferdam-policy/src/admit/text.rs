//! Text: ids, URLs, JSON and base64 in strings, and what detectors find in the rest.
//!
//! Part of the walk. Invariant: a value in which personal data was found never keeps an innocent category, unless its
//! category is declared free text, and then the findings in it are masked.

use super::walk::{View, Walker, related};
use crate::admitted::Node;
use crate::classify::UNCLASSIFIED;
use crate::clean::{Clean, Place};
use crate::detect::fold::is_unseen;
use crate::detect::layer::percent;
use crate::detect::{self, Detections};
use crate::paths::{TEXT, WORDY};
use crate::rules::{self, FieldKind};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cofferdam_model::{Category, DEVICE_PREFIX, IdKind, Refusal, Value, is_uuid};
use std::borrow::Cow;

/// Longest text that still counts as one short word, bytes.
const WORD_BYTES_MAX: usize = 64;
/// Most letters of a word in scripts that write no spaces.
const UNPARTED_MAX: usize = 8;
/// A text of a path as it stands, a URL's part, and a URL's base where parts follow: each is looked at in another way.
const WHOLE: u32 = 0;
const PART: u32 = 1 << 29;
pub(super) const BASE: u32 = 1 << 30;
/// Shortest base64 that can hold a JSON object worth a look, bytes.
const BASE64_BYTES_MIN: usize = 16;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl<'p> Walker<'p> {
    pub(super) fn text(&mut self, at: &str, text: &str, depth: usize) {
        let view = self.field(at, TEXT);
        if view.row.secret {
            return self.text_leaf(view, Node::Text, text);
        }
        if let FieldKind::Id(kind) = view.kind {
            return self.id(view, kind, Node::Text, text);
        }
        let is_shallow = depth < super::walk::STRING_DEPTH_MAX;
        let place = match self.look(view, WHOLE, text) {
            Ok(clean) if is_shallow => return self.clean_leaf(view, clean, text),
            Err(place) if is_shallow => place,
            _ => Place::NOWHERE,
        };
        if (view.kind == FieldKind::Url || has_scheme(text)) && self.url(at, view, place, text) {
            return;
        }
        if is_shallow && let Some((node, inside)) = nested(text, self.limits.name_bytes_max) {
            let open = self.open(view.path, node);
            self.value(at, &inside, depth + 1);
            return self.close(open);
        }
        let node = if view.kind == FieldKind::Url {
            Node::UrlText
        } else {
            Node::Text
        };
        self.plain_text(view, place, node, text);
    }

    /// A part of a URL.
    pub(super) fn part(&mut self, at: &str, text: &str) {
        let view = self.field(at, TEXT);
        if view.row.secret {
            return self.text_leaf(view, Node::UrlText, text);
        }
        if let FieldKind::Id(kind) = view.kind {
            let is_forgotten = |id: String| self.is_forgotten(kind, &id);
            if self.has_forgotten() && percent(text).is_some_and(is_forgotten) {
                return self.withhold(view, Node::UrlText, Refusal::Forgotten);
            }
            return self.id(view, kind, Node::UrlText, text);
        }
        match self.look(view, PART, text) {
            Ok(clean) => self.clean_leaf(view, clean, text),
            Err(place) => self.plain_text(view, place, Node::UrlText, text),
        }
    }

    /// An id keeps its category whatever it looks like: a finding at most.
    fn id(&mut self, view: View<'_>, kind: IdKind, node: Node, text: &str) {
        if self.is_forgotten(kind, text) {
            return self.withhold(view, node, Refusal::Forgotten);
        }
        let id = text.strip_prefix(DEVICE_PREFIX).unwrap_or(text);
        if !is_uuid(id.as_bytes()) {
            // An event's own id never comes again.
            let place = match kind {
                IdKind::Event => Err(Place::NOWHERE),
                _ => self.look(view, WHOLE, text),
            };
            if let Err(place) = place {
                self.look_into_id(view, place, node, text);
            }
        }
        self.text_leaf(view, node, text);
    }

    fn look_into_id(&mut self, view: View<'_>, place: Place, node: Node, text: &str) {
        let found = self.inspect(view, text);
        if found.is_empty() {
            let class = TEXT;
            return self
                .project
                .paths
                .clean
                .remember(place, text, Clean { class, node });
        }
        if let Some(worst) = found
            .worst()
            .filter(|worst| !related(worst.category, view.category))
        {
            let class = self.detected_class(view, worst);
            self.note(class);
        }
    }

    /// A text that is looked at as a whole, and is no id.
    pub(super) fn plain_text(&mut self, view: View<'p>, place: Place, node: Node, text: &str) {
        let found = self.inspect(view, text);
        if !found.is_empty() {
            return self.with_findings(view, node, text, &found);
        }
        let class = class_of_words(view, text);
        let clean = Clean { class, node };
        self.project.paths.clean.remember(place, text, clean);
        self.clean_leaf(view, clean, text);
    }

    fn with_findings(&mut self, view: View<'p>, node: Node, text: &str, found: &Detections) {
        // Too many to be kept: there may be others, which nobody could mask.
        let is_full = found.is_full();
        let worst = found.worst_of(|one| is_full || !related(one.category, view.category));
        let Some(worst) = worst else {
            return self.text_leaf(view, node, text);
        };
        let class = self.detected_class(view, worst);
        self.note(class);
        if !rules::is_secret(worst.category) && view.is_free_text() && !is_full {
            self.text_leaf(view, node, &mask(text, found, view.category));
        } else {
            self.text_leaf(self.view(view.path, class), node, text);
        }
    }

    /// Whether a text is known to be clean; `part` tells apart the ways in which a path's texts are looked at.
    pub(super) fn look(&self, view: View<'_>, part: u32, text: &str) -> Result<Clean, Place> {
        self.project.paths.clean.look(view.path ^ part, text)
    }

    /// A text in which nothing was found.
    pub(super) fn clean_leaf(&mut self, view: View<'p>, clean: Clean, text: &str) {
        let view = if clean.class == view.class {
            view
        } else {
            self.view(view.path, clean.class)
        };
        self.text_leaf(view, clean.node, text);
    }

    pub(super) fn text_leaf(&mut self, view: View<'_>, node: Node, text: &str) {
        self.leaf(view, node, &Value::Text(Cow::Borrowed(text)));
    }

    pub(super) fn inspect(&self, view: View<'_>, text: &str) -> Detections {
        detect::inspect(text, view.context, &self.project.classifier.switches)
    }
}

/// What nothing knows is content, unless it is one short word.
pub(super) fn class_of_words(view: View<'_>, text: &str) -> u16 {
    if view.category == UNCLASSIFIED && !is_short_word(text) {
        WORDY
    } else {
        view.class
    }
}

/// The text with every finding of an unrelated category replaced by the category's last word in brackets.
fn mask(text: &str, found: &Detections, category: Category) -> String {
    let mut spans: Vec<(usize, usize, Category)> = found
        .iter()
        .filter(|one| !related(one.category, category))
        .map(|one| (one.start, one.end, one.category))
        .collect();
    spans.sort_unstable();
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for (start, end, category) in spans {
        if start >= from {
            masked.push_str(text.get(from..start).unwrap_or(""));
            let key = category.key();
            let word = key.rsplit_once('.').map_or(key, |(_, word)| word);
            masked.extend(["[", word, "]"]);
        }
        from = from.max(end);
    }
    masked.push_str(text.get(from..).unwrap_or(""));
    masked
}

/// Whether a text begins with a scheme and an authority.
fn has_scheme(text: &str) -> bool {
    text.as_bytes()
        .iter()
        .take(16)
        .position(|byte| *byte == b':')
        .is_some_and(|at| text.get(at..).is_some_and(|rest| rest.starts_with("://")))
}

/// One word, and a short one: what home may keep of a field that nothing knows.
fn is_short_word(text: &str) -> bool {
    text.len() <= WORD_BYTES_MAX
        && if text.is_ascii() {
            !text
                .bytes()
                .any(|byte| byte <= b' ' || matches!(byte, b'+' | b'%' | 0x7f))
        } else {
            is_word(text)
        }
}

/// Signs that nobody sees part words too, and some scripts part them by nothing.
fn is_word(text: &str) -> bool {
    let parts = |sign: char| sign.is_whitespace() || sign.is_control() || is_unseen(sign);
    let unparted = |sign: &char| {
        matches!(sign, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
    };
    !text.contains(parts) && text.chars().filter(unparted).count() <= UNPARTED_MAX
}

/// The JSON object or array in a string, perhaps in base64. With longer names than an SDK may send it is a text.
fn nested(text: &str, name_bytes_max: usize) -> Option<(Node, Value<'static>)> {
    match text.as_bytes() {
        [b'{', .., b'}'] | [b'[', .., b']'] => {
            Some((Node::Json, json(text.as_bytes(), name_bytes_max)?))
        }
        // What `{` and `[` begin with in base64.
        [b'e' | b'W', ..] if text.len() >= BASE64_BYTES_MIN && is_base64(text) => {
            let decoded = STANDARD
                .decode(text)
                .or_else(|_| URL_SAFE.decode(text))
                .ok()?;
            Some((Node::Base64, json(&decoded, name_bytes_max)?))
        }
        _ => None,
    }
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
    })
}

fn json(bytes: &[u8], name_bytes_max: usize) -> Option<Value<'static>> {
    match serde_json::from_slice(bytes).ok()? {
        value @ (serde_json::Value::Array(_) | serde_json::Value::Object(_)) => {
            from_json(value, name_bytes_max)
        }
        _ => None,
    }
}

fn from_json(value: serde_json::Value, name_bytes_max: usize) -> Option<Value<'static>> {
    Some(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(bool) => Value::Bool(bool),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => number
                .as_f64()
                .filter(|number| number.is_finite())
                .map_or(Value::Null, Value::Float),
        },
        serde_json::Value::String(text) => Value::Text(Cow::Owned(text)),
        serde_json::Value::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| from_json(item, name_bytes_max))
                .collect::<Option<_>>()?,
        ),
        serde_json::Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| {
                    let fits = key.len() <= name_bytes_max;
                    fits.then_some((Cow::Owned(key), from_json(value, name_bytes_max)?))
                })
                .collect::<Option<_>>()?,
        ),
    })
}
