//! Which names of objects and lists are known, so that what stands in them may be known too.
//!
//! What a field is, the last name on its way mostly says (`plan`); but the names before it go with it wherever it goes, and
//! senders choose them: `{"Ada Example": {"plan": "pro"}}`. Asked once per path.
//! Invariant: a name counts as known only if every word of it is: of a rule of the table, or of the list below.

use super::index::index;
use super::{Carrier, FieldKind, RuleSwitches, tokens};
use std::collections::HashSet;
use std::sync::LazyLock;

/// Words of which the names of objects and lists are made. Each names a thing of software or commerce, none a person.
static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "about access action actions active activity added address addresses after all amount analytics answers api app \
     application apps args attribute attributes attribution auth base basket before behavior billing board body browser \
     build bundle button campaign campaigns card cart catalog categories category change changed changes channel channels \
     checkout children click client collection columns company component config configuration connection consent console \
     contact contacts content context cookies count counts coupon coupons created current custom customer customers \
     dashboard data date dates default delivery details device devices diff dimensions discount discounts document domain \
     element elements email emails endpoint entries entry env environment error errors event events experiment experiments \
     extra extras feature features feedback field fields file files filter filters first flag flags form format from \
     general geo global group groups header headers history host info initial input inputs integration integrations invoice \
     invoices item items job jobs key label labels last latest layout lead library limit limits line lines link links list \
     lists local locale location locations log logs main map marketing media member members membership memory message \
     messages meta metadata method metric metrics mobile mode model module modules name names navigation network new next \
     node notification notifications object objects offer offers old once operation option options order orders org \
     organization organizations origin os other output outputs owner package page pages parameters params parent partner \
     payload payment payments performance permissions person personal phone plan plans platform play position preferences \
     previous price prices primary product products profile profiles progress project projects promotion promotions prop \
     properties props provider purchase query question questions quota rating raw recommendations record records referral \
     referrer region release request requests resource resources response responses result results role roles root route \
     row rows rule rules scope score screen search section sections segment segments selection series server service \
     services session set setting settings shipping shop site source sources stage start state stats status step steps \
     store subscription subscriptions summary super survey surveys system tab table tag tags target task tasks team teams \
     telemetry template tenant test tests theme ticket tickets time timing timings to token tokens tool tools top total \
     totals trace tracking traffic traits transaction transactions trial type types unset update updates usage user users \
     utm value values variant variants variation vendor version versions video view viewport views visit visits vitals web \
     widget widgets window work workspace workspaces"
        .split(' ')
        .collect()
});

/// Most digits of a number within a name: `line1`, `step_12`.
const DIGITS_MAX: usize = 2;

/// Whether the names around a field are known: all that stands before its own, a URL's property and the parts of a dotted name
/// included. `path` as [`super::classify`] takes it.
pub(crate) fn is_way_known(path: &str, carrier: Carrier, switches: &RuleSwitches) -> bool {
    let path = path.trim_end_matches("[]");
    if !path.contains(['.', '?', '#']) || index().is_exact(path, switches) {
        return true;
    }
    let mut around = path;
    while let Some(at) = around.rfind(['.', '?', '#']) {
        let is_url = !around.get(at..).is_some_and(|rest| rest.starts_with('.'));
        around = around.get(..at).unwrap_or("").trim_end_matches("[]");
        // A URL's own property goes under its own rule, with or without its parts.
        let is_known = is_known(around, switches)
            || is_url
                && index()
                    .classify(around, carrier, super::ValueType::Text, switches)
                    .is_some_and(|found| found.kind == FieldKind::Url);
        if !is_known {
            return false;
        }
    }
    true
}

/// Whether every word of the last name of a path is known.
pub(crate) fn is_known(path: &str, switches: &RuleSwitches) -> bool {
    let own = path.rsplit(['.', '?', '#']).next().unwrap_or(path);
    let own = own.trim_end_matches("[]");
    if index().is_exact(path, switches) || index().is_exact(own, switches) {
        return true;
    }
    // Signs that part no words of a name, and words beyond those that are looked at, could be anything.
    let is_plain = |sign: char| {
        sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '$' | ' ' | '/' | '[' | ']')
    };
    let words = tokens::words(own);
    own.chars().all(is_plain)
        && !words.is_empty()
        && words.len() < tokens::WORDS_MAX
        && index().unknown_words(&words, switches).all(|word| {
            WORDS.contains(word)
                || word.len() <= DIGITS_MAX && word.bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(path: &str) -> bool {
        is_way_known(path, Carrier::Event, &RuleSwitches::ALL_ON)
    }

    #[test]
    fn what_rules_and_structure_name_is_known() {
        for path in [
            "plan",
            "context.page.url",
            "$set.email",
            "traits.address.city",
            "cart.items[].price",
            "products[].sku",
            "billing_address.line1.city",
            "$current_url?utm_source",
            "signup_page_url?plan",
            "$current_url#",
            "$groups.company",
            "webVitals.lcp",
            "device.os.version",
            "steps.step_12.duration",
        ] {
            assert!(known(path), "{path}");
        }
    }

    #[test]
    fn what_a_sender_made_up_is_not() {
        for path in [
            "Ada Example.plan",
            "canary ada, 12 Elm Street.role",
            "0170-1234567.role",
            "Canary#role",
            "canary?plan",
            "$current_url?0170-1234567.role",
            "members.ada.plan",
            "$set.ada.email",
            "plan\u{e9}.role",
            "items.4111111111.price",
            "products[].ada[].price",
            "address of ada.city",
        ] {
            assert!(!known(path), "{path}");
        }
    }
}
