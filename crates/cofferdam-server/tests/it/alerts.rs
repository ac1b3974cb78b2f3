//! Alerts from the event to the mail: they begin once and end once, whatever fails in between.

use crate::relay::Relay;
use crate::support::{Folder, NOW, TestServer, again};
use cofferdam_model::TimestampMs;
use hyper::Method;
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;

/// A folder with a relay.
async fn with_relay() -> (Folder, Relay) {
    let relay = Relay::start().await;
    let folder = Folder::new();
    folder.replace(
        "cofferdam.toml",
        "[vault]",
        &format!("{}[vault]", relay.section()),
    );
    (folder, relay)
}

async fn post(server: &TestServer, path: &str, body: Value) -> Value {
    let (status, answer) = server.api(Method::POST, path, Some(body)).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn get(server: &TestServer, path: &str) -> Value {
    let (status, answer) = server.api(Method::GET, path, None).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// Events of so many people, half an hour before now.
async fn call(server: &TestServer, people: u32) {
    let time = NOW / 1000 - 1_800;
    let token = &server.folder.token;
    let events: Vec<Value> = (0..people)
        .map(|person| {
            json!({ "event": "Called", "properties": { "token": token, "distinct_id": format!("u-{person}"), "time": time,
                "$insert_id": format!("i-{person}") } })
        })
        .collect();
    server.track(json!(events)).await;
    server.flush().await;
}

/// Calls an hour, over the last day; somebody has called before that, since nothing is known of an event that nobody ever sent.
async fn report(server: &TestServer) -> u64 {
    let token = &server.folder.token;
    let old = json!([{ "event": "Called", "properties": { "token": token, "distinct_id": "u-0", "time": NOW / 1000 - 5 * 86_400,
        "$insert_id": "old" } }]);
    server.track(old).await;
    server.flush().await;
    let draft = json!({ "project": "console", "name": "Calls", "kind": "segmentation",
        "request": { "events": [{ "event": "Called" }], "unit": "hour" }, "range": { "last": 1, "unit": "day" } });
    let saved = post(server, "/api/v1/saved-reports", draft).await;
    saved["id"].as_u64().unwrap()
}

fn alert(report: u64) -> Value {
    json!({ "project": "console", "name": "Many calls", "report": report, "recipients": ["ops@example.com"],
        "condition": { "kind": "threshold", "direction": "above", "value": 2 } })
}

async fn make(server: &TestServer, draft: Value) -> String {
    let made = post(server, "/api/v1/alerts", draft).await;
    assert_eq!(made["status"]["state"], "new", "{made}");
    format!("/api/v1/alerts/{}", made["id"])
}

async fn check(server: &TestServer, path: &str) -> Value {
    post(server, &format!("{path}/check"), json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_begins_with_one_mail_and_ends_with_one() {
    let (folder, relay) = with_relay().await;
    let server = TestServer::start(folder).await;
    let path = make(&server, alert(report(&server).await)).await;
    let status = check(&server, &path).await;
    assert_eq!(
        (&status["state"], &status["value"]),
        (&json!("ok"), &json!(0.0)),
        "{status}"
    );
    call(&server, 12).await;
    for _ in 0..3 {
        let status = check(&server, &path).await;
        assert_eq!(
            (&status["state"], &status["bucket"], &status["value"]),
            (
                &json!("firing"),
                &json!("2026-06-01T13:00:00+02:00"),
                &json!(12.0)
            ),
            "{status}"
        );
    }
    let [began] = &relay.mails()[..] else {
        panic!("{:?}", relay.mails())
    };
    for said in [
        "To: ops@example.com",
        "Subject: Firing: Many calls",
        "Figure: 12",
        "https://cofferdam.example.com/",
    ] {
        assert!(began.contains(said), "no `{said}` in {began}");
    }
    // An hour on nobody calls any more.
    server.clock.set(TimestampMs(NOW + HOUR_MS));
    for _ in 0..3 {
        let status = check(&server, &path).await;
        assert_eq!(status["state"], "ok", "{status}");
    }
    let mails = relay.mails();
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert!(mails[1].contains("Subject: Over: Many calls"), "{mails:?}");
    // Nobody called: so few people are behind that figure that it is not said.
    assert!(!mails[1].contains("Figure"), "{mails:?}");
    let history = get(&server, &format!("{path}/history")).await;
    let states: Vec<_> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["ok", "firing", "ok"]);
    let sent = history["mails"].as_array().unwrap().iter();
    let sent: Vec<_> = sent
        .map(|mail| {
            (
                mail["state"].as_str().unwrap(),
                mail["to"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(sent, [("sent", "ops@example.com"); 2]);
    let told = get(&server, "/api/v1/audit?limit=100").await;
    let leaves = told["leaves"].as_array().unwrap().iter();
    let sends = leaves.filter(|leaf| leaf["action"] == "mail.send").count();
    assert_eq!(sends, 2, "{told}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_a_few_people_are_in_no_mail() {
    let (folder, relay) = with_relay().await;
    let server = TestServer::start(folder).await;
    let path = make(&server, alert(report(&server).await)).await;
    call(&server, 9).await;
    let status = check(&server, &path).await;
    assert_eq!(status["value"], 9.0, "who may read reports sees it");
    let mails = relay.mails();
    assert!(
        mails[0].contains("Subject: Firing: Many calls"),
        "{mails:?}"
    );
    assert!(
        mails[0].contains("too few people are behind them"),
        "{mails:?}"
    );
    assert!(
        !mails[0].contains('9'.to_string().as_str()) || !mails[0].contains("Figure"),
        "{mails:?}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_not_taken_is_sent_later_and_once() {
    let (folder, relay) = with_relay().await;
    let server = TestServer::start(folder).await;
    let path = make(&server, alert(report(&server).await)).await;
    relay.refuse(true);
    call(&server, 12).await;
    assert_eq!(check(&server, &path).await["state"], "firing");
    let mail = async || get(&server, &format!("{path}/history")).await["mails"][0].clone();
    let waiting = mail().await;
    assert_eq!(
        (&waiting["state"], &waiting["code"]),
        (&json!("queued"), &json!("refused_for_now")),
        "{waiting}"
    );
    relay.refuse(false);
    // It waits its time out.
    server.system.tend().await.unwrap();
    assert_eq!(relay.mails().len(), 0);
    server.clock.set(TimestampMs(NOW + 61_000));
    server.system.tend().await.unwrap();
    server.system.tend().await.unwrap();
    assert_eq!(relay.mails().len(), 1);
    assert_eq!(mail().await["state"], "sent");
    // One that nobody takes for a day is given up, and that is seen.
    relay.refuse(true);
    server.clock.set(TimestampMs(NOW + HOUR_MS));
    check(&server, &path).await;
    for hour in 2..=26 {
        server.clock.set(TimestampMs(NOW + hour * HOUR_MS));
        server.system.tend().await.unwrap();
    }
    let given_up = mail().await;
    assert_eq!(given_up["state"], "failed", "{given_up}");
    assert!(given_up["attempts"].as_u64().unwrap() > 10, "{given_up}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_may_have_left_before_a_crash_is_not_sent_again() {
    let (folder, relay) = with_relay().await;
    let server = TestServer::start(folder).await;
    let path = make(&server, alert(report(&server).await)).await;
    relay.refuse(true);
    call(&server, 12).await;
    check(&server, &path).await;
    // As a crash leaves it between the last line of the mail and the relay's answer.
    sqlx::query("UPDATE mails SET state = 'sending'")
        .execute(server.system.counters.pool())
        .await
        .unwrap();
    relay.refuse(false);
    let folder = server.stop().await;
    let server = again(folder, 0).await;
    server.clock.set(TimestampMs(NOW + HOUR_MS / 2));
    server.system.tend().await.unwrap();
    assert_eq!(
        check(&server, &path).await["state"],
        "firing",
        "it still holds, and has begun before"
    );
    assert_eq!(relay.mails().len(), 0);
    let history = get(&server, &format!("{path}/history")).await;
    assert_eq!(history["mails"][0]["state"], "unknown");
    assert_eq!(history["mails"].as_array().unwrap().len(), 1, "{history}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_evaluated_by_themselves_when_they_are_due() {
    let (folder, relay) = with_relay().await;
    let server = TestServer::start(folder).await;
    let report = report(&server).await;
    let path = make(&server, alert(report)).await;
    let mut sleeping = alert(report);
    sleeping["enabled"] = json!(false);
    let sleeping = make(&server, sleeping).await;
    server.system.tend().await.unwrap();
    assert_eq!(get(&server, &path).await["status"]["state"], "ok");
    call(&server, 12).await;
    server.system.tend().await.unwrap();
    assert_eq!(
        get(&server, &path).await["status"]["state"],
        "ok",
        "it is due in an hour"
    );
    server.clock.set(TimestampMs(NOW + HOUR_MS - 1));
    server.system.tend().await.unwrap();
    assert_eq!(relay.mails().len(), 0);
    // The calls of an hour ago are in the last hour that is over no more; a new rule looks at once.
    let mut rises = alert(report);
    rises["condition"] = json!({ "kind": "change", "direction": "rise", "percent": 50, "against": "previous_bucket" });
    let rises = make(&server, rises).await;
    server.system.tend().await.unwrap();
    let status = get(&server, &rises).await["status"].clone();
    assert_eq!(
        (&status["state"], &status["value"], &status["base"]),
        (&json!("firing"), &json!(12.0), &json!(0.0)),
        "{status}"
    );
    assert_eq!(relay.mails().len(), 1);
    assert_eq!(get(&server, &sleeping).await["status"]["state"], "new");
    // A report that cannot be computed is an error of the alert, which says why; it has not ended by that.
    let gone = json!({ "project": "console", "name": "Calls", "kind": "segmentation", "version": 1,
        "request": { "events": [{ "event": "Called" }, { "event": "Called" }], "unit": "hour" }, "range": { "last": 1, "unit": "day" } });
    let (status, _) = server
        .api(
            Method::PUT,
            &format!("/api/v1/saved-reports/{report}"),
            Some(gone),
        )
        .await;
    assert_eq!(status, 200);
    let status = check(&server, &rises).await;
    assert_eq!(status["state"], "error", "{status}");
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .contains("several series"),
        "{status}"
    );
    assert_eq!(relay.mails().len(), 1);
    // A report that is watched does not go by the way.
    let path = format!("/api/v1/saved-reports/{report}");
    assert_eq!(server.api(Method::DELETE, &path, None).await.0, 409);
    assert_eq!(
        server
            .api(Method::DELETE, &format!("{path}?force=true"), None)
            .await
            .0,
        200
    );
    assert_eq!(get(&server, "/api/v1/alerts").await["alerts"], json!([]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_makes_no_sense_is_refused_with_its_path() {
    let (folder, _relay) = with_relay().await;
    let server = TestServer::start(folder).await;
    let report = report(&server).await;
    let still = json!({ "project": "console", "name": "Still", "kind": "segmentation",
        "request": { "events": [{ "event": "Called" }], "from": "2026-06-01", "to": "2026-06-01" } });
    let still = post(&server, "/api/v1/saved-reports", still).await["id"].clone();
    let funnel = json!({ "project": "console", "name": "Funnel", "kind": "funnel", "range": { "last": 1, "unit": "day" },
        "request": { "steps": [{ "event": "Called" }, { "event": "Called" }] } });
    let funnel = post(&server, "/api/v1/saved-reports", funnel).await["id"].clone();
    for (key, value, path) in [
        ("name", json!(""), "name"),
        ("report", json!(99), "report"),
        ("report", still, "report"),
        ("report", funnel, "report"),
        ("every_minutes", json!(1), "every_minutes"),
        ("recipients", json!(["ops"]), "recipients[0]"),
        (
            "recipients",
            json!(["ops@example.com", "eve@example.net"]),
            "recipients[1]",
        ),
        (
            "recipients",
            json!(["ops@example.com", "ops@example.com"]),
            "recipients[1]",
        ),
        (
            "condition",
            json!({ "kind": "change", "direction": "any", "percent": 0, "against": "previous_bucket" }),
            "condition.percent",
        ),
        ("condition", json!({ "kind": "sometimes" }), "condition"),
    ] {
        let mut draft = alert(report);
        draft[key] = value.clone();
        let (status, answer) = server
            .api(Method::POST, "/api/v1/alerts", Some(draft))
            .await;
        let at = answer["error"]["path"].as_str().unwrap_or("").to_owned();
        assert!(
            status == 422 && (at == path || at.starts_with("condition") && path == "condition"),
            "{value}: {answer}"
        );
    }
    assert_eq!(get(&server, "/api/v1/alerts").await["alerts"], json!([]));
    server.stop().await;
    // Without a relay nobody can be told, and that is said before anybody relies on it.
    let server = TestServer::start(Folder::new()).await;
    let report = self::report(&server).await;
    let (status, answer) = server
        .api(Method::POST, "/api/v1/alerts", Some(alert(report)))
        .await;
    assert_eq!(
        (status, &answer["error"]["path"]),
        (422, &json!("recipients[0]")),
        "{answer}"
    );
    server.stop().await;
}
