//! Coarse forms of places, addresses, devices and times.

use super::*;
use crate::rules::FieldKind;
use proptest::prelude::*;

#[test]
fn families_are_from_the_tables_only() {
    let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
    let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1";
    for (kind, value, expected) in [
        (FieldKind::UserAgent, chrome, Some("Chrome 126; Windows")),
        (FieldKind::UserAgent, phone, Some("Safari 17; iOS; mobile")),
        (FieldKind::UserAgent, "zanzibar", None),
        (FieldKind::Browser, "Mobile Safari", Some("Safari")),
        (FieldKind::Browser, "Microsoft Edge", Some("Edge")),
        (FieldKind::Browser, "Zanzibar", None),
        (FieldKind::System, "Mac OS X", Some("macOS")),
        (FieldKind::System, "Windows", Some("Windows")),
        (FieldKind::Version, "126.0.6478.127", Some("126")),
        (FieldKind::Version, "126", Some("126")),
        (FieldKind::Version, "20240131", None),
        (FieldKind::Device, "SM-G991B", Some("Samsung")),
        (FieldKind::Device, "Ada's laptop", None),
        (FieldKind::Plain, "Chrome", None),
    ] {
        assert_eq!(family(kind, value).as_deref(), expected, "{value}");
    }
}

#[test]
fn networks_origins_paths_and_days() {
    let on = &RuleSwitches::ALL_ON;
    assert_eq!(subnet("203.0.113.77").as_deref(), Some("203.0.113.0/24"));
    assert_eq!(
        subnet("2001:db8:1:2::3").as_deref(),
        Some("2001:db8:1::/48")
    );
    assert_eq!(
        subnet("::ffff:203.0.113.77").as_deref(),
        Some("203.0.113.0/24")
    );
    assert_eq!(subnet("zanzibar"), None);
    assert_eq!(
        origin("https://ada:pw@Example.com/x?y#z", on).as_deref(),
        Some("https://example.com")
    );
    assert_eq!(origin("google.com", on).as_deref(), Some("google.com"));
    assert_eq!(origin("$direct", on).as_deref(), Some("$direct"));
    assert_eq!(origin("/x", on), None);
    assert_eq!(
        path("https://example.com/users/ada/orders/7?x#y", on).as_deref(),
        Some("https://example.com/users/:id/orders/:id")
    );
    assert_eq!(path("/a/b?c", on).as_deref(), Some("/a/b"));
    assert_eq!(path("mailto:ada@example.com", on), None);
    assert_eq!(
        day("2026-03-01T23:30:00-02:00").as_deref(),
        Some("2026-03-02")
    );
    assert_eq!(
        day("2026-03-01T00:30:00.123+02:00").as_deref(),
        Some("2026-02-28")
    );
    assert_eq!(day("2024-02-29").as_deref(), Some("2024-02-29"));
    assert_eq!(day("yesterday"), None);
    assert_eq!(day_number(1_700_000_123.5), Some(1_699_920_000.0));
    assert_eq!(day_number(1_700_000_123_500.0), Some(1_699_920_000_000.0));
}

proptest! {
    #[test]
    fn no_form_panics_and_days_are_stable(text in "\\PC{0,40}") {
        for kind in [FieldKind::UserAgent, FieldKind::Browser, FieldKind::System, FieldKind::Version, FieldKind::Device] {
            let _ = family(kind, &text);
        }
        let _ = (subnet(&text), origin(&text, &RuleSwitches::ALL_ON), path(&text, &RuleSwitches::ALL_ON));
        if let Some(once) = day(&text) {
            prop_assert_eq!(day(&once), Some(once));
        }
    }
}
