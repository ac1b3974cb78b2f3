//! Lints of `cofferdam.toml`: listeners, keys, projects, home.

use super::super::folder::Folder;
use super::super::problem::{Problem, SourceFile};
use super::super::{Config, sections::MainFile};
use super::{span, warning};
use cofferdam_model::Form;
use std::path::Path;

pub(super) fn lint(config: &Config, folder: &Folder, problems: &mut Vec<Problem>) {
    let (source, main) = &folder.main;
    listeners(config, source, main, problems);
    master_key(config, source, main, problems);
    origins(config, source, main, problems);
    home(config, source, main, problems);
    secret_files(config, source, problems);
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
            None,
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

fn home(config: &Config, source: &SourceFile, main: &MainFile, problems: &mut Vec<Problem>) {
    let table = main.home.as_ref();
    for (category, form) in &config.policy.home {
        let identifies = [
            "user.name",
            "user.contact.email",
            "user.contact.phone_number",
            "user.unique_id",
        ]
        .iter()
        .any(|key| category.key() == *key || category.key() == "user.contact");
        if identifies && *form == Form::Clear {
            let at =
                table.and_then(|table| table.keys().find(|key| key.get_ref() == category.key()));
            problems.push(warning(
                source,
                "home_clear_identifier",
                at.and_then(span),
                format!(
                    "home keeps `{category}` in clear, so forgetting a person cannot destroy it"
                ),
                "use \"sealed\": it stays readable by permitted roles, under the person's key",
            ));
        }
    }
}

fn secret_files(config: &Config, source: &SourceFile, problems: &mut Vec<Problem>) {
    let projects = config
        .projects
        .iter()
        .filter_map(|project| project.import_secret_file.as_deref());
    let vendors = config
        .vendors
        .iter()
        .filter_map(|vendor| vendor.token_file.as_deref());
    for path in projects
        .chain(vendors)
        .chain([config.master_key_file.as_path()])
    {
        if is_open(path) {
            problems.push(warning(
                source,
                "open_secret_file",
                None,
                format!("`{}` can be read by others", path.display()),
                "chmod 600",
            ));
        }
    }
}

#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open(_path: &Path) -> bool {
    false
}
