//! IP and MAC addresses, coordinates, URLs and user agent strings.
//!
//! Invariant: a dotted version is not an address where the key or the text around it says version.

use super::scan::{Scan, at, scheme_sign};
use crate::rules::{KeyContext, RuleId};
use std::net::Ipv6Addr;

const IPV4: RuleId = RuleId::value("value.ipv4");
const IPV6: RuleId = RuleId::value("value.ipv6");
const MAC: RuleId = RuleId::value("value.mac");
const URL: RuleId = RuleId::value("value.url");
const USER_AGENT: RuleId = RuleId::value("value.user_agent");
const COORDINATES: RuleId = RuleId::value("value.coordinates");

/// IPv4 addresses: four octets between boundaries.
pub(super) fn ipv4(scan: &mut Scan<'_>) {
    if scan.context.any(KeyContext::VERSION) {
        return;
    }
    let bytes = scan.bytes();
    let mut position = 0;
    while position < bytes.len() {
        let before = scan.before(position);
        if !at(bytes, position).is_ascii_digit() || before.is_ascii_alphanumeric() || before == b'.'
        {
            position += 1;
            continue;
        }
        match octets(bytes, position) {
            Some((end, tail_is_zero)) => {
                if !looks_like_version(scan, position, end, tail_is_zero) {
                    scan.certain(IPV4, position, end);
                }
                position = end;
            }
            None => position += 1,
        }
    }
}

/// End of the four octets that begin at `start`, and whether the last three are zero.
fn octets(bytes: &[u8], start: usize) -> Option<(usize, bool)> {
    let (mut position, mut tail_is_zero) = (start, true);
    for octet in 0..4 {
        if octet > 0 {
            if at(bytes, position) != b'.' {
                return None;
            }
            position += 1;
        }
        let (mut value, mut digits) = (0_u16, 0);
        while at(bytes, position).is_ascii_digit() && digits < 4 {
            value = value * 10 + u16::from(at(bytes, position) - b'0');
            position += 1;
            digits += 1;
        }
        if digits == 0 || digits > 3 || value > 255 {
            return None;
        }
        tail_is_zero &= octet == 0 || value == 0;
    }
    let next = at(bytes, position);
    (!next.is_ascii_alphanumeric() && next != b'_').then_some((position, tail_is_zero))
}

/// `Chrome/126.0.0.0`, `v1.2.3.4`, `version 1.2.3.4`, `126.0.0.0`.
fn looks_like_version(scan: &Scan<'_>, start: usize, end: usize, tail_is_zero: bool) -> bool {
    let bytes = scan.bytes();
    let product = scan.before(start) == b'/'
        && start >= 2
        && at(bytes, start - 2).is_ascii_alphabetic()
        && !scan.text.contains("://")
        && !scan.text.starts_with('/');
    let word = scan
        .text
        .get(..start)
        .and_then(|text| text.trim_end().rsplit([' ', '(', ',']).next())
        .is_some_and(|word| {
            ["version", "version:", "v", "ver", "build", "release"]
                .iter()
                .any(|name| word.eq_ignore_ascii_case(name))
        });
    let first = scan
        .text
        .get(start..end)
        .and_then(|text| text.split('.').next());
    let reduced = tail_is_zero && at(bytes, end) != b'/' && !matches!(first, Some("0" | "10"));
    product || word || reduced
}

/// IPv6 addresses, with embedded IPv4, in brackets, with prefix length or zone.
pub(super) fn ipv6(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    let mut position = 0;
    while position < bytes.len() {
        if !is_part(at(bytes, position)) {
            position += 1;
            continue;
        }
        let start = position;
        while is_part(at(bytes, position)) {
            position += 1;
        }
        let Some(run) = scan.text.get(start..position) else {
            continue;
        };
        let run = run.trim_end_matches('.');
        let run = if run.ends_with("::") {
            run
        } else {
            run.trim_end_matches(':')
        };
        let end = start + run.len();
        let before = scan.before(start);
        let next = at(bytes, end);
        if run.matches(':').count() < 2
            || before.is_ascii_alphanumeric()
            || before == b'_'
            || next.is_ascii_alphanumeric()
            || next == b'_'
        {
            continue;
        }
        // `a::b` is code; an address without any digit is too rare to tell it apart.
        let digits = run.bytes().any(|byte| byte.is_ascii_digit());
        if run != "::" && !digits {
            continue;
        }
        // A bare `::` is punctuation more often than an address.
        if run == "::" && !(next == 0 || next == b'/') || run.parse::<Ipv6Addr>().is_err() {
            continue;
        }
        scan.certain(IPV6, start, end);
    }
}

/// MAC addresses: six pairs of hex digits, neither all zero nor broadcast.
pub(super) fn mac(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    for start in 0..bytes.len().saturating_sub(16) {
        if scan.before(start).is_ascii_alphanumeric() || matches!(scan.before(start), b':' | b'-') {
            continue;
        }
        let sign = at(bytes, start + 2);
        if sign != b':' && sign != b'-' {
            continue;
        }
        let shape = (0..17).all(|offset| {
            let byte = at(bytes, start + offset);
            if offset % 3 == 2 {
                byte == sign
            } else {
                byte.is_ascii_hexdigit()
            }
        });
        let next = at(bytes, start + 17);
        if !shape || next.is_ascii_alphanumeric() || next == sign {
            continue;
        }
        let digits = |wanted: u8| {
            (0..17).all(|offset| {
                offset % 3 == 2 || at(bytes, start + offset).eq_ignore_ascii_case(&wanted)
            })
        };
        if !digits(b'0') && !digits(b'f') {
            scan.certain(MAC, start, start + 17);
        }
    }
}

/// The text is a URL, or holds one.
pub(super) fn url(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    let mut from = 0;
    while let Some(sign) = scheme_sign(bytes, from) {
        let mut start = sign;
        while start > 0
            && (scan.before(start).is_ascii_alphanumeric()
                || matches!(scan.before(start), b'+' | b'-' | b'.'))
        {
            start -= 1;
        }
        let length = bytes
            .get(sign..)
            .unwrap_or(&[])
            .iter()
            .take_while(|byte| {
                !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'\\')
            })
            .count();
        if start < sign && length > 3 {
            scan.likely(URL, start, sign + length);
        }
        from = sign + length.max(3);
    }
}

/// A browser's user agent string.
pub(super) fn user_agent(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    let product = bytes
        .iter()
        .take(24)
        .position(|byte| *byte == b'/')
        .is_some_and(|slash| at(bytes, slash + 1).is_ascii_digit());
    if product
        && scan.text.len() >= 20
        && [
            "Mozilla/",
            "Opera/",
            "Dalvik/",
            "AppleWebKit/",
            "CFNetwork/",
            "okhttp/",
        ]
        .iter()
        .any(|name| scan.text.contains(name))
    {
        scan.certain(USER_AGENT, 0, bytes.len());
    }
}

/// `52.52001, 13.40495`: two numbers in range, three or more decimals each.
pub(super) fn coordinates(scan: &mut Scan<'_>) {
    let Some((first, second)) = scan.text.split_once(',') else {
        return;
    };
    let number = |text: &str, limit: f64| {
        let text = text.trim().trim_matches(['(', ')', '[', ']']);
        let decimals = text
            .split_once('.')
            .map_or(0, |(_, decimals)| decimals.len());
        decimals >= 3 && text.parse::<f64>().is_ok_and(|value| value.abs() <= limit)
    };
    if number(first, 90.0) && number(second, 180.0) {
        scan.certain(COORDINATES, 0, scan.text.len());
    }
}
