//! Lints of `vendors/*.toml`: contract, region, purpose, table.

use super::super::folder::Folder;
use super::super::problem::{Problem, SourceFile};
use super::super::sections::{FormTable, VendorFile};
use super::super::{Config, VendorConfig, VendorKind};
use super::{span, warning};
use cofferdam_model::{Category, Day, Form};
use cofferdam_policy::{ConsentMode, VendorSource, rules};
use std::ops::Range;

pub(super) fn lint(config: &Config, folder: &Folder, today: Day, problems: &mut Vec<Problem>) {
    for vendor in &config.vendors {
        let Some((_, source, file)) = folder
            .vendors
            .iter()
            .find(|(id, ..)| id == vendor.id.as_str())
        else {
            continue;
        };
        let Some(policy) = config
            .policy
            .vendors
            .iter()
            .find(|policy| policy.id == vendor.id)
        else {
            continue;
        };
        let mut lints = VendorLints {
            source,
            file,
            vendor,
            policy,
            today,
            problems,
        };
        lints.contract();
        lints.destination(config);
        lints.table();
        lints.mode();
        lints.tokens(config);
    }
}

struct VendorLints<'a> {
    source: &'a SourceFile,
    file: &'a VendorFile,
    vendor: &'a VendorConfig,
    policy: &'a VendorSource,
    today: Day,
    problems: &'a mut Vec<Problem>,
}

