//! Flows as CSV: a line for each event of a step, each link and each of the top paths.

use super::{Cell, Sheet, figure, text, word};
use cofferdam_query::Flows;

/// `part` is `event`, `link` or `path`; of a link `offset` is where it comes from, of a path where it begins.
pub(crate) fn flows(answer: &Flows) -> String {
    let mut sheet = Sheet::default();
    sheet.line(["part", "offset", "event", "to", "count"].map(word));
    for step in &answer.steps {
        for event in &step.events {
            sheet.line([
                word("event"),
                figure(step.offset),
                text(&event.event),
                Cell::Empty,
                figure(event.count),
            ]);
        }
    }
    for link in &answer.links {
        sheet.line([
            word("link"),
            figure(link.offset),
            text(&link.from),
            text(&link.to),
            figure(link.count),
        ]);
    }
    for path in &answer.top {
        sheet.line([
            word("path"),
            figure(-i64::from(path.anchor)),
            text(&path.events.join(" > ")),
            Cell::Empty,
            figure(path.count),
        ]);
    }
    sheet.finish()
}
