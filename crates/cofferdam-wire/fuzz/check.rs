// What must hold for any request at all: shared by the fuzz target and the test that replays the kept corpus.
// An input is three bytes that choose endpoint, labels and style, then the body (or the query, for GET).

use cofferdam_model::{Incoming, Limits};
use cofferdam_wire::mixpanel::{AnswerStyle, Endpoint, Method, Outcome, Request, answer, decode};

const ENDPOINTS: [Endpoint; 6] = [
    Endpoint::Track,
    Endpoint::Engage,
    Endpoint::Groups,
    Endpoint::Import,
    Endpoint::Record,
    Endpoint::Flags,
];
const CONTENT_TYPES: [Option<&str>; 5] = [
    None,
    Some("application/x-www-form-urlencoded"),
    Some("application/json"),
    Some("text/plain;charset=UTF-8"),
    Some("application/x-ndjson"),
];
const ENCODINGS: [Option<&str>; 4] = [None, Some("gzip"), Some("deflate"), Some("identity")];
const QUERIES: [Option<&str>; 4] = [
    None,
    Some("verbose=1&ip=1"),
    Some("img=1&strict=0"),
    Some("data=W10%3D"),
];

/// Panics where an invariant is broken.
pub(crate) fn check(input: &[u8]) {
    let [first, second, third, body @ ..] = input else {
        return;
    };
    let pick = |byte: &u8, of: usize| usize::from(*byte) % of;
    let endpoint = ENDPOINTS[pick(first, ENDPOINTS.len())];
    let text = std::str::from_utf8(body).ok();
    let is_get = first & 0x80 != 0 && text.is_some();
    let request = Request {
        method: if is_get { Method::Get } else { Method::Post },
        path: "/track",
        query: if is_get {
            text
        } else {
            QUERIES[pick(third, QUERIES.len())]
        },
        content_type: CONTENT_TYPES[pick(second, CONTENT_TYPES.len())],
        content_encoding: ENCODINGS[pick(&(second / 16), ENCODINGS.len())],
        authorization: if third & 0x80 == 0 { None } else { text },
        body: if is_get { b"" } else { body },
    };
    let limits = small_limits();
    let style = AnswerStyle::of(endpoint, &request);
    let outcome = decode(endpoint, &request, &limits).and_then(|decoded| {
        let batch = decoded.parse(&limits)?;
        assert!(batch.items.len() <= 8 * limits.batch_items_max);
        assert!(batch.rejected.len() <= limits.batch_items_max);
        for item in &batch.items {
            check_item(item, &limits);
        }
        let items = batch.items.len() as u32;
        let given = answer(
            &decoded.style(),
            endpoint,
            &Outcome::Kept {
                items,
                rejected: &batch.rejected,
            },
        );
        assert!(given.status == 200 || given.status == 400);
        Ok(())
    });
    if let Err(malformed) = outcome {
        let given = answer(&style, endpoint, &Outcome::Malformed(malformed));
        assert!(given.status >= 400 && *given.body != *b"1");
    }
}

fn small_limits() -> Limits {
    Limits {
        body_bytes_max: 64 * 1024,
        decoded_bytes_max: 128 * 1024,
        batch_items_max: 50,
        event_bytes_max: 8 * 1024,
        properties_max: 40,
        depth_max: 6,
        fields_max: 100,
        name_bytes_max: 64,
    }
}

fn check_item(item: &Incoming<'_>, limits: &Limits) {
    match item {
        Incoming::Event(event) => {
            assert!(!event.name.is_empty() && event.name.len() <= limits.name_bytes_max);
            assert!(event.properties.len() <= limits.properties_max);
            for key in ["token", "time", "$insert_id", "distinct_id"] {
                assert!(event.properties.iter().all(|(found, _)| found != key));
            }
            for (key, value) in &event.properties {
                assert!(key.len() <= limits.name_bytes_max);
                check_value(value, limits.depth_max);
            }
        }
        Incoming::Update(update) => {
            assert!(update.values.len() <= limits.properties_max + 3);
            for (key, value) in &update.values {
                assert!(key.len() <= limits.name_bytes_max);
                check_value(value, limits.depth_max);
            }
        }
    }
}

/// Numbers are finite, nesting is bounded, keys of an object differ.
fn check_value(value: &cofferdam_model::Value<'_>, depth: usize) {
    use cofferdam_model::Value;
    match value {
        Value::Float(number) => assert!(number.is_finite()),
        Value::List(items) => {
            assert!(depth > 0);
            items.iter().for_each(|item| check_value(item, depth - 1));
        }
        Value::Object(members) => {
            assert!(depth > 0);
            for (at, (key, value)) in members.iter().enumerate() {
                assert!(members[..at].iter().all(|(other, _)| other != key));
                check_value(value, depth - 1);
            }
        }
        _ => {}
    }
}
