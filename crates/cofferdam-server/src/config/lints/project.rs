//! Lints of `cofferdam.toml`: listeners, limits, the master key, projects.

use super::super::folder::Folder;
use super::super::problem::{Problem, SourceFile};
use super::super::{Config, sections::MainFile};
use super::{span, warning};
use url::Url;

pub(super) fn lint(config: &Config, folder: &Folder, problems: &mut Vec<Problem>) {
    let (source, main) = &folder.main;
    listeners(config, source, main, problems);
    master_key(config, source, main, problems);
    origins(config, source, main, problems);
    impossible_origins(source, main, problems);
    limits(config, source, problems);
}

fn listeners(config: &Config, source: &SourceFile, main: &MainFile, problems: &mut Vec<Problem>) {
    let server = &config.server;
    if !server.admin_listen.ip().is_loopback() {
        problems.push(warning(
            source,
            "admin_not_loopback",
            span(&main.server.admin_listen),
            "the admin listener is reachable from other machines",
            "listen on 127.0.0.1 and put a proxy with its own sign-in before it",
        ));
    }
    let (intake, admin) = (server.listen, server.admin_listen);
    let overlap =
        intake.ip() == admin.ip() || intake.ip().is_unspecified() || admin.ip().is_unspecified();
    if overlap && intake.port() == admin.port() && intake.port() != 0 {
        problems.push(warning(
            source,
            "same_listener",
            span(&main.server.admin_listen),
            "intake and the web app are to listen on the same port: the server will not start",
            "give admin_listen a port of its own, e.g. \"127.0.0.1:8687\"",
        ));
    }
    if server
        .trusted_proxies
        .iter()
        .any(|network| network.prefix_len() == 0)
    {
        problems.push(warning(
            source,
            "trusts_everyone",
            main.server.trusted_proxies.first().and_then(span),
            "trusted_proxies includes every address, so anyone can claim any address",
            "list only the networks of your own proxies",
        ));
    }
    if server.public_url.is_empty() && !server.listen.ip().is_loopback() {
        problems.push(warning(
            source,
            "no_public_url",
            span(&main.server.listen),
            "intake listens to the network but public_url is empty",
            "set public_url to what the SDKs use as api_host",
        ));
    }
    if server.public_url.starts_with("http://") && !is_loopback_url(&server.public_url) {
        problems.push(warning(
            source,
            "plain_public_url",
            source.span_of("server", "public_url"),
            "public_url is not HTTPS: events cross the network in clear",
            "use https and set tls_cert_file, or let a proxy end TLS",
        ));
    }
}

fn is_loopback_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        url.host_str()
            .is_some_and(|host| host == "localhost" || host.starts_with("127.") || host == "[::1]")
    })
}

fn master_key(config: &Config, source: &SourceFile, main: &MainFile, problems: &mut Vec<Problem>) {
    if config.master_key_file.starts_with(&config.data_dir) {
        problems.push(warning(
            source,
            "master_key_in_data_dir",
            span(&main.vault.master_key_file),
            "the master key lies inside data_dir, so a copy of the data is a copy of the key",
            "keep it elsewhere, e.g. \"secrets/master.key\" beside cofferdam.toml",
        ));
    }
}

fn origins(config: &Config, source: &SourceFile, main: &MainFile, problems: &mut Vec<Problem>) {
    for (project, section) in config.projects.iter().zip(&main.project) {
        if project.origins.is_empty() || project.origins.iter().any(|origin| origin.contains('*')) {
            problems.push(warning(
                source,
                "wildcard_origin",
                span(&section.name),
                format!(
                    "any page on the web may send events to project `{}`",
                    project.name
                ),
                "list the origins of your own pages in origins",
            ));
        }
    }
}

fn impossible_origins(source: &SourceFile, main: &MainFile, problems: &mut Vec<Problem>) {
    for origin in main.project.iter().flat_map(|project| &project.origins) {
        let written = origin.get_ref().trim_end_matches('/');
        if written == "*" {
            continue;
        }
        let sent = sent_origin(written);
        if sent.as_deref() == Some(written) {
            continue;
        }
        let help = sent.map_or_else(
            || "write scheme and host, e.g. \"https://app.example.com\"".to_owned(),
            |sent| format!("write \"{sent}\""),
        );
        problems.push(warning(
            source,
            "impossible_origin",
            span(origin),
            format!("no page of yours sends the origin `{written}`: its events will be refused"),
            &help,
        ));
    }
}

/// What a browser sends as the origin of a page at that address: scheme, host and a port that is not the scheme's own.
fn sent_origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(Url::has_host)?;
    if url.origin().is_tuple() {
        return Some(url.origin().ascii_serialization());
    }
    // Apps serve their pages under schemes of their own, e.g. `capacitor://localhost`.
    let (scheme, host) = (url.scheme(), url.host_str()?.to_ascii_lowercase());
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{scheme}://{host}{port}"))
}

fn limits(config: &Config, source: &SourceFile, problems: &mut Vec<Problem>) {
    for (section, key, is_zero, what) in [
        (
            "journal",
            "keep_days",
            config.journal.keep_days == 0,
            "no vendor gets anything that it does not take at once",
        ),
        (
            "store",
            "flush_seconds",
            config.store.flush_seconds == 0,
            "every moment is cut into a file of its own",
        ),
        (
            "egress",
            "backlog_bytes_max",
            config.egress.backlog_bytes_max == 0,
            "no vendor gets anything",
        ),
    ] {
        if is_zero {
            problems.push(warning(
                source,
                "zero_limit",
                source.span_of(section, key),
                format!("with {section}.{key} = 0, {what}"),
                "remove the line: the default is sound",
            ));
        }
    }
}
