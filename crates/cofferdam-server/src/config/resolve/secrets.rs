//! Checks the projects' import secrets: who holds one is believed.
//!
//! Invariant: no message repeats a secret. A file that only the server's user may read is left to the start.

use super::super::sections::MainFile;
use super::Checker;
use std::io;
use std::path::Path;

/// Fewest characters of an import secret.
pub(crate) const SECRET_CHARS_MIN: usize = 16;

pub(super) fn check(check: &mut Checker<'_>, root: &Path, main: &MainFile) {
    for section in &main.project {
        let file = &section.import_secret_file;
        if file.get_ref().is_empty() {
            continue;
        }
        let text = match std::fs::read_to_string(root.join(file.get_ref())) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let help =
                    "write one, e.g. with `openssl rand -hex 32`, or remove import_secret_file";
                check.error("missing_secret", file, "there is no such file", help);
                continue;
            }
            Err(_) => continue,
        };
        let secret = text.trim();
        if secret.len() < SECRET_CHARS_MIN {
            check.error(
                "short_secret",
                file,
                format!("the import secret has fewer than {SECRET_CHARS_MIN} characters"),
                "write a random one, e.g. with `openssl rand -hex 32`",
            );
        }
        let mut tokens = main.project.iter().map(|project| project.token.get_ref());
        if tokens.any(|token| token == secret) {
            check.error(
                "public_secret",
                file,
                "the import secret is a project's token, which every page shows: anyone could send data that is believed",
                "write a random one, e.g. with `openssl rand -hex 32`",
            );
        }
    }
}
