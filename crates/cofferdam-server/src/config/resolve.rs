//! Checks what the types cannot and resolves paths, days, networks, categories and forms.
//!
//! Invariant: every error has a file and, where the text has one, a line; one run reports all of them.

mod bounds;
mod mail;
mod policy;
mod secrets;
mod vendor;

pub(super) use mail::is_here;
pub(crate) use secrets::SECRET_CHARS_MIN;

use super::folder::Folder;
use super::near::did_you_mean;
use super::problem::{Problem, Severity, SourceFile};
use super::sections::{FormTable, ProjectSection};
use super::{Config, ProjectConfig, ServerConfig, defaults};
use cofferdam_model::{Category, Day, Form, ProjectName, Region};
use cofferdam_policy::{ConsentMode, PolicySource, ProjectSource};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Collects the problems of one file.
struct Checker<'a> {
    source: &'a SourceFile,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn new(source: &'a SourceFile) -> Self {
        Self {
            source,
            problems: Vec::new(),
        }
    }

    fn error<T>(
        &mut self,
        code: &'static str,
        at: &Spanned<T>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let span = Some(at.span()).filter(|span| span.end > 0);
        self.problems.push(
            self.source
                .problem(Severity::Error, code, span, message, help),
        );
    }

    fn named<T: Copy>(
        &mut self,
        what: &str,
        text: &Spanned<String>,
        known: &[(&str, T)],
    ) -> Option<T> {
        let found = known
            .iter()
            .find(|(name, _)| *name == text.get_ref())
            .map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.error(
                "unknown_name",
                text,
                format!("unknown {what} `{}`", text.get_ref()),
                did_you_mean(text.get_ref(), &names),
            );
        }
        found
    }

    fn category(&mut self, key: &Spanned<String>) -> Option<Category> {
        let found = Category::parse(key.get_ref());
        if found.is_none() {
            let known: Vec<&str> = Category::all().map(Category::key).collect();
            self.error(
                "unknown_category",
                key,
                format!("`{}` is not a data category", key.get_ref()),
                did_you_mean(key.get_ref(), &known),
            );
        }
        found
    }

    fn forms(&mut self, table: &FormTable, home: bool) -> BTreeMap<Category, Form> {
        let known: Vec<(&str, Form)> = Form::ALL
            .into_iter()
            .filter(|form| home || !form.is_home_only())
            .map(|form| (form.as_str(), form))
            .collect();
        let mut forms = BTreeMap::new();
        for (key, form) in table {
            if let (Some(category), Some(form)) =
                (self.category(key), self.named("form", form, &known))
            {
                forms.insert(category, form);
            }
        }
        forms
    }

    fn day(&mut self, value: &Spanned<toml::value::Datetime>) -> Option<Day> {
        let day = day_of(value.get_ref());
        if day.is_none() {
            self.error(
                "invalid_day",
                value,
                "expected a day such as 2027-01-31, without a time",
                "",
            );
        }
        day
    }
}

const CONSENT: [(&str, ConsentMode); 3] = [
    ("opt_out", ConsentMode::OptOut),
    ("opt_in", ConsentMode::OptIn),
    ("none", ConsentMode::None),
];

/// The day of a TOML date.
pub(crate) fn day_of(value: &toml::value::Datetime) -> Option<Day> {
    value
        .date
        .filter(|_| value.time.is_none())
        .and_then(|date| Day::parse(&date.to_string()))
}

/// Resolves the folder; `None` where the main file is too broken to go on.
pub(crate) fn resolve(
    main_path: &Path,
    folder: &Folder,
    today: Day,
) -> (Option<Config>, Vec<Problem>) {
    let (source, main) = &folder.main;
    let mut check = Checker::new(source);
    let root = folder.root.clone();
    let server = server(&mut check, folder);
    let projects: Vec<ProjectConfig> = main
        .project
        .iter()
        .filter_map(|section| project(&mut check, &root, section))
        .collect();
    unique(
        &mut check,
        main.project.iter().map(|section| &section.name),
        "project name",
    );
    unique(
        &mut check,
        main.project.iter().map(|section| &section.token),
        "project token",
    );
    secrets::check(&mut check, &root, main);
    let mail = main.mail.as_ref();
    let mail = mail.and_then(|section| mail::resolve(&mut check, &root, section));
    let home = match &main.home {
        Some(table) => check.forms(table, true),
        None => defaults::home(),
    };
    let mut problems = check.problems;
    bounds::main_file(source, main, &mut problems);
    let mut vendors = Vec::new();
    let mut sources = Vec::new();
    for (id, source, file) in &folder.vendors {
        let mut check = Checker::new(source);
        if let Some((vendor, policy)) =
            vendor::resolve(&mut check, &root, id, file, &projects, today)
        {
            vendors.push(vendor);
            sources.push(policy);
        }
        problems.append(&mut check.problems);
        bounds::vendor_file(source, file, &mut problems);
    }
    let fields = fields(folder, &mut problems);
    let config = server.map(|server| Config {
        path: main_path.to_owned(),
        data_dir: root.join(&main.data_dir),
        server,
        master_key_file: root.join(main.vault.master_key_file.get_ref()),
        geo_database: optional_path(&root, &main.geo.database_file),
        policy: PolicySource {
            projects: projects.iter().map(project_source).collect(),
            home,
            vendors: sources,
            fields,
        },
        projects,
        vendors,
        limits: main.limits.clone(),
        journal: main.journal.clone(),
        store: main.store.clone(),
        egress: main.egress.clone(),
        mail,
        root,
    });
    if let Some(config) = &config {
        policy::check(folder, &config.policy, &mut problems);
    }
    (config, problems)
}

