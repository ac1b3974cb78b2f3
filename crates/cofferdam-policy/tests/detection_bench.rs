//! Recall and precision of the detectors on labelled text, printed per type and held to bars.
//!
//! Reads `shared/data/detection/dev.jsonl`, found upwards from this crate, and passes without it.

#[path = "detection/score.rs"]
mod score;

use score::KINDS;

#[test]
fn recall_and_precision_on_labelled_text() {
    let Some(text) = score::data() else {
        println!("no labelled data found: nothing measured");
        return;
    };
    let (lines, scores) = score::score(&text);
    println!("{lines} lines; recall / precision / missed lines / wrong lines");
    for ((name, ..), score) in KINDS.iter().zip(&scores) {
        let (recall, precision) = (score.recall(), score.precision());
        println!(
            "{name:>14}  {recall:.3}  {precision:.3}  {:?}  {:?}",
            score.missed, score.wrong
        );
    }
    for ((name, _, _, recall, precision), score) in KINDS.iter().zip(&scores) {
        assert!(
            score.recall() >= *recall,
            "{name}: recall {:.3} < {recall}",
            score.recall()
        );
        assert!(
            score.precision() >= *precision,
            "{name}: precision {:.3} < {precision}",
            score.precision()
        );
    }
}
