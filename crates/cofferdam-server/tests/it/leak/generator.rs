//! Events and updates with canaries in every carrier, in every encoding that SDKs and pages use, as requests to intake.
//!
//! Invariant: every value that is not a canary is the same for all, so that only canaries can be found.

use super::canary::{Allowed, Canaries};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use std::io::Write;

/// One request.
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// Fields that fields.toml calls behavior, so that only their values can give anything away.
pub(super) const DECLARED: [&str; 4] = ["declared_a", "declared_b", "declared_c", "declared_d"];

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

const NOBODY: Allowed = Allowed::Nobody;

/// One group of properties; the number picks which.
fn properties(made: &mut Canaries, number: usize) -> Value {
    match number % 16 {
        0 => by_name(made),
        1 => by_value(made),
        2 => urls(made),
        3 => encoded(made),
        4 => nested(made),
        5 => secrets(made),
        6 => page(made),
        7 => web_vitals(made),
        8 => ids(made),
        9 => declared(made),
        10 => declared_encoded(made),
        11 => private(made),
        12 => names(made),
        13 => numbers(made),
        14 => json!({ made.email("a key that is an address", NOBODY): 1, "plan": "pro" }),
        _ => attribution(made),
    }
}

fn by_name(made: &mut Canaries) -> Value {
    json!({
        "email": made.email("email", Allowed::Crm), "customerEmail": made.email("customerEmail", Allowed::Crm),
        "first_name": made.word("first_name", NOBODY), "lastName": made.word("lastName", NOBODY),
        "full_name": format!("Ada {}", made.word("full_name", NOBODY)), "phone": made.phone("phone"),
        "street": format!("{} 12", made.word("street", NOBODY)), "dob": made.word("dob", NOBODY),
        "username": made.word("username", NOBODY), "ip": made.ipv4("ip"), "iban": made.iban("iban"),
        "password": made.word("password", NOBODY), "otp": made.word("otp", NOBODY), "api_key": made.word("api_key", NOBODY),
        "Authorization": format!("Bearer {}", made.word("Authorization", NOBODY)), "cookie": made.word("cookie", NOBODY),
        "ssn": made.ssn("ssn"), "card_number": made.card("card_number"), "salary": made.word("salary", NOBODY),
        "diagnosis": made.word("diagnosis", NOBODY), "latitude": made.word("latitude", NOBODY),
        "$phone": made.phone("$phone"), "$email": made.email("$email", Allowed::Crm),
    })
}

fn by_value(made: &mut Canaries) -> Value {
    let card = made.card("card as a number under an innocent key");
    json!({
        "gizmo": made.email("e-mail under an innocent key", Allowed::Crm), "gadget": made.phone("phone under an innocent key"),
        "widget": made.ipv4("IPv4 under an innocent key"), "doodad": made.ipv6("IPv6 under an innocent key"),
        "thing": made.card("card under an innocent key"), "stuff": card.parse::<u64>().unwrap(),
        "item": made.iban("IBAN under an innocent key"), "part": made.jwt("JWT under an innocent key"),
        "piece": made.ssn("SSN under an innocent key"), "bit": made.secret("GitHub token", "ghp_", 36),
        "chunk": made.secret("Stripe key", "sk_live_", 24), "lump": made.secret("AWS key id", "AKIA", 16),
        "blob": made.secret("Slack token", "xoxb-", 40), "slab": made.secret("Hugging Face token", "hf_", 34),
        "contact_ref": made.hex("MD5 of an address", 32),
    })
}

