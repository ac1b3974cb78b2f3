//! Tables to the letter, and texts that a sheet must not compute.

use super::{Cell, Sheet, flows, funnel, harmless, retention, segmentation, word};
use cofferdam_query::{Flows, Funnel, Retention, Segmentation};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn from<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[test]
fn trends() {
    let request = from(
        json!({ "project": "p", "events": [{ "event": "=A" }], "breakdown": ["plan", { "expression": "1+1" }],
        "from": "2026-06-01", "to": "2026-06-02" }),
    );
    let answer: Segmentation = from(json!({
        "buckets": ["2026-06-01", "2026-06-02"], "incomplete": [false, true],
        "series": [
            { "event": "=A", "segment": ["pro, \"x\"", null], "values": [1, 2.5] },
            { "event": "=A", "segment": ["$other"], "values": [0, null] },
        ],
        "formulas": [{ "name": "rate", "segment": ["pro, \"x\"", null], "values": [0.5, null] }],
        "compare": { "from": "2026-05-30", "to": "2026-05-31", "buckets": ["2026-05-30"], "incomplete": [false],
            "series": [{ "event": "=A", "segment": ["-2", "+1 b"], "values": [7] }] },
        "snapshot": "1.0" }));
    insta::assert_snapshot!(segmentation(&request, &answer).replace('\r', ""), @r#"
    range,series,plan,1+1,bucket,incomplete,value
    now,'=A,"pro, ""x""",,2026-06-01,false,1
    now,'=A,"pro, ""x""",,2026-06-02,true,2.5
    now,'=A,$other,,2026-06-01,false,0
    now,'=A,$other,,2026-06-02,true,
    now,rate,"pro, ""x""",,2026-06-01,false,0.5
    now,rate,"pro, ""x""",,2026-06-02,true,
    compare,'=A,-2,'+1 b,2026-05-30,false,7
    "#);
}

#[test]
fn a_funnel() {
    let request = from(
        json!({ "project": "p", "steps": [{ "event": "A" }, { "event": "B", "label": "bought" }],
        "breakdown": ["plan"], "from": "2026-06-01", "to": "2026-06-01" }),
    );
    let second = json!({ "count": 1, "conversion": 0.5, "step_conversion": 0.5,
        "from_previous": { "average": 9.0, "median": 8.5, "p25": 1.0, "p75": 2.0, "p90": 3.0, "p99": 4.0 },
        "from_first": { "average": 9.0, "median": 8.5, "p25": 1.0, "p75": 2.0, "p90": 3.0, "p99": 4.0 } });
    let steps = json!([{ "count": 2, "conversion": 1.0, "step_conversion": 1.0 }, second]);
    let answer: Funnel = from(
        json!({ "steps": steps, "excluded": 0, "histogram": [], "incomplete": true,
        "segments": [{ "segment": [null], "steps": steps }],
        "trend": { "buckets": ["2026-06-01"], "incomplete": [true], "steps": [[2], [1]] }, "snapshot": "1.0" }),
    );
    insta::assert_snapshot!(funnel(&request, &answer).replace('\r', ""), @"
    part,plan,bucket,incomplete,step,event,count,conversion,step_conversion,from_previous_average_s,from_previous_median_s,from_previous_p90_s,from_first_average_s,from_first_median_s,from_first_p90_s
    all,,,true,1,A,2,1.0,1.0,,,,,,
    all,,,true,2,bought,1,0.5,0.5,9.0,8.5,3.0,9.0,8.5,3.0
    segment,,,true,1,A,2,1.0,1.0,,,,,,
    segment,,,true,2,bought,1,0.5,0.5,9.0,8.5,3.0,9.0,8.5,3.0
    trend,,2026-06-01,true,1,A,2,,,,,,,,
    trend,,2026-06-01,true,2,bought,1,,,,,,,,
    ");
}

#[test]
fn cohorts_and_their_average() {
    let request = from(
        json!({ "project": "p", "born": { "event": "A" }, "returned": { "event": "B" }, "breakdown": ["plan"],
        "from": "2026-06-01", "to": "2026-06-01" }),
    );
    let answer: Retention = from(
        json!({ "buckets": [[0, 0], [1, 2]], "snapshot": "1.0", "known_since": null,
        "cohorts": [{ "start": "2026-06-01", "size": 4, "counts": [3, 1], "incomplete": [false, true], "cut": false },
            { "start": "2026-06-02", "size": 0, "counts": [0, 0], "incomplete": [false, false], "cut": true }],
        "average": [0.75, null],
        "segments": [{ "segment": ["pro"], "size": 4, "counts": [3, 1], "average": [0.75, null] }] }),
    );
    insta::assert_snapshot!(retention(&request, &answer).replace('\r', ""), @"
    part,plan,cohort,size,first_unit,last_unit,count,share,incomplete
    cohort,,2026-06-01,4,0,0,3,0.75,false
    cohort,,2026-06-01,4,1,2,1,0.25,true
    cohort,,2026-06-02,0,0,0,0,,true
    cohort,,2026-06-02,0,1,2,0,,true
    average,,,,0,0,,0.75,
    average,,,,1,2,,,
    segment,pro,,4,0,0,3,0.75,
    segment,pro,,4,1,2,1,,
    ");
}

#[test]
fn what_people_did_before_and_after() {
    let answer: Flows = from(json!({ "paths": 3, "snapshot": "1.0",
        "steps": [{ "offset": 0, "events": [{ "event": "A", "count": 3 }] }, { "offset": 1, "events": [{ "event": "@B", "count": 2 }] }],
        "links": [{ "offset": 0, "from": "A", "to": "$end", "count": 1 }],
        "top": [{ "events": ["A", "@B"], "anchor": 0, "count": 2 }] }));
    insta::assert_snapshot!(flows(&answer).replace('\r', ""), @"
    part,offset,event,to,count
    event,0,A,,3
    event,1,'@B,,2
    link,0,A,$end,1
    path,0,A > @B,,2
    ");
}

#[test]
fn a_text_starts_no_formula() {
    for (text, written) in [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        (" =1", "' =1"),
        ("\u{feff}=1", "'\u{feff}=1"),
        ("＝1", "'＝1"),
        ("-1.5", "-1.5"),
        ("+7", "+7"),
        ("-1+2", "'-1+2"),
        ("-", "'-"),
        ("-inf", "'-inf"),
        ("a=1", "a=1"),
        ("", ""),
    ] {
        assert_eq!(harmless(text.to_owned()), written, "{text:?}");
    }
}

proptest! {
    /// Whatever the texts are, a reader of CSV gets as many lines and cells, and each text back, but for the guard.
    #[test]
    fn a_reader_gets_back_what_was_written(rows in prop::collection::vec(prop::collection::vec(".*", 3), 1..8)) {
        let mut sheet = Sheet::default();
        sheet.line(["a", "b", "c"].map(word));
        for row in &rows {
            sheet.line(row.iter().cloned().map(Cell::Text));
        }
        let text = sheet.finish();
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let read: Vec<Vec<String>> = reader.records()
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .collect();
        let written: Vec<Vec<String>> = rows.into_iter()
            .map(|row| row.into_iter().map(harmless).collect())
            .collect();
        prop_assert_eq!(read, written);
    }
}
