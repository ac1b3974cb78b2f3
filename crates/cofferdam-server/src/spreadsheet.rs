//! Rows as CSV, for spreadsheets and programs.
//!
//! Invariant: a text never becomes a formula: event names and values come from anybody's browser, so one that begins as formulas do
//! gets an apostrophe before it.

use serde_json::Value;

/// What a formula may begin with, for one program or another.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A header and rows of JSON cells, by RFC 4180; null is an empty cell.
pub(crate) fn csv<'a>(header: impl Iterator<Item = &'a str>, rows: &[Vec<Value>]) -> String {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    // Writing to memory does not fail, and every row has the header's length.
    let _ = writer.write_record(header.map(harmless));
    for row in rows {
        let _ = writer.write_record(row.iter().map(cell));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text),
        other => other.to_string(),
    }
}

fn harmless(text: &str) -> String {
    if text.starts_with(FORMULA) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::csv;
    use serde_json::json;

    #[test]
    fn texts_are_quoted_where_needed_and_are_never_formulas() {
        let rows = [
            vec![json!("a,b"), json!(-5), json!(null)],
            vec![json!("say \"x\"\nand go"), json!(1.5), json!(true)],
            vec![json!("=HYPERLINK(1)"), json!("-1"), json!("@x")],
        ];
        assert_eq!(
            csv(["name", "n", "+last"].into_iter(), &rows),
            "name,n,'+last\r\n\"a,b\",-5,\r\n\"say \"\"x\"\"\nand go\",1.5,true\r\n'=HYPERLINK(1),'-1,'@x\r\n"
        );
    }
}
