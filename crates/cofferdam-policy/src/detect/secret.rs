//! Credentials by their shape: tokens of well-known providers, JSON web tokens, private keys, Bearer, user info in URLs,
//! `password=…` in a text, random strings under keys that name a credential.
//!
//! The prefixes and lengths are those that the providers document for secret scanning. Invariant: a token ends where its alphabet
//! ends, and shorter ones are not reported.

mod providers;

use super::scan::{ALNUM, JOINT, Scan, at, run, scheme_sign};
use crate::rules::{KeyContext, RuleId};
use providers::{Alphabet, beginning_with};

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

/// Shortest token, with its prefix.
const TOKEN_MIN: usize = 20;

/// Tokens by prefix, at every boundary of the text.
pub(super) fn tokens(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    let mut position = 0;
    while position + TOKEN_MIN <= bytes.len() {
        let length = run(bytes, position, ALNUM | JOINT);
        if length >= TOKEN_MIN {
            row(scan, position, position + length);
        }
        position += length + 1;
    }
}

/// A row of characters that is long enough for a token, which may begin at any word of it.
fn row(scan: &mut Scan<'_>, start: usize, end: usize) {
    let bytes = scan.bytes();
    let mut position = start;
    while position + TOKEN_MIN <= end {
        let word = position;
        position += run(bytes, position, ALNUM);
        if position > word {
            position = token(scan, word, position).max(position);
        }
        position += 1;
    }
}

/// The end of the token that begins at `start`, or `start`.
fn token(scan: &mut Scan<'_>, start: usize, word_end: usize) -> usize {
    let bytes = scan.bytes();
    let first = at(bytes, start);
    let rest = bytes.get(start..).unwrap_or(&[]);
    if rest.starts_with(b"eyJ") {
        return jwt(scan, start);
    }
    if first.is_ascii_digit() {
        return telegram(scan, start, word_end);
    }
    for (prefix, alphabet, least, rule) in beginning_with(first) {
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
    const SCHEMES: [&[u8]; 5] = [b"bearer", b"basic", b"token", b"digest", b"apikey"];
    for space in memchr::memchr_iter(b' ', bytes) {
        if !matches!(scan.before(space) | 0x20, b'r' | b'c' | b'n' | b't' | b'y') {
            continue;
        }
        let head = bytes.get(..space).unwrap_or(&[]);
        let Some(start) = SCHEMES.iter().find_map(|scheme| {
            let start = space.checked_sub(scheme.len())?;
            head.get(start..)?
                .eq_ignore_ascii_case(scheme)
                .then_some(start)
        }) else {
            continue;
        };
        let value = space + 1;
        let length = bytes
            .get(value..)
            .unwrap_or(&[])
            .iter()
            .take_while(|byte| {
                Alphabet::Dotted.holds(**byte) || matches!(byte, b'+' | b'/' | b'=' | b'~')
            })
            .count();
        let word = bytes.get(value..value + length).unwrap_or(&[]);
        let mixed =
            word.iter().any(u8::is_ascii_digit) || word.iter().skip(1).any(u8::is_ascii_uppercase);
        if length >= 8 && mixed && !scan.before(start).is_ascii_alphanumeric() {
            scan.certain(CREDENTIALS, start, value + length);
        }
    }
}

/// `scheme://user:password@host`.
pub(super) fn user_info(scan: &mut Scan<'_>) {
    let mut from = 0;
    while let Some(sign) = scheme_sign(scan.bytes(), from) {
        let start = sign + 3;
        from = start;
        let rest = scan.bytes().get(start..).unwrap_or(&[]);
        let length = rest
            .iter()
            .take_while(|byte| !matches!(byte, b'/' | b'?' | b'#' | b' ' | b'"'))
            .count();
        let authority = rest.get(..length).unwrap_or(&[]);
        if let Some(info) = authority.iter().rposition(|byte| *byte == b'@')
            && authority
                .get(..info)
                .is_some_and(|info| info.contains(&b':'))
        {
            scan.certain(USER_INFO, start, start + info);
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
        // The last letters of the names.
        if !matches!(
            scan.before(name_end) | 0x20,
            b'd' | b'e' | b't' | b'n' | b'y' | b'h' | b'l'
        ) {
            continue;
        }
        let name = scan.text.get(..name_end).unwrap_or("");
        let last = scan.before(name_end) | 0x20;
        let Some(secret) = NAMES.iter().find(|secret| {
            secret.as_bytes().last() == Some(&last)
                && name.len() >= secret.len()
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
    if scan.context.any(KeyContext::SECRET) && is_high_entropy(scan.text.trim()) {
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
