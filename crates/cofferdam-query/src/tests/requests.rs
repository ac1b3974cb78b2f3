//! Requests by hand: what a wrong one is told, the documented JSON, and `$other`.

use super::*;
use crate::{Filter, FilterOp, Operand};
use cofferdam_model::PersonNumber;

#[test]
fn other_counts_people_once_and_comes_last() {
    let rows: Vec<Row> = vec![
        (1, T0, 0, Some(0), None),
        (2, T0, 0, Some(0), None),
        (3, T0, 0, Some(0), None),
        (1, T0, 0, Some(1), None),
        (1, T0, 0, Some(2), None),
        (9, T0, 0, None, None),
    ];
    let limits = QueryLimits {
        segments_max: 1,
        ..QueryLimits::default()
    };
    let mut merges = MergeMap::new();
    merges.link(PersonNumber(2), PersonNumber(3));
    let answer = run(&rows, &merges, &simple(Measure::Unique, &["plan"]), &limits).unwrap();
    let found: Vec<_> = answer
        .series
        .iter()
        .map(|s| (s.segment[0].as_deref(), s.values[0]))
        .collect();
    assert_eq!(found, [(Some("free"), 2), (Some("$other"), 2)]);
}

#[test]
fn a_wrong_request_is_told_where_and_what_is_near() {
    let mut request = simple(Measure::Total, &["pln"]);
    let wrong = |request: &SegmentationRequest| match run(
        &[],
        &MergeMap::new(),
        request,
        &QueryLimits::default(),
    ) {
        Err(QueryError::Invalid {
            path, suggestions, ..
        }) => (path, suggestions),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        wrong(&request),
        ("breakdown[0]".into(), vec!["plan".into()])
    );
    request.breakdown.clear();
    request.events[0].event = "logn".to_owned();
    assert_eq!(
        wrong(&request),
        ("events[0].event".into(), vec!["login".into()])
    );
    request.events[0].event = "$all".to_owned();
    request.events[0].filters = vec![Filter {
        property: "n".into(),
        op: FilterOp::Gt,
        value: Operand::Text("x".into()),
    }];
    assert_eq!(wrong(&request).0, "events[0].filters[0].value");
    request.events[0].filters.clear();
    request.events[0].condition = Some("properties['n'] > 'x".to_owned());
    assert_eq!(wrong(&request).0, "events[0].where");
    request.events[0].condition = None;
    request.breakdown = vec![property("n"), expression("properties['plam'] + 'x'")];
    assert_eq!(
        wrong(&request),
        ("breakdown[1].expression".into(), vec!["plan".into()])
    );
    request.breakdown.clear();
    request.timezone = Some("Europe/Berln".to_owned());
    let (path, near) = wrong(&request);
    assert_eq!(
        (path.as_str(), near[0].as_str()),
        ("timezone", "Europe/Berlin")
    );
    request.timezone = None;
    request.to = Day(request.from.0 - 1);
    assert_eq!(wrong(&request).0, "to");
}

#[test]
fn requests_and_answers_are_the_documented_json() {
    let request: SegmentationRequest = serde_json_from(
        r#"{"project":"console","events":[{"event":"login","filters":[{"property":"plan","op":"equals","value":["a",1]},{"property":"n","op":"is_set"}],"where":"1 == 1"}],
            "measure":"unique","breakdown":["plan",{"expression":"properties[\"n\"] + 1"}],"unit":"hour","from":"2026-03-28","to":"2026-03-29","timezone":"Europe/Berlin"}"#,
    );
    assert_eq!(
        request.events[0].filters[0].value,
        Operand::List(vec![Operand::Text("a".into()), Operand::Int(1)])
    );
    assert_eq!(request.events[0].filters[1].value, Operand::Absent);
    assert_eq!(request.events[0].condition.as_deref(), Some("1 == 1"));
    let computed = expression("properties[\"n\"] + 1");
    assert_eq!(request.breakdown, [property("plan"), computed]);
    let wrong = r#"{"project":"console","events":[],"breakdown":[5],"from":"2026-03-28","to":"2026-03-29"}"#;
    let error = serde_json::from_str::<SegmentationRequest>(wrong).unwrap_err();
    assert!(
        error.to_string().contains("a property's name or"),
        "{error}"
    );
}

fn serde_json_from(text: &str) -> SegmentationRequest {
    serde_json::from_str(text).unwrap()
}
