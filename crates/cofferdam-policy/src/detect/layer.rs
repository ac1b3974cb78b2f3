//! What hides in a string: JSON, base64, percent-encoding, HTML escapes, one layer at a time.
//!
//! Invariant: bounded by depth and bytes; what is too deep, too large or compressed is reported as content, never passed over.

use super::found::{Confidence, Detections};
use super::scan::{ASSIGN, ESCAPE, SPACE, UPPER, at};
use super::{Detection, detect};
use crate::rules::{Carrier, Effect, KeyContext, RuleId, RuleSwitches, ValueType, classify};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LAYER: RuleId = RuleId::value("value.layer");

/// Deepest nesting of layers that is looked into.
const DEPTH_MAX: usize = 4;
/// Longest text that is decoded, bytes.
const BYTES_MAX: usize = 256 * 1024;

/// How the content of a string was wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// A JSON object or array.
    Json,
    /// Base64 in either alphabet.
    Base64,
    /// Percent-encoding.
    Percent,
    /// HTML character references.
    Html,
    /// Compressed, encrypted or too large to look into.
    Opaque,
}

/// One layer taken off a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it was.
    pub kind: LayerKind,
    /// The text inside; of JSON the text itself; empty where opaque.
    pub text: String,
}

/// Takes one layer off. `None` where the text is not wrapped in anything.
#[must_use]
pub fn unwrap_layers(text: &str) -> Option<Layer> {
    let trimmed = text.trim_start();
    let first = at(trimmed.as_bytes(), 0);
    let layer = |kind, text: String| Some(Layer { kind, text });
    if matches!(first, b'{' | b'[') && trimmed.len() > 2 && is_json(trimmed) {
        return layer(LayerKind::Json, trimmed.to_owned());
    }
    if text.len() > BYTES_MAX {
        return layer(LayerKind::Opaque, String::new());
    }
    if let Some(decoded) = percent(text) {
        return layer(LayerKind::Percent, decoded);
    }
    if text.contains('&')
        && text.contains(';')
        && let Some(decoded) = html(text)
    {
        return layer(LayerKind::Html, decoded);
    }
    match base64(text)? {
        Some(decoded) => layer(LayerKind::Base64, decoded),
        None => layer(LayerKind::Opaque, String::new()),
    }
}

/// Whether the text can hold a layer at all, by the flags of its census; a cheap test before [`unwrap_layers`].
#[inline]
pub(super) fn may_be_wrapped(text: &str, flags: u16) -> bool {
    let spaced = flags & SPACE != 0;
    flags & (ESCAPE | ASSIGN) != 0
        || matches!(at(text.as_bytes(), 0), b'{' | b'[')
        || spaced && text.trim_start().starts_with(['{', '['])
        || !spaced && flags & UPPER != 0 && text.len() >= 16
}

/// Everything found below the surface, with the span of the whole text.
pub(super) fn inspect(
    text: &str,
    context: KeyContext,
    switches: &RuleSwitches,
    depth: usize,
    found: &mut Detections,
) {
    pairs(text, depth, switches, found);
    let Some(layer) = unwrap_layers(text) else {
        return;
    };
    let too_deep = depth >= DEPTH_MAX;
    if layer.kind == LayerKind::Opaque || too_deep {
        if switches.is_on(LAYER) {
            found.push(LAYER, 0, text.len(), Confidence::Likely);
        }
        return;
    }
    if layer.kind == LayerKind::Json {
        if let Ok(value) = serde_json::from_str(&layer.text) {
            json(&value, context, switches, depth + 1, text.len(), found);
        } else if layer.text.contains("\":") && switches.is_on(LAYER) {
            // Almost JSON: its keys cannot be read, so it counts as content.
            found.push(LAYER, 0, text.len(), Confidence::Likely);
        }
        return;
    }
    adopt(&detect(&layer.text, context, switches), text.len(), found);
    inspect_whole(&layer.text, context, switches, depth + 1, text.len(), found);
}

/// `a=b&token=c`: keys by their names. A URL at the surface is left to the caller, who takes it apart.
fn pairs(text: &str, depth: usize, switches: &RuleSwitches, found: &mut Detections) {
    if !text.contains('=') || text.contains(' ') || depth == 0 && text.contains("://") {
        return;
    }
    for pair in text.split(['?', '&', ';', '#']).take(256) {
        if let Some((key, value)) = pair.split_once('=')
            && !value.is_empty()
            && (1..=64).contains(&key.len())
            && let Some(classified) = classify(key, Carrier::Event, ValueType::Text, switches)
            && classified.rule.rule().effect() == Effect::Protects
        {
            found.push(classified.rule, 0, text.len(), Confidence::Likely);
        }
    }
}

/// [`inspect`] for a text inside another: findings get the outer span.
fn inspect_whole(
    text: &str,
    context: KeyContext,
    switches: &RuleSwitches,
    depth: usize,
    span: usize,
    found: &mut Detections,
) {
    let mut inner = Detections::default();
    inspect(text, context, switches, depth, &mut inner);
    adopt(&inner, span, found);
}

fn adopt(inner: &Detections, span: usize, found: &mut Detections) {
    for Detection {
        rule, confidence, ..
    } in inner.iter()
    {
        found.push(*rule, 0, span, *confidence);
    }
}