impl VendorLints<'_> {
    /// Where a key stands; else its section, else the beginning of the file.
    fn line(&self, section: &str, key: &str) -> Option<Range<usize>> {
        self.source.span_of(section, key)
    }

    fn warn(
        &mut self,
        code: &'static str,
        at: Option<Range<usize>>,
        message: impl Into<String>,
        help: &str,
    ) {
        self.problems
            .push(warning(self.source, code, at, message, help));
    }

    fn contract(&mut self) {
        let contract = &self.file.contract;
        let expires_at = contract.expires.as_ref().and_then(span);
        match self.vendor.expires {
            Some(day) if day < self.today => self.warn(
                "contract_expired",
                expires_at,
                format!("the contract ended on {day}; the vendor gets nothing"),
                "renew it, or remove the vendor",
            ),
            Some(day) if day.0 - self.today.0 <= 30 => self.warn(
                "contract_expires_soon",
                expires_at,
                format!("the contract ends on {day}; then the vendor gets nothing"),
                "renew it in time",
            ),
            _ => {}
        }
        if self
            .vendor
            .reviewed
            .is_none_or(|day| self.today.0 - day.0 > 365)
        {
            self.warn(
                "review_overdue",
                self.line("contract", "reviewed"),
                "the contract was not reviewed within a year",
                "review it and set contract.reviewed",
            );
        }
        if contract
            .breach_notice_hours
            .as_ref()
            .is_none_or(|hours| *hours.get_ref() > 72)
        {
            self.warn(
                "late_breach_notice",
                self.line("contract", "breach_notice_hours"),
                "the vendor need not tell of a breach within 72 hours",
                "agree on 48 hours or less and set contract.breach_notice_hours",
            );
        }
        if contract.retention_days.is_none() {
            self.warn(
                "no_retention",
                self.line("contract", "retention_days"),
                "the vendor's retention is unknown, so everything ever sent counts as held",
                "set contract.retention_days, and retention_verified once it was verified",
            );
        }
    }

    fn destination(&mut self, config: &Config) {
        let endpoint = self.file.endpoint.as_ref();
        let at = endpoint.and_then(span);
        if endpoint.is_some_and(|url| !url.get_ref().starts_with("https://"))
            && !config.server.allow_loopback_vendors
        {
            self.warn(
                "plain_http_endpoint",
                at.clone(),
                "the endpoint is not HTTPS",
                "use https",
            );
        }
        match &self.vendor.destination_region {
            Some(region) if *region != self.vendor.region => self.warn(
                "region_mismatch",
                at,
                format!(
                    "the endpoint is in {region}, the contract says {}; the vendor gets nothing",
                    self.vendor.region
                ),
                "use the endpoint of the contract's region",
            ),
            None if self.vendor.kind != VendorKind::External
                && !config.server.allow_loopback_vendors =>
            {
                self.warn(
                    "region_unknown",
                    at,
                    "the endpoint's region is not known, so nobody checks it",
                    "use one of the vendor's published hosts",
                );
            }
            _ => {}
        }
        for project in &config.projects {
            if self.vendor.projects.contains(&project.name) && project.region != self.vendor.region
            {
                self.warn(
                    "cross_region_project",
                    span(&self.file.region),
                    format!(
                        "project `{}` belongs in {}, the vendor is in {}",
                        project.name, project.region, self.vendor.region
                    ),
                    "check that the transfer has a legal basis",
                );
            }
        }
        if self.vendor.projects.is_empty() && self.vendor.kind != VendorKind::External {
            self.warn(
                "unused_vendor",
                self.line("", "projects"),
                "the vendor serves no project",
                "set projects, or delete the file",
            );
        }
    }

    fn table(&mut self) {
        let receives = &self.file.receives;
        let analytics = self.vendor.purpose.starts_with("analytics");
        for (category, form) in &self.policy.receives {
            let at = at(receives, *category);
            if analytics && *form == Form::Clear && is_direct_identifier(*category) {
                self.warn(
                    "clear_identifier",
                    at.clone(),
                    format!("an analytics vendor gets `{category}` in clear"),
                    "use \"token\", or remove the line",
                );
            }
            if category.key().starts_with("user.location")
                && matches!(form, Form::Clear | Form::Region)
            {
                self.warn(
                    "fine_location",
                    at.clone(),
                    format!("the vendor gets `{category}` finer than the country"),
                    "use \"country\"",
                );
            }
            if !applies(*category, *form) {
                self.warn(
                    "form_never_applies",
                    at.clone(),
                    format!(
                        "`{}` fits no field of `{category}`: the vendor gets none of them",
                        form.as_str()
                    ),
                    "choose a form of docs/forms.md that fits, or remove the line",
                );
            }
            if category.key() == "user" && *form != Form::Withheld {
                self.warn(
                    "whole_user_listed",
                    at,
                    "`user` covers nearly every category",
                    "list the categories that the contract names",
                );
            }
        }
        let covered = Category::of("user.behavior")
            .covering()
            .find_map(|c| self.policy.receives.get(&c));
        if self.vendor.kind != VendorKind::External
            && covered.is_none_or(|form| *form == Form::Withheld)
        {
            self.warn(
                "no_behavior",
                self.line("receives", "user.behavior"),
                "user.behavior is not listed, so the vendor gets no events",
                "list \"user.behavior\" = \"clear\", or remove the vendor",
            );
        }
    }

    fn mode(&mut self) {
        let Some(until) = self.file.observe_until.as_ref() else {
            if self.vendor.purpose.starts_with("marketing")
                && self.vendor.consent == ConsentMode::OptOut
            {
                self.advertising();
            }
            return;
        };
        let day = super::super::resolve::day_of(until.get_ref());
        if day.is_some_and(|day| day < self.today) {
            self.warn(
                "observe_over",
                span(until),
                "observe mode is over; the contract is enforced",
                "remove mode and observe_until",
            );
        }
        if day.is_some_and(|day| day.0 - self.today.0 > 90) {
            self.warn(
                "long_observe",
                span(until),
                "observe mode runs for more than 90 days, and what the SDK sends flows until then",
                "choose an earlier day",
            );
        }
        if self.vendor.purpose.starts_with("marketing")
            && self.vendor.consent == ConsentMode::OptOut
        {
            self.advertising();
        }
    }

    fn advertising(&mut self) {
        self.warn(
            "no_consent_for_advertising",
            span(&self.file.purpose),
            "advertising without a positive signal from the person",
            "set consent = \"opt_in\"",
        );
    }

    fn tokens(&mut self, config: &Config) {
        let shared_file = config
            .vendors
            .iter()
            .filter(|other| {
                other.token_file.is_some() && other.token_file == self.vendor.token_file
            })
            .count()
            > 1;
        let own = self
            .vendor
            .token_file
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok());
        let is_empty = own.as_deref().is_none_or(|token| token.trim().is_empty());
        if self.vendor.token_file.is_some() && is_empty {
            self.warn(
                "empty_vendor_token",
                self.line("", "token_file"),
                "the token file is missing or empty; the vendor gets nothing",
                "put the project token into it, readable by the server only",
            );
        }
        let shared_token = own.is_some_and(|token| {
            config
                .projects
                .iter()
                .any(|project| project.token == token.trim())
        });
        if shared_file || shared_token {
            self.warn(
                "token_reused",
                self.line("", "token_file"),
                "the vendor's token is also used elsewhere",
                "give every project and every vendor a token of its own",
            );
        }
    }
}

/// Whether a form says anything about some field that stands under a line for the category.
fn applies(category: Category, form: Form) -> bool {
    if matches!(form, Form::Clear | Form::Token | Form::Withheld) {
        return true;
    }
    let rules = rules::all().map(|rule| rule.rule());
    let mut covered = rules.filter(|rule| rule.category.is_within(category));
    covered.any(|rule| cofferdam_policy::fits(form, rule.kind))
}

fn is_direct_identifier(category: Category) -> bool {
    [
        "user.name",
        "user.contact",
        "user.unique_id",
        "user.device.ip_address",
        "user.device.device_id",
        "user.account.username",
    ]
    .iter()
    .any(|root| Category::parse(root).is_some_and(|root| category.is_within(root)))
        && category.key() != "user.contact.organization"
}

fn at(table: &FormTable, category: Category) -> Option<Range<usize>> {
    table
        .keys()
        .find(|key| key.get_ref() == category.key())
        .and_then(span)
}
