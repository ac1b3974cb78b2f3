//! The exact bodies that the SDKs compare.

use super::*;
use cofferdam_model::Refusal;

const REJECTED: Rejected = Rejected {
    index: 1,
    refusal: Refusal::RefusedId,
    field: "properties.distinct_id",
    message: "the id names nobody",
};

fn body(style: AnswerStyle, endpoint: Endpoint, outcome: &Outcome<'_>) -> (u16, String) {
    let answer = answer(&style, endpoint, outcome);
    let text = match answer.content_type {
        "image/gif" => format!("{} bytes of gif", answer.body.len()),
        _ => String::from_utf8(answer.body.into_owned()).unwrap(),
    };
    (answer.status, text)
}

fn kept(rejected: &[Rejected]) -> Outcome<'_> {
    Outcome::Kept { items: 2, rejected }
}

const SHORT: AnswerStyle = AnswerStyle {
    verbose: false,
    image: false,
    import_report: ImportReport::Short,
};
const VERBOSE: AnswerStyle = AnswerStyle {
    verbose: true,
    ..SHORT
};
const STRICT: AnswerStyle = AnswerStyle {
    import_report: ImportReport::Strict,
    ..SHORT
};
const LENIENT: AnswerStyle = AnswerStyle {
    import_report: ImportReport::Lenient,
    ..SHORT
};