/// Keys by their names, strings by their content.
fn json(
    value: &serde_json::Value,
    context: KeyContext,
    switches: &RuleSwitches,
    depth: usize,
    span: usize,
    found: &mut Detections,
) {
    match value {
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                let value_type = match value {
                    serde_json::Value::String(text) if !text.is_empty() => ValueType::Text,
                    serde_json::Value::Number(_) => ValueType::Number,
                    serde_json::Value::Bool(_) => ValueType::Bool,
                    serde_json::Value::Object(_) | serde_json::Value::Array(_) => ValueType::Nested,
                    _ => continue,
                };
                if let Some(classified) = classify(key, Carrier::Event, value_type, switches)
                    && classified.rule.rule().effect() == Effect::Protects
                {
                    found.push(classified.rule, 0, span, Confidence::Likely);
                }
                json(value, KeyContext::of(key), switches, depth, span, found);
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                json(item, context, switches, depth, span, found);
            }
        }
        serde_json::Value::String(text) => {
            adopt(&detect(text, context, switches), span, found);
            inspect_whole(text, context, switches, depth, span, found);
        }
        serde_json::Value::Number(number) => {
            let inner = match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => super::detect_number(number, context, switches),
                (None, Some(number)) => super::detect_float(number, context, switches),
                (None, None) => return,
            };
            adopt(&inner, span, found);
        }
        _ => {}
    }
}

/// Begins and ends like JSON and has the marks of it.
fn is_json(text: &str) -> bool {
    let text = text.trim_end();
    match at(text.as_bytes(), 0) {
        b'{' => text.ends_with('}') && text.contains('"'),
        _ => text.ends_with(']') && text.contains(['"', ',', '{']),
    }
}

/// One layer of percent-encoding, if there is any. `+` stays.
pub(crate) fn percent(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut position = text.find('%')?;
    let mut decoded = Vec::with_capacity(bytes.len());
    decoded.extend_from_slice(bytes.get(..position)?);
    let mut changed = false;
    while position < bytes.len() {
        let byte = at(bytes, position);
        if byte == b'%'
            && let (Some(high), Some(low)) =
                (hex(at(bytes, position + 1)), hex(at(bytes, position + 2)))
        {
            decoded.push(high << 4 | low);
            position += 3;
            changed = true;
        } else {
            decoded.push(byte);
            position += 1;
        }
    }
    changed.then(|| String::from_utf8_lossy(&decoded).into_owned())
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Numeric references and the five named ones that hide addresses and markup.
fn html(text: &str) -> Option<String> {
    const NAMED: &[(&str, &str)] = &[
        ("amp;", "&"),
        ("lt;", "<"),
        ("gt;", ">"),
        ("quot;", "\""),
        ("commat;", "@"),
        ("period;", "."),
        ("apos;", "'"),
    ];
    let mut decoded = String::with_capacity(text.len());
    let (mut rest, mut changed) = (text, false);
    while let Some((before, after)) = rest.split_once('&') {
        decoded.push_str(before);
        let numeric = after.strip_prefix('#').and_then(|number| {
            let (digits, tail) = number.split_once(';')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            Some((char::from_u32(code)?, tail))
        });
        let named = NAMED
            .iter()
            .find_map(|(name, value)| Some((*value, after.strip_prefix(name)?)));
        rest = match (numeric, named) {
            (Some((character, tail)), _) => {
                decoded.push(character);
                changed = true;
                tail
            }
            (None, Some((value, tail))) => {
                decoded.push_str(value);
                changed = true;
                tail
            }
            (None, None) => {
                decoded.push('&');
                after
            }
        };
    }
    decoded.push_str(rest);
    changed.then_some(decoded)
}

/// Base64 of a text: `Some(Some(text))`; of something compressed: `Some(None)`; else `None`.
fn base64(text: &str) -> Option<Option<String>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
    let text = text.trim();
    let text = if text.starts_with("data:") {
        text.split_once(";base64,").map_or(text, |(_, body)| body)
    } else {
        text
    };
    let bytes = text.as_bytes();
    let body = text.trim_end_matches('=');
    if body.len() < 12
        || body.len() % 4 == 1
        || !body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'))
        || !bytes.iter().any(u8::is_ascii_uppercase)
        || !bytes.iter().any(u8::is_ascii_lowercase)
    {
        return None;
    }
    // The first characters tell whether it can be text at all, before anything is allocated.
    let url_safe = body.bytes().any(|byte| matches!(byte, b'-' | b'_'));
    let head = body.get(..12).unwrap_or("");
    let mut peek = [0_u8; 9];
    let decoded = if url_safe {
        URL_SAFE_NO_PAD.decode_slice(head, &mut peek)
    } else {
        STANDARD_NO_PAD.decode_slice(head, &mut peek)
    };
    decoded.ok()?;
    if peek.starts_with(&[0x1f, 0x8b]) {
        return Some(None);
    }
    if peek
        .iter()
        .any(|byte| *byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t'))
    {
        return None;
    }
    let decoded = if url_safe {
        URL_SAFE.decode(text)
    } else {
        STANDARD.decode(text)
    }
    .ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let plain = decoded
        .chars()
        .filter(|character| !character.is_control() || character.is_whitespace())
        .count();
    (plain == decoded.chars().count()).then_some(Some(decoded))
}
