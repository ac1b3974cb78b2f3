//! Every lint has a case that triggers it, stands in a line, and is silent about what is well.

use super::{ACME, Edit, MAIN, clean, codes, edited, load_with, secret};
use cofferdam_server::config::lints::LINTS;
use cofferdam_server::config::problem::{Problem, Severity};

const FIELDS: &str = "fields.toml";

/// What triggers each lint.
const LINT_CASES: &[(&str, &[Edit])] = &[
    (
        "admin_not_loopback",
        &[(
            MAIN,
            "admin_listen = \"127.0.0.1:0\"",
            "admin_listen = \"0.0.0.0:0\"",
        )],
    ),
    (
        "clear_identifier",
        &[(
            ACME,
            "[receives]",
            "[receives]\n\"user.contact.email\" = \"clear\"",
        )],
    ),
    ("contract_expired", &[(ACME, "2030-01-01", "2026-05-31")]),
    (
        "contract_expires_soon",
        &[(ACME, "2030-01-01", "2026-06-15")],
    ),
    (
        "cross_region_project",
        &[(MAIN, "region = \"EU\"", "region = \"US\"")],
    ),
    (
        "fine_location",
        &[(
            ACME,
            "[receives]",
            "[receives]\n\"user.location\" = \"region\"",
        )],
    ),
    (
        "home_clear_identifier",
        &[(
            MAIN,
            "\"user.name\"                              = \"sealed\"",
            "\"user.name\" = \"clear\"",
        )],
    ),
    (
        "late_breach_notice",
        &[(ACME, "breach_notice_hours = 48", "breach_notice_hours = 96")],
    ),
    (
        "long_observe",
        &[(
            ACME,
            "[contract]",
            "mode = \"observe\"\nobserve_until = 2026-12-31\n[contract]",
        )],
    ),
    (
        "master_key_in_data_dir",
        &[(MAIN, "secrets/master.key", "data/master.key")],
    ),
    (
        "no_behavior",
        &[(
            ACME,
            "\"user.behavior\" = \"clear\"",
            "\"user.unique_id\" = \"token\"",
        )],
    ),
    (
        "no_consent_for_advertising",
        &[(ACME, "analytics.reporting", "marketing.advertising")],
    ),
    (
        "no_public_url",
        &[(
            MAIN,
            "\nlisten = \"127.0.0.1:0\"",
            "\nlisten = \"0.0.0.0:0\"",
        )],
    ),
    ("no_retention", &[(ACME, "retention_days = 90\n", "")]),
    (
        "observe_over",
        &[(
            ACME,
            "[contract]",
            "mode = \"observe\"\nobserve_until = 2026-05-31\n[contract]",
        )],
    ),
    (
        "open_secret_file",
        &[(ACME, "secrets/acme.token", "fields.toml")],
    ),
    ("plain_http_endpoint", &[(ACME, "https://", "http://")]),
    (
        "plain_public_url",
        &[(
            MAIN,
            "public_url = \"\"",
            "public_url = \"http://t.example.com\"",
        )],
    ),
    (
        "plain_mail",
        &[(
            MAIN,
            "[vault]",
            "[mail]\nhost = \"mail.example.com\"\nfrom = \"a@example.com\"\nrecipients = [\"example.com\"]\ntls = \"none\"\n[vault]",
        )],
    ),
    (
        "no_mail_recipients",
        &[(
            MAIN,
            "[vault]",
            "[mail]\nhost = \"localhost\"\nfrom = \"a@example.com\"\ntls = \"none\"\n[vault]",
        )],
    ),
    (
        "region_mismatch",
        &[(ACME, "api-eu.mixpanel.com", "api.mixpanel.com")],
    ),
    (
        "region_unknown",
        &[(ACME, "api-eu.mixpanel.com", "collect.example.com")],
    ),
    (
        "review_overdue",
        &[(ACME, "reviewed = 2026-05-01", "reviewed = 2025-05-31")],
    ),
    (
        "token_reused",
        &[(ACME, "secrets/acme.token", "secrets/shared.token")],
    ),
    (
        "trusts_everyone",
        &[(
            MAIN,
            "trusted_proxies = []",
            "trusted_proxies = [\"0.0.0.0/0\"]",
        )],
    ),
    (
        "unused_vendor",
        &[(ACME, "projects = [\"console\"]", "projects = []")],
    ),
    (
        "whole_user_listed",
        &[(ACME, "[receives]", "[receives]\n\"user\" = \"token\"")],
    ),
    ("wildcard_origin", &[(MAIN, "https://app.example.com", "*")]),
    (
        "declared_unprotected",
        &[(FIELDS, "# \"properties.plan\"", "\"properties.password\"")],
    ),
    (
        "empty_vendor_token",
        &[(ACME, "secrets/acme.token", "secrets/none.token")],
    ),
    (
        "form_never_applies",
        &[(
            ACME,
            "[receives]",
            "[receives]\n\"user.name\" = \"country\"",
        )],
    ),
    (
        "home_clear_protected",
        &[(
            MAIN,
            "\"user.payment\"                           = \"withheld\"",
            "\"user.payment\" = \"clear\"",
        )],
    ),
    (
        "home_no_behavior",
        &[(
            MAIN,
            "\"user.behavior\"                          = \"clear\"",
            "\"user.behavior\" = \"withheld\"",
        )],
    ),
    (
        "impossible_origin",
        &[(MAIN, "https://app.example.com", "https://app.example.com/x")],
    ),
    (
        "missing_file",
        &[(
            MAIN,
            "database_file = \"\"",
            "database_file = \"none.mmdb\"",
        )],
    ),
    (
        "same_listener",
        &[
            (
                MAIN,
                "\nlisten = \"127.0.0.1:0\"",
                "\nlisten = \"127.0.0.1:8686\"",
            ),
            (
                MAIN,
                "admin_listen = \"127.0.0.1:0\"",
                "admin_listen = \"127.0.0.1:8686\"",
            ),
        ],
    ),
    (
        "zero_limit",
        &[(MAIN, "[vault]", "[journal]\nkeep_days = 0\n[vault]")],
    ),
];