#[test]
fn success_is_exactly_what_each_sdk_compares() {
    for endpoint in [
        Endpoint::Track,
        Endpoint::Engage,
        Endpoint::Groups,
        Endpoint::Import,
    ] {
        assert_eq!(body(SHORT, endpoint, &kept(&[])), (200, "1".into()));
        assert_eq!(
            body(VERBOSE, endpoint, &kept(&[])),
            (200, r#"{"status":1,"error":null}"#.into())
        );
        assert_eq!(
            body(VERBOSE, endpoint, &kept(&[REJECTED])),
            (200, r#"{"status":1,"error":null}"#.into())
        );
    }
    let nothing = Outcome::Kept {
        items: 0,
        rejected: &[],
    };
    assert_eq!(body(SHORT, Endpoint::Track, &nothing), (200, "1".into()));
    let image = AnswerStyle {
        image: true,
        ..SHORT
    };
    assert_eq!(
        body(image, Endpoint::Track, &kept(&[])),
        (200, "43 bytes of gif".into())
    );
    assert!(PIXEL.starts_with(b"GIF89a") && PIXEL.ends_with(&[0x3B]));
}

#[test]
fn a_request_of_which_nothing_was_kept_says_so_with_status_200_where_the_sender_can_mend_it() {
    let deletion = Rejected::of(0, Refusal::ClaimedDelete);
    let outcome = Outcome::Kept {
        items: 0,
        rejected: &[REJECTED, deletion],
    };
    assert_eq!(body(SHORT, Endpoint::Track, &outcome), (200, "0".into()));
    assert_eq!(
        body(VERBOSE, Endpoint::Track, &outcome),
        (
            200,
            r#"{"status":0,"error":"a public token cannot delete a person"}"#.into()
        )
    );
}

#[test]
fn an_event_about_nobody_is_no_error_to_an_sdk() {
    let outcome = Outcome::Kept {
        items: 0,
        rejected: &[REJECTED],
    };
    assert_eq!(body(SHORT, Endpoint::Track, &outcome), (200, "1".into()));
    assert_eq!(
        body(VERBOSE, Endpoint::Track, &outcome),
        (200, r#"{"status":1,"error":null}"#.into())
    );
}

#[test]
fn the_import_report() {
    assert_eq!(
        body(STRICT, Endpoint::Import, &kept(&[])),
        (
            200,
            r#"{"code":200,"num_records_imported":2,"status":"OK"}"#.into()
        )
    );
    assert_eq!(
        body(STRICT, Endpoint::Import, &kept(&[REJECTED])),
        (400, r#"{"code":400,"error":"some data points in the request failed validation","failed_records":[{"index":1,"field":"properties.distinct_id","message":"the id names nobody"}],"num_records_imported":2,"status":"Bad Request"}"#.into())
    );
    assert_eq!(
        body(LENIENT, Endpoint::Import, &kept(&[REJECTED])),
        (
            200,
            r#"{"code":200,"num_records_imported":2,"status":"OK"}"#.into()
        )
    );
    assert_eq!(
        body(STRICT, Endpoint::Import, &Outcome::Unauthorized),
        (401, r#"{"code":401,"error":"invalid token or credentials","num_records_imported":0,"status":"Unauthorized"}"#.into())
    );
}

#[test]
fn no_failure_looks_like_a_success() {
    let failures = [
        (Outcome::Malformed(Malformed::Json), 400),
        (
            Outcome::Malformed(Malformed::TooLarge { limit_bytes: 1 }),
            413,
        ),
        (
            Outcome::Malformed(Malformed::TooManyItems { limit: 1 }),
            413,
        ),
        (Outcome::Unauthorized, 401),
        (Outcome::OriginNotAllowed, 403),
        (Outcome::MethodNotAllowed, 405),
        (Outcome::RateLimited { retry_after_s: 7 }, 429),
        (Outcome::Unavailable { retry_after_s: 3 }, 503),
    ];
    for (outcome, status) in failures {
        for style in [SHORT, VERBOSE, STRICT, LENIENT] {
            for endpoint in [
                Endpoint::Track,
                Endpoint::Engage,
                Endpoint::Groups,
                Endpoint::Import,
            ] {
                let (given, text) = body(style, endpoint, &outcome);
                assert_eq!(given, status);
                assert!(
                    text != "1" && !text.contains(r#""status":1"#) && !text.contains("OK"),
                    "{text}"
                );
            }
        }
        for endpoint in [
            Endpoint::Flags,
            Endpoint::Settings,
            Endpoint::Record,
            Endpoint::Script,
        ] {
            assert_eq!(body(SHORT, endpoint, &outcome).0, status);
        }
    }
}

#[test]
fn retry_after_is_given_where_a_retry_helps() {
    for (outcome, seconds) in [
        (Outcome::RateLimited { retry_after_s: 7 }, Some("7")),
        (Outcome::Unavailable { retry_after_s: 3 }, Some("3")),
        (Outcome::Unauthorized, None),
    ] {
        let answer = answer(&SHORT, Endpoint::Track, &outcome);
        let found = answer
            .headers
            .iter()
            .find(|(name, _)| *name == "retry-after");
        assert_eq!(found.map(|(_, value)| &**value), seconds);
    }
}

#[test]
fn endpoints_without_data_answer_knowingly() {
    let ok = kept(&[]);
    let json = |endpoint| {
        let (status, text) = body(VERBOSE, endpoint, &ok);
        assert_eq!(status, 200);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    assert_eq!(
        json(Endpoint::Flags),
        serde_json::json!({"flags": {}, "pending_first_time_events": []})
    );
    assert_eq!(
        json(Endpoint::FlagDefinitions),
        serde_json::json!({"flags": []})
    );
    assert_eq!(json(Endpoint::FirstTimeEvents), serde_json::json!({}));
    assert_eq!(
        json(Endpoint::Settings)["sdk_config"]["config"],
        serde_json::json!({})
    );
    assert_eq!(json(Endpoint::Settings)["recording"]["is_enabled"], false);
    assert_eq!(
        json(Endpoint::Decide)["config"]["enable_collect_everything"],
        false
    );
    assert_eq!(
        json(Endpoint::Record),
        serde_json::json!({"code": 200, "status": "OK"})
    );
    let (_, script) = body(SHORT, Endpoint::Script, &ok);
    assert!(script.starts_with("/*") && script.trim_end().ends_with("*/"));
}
