//! Retention as CSV: a line for each cohort and bucket, for the average, and for each segment.

use super::{Cell, Sheet, columns, figure, segment, word};
use cofferdam_query::{Retention, RetentionRequest};

/// `part` is `cohort`, `average` or `segment`; `share` is 0 to 1. A cohort that the range cuts is incomplete in every bucket.
pub(crate) fn retention(request: &RetentionRequest, answer: &Retention) -> String {
    let mut sheet = Sheet::default();
    let breakdown = columns(&request.breakdown);
    let wide = breakdown.len();
    let head = std::iter::once(word("part")).chain(breakdown);
    let figures = [
        "cohort",
        "size",
        "first_unit",
        "last_unit",
        "count",
        "share",
        "incomplete",
    ];
    sheet.line(head.chain(figures.map(word)));
    let bucket = |at: usize| {
        let bucket = answer.buckets.get(at);
        [
            figure(bucket.map(|(first, _)| first)),
            figure(bucket.map(|(_, last)| last)),
        ]
    };
    for cohort in &answer.cohorts {
        for (at, count) in cohort.counts.iter().enumerate() {
            let incomplete = cohort.cut || cohort.incomplete.get(at).copied().unwrap_or(true);
            let line = std::iter::once(word("cohort"))
                .chain(segment(&[], wide))
                .chain([word(&cohort.start), figure(cohort.size)])
                .chain(bucket(at))
                .chain([
                    figure(count),
                    share(*count, cohort.size),
                    figure(incomplete),
                ]);
            sheet.line(line);
        }
    }
    for (at, average) in answer.average.iter().enumerate() {
        let line = std::iter::once(word("average"))
            .chain(segment(&[], wide))
            .chain([Cell::Empty, Cell::Empty])
            .chain(bucket(at))
            .chain([Cell::Empty, figure(average), Cell::Empty]);
        sheet.line(line);
    }
    for of in &answer.segments {
        for (at, count) in of.counts.iter().enumerate() {
            let line = std::iter::once(word("segment"))
                .chain(segment(&of.segment, wide))
                .chain([Cell::Empty, figure(of.size)])
                .chain(bucket(at))
                .chain([figure(count), figure(of.average.get(at)), Cell::Empty]);
            sheet.line(line);
        }
    }
    sheet.finish()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of people is a double to every reader"
)]
fn share(count: u64, size: u64) -> Cell {
    if size == 0 {
        return Cell::Empty;
    }
    figure(count as f64 / size as f64)
}
