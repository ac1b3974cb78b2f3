//! The configuration folder: every lint has a case, errors say where and what is meant, nothing starts on a broken folder.

use crate::support::{FakeVendor, Folder, NOW, TestServer, call};
use cofferdam_model::TimestampMs;
use cofferdam_server::config::lints::LINTS;
use cofferdam_server::config::problem::{Problem, Severity};
use cofferdam_server::config::{self, Loaded};
use cofferdam_server::system::{Seams, System};
use hyper::Method;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
];

fn edited(edits: &[Edit]) -> Folder {
    let folder = clean();
    secret(&folder, "shared.token", &folder.token);
    for (file, from, to) in edits {
        folder.replace(file, from, to);
    }
    folder
}

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
        assert!(
            !found.message.is_empty() && !found.help.is_empty(),
            "{code}"
        );
    }
    assert_eq!(LINT_CASES.len(), LINTS.len());
    assert!(LINTS.len() >= 12);
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
        assert!(
            shown.contains(&format!("{}:{}:", found.file.display(), found.line)),
            "{shown}"
        );
    }
}

#[test]
fn environment_overrides_are_checked_like_the_file() {
    let folder = clean();
    let fine = load_with(
        &folder,
        &[
            ("COFFERDAM__SERVER__PUBLIC_URL", "https://t.example.com"),
            ("COFFERDAM__LIMITS__BODY_BYTES_MAX", "1000"),
        ],
    );
    let config = fine.config.unwrap();
    assert_eq!(config.server.public_url, "https://t.example.com");
    assert_eq!(config.limits.body_bytes_max, 1000);
    for (name, value, code, says) in [
        (
            "COFFERDAM__SERVER__PUBLIK_URL",
            "https://t.example.com",
            "unknown_key",
            "did you mean `public_url`",
        ),
        (
            "COFFERDAM__SERVER__LISTEN",
            "nowhere",
            "invalid_address",
            "nowhere",
        ),
        (
            "COFFERDAM__LIMITS__BODY_BYTES_MAX",
            "many",
            "invalid_value",
            "a whole number",
        ),
        (
            "COFFERDAM__DATA_DIR__X",
            "1",
            "invalid_override",
            "COFFERDAM__DATA_DIR__X",
        ),
    ] {
        let loaded = load_with(&folder, &[(name, value)]);
        assert!(!loaded.is_usable(), "{name}");
        let found = loaded.problems.iter().find(|problem| problem.code == code);
        let Some(found) = found else {
            panic!("{name}: {:?}", loaded.problems)
        };
        assert!(found.to_string().contains(says), "{name}: {found}");
    }
    // What is in the file is still found on its own line.
    folder.replace(ACME, "2030-01-01", "2026-05-31");
    folder.replace(MAIN, "https://app.example.com", "*");
    let loaded = load_with(
        &folder,
        &[("COFFERDAM__SERVER__PUBLIC_URL", "https://t.example.com")],
    );
    let found = loaded
        .problems
        .iter()
        .find(|problem| problem.code == "wildcard_origin")
        .unwrap();
    let text = std::fs::read_to_string(&folder.config).unwrap();
    let at = text.lines().nth(found.line.wrapping_sub(1));
    assert!(
        at.is_some_and(|at| at.starts_with("name = ")),
        "line {} is {at:?}",
        found.line
    );
}

fn cofferdam(config: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cofferdam"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn error_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn check_exits_0_or_2_and_serve_starts_nothing_on_a_broken_folder() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cofferdam.toml");
    assert_eq!(
        code(&cofferdam(&config, &["check"])),
        2,
        "there is no folder yet"
    );
    let made = cofferdam(&config, &["init", dir.path().to_str().unwrap()]);
    assert_eq!(code(&made), 0, "{}", error_text(&made));
    let checked = cofferdam(&config, &["--json", "check"]);
    assert_eq!(code(&checked), 0);
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(
        (&report["usable"], &report["errors"]),
        (&json!(true), &json!(0)),
        "{report}"
    );
    let key = std::fs::read(dir.path().join("secrets/master.key")).unwrap();
    assert_eq!(
        code(&cofferdam(&config, &["init", dir.path().to_str().unwrap()])),
        1,
        "init overwrites nothing"
    );
    assert_eq!(
        std::fs::read(dir.path().join("secrets/master.key")).unwrap(),
        key
    );

    std::fs::write(
        dir.path().join("vendors/acme.toml"),
        "name = \"Acme\"\nknid = \"mixpanel\"\n",
    )
    .unwrap();
    let checked = cofferdam(&config, &["check"]);
    assert_eq!(code(&checked), 2);
    let text = String::from_utf8_lossy(&checked.stdout);
    assert!(
        text.contains("acme.toml:2:1: error[unknown_key]") && text.contains("did you mean `kind`"),
        "{text}"
    );
    let served = cofferdam(&config, &["serve"]);
    assert_eq!(code(&served), 2);
    assert!(
        error_text(&served).contains("acme.toml:2:1"),
        "{}",
        error_text(&served)
    );
    assert!(!dir.path().join("data").exists(), "nothing was made");
    assert_eq!(code(&cofferdam(&config, &["radius", "acme"])), 2);
    assert_eq!(code(&cofferdam(&config, &["no-such-verb"])), 2);
}

