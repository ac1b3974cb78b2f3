//! Credentials by their shape: tokens of well-known providers, JSON web tokens, private keys, Bearer, user info in URLs,
//! `password=…` in a text, random strings under keys that name a credential.
//!
//! The prefixes and lengths are those that the providers document for secret scanning. Invariant: a token ends where its alphabet
//! ends, and shorter ones are not reported.

use super::scan::{Scan, at};
use crate::rules::{KeyContext, RuleId};

const JWT: RuleId = RuleId::value("value.jwt");
const PRIVATE_KEY: RuleId = RuleId::value("value.private_key");
const CREDENTIALS: RuleId = RuleId::value("value.credentials");
const USER_INFO: RuleId = RuleId::value("value.url_user_info");
const KEY_VALUE: RuleId = RuleId::value("value.key_value");
const HIGH_ENTROPY: RuleId = RuleId::value("value.high_entropy");
const TELEGRAM: RuleId = RuleId::value("value.telegram");
const SLACK: RuleId = RuleId::value("value.slack");
const MAILGUN: RuleId = RuleId::value("value.mailgun");
const VAULT: RuleId = RuleId::value("value.vault");
const OPENAI: RuleId = RuleId::value("value.openai");

/// Characters of what follows a prefix.
#[derive(Clone, Copy)]
enum Alphabet {
    /// Letters and digits.
    Alnum,
    /// Letters, digits, `_` and `-`.
    Url,
    /// Letters, digits, `_`, `-` and `.`.
    Dotted,
    /// Hex digits.
    Hex,
    /// Upper-case letters and digits.
    Upper,
}

impl Alphabet {
    fn holds(self, byte: u8) -> bool {
        match self {
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        }
    }
}

