//! Both passes read the same, every cap holds, and what JSON forbids is read as meant.

use super::*;
use proptest::prelude::*;

fn caps() -> Caps {
    Caps::new(&Limits::default(), 2, |key| key == "id")
}

fn read(text: &str, caps: &Caps) -> (Vec<Item<'static>>, Notes) {
    let mut notes = Notes::default();
    let items = parse(text, caps, &mut notes).unwrap();
    let owned = items.into_iter().map(|item| item.map(Value::into_owned));
    (owned.collect(), notes)
}

fn one(text: &str) -> (Value<'static>, Notes) {
    let (items, notes) = read(text, &caps());
    assert_eq!(items.len(), 1, "{text}");
    (items.into_iter().next().unwrap().unwrap(), notes)
}

fn refusals(text: &str, caps: &Caps) -> Vec<Option<Refusal>> {
    let (items, _) = read(text, caps);
    items
        .into_iter()
        .map(|item| item.err().map(|refused| refused.refusal))
        .collect()
}

#[test]
fn numbers_keep_what_they_can() {
    let (value, notes) = one(
        r#"{"a":1,"b":-0.5,"c":1e3,"d":9223372036854775807,"e":18446744073709551615,"id":18446744073709551615}"#,
    );
    let Value::Object(members) = value else {
        panic!("an object")
    };
    let values: Vec<_> = members.into_iter().map(|(_, value)| value).collect();
    let expected = vec![
        Value::Int(1),
        Value::Float(-0.5),
        Value::Float(1000.0),
        Value::Int(i64::MAX),
        Value::Float(18_446_744_073_709_551_615.0),
        Value::Text("18446744073709551615".into()),
    ];
    assert_eq!(values, expected);
    assert_eq!(notes, Notes::default());
}