#[test]
fn every_lint_is_triggered_by_its_case_and_by_nothing_clean() {
    assert_eq!(load_with(&clean(), &[]).problems, Vec::<Problem>::new());
    for (code, _) in LINTS {
        let Some((_, edits)) = LINT_CASES.iter().find(|(known, _)| known == code) else {
            panic!("the lint `{code}` has no case");
        };
        let loaded = load_with(&edited(edits), &[]);
        let found = loaded.problems.iter().find(|problem| problem.code == *code);
        let Some(found) = found else {
            panic!("`{code}` was not found: {:?}", loaded.problems)
        };
        assert_eq!(found.severity, Severity::Warning, "{code}");
        assert!(
            loaded.is_usable(),
            "{code} is a lint, no error: {:?}",
            loaded.problems
        );
        assert!(found.line > 0, "{code} is in no line: {found}");
        assert!(
            !found.message.is_empty() && !found.help.is_empty(),
            "{code}"
        );
    }
    assert_eq!(LINT_CASES.len(), LINTS.len());
    assert!(LINTS.len() >= 12);
}

/// Lint, file, text in it, and replacements of which each triggers the lint, or none does.
type Variants = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    bool,
);

const VARIANTS: &[Variants] = &[
    (
        "impossible_origin",
        MAIN,
        "https://app.example.com",
        &[
            "app.example.com",
            "https://App.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "null",
            "https://user@app.example.com",
            "https://bücher.example",
        ],
        true,
    ),
    (
        "impossible_origin",
        MAIN,
        "https://app.example.com",
        &[
            "https://app.example.com/",
            "https://app.example.com:8443",
            "http://localhost:3000",
            "capacitor://localhost",
            "https://xn--bcher-kva.example",
            "http://[::1]:3000",
            "*",
        ],
        false,
    ),
    (
        "declared_unprotected",
        FIELDS,
        "# \"properties.plan\"",
        &[
            "\"properties.$email\"",
            "\"profile.$email\"",
            "\"properties.api_key\"",
            "\"properties.card_number\"",
            "\"properties.$device_id\"",
            "\"properties.user.email\"",
        ],
        true,
    ),
    (
        "declared_unprotected",
        FIELDS,
        "# \"properties.plan\"",
        &[
            "\"properties.plan\"",
            "\"properties.title\"",
            "\"properties.company\"",
            "\"event\"",
            "\"group.plan\"",
            "\"properties.plan_id\"",
        ],
        false,
    ),
    (
        "form_never_applies",
        ACME,
        "[receives]",
        &[
            "[receives]\n\"user.device\" = \"path\"",
            "[receives]\n\"user.contact.email\" = \"day\"",
            "[receives]\n\"user.device.ip_address\" = \"country\"",
        ],
        true,
    ),
    (
        "form_never_applies",
        ACME,
        "[receives]",
        &[
            "[receives]\n\"user.device\" = \"family\"",
            "[receives]\n\"user.location\" = \"country\"",
            "[receives]\n\"user.device.ip_address\" = \"subnet\"",
            "[receives]\n\"user.behavior.referrer\" = \"origin\"",
            "[receives]\n\"user\" = \"country\"",
        ],
        false,
    ),
    (
        "zero_limit",
        MAIN,
        "[vault]",
        &[
            "[egress]\nbacklog_bytes_max = 0\n[vault]",
            "[store]\nflush_seconds = 0\n[vault]",
        ],
        true,
    ),
    (
        "zero_limit",
        MAIN,
        "[vault]",
        &["[limits]\nevents_per_minute_max = 0\n[store]\nretention_days = 0\n[vault]"],
        false,
    ),
    (
        "same_listener",
        MAIN,
        "\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"",
        &["\nlisten = \"0.0.0.0:8686\"\nadmin_listen = \"127.0.0.1:8686\""],
        true,
    ),
];

