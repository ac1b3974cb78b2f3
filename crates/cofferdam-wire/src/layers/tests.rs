//! Every wrapping undone, and every bomb refused.

use super::*;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_gzip_bomb_stops_at_the_limit() {
    let bomb = gzip(&vec![b' '; 4_000_000]);
    assert!(bomb.len() < 40_000);
    let mut notes = Notes::default();
    assert_eq!(
        gunzip(Cow::Owned(bomb), 100_000, &mut notes),
        Err(Malformed::TooLarge {
            limit_bytes: 100_000
        })
    );
}

#[test]
fn a_gzip_of_exactly_the_limit_passes_and_members_are_joined() {
    let mut notes = Notes::default();
    let mut two = gzip(b"[1,");
    two.extend(gzip(b"2]"));
    assert_eq!(&*gunzip(Cow::Owned(two), 5, &mut notes).unwrap(), b"[1,2]");
    assert_eq!(notes.gzip_layers, 1);
}

#[test]
fn a_broken_gzip_is_refused() {
    let mut broken = gzip(b"[1,2]");
    broken.truncate(12);
    assert_eq!(
        gunzip(Cow::Owned(broken), 100, &mut Notes::default()),
        Err(Malformed::Compression)
    );
}

#[test]
fn broken_percent_escapes_stay() {
    assert_eq!(percent_decode(b"a%2Bb+%zz%4", false), b"a+b+%zz%4");
    assert_eq!(percent_decode(b"a%2Bb+%zz%4", true), b"a+b %zz%4");
}

#[test]
fn base64_in_every_dress() {
    let mut notes = Notes::default();
    for dress in [
        "Pz8/Pz8+Pg==",
        "Pz8/Pz8+Pg",
        "Pz8_Pz8-Pg",
        "Pz8/Pz8 Pg==",
        "Pz8/\nPz8+Pg==",
    ] {
        assert_eq!(
            base64_decode(dress.into(), &mut notes).unwrap(),
            b"?????>>",
            "{dress}"
        );
    }
    assert_eq!(notes.base64_spaces, 1);
    assert_eq!(
        base64_decode(b"a*bc".to_vec(), &mut notes),
        Err(Malformed::Base64)
    );
}

proptest! {
    #[test]
    fn nothing_panics_and_nothing_grows(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(percent_decode(&bytes, true).len() <= bytes.len());
        if let Ok(decoded) = base64_decode(bytes.clone(), &mut Notes::default()) {
            prop_assert!(decoded.len() <= bytes.len());
        }
        if let Ok(unpacked) = gunzip(Cow::Borrowed(&bytes), 50, &mut Notes::default()) {
            prop_assert!(unpacked.len() <= 50.max(bytes.len()));
        }
        let _ = undeflate(&bytes, 50);
    }

    #[test]
    fn base64_round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = base64_simd::STANDARD.encode_type::<Vec<u8>>(&bytes);
        prop_assert_eq!(base64_decode(text, &mut Notes::default()).unwrap(), bytes);
    }
}
