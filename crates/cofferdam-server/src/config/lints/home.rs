//! Lints of `[home]`: what is kept in clear and should not be, and a table that keeps no events.

use super::super::Config;
use super::super::folder::Folder;
use super::{span, warning};
use crate::config::problem::Problem;
use cofferdam_model::{Category, Form};
use cofferdam_policy::rules;

/// Whoever these belong to is found by them; home needs them sealed, so that a person can be forgotten.
const IDENTIFIES: &[&str] = &[
    "user.name",
    "user.contact",
    "user.contact.email",
    "user.contact.phone_number",
    "user.unique_id",
];

/// What home should not keep at all, or sealed at most.
const HARMS: &[Category] = &[
    Category::of("user.content"),
    Category::of("user.device.cookie_id"),
    Category::of("user.device.ip_address"),
    Category::of("user.financial"),
    Category::of("user.government_id"),
    Category::of("user.payment"),
];

pub(super) fn lint(config: &Config, folder: &Folder, problems: &mut Vec<Problem>) {
    let (source, main) = &folder.main;
    let at = |category: Category| {
        let mut keys = main.home.iter().flatten().map(|(key, _)| key);
        let key = keys.find(|key| key.get_ref() == category.key());
        key.and_then(span).or_else(|| source.span_of("home", ""))
    };
    for (category, form) in &config.policy.home {
        if IDENTIFIES.contains(&category.key()) && *form == Form::Clear {
            problems.push(warning(
                source,
                "home_clear_identifier",
                at(*category),
                format!(
                    "home keeps `{category}` in clear, so forgetting a person cannot destroy it"
                ),
                "use \"sealed\": it stays readable by permitted roles, under the person's key",
            ));
        }
        let harms = HARMS.iter().any(|root| category.is_within(*root));
        if harms && *form == Form::Clear {
            problems.push(warning(
                source,
                "home_clear_protected",
                at(*category),
                format!("home keeps `{category}` in clear"),
                "use \"withheld\", or \"sealed\" where permitted roles must read it",
            ));
        }
        if rules::is_secret(*category) && *form != Form::Withheld {
            problems.push(warning(
                source,
                "home_clear_protected",
                at(*category),
                format!("`{category}` is withheld from everybody, whatever this line says"),
                "remove the line",
            ));
        }
    }
    let behavior = Category::of("user.behavior");
    let form = behavior
        .covering()
        .find_map(|category| config.policy.home.get(&category));
    if form.is_none_or(|form| *form == Form::Withheld) {
        problems.push(warning(
            source,
            "home_no_behavior",
            at(behavior),
            "user.behavior is withheld, so home stores no events",
            "write \"user.behavior\" = \"clear\"",
        ));
    }
}
