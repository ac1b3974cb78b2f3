//! What a digest says of answers, and what it leaves out.

use super::{Section, funnel, html, is_shown, people, retention, text, trends};
use cofferdam_query::Segmentation;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn from<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Three days, of which today is not over, and the three before.
fn answer(series: &Value, then: &Value) -> Segmentation {
    from(
        json!({ "buckets": ["d4", "d5", "d6"], "incomplete": [false, false, true], "series": series, "snapshot": "1.0",
        "compare": { "from": "2026-06-01", "to": "2026-06-03", "buckets": ["d1", "d2", "d3"], "incomplete": [false, false, false],
            "series": then } }),
    )
}

fn said(section: &Section) -> Vec<(&str, &str, &str)> {
    let lines = section.lines.iter();
    lines
        .map(|line| {
            (
                line.label.as_str(),
                line.figure.as_str(),
                line.change.as_str(),
            )
        })
        .collect()
}

#[test]
fn totals_add_up_over_days_that_are_over_in_both_periods() {
    let series = |a: Value, b: Value, c: Value| {
        json!([
            { "event": "A", "segment": ["pro"], "values": a },
            { "event": "A", "segment": [null], "values": b },
            { "event": "A", "segment": ["rare@example.com"], "values": c },
        ])
    };
    let now = answer(
        &series(json!([30, 30, 5]), json!([20, 20, 9]), json!([50, 50, 50])),
        &series(json!([20, 20, 99]), json!([0, 0, 0]), json!([1, 1, 1])),
    );
    let who = answer(
        &series(json!([12, 3, 1]), json!([10, 10, 1]), json!([9, 9, 30])),
        &series(json!([10, 1, 0]), json!([0, 0, 0]), json!([50, 50, 50])),
    );
    let section = trends("Calls", true, &now, &who);
    // Of the third, never ten people on a day that is over: what it is called is not said either.
    assert_eq!(
        said(&section),
        [("A: pro", "60", "+50.0 %"), ("A: not set", "40", "")]
    );
    assert!(section.has_hidden);
    assert_eq!(section.about, "d4 to d5, added up");
    // What does not add up is that of the last day that is over in both.
    let section = trends("Calls", false, &now, &who);
    assert_eq!(said(&section), [("A: not set", "20", "")]);
    assert_eq!(section.about, "d5");
}

#[test]
fn a_funnel_says_steps_of_groups_that_leave_a_group() {
    let request = from(
        json!({ "project": "p", "from": "2026-06-01", "to": "2026-06-02",
        "steps": [{ "event": "A" }, { "event": "B" }, { "event": "C" }, { "event": "D", "label": "done" }] }),
    );
    let counts = |counts: [u64; 4]| {
        let steps: Vec<Value> = counts
            .iter()
            .map(|count| json!({ "count": count, "conversion": *count as f64 / counts[0] as f64 }))
            .collect();
        from(
            json!({ "steps": steps, "excluded": 0, "histogram": [], "segments": [], "incomplete": false, "snapshot": "1.0" }),
        )
    };
    let section = funnel(
        "F",
        &request,
        &counts([100, 95, 50, 9]),
        &counts([100, 50, 40, 20]),
    );
    assert_eq!(
        said(&section),
        [
            ("A", "100 (100.0 %)", "+0.0 points"),
            ("C", "50 (50.0 %)", "+10.0 points")
        ]
    );
    assert!(section.has_hidden);
}

#[test]
fn retention_says_shares_of_groups() {
    let of = |first: u64, second: u64| {
        from(
            json!({ "buckets": [[0, 0], [1, 2]], "segments": [], "known_since": null, "snapshot": "1.0",
            "cohorts": [{ "start": "2026-06-01", "size": 100, "counts": [first, second], "incomplete": [false, false], "cut": false }],
            "average": [first as f64 / 100.0, second as f64 / 100.0] }),
        )
    };
    let section = retention("R", &of(40, 9), &of(30, 30));
    assert_eq!(said(&section), [("after 0", "40.0 %", "+10.0 points")]);
    assert!(section.has_hidden);
}

#[test]
fn nothing_is_said_of_fewer_than_ten() {
    for (part, whole, shown) in [
        (10, 10, true),
        (9, 100, false),
        (10, 19, false),
        (10, 20, true),
        (0, 0, false),
        (95, 100, false),
    ] {
        assert_eq!(is_shown(part, whole), shown, "{part} of {whole}");
    }
    assert_eq!(
        said(&people("P".to_owned(), 20, 10)),
        [("people", "20", "+100.0 %")]
    );
    assert_eq!(said(&people("P".to_owned(), 20, 9)), [("people", "20", "")]);
    assert!(people("P".to_owned(), 9, 20).lines.is_empty());
}

#[test]
fn names_are_only_text_in_html_and_nothing_is_fetched() {
    let section = Section {
        title: "<b>A & \"B\"</b>".to_owned(),
        lines: vec![super::Line {
            label: "<img src=x>".to_owned(),
            figure: "12".to_owned(),
            change: "+1.0 %".to_owned(),
        }],
        ..people("x".to_owned(), 1, 1)
    };
    let html = html(
        "Wall",
        std::slice::from_ref(&section),
        "https://cofferdam.example.com",
    );
    assert!(
        html.contains("&lt;b&gt;A &amp; &quot;B&quot;&lt;/b&gt;") && html.contains("&lt;img"),
        "{html}"
    );
    for never in ["<img", "src=\"", "url(", "<script", "<link"] {
        assert!(!html.contains(never), "{never} in {html}");
    }
    assert_eq!(html.matches("http").count(), 2, "only the link: {html}");
    let text = text("Wall", &[section], "https://cofferdam.example.com");
    assert!(
        text.contains("  <img src=x>: 12  +1.0 %\n")
            && text.ends_with("https://cofferdam.example.com/\n"),
        "{text}"
    );
}
