//! What is wrong with a policy: everything at once, each with its place and what is expected.
//!
//! Called by `Policy::compile`; the server turns places into files and lines. Invariant: a source without problems compiles.

use crate::classify::{Carrier, UNCLASSIFIED};
use crate::rules;
use crate::{PolicyPlace, PolicyProblem, PolicySource, VendorSource};
use cofferdam_model::{Category, Form, category::DATA_USES};
use std::collections::BTreeSet;

/// Every problem of the source.
pub(crate) fn problems(source: &PolicySource) -> Vec<PolicyProblem> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for project in &source.projects {
        if project.name.as_str().is_empty() || !names.insert(&project.name) {
            found.push(PolicyProblem {
                place: PolicyPlace::Project(project.name.clone()),
                message: "the name is empty or used twice; give each project its own".to_owned(),
            });
        }
    }
    for (category, form) in &source.home {
        if let Some(message) = home_entry(*category, *form) {
            found.push(PolicyProblem {
                place: PolicyPlace::Home(category.key().to_owned()),
                message,
            });
        }
    }
    let mut ids = BTreeSet::new();
    for vendor in &source.vendors {
        if !ids.insert(&vendor.id) {
            found.push(at(
                vendor,
                "id",
                "another vendor has the same id".to_owned(),
            ));
        }
        vendor_problems(source, vendor, &mut found);
    }
    for (path, category) in &source.fields {
        let (carrier, key) = Carrier::split(path);
        let known = matches!(key, "distinct_id" | "group_id" | "ip" | "event" | "time");
        if key.is_empty() || (carrier == Carrier::Top && !known) {
            found.push(PolicyProblem {
                place: PolicyPlace::Field(path.clone()),
                message: "expected a path that begins with `properties.`, `profile.` or `group.`"
                    .to_owned(),
            });
        }
        if carrier == Carrier::Top && is_identifying(key) && !names_somebody(*category) {
            found.push(PolicyProblem {
                place: PolicyPlace::Field(path.clone()),
                message: format!(
                    "`{key}` identifies: `{category}` would let it pass in clear; name a category of ids or contact data, e.g. \
                     `user.unique_id` or `user.contact.email`"
                ),
            });
        }
    }
    found
}

/// What the envelope says of who it is.
fn is_identifying(key: &str) -> bool {
    matches!(key, "distinct_id" | "group_id" | "ip")
}

/// Whether tables must name the category, or one close above it, so that it never passes unawares.
fn names_somebody(category: Category) -> bool {
    category != UNCLASSIFIED && category.covering().any(Category::is_protected)
}

fn at(vendor: &VendorSource, key: &str, message: String) -> PolicyProblem {
    PolicyProblem {
        place: PolicyPlace::Vendor(vendor.id.clone(), key.to_owned()),
        message,
    }
}

fn home_entry(category: Category, form: Form) -> Option<String> {
    if form == Form::Token {
        return Some(
            "`token` is for vendors; home takes `sealed`, a coarse form or `withheld`".to_owned(),
        );
    }
    if rules::is_secret(category) && form != Form::Withheld {
        return Some("secrets are always `withheld`".to_owned());
    }
    None
}

fn vendor_problems(source: &PolicySource, vendor: &VendorSource, found: &mut Vec<PolicyProblem>) {
    if !DATA_USES.contains(&vendor.purpose.as_str()) {
        found.push(at(
            vendor,
            "purpose",
            format!("`{}` is no fideslang data use", vendor.purpose),
        ));
    }
    for project in &vendor.projects {
        if !source.projects.iter().any(|known| known.name == *project) {
            found.push(at(
                vendor,
                "projects",
                format!("there is no project `{project}`"),
            ));
        }
    }
    for (category, form) in &vendor.receives {
        let key = format!("receives.{category}");
        if form.is_home_only() {
            found.push(at(
                vendor,
                &key,
                format!("the form `{}` is for home only", form.as_str()),
            ));
        }
        if rules::is_secret(*category) && *form != Form::Withheld {
            found.push(at(vendor, &key, "secrets are always `withheld`".to_owned()));
        }
        if *category == UNCLASSIFIED && *form != Form::Withheld {
            found.push(at(
                vendor,
                &key,
                "a vendor never gets unclassified fields; name them in `fields.toml`".to_owned(),
            ));
        }
    }
}
