//! Every wrapping in which a request may come, and what is read beside the data.

use super::super::{Method, endpoint};
use super::*;
use cofferdam_model::{Incoming, Refusal};
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use std::io::Write;

const EVENT: &str =
    r#"{"event":"a+b","properties":{"token":"t","distinct_id":"u 1","x":">>>???"}}"#;

fn request<'a>(query: Option<&'a str>, body: &'a [u8]) -> Request<'a> {
    Request {
        method: Method::Post,
        path: "/track/",
        query,
        content_type: None,
        content_encoding: None,
        authorization: None,
        body,
    }
}

fn names(request: &Request<'_>) -> Result<Vec<String>, Malformed> {
    let limits = Limits::default();
    let decoded = decode(endpoint(request.path).unwrap(), request, &limits)?;
    let batch = decoded.parse(&limits)?;
    Ok(batch
        .items
        .iter()
        .map(|item| match item {
            Incoming::Event(event) => event.name.to_string(),
            Incoming::Update(update) => format!("{:?}", update.operation),
        })
        .collect())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn every_wrapping_gives_the_same_event() {
    let encoded = base64(EVENT.as_bytes());
    assert!(encoded.contains('+') && encoded.contains('/'));
    let array = format!("[{EVENT}]");
    let bodies: Vec<Vec<u8>> = vec![
        EVENT.into(),
        array.clone().into(),
        format!("\u{FEFF} \n{array}").into(),
        format!("data={}", escape(EVENT)).into(),
        format!("data=+%20%0A{}", escape(EVENT)).into(),
        format!("data={}", escape(&encoded)).into(),
        format!("data={encoded}").into(),
        format!("data={}", encoded.replace('+', " ")).into(),
        format!(
            "data={}",
            encoded
                .replace('+', "-")
                .replace('/', "_")
                .trim_end_matches('=')
        )
        .into(),
        format!("verbose=1&ip=0&data={encoded}&x").into(),
        encoded.clone().into(),
        escape(&encoded).into(),
        gzip(EVENT.as_bytes()),
        gzip(format!("data={encoded}").as_bytes()),
        format!("data={}", escape(&base64(&gzip(array.as_bytes())))).into(),
        gzip(format!("data={}", base64(&gzip(array.as_bytes()))).as_bytes()),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(
            names(&request(None, &body)),
            Ok(vec!["a+b".to_owned()]),
            "{shown}"
        );
        for label in [
            "text/plain;charset=UTF-8",
            "application/json",
            "application/octet-stream",
        ] {
            let labelled = Request {
                content_type: Some(label),
                ..request(None, &body)
            };
            assert_eq!(
                names(&labelled),
                Ok(vec!["a+b".to_owned()]),
                "{label}: {shown}"
            );
        }
    }
}

#[test]
fn the_query_carries_data_too() {
    let query = format!("ip=0&verbose=0&data={}", escape(&base64(EVENT.as_bytes())));
    for method in [Method::Get, Method::Post, Method::Head] {
        let request = Request {
            method,
            ..request(Some(&query), b"")
        };
        assert_eq!(names(&request), Ok(vec!["a+b".to_owned()]));
    }
    let beside = request(Some(&query), b"verbose=1");
    assert_eq!(names(&beside), Ok(vec!["a+b".to_owned()]));
}

#[test]
fn labels_of_encodings_are_believed_only_where_the_bytes_agree() {
    fn labelled(label: &str, body: &[u8]) -> Result<Vec<String>, Malformed> {
        names(&Request {
            content_encoding: Some(label),
            ..request(None, body)
        })
    }
    let good = Ok(vec!["a+b".to_owned()]);
    assert_eq!(labelled("gzip", EVENT.as_bytes()), good);
    assert_eq!(labelled("identity", EVENT.as_bytes()), good);
    assert_eq!(labelled("br", &gzip(EVENT.as_bytes())), good);
    assert_eq!(
        labelled("br", EVENT.as_bytes()),
        Err(Malformed::ContentEncoding)
    );
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(EVENT.as_bytes()).unwrap();
    assert_eq!(labelled("deflate", &zlib.finish().unwrap()), good);
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
    raw.write_all(EVENT.as_bytes()).unwrap();
    assert_eq!(labelled("deflate", &raw.finish().unwrap()), good);
    assert_eq!(
        labelled("deflate", EVENT.as_bytes()),
        Err(Malformed::Compression)
    );
}

#[test]
fn bombs_in_either_layer_stop_at_the_limit() {
    let limits = Limits {
        decoded_bytes_max: 10_000,
        body_bytes_max: 5_000,
        ..Limits::default()
    };
    let error = Some(Malformed::TooLarge {
        limit_bytes: 10_000,
    });
    let bomb = gzip(&vec![b' '; 300_000]);
    let inner = format!("data={}", base64(&bomb));
    for body in [bomb, inner.clone().into_bytes(), gzip(inner.as_bytes())] {
        assert_eq!(
            decode(Endpoint::Track, &request(None, &body), &limits).err(),
            error
        );
    }
    let raw = vec![b' '; 5_001];
    assert_eq!(
        decode(Endpoint::Track, &request(None, &raw), &limits).err(),
        Some(Malformed::TooLarge { limit_bytes: 5_000 })
    );
}

#[test]
fn nothing_and_nonsense_are_refused() {
    for (body, error) in [
        ("", Malformed::NoData),
        ("  \r\n", Malformed::NoData),
        ("verbose=1&ip=0", Malformed::Base64),
        ("data=", Malformed::NoData),
        ("data=%25%25%25", Malformed::Base64),
        ("data=bm9uc2Vuc2U=", Malformed::Json),
        ("<html></html>", Malformed::Base64),
    ] {
        assert_eq!(names(&request(None, body.as_bytes())), Err(error), "{body}");
        assert_eq!(error.refusal(), Refusal::Malformed);
    }
}

#[test]
fn invalid_utf8_is_replaced_and_counted() {
    let limits = Limits::default();
    let body = b"[{\"event\":\"\xFF\xED\xA0\xBC\xED\xBE\x89\",\"properties\":{}}]";
    let decoded = decode(Endpoint::Track, &request(None, body), &limits).unwrap();
    let batch = decoded.parse(&limits).unwrap();
    let Incoming::Event(event) = &batch.items[0] else {
        panic!("an event")
    };
    assert_eq!(event.name, "\u{FFFD}🎉");
    assert_eq!((batch.notes.invalid_utf8, batch.notes.cesu8_pairs), (1, 1));
}

#[test]
fn styles_of_query_and_form() {
    let style = |path: &str, query, body: &str| {
        let request = Request {
            path,
            ..request(query, body.as_bytes())
        };
        let endpoint = endpoint(path).unwrap();
        let foreseen = AnswerStyle::of(endpoint, &request);
        let decoded = decode(endpoint, &request, &Limits::default());
        if let Ok(decoded) = decoded {
            assert_eq!(decoded.style(), foreseen, "{path} {query:?} {body}");
        }
        foreseen
    };
    let short = AnswerStyle::default();
    let verbose = AnswerStyle {
        verbose: true,
        ..short
    };
    assert_eq!(style("/track", Some("ip=0&verbose=0"), "data=W10="), short);
    assert_eq!(
        style("/track/", Some("verbose=1&ip=1&_=1"), "data=W10="),
        verbose
    );
    assert_eq!(style("/track", None, "data=W10=&verbose=1&ip=0"), verbose);
    assert_eq!(
        style("/track", Some("img=1&data=W10%3D"), ""),
        AnswerStyle {
            image: true,
            ..short
        }
    );
    assert_eq!(
        style(
            "/track",
            Some("callback=f&redirect=https://evil.example.com&data=W10="),
            ""
        ),
        short
    );
    let strict = AnswerStyle {
        import_report: ImportReport::Strict,
        ..short
    };
    let lenient = AnswerStyle {
        import_report: ImportReport::Lenient,
        ..short
    };
    assert_eq!(style("/import", None, "[]"), strict);
    assert_eq!(
        style("/import", Some("strict=1&project_id=1"), "{}\n{}"),
        strict
    );
    assert_eq!(style("/import", Some("strict=0"), "[]"), lenient);
    assert_eq!(
        style("/import", Some("strict=1"), "data=W10=&verbose=1"),
        verbose
    );
    assert_eq!(style("/import", Some("data=W10="), ""), short);
    assert_eq!(style("/import", None, "no json"), strict);
}

#[test]
fn credentials_in_every_form() {
    let read = |authorization: Option<&str>, query| {
        let request = Request {
            authorization,
            ..request(query, b"[]")
        };
        let decoded = decode(Endpoint::Import, &request, &Limits::default()).unwrap();
        let shown = format!("{:?} {:?}", decoded, decoded.credentials());
        assert!(
            !shown.contains("secret") && !shown.contains("token"),
            "{shown}"
        );
        (
            decoded.credentials().clone(),
            decoded.token().map(str::to_owned),
        )
    };
    let basic = |user: &str, password: &str| Credentials::Basic {
        user: user.into(),
        password: password.into(),
    };
    let header = |text: &str| format!("Basic {}", base64(text.as_bytes()));
    assert_eq!(
        read(Some(&header("secret:")), None),
        (basic("secret", ""), Some("secret".into()))
    );
    assert_eq!(
        read(Some(&header("secret")), None),
        (basic("secret", ""), Some("secret".into()))
    );
    assert_eq!(
        read(Some(&header("svc.secret:pa:ss")), Some("token=token1")),
        (basic("svc.secret", "pa:ss"), Some("token1".into()))
    );
    assert_eq!(
        read(Some("bearer  secret "), None),
        (Credentials::Bearer("secret".into()), None)
    );
    assert_eq!(
        read(None, Some("api_key=secret%2B1")),
        (Credentials::ApiKey("secret+1".into()), None)
    );
    assert_eq!(
        read(Some(&header("secret:")), Some("api_key=k")).0,
        basic("secret", "")
    );
    for broken in ["Basic ***", "Basic", "Digest x", ""] {
        assert_eq!(
            read(Some(broken), None).0,
            if broken == "Basic" {
                basic("", "")
            } else {
                Credentials::None
            }
        );
    }
}

#[test]
fn bodies_of_endpoints_that_keep_nothing_are_not_read() {
    let limits = Limits::default();
    let body = gzip(b"[{\"type\":4}]");
    for endpoint in [
        Endpoint::Record,
        Endpoint::Flags,
        Endpoint::Settings,
        Endpoint::FirstTimeEvents,
    ] {
        let decoded = decode(endpoint, &request(Some("token=abc"), &body), &limits).unwrap();
        assert_eq!(decoded.parse(&limits).unwrap(), Batch::default());
        assert_eq!(decoded.token(), Some("abc"));
    }
}