/// Every file of a directory with its content, but for the lock, and the databases, whose pools close after the server has stopped.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            all.extend(
                content(&entry.path())
                    .into_iter()
                    .map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)),
            );
        } else if name != "lock" && !name.contains(".db") {
            all.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

async fn used_folder() -> Folder {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    server.track(json!([{ "event": "Used", "properties": { "token": token, "distinct_id": "u", "$insert_id": "i1" } }])).await;
    server.flush().await;
    server.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_wrong_master_key_a_newer_format_and_a_second_process_are_refused() {
    let folder = used_folder().await;
    let data = folder.path("data");
    let before = content(&data);
    let key = std::fs::read(folder.path("secrets/master.key")).unwrap();

    std::fs::remove_file(folder.path("secrets/master.key")).unwrap();
    let served = cofferdam(&folder.config, &["serve"]);
    assert_eq!(code(&served), 1);
    assert!(
        error_text(&served).contains("master key"),
        "{}",
        error_text(&served)
    );
    assert!(
        !folder.path("secrets/master.key").exists(),
        "no new key is made beside data"
    );
    assert!(content(&data) == before, "a missing key changed the data");

    secret(&folder, "master.key", &"5a".repeat(32));
    let served = cofferdam(&folder.config, &["serve"]);
    assert_eq!(code(&served), 1);
    assert!(
        error_text(&served).contains("vault"),
        "{}",
        error_text(&served)
    );
    let after = content(&data);
    for (name, bytes) in before
        .iter()
        .filter(|(name, _)| !name.starts_with("audit/") && !name.starts_with("control.db"))
    {
        assert!(after.get(name) == Some(bytes), "a wrong key changed {name}");
    }
    std::fs::write(folder.path("secrets/master.key"), &key).unwrap();

    std::fs::write(data.join("format"), "99\n").unwrap();
    let before = content(&data);
    let served = cofferdam(&folder.config, &["serve"]);
    assert_eq!(code(&served), 1);
    assert!(
        error_text(&served).contains("newer"),
        "{}",
        error_text(&served)
    );
    assert!(content(&data) == before, "a newer format was changed");
    std::fs::write(data.join("format"), "1\n").unwrap();

    let server = TestServer::start(folder).await;
    let config = server.folder.config.clone();
    let served = tokio::task::spawn_blocking(move || cofferdam(&config, &["serve"]))
        .await
        .unwrap();
    assert_eq!(code(&served), 4, "{}", error_text(&served));
    server.track(json!([{ "event": "Used", "properties": { "token": server.folder.token, "distinct_id": "u" } }])).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_breaks_while_serving_stops_vendors_and_not_intake() {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    folder.vendor(
        "acme",
        vendor.address,
        "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"",
    );
    let server = TestServer::start(folder).await;
    let token = server.folder.token.clone();
    let event = |id: &str| json!([{ "event": "Used", "properties": { "token": token, "distinct_id": id, "$insert_id": id, "plan": id } }]);
    server.track(event("before")).await;
    vendor.wait_for(1).await;

    server.folder.replace(ACME, "kind =", "knid =");
    let problems = server.system.reload().await.unwrap_err();
    assert!(
        problems.iter().any(|problem| problem.code == "unknown_key"),
        "{problems:?}"
    );
    server.track(event("while-broken")).await;
    server.flush().await;
    let (_, overview) = server.api(Method::GET, "/api/v1/overview", None).await;
    assert_eq!(
        (&overview["accepted"], &overview["stored"]),
        (&json!(2), &json!(2)),
        "home goes on"
    );

    assert_eq!(
        vendor.received.lock().unwrap().len(),
        1,
        "the vendor is stopped"
    );

    server.folder.replace(ACME, "knid =", "kind =");
    server.system.reload().await.unwrap();
    server.track(event("after")).await;
    // What waited goes on under the policy that parses again.
    let received = vendor.wait_for(3).await;
    let plans: Vec<&serde_json::Value> = received
        .iter()
        .map(|(_, item)| &item["properties"]["plan"])
        .collect();
    assert_eq!(plans, ["before", "while-broken", "after"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_read_is_refused_before_anything_listens() {
    let folder = Folder::new();
    std::fs::write(folder.path("secrets/console.import"), "short").unwrap();
    let loaded = load_with(&folder, &[]);
    let opened = System::open(loaded.into_result().unwrap(), Seams::default()).await;
    let error = format!("{:#}", opened.unwrap_err());
    assert!(
        error.contains("console.import") && !error.contains("short\""),
        "{error}"
    );
    let (status, _) = {
        let server = TestServer::start(Folder::new()).await;
        let answer = call(
            server.listeners.intake,
            Method::GET,
            "/healthz",
            &[],
            "".into(),
        )
        .await;
        server.stop().await;
        answer
    };
    assert_eq!(status, 200);
    assert!(codes(&Folder::new()).contains("wildcard_origin"));
}
