//! Overrides by the environment: checked as the file is, and the file's own problems keep their lines.

use super::{ACME, MAIN, clean, load_with};

#[test]
fn environment_overrides_are_checked_like_the_file() {
    let folder = clean();
    let fine = load_with(
        &folder,
        &[
            ("COFFERDAM__SERVER__PUBLIC_URL", "https://t.example.com"),
            ("COFFERDAM__LIMITS__BODY_BYTES_MAX", "1000"),
        ],
    );
    let config = fine.config.unwrap();
    assert_eq!(config.server.public_url, "https://t.example.com");
    assert_eq!(config.limits.body_bytes_max, 1000);
    for (name, value, code, says) in [
        (
            "COFFERDAM__SERVER__PUBLIK_URL",
            "https://t.example.com",
            "unknown_key",
            "did you mean `public_url`",
        ),
        (
            "COFFERDAM__SERVER__LISTEN",
            "nowhere",
            "invalid_address",
            "nowhere",
        ),
        (
            "COFFERDAM__LIMITS__BODY_BYTES_MAX",
            "many",
            "invalid_value",
            "a whole number",
        ),
        (
            "COFFERDAM__SERVER__LISTEM",
            "1",
            "unknown_key",
            "did you mean `listen`",
        ),
        (
            "COFFERDAM__SERVRE",
            "{}",
            "unknown_key",
            "did you mean `server`",
        ),
        (
            "COFFERDAM__HOME",
            "{\"user.behavior\" = \"cleer\"}",
            "unknown_name",
            "did you mean `clear`",
        ),
        (
            "COFFERDAM__DATA_DIR__X",
            "1",
            "invalid_override",
            "COFFERDAM__DATA_DIR__X",
        ),
    ] {
        let loaded = load_with(&folder, &[(name, value)]);
        assert!(!loaded.is_usable(), "{name}");
        let found = loaded.problems.iter().find(|problem| problem.code == code);
        let Some(found) = found else {
            panic!("{name}: {:?}", loaded.problems)
        };
        assert!(found.to_string().contains(says), "{name}: {found}");
        let place = format!("environment variable {name}");
        assert_eq!(found.file.to_str(), Some(place.as_str()), "{found}");
    }
    // What is in the file is still found on its own line.
    folder.replace(ACME, "2030-01-01", "2026-05-31");
    folder.replace(MAIN, "https://app.example.com", "*");
    let loaded = load_with(
        &folder,
        &[("COFFERDAM__SERVER__PUBLIC_URL", "https://t.example.com")],
    );
    let found = loaded
        .problems
        .iter()
        .find(|problem| problem.code == "wildcard_origin")
        .unwrap();
    let text = std::fs::read_to_string(&folder.config).unwrap();
    let at = text.lines().nth(found.line.wrapping_sub(1));
    assert!(
        at.is_some_and(|at| at.starts_with("name = ")),
        "line {} is {at:?}",
        found.line
    );
}

#[test]
fn a_warning_about_what_a_variable_says_names_the_variable() {
    let loaded = load_with(
        &clean(),
        &[("COFFERDAM__SERVER__ADMIN_LISTEN", "0.0.0.0:8687")],
    );
    let found = loaded
        .problems
        .iter()
        .find(|problem| problem.code == "admin_not_loopback")
        .unwrap();
    assert_eq!(found.line, 0, "{found}");
    assert!(
        found
            .to_string()
            .starts_with("environment variable COFFERDAM__SERVER__ADMIN_LISTEN: "),
        "{found}"
    );
}