/// Prefix, alphabet and least length of what follows, rule.
type Provider = (&'static str, Alphabet, usize, RuleId);

const PROVIDERS: &[Provider] = &providers();

const fn providers() -> [Provider; 62] {
    use Alphabet::{Alnum, Dotted, Hex, Upper, Url};
    const AWS: RuleId = RuleId::value("value.aws");
    const GITHUB: RuleId = RuleId::value("value.github");
    const GITLAB: RuleId = RuleId::value("value.gitlab");
    const STRIPE: RuleId = RuleId::value("value.stripe");
    const GOOGLE: RuleId = RuleId::value("value.google");
    const ANTHROPIC: RuleId = RuleId::value("value.anthropic");
    const NPM: RuleId = RuleId::value("value.npm");
    const PYPI: RuleId = RuleId::value("value.pypi");
    const SENDGRID: RuleId = RuleId::value("value.sendgrid");
    const TWILIO: RuleId = RuleId::value("value.twilio");
    const HUGGING_FACE: RuleId = RuleId::value("value.hugging_face");
    const DIGITALOCEAN: RuleId = RuleId::value("value.digitalocean");
    const SHOPIFY: RuleId = RuleId::value("value.shopify");
    const SQUARE: RuleId = RuleId::value("value.square");
    const DOCKER: RuleId = RuleId::value("value.docker");
    const ATLASSIAN: RuleId = RuleId::value("value.atlassian");
    const DATABRICKS: RuleId = RuleId::value("value.databricks");
    const LINEAR: RuleId = RuleId::value("value.linear");
    const POSTHOG: RuleId = RuleId::value("value.posthog");
    const AGE_KEY: RuleId = RuleId::value("value.age_key");
    [
        ("AKIA", Upper, 16, AWS),
        ("ASIA", Upper, 16, AWS),
        ("ABIA", Upper, 16, AWS),
        ("ACCA", Upper, 16, AWS),
        ("ghp_", Alnum, 36, GITHUB),
        ("gho_", Alnum, 36, GITHUB),
        ("ghu_", Alnum, 36, GITHUB),
        ("ghs_", Alnum, 36, GITHUB),
        ("ghr_", Alnum, 36, GITHUB),
        ("github_pat_", Url, 22, GITHUB),
        ("glpat-", Url, 20, GITLAB),
        ("gldt-", Url, 20, GITLAB),
        ("glrt-", Url, 20, GITLAB),
        ("glptt-", Url, 20, GITLAB),
        ("gloas-", Url, 20, GITLAB),
        ("glcbt-", Url, 20, GITLAB),
        ("xoxb-", Url, 20, SLACK),
        ("xoxp-", Url, 20, SLACK),
        ("xoxa-", Url, 20, SLACK),
        ("xoxr-", Url, 20, SLACK),
        ("xoxs-", Url, 20, SLACK),
        ("xoxe-", Url, 20, SLACK),
        ("xapp-", Url, 20, SLACK),
        ("sk_live_", Alnum, 16, STRIPE),
        ("sk_test_", Alnum, 16, STRIPE),
        ("rk_live_", Alnum, 16, STRIPE),
        ("rk_test_", Alnum, 16, STRIPE),
        ("whsec_", Alnum, 24, STRIPE),
        ("AIza", Url, 35, GOOGLE),
        ("ya29.", Url, 20, GOOGLE),
        ("GOCSPX-", Url, 20, GOOGLE),
        ("sk-proj-", Url, 20, OPENAI),
        ("sk-svcacct-", Url, 20, OPENAI),
        ("sk-admin-", Url, 20, OPENAI),
        ("sk-ant-", Url, 20, ANTHROPIC),
        ("npm_", Alnum, 36, NPM),
        ("pypi-", Url, 50, PYPI),
        ("SG.", Dotted, 40, SENDGRID),
        ("SK", Hex, 32, TWILIO),
        ("AC", Hex, 32, TWILIO),
        ("key-", Hex, 32, MAILGUN),
        ("hf_", Alnum, 30, HUGGING_FACE),
        ("dop_v1_", Hex, 64, DIGITALOCEAN),
        ("doo_v1_", Hex, 64, DIGITALOCEAN),
        ("dor_v1_", Hex, 64, DIGITALOCEAN),
        ("shpat_", Hex, 32, SHOPIFY),
        ("shpss_", Hex, 32, SHOPIFY),
        ("shpca_", Hex, 32, SHOPIFY),
        ("sq0atp-", Url, 22, SQUARE),
        ("sq0csp-", Url, 43, SQUARE),
        ("dckr_pat_", Url, 27, DOCKER),
        ("ATATT3", Url, 60, ATLASSIAN),
        ("ATCTT3", Url, 60, ATLASSIAN),
        ("dapi", Hex, 32, DATABRICKS),
        ("hvs.", Url, 24, VAULT),
        ("hvb.", Url, 24, VAULT),
        ("lin_api_", Alnum, 32, LINEAR),
        ("ntn_", Alnum, 40, LINEAR),
        ("figd_", Url, 32, LINEAR),
        ("PMAK-", Url, 50, LINEAR),
        ("phx_", Alnum, 32, POSTHOG),
        ("AGE-SECRET-KEY-1", Upper, 50, AGE_KEY),
    ]
}

/// Tokens by prefix, at every boundary of the text.
pub(super) fn tokens(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    let mut position = 0;
    while position + 20 <= bytes.len() {
        let byte = at(bytes, position);
        if !byte.is_ascii_alphanumeric() {
            position += 1;
            continue;
        }
        // A run without a boundary; a token may begin after `-`, `_`, `.` too.
        let start = position;
        while at(bytes, position).is_ascii_alphanumeric() {
            position += 1;
        }
        let end = token(scan, start, position);
        position = position.max(end);
    }
}

/// The end of the token that begins at `start`, or `start`.
fn token(scan: &mut Scan<'_>, start: usize, word_end: usize) -> usize {
    let bytes = scan.bytes();
    let first = at(bytes, start);
    if !b"AGSPagxshrywnkpdlfDe0123456789".contains(&first) {
        return start;
    }
    let rest = bytes.get(start..).unwrap_or(&[]);
    if rest.starts_with(b"eyJ") {
        return jwt(scan, start);
    }
    if first.is_ascii_digit() {
        return telegram(scan, start, word_end);
    }
    for (prefix, alphabet, least, rule) in PROVIDERS {
        let Some(body) = rest.strip_prefix(prefix.as_bytes()) else {
            continue;
        };
        let length = body
            .iter()
            .take_while(|byte| alphabet.holds(**byte))
            .count();
        let bounded = !at(body, length).is_ascii_alphanumeric();
        if length >= *least && bounded && is_random(body.get(..length).unwrap_or(&[])) {
            let end = start + prefix.len() + length;
            scan.certain(*rule, start, end);
            return end;
        }
    }
    // An older OpenAI key: `sk-` and 40 or more letters and digits.
    if let Some(body) = rest.strip_prefix(b"sk-") {
        let length = body
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        if length >= 40 {
            scan.certain(OPENAI, start, start + 3 + length);
            return start + 3 + length;
        }
    }
    mailchimp(scan, start, word_end)
}

/// Placeholders such as `sk_test_xxxxxxxx…` are no secrets.
fn is_random(body: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in body {
        if let Some(slot) = seen.get_mut(usize::from(*byte)) {
            *slot = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() >= 6
}

/// 32 hex digits and `-us12`; Terraform's `….atlasv1.…` has no prefix either.
fn mailchimp(scan: &mut Scan<'_>, start: usize, end: usize) -> usize {
    let bytes = scan.bytes();
    let hex = end - start == 32
        && bytes
            .get(start..end)
            .is_some_and(|word| word.iter().all(u8::is_ascii_hexdigit));
    if hex && bytes.get(end..end + 3) == Some(b"-us") && at(bytes, end + 3).is_ascii_digit() {
        scan.certain(MAILGUN, start, end + 4);
        return end + 4;
    }
    if end - start == 14 && bytes.get(end..end + 9) == Some(b".atlasv1.") {
        let stop = scan.text.len();
        scan.certain(VAULT, start, stop);
        return stop;
    }
    start
}

/// `<8 to 10 digits>:AA<33>`.
fn telegram(scan: &mut Scan<'_>, start: usize, end: usize) -> usize {
    let bytes = scan.bytes();
    let digits = bytes
        .get(start..end)
        .is_some_and(|word| (8..=10).contains(&word.len()) && word.iter().all(u8::is_ascii_digit));
    if digits && bytes.get(end..end + 3) == Some(b":AA") {
        let length = bytes
            .get(end + 1..)
            .unwrap_or(&[])
            .iter()
            .take_while(|byte| Alphabet::Url.holds(**byte))
            .count();
        if length >= 34 {
            scan.certain(TELEGRAM, start, end + 1 + length);
            return end + 1 + length;
        }
    }
    mailchimp(scan, start, end)
}

/// Header, payload and perhaps a signature, each base64url, the first two of JSON objects.
fn jwt(scan: &mut Scan<'_>, start: usize) -> usize {
    let bytes = scan.bytes();
    let length = bytes
        .get(start..)
        .unwrap_or(&[])
        .iter()
        .take_while(|byte| Alphabet::Dotted.holds(**byte) || **byte == b'=')
        .count();
    let token = scan.text.get(start..start + length).unwrap_or("");
    let mut parts = token.split('.');
    let (header, payload) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    // An encrypted token has five parts, the second of which is a key.
    let encrypted = token.matches('.').count() == 4;
    if header.len() >= 10 && (payload.starts_with("ey") && payload.len() >= 6 || encrypted) {
        scan.certain(JWT, start, start + length);
        return start + length;
    }
    start
}

/// PEM blocks and Slack's webhook addresses: fixed markers.
pub(super) fn markers(scan: &mut Scan<'_>) {
    if let Some(start) = scan.text.find("-----BEGIN ") {
        let rest = scan.text.get(start..).unwrap_or("");
        if rest
            .get(..64.min(rest.len()))
            .is_none_or(|head| head.contains("PRIVATE KEY"))
        {
            let end = rest
                .find("-----END ")
                .and_then(|end| {
                    rest.get(end + 9..)?
                        .find("-----")
                        .map(|tail| end + 9 + tail + 5)
                })
                .unwrap_or(rest.len());
            scan.certain(PRIVATE_KEY, start, start + end);
        }
    }
    if let Some(start) = scan.text.find("hooks.slack.com/") {
        let length = scan
            .text
            .get(start..)
            .and_then(|rest| rest.find([' ', '"', '\'', '\n']))
            .unwrap_or(scan.text.len() - start);
        if length > 40 {
            scan.certain(SLACK, start, start + length);
        }
    }
}

/// `Bearer …`, `Basic …`, `Token …` with a value that is no word.
pub(super) fn credentials(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    for scheme in ["bearer ", "basic ", "token ", "digest ", "apikey "] {
        let mut from = 0;
        while let Some(start) = find_ignoring_case(bytes, scheme.as_bytes(), from) {
            let value = start + scheme.len();
            from = value;
            if scan.before(start).is_ascii_alphanumeric() {
                continue;
            }
            let length = bytes
                .get(value..)
                .unwrap_or(&[])
                .iter()
                .take_while(|byte| {
                    Alphabet::Dotted.holds(**byte) || matches!(byte, b'+' | b'/' | b'=' | b'~')
                })
                .count();
            let word = bytes.get(value..value + length).unwrap_or(&[]);
            let mixed = word.iter().any(u8::is_ascii_digit)
                || word.iter().any(u8::is_ascii_uppercase)
                    && word.iter().skip(1).any(u8::is_ascii_uppercase);
            if length >= 8 && mixed {
                scan.certain(CREDENTIALS, start, value + length);
                from = value + length;
            }
        }
    }
}

/// `scheme://user:password@host`.
pub(super) fn user_info(scan: &mut Scan<'_>) {
    let mut from = 0;
    while let Some(offset) = scan.text.get(from..).and_then(|rest| rest.find("://")) {
        let start = from + offset + 3;
        from = start;
        let rest = scan.text.get(start..).unwrap_or("");
        let authority = rest
            .get(..rest.find(['/', '?', '#', ' ', '"']).unwrap_or(rest.len()))
            .unwrap_or("");
        if let Some((info, _)) = authority.rsplit_once('@')
            && info.contains(':')
        {
            scan.certain(USER_INFO, start, start + info.len());
        }
    }
}

/// Words before `=` or `:` whose values are secrets.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "client_secret",
    "auth",
    "authorization",
    "credential",
    "session",
    "sessionid",
    "signature",
    "passwort",
];

/// `password=…`, `"token": "…"`, `api_key: …` inside a text.
pub(super) fn key_value(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    for sign in 0..bytes.len() {
        if !matches!(at(bytes, sign), b'=' | b':') {
            continue;
        }
        let mut name_end = sign;
        while matches!(scan.before(name_end), b'"' | b'\'' | b' ' | b'\\') && name_end > 0 {
            name_end -= 1;
        }
        let name = scan.text.get(..name_end).unwrap_or("");
        let Some(secret) = NAMES.iter().find(|secret| {
            name.len() >= secret.len()
                && name
                    .as_bytes()
                    .get(name.len() - secret.len()..)
                    .is_some_and(|tail| tail.eq_ignore_ascii_case(secret.as_bytes()))
        }) else {
            continue;
        };
        let mut value = sign + 1;
        while matches!(at(bytes, value), b'"' | b'\'' | b' ' | b'\\') {
            value += 1;
        }
        let length = bytes
            .get(value..)
            .unwrap_or(&[])
            .iter()
            .take_while(|byte| {
                !byte.is_ascii_whitespace()
                    && !matches!(
                        byte,
                        b'"' | b'\'' | b'&' | b',' | b';' | b'<' | b'>' | b'}' | b'\\'
                    )
            })
            .count();
        let word = bytes.get(value..value + length).unwrap_or(&[]);
        let password = secret.starts_with('p');
        let dense = word.iter().any(u8::is_ascii_digit) && word.iter().any(u8::is_ascii_alphabetic);
        if password
            && length >= 4
            && !word.eq_ignore_ascii_case(b"true")
            && !word.eq_ignore_ascii_case(b"false")
            || length >= 8 && dense
        {
            scan.likely(KEY_VALUE, value, value + length);
        }
    }
}

/// The whole text is one random string and its key names a credential.
pub(super) fn high_entropy(scan: &mut Scan<'_>) {
    let text = scan.text.trim();
    if scan.context.any(KeyContext::SECRET) && is_high_entropy(text) {
        scan.likely(HIGH_ENTROPY, 0, scan.text.len());
    }
}

/// Sixteen or more characters without a space, of several kinds, and at least 3.2 bits a character.
pub(crate) fn is_high_entropy(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !(16..=4096).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    let mut counts = [0_u16; 128];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 4096")]
    let length = bytes.len() as f64;
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / length;
            -share * share.log2()
        })
        .sum();
    let letters = bytes.iter().any(u8::is_ascii_alphabetic);
    let digits = bytes.iter().any(u8::is_ascii_digit);
    letters && digits && entropy >= 3.2
}

fn find_ignoring_case(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    bytes
        .get(from..)?
        .windows(wanted.len())
        .position(|window| window.eq_ignore_ascii_case(wanted))
        .map(|offset| from + offset)
}
