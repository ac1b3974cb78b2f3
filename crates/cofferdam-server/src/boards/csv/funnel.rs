//! A funnel as CSV: a line for each step of everybody, of each segment and of each bucket of the trend.

use super::{Cell, Sheet, columns, figure, segment, text, word};
use cofferdam_query::{Durations, Funnel, FunnelCounts, FunnelRequest};

/// `part` is `all`, `segment` or `trend`; durations are in seconds.
pub(crate) fn funnel(request: &FunnelRequest, answer: &Funnel) -> String {
    let mut sheet = Sheet::default();
    let breakdown = columns(&request.breakdown);
    let wide = breakdown.len();
    let head = std::iter::once(word("part")).chain(breakdown);
    let figures = [
        "bucket",
        "incomplete",
        "step",
        "event",
        "count",
        "conversion",
        "step_conversion",
        "from_previous_average_s",
        "from_previous_median_s",
        "from_previous_p90_s",
        "from_first_average_s",
        "from_first_median_s",
        "from_first_p90_s",
    ];
    sheet.line(head.chain(figures.map(word)));
    let name = |step: usize| {
        let step = request.steps.get(step);
        step.map_or(Cell::Empty, |step| {
            text(step.label.as_deref().unwrap_or(&step.selection.event))
        })
    };
    let mut steps = |part: &str, of: &[Option<String>], steps: &[FunnelCounts]| {
        for (step, counts) in steps.iter().enumerate() {
            let line = std::iter::once(word(part))
                .chain(segment(of, wide))
                .chain([
                    Cell::Empty,
                    figure(answer.incomplete),
                    figure(step + 1),
                    name(step),
                    figure(counts.count),
                    figure(counts.conversion),
                    figure(counts.step_conversion),
                ])
                .chain(durations(counts.from_previous))
                .chain(durations(counts.from_first));
            sheet.line(line);
        }
    };
    steps("all", &[], &answer.steps);
    for segment in &answer.segments {
        steps("segment", &segment.segment, &segment.steps);
    }
    if let Some(trend) = &answer.trend {
        for (at, bucket) in trend.buckets.iter().enumerate() {
            for (step, counts) in trend.steps.iter().enumerate() {
                let line = std::iter::once(word("trend"))
                    .chain(segment(&[], wide))
                    .chain([
                        word(bucket),
                        figure(trend.incomplete.get(at)),
                        figure(step + 1),
                        name(step),
                        figure(counts.get(at)),
                    ])
                    .chain(std::iter::repeat_n(Cell::Empty, 8));
                sheet.line(line);
            }
        }
    }
    sheet.finish()
}

fn durations(of: Option<Durations>) -> [Cell; 3] {
    [
        figure(of.map(|of| of.average)),
        figure(of.map(|of| of.median)),
        figure(of.map(|of| of.p90)),
    ]
}
