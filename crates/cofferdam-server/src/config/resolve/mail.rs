//! Checks `[mail]`: a relay that can be reached as it says, a sender, and who may be sent to.
//!
//! Invariant: a password goes nowhere in clear but to this machine.

use super::super::MailConfig;
use super::super::sections::MailSection;
use super::Checker;
use cofferdam_outbound::{MailTls, is_mail_address, is_mail_sender};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use url::{Host, Url};

const TLS: [(&str, MailTls); 3] = [
    ("tls", MailTls::Tls),
    ("starttls", MailTls::Starttls),
    ("none", MailTls::None),
];

pub(super) fn resolve(
    check: &mut Checker<'_>,
    root: &Path,
    section: &MailSection,
) -> Option<MailConfig> {
    let host = section.host.get_ref();
    if host.parse::<IpAddr>().is_err() && !is_name(host) {
        check.error(
            "invalid_host",
            &section.host,
            format!("`{host}` is neither a host name nor an address"),
            "write e.g. \"mail.example.com\"; the port has a key of its own",
        );
    }
    if !is_mail_sender(section.from.get_ref()) {
        check.error(
            "invalid_mail_address",
            &section.from,
            "the sender is not an address",
            "write e.g. \"Cofferdam <alerts@example.com>\"",
        );
    }
    for recipient in &section.recipients {
        let text = recipient.get_ref();
        if !is_mail_address(text) && !is_name(text) {
            check.error(
                "invalid_mail_address",
                recipient,
                format!("`{text}` is neither an address nor a domain"),
                "write e.g. \"ops@example.com\", or \"example.com\" for everybody there",
            );
        }
    }
    let web_url = section.web_url.get_ref();
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
    if !web_url.is_empty() && !Url::parse(web_url).is_ok_and(|url| is_web(&url)) {
        check.error(
            "invalid_endpoint",
            &section.web_url,
            format!("`{web_url}` is not a URL"),
            "write e.g. \"https://cofferdam.example.com\"",
        );
    }
    let tls = check.named("TLS mode", &section.tls, &TLS)?;
    let credentials = credentials(check, root, section, tls);
    let standard = match tls {
        MailTls::Tls => 465,
        MailTls::Starttls => 587,
        MailTls::None => 25,
    };
    Some(MailConfig {
        host: host.clone(),
        port: section.port.unwrap_or(standard),
        tls,
        credentials,
        from: section.from.get_ref().clone(),
        recipients: section
            .recipients
            .iter()
            .map(|recipient| recipient.get_ref().to_lowercase())
            .collect(),
        web_url: web_url.trim_end_matches('/').to_owned(),
    })
}

fn credentials(
    check: &mut Checker<'_>,
    root: &Path,
    section: &MailSection,
    tls: MailTls,
) -> Option<(String, std::path::PathBuf)> {
    let (username, file) = (&section.username, &section.password_file);
    match (username.get_ref().is_empty(), file.get_ref().is_empty()) {
        (true, true) => return None,
        (false, false) => {}
        (false, true) => {
            check.error(
                "missing_secret",
                username,
                "username and password_file go together",
                "set both, or neither where the relay asks nobody",
            );
            return None;
        }
        (true, false) => {
            check.error(
                "missing_secret",
                file,
                "username and password_file go together",
                "set both, or neither where the relay asks nobody",
            );
            return None;
        }
    }
    if tls == MailTls::None && !is_here(section.host.get_ref()) {
        check.error(
            "plain_password",
            &section.tls,
            "the password would go over the network in clear",
            "set tls = \"starttls\" or \"tls\", or leave username and password_file away",
        );
    }
    let path = root.join(file.get_ref());
    // A file that only the server's user may read is left to the start.
    if let Err(error) = std::fs::metadata(&path)
        && error.kind() == io::ErrorKind::NotFound
    {
        check.error(
            "missing_secret",
            file,
            "there is no such file",
            "write the relay's password there, readable by the server's user only",
        );
    }
    Some((username.get_ref().clone(), path))
}

/// Whether a host is this machine.
pub(in super::super) fn is_here(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whether this can be the name of a host or a domain.
fn is_name(text: &str) -> bool {
    let is_domain = matches!(Host::parse(text), Ok(Host::Domain(_)));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    is_domain && text.chars().all(is_plain)
}
