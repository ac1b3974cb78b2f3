//! The sections of `cofferdam.toml`, one struct each, with defaults and units.
//!
//! Invariant: unknown keys are errors; every limit has a unit in its name.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A table of category → form as written, with spans for error messages.
pub type FormTable = BTreeMap<Spanned<String>, Spanned<String>>;

/// `cofferdam.toml` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MainFile {
    /// Holds everything; relative to the file; owner-only.
    pub data_dir: String,
    /// Listeners.
    pub server: ServerSection,
    /// Keys.
    pub vault: VaultSection,
    /// Location of addresses.
    #[serde(default)]
    pub geo: GeoSection,
    /// What sends events.
    #[serde(default)]
    pub project: Vec<ProjectSection>,
    /// What is kept in-house; absent = the default table.
    pub home: Option<FormTable>,
    /// Limits on what comes from outside.
    #[serde(default)]
    pub limits: LimitsSection,
    /// The journal.
    #[serde(default)]
    pub journal: JournalSection,
    /// The event store.
    #[serde(default)]
    pub store: StoreSection,
    /// Sending to vendors.
    #[serde(default)]
    pub egress: EgressSection,
    /// Mails of alerts and digests; absent: none are sent.
    pub mail: Option<MailSection>,
}

/// `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    /// Intake listener, host:port.
    pub listen: Spanned<String>,
    /// Web app and API listener, host:port; loopback only for now.
    pub admin_listen: Spanned<String>,
    /// How the outside reaches intake.
    #[serde(default)]
    pub public_url: String,
    /// PEM certificate chain; with `tls_key_file` both listeners speak TLS.
    #[serde(default)]
    pub tls_cert_file: String,
    /// PEM private key.
    #[serde(default)]
    pub tls_key_file: String,
    /// Networks whose `X-Forwarded-For` is believed, in CIDR.
    #[serde(default)]
    pub trusted_proxies: Vec<Spanned<String>>,
    /// Whether vendors may be on loopback addresses, for tests and demos.
    #[serde(default)]
    pub allow_loopback_vendors: bool,
}

/// `[vault]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultSection {
    /// Path of the master key; made by `init`, or by `serve` while the data directory is empty.
    pub master_key_file: Spanned<String>,
}

/// `[geo]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoSection {
    /// An mmdb file; empty = locations are withheld.
    #[serde(default)]
    pub database_file: String,
}

/// `[[project]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectSection {
    /// The name.
    pub name: Spanned<String>,
    /// The public write token that the SDKs carry: claimed data.
    pub token: Spanned<String>,
    /// Path of the secret for `/import` and server SDKs: verified data.
    #[serde(default = "empty")]
    pub import_secret_file: Spanned<String>,
    /// Path of the secret for Mixpanel's Query and Export API.
    #[serde(default = "empty")]
    pub query_secret_file: Spanned<String>,
    /// Where the data belongs.
    pub region: String,
    /// IANA time zone of reports.
    #[serde(default = "utc")]
    pub timezone: Spanned<String>,
    /// Property that holds the organization's id.
    #[serde(default)]
    pub organization_key: String,
    /// What home needs of the person: `opt_out`, `opt_in` or `none`.
    #[serde(default = "opt_out")]
    pub consent: Spanned<String>,
    /// Origins of the pages that may send; empty = any.
    #[serde(default)]
    pub origins: Vec<Spanned<String>>,
}

/// `[limits]`: what one token and network may do. 0 = no limit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Events a minute of one token and network; 0 = off.
    pub events_per_minute_max: u64,
    /// New people a minute of one token and network.
    pub new_people_per_minute_max: u64,
    /// New field names an hour of one project that the inbox lists; what is beyond is counted.
    pub new_fields_per_hour_max: u64,
    /// Largest request body, bytes.
    pub body_bytes_max: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            events_per_minute_max: 0,
            new_people_per_minute_max: 10_000,
            new_fields_per_hour_max: 2_000,
            body_bytes_max: 10 * 1024 * 1024,
        }
    }
}

/// `[journal]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalSection {
    /// Hours that a segment is kept after every consumer has passed it.
    pub keep_hours: u64,
    /// Days after which a vendor's backlog becomes a counted gap.
    pub keep_days: u64,
}

impl Default for JournalSection {
    fn default() -> Self {
        Self {
            keep_hours: 24,
            keep_days: 7,
        }
    }
}

