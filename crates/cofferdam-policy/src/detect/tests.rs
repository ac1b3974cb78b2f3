use super::*;

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
