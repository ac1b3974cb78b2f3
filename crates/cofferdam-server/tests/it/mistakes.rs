//! Mistakes of whoever calls the admin API: answered as the documented error, with what is wrong and where, and without effect.

use crate::support::{FakeVendor, Folder, TestServer, call, verb};
use hyper::Method;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

const CONSENT: &str = "/api/v1/consent";
const ERASE: &str = "/api/v1/people/erase";
const ROTATE: &str = "/api/v1/keys/rotate-master";

/// A server that knows the vendor `acme` and the person `u-1`.
async fn server() -> TestServer {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    folder.vendor("acme", vendor.address, "\"user.behavior\" = \"clear\"");
    let server = TestServer::start(folder).await;
    let token = server.folder.token.clone();
    server
        .track(json!([{ "event": "Used", "properties": { "token": token, "distinct_id": "u-1" } }]))
        .await;
    server.flush().await;
    server
}

async fn post(server: &TestServer, path: &str, body: Value) -> (u16, Value) {
    server.api(Method::POST, path, Some(body)).await
}

/// Asserts status, code, path and a part of the message of an error.
fn assert_error(case: &str, got: &(u16, Value), wanted: (u16, &str, Option<&str>, &str)) {
    let (status, code, path, says) = wanted;
    let error = &got.1["error"];
    assert_eq!(got.0, status, "{case}: {}", got.1);
    assert_eq!(error["code"], code, "{case}: {error}");
    assert_eq!(error["path"].as_str(), path, "{case}: {error}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains(says), "{case}: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_objection_that_cannot_work_is_not_acknowledged() {
    let server = server().await;
    let about = |person: Value, key: &str, name: &str| json!({ "project": "console", "person": person, "state": "object", key: name });
    for (case, body, says, known) in [
        (
            "a vendor that is none",
            about(json!("id:u-1"), "vendor", "acmee"),
            "no vendor `acmee`",
            "acme",
        ),
        (
            "a purpose that is none",
            about(json!("id:u-1"), "purpose", "marketing.advertisin"),
            "no data use",
            "marketing.advertising",
        ),
        (
            "an id of nobody",
            about(json!("id:u-2"), "vendor", "acme"),
            "nobody",
            "",
        ),
        (
            "a number of nobody",
            about(json!(777_777), "vendor", "acme"),
            "nobody",
            "",
        ),
    ] {
        let answer = post(&server, CONSENT, body).await;
        assert_error(case, &answer, (404, "not_found", None, says));
        let allowed = answer.1["error"]["allowed"].as_array();
        let is_named = allowed.is_some_and(|allowed| allowed.contains(&json!(known)));
        assert!(is_named || known.is_empty(), "{case}: {}", answer.1);
    }
    for (key, name) in [
        ("vendor", "acme"),
        ("purpose", "marketing"),
        ("purpose", "analytics"),
    ] {
        let (status, answer) = post(&server, CONSENT, about(json!("id:u-1"), key, name)).await;
        assert_eq!(status, 200, "{name}: {answer}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_a_path_is_text_and_stays_one_name() {
    let server = server().await;
    for path in [
        "/api/v1/vendors/%FF",
        "/api/v1/vendors/%FF/radius",
        "/api/v1/projects/%C3%28/schema",
    ] {
        let answer = server.api(Method::GET, path, None).await;
        assert_error(path, &answer, (400, "invalid_request", None, "UTF-8"));
    }
    let answer = post(&server, "/api/v1/vendors/%FF/contain", json!({})).await;
    assert_error("contain", &answer, (400, "invalid_request", None, "UTF-8"));
    // What is typed on the command line names a vendor or a day, and nothing else of the API.
    let config = server.folder.config.clone();
    let said = move |arguments: &[&str]| {
        let done = verb(&config, arguments);
        assert_eq!(done.status.code(), Some(1));
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    let run = move || {
        [
            said(&["vendor", "show", "acme/radius?since=2026-01-01#x y"]),
            said(&["vendor", "contain", "acme/resume?", "--yes"]),
            said(&["radius", "acme", "--since", "2026-01-01&basis=held"]),
        ]
    };
    let [shown, contained, radius] = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(
        shown.contains("no vendor `acme/radius?since=2026-01-01#x y`"),
        "{shown}"
    );
    assert!(
        contained.contains("no vendor `acme/resume?`"),
        "{contained}"
    );
    assert!(
        radius.contains("`2026-01-01&basis=held` is not a day"),
        "{radius}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_can_mend_is_no_internal_error() {
    let server = server().await;
    let whom = |person: Value| json!({ "project": "console", "person": person });
    for person in [json!(99_999), json!(u32::MAX), json!("id:nobody")] {
        let case = format!("erase {person}");
        let answer = post(&server, ERASE, whom(person)).await;
        assert_error(&case, &answer, (404, "not_found", None, "nobody"));
    }
    let own = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let answer = post(
        &server,
        "/api/v1/keys/backup",
        json!({ "recipients": [own, "age1zzz"] }),
    )
    .await;
    let wanted = (
        422,
        "invalid_request",
        Some("recipients[1]"),
        "not an age recipient",
    );
    assert_error("a recipient that is none", &answer, wanted);
    for (dir, says) in [("", "a name at its end"), (".", "a name at its end")] {
        let answer = post(&server, "/api/v1/snapshot", json!({ "dir": dir })).await;
        let wanted = (422, "invalid_request", Some("dir"), says);
        assert_error("a snapshot without a name", &answer, wanted);
    }
    let exports = server.system.data_path("exports");
    let answer = post(&server, "/api/v1/snapshot", json!({ "dir": exports })).await;
    let wanted = (422, "invalid_request", Some("dir"), "below");
    assert_error("a snapshot in the exports' own folder", &answer, wanted);
    assert_eq!(
        std::fs::read_dir(exports).map_or(0, Iterator::count),
        0,
        "nothing was copied"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_something_else_never_becomes_the_master_key() {
    let server = server().await;
    let short = server.folder.path("secrets/short.key");
    std::fs::write(&short, "5a5a").unwrap();
    std::fs::set_permissions(&short, std::fs::Permissions::from_mode(0o600)).unwrap();
    for (file, says) in [
        ("console.import", "import secret"),
        ("acme.token", "vendor's token"),
        ("master.key", "the one in use"),
        ("short.key", "32 bytes"),
        ("", "a name at its end"),
    ] {
        let answer = post(&server, ROTATE, json!({ "new_key_file": file })).await;
        let wanted = (422, "invalid_request", Some("new_key_file"), says);
        assert_error(file, &answer, wanted);
    }
    let folder = server.stop().await;
    // The vault opens with the key that it had.
    TestServer::start(folder).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_answered_in_the_same_envelope() {
    let server = server().await;
    let bearer = format!("Bearer {}", server.admin_token());
    let json_type = "application/json; charset=utf-8";
    let invalid = "invalid_request";
    type Wanted = (u16, &'static str, Option<&'static str>, &'static str);
    let cases: [(&str, Method, &str, &str, Wanted); 10] = [
        (
            "broken JSON",
            Method::POST,
            CONSENT,
            "{\"project\": ",
            (400, "invalid_json", None, "line 1"),
        ),
        (
            "more after the JSON",
            Method::POST,
            ERASE,
            "{\"project\":\"console\",\"person\":1} {}",
            (400, "invalid_json", None, "line 1"),
        ),
        (
            "a missing key",
            Method::POST,
            CONSENT,
            "{\"project\":\"console\"}",
            (422, invalid, Some("body"), "missing field `person`"),
        ),
        (
            "a wrong type",
            Method::POST,
            "/api/v1/deletions",
            "{\"ids\":[1,\"canary\"],\"state\":\"done\"}",
            (422, invalid, Some("ids[1]"), "expected a whole number"),
        ),
        (
            "a wrong type of either form",
            Method::POST,
            CONSENT,
            "{\"project\":\"console\",\"person\":[\"canary\"],\"state\":\"object\"}",
            (
                422,
                invalid,
                Some("person"),
                "a number, or id:<distinct_id>",
            ),
        ),
        (
            "a list for an object",
            Method::POST,
            "/api/v1/reports/segmentation",
            "\"canary\"",
            (422, invalid, Some("body"), "an object"),
        ),
        (
            "a limit that is no number",
            Method::GET,
            "/api/v1/audit?limit=canary",
            "",
            (422, invalid, Some("limit"), "digit"),
        ),
        (
            "a wrong method",
            Method::PUT,
            CONSENT,
            "{}",
            (405, "method_not_allowed", None, "PUT"),
        ),
        (
            "no route",
            Method::GET,
            "/api/v1/nothing",
            "",
            (404, "not_found", None, "no route"),
        ),
        (
            "no content",
            Method::POST,
            CONSENT,
            "",
            (400, "invalid_json", None, "not JSON"),
        ),
    ];
    for (case, method, path, body, wanted) in cases {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", json_type),
        ];
        let (status, body) = call(
            server.listeners.admin,
            method,
            path,
            &headers,
            body.to_owned().into(),
        )
        .await;
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains("canary"), "{case}: {text}");
        let answer = serde_json::from_slice(&body).unwrap_or(json!(text));
        assert_error(case, &(status, answer), wanted);
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", content_type),
        ];
        let (status, body) = call(
            server.listeners.admin,
            Method::POST,
            CONSENT,
            &headers,
            "{}".into(),
        )
        .await;
        let answer = serde_json::from_slice(&body).unwrap_or_default();
        let wanted = (415, "not_json", None, "application/json");
        assert_error(content_type, &(status, answer), wanted);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_another_projects_person_is_nobodys_and_the_leaf_says_who_it_was() {
    let folder = Folder::new();
    let text = std::fs::read_to_string(&folder.config).unwrap();
    let other = "[[project]]\nname = \"other\"\ntoken = \"00112233445566778899aabbccddeeff\"\nregion = \"EU\"\n\n[home]";
    folder.write("cofferdam.toml", &text.replace("[home]", other));
    let server = TestServer::start(folder).await;
    let token = "00112233445566778899aabbccddeeff";
    let used = json!([{ "event": "Used", "properties": { "token": token, "distinct_id": "o-1" } }]);
    for is_stored in [false, true] {
        server.track(used.clone()).await;
        if is_stored {
            server.flush().await;
        }
        for (path, body) in [
            (ERASE, json!({ "project": "console", "person": 0 })),
            (
                CONSENT,
                json!({ "project": "console", "person": 0, "state": "object" }),
            ),
        ] {
            let answer = post(&server, path, body).await;
            assert_error(path, &answer, (404, "not_found", None, "nobody"));
        }
    }
    let about = json!({ "project": "other", "person": "id:o-1", "state": "object", "purpose": "marketing" });
    assert_eq!(post(&server, CONSENT, about).await.0, 200);
    let (status, answer) = post(&server, ERASE, json!({ "project": "other", "person": 0 })).await;
    assert_eq!((status, &answer["numbers"]), (200, &json!([0])), "{answer}");
    let (_, told) = server
        .api(Method::GET, "/api/v1/audit?limit=1000", None)
        .await;
    let leaves = told["leaves"].as_array().unwrap();
    for resource in ["project/other/person/0", "project/other/person/0/consent"] {
        assert!(
            leaves.iter().any(|leaf| leaf["resource"] == resource),
            "{resource}: {told}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_is_not_named_while_the_folder_is_broken_and_nothing_stops() {
    let server = server().await;
    let broken = "\"properties.mine\" = \"user.behaviour\"\n";
    server.folder.write("fields.toml", broken);
    let set = json!({ "path": "properties.plan", "category": "user.behavior" });
    let answer = server
        .api(Method::PUT, "/api/v1/fields", Some(set.clone()))
        .await;
    assert_error(
        "while broken",
        &answer,
        (409, "configuration_broken", None, "fields.toml:1"),
    );
    assert_eq!(
        std::fs::read_to_string(server.folder.path("fields.toml")).unwrap(),
        broken
    );
    let id = "acme".into();
    assert!(
        server.system.policies.sending().vendor(&id).is_some(),
        "the running policy goes on"
    );
    server.folder.write("fields.toml", "");
    let (status, answer) = server.api(Method::PUT, "/api/v1/fields", Some(set)).await;
    assert_eq!(status, 200, "{answer}");
    server.stop().await;
}
