//! Lints: what works and should not stay. Each has a code, a test and a way out.
//!
//! Invariant: a lint reads only the configuration (and file permissions), never data; `serve` starts in spite of lints.

mod fields;
mod files;
mod home;
mod mail;
mod project;
mod vendor;

use super::Config;
use super::folder::Folder;
use super::problem::{Problem, Severity, SourceFile};
use cofferdam_model::Day;
use std::ops::Range;
use toml::Spanned;

/// Every lint's code and what it means, for the documentation.
pub const LINTS: &[(&str, &str)] = &[
    (
        "admin_not_loopback",
        "the admin listener is reachable from other machines",
    ),
    (
        "clear_identifier",
        "an analytics vendor gets a direct identifier in clear",
    ),
    (
        "contract_expired",
        "the contract is over; the vendor gets nothing",
    ),
    ("contract_expires_soon", "the contract ends within 30 days"),
    (
        "fine_location",
        "a vendor gets a location finer than the country",
    ),
    (
        "home_clear_identifier",
        "home keeps a direct identifier in clear instead of sealed",
    ),
    (
        "late_breach_notice",
        "the vendor may tell of a breach later than in 72 hours, or never",
    ),
    ("long_observe", "observe mode runs for more than 90 days"),
    (
        "master_key_in_data_dir",
        "the master key lies beside the data that it protects",
    ),
    (
        "no_behavior",
        "the vendor gets no events, because user.behavior is not listed",
    ),
    (
        "no_consent_for_advertising",
        "advertising without a positive signal from the person",
    ),
    (
        "no_public_url",
        "intake listens to the network but has no public_url",
    ),
    (
        "no_retention",
        "the vendor's retention is unknown, so history stays exposed for ever",
    ),
    (
        "observe_over",
        "observe mode is over; the contract is enforced",
    ),
    ("open_secret_file", "a secret's file can be read by others"),
    ("plain_http_endpoint", "the vendor's endpoint is not HTTPS"),
    ("plain_public_url", "public_url is not HTTPS"),
    (
        "region_mismatch",
        "the endpoint is not in the contract's region; the vendor gets nothing",
    ),
    ("region_unknown", "the endpoint's region is not known"),
    ("review_overdue", "the contract was not reviewed for a year"),
    ("token_reused", "one token is used for two things"),
    ("trusts_everyone", "trusted_proxies includes every address"),
    ("unused_vendor", "the vendor serves no project"),
    ("wildcard_origin", "any page on the web may send events"),
    (
        "cross_region_project",
        "the vendor is in another region than the project's data",
    ),
    (
        "whole_user_listed",
        "a vendor's table lists `user`, which is nearly everything",
    ),
    (
        "declared_unprotected",
        "a line of fields.toml calls a secret or an identifier something harmless",
    ),
    (
        "empty_vendor_token",
        "the vendor's token file is missing or empty; the vendor gets nothing",
    ),
    (
        "form_never_applies",
        "a form in [receives] fits no field of its category",
    ),
    (
        "home_clear_protected",
        "home keeps in clear what it should not keep: payment and government data, free text, addresses, cookies",
    ),
    (
        "home_no_behavior",
        "home stores no events, because user.behavior is withheld",
    ),
    (
        "impossible_origin",
        "no browser sends an origin that is listed",
    ),
    (
        "missing_file",
        "a file that the server reads at its start is not there",
    ),
    (
        "same_listener",
        "intake and the web app are to listen on the same port",
    ),
    (
        "no_mail_recipients",
        "mail is configured, and nobody may be sent to",
    ),
    ("plain_mail", "mails go to another machine without TLS"),
    ("zero_limit", "a limit of 0 lets nothing through"),
];

/// Lints a resolved configuration.
#[must_use]
pub fn lint(config: &Config, folder: &Folder, today: Day) -> Vec<Problem> {
    let mut problems = Vec::new();
    project::lint(config, folder, &mut problems);
    home::lint(config, folder, &mut problems);
    fields::lint(folder, &mut problems);
    files::lint(config, folder, &mut problems);
    mail::lint(config, folder, &mut problems);
    vendor::lint(config, folder, today, &mut problems);
    problems
}

/// A warning at a span of a file.
fn warning(
    source: &SourceFile,
    code: &'static str,
    span: Option<Range<usize>>,
    message: impl Into<String>,
    help: &str,
) -> Problem {
    debug_assert!(
        LINTS.iter().any(|(known, _)| *known == code),
        "{code} is not in the table of lints"
    );
    source.problem(
        Severity::Warning,
        code,
        span.filter(|span| span.end > 0),
        message,
        help,
    )
}

/// The span of a value, if it was written.
fn span<T>(value: &Spanned<T>) -> Option<Range<usize>> {
    Some(value.span())
}