fn server(check: &mut Checker<'_>, folder: &Folder) -> Option<ServerConfig> {
    let section = &folder.main.1.server;
    let mut address = |text: &Spanned<String>| {
        let parsed = text.get_ref().parse().ok();
        if parsed.is_none() {
            check.error(
                "invalid_address",
                text,
                format!("`{}` is not an address with a port", text.get_ref()),
                "write e.g. \"127.0.0.1:8686\"",
            );
        }
        parsed
    };
    let (listen, admin_listen) = (address(&section.listen), address(&section.admin_listen));
    let mut trusted_proxies = Vec::new();
    for network in &section.trusted_proxies {
        match network.get_ref().parse() {
            Ok(network) => trusted_proxies.push(network),
            Err(_) => check.error(
                "invalid_network",
                network,
                format!("`{}` is not a network", network.get_ref()),
                "write e.g. \"10.0.0.0/8\"",
            ),
        }
    }
    let tls = match (
        section.tls_cert_file.as_str(),
        section.tls_key_file.as_str(),
    ) {
        ("", "") => None,
        ("", _) | (_, "") => {
            check.error(
                "incomplete_tls",
                &section.listen,
                "tls_cert_file and tls_key_file go together",
                "set both, or neither when a proxy ends TLS",
            );
            None
        }
        (certificate, key) => Some((folder.root.join(certificate), folder.root.join(key))),
    };
    Some(ServerConfig {
        listen: listen?,
        admin_listen: admin_listen?,
        public_url: section.public_url.trim_end_matches('/').to_owned(),
        tls,
        trusted_proxies,
        allow_loopback_vendors: section.allow_loopback_vendors,
    })
}

fn project(
    check: &mut Checker<'_>,
    root: &Path,
    section: &ProjectSection,
) -> Option<ProjectConfig> {
    let name = section.name.get_ref();
    if !is_name(name) {
        check.error("invalid_name", &section.name, NAME, "");
    }
    if section.token.get_ref().len() < 16 {
        check.error(
            "short_token",
            &section.token,
            "a project token has at least 16 characters",
            "`cofferdam init` makes one of 32 hexadecimal digits",
        );
    }
    if !crate::zones::is_known(section.timezone.get_ref()) {
        check.error(
            "unknown_timezone",
            &section.timezone,
            format!(
                "`{}` is not a time zone of the IANA database",
                section.timezone.get_ref()
            ),
            "write e.g. \"Europe/Berlin\"",
        );
    }
    let consent = check.named("consent", &section.consent, &CONSENT)?;
    Some(ProjectConfig {
        name: ProjectName::from(name.as_str()),
        token: section.token.get_ref().clone(),
        import_secret_file: optional_path(root, section.import_secret_file.get_ref()),
        query_secret_file: optional_path(root, section.query_secret_file.get_ref()),
        region: Region::from(section.region.as_str()),
        timezone: section.timezone.get_ref().clone(),
        organization_key: Some(section.organization_key.clone()).filter(|key| !key.is_empty()),
        consent,
        origins: section
            .origins
            .iter()
            .map(|origin| origin.get_ref().trim_end_matches('/').to_owned())
            .collect(),
    })
}

/// What a project's name consists of.
pub(crate) const NAME: &str = "a project's name has letters, digits, `-` and `_`";

/// Whether a text can be a project's name.
pub(crate) fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !text.is_empty() && text.bytes().all(is_part)
}

fn project_source(project: &ProjectConfig) -> ProjectSource {
    ProjectSource {
        name: project.name.clone(),
        region: project.region.clone(),
        organization_key: project.organization_key.clone(),
        consent: project.consent,
    }
}

fn fields(folder: &Folder, problems: &mut Vec<Problem>) -> BTreeMap<String, Category> {
    let Some((source, file)) = &folder.fields else {
        return BTreeMap::new();
    };
    let mut check = Checker::new(source);
    let mut fields = BTreeMap::new();
    for (path, category) in file {
        let is_envelope = ["event", "distinct_id"].contains(&path.get_ref().as_str());
        if !is_envelope && !super::fields_file::is_path(path.get_ref()) {
            check.error(
                "invalid_path",
                path,
                format!("`{}` is not a field path", path.get_ref()),
                "start with `properties.`, `profile.` or `group.`, e.g. \"properties.plan\"",
            );
        }
        if let Some(category) = check.category(category) {
            fields.insert(path.get_ref().clone(), category);
        }
    }
    problems.append(&mut check.problems);
    fields
}

fn unique<'a>(
    check: &mut Checker<'_>,
    names: impl Iterator<Item = &'a Spanned<String>>,
    what: &str,
) {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.contains(&name.get_ref().as_str()) {
            check.error("duplicate", name, format!("the {what} is used twice"), "");
        }
        seen.push(name.get_ref());
    }
}

fn optional_path(root: &Path, text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| root.join(text))
}
