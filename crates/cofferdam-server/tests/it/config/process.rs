//! The binary and a running server on a folder: exit codes, refusals that change nothing, a folder that breaks while serving.

use super::{ACME, load_with, secret};
use crate::support::{FakeVendor, Folder, TestServer};
use cofferdam_server::projects::Projects;
use hyper::Method;
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
    assert!(
        !dir.path().join("data").try_exists().unwrap(),
        "nothing was made"
    );
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

    // What `serve` refuses, `check` says: where, what, and what to do.
    let said_by_check = |code_wanted: &str| {
        let checked = cofferdam(&folder.config, &["check"]);
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert_eq!(code(&checked), 2, "{said}");
        assert!(
            said.contains(&format!("error[{code_wanted}]")) && said.contains("cofferdam.toml:"),
            "{said}"
        );
        assert!(content(&data) == before, "check changed the data");
        said
    };
    assert_eq!(code(&cofferdam(&folder.config, &["check"])), 0);
    std::fs::remove_file(folder.path("secrets/master.key")).unwrap();
    said_by_check("missing_master_key");
    let served = cofferdam(&folder.config, &["serve"]);
    assert_eq!(code(&served), 2);
    assert!(
        error_text(&served).contains("master key"),
        "{}",
        error_text(&served)
    );
    assert!(
        !folder.path("secrets/master.key").try_exists().unwrap(),
        "no new key is made beside data"
    );
    assert!(content(&data) == before, "a missing key changed the data");

    secret(&folder, "master.key", "5a5a");
    said_by_check("unusable_master_key");
    assert_eq!(code(&cofferdam(&folder.config, &["serve"])), 2);
    secret(&folder, "master.key", &"5a".repeat(32));
    let said = said_by_check("wrong_master_key");
    assert!(said.contains("secrets/master.key does not open"), "{said}");
    let served = cofferdam(&folder.config, &["serve"]);
    assert_eq!(code(&served), 2);
    assert_eq!(code(&cofferdam(&folder.config, &["vendor", "list"])), 2);
    let said = error_text(&served);
    assert!(
        said.contains("vault.master_key_file") && said.contains("secrets/master.key"),
        "{said}"
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
    assert_eq!(code(&served), 4);
    assert!(
        error_text(&served).contains("newer"),
        "{}",
        error_text(&served)
    );
    assert!(content(&data) == before, "a newer format was changed");
    std::fs::write(data.join("format"), "1\n").unwrap();

    let server = TestServer::start(folder).await;
    let config = server.folder.config.clone();
    let run = move || ["serve", "check"].map(|verb| cofferdam(&config, &[verb]));
    let [served, checked] = tokio::task::spawn_blocking(run).await.unwrap();
    assert_eq!(code(&served), 4, "{}", error_text(&served));
    assert_eq!(code(&checked), 0, "{}", error_text(&checked));
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

#[test]
fn an_import_secret_that_is_too_short_starts_nothing() {
    let folder = Folder::new();
    std::fs::write(folder.path("secrets/console.import"), "canary").unwrap();
    let served = cofferdam(&folder.config, &["serve"]);
    assert_eq!(code(&served), 2, "{}", error_text(&served));
    let said = error_text(&served);
    assert!(
        said.contains("short_secret") && !said.contains("canary"),
        "{said}"
    );
    assert!(!folder.path("data").try_exists().unwrap());
    // A file that vanishes between the check and the start is found by the start.
    let folder = Folder::new();
    let config = load_with(&folder, &[]).into_result().unwrap();
    std::fs::write(folder.path("secrets/console.import"), "canary").unwrap();
    let error = Projects::load(&config).unwrap_err().to_string();
    assert!(
        error.contains("console.import") && !error.contains("canary"),
        "{error}"
    );
}

#[test]
fn a_directory_that_is_none_of_ours_exits_4() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("data")).unwrap();
    folder.write("data/thesis.txt", "mine");
    for verb in [&["serve"][..], &["vendor", "list"]] {
        let served = cofferdam(&folder.config, verb);
        assert_eq!(code(&served), 4, "{}", error_text(&served));
        assert!(
            error_text(&served).contains("not a data directory"),
            "{}",
            error_text(&served)
        );
    }
    assert_eq!(std::fs::read_dir(folder.path("data")).unwrap().count(), 1);
}

