//! Trends as CSV: a line for each series, segment and bucket; of a comparison too.

use super::{Cell, Sheet, columns, figure, segment, text, word};
use cofferdam_query::{Figure, Segmentation, SegmentationRequest};

/// `range` is `now` or `compare`; `series` an event or a formula's name.
pub(crate) fn segmentation(request: &SegmentationRequest, answer: &Segmentation) -> String {
    let mut sheet = Sheet::default();
    let breakdown = columns(&request.breakdown);
    let wide = breakdown.len();
    let head = [word("range"), word("series")].into_iter().chain(breakdown);
    sheet.line(head.chain(["bucket", "incomplete", "value"].map(word)));
    let mut lines = |range: &str,
                     axis: (&[String], &[bool]),
                     name: &str,
                     of: &[Option<String>],
                     values: &[Option<Figure>]| {
        for ((bucket, incomplete), value) in axis.0.iter().zip(axis.1).zip(values) {
            let names = [word(range), text(name)]
                .into_iter()
                .chain(segment(of, wide));
            sheet.line(names.chain([word(bucket), figure(incomplete), value_cell(*value)]));
        }
    };
    let now = (&*answer.buckets, &*answer.incomplete);
    for series in &answer.series {
        lines("now", now, &series.event, &series.segment, &series.values);
    }
    for series in &answer.formulas {
        lines("now", now, &series.name, &series.segment, &series.values);
    }
    if let Some(compare) = &answer.compare {
        let then = (&*compare.buckets, &*compare.incomplete);
        for series in &compare.series {
            lines(
                "compare",
                then,
                &series.event,
                &series.segment,
                &series.values,
            );
        }
        for series in &compare.formulas {
            lines(
                "compare",
                then,
                &series.name,
                &series.segment,
                &series.values,
            );
        }
    }
    sheet.finish()
}

fn value_cell(value: Option<Figure>) -> Cell {
    value.map_or(Cell::Empty, figure)
}
