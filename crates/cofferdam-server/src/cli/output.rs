//! What the command line prints: aligned tables, plain lines, JSON.
//!
//! Invariant: results go to standard output, everything else to standard error.

use std::io::Write;

/// Prints a line of result.
pub(super) fn line(text: &str) {
    // A closed pipe is the reader's choice, not an error of ours.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a line that is not part of the result.
pub(super) fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints JSON, indented.
pub(super) fn json(value: &serde_json::Value) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// A count with its noun: `1 error`, `2 errors`.
pub(super) fn count(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Prints rows under a header, columns aligned; numbers (a column whose cells all start with a digit) to the right.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain(header.get(column).map(|cell| cell.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let numeric: Vec<bool> = (0..header.len())
        .map(|column| {
            !rows.is_empty()
                && rows.iter().all(|row| {
                    row.get(column)
                        .is_some_and(|cell| cell.starts_with(|c: char| c.is_ascii_digit()))
                })
        })
        .collect();
    let print = |cells: Vec<&str>| {
        let mut text = String::new();
        for ((cell, width), numeric) in cells.iter().zip(&widths).zip(&numeric) {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            if *numeric {
                text.push_str(&pad);
                text.push_str(cell);
            } else {
                text.push_str(cell);
                text.push_str(&pad);
            }
            text.push_str("  ");
        }
        line(text.trim_end());
    };
    print(header.to_vec());
    for row in rows {
        print(row.iter().map(String::as_str).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn a_count_agrees_with_its_noun() {
        let said = [0, 1, 2].map(|people| count(people, "person", "people"));
        assert_eq!(said, ["0 people", "1 person", "2 people"]);
    }
}
