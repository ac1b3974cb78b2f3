//! What each rule is for: with one rule off, a value that it alone holds back gets through policy; the test lists it.
//!
//! Admit → record → minimize for home and a vendor, without a server. Rules that let data through (`Effect::Permits`) leak
//! nothing when they are off: for those the test shows that the vendor then loses the field.
//! Invariant: every rule of the table has a canary, or a written reason in `EXCEPTIONS`.

use super::fakes::{self, Fake};
use cofferdam_model::{Category, Form, VendorId};
use cofferdam_policy::rules::{self, Effect, RuleId, RuleSwitches};
use cofferdam_policy::{Policy, PolicyId, PolicySource, Record, record};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rules without a canary, and why.
const EXCEPTIONS: &[(&str, &str)] = &[(
    "fields",
    "the operator's own lines in fields.toml: without them a field is unclassified, which no vendor ever gets",
)];

/// Where the shared example of a rule does not show a leak: another key and value, as pieces so that no scanner takes them for live.
const OWN: &[(&str, &str, &[&str])] = &[
    (
        "value.url",
        "field_a",
        &["see https://intranet.exa", "mple.com/zanzibar now"],
    ),
    (
        "value.url_user_info",
        "field_a",
        &["use redis://svc:", "zanzibar7@cache:6379/0 now"],
    ),
    (
        "value.path_secret",
        "$pathname",
        &["/reset/", "k3jf9zanzibar4410xQ77"],
    ),
    ("mp.id.click", "gclid", &["zanzibar"]),
    ("mp.browser_version", "$browser_version", &["126.0.6478"]),
    ("mp.system_version", "$os_version", &["14.5.1"]),
];

#[derive(Deserialize)]
struct Example {
    rule: String,
    key: String,
    value: Vec<String>,
}

/// One rule's canary: a property and its value.
#[derive(Clone)]
struct Canary {
    key: String,
    value: String,
}

fn canaries() -> BTreeMap<String, Vec<Canary>> {
    let mut found: BTreeMap<String, Vec<Canary>> = BTreeMap::new();
    for (rule, key, value) in OWN {
        let canary = Canary {
            key: (*key).to_owned(),
            value: value.concat(),
        };
        found.entry((*rule).to_owned()).or_default().push(canary);
    }
    let shared = include_str!("../../../../cofferdam-policy/tests/cases/rules.jsonl");
    for line in shared.lines() {
        let example: Example = serde_json::from_str(line).unwrap();
        let canary = Canary {
            key: example.key,
            value: example.value.concat(),
        };
        found.entry(example.rule).or_default().push(canary);
    }
    found
}

fn forms(table: &Value) -> BTreeMap<Category, Form> {
    serde_json::from_value(table.clone()).unwrap()
}

/// What recipients may have: no more than behavior and settings; that with paths of pages; everything but the rule's own category.
fn tables(rule: RuleId) -> [Value; 3] {
    let strict = json!({
        "user.behavior": "clear", "user.behavior.browsing_history": "withheld", "user.behavior.referrer": "withheld",
        "user.behavior.search_history": "withheld", "user.account.settings": "clear", "system": "clear",
    });
    let mut paths = strict.clone();
    paths["user.behavior.browsing_history"] = json!("path");
    let all = Category::all()
        .filter(|category| !rules::is_secret(*category))
        .map(|category| {
            let form = if category.is_within(rule.rule().category) {
                "withheld"
            } else {
                "clear"
            };
            (category.key().to_owned(), json!(form))
        });
    let mut others: Value = all.collect::<serde_json::Map<_, _>>().into();
    others["unclassified"] = json!("withheld");
    [strict, paths, others]
}

/// The same for home, which also keeps short words that nobody knows.
fn at_home(table: &Value) -> Value {
    let mut home = table.clone();
    home["unclassified"] = json!("clear");
    home
}

/// A policy to try a canary under. `named`: fields.toml calls the property a setting, so that only detectors protect it.
fn policy(
    home: &Value,
    canary: &Canary,
    named: bool,
    receives: &Value,
    switches: &RuleSwitches,
) -> Policy {
    let mut fields = BTreeMap::new();
    if named {
        fields.insert(
            format!("properties.{}", canary.key),
            Category::of("user.account.settings"),
        );
    }
    let source = PolicySource {
        projects: vec![fakes::project()],
        home: forms(home),
        vendors: vec![fakes::vendor("acme", forms(receives))],
        fields,
    };
    Policy::compile_with(PolicyId(1), source, switches).unwrap()
}

