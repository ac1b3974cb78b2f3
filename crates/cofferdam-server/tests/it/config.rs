//! The configuration folder: every lint has a case, errors say where and what is meant, nothing starts on a broken folder.

mod lints;
mod mail;
mod overrides;
mod process;
mod together;

use crate::support::{Folder, NOW};
use cofferdam_model::TimestampMs;
use cofferdam_server::config::problem::Severity;
use cofferdam_server::config::{self, Loaded};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;

const VENDOR: &str = "name = \"Acme\"\nkind = \"mixpanel\"\nendpoint = \"https://api-eu.mixpanel.com\"\nregion = \"EU\"\n\
    purpose = \"analytics.reporting\"\ntoken_file = \"secrets/acme.token\"\nprojects = [\"console\"]\n\
    [contract]\nexpires = 2030-01-01\nreviewed = 2026-05-01\nbreach_notice_hours = 48\nretention_days = 90\n\
    [receives]\n\"user.behavior\" = \"clear\"\n";

/// A folder without an error or a warning.
fn clean() -> Folder {
    let folder = Folder::new();
    folder.replace(
        "cofferdam.toml",
        "origins = []",
        "origins = [\"https://app.example.com\"]",
    );
    folder.replace(
        "cofferdam.toml",
        "allow_loopback_vendors = true",
        "allow_loopback_vendors = false",
    );
    secret(&folder, "acme.token", "0123456789abcdef0123456789abcdef");
    folder.write("vendors/acme.toml", VENDOR);
    folder
}

