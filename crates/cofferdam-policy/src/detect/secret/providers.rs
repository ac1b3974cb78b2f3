//! Prefixes of well-known providers' tokens, what follows them and how much of it, as the providers document for secret scanning.
//!
//! Invariant: sorted by first byte; where one prefix begins another, the longer stands first or its alphabet keeps them apart.

use crate::rules::RuleId;

/// Characters of what follows a prefix.
#[derive(Clone, Copy)]
pub(super) enum Alphabet {
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
    pub(super) fn holds(self, byte: u8) -> bool {
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
pub(super) type Provider = (&'static str, Alphabet, usize, RuleId);

const PROVIDERS: &[Provider] = &providers();

const fn providers() -> [Provider; 62] {
    use Alphabet::{Alnum, Dotted, Hex, Upper, Url};
    const SLACK: RuleId = RuleId::value("value.slack");
    const MAILGUN: RuleId = RuleId::value("value.mailgun");
    const VAULT: RuleId = RuleId::value("value.vault");
    const OPENAI: RuleId = RuleId::value("value.openai");
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
        ("AIza", Url, 35, GOOGLE),
        ("AC", Hex, 32, TWILIO),
        ("ATATT3", Url, 60, ATLASSIAN),
        ("ATCTT3", Url, 60, ATLASSIAN),
        ("AGE-SECRET-KEY-1", Upper, 50, AGE_KEY),
        ("GOCSPX-", Url, 20, GOOGLE),
        ("PMAK-", Url, 50, LINEAR),
        ("SG.", Dotted, 40, SENDGRID),
        ("SK", Hex, 32, TWILIO),
        ("dop_v1_", Hex, 64, DIGITALOCEAN),
        ("doo_v1_", Hex, 64, DIGITALOCEAN),
        ("dor_v1_", Hex, 64, DIGITALOCEAN),
        ("dckr_pat_", Url, 27, DOCKER),
        ("dapi", Hex, 32, DATABRICKS),
        ("figd_", Url, 32, LINEAR),
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
        ("hf_", Alnum, 30, HUGGING_FACE),
        ("hvs.", Url, 24, VAULT),
        ("hvb.", Url, 24, VAULT),
        ("key-", Hex, 32, MAILGUN),
        ("lin_api_", Alnum, 32, LINEAR),
        ("npm_", Alnum, 36, NPM),
        ("ntn_", Alnum, 40, LINEAR),
        ("pypi-", Url, 50, PYPI),
        ("phx_", Alnum, 32, POSTHOG),
        ("rk_live_", Alnum, 16, STRIPE),
        ("rk_test_", Alnum, 16, STRIPE),
        ("sk_live_", Alnum, 16, STRIPE),
        ("sk_test_", Alnum, 16, STRIPE),
        ("sk-proj-", Url, 20, OPENAI),
        ("sk-svcacct-", Url, 20, OPENAI),
        ("sk-admin-", Url, 20, OPENAI),
        ("sk-ant-", Url, 20, ANTHROPIC),
        ("shpat_", Hex, 32, SHOPIFY),
        ("shpss_", Hex, 32, SHOPIFY),
        ("shpca_", Hex, 32, SHOPIFY),
        ("sq0atp-", Url, 22, SQUARE),
        ("sq0csp-", Url, 43, SQUARE),
        ("whsec_", Alnum, 24, STRIPE),
        ("xoxb-", Url, 20, SLACK),
        ("xoxp-", Url, 20, SLACK),
        ("xoxa-", Url, 20, SLACK),
        ("xoxr-", Url, 20, SLACK),
        ("xoxs-", Url, 20, SLACK),
        ("xoxe-", Url, 20, SLACK),
        ("xapp-", Url, 20, SLACK),
        ("ya29.", Url, 20, GOOGLE),
    ]
}

/// Where the rows of a first byte begin and end.
const RANGES: [(u8, u8); 128] = ranges();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated at build time; the table has fewer than 256 rows of ASCII prefixes"
)]
const fn ranges() -> [(u8, u8); 128] {
    let mut ranges = [(0, 0); 128];
    let mut row = 0;
    while row < PROVIDERS.len() {
        let first = PROVIDERS[row].0.as_bytes()[0] as usize;
        if ranges[first].1 == 0 {
            ranges[first].0 = row as u8;
        }
        ranges[first].1 = row as u8 + 1;
        row += 1;
    }
    ranges
}

/// The rows whose prefix begins with a byte.
pub(super) fn beginning_with(first: u8) -> &'static [Provider] {
    let (from, to) = RANGES.get(usize::from(first)).copied().unwrap_or((0, 0));
    PROVIDERS
        .get(usize::from(from)..usize::from(to))
        .unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::{PROVIDERS, beginning_with};

    #[test]
    fn every_row_is_reached_by_its_first_byte() {
        assert!(PROVIDERS.is_sorted_by_key(|row| row.0.as_bytes().first()));
        for (prefix, ..) in PROVIDERS {
            let first = prefix.as_bytes()[0];
            assert!(beginning_with(first).iter().any(|row| row.0 == *prefix));
        }
        assert!(beginning_with(b'#').is_empty() && beginning_with(0xff).is_empty());
    }
}
