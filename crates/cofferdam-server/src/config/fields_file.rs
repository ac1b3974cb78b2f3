//! Writes lines of `fields.toml`, keeping what people wrote around them.
//!
//! Invariant: the file is replaced as a whole (temporary file, fsync, rename), so a crash leaves the old or the new one.

use cofferdam_model::Category;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Whether a text is a field path that `fields.toml` may name.
#[must_use]
pub fn is_path(path: &str) -> bool {
    ["properties.", "profile.", "group."].iter().any(|prefix| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty())
    }) && path.len() <= 512
        && !path.chars().any(char::is_control)
}

/// The text of the file; empty where there is none.
///
/// # Errors
/// Where it cannot be read.
pub fn read(file: &Path) -> io::Result<String> {
    match std::fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// The text with the line of a field set or removed, and the line's number from 1 (0 where it was removed).
#[must_use]
pub fn edited(text: &str, path: &str, category: Option<Category>) -> (String, usize) {
    let key = toml::Value::String(path.to_owned()).to_string();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let found = lines
        .iter()
        .position(|line| key_of(line).is_some_and(|named| named == path));
    let new = category.map(|category| format!("{key} = \"{category}\""));
    let line = match (found, new) {
        (Some(at), Some(new)) => {
            if let Some(line) = lines.get_mut(at) {
                *line = new;
            }
            at + 1
        }
        (None, Some(new)) => {
            lines.push(new);
            lines.len()
        }
        (Some(at), None) => {
            lines.remove(at);
            0
        }
        (None, None) => 0,
    };
    let mut text = lines.join("\n");
    text.push('\n');
    (text, line)
}

/// Puts a text in the place of the file, as a whole.
///
/// # Errors
/// Where the file cannot be written.
pub fn replace(file: &Path, text: &str) -> io::Result<()> {
    let temporary = file.with_extension("toml.tmp");
    let mut written = File::create(&temporary)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    std::fs::rename(&temporary, file)
}

/// The key of a line, if it is an entry.
fn key_of(line: &str) -> Option<String> {
    let table: toml::Table = line.parse().ok()?;
    table.keys().next().cloned()
}

#[cfg(test)]
mod tests {
    use super::{edited, is_path, read, replace};
    use cofferdam_model::Category;
    use std::path::Path;

    fn write(file: &Path, path: &str, category: Option<Category>) -> std::io::Result<usize> {
        let (text, line) = edited(&read(file)?, path, category);
        replace(file, &text)?;
        Ok(line)
    }

    #[test]
    fn a_line_is_added_changed_and_removed_and_comments_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fields.toml");
        std::fs::write(&file, "# ours\n\"properties.plan\" = \"user.behavior\"\n").unwrap();
        assert_eq!(
            write(
                &file,
                "properties.owner \"x\"",
                Some(Category::of("user.name"))
            )
            .unwrap(),
            3
        );
        assert_eq!(
            write(
                &file,
                "properties.plan",
                Some(Category::of("user.job_title"))
            )
            .unwrap(),
            2
        );
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("# ours\n\"properties.plan\" = \"user.job_title\"\n"),
            "{text}"
        );
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["properties.owner \"x\""].as_str(), Some("user.name"));
        write(&file, "properties.owner \"x\"", None).unwrap();
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "# ours\n\"properties.plan\" = \"user.job_title\"\n"
        );
        assert!(is_path("profile.a") && !is_path("a.b") && !is_path("properties."));
    }
}
