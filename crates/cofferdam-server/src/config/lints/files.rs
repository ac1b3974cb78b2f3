//! Lints of the files that the configuration names: whether they are there, and who else can read them.

use super::super::Config;
use super::super::folder::Folder;
use super::super::problem::{Problem, SourceFile};
use super::warning;
use std::io;
use std::path::Path;

pub(super) fn lint(config: &Config, folder: &Folder, problems: &mut Vec<Problem>) {
    let (source, _) = &folder.main;
    let tls = config.server.tls.as_ref();
    for (path, section, key) in [
        (config.geo_database.as_deref(), "geo", "database_file"),
        (
            tls.map(|(certificate, _)| certificate.as_path()),
            "server",
            "tls_cert_file",
        ),
        (tls.map(|(_, key)| key.as_path()), "server", "tls_key_file"),
    ] {
        if path.is_some_and(is_missing) {
            problems.push(warning(
                source,
                "missing_file",
                source.span_of(section, key),
                "there is no such file: the server will not start",
                "put it there, or set the key to \"\"",
            ));
        }
    }
    open_secrets(config, folder, problems);
}

fn open_secrets(config: &Config, folder: &Folder, problems: &mut Vec<Problem>) {
    let (source, _) = &folder.main;
    let mut secrets: Vec<(&Path, &SourceFile, &str, &str)> = vec![(
        config.master_key_file.as_path(),
        source,
        "vault",
        "master_key_file",
    )];
    for project in &config.projects {
        if let Some(path) = &project.import_secret_file {
            secrets.push((path.as_path(), source, "[project]", "import_secret_file"));
        }
        if let Some(path) = &project.query_secret_file {
            secrets.push((path.as_path(), source, "[project]", "query_secret_file"));
        }
    }
    if let Some((_, key)) = &config.server.tls {
        secrets.push((key.as_path(), source, "server", "tls_key_file"));
    }
    let password = config
        .mail
        .as_ref()
        .and_then(|mail| mail.credentials.as_ref());
    if let Some((_, path)) = password {
        secrets.push((path.as_path(), source, "mail", "password_file"));
    }
    for vendor in &config.vendors {
        let file = folder
            .vendors
            .iter()
            .find(|(id, ..)| id == vendor.id.as_str());
        if let (Some(path), Some((_, source, _))) = (&vendor.token_file, file) {
            secrets.push((path.as_path(), source, "", "token_file"));
        }
    }
    for (path, source, section, key) in secrets {
        if is_open(path) {
            problems.push(warning(
                source,
                "open_secret_file",
                source.span_of(section, key),
                format!("`{}` can be read by others", path.display()),
                "chmod 600",
            ));
        }
    }
}

fn is_missing(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
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
