//! Every rule has an example that only it finds: with the rule off, nothing of its category and kind is found any more.
//!
//! The examples are in `cases/rules.jsonl` (`rule`, `key`, `value` in pieces, so that no scanner takes them for live secrets).
//! A rule without an example fails.

use cofferdam_model::Category;
use cofferdam_policy::address::{Ids, clean_path};
use cofferdam_policy::detect::inspect;
use cofferdam_policy::rules::{
    self, Carrier, FieldKind, KeyContext, RuleId, RuleSwitches, ValueType,
};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Case {
    rule: String,
    key: String,
    value: Vec<String>,
    /// `path` where the value is a URL's path.
    #[serde(default)]
    via: String,
}

/// Everything that is found in a case.
fn findings(case: &Case, switches: &RuleSwitches) -> Vec<(RuleId, Category, FieldKind)> {
    let value = case.value.concat();
    if case.via == "path" {
        return clean_path(&value, Ids::Keep, switches)
            .found
            .iter()
            .map(|found| (found.rule, found.category, FieldKind::Plain))
            .collect();
    }
    let by_key = rules::classify(&case.key, Carrier::Event, ValueType::Text, switches);
    let detected = inspect(&value, KeyContext::of(&case.key), switches);
    let detected = detected
        .iter()
        .map(|found| (found.rule, found.category, FieldKind::Plain));
    by_key
        .map(|found| (found.rule, found.category, found.kind))
        .into_iter()
        .chain(detected)
        .collect()
}

#[test]
fn every_rule_has_an_example_that_only_it_finds() {
    let cases: Vec<Case> = include_str!("cases/rules.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut problems = Vec::new();
    for case in &cases {
        let rule = RuleId::parse(&case.rule).unwrap_or_else(|| panic!("no rule `{}`", case.rule));
        let on = findings(case, &RuleSwitches::ALL_ON);
        if !on.iter().any(|found| found.0 == rule) {
            problems.push(format!("{rule} does not find its example: {on:?}"));
        }
        let off = findings(case, &RuleSwitches::ALL_ON.without(rule));
        if off
            .iter()
            .any(|found| (found.1, found.2) == (rule.rule().category, rule.rule().kind))
        {
            problems.push(format!("{rule} is not needed for its example: {off:?}"));
        }
    }
    let covered: BTreeSet<&str> = cases.iter().map(|case| case.rule.as_str()).collect();
    for rule in rules::all() {
        // The operator's own rules come from fields.toml, which is not this module's.
        if rule != RuleId::FIELDS && !covered.contains(rule.as_str()) {
            problems.push(format!("{rule} has no example"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
