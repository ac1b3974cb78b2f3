//! What a digest says of the answers: figures, their change, and nothing of small groups.
//!
//! Invariant: a figure is said only where at least ten people are behind it, and behind what it leaves of the whole; no image and no
//! address of anything outside is in a mail, but the link to the web app.

use crate::boards::alert::{change, number};
use cofferdam_query::{Figure, Funnel, FunnelRequest, Retention, Segmentation, Series};

/// Fewest people behind a figure.
pub(super) const SMALLEST_GROUP: u64 = 10;
/// Most lines of one report.
const LINES_MAX: usize = 10;
/// Most buckets of retention.
const BUCKETS_MAX: usize = 8;

/// A report's part of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) title: String,
    /// What the figures are of.
    pub(super) about: String,
    pub(super) lines: Vec<Line>,
    /// Whether something was left out because too few people are behind it.
    pub(super) has_hidden: bool,
}

/// A figure with its change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) label: String,
    pub(super) figure: String,
    pub(super) change: String,
}

/// Trends against the period before. A total adds up over the buckets that are over in both; other figures are those of the last
/// such bucket. `people` is the same report's answer in distinct people.
pub(super) fn trends(
    title: &str,
    is_total: bool,
    answer: &Segmentation,
    people: &Segmentation,
) -> Section {
    let then = answer.compare.as_ref();
    let over = |at: usize| {
        let is_over = |incomplete: &[bool]| incomplete.get(at) == Some(&false);
        is_over(&answer.incomplete) && then.is_some_and(|then| is_over(&then.incomplete))
    };
    let mut positions: Vec<usize> = (0..answer.buckets.len()).filter(|at| over(*at)).collect();
    if !is_total {
        positions = positions.last().copied().into_iter().collect();
    }
    let bucket = |at: Option<&usize>| {
        at.and_then(|at| answer.buckets.get(*at))
            .cloned()
            .unwrap_or_default()
    };
    let mut section = Section {
        title: title.to_owned(),
        about: match positions.as_slice() {
            [] => "no bucket is over in both periods".to_owned(),
            [only] => bucket(Some(only)),
            [..] => format!(
                "{} to {}, added up",
                bucket(positions.first()),
                bucket(positions.last())
            ),
        },
        lines: Vec::new(),
        has_hidden: false,
    };
    let empty = Vec::new();
    let earlier = then.map_or(&empty, |then| &then.series);
    let earlier_people = people.compare.as_ref().map_or(&empty, |then| &then.series);
    for series in answer.series.iter().filter(|_| !positions.is_empty()) {
        let figure = sum(Some(series), &positions);
        if !is_group(find(&people.series, series), &positions) {
            section.has_hidden = true;
            continue;
        }
        let Some(figure) = figure else { continue };
        let was = is_group(find(earlier_people, series), &positions)
            .then(|| sum(find(earlier, series), &positions))
            .flatten();
        let percent = was.and_then(|was| change(was, figure));
        section.lines.push(Line {
            label: label(series),
            figure: number(figure),
            change: percent.map_or(String::new(), |percent| format!("{percent:+.1} %")),
        });
    }
    section.lines.truncate(LINES_MAX);
    section
}

/// A funnel of people against the period before.
pub(super) fn funnel(
    title: &str,
    request: &FunnelRequest,
    answer: &Funnel,
    before: &Funnel,
) -> Section {
    let entered = |funnel: &Funnel| funnel.steps.first().map_or(0, |step| step.count);
    let mut section = Section {
        title: title.to_owned(),
        about: format!("{} to {}, people", request.from, request.to),
        lines: Vec::new(),
        has_hidden: false,
    };
    for (at, step) in answer.steps.iter().enumerate() {
        let Some(asked) = request.steps.get(at) else {
            break;
        };
        if !is_shown(step.count, entered(answer)) {
            section.has_hidden = true;
            continue;
        }
        let was = before
            .steps
            .get(at)
            .filter(|was| is_shown(was.count, entered(before)));
        let points = step.conversion.zip(was.and_then(|was| was.conversion));
        let conversion = step
            .conversion
            .map_or(String::new(), |share| format!(" ({:.1} %)", share * 100.0));
        section.lines.push(Line {
            label: asked
                .label
                .clone()
                .unwrap_or_else(|| asked.selection.event.clone()),
            figure: format!("{}{conversion}", step.count),
            change: points.map_or(String::new(), |(now, was)| {
                format!("{:+.1} points", (now - was) * 100.0)
            }),
        });
    }
    section
}

/// Retention of everybody against the period before.
pub(super) fn retention(title: &str, answer: &Retention, before: &Retention) -> Section {
    let mut section = Section {
        title: title.to_owned(),
        about: "share of people who came back".to_owned(),
        lines: Vec::new(),
        has_hidden: false,
    };
    for (at, (first, last)) in answer.buckets.iter().enumerate().take(BUCKETS_MAX) {
        let Some(share) = average(answer, at) else {
            section.has_hidden = true;
            continue;
        };
        let was = average(before, at);
        section.lines.push(Line {
            label: if first == last {
                format!("after {first}")
            } else {
                format!("after {first} to {last}")
            },
            figure: format!("{:.1} %", share * 100.0),
            change: was.map_or(String::new(), |was| {
                format!("{:+.1} points", (share - was) * 100.0)
            }),
        });
    }
    section
}