/// `[store]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// Days that events are kept; 0 = for ever.
    pub retention_days: u64,
    /// Days that counts of the platform's own API are kept; 0 = for ever.
    pub usage_retention_days: u64,
    /// Seconds between two cuts of the in-memory tail into files.
    pub flush_seconds: u64,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            retention_days: 0,
            usage_retention_days: 400,
            flush_seconds: 30,
        }
    }
}

/// `[egress]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressSection {
    /// Most bytes of attempted or waiting batches a vendor, on disk.
    pub backlog_bytes_max: u64,
}

impl Default for EgressSection {
    fn default() -> Self {
        Self {
            backlog_bytes_max: 1024 * 1024 * 1024,
        }
    }
}

/// `[mail]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSection {
    /// The relay's name or address.
    pub host: Spanned<String>,
    /// Its TCP port; absent: 465 with `tls`, 587 with `starttls`, 25 with `none`.
    pub port: Option<u16>,
    /// `tls`, `starttls` or `none`.
    #[serde(default = "starttls")]
    pub tls: Spanned<String>,
    /// Who the relay knows us as; empty: it asks nobody.
    #[serde(default = "empty")]
    pub username: Spanned<String>,
    /// Path of the password.
    #[serde(default = "empty")]
    pub password_file: Spanned<String>,
    /// The sender: an address, or a name and an address.
    pub from: Spanned<String>,
    /// Who may be sent to: addresses, and domains whose every address may.
    #[serde(default)]
    pub recipients: Vec<Spanned<String>>,
    /// How people reach the web app, for links in mails; empty: mails have none.
    #[serde(default = "empty")]
    pub web_url: Spanned<String>,
}

fn starttls() -> Spanned<String> {
    Spanned::new(0..0, "starttls".to_owned())
}

fn empty() -> Spanned<String> {
    Spanned::new(0..0, String::new())
}

fn utc() -> Spanned<String> {
    Spanned::new(0..0, "UTC".to_owned())
}

fn opt_out() -> Spanned<String> {
    Spanned::new(0..0, "opt_out".to_owned())
}

/// `vendors/<id>.toml` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorFile {
    /// Display name.
    pub name: String,
    /// The dialect spoken to it, or `external` for those whose traffic does not pass here.
    pub kind: Spanned<String>,
    /// Base URL.
    #[serde(default)]
    pub endpoint: Option<Spanned<String>>,
    /// The region that the contract promises.
    pub region: Spanned<String>,
    /// fideslang data use.
    pub purpose: Spanned<String>,
    /// Path of the project token at the vendor.
    #[serde(default)]
    pub token_file: String,
    /// The projects whose data it may get.
    #[serde(default)]
    pub projects: Vec<Spanned<String>>,
    /// What it needs of the person: `opt_out`, `opt_in` or `none`.
    #[serde(default = "opt_out")]
    pub consent: Spanned<String>,
    /// Required when `consent = "none"`.
    #[serde(default)]
    pub legal_basis: String,
    /// `enforce`, or `observe` until `observe_until`.
    #[serde(default = "enforce")]
    pub mode: Spanned<String>,
    /// Last day of observe mode.
    pub observe_until: Option<Spanned<toml::value::Datetime>>,
    /// The contract.
    #[serde(default)]
    pub contract: ContractSection,
    /// Category → form.
    #[serde(default)]
    pub receives: FormTable,
}

fn enforce() -> Spanned<String> {
    Spanned::new(0..0, "enforce".to_owned())
}

/// `[contract]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContractSection {
    /// The paper's reference.
    pub reference: String,
    /// When it was signed.
    pub signed: Option<toml::value::Datetime>,
    /// Its last day.
    pub expires: Option<Spanned<toml::value::Datetime>>,
    /// When it was last reviewed.
    pub reviewed: Option<Spanned<toml::value::Datetime>>,
    /// Hours within which the vendor must tell of a breach.
    pub breach_notice_hours: Option<Spanned<u32>>,
    /// Days that the vendor says it keeps events.
    pub retention_days: Option<u32>,
    /// Whether the retention was verified (by query or certificate), not only claimed.
    pub retention_verified: bool,
    /// Whether the vendor is known to have received nothing before it was declared here; else what it held before is unknown.
    pub nothing_sent_before: bool,
    /// Companies that process for the vendor.
    pub subprocessors: Vec<String>,
    /// Certifications with their expiry.
    pub certifications: Vec<Certification>,
}

/// A certification of a vendor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certification {
    /// E.g. `SOC 2`.
    pub kind: String,
    /// Its last day.
    pub expires: Option<toml::value::Datetime>,
}
