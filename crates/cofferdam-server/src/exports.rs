//! Where copies of data and keys may be written: anywhere for the local operator, below one folder for who comes with a token.
//!
//! A token that leaked must not become a way to write files all over the machine, so over HTTP a path stays below `data/exports`
//! (copies of the store) or beside the master key in use (its successor).
//! Invariant: nothing is written over anything, through a symbolic link, or among the data directory's own files.

use crate::config::Config;
use crate::error::ApiError;
use cofferdam_access::Caller;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// The folder in the data directory below which callers over HTTP may have copies written.
const EXPORTS: &str = "exports";

/// The directory for a copy, made owner-only where it is absent: it is empty when this returns.
///
/// # Errors
/// [`ApiError`] naming `dir`, where this caller may not write there or something is there already.
pub(crate) fn directory(
    caller: Caller,
    config: &Config,
    wanted: &Path,
) -> Result<PathBuf, ApiError> {
    let base = config.data_dir.join(EXPORTS);
    let place = place(caller, "dir", wanted, &base, config)?;
    private_and_empty(&place).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => "it is not empty".to_owned(),
            io::ErrorKind::NotADirectory => "it is not a directory".to_owned(),
            _ => error.to_string(),
        };
        ApiError::invalid("dir", format!("`{}`: {what}", place.display()))
    })?;
    Ok(place)
}

/// The file for the next master key; it may exist, then it is read.
///
/// # Errors
/// [`ApiError`] naming `new_key_file`, where this caller may not write there.
pub(crate) fn key_file(
    caller: Caller,
    config: &Config,
    wanted: &Path,
) -> Result<PathBuf, ApiError> {
    let base = config.master_key_file.parent().unwrap_or(Path::new("/"));
    let place = place(caller, "new_key_file", wanted, base, config)?;
    // What an SDK carries or a vendor knows must not open the vault.
    let real = |path: &Path| path.canonicalize().ok();
    let used = used_files(config).find(|(path, _)| real(path).is_some_and(|path| path == place));
    match used {
        Some((_, what)) => Err(ApiError::invalid(
            "new_key_file",
            format!("`{}` is {what}", place.display()),
        )),
        None => Ok(place),
    }
}

/// The files that the configuration names for something else than the master key.
fn used_files(config: &Config) -> impl Iterator<Item = (&Path, &'static str)> {
    let secrets = config.projects.iter().flat_map(|project| {
        let import = project.import_secret_file.as_deref();
        let query = project.query_secret_file.as_deref();
        let import = import.map(|path| (path, "a project's import secret"));
        let query = query.map(|path| (path, "a project's query secret"));
        import.into_iter().chain(query)
    });
    let tokens = config.vendors.iter().filter_map(|vendor| {
        let path = vendor.token_file.as_deref()?;
        Some((path, "a vendor's token"))
    });
    let tls = config.server.tls.iter().flat_map(|(certificate, key)| {
        [certificate, key].map(|path| (path.as_path(), "part of the listeners' TLS"))
    });
    let own = [(config.path.as_path(), "the configuration")];
    secrets.chain(tokens).chain(tls).chain(own)
}

/// A wanted path as the absolute one that it stands for, if this caller may write there.
fn place(
    caller: Caller,
    key: &'static str,
    wanted: &Path,
    base: &Path,
    config: &Config,
) -> Result<PathBuf, ApiError> {
    let refused = |message: String| ApiError::invalid(key, message);
    let is_local = caller == Caller::LocalOperator;
    if wanted.components().any(|part| part == Component::ParentDir) {
        return Err(refused("give a path without `..`".to_owned()));
    }
    if wanted.file_name().is_none() {
        return Err(refused("give a path with a name at its end".to_owned()));
    }
    if is_local && !wanted.is_absolute() {
        return Err(refused("give an absolute path".to_owned()));
    }
    // A relative name stands below the base; an absolute one is taken as it is and must lie there.
    let wanted = base.join(wanted);
    let (Some(parent), Some(name)) = (wanted.parent(), wanted.file_name()) else {
        return Err(refused("give a path with a name at its end".to_owned()));
    };
    let failed = |path: &Path, error: io::Error| refused(format!("`{}`: {error}", path.display()));
    let real = |path: &Path| path.canonicalize().map_err(|error| failed(path, error));
    if !is_local {
        crate::config::init::make_private_dir(base).map_err(|error| failed(base, error))?;
    }
    let place = real(parent)?.join(name);
    if place.is_symlink() {
        return Err(failed(&place, io::Error::other("it is a symbolic link")));
    }
    if !is_local && !place.starts_with(real(base)?) {
        return Err(refused(format!(
            "over HTTP, give a name below `{}`; another place needs the command line on the server",
            base.display()
        )));
    }
    let data_dir = real(&config.data_dir)?;
    let exports = data_dir.join(EXPORTS);
    if place == exports {
        return Err(refused(format!(
            "give a name below `{}`",
            exports.display()
        )));
    }
    if place.starts_with(&data_dir) && !place.starts_with(exports) {
        return Err(refused(
            "the data directory holds the server's own files".to_owned(),
        ));
    }
    Ok(place)
}

fn private_and_empty(dir: &Path) -> io::Result<()> {
    if !dir.try_exists()? {
        return crate::config::init::make_private_dir(dir);
    }
    if std::fs::read_dir(dir)?.next().is_some() {
        return Err(io::ErrorKind::DirectoryNotEmpty.into());
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}
