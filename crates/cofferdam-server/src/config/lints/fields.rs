//! Lints of `fields.toml`: lines that give away what a built-in rule protects.

use super::super::folder::Folder;
use super::{span, warning};
use crate::config::problem::Problem;
use cofferdam_model::Category;
use cofferdam_policy::rules::{self, Carrier, RuleSwitches, ValueType};

/// Categories whose fields name a person or open something.
const PROTECTED: &[Category] = &[
    Category::of("user.account.username"),
    Category::of("user.contact.address.street"),
    Category::of("user.contact.email"),
    Category::of("user.contact.fax_number"),
    Category::of("user.contact.phone_number"),
    Category::of("user.device.cookie_id"),
    Category::of("user.device.device_id"),
    Category::of("user.device.ip_address"),
    Category::of("user.financial"),
    Category::of("user.government_id"),
    Category::of("user.name"),
    Category::of("user.payment"),
    Category::of("user.unique_id"),
];

pub(super) fn lint(folder: &Folder, problems: &mut Vec<Problem>) {
    let Some((source, lines)) = &folder.fields else {
        return;
    };
    for (path, category) in lines {
        let (Some(known), Some(said)) = (
            built_in(path.get_ref()),
            Category::parse(category.get_ref()),
        ) else {
            continue;
        };
        if is_protected(known) && !is_protected(said) {
            problems.push(warning(
                source,
                "declared_unprotected",
                span(path),
                format!(
                    "`{}` is `{known}` by a built-in rule, and this line gives it away as `{said}`",
                    path.get_ref()
                ),
                "remove the line, unless the field never holds that",
            ));
        }
    }
}

fn is_protected(category: Category) -> bool {
    rules::is_secret(category) || PROTECTED.iter().any(|root| category.is_within(*root))
}

/// What a field is without any line about it; the protected one, where that depends on the type of its value.
fn built_in(path: &str) -> Option<Category> {
    if path == "distinct_id" {
        return Some(Category::of("user.unique_id"));
    }
    let carriers = [
        ("properties.", Carrier::Event),
        ("profile.", Carrier::Profile),
        ("group.", Carrier::Group),
    ];
    let mut parts = carriers.into_iter();
    let (key, carrier) =
        parts.find_map(|(prefix, carrier)| Some((path.strip_prefix(prefix)?, carrier)))?;
    let found = [ValueType::Text, ValueType::Number].map(|value_type| {
        rules::classify(key, carrier, value_type, &RuleSwitches::ALL_ON).map(|found| found.category)
    });
    let found = found.into_iter().flatten();
    found.max_by_key(|category| is_protected(*category))
}
