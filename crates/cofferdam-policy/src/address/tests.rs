//! URLs and headers taken apart, case by case.

use super::*;
use crate::rules::RuleSwitches;
use proptest::prelude::*;

fn split(text: &str) -> UrlParts<'_> {
    split_url(text).unwrap_or_else(|| panic!("`{text}` is not split"))
}

#[test]
fn every_part_has_its_place() {
    let parts = split("https://ada:pw@example.com:8443/a/b?x=1&y#/r?token=z");
    assert_eq!(parts.scheme, Some("https"));
    assert_eq!(parts.user_info, Some("ada:pw"));
    assert_eq!(parts.host, Some("example.com"));
    assert_eq!(parts.port, Some("8443"));
    assert_eq!(parts.path, "/a/b");
    assert_eq!(
        parts.query_pairs().collect::<Vec<_>>(),
        [("x", "1"), ("y", "")]
    );
    assert_eq!(parts.fragment_route(), "/r");
    assert_eq!(parts.fragment_pairs().collect::<Vec<_>>(), [("token", "z")]);
    assert_eq!(parts.origin().as_deref(), Some("https://example.com:8443"));
    assert_eq!(parts.registrable_domain(), Some("example.com"));
}

#[test]
fn what_sdks_send_beside_whole_urls() {
    assert_eq!(
        split("?email=ada%40example.com").query,
        Some("email=ada%40example.com")
    );
    assert_eq!(split("/reset/abc").path, "/reset/abc");
    assert_eq!(
        split("platform.example.com").host,
        Some("platform.example.com")
    );
    assert_eq!(split("localhost:3000").port, Some("3000"));
    assert_eq!(
        split("//cdn.example.com/x.js").host,
        Some("cdn.example.com")
    );
    assert_eq!(
        split("http://[2001:db8::1]:80/").host,
        Some("[2001:db8::1]")
    );
    assert_eq!(split("mailto:ada@example.com").path, "ada@example.com");
    assert_eq!(
        split("#access_token=abc").fragment_pairs().next(),
        Some(("access_token", "abc"))
    );
    assert_eq!(split("#pricing").fragment_route(), "pricing");
    for text in [
        "$direct",
        "Chrome",
        "hello world",
        "v1.2.3",
        "1.2.3",
        "a: b",
        "",
        "note: see c",
    ] {
        assert_eq!(split_url(text), None, "{text}");
    }
}

fn cleaned(path: &str, ids: Ids) -> String {
    clean_path(path, ids, &RuleSwitches::ALL_ON)
        .text
        .into_owned()
}

#[test]
fn secrets_and_personal_data_leave_a_path_always_ids_on_request() {
    for (path, keep, template) in [
        ("/pricing/api", "/pricing/api", "/pricing/api"),
        ("/u/ada@example.com/x", "/u/:redacted/x", "/u/:redacted/x"),
        ("/u/ada%40example.com", "/u/:redacted", "/u/:redacted"),
        ("/orders/1234", "/orders/1234", "/orders/:id"),
        ("/reset/k3jf9", "/reset/:redacted", "/reset/:redacted"),
        ("/invite/accept", "/invite/accept", "/invite/accept"),
        (
            "/docs/how-to-use-api-v2/",
            "/docs/how-to-use-api-v2/",
            "/docs/how-to-use-api-v2/",
        ),
        (
            "/x/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln/y",
            "/x/:redacted/y",
            "/x/:redacted/y",
        ),
        ("/c/cus_9s6XKzkNRiz8i3", "/c/cus_9s6XKzkNRiz8i3", "/c/:id"),
        (
            "/users/ada-lovelace/edit",
            "/users/ada-lovelace/edit",
            "/users/:id/edit",
        ),
        (
            "/f/550e8400-e29b-41d4-a716-446655440000",
            "/f/550e8400-e29b-41d4-a716-446655440000",
            "/f/:id",
        ),
        (
            "/l/9f86d081884c7d659a2feaa0c55ad015",
            "/l/:redacted",
            "/l/:redacted",
        ),
        ("", "", ""),
    ] {
        assert_eq!(cleaned(path, Ids::Keep), keep, "{path}");
        assert_eq!(cleaned(path, Ids::Template), template, "{path}");
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_panics(text in "\\PC{0,60}") {
        if let Some(parts) = split_url(&text) {
            let rejoined: usize = [parts.scheme, parts.user_info, parts.host, parts.port, Some(parts.path), parts.query, parts.fragment]
                .into_iter().flatten().map(str::len).sum();
            prop_assert!(rejoined <= text.len());
            prop_assert!(rejoined + 8 >= text.trim().len());
            let _ = clean_path(parts.path, Ids::Template, &RuleSwitches::ALL_ON);
        }
    }

    #[test]
    fn templating_twice_is_templating_once(path in "(/[a-zA-Z0-9@._:-]{0,24}){0,5}") {
        let once = cleaned(&path, Ids::Template);
        prop_assert_eq!(cleaned(&once, Ids::Template), once);
    }
}
