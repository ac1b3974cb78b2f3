//! E-mail addresses, plain and with an encoded @, and their unkeyed hashes.
//!
//! Invariant: recall before precision, but for the two look-alikes that analytics data is full of: `logo@2x.png` and
//! `package@1.2.3`.

use super::scan::{Scan, at};
use crate::rules::{KeyContext, RuleId};

const EMAIL: RuleId = RuleId::value("value.email");
const HASH: RuleId = RuleId::value("value.email_hash");

/// Endings after `@` that are files, not domains.
const FILES: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "svg", "webp", "js", "mjs", "cjs", "css", "ts", "tsx", "jsx",
    "tgz", "zip", "gz", "html", "htm", "json", "md", "ico", "pdf", "mp4", "map", "woff", "woff2",
    "avif", "txt", "xml", "yaml", "yml", "csv",
];

/// Every address in the text.
pub(super) fn plain(scan: &mut Scan<'_>) {
    let mut from = 0;
    while let Some(offset) = scan.text.get(from..).and_then(|rest| rest.find('@')) {
        let sign = from + offset;
        from = sign + 1;
        if let Some((start, end)) = around(scan.text, sign, sign + 1) {
            scan.certain(EMAIL, start, end);
            from = end.max(from);
        }
    }
}

/// Every address whose `@` is percent-encoded (`%40`, `%2540`) or an HTML escape.
pub(super) fn encoded(scan: &mut Scan<'_>) {
    const SIGNS: [&[u8]; 7] = [
        b"%40",
        b"%2540",
        b"%252540",
        b"&#64;",
        b"&#x40;",
        b"&commat;",
        b"%u0040",
    ];
    let bytes = scan.bytes();
    let mut position = 0;
    while position < bytes.len() {
        let sign = matches!(at(bytes, position), b'%' | b'&')
            .then(|| bytes.get(position..))
            .flatten()
            .and_then(|rest| SIGNS.iter().find(|sign| rest.starts_with(sign)));
        let Some(sign) = sign else {
            position += 1;
            continue;
        };
        let after = position + sign.len();
        let found = around(scan.text, position, after);
        if let Some((start, end)) = found {
            scan.certain(EMAIL, start, end);
        }
        position = found.map_or(after, |(_, end)| end.max(after));
    }
}

/// An unkeyed hash of an address: the whole text is 32, 40 or 64 hex digits under a key that names an e-mail or a person.
pub(super) fn hash(scan: &mut Scan<'_>) {
    let text = scan.text.trim();
    if matches!(text.len(), 32 | 40 | 64)
        && (scan.context.any(KeyContext::EMAIL)
            || scan.context.any(KeyContext::ID) && !scan.context.any(KeyContext::TECHNICAL))
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
    {
        scan.likely(HASH, 0, scan.text.len());
    }
}

/// The span of the address whose sign stands at `sign..after`.
fn around(text: &str, sign: usize, after: usize) -> Option<(usize, usize)> {
    let local: usize = text
        .get(..sign)?
        .chars()
        .rev()
        .take(128)
        .take_while(|character| is_local(*character))
        .map(char::len_utf8)
        .sum();
    let mut start = sign - local;
    // Quotes and dots that stand before an address are not part of it.
    while matches!(
        at(text.as_bytes(), start),
        b'.' | b'\'' | b'!' | b'*' | b'$' | b'^' | b'~'
    ) && start < sign
    {
        start += 1;
    }
    if start == sign {
        return None;
    }
    let domain: usize = text
        .get(after..)?
        .chars()
        .take(253)
        .take_while(|character| is_domain(*character))
        .map(char::len_utf8)
        .sum();
    let domain = text
        .get(after..after + domain)?
        .trim_end_matches(['.', '-']);
    is_plausible(domain).then_some((start, after + domain.len()))
}

fn is_local(character: char) -> bool {
    character.is_alphanumeric()
        || matches!(
            character,
            '.' | '_' | '%' | '+' | '-' | '\'' | '!' | '^' | '~' | '*' | '$'
        )
}

fn is_domain(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | '-' | '。' | '．')
}

fn is_plausible(domain: &str) -> bool {
    let Some((host, last)) = domain.rsplit_once(['.', '。', '．']) else {
        return false;
    };
    let last_is_name = last.chars().count() >= 2
        && (last.chars().all(char::is_alphabetic)
            || last.starts_with("xn--")
            || last.starts_with("XN--"));
    last_is_name
        && !host.is_empty()
        && !host.contains("..")
        && !FILES.iter().any(|file| last.eq_ignore_ascii_case(file))
}
