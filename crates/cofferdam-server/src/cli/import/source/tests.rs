//! Files as stretches: line numbers, offsets, gzip, CSV, lines that are too long.

use super::{LINES_MAX, Place, Source};
use cofferdam_wire::export::LINE_BYTES_MAX;
use std::io::Write;

fn read(bytes: &[u8], map: Option<&[(String, String)]>, skip: u64) -> (String, Vec<Place>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let source = Source::open(file.path(), map).unwrap();
    let mut stretches = source.read_ahead(skip, 1);
    let (mut text, mut places) = (String::new(), Vec::new());
    while let Some(stretch) = stretches.blocking_recv() {
        let stretch = stretch.unwrap();
        assert!(stretch.places.len() <= LINES_MAX);
        text.push_str(std::str::from_utf8(&stretch.bytes).unwrap());
        places.extend(stretch.places);
    }
    (text, places)
}

#[test]
fn lines_keep_their_numbers_and_offsets_plain_and_packed_and_behind_a_start() {
    let text = "one\n\ntwo\r\nlast";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    for bytes in [text.as_bytes().to_vec(), packed.finish().unwrap()] {
        let (whole, places) = read(&bytes, None, 0);
        assert_eq!(whole, "one\n\ntwo\r\nlast\n");
        let at: Vec<_> = places
            .iter()
            .map(|place| (place.line, place.offset))
            .collect();
        assert_eq!(at, [(1, 0), (2, 4), (3, 5), (4, 10)]);
        let (rest, places) = read(&bytes, None, 3);
        assert_eq!((rest.as_str(), places[0].line), ("last\n", 4));
        assert!(read(&bytes, None, 4).1.is_empty());
    }
}

#[test]
fn a_line_that_is_too_long_stands_as_one_that_is_no_json() {
    let long = "x".repeat(LINE_BYTES_MAX + 10);
    let (text, places) = read(format!("a\n{long}\nb\n").as_bytes(), None, 0);
    assert_eq!(text, "a\n-\nb\n");
    assert!(places[1].problem.is_some());
    assert_eq!(places[2].offset, 2 + LINE_BYTES_MAX as u64 + 11);
}

#[test]
fn rows_of_csv_become_lines_and_a_short_row_stands_alone() {
    let map = [("event", "what"), ("time", "at"), ("distinct_id", "who")];
    let map = map.map(|(part, name)| (part.to_owned(), name.to_owned()));
    let csv =
        "what,at,who,note\nA,1700000000,u-1,\"two\nlines\"\nB,1700000000\nC,1700000001,u-2,x\n";
    let (text, places) = read(csv.as_bytes(), Some(&map), 0);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].contains(r#""note":"two\nlines""#), "{}", lines[0]);
    assert_eq!(lines[1], "-");
    let at: Vec<_> = places.iter().map(|place| (place.row, place.line)).collect();
    assert_eq!(at[0], (Some(1), 2));
    assert_eq!(at[2].0, Some(3));
    assert!(places[1].problem.is_some() && places[2].problem.is_none());
}
