//! What each detector finds, and what it must leave alone.

use super::*;
use proptest::prelude::*;

fn rules_of(text: &str) -> Vec<&'static str> {
    rules_under("value", text)
}

fn rules_under(key: &str, text: &str) -> Vec<&'static str> {
    inspect(text, KeyContext::of(key), &RuleSwitches::ALL_ON)
        .iter()
        .map(|found| found.rule.as_str())
        .collect()
}

#[test]
fn an_address_is_found_in_every_dress() {
    for text in [
        "ada@example.com",
        "<ada.lovelace+news@sub.example.co.uk>",
        "mailto:ada@example.com",
        "jörg@müller.de",
        "x ada@例え.jp y",
        "user@xn--80ak6aa92e.com",
    ] {
        assert_eq!(rules_of(text), ["value.email"], "{text}");
    }
    for text in [
        "ada%40example.com",
        "?to=ada%2540example.com",
        "ada&#64;example.com",
    ] {
        assert!(rules_of(text).contains(&"value.email"), "{text}");
    }
    for text in [
        "logo@2x.png",
        "react@18.2.0",
        "@handle",
        "a@b",
        "me @ home.now",
        "user@",
    ] {
        assert!(rules_of(text).is_empty(), "{text} {:?}", rules_of(text));
    }
}

#[test]
fn nothing_hides_in_a_layer() {
    use base64::Engine;
    let json = r#"{"note":{"to":["ada@example.com"]}}"#;
    let base64 = base64::engine::general_purpose::STANDARD.encode(json);
    let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("{json}?>~~"));
    let twice = base64::engine::general_purpose::STANDARD.encode(&base64);
    let in_json = serde_json::json!({ "data": base64 }).to_string();
    let percent = json.replace('"', "%22").replace('@', "%40");
    let percent_twice = percent.replace('%', "%25");
    let escaped = json.replace('@', "\\u0040");
    for text in [
        json,
        &base64,
        &url_safe,
        &twice,
        &in_json,
        &percent,
        &percent_twice,
        &escaped,
        &format!("data:application/json;base64,{base64}"),
    ] {
        assert!(rules_of(text).contains(&"value.email"), "{text}");
    }
    assert!(rules_of(r#"{"password":"hunter2x"}"#).contains(&"key.password"));
    assert_eq!(
        rules_of(r#"[{"first_name":"Ada","n":1}]"#),
        ["key.first_name"]
    );
    assert!(rules_of("tab=2&access_token=zanzibar").contains(&"key.token"));
    let mut deep = json.to_owned();
    for _ in 0..8 {
        deep = serde_json::Value::String(deep).to_string();
        deep = format!("[{deep}]");
    }
    assert!(!rules_of(&deep).is_empty());
    assert_eq!(rules_of(r#"{"first_name":"Ada","n":NaN}"#), ["value.layer"]);
    assert!(rules_of(r#"{"plan":"pro","seats":12,"tags":["a","b"]}"#).is_empty());
}

#[test]
fn keys_lend_their_context_to_numbers() {
    let number = |key, number| {
        detect_number(number, KeyContext::of(key), &RuleSwitches::ALL_ON)
            .iter()
            .map(|found| found.rule.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(number("card", 4_111_111_111_111_111), ["value.card"]);
    assert_eq!(number("visa", 4_222_222_222_222), ["value.card_context"]);
    assert_eq!(number("phone", 491_701_234_567), ["value.phone_national"]);
    assert_eq!(number("ssn", 78_051_123), Vec::<&str>::new());
    assert_eq!(number("ssn", 178_051_123), ["value.us_ssn"]);
    assert_eq!(number("time", 1_700_000_000_000), Vec::<&str>::new());
    assert_eq!(
        number("order_id", 4_111_111_111_111_111),
        Vec::<&str>::new()
    );
}

#[test]
fn versions_are_no_addresses() {
    assert!(rules_under("$browser_version", "126.1.2.3").is_empty());
    assert!(rules_of("Chrome/126.0.0.0").is_empty());
    assert!(rules_of("v1.2.3.4 and version 5.6.7.8").is_empty());
    assert_eq!(rules_of("from 203.0.113.7:443"), ["value.ipv4"]);
    assert_eq!(rules_of("/ip/203.0.113.7"), ["value.ipv4"]);
    assert!(rules_of("std::fmt and a::b").is_empty());
}

#[test]
fn findings_are_cut_out_of_a_text() {
    let masked = |text: &str| mask(text, &detect(text, KeyContext::NONE, &RuleSwitches::ALL_ON));
    assert_eq!(
        masked("grüße an ada@example.com, bitte"),
        "grüße an [email], bitte"
    );
    assert_eq!(
        masked("ip 203.0.113.7 und ada@example.com"),
        "ip [ip_address] und [email]"
    );
    assert_eq!(masked("nothing here"), "nothing here");
    assert_eq!(
        masked("pay 4111 1111 1111 1111 now"),
        "pay [credit_card] now"
    );
}

proptest! {
    #[test]
    fn spans_lie_in_the_text_and_masking_removes_them(text in "\\PC{0,80}", key in "[a-z_]{0,12}") {
        let found = inspect(&text, KeyContext::of(&key), &RuleSwitches::ALL_ON);
        for finding in found.iter() {
            prop_assert!(text.get(finding.start..finding.end).is_some());
        }
        let _ = mask(&text, &found);
    }

    #[test]
    fn an_address_is_found_wherever_it_stands(before in "[ a-z,;()]{0,20}", local in "[a-z][a-z0-9.+_]{0,10}[a-z0-9]", after in "( [a-z ]{0,20})?") {
        let text = format!("{before} {local}@example.com{after}");
        let found = detect(&text, KeyContext::NONE, &RuleSwitches::ALL_ON);
        prop_assert!(!found.is_empty());
        let masked = mask(&text, &found);
        prop_assert!(!masked.contains("example.com"), "{}", masked);
    }

    #[test]
    fn base64_of_an_address_is_found(padding in "[a-z ]{0,30}") {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(format!("{padding} ada@example.com"));
        prop_assert!(rules_of(&text).contains(&"value.email"));
    }
}
