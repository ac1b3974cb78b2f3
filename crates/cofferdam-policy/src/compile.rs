//! Turns a policy as written into tables: per recipient and category a form, per project what is kept at intake.
//!
//! Used by `Policy::compile`. Invariant: the longest matching category wins, protected ones are named or withheld, secrets
//! and (for vendors) unclassified fields have no form at all.

mod problems;

use crate::classify::{BEHAVIOR, CONTENT, Classifier, UNCLASSIFIED};
use crate::forms::FormSet;
use crate::minimize::Fates;
use crate::paths::Paths;
use crate::rules::{self, RuleSwitches};
use crate::{PolicySource, ProjectSource, VendorSource};
use cofferdam_model::{Category, Day, Form, Refusal};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use problems::problems;

/// What a recipient may have of each category.
#[derive(Debug)]
pub(crate) struct Listed {
    rows: Box<[Result<Form, Refusal>]>,
}

impl Listed {
    fn new(entries: &BTreeMap<Category, Form>, is_home: bool) -> Self {
        let rows = Category::all()
            .map(|category| {
                if rules::is_secret(category) {
                    return Err(Refusal::Secret);
                }
                if category == UNCLASSIFIED && !is_home {
                    return Err(Refusal::Unclassified);
                }
                match category
                    .covering()
                    .find_map(|ancestor| entries.get(&ancestor))
                {
                    Some(Form::Withheld) => Err(Refusal::Withheld),
                    Some(form) => Ok(*form),
                    None if category == UNCLASSIFIED => Err(Refusal::Unclassified),
                    None => Err(Refusal::NotListed),
                }
            })
            .collect();
        Self { rows }
    }

    pub(crate) fn form(&self, category: Category) -> Result<Form, Refusal> {
        self.rows
            .get(category.index())
            .copied()
            .unwrap_or(Err(Refusal::NotListed))
    }
}

/// A vendor, compiled.
#[derive(Debug)]
pub(crate) struct VendorTable {
    pub(crate) source: VendorSource,
    pub(crate) listed: Listed,
    /// Whether the purpose is one that Global Privacy Control and Do Not Track speak against.
    pub(crate) sells: bool,
    /// What became of fields so far.
    pub(crate) fates: Fates,
}

impl VendorTable {
    fn new(source: VendorSource) -> Self {
        Self {
            listed: Listed::new(&source.receives, false),
            sells: sells(&source.purpose),
            fates: Fates::default(),
            source,
        }
    }

    /// Whether what the SDK sends flows as it does today.
    pub(crate) fn is_observed(&self, day: Day) -> bool {
        self.source.observe_until.is_some_and(|until| day <= until)
    }

    pub(crate) fn is_expired(&self, day: Day) -> bool {
        self.source.expires.is_some_and(|expires| day > expires)
    }

    pub(crate) fn is_in_region(&self) -> bool {
        self.source
            .destination_region
            .as_ref()
            .is_none_or(|region| *region == self.source.region)
    }

    /// Whether event names, and so events, may go.
    pub(crate) fn gets_events(&self) -> bool {
        self.listed.form(BEHAVIOR) == Ok(Form::Clear)
    }
}

/// Whether a data use is advertising, sale or sharing: what GPC and DNT speak against.
fn sells(purpose: &str) -> bool {
    const ROOTS: &[&str] = &[
        "marketing.advertising",
        "third_party_sharing",
        "sales",
        "analytics.reporting.ad_performance",
    ];
    purpose != "third_party_sharing.legal_obligation"
        && ROOTS.iter().any(|root| {
            purpose
                .strip_prefix(root)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
}

/// What becomes of a category's values at the door.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IntakeRow {
    /// The forms that recipients may have.
    pub(crate) forms: FormSet,
    /// Whether somebody needs the value as it was sent.
    pub(crate) original: bool,
    /// Why nobody may have it, where nobody may.
    pub(crate) refusal: Refusal,
    /// Whether it is a secret, which is never looked into.
    pub(crate) secret: bool,
    /// Whether home may have it in some form.
    pub(crate) home: bool,
    /// Whether values identify people, so that they are sealed.
    pub(crate) identifying: bool,
    /// Whether it is text in which detected parts are masked.
    pub(crate) free_text: bool,
}

/// What becomes of every category's values at the door, through a day.
#[derive(Debug)]
pub(crate) struct IntakeTable {
    through: Day,
    rows: Box<[IntakeRow]>,
    /// The same for what stands under a name that nobody knows: no contract gives it to a vendor.
    stray: Box<[IntakeRow]>,
}

impl IntakeTable {
    pub(crate) fn row(&self, category: Category, is_stray: bool) -> &IntakeRow {
        const NOBODY: IntakeRow = IntakeRow {
            forms: FormSet::NONE,
            original: false,
            refusal: Refusal::NotListed,
            secret: false,
            home: false,
            identifying: true,
            free_text: false,
        };
        let rows = if is_stray { &self.stray } else { &self.rows };
        rows.get(category.index()).unwrap_or(&NOBODY)
    }
}

/// A project, compiled.
#[derive(Debug)]
pub(crate) struct ProjectTable {
    pub(crate) source: ProjectSource,
    pub(crate) classifier: Classifier,
    pub(crate) paths: Arc<Paths>,
    intake: Vec<IntakeTable>,
}

impl ProjectTable {
    /// What becomes of values that arrive on that day.
    pub(crate) fn intake(&self, day: Day) -> Option<&IntakeTable> {
        self.intake.iter().find(|table| day <= table.through)
    }
}

/// A policy, compiled.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) home: Listed,
    pub(crate) vendors: Vec<VendorTable>,
    pub(crate) projects: Vec<ProjectTable>,
}