#[test]
fn a_lint_speaks_of_every_variant_and_of_nothing_else() {
    for (code, file, from, variants, speaks) in VARIANTS {
        for to in *variants {
            let folder = clean();
            let text = std::fs::read_to_string(folder.path(file)).unwrap();
            // Comments stand between what the cases name.
            let plain: Vec<&str> = text
                .lines()
                .map(|line| line.split("  #").next().unwrap_or(line).trim_end())
                .collect();
            folder.write(file, &plain.join("\n"));
            folder.replace(file, from, to);
            let loaded = load_with(&folder, &[]);
            assert!(loaded.is_usable(), "{to}: {:?}", loaded.problems);
            let found = loaded.problems.iter().any(|problem| problem.code == *code);
            assert_eq!(found, *speaks, "{code}, {to}: {:?}", loaded.problems);
        }
    }
}

#[test]
fn home_is_told_what_it_should_not_keep_in_clear() {
    for category in [
        "user.financial.credit_card",
        "user.content",
        "user.device.ip_address",
        "user.government_id",
        "secret",
    ] {
        let folder = clean();
        let text = std::fs::read_to_string(folder.path(MAIN)).unwrap();
        let home: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with(&format!("\"{category}\"")))
            .collect();
        folder.write(
            MAIN,
            &format!("{}\n\"{category}\" = \"clear\"\n", home.join("\n")),
        );
        assert!(
            codes(&folder).contains("home_clear_protected"),
            "{category}"
        );
    }
}

#[test]
fn a_vendors_warnings_stand_in_the_vendors_file() {
    let folder = clean();
    secret(&folder, "acme.token", "");
    std::fs::set_permissions(
        folder.path("secrets/acme.token"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let loaded = load_with(&folder, &[]);
    let text = std::fs::read_to_string(folder.path(ACME)).unwrap();
    for code in ["empty_vendor_token", "open_secret_file"] {
        let found = loaded
            .problems
            .iter()
            .find(|problem| problem.code == code)
            .unwrap();
        assert!(found.file.ends_with(ACME), "{found}");
        let line = text.lines().nth(found.line - 1).unwrap();
        assert!(line.starts_with("token_file"), "{found}: {line}");
    }
}
