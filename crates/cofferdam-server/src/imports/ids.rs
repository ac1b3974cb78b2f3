//! Insert ids for imported events that have none.
//!
//! Invariant: the same line of the same file always gets the same id, and another line another one, also where the text is equal.

use cofferdam_model::Incoming;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Bytes of the hash that make the id.
const ID_BYTES: usize = 16;

/// Gives an id to every event without one. `first` is the number of the first line of `text` in its file.
pub(super) fn fill(items: &mut [Incoming<'_>], fingerprint: &str, first: u64, text: &str) {
    let mut lines = (0_u32..).zip(text.split('\n')).peekable();
    let (mut of_line, mut nth) = (u32::MAX, 0_u32);
    for item in items {
        let Incoming::Event(event) = item else {
            continue;
        };
        nth = if event.index == of_line { nth + 1 } else { 0 };
        of_line = event.index;
        if event.insert_id.as_deref().is_some_and(|id| !id.is_empty()) {
            continue;
        }
        while lines.next_if(|(number, _)| *number < of_line).is_some() {}
        let line = lines.peek().map_or("", |(_, line)| line);
        let mut hash = Sha256::new();
        for part in [
            b"cofferdam import 1\n",
            fingerprint.as_bytes(),
            &(first + u64::from(of_line)).to_be_bytes(),
            &nth.to_be_bytes(),
            line.as_bytes(),
        ] {
            hash.update(part);
        }
        let id = hash.finalize();
        let id = id.get(..ID_BYTES).unwrap_or_default();
        event.insert_id = Some(Cow::Owned(hex::encode(id)));
    }
}

#[cfg(test)]
mod tests {
    use super::fill;
    use cofferdam_model::{Incoming, Limits};
    use cofferdam_wire::export::{ExportFormat, read};

    fn ids(fingerprint: &str, first: u64, text: &str) -> Vec<String> {
        let mut batch = read(ExportFormat::MixpanelEvents, text, &Limits::default());
        fill(&mut batch.items, fingerprint, first, text);
        let items = batch.items.iter();
        items
            .filter_map(|item| match item {
                Incoming::Event(event) => event.insert_id.as_deref().map(str::to_owned),
                Incoming::Update(_) => None,
            })
            .collect()
    }

    #[test]
    fn equal_lines_are_two_events_and_a_line_is_the_same_in_any_stretch() {
        let line = r#"{"event":"A","properties":{"time":1700000000,"distinct_id":"u"}}"#;
        let own = r#"{"event":"A","properties":{"time":1700000000,"distinct_id":"u","$insert_id":"own"}}"#;
        let two = ids("f", 0, &format!("{line}\n\n{own}\n{line}\n"));
        assert_eq!(two.len(), 3);
        assert_eq!(two[1], "own");
        assert_ne!(two[0], two[2]);
        assert_eq!(
            ids("f", 3, line),
            [two[2].clone()],
            "wherever the stretch begins"
        );
        assert_ne!(ids("g", 3, line), [two[2].clone()]);
        let both = ids("f", 0, &format!("[{line},{line}]"));
        assert_ne!(both[0], both[1]);
    }
}