impl Tables {
    /// Compiles a source without problems.
    pub(crate) fn new(source: &PolicySource, switches: &RuleSwitches) -> Self {
        let home = Listed::new(&source.home, true);
        let vendors: Vec<VendorTable> = source
            .vendors
            .iter()
            .cloned()
            .map(VendorTable::new)
            .collect();
        let projects = source
            .projects
            .iter()
            .map(|project| ProjectTable {
                classifier: Classifier::new(
                    source
                        .fields
                        .iter()
                        .map(|(path, category)| (path.as_str(), *category)),
                    project.organization_key.as_deref(),
                    switches.clone(),
                ),
                paths: Arc::new(Paths::growing()),
                intake: intake(project, &home, &vendors),
                source: project.clone(),
            })
            .collect();
        Self {
            home,
            vendors,
            projects,
        }
    }
}

/// One table per stretch of days between which no contract ends and no observe mode ends.
fn intake(project: &ProjectSource, home: &Listed, vendors: &[VendorTable]) -> Vec<IntakeTable> {
    let own: Vec<&VendorTable> = vendors
        .iter()
        .filter(|vendor| vendor.source.projects.contains(&project.name) && vendor.is_in_region())
        .collect();
    let mut ends: Vec<Day> = own
        .iter()
        .flat_map(|vendor| [vendor.source.expires, vendor.source.observe_until])
        .flatten()
        .chain([Day(i32::MAX)])
        .collect();
    ends.sort_unstable();
    ends.dedup();
    ends.into_iter()
        .map(|through| IntakeTable {
            through,
            rows: Category::all()
                .map(|category| intake_row(category, home, &own, through, false))
                .collect(),
            stray: Category::all()
                .map(|category| intake_row(category, home, &own, through, true))
                .collect(),
        })
        .collect()
}

fn intake_row(
    category: Category,
    home: &Listed,
    own: &[&VendorTable],
    day: Day,
    is_stray: bool,
) -> IntakeRow {
    let mut forms = FormSet::default();
    let at_home = home.form(category);
    if let Ok(form) = at_home {
        forms.add(form);
    }
    for vendor in own.iter().filter(|vendor| !vendor.is_expired(day)) {
        if vendor.is_observed(day) && !rules::is_secret(category) {
            forms.add(Form::Clear);
        }
        if let Ok(form) = vendor.listed.form(category)
            && !is_stray
        {
            forms.add(form);
        }
    }
    IntakeRow {
        forms,
        original: forms.needs_original(),
        secret: rules::is_secret(category),
        refusal: at_home.err().unwrap_or(Refusal::Withheld),
        home: at_home.is_ok(),
        identifying: is_identifying(category),
        free_text: category.is_within(CONTENT),
    }
}

/// Whether values of the category identify people: never on a disk in clear, the record's sealed part holds them.
fn is_identifying(category: Category) -> bool {
    const ROOTS: &[Category] = &[
        Category::of("user.name"),
        Category::of("user.contact"),
        Category::of("user.unique_id"),
        Category::of("user.device.ip_address"),
        Category::of("user.device.cookie_id"),
        Category::of("user.device.device_id"),
        Category::of("user.financial"),
        Category::of("user.payment"),
        Category::of("user.government_id"),
        Category::of("user.content"),
        Category::of("user.location.precise"),
        Category::of("user.account.username"),
        Category::of("user.biometric"),
        Category::of("user.health_and_medical"),
    ];
    ROOTS.iter().any(|root| category.is_within(*root))
}
