//! How a blast radius reads as text: the bases side by side, and what is not known before any figure.
//!
//! Invariant: nothing is called "not exposed" that the answers do not call so; the whole list is in `--json`.

use super::{list, text};
use crate::cli::output::{self, grouped};
use serde_json::Value;
use std::collections::BTreeSet;

/// How the ledger writes the first day that there can be.
const EVER: &str = "0000-01-01";

/// Prints one answer, or those of both bases.
pub(in super::super) fn radius(body: &Value) {
    for line in lines(body) {
        output::line(&line);
    }
}

fn lines(body: &Value) -> Vec<String> {
    let answers: Vec<&Value> = match (body.get("sent"), body.get("held")) {
        (Some(sent), Some(held)) => vec![sent, held],
        _ => vec![body],
    };
    let Some(first) = answers.first() else {
        return Vec::new();
    };
    let bases: Vec<String> = answers.iter().map(|answer| text(answer, "basis")).collect();
    let mut lines = vec![headline(first, &answers)];
    if first.get("configured") == Some(&Value::Bool(false)) {
        lines.push(
            "this vendor is no longer configured; the ledger tells what it knows of it".to_owned(),
        );
    }
    lines.extend(gaps(&answers));
    lines.push(format!(
        "coverage {}, complete from {} through {}",
        text(first, "coverage"),
        text(first, "complete_from"),
        text(first, "complete_through"),
    ));
    let at_least =
        |answer: &&Value| answer.get("organizations_at_least") == Some(&Value::Bool(true));
    let organizations = match answers.iter().any(at_least) {
        true => "organizations, at least",
        false => "organizations",
    };
    let rows = [
        ("people", "people"),
        ("of them without a confirmed delivery", "people_possible"),
        (
            "if it keeps only as long as it claims",
            "people_claimed_retention",
        ),
        (organizations, "organizations"),
        ("events", "events"),
    ];
    let is_told = |key: &str| {
        answers
            .iter()
            .any(|answer| answer.get(key).is_some_and(Value::is_u64))
    };
    let totals = rows.into_iter().filter(|(_, key)| is_told(key));
    let totals: Vec<Vec<String>> = totals
        .map(|(label, key)| {
            let figures = answers.iter().map(|answer| grouped(figure(answer, key)));
            std::iter::once(label.to_owned()).chain(figures).collect()
        })
        .collect();
    table(&mut lines, &["exposed"], &bases, &[], &totals);
    let keys = ["category", "sensitivity"];
    let categories = joined(&answers, "categories", &keys, &[]);
    table(&mut lines, &keys, &bases, &[], &categories);
    let keys = ["field", "category", "form"];
    let fields = joined(&answers, "fields", &keys, &["first", "last"]);
    table(&mut lines, &keys, &bases, &["first", "last"], &fields);
    lines.push(String::new());
    lines.extend(absent(&answers, "not_exposed", "not exposed"));
    lines.extend(absent(
        &answers,
        "unknown",
        "not known, because of the days without coverage",
    ));
    lines
}

fn headline(first: &Value, answers: &[&Value]) -> String {
    let parts: Vec<String> = answers
        .iter()
        .map(|answer| {
            let people = output::count(figure(answer, "people"), "person", "people");
            if text(answer, "basis") == "held" {
                return format!("{people} by what it may still hold");
            }
            format!(
                "{people} by what was sent from {} to {}",
                text(answer, "since"),
                text(answer, "until")
            )
        })
        .collect();
    format!("{}: {}", text(first, "vendor"), parts.join(", "))
}

