//! Asks of the master key what the start would: whether it is there and usable, and whether it opens the vault of `data_dir`.
//!
//! Only `check` does; the start finds out by opening. Invariant: nothing is changed, and what this user may not look at is left
//! to the start.

use super::Config;
use super::problem::{Problem, Severity, SourceFile};
use cofferdam_vault::{MasterKey, Vault, VaultError};
use std::io::ErrorKind;

pub(super) async fn check(config: &Config, source: &SourceFile) -> Option<Problem> {
    let (path, vault) = (&config.master_key_file, config.data_dir.join("vault.db"));
    let has_data = vault.try_exists().ok()?;
    let error = |code, message: String, help: &str| {
        let span = source.span_of("vault", "master_key_file");
        Some(source.problem(Severity::Error, code, span, message, help))
    };
    let key = match MasterKey::load(path) {
        Ok(key) => key,
        Err(VaultError::KeyFile { source, .. }) if source.kind() == ErrorKind::NotFound => {
            if !has_data {
                return None;
            }
            return error(
                "missing_master_key",
                format!(
                    "{} is missing, and {} opens only with it",
                    path.display(),
                    vault.display()
                ),
                "restore it from its backup; a new key would open nothing",
            );
        }
        Err(VaultError::KeyFile { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
            return None;
        }
        Err(refused) => {
            return error(
                "unusable_master_key",
                in_full(&refused),
                "restore it from its backup, with mode 0600",
            );
        }
    };
    if !has_data {
        return None;
    }
    match Vault::check_master(&vault, &key).await {
        Ok(()) => None,
        Err(VaultError::WrongMasterKey { .. }) => error(
            "wrong_master_key",
            format!(
                "{} does not open {}, which was made with another key",
                path.display(),
                vault.display()
            ),
            "name the key that data_dir was made with; after `key rotate-master` that is the new one",
        ),
        Err(other) => error(
            "unusable_vault",
            in_full(&other),
            "restore data_dir from a backup, or use a newer program",
        ),
    }
}

fn in_full(error: &VaultError) -> String {
    use std::error::Error as _;
    error
        .source()
        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
