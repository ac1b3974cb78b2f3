//! Compiles the policy of a folder, so that `check` finds what `serve` would refuse.
//!
//! Invariant: a folder without an error has a policy that compiles; a line that is blamed already is not blamed twice.

use super::super::folder::Folder;
use super::super::problem::{Problem, Severity, SourceFile};
use cofferdam_policy::{Policy, PolicyId, PolicyPlace, PolicyProblem, PolicySource};
use std::ops::Range;
use toml::Spanned;

pub(super) fn check(folder: &Folder, source: &PolicySource, problems: &mut Vec<Problem>) {
    // The number is the archive's affair; nothing keeps this policy.
    let Err(found) = Policy::compile(PolicyId(0), source.clone()) else {
        return;
    };
    for problem in found {
        let problem = placed(folder, problem);
        let is_known = problems.iter().any(|known| {
            known.severity == Severity::Error
                && (&known.file, known.line) == (&problem.file, problem.line)
        });
        if !is_known {
            problems.push(problem);
        }
    }
}

/// The problem with the file and line that it stands in.
fn placed(folder: &Folder, problem: PolicyProblem) -> Problem {
    let (main_source, main) = &folder.main;
    let (source, span): (&SourceFile, Option<Range<usize>>) = match &problem.place {
        PolicyPlace::Project(name) => {
            let mut names = main.project.iter().map(|project| &project.name);
            let found = names.find(|found| found.get_ref() == name.as_str());
            (main_source, found.map(Spanned::span))
        }
        PolicyPlace::Home(category) => {
            let mut keys = main.home.iter().flat_map(|home| home.keys());
            let found = keys.find(|key| key.get_ref() == category);
            (main_source, found.map(Spanned::span))
        }
        PolicyPlace::Vendor(id, key) => {
            let mut vendors = folder.vendors.iter();
            match vendors.find(|(known, ..)| known == id.as_str()) {
                Some((_, source, file)) => {
                    let category = key.strip_prefix("receives.");
                    let mut keys = file.receives.keys();
                    let found = keys.find(|key| category == Some(key.get_ref().as_str()));
                    let span = found.map(Spanned::span);
                    (source, span.or_else(|| source.span_of("", key)))
                }
                None => (main_source, None),
            }
        }
        PolicyPlace::Field(path) => match &folder.fields {
            Some((source, fields)) => {
                let found = fields.keys().find(|key| key.get_ref() == path);
                (source, found.map(Spanned::span))
            }
            None => (main_source, None),
        },
    };
    source.problem(
        Severity::Error,
        "invalid_policy",
        span,
        problem.message,
        "until it is mended, nothing starts on this folder",
    )
}