/// The days of which nothing is known, in words; those of one basis only are named so.
fn gaps(answers: &[&Value]) -> Vec<String> {
    let mut lines = Vec::new();
    for answer in answers {
        for gap in list(answer, "gaps") {
            let is_common = answers
                .iter()
                .all(|answer| list(answer, "gaps").contains(gap));
            let of = match is_common {
                true => String::new(),
                false => format!(" ({})", text(answer, "basis")),
            };
            let (since, until) = (text(gap, "since"), text(gap, "until"));
            let days = if since == EVER {
                format!("until {until}")
            } else if since == until {
                format!("on {since}")
            } else {
                format!("from {since} to {until}")
            };
            let line = format!("not known{of}: {days} ({})", text(gap, "reason"));
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

/// The items of all answers, joined by their keys: keys, people by basis, then the earliest and latest of two days.
fn joined(answers: &[&Value], name: &str, keys: &[&str], days: &[&str]) -> Vec<Vec<String>> {
    let key_of = |item: &Value| keys.iter().map(|key| text(item, key)).collect::<Vec<_>>();
    let mut order: Vec<Vec<String>> = Vec::new();
    for item in answers.iter().flat_map(|answer| list(answer, name)) {
        let key = key_of(item);
        if !order.contains(&key) {
            order.push(key);
        }
    }
    let row = |key: Vec<String>| {
        let of = |answer: &&Value| {
            let mut items = list(answer, name).iter();
            items.find(|item| key_of(item) == key).cloned()
        };
        let found: Vec<Option<Value>> = answers.iter().map(of).collect();
        let people = found
            .iter()
            .map(|item| grouped(item.as_ref().map_or(0, |item| figure(item, "people"))));
        let mut row = key.clone();
        row.extend(people);
        for day in days {
            let mut all = found
                .iter()
                .flatten()
                .map(|item| text(item, day))
                .collect::<Vec<_>>();
            all.sort();
            let day = if *day == "first" {
                all.first()
            } else {
                all.last()
            };
            row.push(day.cloned().unwrap_or_default());
        }
        row
    };
    order.into_iter().map(row).collect()
}

fn table(
    lines: &mut Vec<String>,
    keys: &[&str],
    bases: &[String],
    days: &[&str],
    rows: &[Vec<String>],
) {
    if rows.is_empty() {
        return;
    }
    let mut header = keys.to_vec();
    header.extend(bases.iter().map(String::as_str));
    header.extend(days);
    lines.push(String::new());
    lines.extend(output::table_lines(&header, rows));
}

/// The categories of a list as a count and the widest of them; where the bases differ, a line for each.
fn absent(answers: &[&Value], name: &str, words_for: &str) -> Vec<String> {
    let is_common = answers.windows(2).all(|pair| {
        pair.iter()
            .all(|answer| list(answer, name) == first_list(pair, name))
    });
    let shown = if is_common {
        answers.get(..1)
    } else {
        Some(answers)
    };
    let line = |answer: &&Value| {
        let all: BTreeSet<&str> = list(answer, name)
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let is_below = |category: &str| {
            category
                .match_indices('.')
                .any(|(at, _)| category.get(..at).is_some_and(|above| all.contains(above)))
        };
        let widest: Vec<&str> = all
            .iter()
            .copied()
            .filter(|category| !is_below(category))
            .collect();
        let count = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let of = match is_common {
            true => String::new(),
            false => format!(" ({})", text(answer, "basis")),
        };
        (count > 0).then(|| {
            format!(
                "{words_for}{of}: {} (each is in --json): {}",
                output::count(count, "category", "categories"),
                widest.join(", ")
            )
        })
    };
    shown.unwrap_or_default().iter().filter_map(line).collect()
}

fn first_list<'a>(answers: &[&'a Value], name: &str) -> &'a [Value] {
    answers.first().map_or(&[], |answer| list(answer, name))
}

fn figure(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::lines;
    use serde_json::{Value, json};

    fn answer(basis: &str, people: u64, gaps: &Value) -> Value {
        json!({
            "vendor": "acme", "basis": basis, "since": "2026-06-01", "until": "2026-06-02", "people": people, "people_possible": 1,
            "people_claimed_retention": null, "organizations": 3, "events": 39_423, "coverage": "routed",
            "complete_from": "2026-06-01", "complete_through": "2026-06-02", "gaps": gaps,
            "categories": [{ "category": "user.behavior", "sensitivity": "behavioral", "people": people }],
            "fields": [{ "field": "event", "category": "user.behavior", "form": "clear", "people": people, "first": "2026-06-01",
                "last": if basis == "held" { "2026-06-02" } else { "2026-06-01" } }],
            "not_exposed": ["user.contact", "user.contact.email", "user.name"], "unknown": [], "configured": true,
        })
    }

    #[test]
    fn both_bases_stand_side_by_side_and_what_is_not_known_comes_first() {
        let before =
            json!([{ "since": "0000-01-01", "until": "2026-05-31", "reason": "before coverage" }]);
        let both = json!({ "sent": answer("sent", 1, &json!([])), "held": answer("held", 1_200, &before) });
        let said = lines(&both);
        assert_eq!(
            said,
            [
                "acme: 1 person by what was sent from 2026-06-01 to 2026-06-02, 1,200 people by what it may still hold",
                "not known (held): until 2026-05-31 (before coverage)",
                "coverage routed, complete from 2026-06-01 through 2026-06-02",
                "",
                "exposed                                 sent    held",
                "people                                     1   1,200",
                "of them without a confirmed delivery       1       1",
                "organizations                              3       3",
                "events                                39,423  39,423",
                "",
                "category       sensitivity  sent   held",
                "user.behavior  behavioral      1  1,200",
                "",
                "field  category       form   sent   held       first        last",
                "event  user.behavior  clear     1  1,200  2026-06-01  2026-06-02",
                "",
                "not exposed: 3 categories (each is in --json): user.contact, user.name",
            ]
        );
    }

    #[test]
    fn one_basis_reads_alike_and_a_gap_of_all_bases_has_no_label() {
        let gap = json!([{ "since": "2026-06-01", "until": "2026-06-01", "reason": "restored" }]);
        let mut held = answer("held", 2, &gap);
        held["organizations_at_least"] = json!(true);
        let said = lines(&held);
        assert_eq!(said[0], "acme: 2 people by what it may still hold");
        assert_eq!(said[1], "not known: on 2026-06-01 (restored)");
        assert!(said[4].ends_with("held"), "{said:?}");
        assert!(said[7].starts_with("organizations, at least "), "{said:?}");
    }

    #[test]
    fn what_only_one_basis_knows_is_said_of_that_basis() {
        let mut held = answer("held", 2, &json!([]));
        held["unknown"] = held["not_exposed"].take();
        let both = json!({ "sent": answer("sent", 1, &json!([])), "held": held });
        let said = lines(&both);
        let [.., sent, held] = said.as_slice() else {
            panic!("{said:?}")
        };
        assert!(
            sent.starts_with("not exposed (sent): 3 categories"),
            "{said:?}"
        );
        assert!(
            held.starts_with("not known, because of the days without coverage (held): 3"),
            "{said:?}"
        );
    }
}
