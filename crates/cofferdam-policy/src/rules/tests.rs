//! The table of rules: ids, order, which rule a field meets.

use super::*;

#[test]
fn ids_are_unique_and_found_again() {
    for id in all() {
        assert_eq!(RuleId::parse(id.as_str()), Some(id), "{id} stands twice");
        assert!(!id.rule().about.is_empty());
    }
    assert!(all().count() <= 512);
    assert_eq!(RuleId::parse("key.none"), None);
}

#[test]
fn a_phrase_stands_in_one_row_only() {
    let mut seen = std::collections::BTreeMap::new();
    for id in all() {
        let exact = id.rule().exact.iter().map(|key| (false, key));
        let phrases = id.rule().phrases.iter().map(|phrase| (true, phrase));
        for entry in exact.chain(phrases) {
            if let Some(other) = seen.insert(entry, id) {
                panic!("`{}` stands in {other} and {id}", entry.1);
            }
        }
    }
}

/// The category and rule of a text property.
fn key(path: &str) -> Option<(&'static str, &'static str)> {
    classify(path, Carrier::Event, ValueType::Text, &RuleSwitches::ALL_ON)
        .map(|found| (found.category.key(), found.rule.as_str()))
}

#[test]
fn spellings_of_a_key_mean_the_same() {
    for spelling in [
        "email",
        "Email",
        "user_email",
        "userEmail",
        "UserEMail",
        "customer-email",
        "billing.email",
        "useremail",
        "emails[]",
        "contact_email_address",
        "E-Mail",
        "USER_EMAIL",
        "$email",
        "email2",
        "ownerEmailAddress",
    ] {
        assert_eq!(
            key(spelling).map(|found| found.0),
            Some("user.contact.email"),
            "{spelling}"
        );
    }
    for (path, category) in [
        ("first_name", "user.name.first"),
        ("firstname", "user.name.first"),
        ("name.first", "user.name.first"),
        ("customerLastName", "user.name.last"),
        ("APIKey", "secret"),
        ("x-api-key", "secret"),
        ("stripe_secret_key", "secret"),
        ("email_password", "user.authorization.password"),
        ("headers.authorization", "secret"),
        ("user.id", "user.unique_id"),
        ("user.address.line1", "user.contact.address"),
        ("address.street", "user.contact.address.street"),
        ("last4", "user.financial.credit_card"),
        ("userIPAddress", "user.device.ip_address"),
        ("company.name", "user.contact.organization"),
        ("org_id", "user.contact.organization.id"),
        ("ssn", "user.government_id.national_identification_number"),
        ("cardNumber", "user.financial.credit_card"),
        ("password.value", "user.authorization.password"),
        ("passWord", "user.authorization.password"),
        ("Pass Word", "user.authorization.password"),
        ("user.pass-code", "user.authorization.password"),
        ("2fa", "user.authorization.credentials"),
        ("$current_url", "user.behavior.browsing_history"),
        ("$current_url?utm_source", "user.behavior"),
        ("$current_url?access_token", "secret"),
        ("$current_url#access_token", "secret"),
        ("$current_url?gclid", "user.unique_id.pseudonymous"),
        ("cookie_consent", "user.privacy_preferences"),
        ("api_key_id", "user.unique_id.pseudonymous"),
        ("$current_url#", "user.behavior.browsing_history"),
        ("What is your e-mail?", "user.contact.email"),
        ("What is your e-mail? (work)", "user.contact.email"),
        ("$web_vitals_event.$current_url?email", "user.contact.email"),
        ("distinct_id", "user.unique_id"),
        ("$set.name", "user.name"),
        ("$set_once.first", "user.name.first"),
        ("traits.name", "user.name"),
        ("members[].name", "user.name"),
        ("people[].name", "user.name"),
        ("$groups.company", "user.contact.organization.id"),
        ("$groups.anything", "user.contact.organization.id"),
        ("$initial_utm_campaign", "user.behavior"),
    ] {
        assert_eq!(key(path).map(|found| found.0), Some(category), "{path}");
    }
}

#[test]
fn a_statement_about_a_thing_is_not_the_thing() {
    for path in [
        "email_verified",
        "emailCount",
        "has_email",
        "password_changed",
        "phone_type",
        "num_emails",
        "nameless",
        "mailroom",
    ] {
        assert_eq!(key(path), None, "{path}");
    }
    let number = |path| {
        classify(
            path,
            Carrier::Event,
            ValueType::Number,
            &RuleSwitches::ALL_ON,
        )
    };
    assert_eq!(number("emails_sent"), None);
    assert_eq!(number("email"), None);
    assert_eq!(number("tokens"), None);
    assert_eq!(key("$current_url?foo"), None);
    assert_eq!(
        classify(
            "email",
            Carrier::Event,
            ValueType::Bool,
            &RuleSwitches::ALL_ON
        ),
        None
    );
}

#[test]
fn a_switched_off_rule_is_silent() {
    let rule = RuleId::parse("key.email").unwrap();
    let switches = RuleSwitches::ALL_ON.without(rule);
    assert_eq!(
        classify("user_email", Carrier::Event, ValueType::Text, &switches),
        None
    );
    assert!(switches.is_on(RuleId::FIELDS) && !switches.is_on(rule));
}