fn urls(made: &mut Canaries) -> Value {
    let url = format!(
        "https://{}@app.example.com/reset/{}/done?email={}&token={}&foo={}&q=hello+{}#access_token={}",
        made.word("URL user info", NOBODY),
        made.jwt("JWT in a URL path"),
        percent(&made.email("URL query email", Allowed::Crm)),
        made.word("URL query token", NOBODY),
        percent(&percent(
            &made.email("URL query, encoded twice", Allowed::Crm)
        )),
        made.word("URL query q", Allowed::Support),
        made.word("URL fragment", NOBODY),
    );
    let referrer = format!(
        "https://mail.example.com/u/{}/inbox?name={}&password={}",
        made.email("e-mail in a referrer's path", NOBODY),
        made.word("referrer query name", NOBODY),
        made.word("referrer query password", NOBODY),
    );
    json!({
        "$current_url": url, "$referrer": referrer,
        "$pathname": format!("/invite/{}", made.hex("token in a path", 40)),
        "$search": format!("?code={}", made.word("query string code", NOBODY)),
        "link": format!("mailto:{}", made.email("mailto", Allowed::Crm)),
        "gizmo": format!("https://x.example.com/?user_email={}", made.email("URL under an innocent key", Allowed::Crm)),
        "redirect_uri": format!("/cb?state=1&id_token={}", made.jwt("JWT in a relative URL")),
    })
}

fn encoded(made: &mut Canaries) -> Value {
    let email = |made: &mut Canaries, what| made.email(what, Allowed::Crm);
    let (one, two, three) = (
        email(made, "percent-encoded"),
        email(made, "percent-encoded twice"),
        email(made, "base64"),
    );
    let object = |made: &mut Canaries, what| {
        json!({ "email": made.email(what, Allowed::Crm), "password": made.word(what, NOBODY) })
            .to_string()
    };
    let (json1, json2, json3) = (
        object(made, "JSON in a string"),
        object(made, "JSON in base64"),
        object(made, "JSON in base64url"),
    );
    let deep = json!({ "inner": object(made, "JSON in JSON in a string") }).to_string();
    json!({
        "enc_once": percent(&one), "enc_twice": percent(&percent(&two)), "enc_base": STANDARD.encode(three),
        "enc_json": json1, "enc_json64": STANDARD.encode(json2), "enc_url64": URL_SAFE_NO_PAD.encode(json3), "enc_deep": deep,
        "enc_html": made.email("HTML escapes", Allowed::Crm).replace('@', "&#64;"),
        "enc_gzip": STANDARD.encode(gzip(made.email("gzip in base64", Allowed::Support).as_bytes())),
        "enc_form": format!("a=1&user_email={}", percent(&made.email("a form in a string", Allowed::Crm))),
    })
}

fn nested(made: &mut Canaries) -> Value {
    json!({
        "user": { "contact": { "mail": made.email("nested object", Allowed::Crm) }, "name": made.word("nested name", NOBODY) },
        "people": [{ "email": made.email("object in an array", Allowed::Crm), "name": made.word("name in an array", NOBODY) }, [[made.email("array in arrays", Allowed::Crm)]]],
        "emails": [made.email("array of strings", Allowed::Crm)], "members": [{ "name": made.word("members' names", NOBODY) }],
        "traits": { "name": made.word("traits.name", NOBODY), "address": { "city": made.word("traits.address.city", NOBODY) } },
        "form": { "values": { "password": made.word("nested password", NOBODY), "cvv": made.word("nested cvv", NOBODY) } },
        "headers": { "authorization": format!("Basic {}", made.word("nested authorization", NOBODY)), "cookie": made.word("nested cookie", NOBODY),
            "user-agent": format!("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 {}", made.word("nested user agent", NOBODY)) },
        "a": { "b": { "c": { "d": { "e": { "f": made.email("six levels deep", Allowed::Crm) } } } } },
    })
}

fn secrets(made: &mut Canaries) -> Value {
    let key = made.secret("PEM body", "", 64);
    json!({
        "note_a": format!("retry with password={}", made.word("key=value in a text", NOBODY)),
        "note_b": format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----"),
        "note_c": format!("Bearer {}", made.secret("bearer token in a text", "", 40)),
        "note_d": format!("postgres://svc:{}@db.example.com/main", made.word("password in a connection string", NOBODY)),
        "declared_a": made.secret("OpenAI key", "sk-proj-", 40), "declared_b": made.secret("npm token", "npm_", 36),
        "declared_c": made.secret("GitLab token", "glpat-", 20), "declared_d": made.secret("Google key", "AIza", 35),
    })
}

