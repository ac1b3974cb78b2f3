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
pub(crate) fn count(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// A count with its digits in groups of three: `39,423`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints rows under a header, as [`table_lines`] writes them.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) {
    for text in table_lines(header, rows) {
        line(&text);
    }
}

/// Rows under a header, columns aligned; numbers (a column whose cells all start with a digit) to the right.
pub(super) fn table_lines(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
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
    let row = |cells: Vec<&str>| {
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
        text.trim_end().to_owned()
    };
    let mut lines = vec![row(header.to_vec())];
    lines.extend(
        rows.iter()
            .map(|cells| row(cells.iter().map(String::as_str).collect())),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::{count, grouped};

    #[test]
    fn a_count_agrees_with_its_noun() {
        let said = [0, 1, 2].map(|people| count(people, "person", "people"));
        assert_eq!(said, ["0 people", "1 person", "2 people"]);
    }

    #[test]
    fn digits_are_grouped_from_the_right() {
        let said = [0, 999, 1_000, 39_423, 1_234_567].map(grouped);
        assert_eq!(said, ["0", "999", "1,000", "39,423", "1,234,567"]);
    }
}
