//! Requests by hand: what a wrong one is told, the documented JSON, and `$other`.

use super::*;
use crate::{
    Aggregate, Compare, CompareUnit, Figure, Filter, FilterOp, Formula, Operand, PropertyMeasure,
};
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
    let answer = run(
        &rows,
        &merges,
        &simple(Measure::Count(CountMeasure::Unique), &["plan"]),
        &limits,
    )
    .unwrap();
    let found: Vec<_> = answer
        .series
        .iter()
        .map(|s| (s.segment[0].as_deref(), s.values[0].map(Figure::number)))
        .collect();
    assert_eq!(
        found,
        [(Some("free"), Some(2.0)), (Some("$other"), Some(2.0))]
    );
}

#[test]
fn a_wrong_request_is_told_where_and_what_is_near() {
    let mut request = simple(Measure::default(), &["pln"]);
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

#[test]
fn windows_measures_formulas_and_comparisons_are_checked() {
    let wrong = |change: &dyn Fn(&mut SegmentationRequest)| {
        let mut request = simple(Measure::default(), &[]);
        change(&mut request);
        match run(&[], &MergeMap::new(), &request, &QueryLimits::default()) {
            Err(QueryError::Invalid {
                path,
                allowed,
                suggestions,
                ..
            }) => (path, allowed, suggestions),
            Err(QueryError::TooLarge { path, .. }) => (path, vec![], vec![]),
            other => panic!("{other:?}"),
        }
    };
    let path = |change: &dyn Fn(&mut SegmentationRequest)| wrong(change).0;
    assert_eq!(path(&|request| request.rolling = Some(0)), "rolling");
    assert_eq!(path(&|request| request.rolling = Some(401)), "rolling");
    let both = |request: &mut SegmentationRequest| {
        request.rolling = Some(2);
        request.cumulative = true;
    };
    assert_eq!(path(&both), "cumulative");
    let offset = |offset| {
        Some(Compare::Offset {
            offset,
            unit: CompareUnit::Year,
        })
    };
    assert_eq!(
        path(&|request| request.compare = offset(0)),
        "compare.offset"
    );
    assert_eq!(
        path(&|request| request.compare = offset(10_001)),
        "compare.offset"
    );
    assert_eq!(path(&|request| request.compare = offset(9_000)), "compare");
    let many = |request: &mut SegmentationRequest| request.breakdown = vec![property("n"); 40];
    assert_eq!(path(&many), "breakdown");
    let measure = |name: &str| {
        Measure::Property(PropertyMeasure {
            aggregate: Aggregate::Sum,
            property: property(name),
        })
    };
    let (path, _, near) = wrong(&|request| request.measure = measure("plam"));
    assert_eq!(
        (path.as_str(), near),
        ("measure.property", vec!["plan".to_owned()])
    );
    let formula = |text: &str| Formula {
        name: "x".to_owned(),
        expression: text.to_owned(),
    };
    let named = |request: &mut SegmentationRequest| {
        request.formulas = vec![formula("A"), formula("A / B")];
    };
    let (path, allowed, _) = wrong(&named);
    assert_eq!(
        (path.as_str(), allowed),
        ("formulas[1].expression", vec!["A".to_owned()])
    );
    let (path, ..) = wrong(&|request| request.formulas = vec![formula("A"); 21]);
    assert_eq!(path, "formulas");
}

#[test]
fn measures_and_comparisons_are_words_or_objects() {
    let request = |rest: &str| {
        let text = format!(
            r#"{{"project":"console","events":[],"from":"2026-03-28","to":"2026-03-29",{rest}}}"#
        );
        serde_json::from_str::<SegmentationRequest>(&text)
    };
    let measured = request(r#""measure":"per_person""#).unwrap().measure;
    assert_eq!(measured, Measure::Count(CountMeasure::PerPerson));
    let measured = request(r#""measure":{"aggregate":"p95","property":"n"}"#).unwrap();
    let Measure::Property(measure) = measured.measure else {
        panic!("{measured:?}");
    };
    assert_eq!(
        (measure.aggregate, measure.property),
        (Aggregate::P95, property("n"))
    );
    let compare = request(r#""compare":{"offset":1,"unit":"week"}"#)
        .unwrap()
        .compare;
    assert_eq!(
        compare,
        Some(Compare::Offset {
            offset: 1,
            unit: CompareUnit::Week
        })
    );
    let error = request(r#""compare":"last""#).unwrap_err().to_string();
    assert!(error.contains("`previous` or"), "{error}");
    let error = request(r#""measure":"sum""#).unwrap_err().to_string();
    assert!(
        error.contains("`total`, `unique`, `per_person` or"),
        "{error}"
    );
}