/// What people write and read: only the vendor whose contract lists content gets it, with personal data masked.
fn page(made: &mut Canaries) -> Value {
    json!({
        "comment": format!("the widget {} is broken", made.word("comment", Allowed::Support)),
        "message": format!("write to {} please", made.email("e-mail in a message", NOBODY)),
        "feedback": format!("my card {} was refused", made.card("card in a message")),
        "current_page_title": format!("Account of {}", made.word("page title", Allowed::Support)),
        "$el_text": made.word("element text", Allowed::Support), "$attr-aria-label": made.word("aria label", Allowed::Support),
        "$el_attr__href": format!("mailto:{}", made.email("element href", NOBODY)),
        "unknown_text": format!("several words with {} inside", made.word("text of several words", NOBODY)),
        "mp_keyword": format!("mail of {}", made.email("e-mail in a search", NOBODY)),
    })
}

fn web_vitals(made: &mut Canaries) -> Value {
    let url = |made: &mut Canaries, what| {
        format!(
            "https://app.example.com/a?reset_token={}",
            made.word(what, NOBODY)
        )
    };
    json!({
        "$session_entry_url": url(made, "$session_entry_url"), "$session_entry_referrer": url(made, "$session_entry_referrer"),
        "$web_vitals_LCP_event": { "$current_url": url(made, "URL one level deep") },
        "$initial_person_info": { "r": url(made, "person info referrer"), "u": url(made, "person info URL") },
        "$set": { "email": made.email("$set", Allowed::Crm), "name": made.word("$set name", NOBODY) },
        "$set_once": { "$initial_current_url": url(made, "$set_once URL"), "phone": made.phone("$set_once phone") },
        "$groups": { "company": made.word("$groups", NOBODY) },
        "$elements": [{ "tag_name": "a", "$el_text": made.word("autocapture text", Allowed::Support) }],
    })
}

fn ids(made: &mut Canaries) -> Value {
    json!({
        "org_id": made.word("org_id", NOBODY), "$device_id": made.word("$device_id", NOBODY), "session_id": made.word("session_id", NOBODY),
        "$mp_replay_id": made.word("$mp_replay_id", NOBODY), "gclid": made.word("gclid", NOBODY), "_ga": made.word("_ga", NOBODY),
        "request_id": made.word("request_id", NOBODY), "customer_id": made.email("an id that is an address", NOBODY),
        "mac_address": made.word("mac_address", NOBODY), "team_id": made.word("team_id", NOBODY),
    })
}

fn declared(made: &mut Canaries) -> Value {
    json!({
        "declared_a": made.email("e-mail in a declared field", Allowed::Crm), "declared_b": made.phone("phone in a declared field"),
        "declared_c": made.card("card in a declared field"), "declared_d": made.ipv4("IPv4 in a declared field"),
    })
}

fn declared_encoded(made: &mut Canaries) -> Value {
    let inner =
        json!({ "user": { "email": made.email("JSON in a declared field", Allowed::Crm) } })
            .to_string();
    json!({
        "declared_a": percent(&made.email("percent in a declared field", Allowed::Crm)),
        "declared_b": STANDARD.encode(made.email("base64 in a declared field", Allowed::Crm)),
        "declared_c": inner,
        "declared_d": { "x": [made.iban("IBAN nested in a declared field")] },
    })
}

/// Names inside declared objects, and what stands in a URL besides path and query values.
fn names(made: &mut Canaries) -> Value {
    let encoded = STANDARD.encode(made.email("base64 as a nested name", NOBODY));
    let url = match made.all.len() % 3 {
        0 => format!(
            "https://{}/x",
            percent(&made.email("e-mail as a host", NOBODY))
        ),
        1 => format!("https://app.example.com:{}/x", made.card("card as a port")),
        _ => format!(
            "https://app.example.com/x#a=1&{}",
            STANDARD.encode(made.email("base64 as a fragment's name", NOBODY))
        ),
    };
    json!({
        "declared_a": { made.phone("phone as a nested name"): 1, "deep": { made.ipv4("IPv4 as a nested name"): { "x": 1 } } },
        "declared_b": [{ made.ipv6("IPv6 as a nested name"): true, encoded: 2 }],
        "mp_country_code": format!("{} Main Street 12", made.word("address as a country", NOBODY)),
        "$region": format!("{}, 12", made.word("address as a region", NOBODY)),
        "$current_url": url,
    })
}