#[test]
fn numbers_that_no_double_holds_are_null_and_counted() {
    let (value, notes) = one(r#"{"a":[NaN,Infinity,-Infinity,1e400,-1e400],"b":1}"#);
    let Value::Object(members) = value else {
        panic!("an object")
    };
    assert_eq!(members[0].1, Value::List(vec![Value::Null; 5]));
    assert_eq!(members[1].1, Value::Int(1));
    assert_eq!(notes.non_finite_numbers, 5);
}

#[test]
fn surrogates_escapes_and_controls() {
    let (value, notes) = one(r#"{"a":"\ud83c\udf89 \ud83d x \udf89 \u0000 \q \u00zz"}"#);
    let Value::Object(members) = value else {
        panic!("an object")
    };
    assert_eq!(
        members[0].1,
        Value::Text("🎉 \u{FFFD} x \u{FFFD} \0 q u00zz".into())
    );
    assert_eq!((notes.lone_surrogates, notes.lenient_json), (2, 2));
    let (value, notes) = one("{\"a\":\"line\nbreak\",}");
    assert_eq!(
        value,
        Value::Object(vec![("a".into(), Value::Text("line\nbreak".into()))])
    );
    assert_eq!(notes.lenient_json, 2);
}

#[test]
fn a_zero_character_is_text() {
    let (value, notes) = one(r#"{"a\u0000":"\u0000"}"#);
    assert_eq!(
        value,
        Value::Object(vec![("a\0".into(), Value::Text("\0".into()))])
    );
    assert_eq!(notes, Notes::default());
}

#[test]
fn the_last_of_equal_keys_stays_at_any_depth() {
    let (value, notes) = one(r#"{"a":1,"b":{"c":1,"c":2},"a":3}"#);
    let inner = Value::Object(vec![("c".into(), Value::Int(2))]);
    assert_eq!(
        value,
        Value::Object(vec![("a".into(), Value::Int(3)), ("b".into(), inner)])
    );
    assert_eq!(notes.duplicate_keys, 2);
}

#[test]
fn lines_of_objects_keep_the_good_ones() {
    let text = "{\"a\":1}\n\n{\"a\":\r\n{\"a\":NaN}\n not json \n{\"a\":2}{\"a\":3}\n";
    let (items, notes) = read(text, &caps());
    let good = items.iter().filter(|item| item.is_ok()).count();
    assert_eq!((items.len(), good), (6, 4));
    assert_eq!(notes.non_finite_numbers, 1);
}

#[test]
fn one_object_over_many_lines() {
    assert_eq!(one("{\n  \"a\": 1\n}\n").0, one(r#"{"a":1}"#).0);
    let (value, notes) = one("{\n  \"a\":\n NaN\n}\n");
    assert_eq!(value, Value::Object(vec![("a".into(), Value::Null)]));
    assert_eq!(notes.non_finite_numbers, 1);
}

#[test]
fn a_broken_element_ends_an_array_and_what_came_before_stays() {
    for text in [
        "[{\"a\":1},{\"a\":x},{\"a\":2}]",
        "[{\"a\":1},",
        "[{\"a\":1},{\"a",
        "[{\"a\":1}] trailing",
    ] {
        assert_eq!(
            refusals(text, &caps()),
            [None, Some(Refusal::Malformed)],
            "{text}"
        );
    }
    assert_eq!(refusals("[{}][{},{}]", &caps()), [None, None, None]);
}

#[test]
fn what_is_not_json_is_malformed() {
    let mut notes = Notes::default();
    for text in [
        "[x]", "{", "[", "nonsense", "\"text\"", "17", "{{{", "[[[", "{\"a\"}", "[,]",
    ] {
        assert_eq!(
            parse(text, &caps(), &mut notes),
            Err(Malformed::Json),
            "{text}"
        );
    }
    for text in ["", "  \n", "\u{FEFF} "] {
        assert_eq!(
            parse(text, &caps(), &mut notes),
            Err(Malformed::NoData),
            "{text}"
        );
    }
    assert_eq!(read("\u{FEFF}[]", &caps()).0, []);
}

#[test]
fn every_cap_refuses_one_item_and_keeps_its_neighbours() {
    let base = caps();
    let small = |change: fn(&mut Caps)| {
        let mut caps = base;
        change(&mut caps);
        caps
    };
    let table: [(Caps, &str, Refusal); 6] = [
        (
            small(|caps| caps.depth_max = 2),
            r#"{"a":{"b":{}}}"#,
            Refusal::TooDeep,
        ),
        (
            small(|caps| caps.depth_max = 2),
            r#"{"a":[[1]]}"#,
            Refusal::TooDeep,
        ),
        (
            small(|caps| caps.item_fields_max = 3),
            r#"{"a":[1,2,3]}"#,
            Refusal::TooManyFields,
        ),
        (
            small(|caps| caps.key_bytes_max = 3),
            r#"{"a":{"abcd":1}}"#,
            Refusal::TooLarge,
        ),
        (
            small(|caps| caps.item_bytes_max = 16),
            r#"{"a":"0123456789"}"#,
            Refusal::TooLarge,
        ),
        (
            small(|caps| caps.item_bytes_max = 16),
            r#"{"a":  1  , "b": 2}"#,
            Refusal::TooLarge,
        ),
    ];
    for (caps, item, refusal) in table.iter().take(5) {
        let text = format!("[{{\"a\":1}},{item},{{\"a\":2}}]");
        assert_eq!(
            refusals(&text, caps),
            [None, Some(*refusal), None],
            "{item}"
        );
        let lines = format!("{{\"a\":1}}\n{item}\n{{\"a\":2}}");
        assert_eq!(
            refusals(&lines, caps),
            [None, Some(*refusal), None],
            "{item}"
        );
    }
    // Whitespace only counts where the tolerant pass measures; content alone decides in the fast one.
    let (caps, item, refusal) = &table[5];
    assert_eq!(
        refusals(&format!("[{item},{{\"a\":NaN}}]"), caps),
        [Some(*refusal), None]
    );
}

#[test]
fn exactly_at_each_cap_passes() {
    let mut caps = caps();
    caps.depth_max = 3;
    caps.item_fields_max = 4;
    caps.key_bytes_max = 3;
    assert_eq!(refusals(r#"[{"abc":{"b":[1,2]}}]"#, &caps), [None]);
    assert_eq!(refusals(r#"[{"abc":{"b":[NaN,2]}}]"#, &caps), [None]);
}

#[test]
fn a_request_shares_one_budget_of_fields() {
    let mut caps = caps();
    caps.request_fields_max = 5;
    let text = r#"{"a":1,"b":2}"#;
    let array = format!("[{text},{text},{text},{text}]");
    let refused = Some(Refusal::TooManyFields);
    assert_eq!(refusals(&array, &caps), [None, None, refused, refused]);
    assert_eq!(
        refusals(&[text; 4].join("\n"), &caps),
        [None, None, refused, refused]
    );
}

#[test]
fn too_many_items_refuse_the_request() {
    let mut caps = caps();
    caps.items_max = 3;
    let error = Err(Malformed::TooManyItems { limit: 3 });
    for text in [
        "[{},{},{},{}]",
        "{}\n{}\n{}\n{}",
        "[NaN,{},{},{},{}]",
        "{}{}{}{}",
    ] {
        assert_eq!(parse(text, &caps, &mut Notes::default()), error, "{text}");
    }
    assert_eq!(refusals("[{},{},{}]", &caps).len(), 3);
}

#[test]
fn depth_bombs_neither_recurse_nor_hurt_their_neighbours() {
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        let bomb = open.repeat(200_000);
        let mut notes = Notes::default();
        let _ = parse(&bomb, &caps(), &mut notes);
        let closing: String = open
            .chars()
            .rev()
            .filter_map(|char| match char {
                '[' => Some(']'),
                '{' => Some('}'),
                _ => None,
            })
            .collect();
        let text = format!("[{{}},{bomb}1{},{{}}]", closing.repeat(200_000));
        let mut caps = caps();
        caps.item_bytes_max = usize::MAX;
        assert_eq!(refusals(&text, &caps), [None, Some(Refusal::TooDeep), None]);
    }
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e15..1e15).prop_map(|number: f64| number.into()),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn both_passes_agree_on_valid_json(value in proptest::collection::vec(any_value(), 0..5)) {
        let text = serde_json::to_string(&value).unwrap();
        let mut caps = caps();
        caps.key_bytes_max = usize::MAX;
        let mut strict_notes = Notes::default();
        let strict = strict::array(&text, &caps, &mut strict_notes).unwrap();
        let mut tolerant_notes = Notes::default();
        let tolerant = tolerant::Reader::new(&text, &caps, &mut tolerant_notes).arrays();
        let strict: Vec<Item<'_>> = strict.into_iter().map(Ok).collect();
        prop_assert_eq!(&strict, &tolerant);
        prop_assert_eq!(strict_notes, tolerant_notes);
        let back: Vec<_> = strict.into_iter().map(|item| serde_json::to_value(item.unwrap()).unwrap()).collect();
        prop_assert_eq!(back, value);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = parse(&text, &caps(), &mut Notes::default());
    }

    #[test]
    fn no_near_json_panics(text in "[\\[\\]{}:,\"\\\\ua0-9eE.+NInfty\u{FEFF}é\n -]{0,120}") {
        if let Ok(items) = parse(&text, &caps(), &mut Notes::default()) {
            for item in items.into_iter().flatten() {
                prop_assert!(serde_json::to_string(&item).is_ok());
            }
        }
    }

    #[test]
    fn damage_keeps_what_came_before(count in 1_usize..20, cut in 1_usize..12) {
        let items = vec![r#"{"event":"a"}"#; count];
        let text = format!("[{}]", items.join(","));
        let damaged = &text[..text.len() - cut];
        if let Ok(items) = parse(damaged, &caps(), &mut Notes::default()) {
            let good = items.iter().filter(|item| item.is_ok()).count();
            prop_assert!(good + 1 >= count);
        } else {
            prop_assert_eq!(count, 1);
        }
    }
}