/// A number of people against the period before.
pub(super) fn people(title: String, now: u64, was: u64) -> Section {
    let is_shown = now >= SMALLEST_GROUP;
    let count = |people: u64| f64::from(u32::try_from(people).unwrap_or(u32::MAX));
    let percent = (was >= SMALLEST_GROUP)
        .then(|| change(count(was), count(now)))
        .flatten();
    let line = Line {
        label: "people".to_owned(),
        figure: now.to_string(),
        change: percent.map_or(String::new(), |percent| format!("{percent:+.1} %")),
    };
    Section {
        title,
        about: "people who went a path".to_owned(),
        lines: if is_shown { vec![line] } else { Vec::new() },
        has_hidden: !is_shown,
    }
}

/// A bucket's share, where enough people came back and enough did not.
fn average(answer: &Retention, at: usize) -> Option<f64> {
    let complete = answer
        .cohorts
        .iter()
        .filter(|cohort| !cohort.cut && cohort.incomplete.get(at) == Some(&false));
    let (mut size, mut count) = (0, 0);
    for cohort in complete {
        size += cohort.size;
        count += cohort.counts.get(at).copied().unwrap_or(0);
    }
    let share = answer.average.get(at).copied().flatten()?;
    is_shown(count, size).then_some(share)
}

/// Whether a part of a whole may be said: both are groups, and what is left is one or nobody.
pub(super) fn is_shown(part: u64, whole: u64) -> bool {
    let rest = whole.saturating_sub(part);
    part >= SMALLEST_GROUP && (rest == 0 || rest >= SMALLEST_GROUP)
}

/// Whether in every one of these buckets, or added up over them, at least ten people are behind a series. Ten in one bucket are ten
/// in all of them.
fn is_group(people: Option<&Series>, positions: &[usize]) -> bool {
    let at = |at: &usize| people?.values.get(*at).copied().flatten();
    positions.iter().filter_map(at).any(|people| match people {
        Figure::Count(people) => people >= SMALLEST_GROUP,
        Figure::Number(_) => false,
    })
}

fn find<'s>(series: &'s [Series], like: &Series) -> Option<&'s Series> {
    series
        .iter()
        .find(|series| series.event == like.event && series.segment == like.segment)
}

fn sum(series: Option<&Series>, positions: &[usize]) -> Option<f64> {
    let at = |at: &usize| Some(series?.values.get(*at).copied().flatten()?.number());
    let values: Vec<f64> = positions.iter().filter_map(at).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

fn label(series: &Series) -> String {
    let values = series
        .segment
        .iter()
        .map(|value| value.as_deref().unwrap_or("not set"));
    let values: Vec<&str> = values.collect();
    if values.is_empty() {
        series.event.clone()
    } else {
        format!("{}: {}", series.event, values.join(", "))
    }
}

/// The sections as plain text.
pub(super) fn text(board: &str, sections: &[Section], web_url: &str) -> String {
    let mut text = format!("{board}\n");
    for section in sections {
        text.push_str(&format!("\n{}\n{}\n", section.title, section.about));
        for line in &section.lines {
            let change = if line.change.is_empty() {
                String::new()
            } else {
                format!("  {}", line.change)
            };
            text.push_str(&format!("  {}: {}{change}\n", line.label, line.figure));
        }
        if section.has_hidden {
            text.push_str(&format!("  {HIDDEN}\n"));
        }
    }
    text.push_str(&format!("\n{BEFORE}\n"));
    if !web_url.is_empty() {
        text.push_str(&format!("{web_url}/\n"));
    }
    text
}

const HIDDEN: &str = "Figures with fewer than ten people behind them are left out.";
const BEFORE: &str = "Changes are against the period before.";

/// The sections as HTML, which asks nobody for anything.
pub(super) fn html(board: &str, sections: &[Section], web_url: &str) -> String {
    let mut html = format!(
        "<!doctype html><html><body style=\"font-family:sans-serif;color:#1a1a1a\"><h1 style=\"font-size:20px\">{}</h1>",
        escaped(board)
    );
    for section in sections {
        html.push_str(&format!(
            "<h2 style=\"font-size:16px;margin-bottom:0\">{}</h2><p style=\"margin:4px 0;color:#555\">{}</p><table cellpadding=\"4\">",
            escaped(&section.title),
            escaped(&section.about)
        ));
        for line in &section.lines {
            html.push_str(&format!(
                "<tr><td>{}</td><td align=\"right\"><b>{}</b></td><td align=\"right\">{}</td></tr>",
                escaped(&line.label),
                escaped(&line.figure),
                escaped(&line.change)
            ));
        }
        html.push_str("</table>");
        if section.has_hidden {
            html.push_str(&format!("<p style=\"color:#555\">{HIDDEN}</p>"));
        }
    }
    html.push_str(&format!("<p style=\"color:#555\">{BEFORE}</p>"));
    if !web_url.is_empty() {
        html.push_str(&format!(
            "<p><a href=\"{0}/\">{0}/</a></p>",
            escaped(web_url)
        ));
    }
    html.push_str("</body></html>");
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests;