fn numbers(made: &mut Canaries) -> Value {
    let mut card = |what| made.card(what).parse::<i64>().unwrap();
    json!({
        "declared_a": -card("card below zero"), "declared_b": card("card with a point") as f64,
        "created": card("card as a time"), "$duration": card("card as a duration"),
    })
}

fn private(made: &mut Canaries) -> Value {
    json!({
        "religion": made.word("religion", NOBODY), "medication": made.word("medication", NOBODY), "passport_number": made.word("passport_number", NOBODY),
        "license_plate": made.word("license_plate", NOBODY), "file_name": made.word("file_name", Allowed::Support),
        "avatar": format!("https://cdn.example.com/{}.png", made.word("avatar", Allowed::Support)), "spouse": made.word("spouse", NOBODY),
        "faceprint": made.word("faceprint", NOBODY), "wallet_address": made.word("wallet_address", NOBODY),
    })
}

/// Behavior: everybody may have it, and everybody must be seen to have it.
fn attribution(made: &mut Canaries) -> Value {
    json!({ "utm_campaign": made.word("utm_campaign", Allowed::Everybody), "feature": made.word("feature", Allowed::Everybody) })
}

/// An event about somebody, with its ids as canaries.
pub(super) fn event(made: &mut Canaries, token: &str, number: usize) -> Value {
    let mut all = Map::new();
    all.insert("token".to_owned(), json!(token));
    all.insert(
        "distinct_id".to_owned(),
        match number % 3 {
            0 => json!(made.email("distinct_id", NOBODY)),
            1 => json!(made.word("distinct_id", NOBODY)),
            _ => json!(format!("$device:{}", made.hex("distinct_id", 32))),
        },
    );
    all.insert(
        "$insert_id".to_owned(),
        json!(made.word("$insert_id", NOBODY)),
    );
    all.extend(properties(made, number).as_object().unwrap().clone());
    let name = match number % 29 {
        0 => format!("Invited {}", made.email("event name", NOBODY)),
        _ => "Used".to_owned(),
    };
    json!({ "event": name, "properties": all })
}

/// A profile update; values of events serve as profile properties too.
pub(super) fn profile(made: &mut Canaries, token: &str, number: usize) -> Value {
    let operation = ["$set", "$set_once", "$set", "$union", "$append"][number % 5];
    let values = match operation {
        "$set" if number.is_multiple_of(2) => {
            json!({ "$name": made.word("$name", NOBODY), "name": made.word("name", NOBODY) })
        }
        "$union" => json!({ "emails": [made.email("$union", Allowed::Crm)] }),
        "$append" => json!({ "phones": made.phone("$append") }),
        _ => properties(made, number),
    };
    json!({ "$token": token, "$distinct_id": made.word("$distinct_id", NOBODY), "$ip": made.ipv4("$ip"), operation: values })
}

/// A group update.
pub(super) fn group(made: &mut Canaries, token: &str, number: usize) -> Value {
    let key = match number % 7 {
        0 => made.email("group key", NOBODY),
        1 => made.phone("phone as a group key"),
        _ => "org_id".to_owned(),
    };
    json!({ "$token": token, "$group_key": key, "$group_id": made.word("$group_id", NOBODY), "$set": properties(made, number) })
}

