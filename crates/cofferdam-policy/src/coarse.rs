//! The coarse forms: place, family, origin, path, subnet, day, each from a value to less of it.
//!
//! Invariant: what comes out tells less than what went in; `None` means that the form does not fit the value, and unknown names
//! never pass as families.

mod country;
mod family;
mod place;

pub use family::family;

use crate::address::{Ids, clean_path, split_url};
use crate::rules::{FieldKind, RuleSwitches};
use cofferdam_model::{Day, MS_PER_DAY};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a text can be the place that a field of that kind is for: a known country, or what may be a region's or city's name.
#[must_use]
pub fn is_place(kind: FieldKind, text: &str) -> bool {
    match kind {
        FieldKind::Country => country::is_country(text),
        FieldKind::Region => place::is_region(text),
        FieldKind::City => place::is_city(text),
        _ => false,
    }
}

/// An address as its network: `203.0.113.0/24` of IPv4, `2001:db8:1::/48` of IPv6.
#[must_use]
pub fn subnet(value: &str) -> Option<String> {
    let address: IpAddr = value.trim().trim_matches(['[', ']']).parse().ok()?;
    Some(match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    })
}

/// A URL as scheme, host and port; a bare domain as itself; the SDKs' `$direct` as itself.
/// A host that is an address or carries personal data has no origin.
#[must_use]
pub fn origin(value: &str, switches: &RuleSwitches) -> Option<String> {
    if value == "$direct" {
        return Some(value.to_owned());
    }
    let origin = split_url(value)?.origin()?;
    clean_host(&origin, switches).then_some(origin)
}

/// A URL as origin and path, ids, secrets and personal data replaced; without user info, query and fragment.
/// A relative URL as its path.
#[must_use]
pub fn path(value: &str, switches: &RuleSwitches) -> Option<String> {
    if value == "$direct" {
        return Some(value.to_owned());
    }
    let parts = split_url(value)?;
    if parts.scheme.is_some() && parts.host.is_none() {
        // `mailto:`, `tel:`, `data:`: what follows is the content itself.
        return None;
    }
    let mut path = match parts.origin() {
        Some(origin) if clean_host(&origin, switches) => origin,
        None if parts.has_port() => String::new(),
        _ => return None,
    };
    path.push_str(&clean_path(parts.path, Ids::Template, switches).text);
    Some(path)
}

/// Whether a host names nobody: no address of a visitor, no e-mail, no token as a label.
fn clean_host(origin: &str, switches: &RuleSwitches) -> bool {
    let host = origin.rsplit("://").next().unwrap_or(origin);
    crate::detect::inspect(host, crate::rules::KeyContext::NONE, switches)
        .iter()
        .all(|found| found.rule.rule().effect() == crate::rules::Effect::Permits)
}

/// A time in text (ISO 8601, with or without time and offset) as its UTC day, `YYYY-MM-DD`.
#[must_use]
pub fn day(value: &str) -> Option<String> {
    let value = value.trim();
    let mut day = Day::parse(value.get(..10)?)?;
    let rest = value.get(10..)?;
    if let Some(time) = rest.strip_prefix(['T', ' ', 't']) {
        let two = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
        let minutes = two(time.get(..2))? * 60 + two(time.get(3..5))?;
        let offset = match time.rfind(['+', '-']).filter(|sign| *sign >= 5) {
            Some(sign) => {
                let digits: String = time
                    .get(sign + 1..)?
                    .chars()
                    .filter(char::is_ascii_digit)
                    .collect();
                let minutes = two(digits.get(..2))? * 60 + two(digits.get(2..4)).unwrap_or(0);
                if time.get(sign..=sign) == Some("-") {
                    -minutes
                } else {
                    minutes
                }
            }
            None => 0,
        };
        day.0 += i32::try_from((minutes - offset).div_euclid(24 * 60)).ok()?;
    } else if !rest.is_empty() {
        return None;
    }
    Some(day.to_string())
}

/// A numeric time (epoch seconds, or milliseconds above 10¹¹) as the start of its UTC day, in the same unit.
#[must_use]
pub fn day_number(value: f64) -> Option<f64> {
    if !value.is_finite() || value < 0.0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a day has few milliseconds")]
    let day = if value > 1e11 {
        MS_PER_DAY as f64
    } else {
        MS_PER_DAY as f64 / 1000.0
    };
    Some((value / day).floor() * day)
}

#[cfg(test)]
mod tests;
