//! The rows of an SQL answer: a line for each, as they are.

use super::{Sheet, figure, text};
use serde_json::Value;

/// A header and rows of JSON cells; null is an empty cell.
pub(crate) fn rows<'a>(header: impl Iterator<Item = &'a str>, rows: &[Vec<Value>]) -> String {
    let mut sheet = Sheet::default();
    sheet.line(header.map(text));
    for row in rows {
        sheet.line(row.iter().map(|value| match value {
            Value::String(words) => text(words),
            other => figure(other),
        }));
    }
    sheet.finish()
}

#[cfg(test)]
mod tests {
    use super::rows;
    use serde_json::json;

    #[test]
    fn a_row_is_a_line_and_a_text_no_formula() {
        let cells = [
            vec![json!("a,b"), json!(-5), json!(null)],
            vec![json!("=HYPERLINK(1)"), json!(true), json!(1.5)],
        ];
        assert_eq!(
            rows(["name", "n", "+last"].into_iter(), &cells),
            "name,n,'+last\r\n\"a,b\",-5,\r\n'=HYPERLINK(1),true,1.5\r\n"
        );
    }
}
