//! A URL's path without secrets and personal data, and on request without ids.
//!
//! Invariant: a segment that is replaced leaves nothing of itself; `Ids::Keep` replaces secrets and personal data only.

use crate::detect::scan::{self, Census};
use crate::detect::{Confidence, Detection, Detections, inspect, is_quiet, layer, secret};
use crate::rules::{Effect, KeyContext, RuleId, RuleSwitches};
use cofferdam_model::is_uuid;
use std::borrow::Cow;

const PATH_SECRET: RuleId = RuleId::value("value.path_secret");

/// Stands for a secret or personal data.
const REDACTED: &str = ":redacted";
/// Stands for an id.
const ID: &str = ":id";

/// Whether ids in a path stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// They stay (at intake; a vendor that may have the path gets them as tokens).
    Keep,
    /// They become `:id` (form `path`).
    Template,
}

/// A path after cleaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanPath<'a> {
    /// The path; borrowed where nothing was replaced.
    pub text: Cow<'a, str>,
    /// What was replaced, with spans in the original path. Ids are not findings.
    pub found: Detections,
}

/// Names of segments after which a token follows.
const TOKEN_FOLLOWS: &[&str] = &[
    "reset",
    "reset-password",
    "password-reset",
    "password_reset",
    "reset_password",
    "invite",
    "invitation",
    "invitations",
    "verify",
    "verification",
    "confirm",
    "confirmation",
    "magic",
    "magic-link",
    "unsubscribe",
    "activate",
    "activation",
    "token",
    "tokens",
    "otp",
    "recover",
    "recovery",
    "signed",
    "share",
];

/// Names of segments after which a person or organization follows.
const PERSON_FOLLOWS: &[&str] = &[
    "users",
    "user",
    "u",
    "people",
    "person",
    "profile",
    "profiles",
    "members",
    "member",
    "customers",
    "customer",
    "contacts",
    "contact",
    "accounts",
    "account",
    "orgs",
    "org",
    "organizations",
    "organization",
    "teams",
    "team",
    "workspaces",
    "workspace",
    "companies",
    "company",
    "tenants",
    "authors",
    "author",
];

/// Replaces what must not pass in a path.
#[must_use]
pub fn clean_path<'a>(path: &'a str, ids: Ids, switches: &RuleSwitches) -> CleanPath<'a> {
    let mut found = Detections::default();
    let mut cleaned: Option<String> = None;
    let (mut start, mut previous) = (0, "");
    for segment in path.as_bytes().split(|byte| *byte == b'/') {
        let end = start + segment.len();
        let segment = path.get(start..end).unwrap_or("");
        let replacement = replacement(segment, previous, start, ids, switches, &mut found);
        match (&mut cleaned, replacement) {
            (Some(text), replacement) => text.push_str(replacement.unwrap_or(segment)),
            (None, Some(replacement)) => {
                let mut text = path.get(..start).unwrap_or("").to_owned();
                text.push_str(replacement);
                cleaned = Some(text);
            }
            (None, None) => {}
        }
        if end < path.len()
            && let Some(text) = &mut cleaned
        {
            text.push('/');
        }
        previous = segment;
        start = end + 1;
    }
    CleanPath {
        text: cleaned.map_or(Cow::Borrowed(path), Cow::Owned),
        found,
    }
}

/// Replaces each id in a path by what `name` makes of it; placeholders of an earlier cleaning stay.
///
/// For recipients who may have the path but must not be able to join it with another's: `name` gives their token.
pub fn name_ids<'a>(path: &'a str, name: &mut dyn FnMut(&str) -> String) -> Cow<'a, str> {
    let mut named: Option<String> = None;
    let (mut start, mut previous) = (0, "");
    for segment in path.split('/') {
        let end = start + segment.len();
        let decoded = layer::percent(segment).map_or(Cow::Borrowed(segment), Cow::Owned);
        let is_kept = segment.is_empty() || segment == REDACTED || segment == ID;
        if !is_kept && is_id(&decoded, previous) {
            let text = named.get_or_insert_with(|| path.get(..start).unwrap_or("").to_owned());
            text.push_str(&name(&decoded));
        } else if let Some(text) = &mut named {
            text.push_str(segment);
        }
        if end < path.len()
            && let Some(text) = &mut named
        {
            text.push('/');
        }
        previous = segment;
        start = end + 1;
    }
    named.map_or(Cow::Borrowed(path), Cow::Owned)
}

