//! The algebra of forms, and the table category × form that docs/forms.md shows.

use super::*;
use crate::rules;
use cofferdam_model::Category;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;

fn any_form() -> impl Strategy<Value = Form> {
    prop::sample::select(Form::ALL.to_vec())
}

proptest! {
    #[test]
    fn what_two_forms_have_in_common_is_a_lattice(a in any_form(), b in any_form(), c in any_form()) {
        prop_assert_eq!(common(a, b), common(b, a));
        if let Some(both) = common(a, b) {
            prop_assert_eq!(common(a, both), Some(both));
            prop_assert_eq!(common(both, both), Some(both));
        }
        let left = common(a, b).and_then(|ab| common(ab, c));
        let right = common(b, c).and_then(|bc| common(a, bc));
        prop_assert_eq!(left, right);
    }
}

#[test]
fn narrowing_never_widens() {
    assert_eq!(common(Form::Token, Form::Country), None);
    assert_eq!(common(Form::Path, Form::Origin), Some(Form::Origin));
    assert_eq!(common(Form::City, Form::Country), Some(Form::Country));
    assert_eq!(common(Form::Clear, Form::Withheld), None);
}

/// The table in docs/forms.md, from the rules and from `fits`.
fn table() -> String {
    let mut kinds: std::collections::BTreeMap<Category, Vec<FieldKind>> =
        std::collections::BTreeMap::new();
    for rule in rules::all() {
        let row = rule.rule();
        let known = kinds.entry(row.category).or_default();
        if !known.contains(&row.kind) {
            known.push(row.kind);
        }
    }
    let mut text = String::from("| category |");
    for form in Form::ALL {
        let _ = write!(text, " {} |", form.as_str());
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(Form::ALL.len()));
    text.push('\n');
    for category in Category::all() {
        let known = kinds
            .get(&category)
            .cloned()
            .unwrap_or_else(|| vec![FieldKind::Plain]);
        let _ = write!(text, "| `{category}` |");
        for form in Form::ALL {
            let secret = rules::is_secret(category) && form != Form::Withheld;
            let fitting: BTreeSet<bool> = known.iter().map(|kind| fits(form, *kind)).collect();
            let home = if form.is_home_only() { "home" } else { "yes" };
            let cell = match (secret, fitting.contains(&true), fitting.contains(&false)) {
                (true, ..) | (false, false, _) => "–".to_owned(),
                (false, true, false) => home.to_owned(),
                (false, true, true) => format!("{home}, some"),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

/// Run with `UPDATE_DOCS=1` to write the table into docs/forms.md.
#[test]
fn docs_forms_md_has_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/forms.md");
    let (begin, end) = ("<!-- table begin -->\n", "<!-- table end -->\n");
    let document = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = document.split_once(begin).unwrap();
    let (_, tail) = rest.split_once(end).unwrap();
    let wanted = [head, begin, &table(), end, tail].concat();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert!(
            document == wanted,
            "docs/forms.md is stale: run with UPDATE_DOCS=1"
        );
    }
}