/// Items as a request of one of the shapes that SDKs send, with canaries in its headers.
pub(super) fn request(
    made: &mut Canaries,
    endpoint: &str,
    items: &[Value],
    shape: usize,
) -> Request {
    let text = json!(items).to_string();
    let mut headers = vec![
        (
            "user-agent",
            format!(
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 {}",
                made.word("User-Agent", NOBODY)
            ),
        ),
        (
            "referer",
            format!(
                "https://app.example.com/?token={}",
                made.word("Referer", NOBODY)
            ),
        ),
        ("cookie", format!("session={}", made.word("Cookie", NOBODY))),
        ("origin", "https://app.example.com".to_owned()),
        ("x-forwarded-for", made.ipv4("X-Forwarded-For")),
        ("x-request-id", made.word("unknown header", NOBODY)),
    ];
    let form = "application/x-www-form-urlencoded".to_owned();
    let query = format!(
        "verbose=1&ip=1&_={}",
        made.word("unknown query key", NOBODY)
    );
    let (path, body) = match shape % 6 {
        0 => (format!("{endpoint}/?{query}"), text.into_bytes()),
        1 => {
            headers.push(("content-type", form));
            (
                format!("{endpoint}/?{query}"),
                format!("data={}&verbose=1", percent(&STANDARD.encode(text))).into_bytes(),
            )
        }
        2 => {
            headers.push(("content-encoding", "gzip".to_owned()));
            (format!("{endpoint}?{query}"), gzip(text.as_bytes()))
        }
        3 => (
            format!(
                "{endpoint}?{query}&data={}",
                percent(&STANDARD.encode(json!(items[..1]).to_string()))
            ),
            Vec::new(),
        ),
        4 => {
            headers.push(("content-type", form));
            (
                format!("/mixpanel{endpoint}/?{query}"),
                format!("data={}", percent(&text)).into_bytes(),
            )
        }
        _ => {
            headers.push(("content-type", form));
            (
                format!("{endpoint}/?{query}"),
                format!("data={}", percent(&STANDARD.encode(gzip(text.as_bytes())))).into_bytes(),
            )
        }
    };
    Request {
        method: if body.is_empty() { "GET" } else { "POST" },
        path,
        headers,
        body,
    }
}

/// Endpoints that keep nothing, given something all the same.
pub(super) fn asides(made: &mut Canaries, token: &str) -> Vec<Request> {
    ["/flags", "/decide", "/settings", "/record", "/nowhere"].into_iter().map(|path| {
        let context = json!({ "distinct_id": made.email("flags context", NOBODY), "$current_url": made.word("flags context", NOBODY) });
        Request {
            method: "POST",
            path: format!("{path}/?token={token}&context={}", percent(&context.to_string())),
            headers: vec![("cookie", made.word("Cookie", NOBODY))],
            body: json!({ "token": token, "context": context, "password": made.word("flags body", NOBODY) }).to_string().into_bytes(),
        }
    }).collect()
}

/// Requests that cannot be read, with data in them.
pub(super) fn broken(made: &mut Canaries, token: &str) -> Vec<Request> {
    let text = |made: &mut Canaries, what| {
        format!(
            r#"[{{"event":"Used","properties":{{"token":"{token}","distinct_id":"{}""#,
            made.email(what, NOBODY)
        )
    };
    let unknown = json!([{ "event": "Used", "properties": { "token": made.word("unknown token", NOBODY), "distinct_id": made.word("id with an unknown token", NOBODY) } }]);
    let import = (
        "authorization",
        format!(
            "Basic {}",
            STANDARD.encode(format!("{}:", made.word("wrong secret", NOBODY)))
        ),
    );
    let request = |path: &str, headers, body: Vec<u8>| Request {
        method: "POST",
        path: path.to_owned(),
        headers,
        body,
    };
    vec![
        request(
            "/track?verbose=1",
            vec![],
            text(made, "cut JSON").into_bytes(),
        ),
        request(
            "/track?verbose=1",
            vec![("content-encoding", "gzip".to_owned())],
            gzip(text(made, "cut gzip").as_bytes())[..40].to_vec(),
        ),
        request(
            "/engage",
            vec![],
            format!("data=%%%{}", made.email("no base64", NOBODY)).into_bytes(),
        ),
        request("/track", vec![], unknown.to_string().into_bytes()),
        request(
            "/import?strict=1",
            vec![import],
            text(made, "import").into_bytes(),
        ),
    ]
}
