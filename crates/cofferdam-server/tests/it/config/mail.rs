//! `[mail]`: every mistake is found where it stands, and who may be sent to is who is listed.

use super::{MAIN, clean, load_with, secret};
use crate::support::Folder;
use cofferdam_server::config::problem::Severity;

const MAIL: &str = "[mail]\nhost = \"mail.example.com\"\nfrom = \"Cofferdam <alerts@example.com>\"\n\
    recipients = [\"Ops@example.org\", \"example.com\"]\nusername = \"cofferdam\"\npassword_file = \"secrets/mail\"\n\
    tls = \"starttls\"\nweb_url = \"https://cofferdam.example.com/\"\n";

fn with(mail: &str) -> Folder {
    let folder = clean();
    secret(&folder, "mail", "canary");
    folder.replace(MAIN, "[vault]", &format!("{mail}[vault]"));
    folder
}

#[test]
fn a_relay_is_resolved_with_the_port_of_its_tls() {
    let loaded = load_with(&with(MAIL), &[]);
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    let config = loaded.into_result().unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    let mail = config.mail.unwrap();
    assert_eq!(
        (mail.port, mail.web_url.as_str()),
        (587, "https://cofferdam.example.com")
    );
    for (address, may) in [
        ("ops@example.org", true),
        ("anybody@EXAMPLE.com", true),
        ("other@example.org", false),
        ("a@sub.example.com", false),
        ("example.com", false),
        ("a@example.com@example.net", false),
    ] {
        assert_eq!(mail.allows(address), may, "{address}");
    }
    for (tls, port) in [("tls", 465), ("none", 25)] {
        let mail = MAIL
            .replace("starttls", tls)
            .replace("mail.example.com", "127.0.0.1");
        let config = load_with(&with(&mail), &[]).into_result().unwrap();
        assert_eq!(config.mail.unwrap().port, port);
    }
}

#[test]
fn a_mistake_in_it_is_found_at_its_line() {
    for (from, to, code, line) in [
        (
            "mail.example.com",
            "mail.example.com:25",
            "invalid_host",
            "host",
        ),
        ("mail.example.com", "", "invalid_host", "host"),
        (
            "Cofferdam <alerts@example.com>",
            "alerts",
            "invalid_mail_address",
            "from",
        ),
        (
            "\"example.com\"",
            "\"a b\"",
            "invalid_mail_address",
            "recipients",
        ),
        ("\"starttls\"", "\"ssl\"", "unknown_name", "tls"),
        ("\"starttls\"", "\"none\"", "plain_password", "tls"),
        (
            "secrets/mail",
            "secrets/none",
            "missing_secret",
            "password_file",
        ),
        ("\"cofferdam\"", "\"\"", "missing_secret", "password_file"),
        ("secrets/mail", "", "missing_secret", "username"),
        ("https://", "ftp://", "invalid_endpoint", "web_url"),
        ("tls = ", "tsl = ", "unknown_key", "tsl"),
    ] {
        let folder = with(&MAIL.replacen(from, to, 1));
        let loaded = load_with(&folder, &[]);
        let mut errors = loaded.problems.iter();
        let found =
            errors.find(|problem| problem.severity == Severity::Error && problem.code == code);
        let Some(found) = found else {
            panic!("{to} is not {code}: {:?}", loaded.problems)
        };
        let text = std::fs::read_to_string(folder.path(MAIN)).unwrap();
        let at = text.lines().nth(found.line - 1).unwrap();
        assert!(at.starts_with(line), "{to} was found at `{at}`: {found}");
    }
}