/// What stands in place of a segment, if anything does.
fn replacement(
    segment: &str,
    previous: &str,
    start: usize,
    ids: Ids,
    switches: &RuleSwitches,
    found: &mut Detections,
) -> Option<&'static str> {
    if segment.len() < 2 && !segment.bytes().all(|byte| byte.is_ascii_digit()) || segment.is_empty()
    {
        return None;
    }
    let mut census = scan::census(segment);
    let mut decoded = Cow::Borrowed(segment);
    if census.has(scan::ESCAPE)
        && let Some(text) = layer::percent(segment)
    {
        census = scan::census(&text);
        decoded = Cow::Owned(text);
    }
    let end = start + segment.len();
    // Most segments are words in which nothing can be found.
    if !is_quiet(&decoded, &census) {
        let mut personal = false;
        for Detection {
            rule, confidence, ..
        } in inspect(&decoded, KeyContext::NONE, switches).iter()
        {
            if rule.rule().effect() == Effect::Protects {
                found.push(*rule, start, end, *confidence);
                personal = true;
            }
        }
        if personal {
            return Some(REDACTED);
        }
    }
    if is_secret(&decoded, &census, previous) && switches.is_on(PATH_SECRET) {
        found.push(PATH_SECRET, start, end, Confidence::Likely);
        return Some(REDACTED);
    }
    (ids == Ids::Template && is_id(&decoded, previous)).then_some(ID)
}

/// A random string, or whatever follows `/reset/` and the like.
fn is_secret(segment: &str, census: &Census, previous: &str) -> bool {
    let bytes = segment.as_bytes();
    let digits = census.digits;
    let upper = census.has(scan::UPPER);
    let like_token =
        segment.len() >= 4 && (digits > 0 || upper && segment.len() >= 8 || segment.len() >= 24);
    if like_token
        && TOKEN_FOLLOWS
            .iter()
            .any(|name| previous.eq_ignore_ascii_case(name))
    {
        return true;
    }
    if digits < 3 || segment.len() < 20 {
        return false;
    }
    // File names with a content hash (`main.3f2a9c.js`) and slugs with words are no secrets.
    let dense = !bytes.contains(&b'.') && bytes.iter().filter(|byte| **byte == b'-').count() <= 1;
    let hex = bytes.iter().all(u8::is_ascii_hexdigit);
    dense && (hex || secret::is_high_entropy(segment))
}

/// A number, a UUID, hex, a prefixed id (`cus_9s6XKz`), or the name of a person or organization.
fn is_id(segment: &str, previous: &str) -> bool {
    let bytes = segment.as_bytes();
    let (mut digits, mut hex, mut letters) = (0, 0, 0);
    for byte in bytes {
        digits += usize::from(byte.is_ascii_digit());
        hex += usize::from(byte.is_ascii_hexdigit());
        letters += usize::from(byte.is_ascii_alphabetic());
    }
    let all = bytes.len();
    let is_dense =
        all >= 8 && digits >= 2 && (hex == all || letters > 0 && letters + digits == all);
    digits == all
        || segment.starts_with('@')
        || is_dense
        || digits > 0 && is_prefixed(bytes)
        || is_uuid(bytes)
        || PERSON_FOLLOWS
            .iter()
            .any(|name| previous.eq_ignore_ascii_case(name))
            && !is_page(segment)
}

/// Up to eight letters, `_`, `-` or `:`, and a number or an id of six signs.
fn is_prefixed(segment: &[u8]) -> bool {
    let prefix = segment
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let Some([b'_' | b'-' | b':', tail @ ..]) = segment.get(prefix..) else {
        return false;
    };
    let digits = tail.iter().filter(|byte| byte.is_ascii_digit()).count();
    (1..=8).contains(&prefix)
        && tail.iter().all(u8::is_ascii_alphanumeric)
        && digits > 0
        && (digits == tail.len() || tail.len() >= 6)
}

/// Ordinary pages below a collection: `/users/new`.
fn is_page(segment: &str) -> bool {
    const PAGES: &[&str] = &[
        "new",
        "edit",
        "list",
        "all",
        "me",
        "self",
        "search",
        "settings",
        "billing",
        "invite",
        "create",
        "import",
        "export",
        "overview",
        "profile",
        "security",
        "members",
        "usage",
        "api-keys",
        "keys",
        "login",
        "logout",
        "password",
        "notifications",
        "preferences",
        "roles",
        "teams",
        "plans",
    ];
    PAGES.iter().any(|page| segment.eq_ignore_ascii_case(page))
}