/// What the vendor gets, and everything that is in clear anywhere: journal entry, home, vendor.
fn outcome(policy: &Policy, canary: &Canary) -> (String, String) {
    let record = fakes::admit(policy, &canary.key, &canary.value);
    let mut entry = Vec::new();
    record::encode(&[], std::slice::from_ref(&record), &Fake, &mut entry).unwrap();
    let mut everywhere = String::from_utf8_lossy(&entry).into_owned();
    if let Ok(home) = policy.minimize_home(&record, &Fake) {
        everywhere.push_str(&format!("{:?}", home.item()));
    }
    let vendor = vendor_gets(policy, &record);
    everywhere.push_str(&vendor);
    (vendor, everywhere)
}

fn vendor_gets(policy: &Policy, record: &Record) -> String {
    policy
        .minimize_vendor(
            &VendorId::from("acme"),
            record,
            &fakes::send(policy),
            &Fake,
            &Fake,
        )
        .map_or_else(
            |refusal| refusal.code().to_owned(),
            |item| format!("{:?}", item.item()),
        )
}

/// The tell-tale part: the longest run of letters and digits, at least.
fn shows(canary: &Canary, text: &str) -> bool {
    let tell = if canary.value.contains("zanzibar") {
        "zanzibar"
    } else {
        canary.value.as_str()
    };
    let escaped = format!("{tell:?}");
    text.contains(tell) || text.contains(escaped.trim_matches('"'))
}

/// The way in which the canary leaks with the rule off and not with it on.
fn leak(rule: RuleId, canary: &Canary) -> Option<String> {
    let off = RuleSwitches::ALL_ON.without(rule);
    for table in tables(rule) {
        for named in [true, false] {
            let decide = |switches| {
                outcome(
                    &policy(&at_home(&table), canary, named, &table, switches),
                    canary,
                )
            };
            if shows(canary, &decide(&RuleSwitches::ALL_ON).1) {
                continue;
            }
            let (vendor, everywhere) = decide(&off);
            if shows(canary, &everywhere) {
                let to = if shows(canary, &vendor) {
                    "vendor and home"
                } else {
                    "home"
                };
                return Some(format!("`{}` in {to}", canary.key));
            }
        }
    }
    None
}

/// A rule that lets data through: with it off, the vendor gets nothing of the field, or more than the coarse form.
fn held_back(rule: RuleId, canary: &Canary) -> Option<String> {
    let category = rule.rule().category.key();
    let [table, ..] = tables(rule);
    let off = RuleSwitches::ALL_ON.without(rule);
    let gets = |form: &str, switches: &RuleSwitches| {
        let receives = json!({ "user.behavior": "clear", category: form });
        outcome(
            &policy(&at_home(&table), canary, false, &receives, switches),
            canary,
        )
        .0
    };
    if shows(canary, &gets("clear", &RuleSwitches::ALL_ON)) && !shows(canary, &gets("clear", &off))
    {
        return Some(format!("nothing leaks; the vendor loses `{}`", canary.key));
    }
    (gets("family", &RuleSwitches::ALL_ON) != gets("family", &off)).then(|| {
        format!(
            "nothing leaks; the vendor loses the family of `{}`",
            canary.key
        )
    })
}

#[test]
fn leak_every_rule_switched_off_lets_its_canary_through() {
    let canaries = canaries();
    let (mut problems, mut listed) = (Vec::new(), Vec::new());
    for rule in rules::all() {
        if let Some((_, reason)) = EXCEPTIONS.iter().find(|(id, _)| *id == rule.as_str()) {
            listed.push(format!("{:<28} exception: {reason}", rule.as_str()));
            continue;
        }
        let own = canaries.get(rule.as_str()).map_or(&[][..], Vec::as_slice);
        let way = own.iter().find_map(|canary| match rule.rule().effect() {
            Effect::Protects => leak(rule, canary),
            Effect::Permits => held_back(rule, canary),
        });
        match way {
            Some(way) => listed.push(format!("{:<28} {way}", rule.as_str())),
            None => problems.push(format!("{rule} has no canary that only it holds back")),
        }
    }
    println!("{}", listed.join("\n"));
    for (id, _) in EXCEPTIONS {
        assert!(
            RuleId::parse(id).is_some(),
            "the exception `{id}` is no rule"
        );
    }
    problems.sort();
    problems.dedup();
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}