#[test]
fn init_refuses_what_check_would_refuse_and_names_every_default() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cofferdam.toml");
    for bad in [
        ["--project", "a b"],
        ["--project", "../x"],
        ["--region", "E\"U"],
        ["--timezone", "Foo"],
    ] {
        let made = cofferdam(&config, &["init", bad[0], bad[1]]);
        assert_eq!(code(&made), 2, "{bad:?}");
        assert!(error_text(&made).contains(bad[0]), "{}", error_text(&made));
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            0,
            "{bad:?} wrote something"
        );
    }
    assert_eq!(code(&cofferdam(&config, &["init"])), 0);
    let checked = cofferdam(&config, &["check"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        text.ends_with("ok: 1 project, 0 vendors, 1 warning\n"),
        "{text}"
    );
    // The defaults that stand as comments are keys, and what they say is the default.
    let written = std::fs::read_to_string(&config).unwrap();
    let (before, comments) = written.split_once("# What follows").unwrap();
    let comments: Vec<&str> = comments
        .lines()
        .skip(1)
        .filter_map(|line| line.strip_prefix("# "))
        .collect();
    let load = |text: &str| {
        std::fs::write(&config, text).unwrap();
        let loaded =
            cofferdam_server::config::load(&config, &BTreeMap::new(), cofferdam_model::Day(20_000));
        loaded.into_result().unwrap()
    };
    let spoken = load(&format!("{before}{}\n", comments.join("\n")));
    let silent = load(before);
    let limits = |config: &cofferdam_server::config::Config| {
        format!(
            "{:?} {:?} {:?} {:?}",
            config.limits, config.journal, config.store, config.egress
        )
    };
    assert_eq!(limits(&spoken), limits(&silent));
    assert_eq!(comments.len(), 4 + 4 + 2 + 3 + 1, "{comments:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_does_not_wait_for_a_folder_that_parses() {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    folder.vendor("acme", vendor.address, "\"user.behavior\" = \"clear\"");
    let server = TestServer::start(folder).await;
    let token = server.folder.token.clone();
    server.track(json!([{ "event": "Used", "properties": { "token": token, "distinct_id": "u", "$insert_id": "i1" } }])).await;
    vendor.wait_for(1).await;
    server.folder.write("event.json", "{ \"event\": \"Used\" }");
    let event = server.folder.path("event.json");
    let copy = server.folder.path("copy");
    let run = async |arguments: &[&str]| {
        let config = server.folder.config.clone();
        let owned: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let run = move || {
            let arguments: Vec<&str> = owned.iter().map(String::as_str).collect();
            cofferdam(&config, &arguments)
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let state = async || {
        let (_, body) = server.api(Method::GET, "/api/v1/vendors/acme", None).await;
        body["delivery"]["state"].as_str().unwrap().to_owned()
    };

    server.folder.replace(ACME, "kind =", "knid =");
    for arguments in [
        &["vendor", "contain", "acme", "--yes"][..],
        &["vendor", "list"],
        &["vendor", "show", "acme"],
        &["radius", "acme"],
        &["fields", "list"],
        &["explain", event.to_str().unwrap()],
        &["erase", "id:u", "--yes"],
        &["deletions", "list"],
        &["snapshot", copy.to_str().unwrap()],
    ] {
        let done = run(arguments).await;
        let said = error_text(&done);
        assert_eq!(code(&done), 0, "{arguments:?}: {said}");
        assert!(
            said.contains("acme.toml:2:1")
                && said.contains("warning: the configuration has errors"),
            "{arguments:?}: {said}"
        );
    }
    assert_eq!(state().await, "contained");
    assert_eq!(code(&run(&["vendor", "resume", "acme", "--yes"]).await), 0);
    assert_ne!(state().await, "contained");

    // Nor for the main file, and not where the server has seen the mistake too.
    server.folder.replace("cofferdam.toml", "[vault]", "[vault");
    server
        .folder
        .replace("cofferdam.toml", "[server]", "wrong\n[server]");
    server.system.reload().await.unwrap_err();
    let done = run(&["vendor", "contain", "acme", "--yes"]).await;
    assert_eq!(code(&done), 0, "{}", error_text(&done));
    assert_eq!(state().await, "contained");
    let folder = server.stop().await;
    let done = tokio::task::spawn_blocking(move || cofferdam(&folder.config, &["vendor", "list"]));
    assert_eq!(code(&done.await.unwrap()), 2, "nobody serves");
}

#[test]
fn the_data_directory_is_found_in_a_file_with_mistakes() {
    let folder = Folder::new();
    let read = |text: &str, environment: &[(&str, &str)]| {
        folder.write("cofferdam.toml", text);
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let found = cofferdam_server::config::folder::data_dir(&folder.config, &environment);
        found.map(|path| {
            path.strip_prefix(folder.dir.path())
                .map_or(path.clone(), Path::to_owned)
        })
    };
    let data = Some(Path::new("data").to_owned());
    assert_eq!(read("x =\ndata_dir = \"data\" # here\n[server", &[]), data);
    assert_eq!(read("data_dir = 'data'\nlisten", &[]), data);
    assert_eq!(read("[x]\ndata_dir = \"data\"", &[]), None);
    let absolute = ("COFFERDAM__DATA_DIR", "/var/x");
    assert_eq!(
        read("data_dir = \"data\"", &[absolute]),
        Some("/var/x".into())
    );
}

#[test]
fn hints_name_the_program_by_its_full_path_and_explain_says_what_an_event_looks_like() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cofferdam.toml");
    let mut init = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    init.arg0("cofferdam")
        .arg("--config")
        .arg(&config)
        .arg("init");
    let said = init.output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let full = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
    let full = full.canonicalize().unwrap().display().to_string();
    assert!(said.contains(&full), "{said}");

    let file = dir.path().join("event.json");
    let file = file.to_str().unwrap();
    let explained = cofferdam(&config, &["explain", file]);
    assert_eq!(code(&explained), 1);
    for text in ["{ \"event\":", "[]", "[{}, {}]", "1"] {
        std::fs::write(file, text).unwrap();
        let explained = cofferdam(&config, &["explain", file]);
        let said = error_text(&explained);
        assert_eq!(code(&explained), 1, "{text}: {said}");
        assert!(
            said.contains(file) && said.contains("\"event\": \"Signed Up\""),
            "{text}: {said}"
        );
    }
    for text in ["{ \"event\": \"Used\" }", "[{ \"event\": \"Used\" }]"] {
        std::fs::write(file, text).unwrap();
        let explained = cofferdam(&config, &["explain", file]);
        let said = String::from_utf8_lossy(&explained.stdout).into_owned();
        assert!(
            said.starts_with("event `Used`: "),
            "{text}: {said}{}",
            error_text(&explained)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_radius_shows_both_bases_unless_one_is_asked_for() {
    let folder = Folder::new();
    folder.vendor(
        "acme",
        "127.0.0.1:9".parse().unwrap(),
        "\"user.behavior\" = \"clear\"",
    );
    let shown = |arguments: &[&str]| {
        let done = cofferdam(&folder.config, arguments);
        assert_eq!(code(&done), 0, "{}", error_text(&done));
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let both = shown(&["radius", "acme"]);
    assert!(
        both.contains("0 people by what was sent")
            && both.contains("0 people by what it may still hold"),
        "{both}"
    );
    let lines: Vec<&str> = both.lines().collect();
    assert!(lines[1].starts_with("not known (held): until "), "{both}");
    let one = shown(&["radius", "acme", "--basis", "sent"]);
    assert!(!one.contains("hold"), "{one}");
    let json: serde_json::Value =
        serde_json::from_str(&shown(&["--json", "radius", "acme"])).unwrap();
    assert_eq!(json["basis"], "sent");
}
