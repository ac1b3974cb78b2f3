//! The configuration: what an operator wrote, checked and resolved into what the server runs on.
//!
//! Only this crate parses TOML. `load` reads the folder (past mistakes, to find them all), `resolve` checks it, `lints` warns of what works and should not stay;
//! `check` asks also whether the master key opens the data that is there.
//! Invariant: a folder with an error starts nothing; a secret's content never enters a `Config` that is printed.

pub mod defaults;
pub mod fields_file;
pub mod folder;
pub mod init;
pub mod lints;
mod master_key;
mod mend;
pub mod near;
pub mod problem;
pub(crate) mod resolve;
pub mod sections;

use cofferdam_model::{Day, ProjectName, Region, VendorId};
use cofferdam_outbound::MailTls;
use cofferdam_policy::{ConsentMode, PolicySource};
use folder::Folder;
use ipnet::IpNet;
use problem::{Problem, Severity};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Path of `cofferdam.toml`.
    pub path: PathBuf,
    /// The folder it is in.
    pub root: PathBuf,
    /// Holds everything that the server writes.
    pub data_dir: PathBuf,
    /// Listeners and what they believe.
    pub server: ServerConfig,
    /// Path of the master key.
    pub master_key_file: PathBuf,
    /// Path of the location database, if any.
    pub geo_database: Option<PathBuf>,
    /// The projects, in the order configured.
    pub projects: Vec<ProjectConfig>,
    /// The vendors, by id.
    pub vendors: Vec<VendorConfig>,
    /// What policy is compiled from.
    pub policy: PolicySource,
    /// Limits, as written.
    pub limits: sections::LimitsSection,
    /// The journal, as written.
    pub journal: sections::JournalSection,
    /// The store, as written.
    pub store: sections::StoreSection,
    /// Egress, as written.
    pub egress: sections::EgressSection,
    /// The mail relay, if any.
    pub mail: Option<MailConfig>,
}

/// The mail relay, and who may be sent to.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Its name or address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// How it is spoken to.
    pub tls: MailTls,
    /// Who it knows us as, and the path of the password.
    pub credentials: Option<(String, PathBuf)>,
    /// The sender.
    pub from: String,
    /// Addresses and domains, in lower case.
    pub recipients: Vec<String>,
    /// How people reach the web app, without a slash at the end; empty = unknown.
    pub web_url: String,
}

impl MailConfig {
    /// Whether mails may go to an address: it or its domain is listed.
    #[must_use]
    pub fn allows(&self, address: &str) -> bool {
        let address = address.to_lowercase();
        let Some((_, domain)) = address.rsplit_once('@') else {
            return false;
        };
        self.recipients
            .iter()
            .any(|listed| *listed == address || listed == domain)
    }
}

/// Listeners and what they believe.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Intake listener.
    pub listen: SocketAddr,
    /// Web app and API listener.
    pub admin_listen: SocketAddr,
    /// How the outside reaches intake.
    pub public_url: String,
    /// Certificate chain and key, PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether vendors may be on loopback.
    pub allow_loopback_vendors: bool,
}

/// A project.
#[derive(Clone, Debug)]
pub struct ProjectConfig {
    /// The name.
    pub name: ProjectName,
    /// The public write token.
    pub token: String,
    /// Path of the import secret, if any.
    pub import_secret_file: Option<PathBuf>,
    /// Path of the query secret, if any.
    pub query_secret_file: Option<PathBuf>,
    /// Where the data belongs.
    pub region: Region,
    /// IANA time zone of reports.
    pub timezone: String,
    /// Property that holds the organization's id.
    pub organization_key: Option<String>,
    /// What home needs of the person.
    pub consent: ConsentMode,
    /// Origins of the pages that may send; empty = any.
    pub origins: Vec<String>,
}

