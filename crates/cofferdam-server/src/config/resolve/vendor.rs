//! Checks and resolves `vendors/<id>.toml`.
//!
//! Invariant: an id is a file name that stays where it is put; no message repeats an endpoint, which may carry a secret.

use super::super::near::did_you_mean;
use super::super::problem::Severity;
use super::super::sections::VendorFile;
use super::super::{ProjectConfig, VendorConfig, VendorKind, defaults};
use super::{CONSENT, Checker, optional_path};
use cofferdam_model::{Day, ProjectName, Region, VendorId, category::DATA_USES};
use cofferdam_policy::{ConsentMode, VendorSource};
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Most characters of a vendor's id.
const ID_CHARS_MAX: usize = 64;

pub(super) fn resolve(
    check: &mut Checker<'_>,
    root: &Path,
    id: &str,
    file: &VendorFile,
    projects: &[ProjectConfig],
    today: Day,
) -> Option<(VendorConfig, VendorSource)> {
    if !is_id(id) {
        let message = "the file's name is the vendor's id: 1 to 64 letters, digits, `-`, `_` and `.`, not a dot first";
        check.problems.push(check.source.problem(
            Severity::Error,
            "invalid_vendor_id",
            Some(0..1),
            message,
            "rename the file, e.g. to vendors/mixpanel.toml",
        ));
    }
    let kind = check.named("kind", &file.kind, &VendorKind::NAMES);
    let consent = check.named("consent", &file.consent, &CONSENT);
    let observing = check.named("mode", &file.mode, &[("enforce", false), ("observe", true)]);
    if !DATA_USES.contains(&file.purpose.get_ref().as_str()) {
        check.error(
            "unknown_purpose",
            &file.purpose,
            format!("`{}` is not a fideslang data use", file.purpose.get_ref()),
            did_you_mean(file.purpose.get_ref(), DATA_USES),
        );
    }
    if consent == Some(ConsentMode::None) && file.legal_basis.is_empty() {
        check.error(
            "missing_legal_basis",
            &file.consent,
            "consent = \"none\" needs a legal_basis",
            "say on which basis the data flows, e.g. \"contract\"",
        );
    }
    if kind == Some(VendorKind::Mixpanel) {
        if file.endpoint.is_none() {
            check.error(
                "missing_endpoint",
                &file.kind,
                "this kind of vendor needs an endpoint",
                "e.g. endpoint = \"https://api-eu.mixpanel.com\"",
            );
        }
        if file.token_file.is_empty() {
            check.error(
                "missing_token",
                &file.kind,
                "this kind of vendor needs a token_file",
                "put the project token into a file that only the server can read",
            );
        }
    }
    if let Some(endpoint) = &file.endpoint {
        check_endpoint(check, endpoint);
    }
    let known: Vec<(&str, ())> = projects
        .iter()
        .map(|project| (project.name.as_str(), ()))
        .collect();
    for name in &file.projects {
        check.named("project", name, &known);
    }
    let observe_until = observe_until(check, file, observing, today);
    let receives = check.forms(&file.receives, false);
    for (key, form) in &file.receives {
        if key.get_ref() == "unclassified" && form.get_ref() != "withheld" {
            check.error(
                "unclassified_to_vendor",
                key,
                "a vendor never gets unclassified fields",
                "name the field in fields.toml first",
            );
        }
        if key.get_ref() == "secret" && form.get_ref() != "withheld" {
            check.error(
                "secret_to_vendor",
                key,
                "a vendor never gets secrets",
                "remove the line",
            );
        }
    }
    let endpoint = file
        .endpoint
        .as_ref()
        .map(|url| url.get_ref().trim_end_matches('/').to_owned());
    let expires = file
        .contract
        .expires
        .as_ref()
        .and_then(|day| check.day(day));
    let reviewed = file
        .contract
        .reviewed
        .as_ref()
        .and_then(|day| check.day(day));
    let projects: Vec<ProjectName> = file
        .projects
        .iter()
        .map(|name| ProjectName::from(name.get_ref().as_str()))
        .collect();
    let vendor = VendorConfig {
        id: VendorId::from(id),
        name: file.name.clone(),
        kind: kind?,
        destination_region: endpoint.as_deref().and_then(defaults::region_of_endpoint),
        endpoint,
        region: Region::from(file.region.get_ref().as_str()),
        purpose: file.purpose.get_ref().clone(),
        token_file: optional_path(root, &file.token_file),
        projects,
        consent: consent?,
        legal_basis: file.legal_basis.clone(),
        observe_until,
        expires,
        reviewed,
        contract: file.contract.clone(),
        file: PathBuf::from("vendors").join(format!("{id}.toml")),
    };
    let source = VendorSource {
        id: vendor.id.clone(),
        region: vendor.region.clone(),
        destination_region: vendor.destination_region.clone(),
        purpose: vendor.purpose.clone(),
        projects: vendor.projects.clone(),
        consent: vendor.consent,
        expires,
        observe_until,
        receives,
    };
    Some((vendor, source))
}

fn observe_until(
    check: &mut Checker<'_>,
    file: &VendorFile,
    observing: Option<bool>,
    today: Day,
) -> Option<Day> {
    let until = file.observe_until.as_ref().and_then(|day| check.day(day));
    match (observing, until) {
        (Some(true), None) => {
            check.error(
                "missing_observe_until",
                &file.mode,
                "observe mode needs observe_until",
                "e.g. observe_until = 2026-12-31",
            );
            None
        }
        (Some(true), Some(day)) if day >= today => Some(day),
        _ => None,
    }
}

/// Whether a text can be a vendor's id: it names files and folders, and stands in addresses.
fn is_id(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_part) && !text.starts_with('.')
}

fn check_endpoint(check: &mut Checker<'_>, endpoint: &Spanned<String>) {
    let parsed = url::Url::parse(endpoint.get_ref()).ok();
    let url = parsed.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let (message, help) = match &url {
        None => (
            "the endpoint is not an http(s) URL with a host",
            "e.g. endpoint = \"https://api-eu.mixpanel.com\"",
        ),
        Some(url) if !url.username().is_empty() || url.password().is_some() => (
            "the endpoint carries a user or a password",
            "remove it; a secret goes into token_file, never into this file",
        ),
        Some(url) if url.query().is_some() || url.fragment().is_some() => (
            "the endpoint carries a query or a fragment",
            "write the base URL only; the dialect adds path and query",
        ),
        Some(_) => return,
    };
    check.error("invalid_endpoint", endpoint, message, help);
}
