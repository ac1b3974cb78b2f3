//! Expressions: meaning by hand, faults with their columns, and that parsing survives anything.

use super::lexer::tokens;
use super::parser::{FUNCTIONS, LEVELS, parse};
use super::{Binary, Bound, Fault, NODES_MAX, Node, Unary, Value};
use crate::QueryError;
use crate::expression::parser::parse_formula;
use cofferdam_store::{CatalogInfo, Codes, ColumnData, ColumnInfo, ColumnKind, Scalar};
use proptest::prelude::*;
use std::sync::Arc;

/// The value as the report shows it, of an expression over `a` = `input`, `b` unset.
fn shown(text: &str, input: &Scalar) -> String {
    let expression = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    let inputs: Vec<Value> = expression
        .properties
        .iter()
        .map(|(name, _)| match name.as_str() {
            "a" => Value::of(input),
            _ => Value::Undefined,
        })
        .collect();
    let value = expression.value(&inputs);
    value
        .text()
        .map_or("undefined".into(), |text| text.to_string())
}

fn text(text: &str) -> Scalar {
    Scalar::Text(Arc::from(text))
}

#[test]
fn operators_and_casts_mean_what_the_reference_says() {
    let a = r#"properties["a"]"#;
    let none = Scalar::Null;
    let json = |json: &str| Scalar::Json(Arc::from(json));
    let cases = [
        ("1 + 2 * 3 - -4", none.clone(), "11"),
        ("(1 + 2) * 3 % 4", none.clone(), "1"),
        ("-7 % 3", none.clone(), "-1"),
        ("7 / 2", none.clone(), "3.5"),
        ("1 / 0", none.clone(), "undefined"),
        ("1 % 0", none.clone(), "undefined"),
        ("1e308 * 10", none.clone(), "undefined"),
        (r#""a" + 'b'"#, none.clone(), "ab"),
        (r#""a" + 1"#, none.clone(), "undefined"),
        (r#"1 == "1""#, none.clone(), "false"),
        (r#"1 != "1""#, none.clone(), "true"),
        ("1 < true", none.clone(), "undefined"),
        ("2 <= 2.0 and not 3 < 2", none.clone(), "true"),
        (r#""2026-01-02" > "2026-01-01""#, none.clone(), "true"),
        ("true or 5", none.clone(), "undefined"),
        ("@ == 1 or true", none.clone(), "true"),
        ("not @", none.clone(), "true"),
        ("not 5", none.clone(), "undefined"),
        ("defined(@)", none.clone(), "false"),
        ("not defined(@)", text("x"), "false"),
        ("defined(@)", text(""), "true"),
        ("@ == properties['b']", none.clone(), "true"),
        ("@ in [1, 2, 'x']", text("x"), "true"),
        ("@ in [1, 2, 'x']", Scalar::Int(2), "true"),
        ("@ in [1, 2, 'x']", none.clone(), "false"),
        ("@ in []", text("x"), "false"),
        ("'ell' in @", text("hello"), "true"),
        ("1 in @", text("hello"), "undefined"),
        ("'x' in @", json(r#"["x", 1]"#), "true"),
        ("@ == [1, 'x']", json(r#"[1,"x"]"#), "true"),
        ("string(@)", json(r#"[1,"x"]"#), r#"[1,"x"]"#),
        ("floor(@) + ceil(@) + round(@)", Scalar::Float(-1.5), "-5"),
        ("round(2.5)", none.clone(), "3"),
        ("floor('2.5')", none.clone(), "undefined"),
        ("number(@) + 1", text(" 41 "), "42"),
        ("number(@)", text("0x1f"), "undefined"),
        ("number(@)", text("inf"), "undefined"),
        ("number(@)", Scalar::Bool(true), "1"),
        ("string(@) + '!'", Scalar::Float(2.0), "2!"),
        ("string(@)", none.clone(), "undefined"),
        ("boolean(@)", text("False"), "false"),
        ("boolean(@)", text("no"), "true"),
        ("boolean(@)", Scalar::Int(0), "false"),
        ("boolean(@)", none.clone(), "false"),
        (
            "datetime(@)",
            text("2026-03-01T10:00:00+02:00"),
            "2026-03-01T08:00:00",
        ),
        ("datetime(@)", text("2026-03-01"), "2026-03-01T00:00:00"),
        (
            "datetime(@) == datetime(1772323200)",
            text("2026-03-01"),
            "true",
        ),
        (
            "datetime(1772323200000) < datetime('2026-03-02')",
            none.clone(),
            "true",
        ),
        ("number(datetime('1970-01-02'))", none.clone(), "86400"),
        ("datetime(@)", text("yesterday"), "undefined"),
        (
            r#""\u0041\n\"\ud83d\ude00" == 'A
"😀'"#,
            none,
            "true",
        ),
    ];
    for (expression, input, expected) in cases {
        let expression = expression.replace('@', a);
        assert_eq!(
            shown(&expression, &input),
            expected,
            "{expression} of {input:?}"
        );
    }
}

#[test]
fn faults_point_at_the_column_and_say_what_is_near() {
    let fault = |text: &str| parse(text).unwrap_err();
    let check = |text: &str, column: usize, message: &str, near: &[&str]| {
        let fault = fault(text);
        assert_eq!(
            (fault.column, fault.message.as_str()),
            (column, message),
            "{text}"
        );
        assert_eq!(fault.suggestions, near, "{text}");
    };
    check("", 1, "expected a value, found the end", &[]);
    check("1 +", 4, "expected a value, found the end", &[]);
    check("ö + 1", 1, "expected a value, found `ö`", &[]);
    check(
        "'ö' + flor(1)",
        7,
        "expected a value, found `flor`",
        &["floor"],
    );
    check("1 = 2", 3, "expected an operator, found `=`", &["=="]);
    check("1 && 2", 3, "expected an operator, found `&&`", &["and"]);
    check(
        "1 AND 2",
        3,
        "expected an operator or the end, found `AND`",
        &["and"],
    );
    check("(1", 3, "expected an operator or `)`, found the end", &[]);
    check("[1 2]", 4, "expected `,` or `]`, found `2`", &[]);
    check("'a", 1, "the string that begins here has no closing '", &[]);
    check(
        "properties[a]",
        12,
        "expected a property's name in quotes, found `a`",
        &[],
    );
    check("floor 1", 7, "expected `(`, found `1`", &[]);
    check("1 # 2", 3, "the character `#` has no meaning here", &[]);
    check("1x", 2, "expected the number to end, found `x`", &[]);
    check("1e999", 1, "the number is too large", &[]);
    check(
        r#"1 < user["email"]"#,
        5,
        "user properties are not yet available",
        &[],
    );
    assert_eq!(fault(r"'\q'").column, 2);
    assert_eq!(fault(r"'\ud800'").column, 2);
    assert_eq!(fault("1 == not true").column, 6);
    assert_eq!(fault(&"(".repeat(100_000)).column, 10_001);
    assert_eq!(fault(&"(".repeat(1_000)).column, 65);
    assert_eq!(fault(&"not ".repeat(1_000)).column, 4 * 64 + 1);
    assert!(
        fault(&format!("1{}", "+1".repeat(NODES_MAX)))
            .message
            .contains("more than")
    );
}

#[test]
fn formulas_name_series_by_letter_and_know_only_arithmetic() {
    let formula = parse_formula("floor(B / A * 100)", 2).unwrap();
    let value = |a: f64, b: f64| formula.value(&[Value::number(a), Value::number(b)]);
    assert_eq!(value(3.0, 1.0), Value::Number(33.0));
    assert_eq!(value(0.0, 1.0), Value::Undefined);
    let fault = parse_formula("A / c", 3).unwrap_err();
    assert_eq!(
        (fault.column, fault.suggestions.as_slice()),
        (5, &["C".to_owned()][..])
    );
    assert_eq!(
        parse_formula("A / D", 3).unwrap_err().allowed,
        ["A", "B", "C"]
    );
    for wrong in [
        "A == 1",
        "'a'",
        "number(A)",
        "properties[\"a\"]",
        "[A]",
        "A and B",
    ] {
        assert!(parse_formula(wrong, 2).is_err(), "{wrong}");
    }
}

fn bound(text: &str, columns: &mut Vec<cofferdam_store::Column>) -> Result<Bound, QueryError> {
    let catalog = CatalogInfo {
        properties: ["plan", "n"]
            .map(|name| ColumnInfo {
                property: Arc::from(name),
                kind: ColumnKind::Text,
                mixed: false,
            })
            .to_vec(),
        ..CatalogInfo::default()
    };
    Bound::new(text, "events[0].where", columns, &catalog)
}

#[test]
fn an_unknown_property_is_found_by_column_and_near_name() {
    let error = bound("1 < properties['pln']", &mut Vec::new()).unwrap_err();
    let QueryError::Invalid {
        path,
        message,
        suggestions,
        allowed,
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(path, "events[0].where");
    assert_eq!(message, "column 5: no property `pln` has been seen");
    assert_eq!((suggestions, allowed.len()), (vec!["plan".to_owned()], 2));
}

#[test]
fn columns_are_read_by_code_and_by_row() {
    let plan = ColumnData::Text(Codes {
        codes: vec![0, Codes::NULL, 1, 0],
        names: vec![Arc::from("free"), Arc::from("Pro")],
    });
    let n = ColumnData::Int(vec![Some(1), Some(1), None, Some(4)]);
    let columns = [plan, n];
    let mut wanted = Vec::new();
    let keep = |text: &str, wanted: &mut Vec<_>| {
        let mut keep = vec![true; 4];
        bound(text, wanted).unwrap().narrow(&columns, &mut keep);
        keep
    };
    let one = keep("properties['plan'] != 'free'", &mut wanted);
    assert_eq!(one, [false, true, true, false]);
    let two = keep(
        "properties['plan'] == 'free' and properties['n'] < 4",
        &mut wanted,
    );
    assert_eq!(two, [true, false, false, false]);
    assert_eq!(keep("1 == 1", &mut wanted), [true; 4]);
    assert_eq!(wanted.len(), 2, "columns are shared");
    let texts = bound("properties['plan'] + '!'", &mut wanted)
        .unwrap()
        .texts(&columns, 4);
    let found: Vec<Scalar> = (0..4).map(|row| texts.scalar(row)).collect();
    assert_eq!(
        found,
        [text("free!"), Scalar::Null, text("Pro!"), text("free!")]
    );
    let numbers = bound("properties['n'] * 2", &mut wanted)
        .unwrap()
        .numbers(&columns, 4);
    let doubled = vec![Some(2.0), Some(2.0), None, Some(8.0)];
    assert_eq!(numbers, ColumnData::Float(doubled));
}

/// A tree as text, every operand in parentheses.
fn print(node: &Node, names: &[String]) -> String {
    let quoted = |text: &str| {
        let mut out = String::from("\"");
        for char in text.chars() {
            match char {
                '"' | '\\' => out.extend(['\\', char]),
                '\n' => out.push_str("\\n"),
                char if char.is_control() => out.push_str(&format!("\\u{:04x}", char as u32)),
                char => out.push(char),
            }
        }
        out + "\""
    };
    match node {
        Node::Literal(Value::Text(text)) => quoted(text),
        Node::Literal(Value::Bool(bool)) => bool.to_string(),
        Node::Literal(Value::Number(number)) => format!("{number:?}"),
        Node::Literal(other) => panic!("{other:?} has no literal"),
        Node::Input(input) => format!("properties[{}]", quoted(&names[*input])),
        Node::List(items) => {
            let items: Vec<String> = items.iter().map(|item| print(item, names)).collect();
            format!("[{}]", items.join(","))
        }
        Node::Unary(operator, operand) => {
            let operand = print(operand, names);
            match FUNCTIONS.iter().find(|(_, known)| known == operator) {
                Some((name, _)) => format!("{name}({operand})"),
                None if *operator == Unary::Not => format!("(not ({operand}))"),
                None => format!("(-({operand}))"),
            }
        }
        Node::Chain(first, rest) => {
            let name = |operator: &Binary| {
                let mut known = LEVELS.iter().flat_map(|level| level.iter());
                known.find(|(_, known)| known == operator).unwrap().0
            };
            let mut out = format!("(({})", print(first, names));
            for (operator, node) in rest {
                out.push_str(&format!(" {} ({})", name(operator), print(node, names)));
            }
            out + ")"
        }
    }
}

fn trees() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|bool| Node::Literal(Value::Bool(bool))),
        (0.0..1e9f64).prop_map(|number| Node::Literal(Value::Number(number))),
        "[\\PC\n\t\"'\\\\]{0,6}".prop_map(|text| Node::Literal(Value::Text(Arc::from(text)))),
        (0..2usize).prop_map(Node::Input),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let unary: Vec<Unary> = FUNCTIONS
            .iter()
            .map(|(_, function)| *function)
            .chain([Unary::Not, Unary::Negate])
            .collect();
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::List),
            (prop::sample::select(unary), inner.clone())
                .prop_map(|(operator, node)| Node::Unary(operator, Box::new(node))),
            (0..LEVELS.len()).prop_flat_map(move |level| {
                let operators: Vec<Binary> = LEVELS[level].iter().map(|(_, one)| *one).collect();
                let rest = (prop::sample::select(operators), inner.clone());
                (inner.clone(), prop::collection::vec(rest, 1..4))
                    .prop_map(|(first, rest)| Node::Chain(Box::new(first), rest))
            }),
        ]
    })
}

/// Inputs numbered as first met in the text, which is how a parser numbers them.
fn renumber(node: &mut Node, order: &mut Vec<usize>) {
    match node {
        Node::Literal(_) => {}
        Node::Input(input) => {
            let known = order.iter().position(|one| one == input);
            *input = known.unwrap_or_else(|| {
                order.push(*input);
                order.len() - 1
            });
        }
        Node::List(items) => items.iter_mut().for_each(|item| renumber(item, order)),
        Node::Unary(_, operand) => renumber(operand, order),
        Node::Chain(first, rest) => {
            renumber(first, order);
            rest.iter_mut().for_each(|(_, node)| renumber(node, order));
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Undefined),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_map(Value::number),
        "[0-9a-z.:-]{0,12}".prop_map(|text| Value::Text(Arc::from(text))),
        any::<i64>().prop_map(Value::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_text_is_parsed_or_refused_within_itself(text in prop_oneof![
        "\\PC{0,40}",
        r#"([()\[\],+*/%<>=!"' -]|and|or|not|in|true|properties\["a"\]|1\.5|floor|\\u00){0,30}"#,
    ]) {
        let length = text.chars().count();
        if let Err(Fault { column, message, .. }) = parse(&text) {
            prop_assert!((1..=length + 1).contains(&column), "{column}");
            prop_assert!(!message.is_empty());
        }
        if let Ok(tokens) = tokens(&text) {
            prop_assert!(tokens.windows(2).all(|pair| pair[0].column < pair[1].column));
        }
    }

    #[test]
    fn a_printed_tree_is_read_back_and_evaluates_finitely(
        mut tree in trees(),
        inputs in prop::collection::vec(values(), 2),
    ) {
        let mut order = Vec::new();
        renumber(&mut tree, &mut order);
        let names: Vec<String> = order.iter().map(|input| format!("p\"{input}")).collect();
        let printed = print(&tree, &names);
        match parse(&printed) {
            Ok(expression) => {
                prop_assert_eq!(&expression.root, &tree, "{}", printed);
                let value = expression.value(&inputs);
                prop_assert!(!matches!(value, Value::Number(number) if !number.is_finite()));
            }
            Err(fault) => {
                let bounded = fault.message.contains("nested deeper") || fault.message.contains("more than");
                prop_assert!(bounded, "{printed}: {fault:?}");
            }
        }
    }
}