/// A vendor: company, contract and destination.
#[derive(Clone, Debug)]
pub struct VendorConfig {
    /// The id.
    pub id: VendorId,
    /// Display name.
    pub name: String,
    /// The dialect spoken to it.
    pub kind: VendorKind,
    /// Base URL; `None` for external vendors.
    pub endpoint: Option<String>,
    /// The region that the contract promises.
    pub region: Region,
    /// The region that the endpoint's host is known to be in.
    pub destination_region: Option<Region>,
    /// fideslang data use.
    pub purpose: String,
    /// Path of the project token at the vendor.
    pub token_file: Option<PathBuf>,
    /// The projects whose data it may get.
    pub projects: Vec<ProjectName>,
    /// What it needs of the person.
    pub consent: ConsentMode,
    /// The legal basis, where consent is `none`.
    pub legal_basis: String,
    /// Last day of observe mode.
    pub observe_until: Option<Day>,
    /// The contract's last day.
    pub expires: Option<Day>,
    /// When the contract was last reviewed.
    pub reviewed: Option<Day>,
    /// The contract, as written.
    pub contract: sections::ContractSection,
    /// The file, relative to the folder.
    pub file: PathBuf,
}

/// The dialect spoken to a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VendorKind {
    /// Mixpanel's ingestion API.
    Mixpanel,
    /// Traffic does not pass here.
    External,
}

impl VendorKind {
    /// Every kind by its name in configuration.
    pub const NAMES: [(&'static str, Self); 2] =
        [("mixpanel", Self::Mixpanel), ("external", Self::External)];
}

/// A configuration with what is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` where a problem is an error.
    pub config: Option<Config>,
    /// Errors and warnings, in the order of files and lines.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// Whether nothing is an error.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.config.is_some()
    }

    /// The configuration, or its errors.
    ///
    /// # Errors
    /// The problems, errors and warnings alike, where at least one is an error.
    pub fn into_result(self) -> Result<Config, Vec<Problem>> {
        self.config.ok_or(self.problems)
    }
}

/// Reads, checks and lints the folder of `main_path`.
#[must_use]
pub fn load(main_path: &Path, environment: &BTreeMap<String, String>, today: Day) -> Loaded {
    read(main_path, environment, today).0
}

/// [`load`], and whether `serve` would get at the data directory with the master key. Opens the vault for reading only.
pub async fn check(main_path: &Path, environment: &BTreeMap<String, String>, today: Day) -> Loaded {
    let (mut loaded, folder) = read(main_path, environment, today);
    if let (Some(config), Some(folder)) = (&loaded.config, folder)
        && let Some(problem) = master_key::check(config, &folder.main.0).await
    {
        loaded.problems.push(problem);
        loaded.config = None;
    }
    loaded
}

fn read(
    main_path: &Path,
    environment: &BTreeMap<String, String>,
    today: Day,
) -> (Loaded, Option<Folder>) {
    let (folder, mut problems) = folder::read(main_path, environment);
    let is_read = problems.is_empty();
    let mut config = None;
    if let Some(folder) = &folder {
        let (resolved, found) = resolve::resolve(main_path, folder, today);
        problems.extend(beyond(&problems, found));
        if let Some(resolved) = resolved.filter(|_| is_read) {
            problems.extend(lints::lint(&resolved, folder, today));
            config = Some(resolved);
        }
    }
    problems.sort_by(|one, other| {
        (&one.file, one.line, one.code).cmp(&(&other.file, other.line, other.code))
    });
    let broken = problems
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    let config = config.filter(|_| !broken);
    (Loaded { config, problems }, folder)
}

/// Those of `found` that are no echo of what is `known`: of a line that was taken out, or of a key that is missing since.
fn beyond(known: &[Problem], found: Vec<Problem>) -> Vec<Problem> {
    let is_echo = |found: &Problem| {
        known.iter().any(|known| {
            let is_missing = known.code == "invalid_value" && found.code.starts_with("missing_");
            known.file == found.file && (known.line == found.line || is_missing)
        })
    };
    found.into_iter().filter(|found| !is_echo(found)).collect()
}

/// The environment variables that may override keys.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars()
        .filter(|(name, _)| name.starts_with("COFFERDAM__"))
        .collect()
}
