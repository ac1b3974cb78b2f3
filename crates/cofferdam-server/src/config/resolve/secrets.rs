//! Checks the projects' secrets: who holds an import secret is believed, who holds a query secret may read.
//!
//! Invariant: no message repeats a secret. A file that only the server's user may read is left to the start.

use super::super::sections::MainFile;
use super::Checker;
use std::io;
use std::path::Path;
use toml::Spanned;

/// Fewest characters of a secret.
pub(crate) const SECRET_CHARS_MIN: usize = 16;

pub(super) fn check(check: &mut Checker<'_>, root: &Path, main: &MainFile) {
    for section in &main.project {
        let import = (
            &section.import_secret_file,
            "import",
            "anyone could send data that is believed",
        );
        let query = (
            &section.query_secret_file,
            "query",
            "anyone could read the reports",
        );
        for (file, which, danger) in [import, query] {
            check_one(check, root, main, (file, which, danger));
        }
    }
}

fn check_one(
    check: &mut Checker<'_>,
    root: &Path,
    main: &MainFile,
    (file, which, danger): (&Spanned<String>, &str, &str),
) {
    if file.get_ref().is_empty() {
        return;
    }
    let text = match std::fs::read_to_string(root.join(file.get_ref())) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let help = format!(
                "write one, e.g. with `openssl rand -hex 32`, or remove {which}_secret_file"
            );
            check.error("missing_secret", file, "there is no such file", help);
            return;
        }
        Err(_) => return,
    };
    let secret = text.trim();
    let help = "write a random one, e.g. with `openssl rand -hex 32`";
    if secret.len() < SECRET_CHARS_MIN {
        let message = format!("the {which} secret has fewer than {SECRET_CHARS_MIN} characters");
        check.error("short_secret", file, message, help);
    }
    let mut tokens = main.project.iter().map(|project| project.token.get_ref());
    if tokens.any(|token| token == secret) {
        let message =
            format!("the {which} secret is a project's token, which every page shows: {danger}");
        check.error("public_secret", file, message, help);
    }
}