fn secret(folder: &Folder, name: &str, text: &str) {
    let path = format!("secrets/{name}");
    folder.write(&path, text);
    std::fs::set_permissions(folder.path(&path), std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn load_with(folder: &Folder, environment: &[(&str, &str)]) -> Loaded {
    let environment: BTreeMap<String, String> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    config::load(&folder.config, &environment, TimestampMs(NOW).day())
}

fn codes(folder: &Folder) -> BTreeSet<&'static str> {
    load_with(folder, &[])
        .problems
        .iter()
        .map(|problem| problem.code)
        .collect()
}

/// File, text in it, its replacement.
type Edit = (&'static str, &'static str, &'static str);

const MAIN: &str = "cofferdam.toml";
const ACME: &str = "vendors/acme.toml";

fn edited(edits: &[Edit]) -> Folder {
    let folder = clean();
    secret(&folder, "shared.token", &folder.token);
    secret(&folder, "short.import", "canary");
    for (file, from, to) in edits {
        folder.replace(file, from, to);
    }
    folder
}

/// Edit, code, line on which it must be found (by its text after the edit), what message and help must say.
const ERROR_CASES: &[(Edit, &str, &str, &str)] = &[
    (
        (MAIN, "public_url", "publik_url"),
        "unknown_key",
        "publik_url",
        "did you mean `public_url`",
    ),
    (
        (MAIN, "[geo]", "[goe]"),
        "unknown_key",
        "[goe]",
        "did you mean `geo`",
    ),
    (
        (
            MAIN,
            "allow_loopback_vendors = false",
            "allow_loopback_vendors = \"no\"",
        ),
        "invalid_value",
        "allow_loopback_vendors",
        "boolean",
    ),
    (
        (
            MAIN,
            "admin_listen = \"127.0.0.1:0\"",
            "admin_listen = \"here\"",
        ),
        "invalid_address",
        "admin_listen",
        "127.0.0.1:8686",
    ),
    (
        (
            MAIN,
            "timezone = \"Europe/Berlin\"",
            "timezone = \"Europe/Berlinn\"",
        ),
        "unknown_timezone",
        "timezone",
        "Europe/Berlin",
    ),
    (
        (MAIN, "consent = \"opt_out\"", "consent = \"optout\""),
        "unknown_name",
        "consent",
        "did you mean `opt_out`",
    ),
    (
        (MAIN, "\"user.behavior\" ", "\"user.behaviour\" "),
        "unknown_category",
        "\"user.behaviour\"",
        "did you mean `user.behavior`",
    ),
    ((MAIN, "[vault]", "[vault"), "invalid_value", "[vault", ""),
    (
        (
            ACME,
            "\"user.behavior\" = \"clear\"",
            "\"user.behavior\" = \"cleer\"",
        ),
        "unknown_name",
        "cleer",
        "did you mean `clear`",
    ),
    (
        (
            ACME,
            "\"user.behavior\" = \"clear\"",
            "\"user.behavior\" = \"sealed\"",
        ),
        "unknown_name",
        "sealed",
        "expected one of",
    ),
    (
        (
            ACME,
            "\"user.behavior\" = \"clear\"",
            "\"unclassified\" = \"clear\"",
        ),
        "unclassified_to_vendor",
        "unclassified",
        "fields.toml",
    ),
    (
        (
            ACME,
            "\"user.behavior\" = \"clear\"",
            "\"secret\" = \"clear\"",
        ),
        "secret_to_vendor",
        "secret\" =",
        "never gets secrets",
    ),
    (
        (ACME, "kind = \"mixpanel\"", "kind = \"mixpannel\""),
        "unknown_name",
        "mixpannel",
        "did you mean `mixpanel`",
    ),
    (
        (ACME, "analytics.reporting", "analytics.reportin"),
        "unknown_purpose",
        "purpose",
        "did you mean `analytics.reporting`",
    ),
    (
        (ACME, "expires = 2030-01-01", "expires = 2030-13-01"),
        "invalid_value",
        "2030-13-01",
        "",
    ),
    (
        (ACME, "projects = [\"console\"]", "projects = [\"consle\"]"),
        "unknown_name",
        "consle",
        "console",
    ),
    (
        (ACME, "retention_days = 90", "retention = 90"),
        "unknown_key",
        "retention = 90",
        "did you mean `retention_days`",
    ),
    (
        (ACME, "[contract]", "[contract]\n[contract]"),
        "invalid_value",
        "[contract]",
        "",
    ),
    (
        (ACME, "[contract]", "mode = \"observe\"\n[contract]"),
        "missing_observe_until",
        "mode",
        "observe_until",
    ),
    (
        (
            ACME,
            "region = \"EU\"",
            "consent = \"none\"\nregion = \"EU\"",
        ),
        "missing_legal_basis",
        "consent",
        "legal_basis",
    ),
    (
        (
            "fields.toml",
            "# \"properties.plan\" = \"user.behavior\"",
            "\"properties.plan\" = \"user.behaviour\"",
        ),
        "unknown_category",
        "properties.plan",
        "did you mean `user.behavior`",
    ),
    (
        (
            "fields.toml",
            "# \"properties.plan\" = \"user.behavior\"",
            "\"plan\" = \"user.behavior\"",
        ),
        "invalid_path",
        "\"plan\"",
        "properties.plan",
    ),
    (
        (
            "fields.toml",
            "# \"properties.plan\" = \"user.behavior\"",
            "\"properties.plan\" = 1",
        ),
        "invalid_value",
        "properties.plan",
        "string",
    ),
    (
        (ACME, "https://api-eu", "https://user:canary@api-eu"),
        "invalid_endpoint",
        "endpoint",
        "token_file",
    ),
    (
        (ACME, "mixpanel.com\"", "mixpanel.com/?key=1\""),
        "invalid_endpoint",
        "endpoint",
        "a query or a fragment",
    ),
    (
        (ACME, "https://api-eu", "api-eu"),
        "invalid_endpoint",
        "endpoint",
        "http(s) URL",
    ),
    (
        (MAIN, "secrets/console.import", "secrets/short.import"),
        "short_secret",
        "import_secret_file",
        "16 characters",
    ),
    (
        (MAIN, "secrets/console.import", "secrets/shared.token"),
        "public_secret",
        "import_secret_file",
        "believed",
    ),
    (
        (MAIN, "secrets/console.import", "secrets/none.import"),
        "missing_secret",
        "import_secret_file",
        "no such file",
    ),
    (
        ("fields.toml", "# \"properties.plan\"", "\"distinct_idea\""),
        "invalid_path",
        "distinct_idea",
        "properties.plan",
    ),
    (
        (MAIN, "\"user.contact\" ", "\"user.emial\" "),
        "unknown_category",
        "user.emial",
        "did you mean `user.contact.email`",
    ),
    (
        (
            "fields.toml",
            "# \"properties.plan\"",
            "\"properties.mine\" = \"user.behavior\"\n\"distinct_id\"",
        ),
        "invalid_policy",
        "distinct_id",
        "user.unique_id",
    ),
    (
        (
            MAIN,
            "\"user.behavior\"                          = \"clear\"",
            "\"user.behavior\" = \"token\"",
        ),
        "invalid_policy",
        "user.behavior",
        "`token` is for vendors",
    ),
    (
        (
            MAIN,
            "[vault]",
            "[store]\nflush_seconds = 9223372036854775807\n[vault]",
        ),
        "out_of_bounds",
        "flush_seconds",
        "from 0 to 86400",
    ),
    (
        (MAIN, "[vault]", "[limits]\nbody_bytes_max = 0\n[vault]"),
        "out_of_bounds",
        "body_bytes_max",
        "from 1000 to",
    ),
    (
        (
            MAIN,
            "[vault]",
            "[journal]\nkeep_hours = 9223372036854775807\n[vault]",
        ),
        "out_of_bounds",
        "keep_hours",
        "from 0 to 87600",
    ),
    (
        (ACME, "retention_days = 90", "retention_days = 4000000000"),
        "out_of_bounds",
        "retention_days",
        "from 0 to 36500",
    ),
];

#[test]
fn errors_name_file_and_line_and_what_is_meant() {
    for ((file, from, to), code, line, says) in ERROR_CASES {
        let folder = edited(&[(*file, *from, *to)]);
        let loaded = load_with(&folder, &[]);
        assert!(!loaded.is_usable(), "{to} is no error");
        let found = loaded
            .problems
            .iter()
            .find(|problem| problem.code == *code && problem.severity == Severity::Error);
        let Some(found) = found else {
            panic!("`{to}` is not `{code}`: {:?}", loaded.problems)
        };
        assert!(
            found.file.ends_with(file),
            "{code} in {}",
            found.file.display()
        );
        let text = std::fs::read_to_string(folder.path(file)).unwrap();
        let at = found
            .line
            .checked_sub(1)
            .and_then(|line| text.lines().nth(line));
        assert!(
            at.is_some_and(|at| at.contains(line)),
            "`{to}` was found at line {} ({at:?})",
            found.line
        );
        let shown = found.to_string();
        assert!(shown.contains(says), "`{to}` says: {shown}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(
            shown.contains(&format!("{}:{}:", found.file.display(), found.line)),
            "{shown}"
        );
    }
}

#[test]
fn a_vendors_id_is_a_name_that_stays_in_its_folder() {
    let long = "x".repeat(65);
    for (id, is_good) in [
        ("..", false),
        ("Bad Name!", false),
        (".hidden", false),
        ("münchen", false),
        (long.as_str(), false),
        ("acme-2_eu.v1", true),
    ] {
        let folder = clean();
        folder.write(&format!("vendors/{id}.toml"), VENDOR);
        let loaded = load_with(&folder, &[]);
        assert_eq!(loaded.is_usable(), is_good, "{id}: {:?}", loaded.problems);
        let found = loaded
            .problems
            .iter()
            .find(|problem| problem.code == "invalid_vendor_id");
        assert_eq!(found.is_none(), is_good, "{id}");
        let is_placed =
            found.is_none_or(|found| found.line == 1 && found.file.ends_with(format!("{id}.toml")));
        assert!(is_placed, "{found:?}");
    }
}

#[test]
fn the_host_of_an_endpoint_is_compared_as_hosts_are() {
    for host in [
        "API.mixpanel.com",
        "api.mixpanel.com.",
        "API.Mixpanel.com.:443",
    ] {
        let folder = edited(&[(ACME, "api-eu.mixpanel.com", host)]);
        assert!(codes(&folder).contains("region_mismatch"), "{host}");
    }
}
