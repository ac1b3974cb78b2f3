//! The kept corpus of the fuzzer, replayed as a plain test, and the same invariants on random bytes.

#[path = "../../fuzz/check.rs"]
mod check;

use proptest::prelude::*;
use std::path::Path;

#[test]
fn the_kept_corpus_breaks_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let input = std::fs::read(file.unwrap().path()).unwrap();
        check::check(&input);
        for cut in (3..input.len()).step_by(7) {
            check::check(&input[..cut]);
        }
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} inputs");
}

proptest! {
    #[test]
    fn any_bytes(input in proptest::collection::vec(any::<u8>(), 0..400)) {
        check::check(&input);
    }

    #[test]
    fn any_near_json(head in any::<[u8; 3]>(), body in "(data=|\\[|)[\\[\\]{}:,\"\\\\$a-z_0-9eE.+N%& \n-]{0,300}") {
        let mut input = head.to_vec();
        input.extend(body.bytes());
        check::check(&input);
    }

    #[test]
    fn any_damage_to_a_good_request(at in 0_usize..400, byte in any::<u8>()) {
        let mut input = b"\0\x02\0[{\"event\":\"a\",\"properties\":{\"token\":\"t\",\"time\":1.5,\"distinct_id\":\"u\",\"x\":[1,{\"y\":\"\\u00e9\\ud83c\\udf89\"}],\"z\":null}},{\"event\":\"$merge\",\"properties\":{\"$distinct_ids\":[\"a\",\"b\"]}}]".to_vec();
        let length = input.len();
        input[at % length] = byte;
        check::check(&input);
    }
}
