//! The demo's configuration folder: one project, three vendors with contracts of different width.

use crate::clock::SystemEntropy;
use crate::config::init::{InitOptions, init};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The demo's vendors, by id: what they are told apart by in the story.
pub(super) const VENDORS: [&str; 3] = [MIXPANEL.id, LUMEN.id, BEACON.id];

/// A written folder.
#[derive(Debug)]
pub(super) struct DemoFolder {
    /// Path of `cofferdam.toml`.
    pub(super) config: PathBuf,
    /// The project's token.
    pub(super) token: String,
    /// The project's import secret.
    pub(super) import_secret: String,
}

/// Writes the folder for sinks at these addresses, in the order of [`VENDORS`].
///
/// # Errors
/// Where a file cannot be written.
pub(super) fn write(
    folder: &Path,
    sinks: [SocketAddr; 3],
    admin_port: u16,
) -> anyhow::Result<DemoFolder> {
    let done = init(
        &InitOptions {
            folder: folder.to_owned(),
            project: "console".to_owned(),
            region: "EU".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
        },
        &SystemEntropy,
    )?;
    let text = std::fs::read_to_string(&done.config)?
        .replace("listen = \"127.0.0.1:8686\" ", "listen = \"127.0.0.1:0\" ")
        .replace("127.0.0.1:8687", &format!("127.0.0.1:{admin_port}"))
        .replace(
            "allow_loopback_vendors = false",
            "allow_loopback_vendors = true",
        )
        .replace(
            "origins = []",
            "origins = [\"https://platform.example.com\", \"https://help.example.com\"]",
        );
    let limits = "\n[limits]\nnew_people_per_minute_max = 0\n";
    std::fs::write(
        &done.config,
        text.replace("\n[home]\n", &format!("{limits}\n[home]\n")),
    )?;
    std::fs::write(folder.join("fields.toml"), FIELDS)?;
    for (vendor, sink) in [MIXPANEL, LUMEN, BEACON].iter().zip(sinks) {
        let id = vendor.id;
        let token_file = folder.join(format!("secrets/{id}.token"));
        let token = crate::config::init::random_hex::<16>(&SystemEntropy);
        crate::config::init::write_new(&token_file, &token, 0o600, &mut Vec::new())?;
        std::fs::write(folder.join(format!("vendors/{id}.toml")), vendor.file(sink))?;
    }
    let import_secret = std::fs::read_to_string(folder.join("secrets/console.import"))?
        .trim()
        .to_owned();
    Ok(DemoFolder {
        config: done.config,
        token: done.token,
        import_secret,
    })
}

const FIELDS: &str = r#"# What the demo company knows about its own fields.
"properties.section" = "user.behavior"
"properties.method" = "user.behavior"
"properties.scope" = "user.behavior"
"properties.endpoint" = "system.operations"
"properties.status" = "system.operations"
"properties.latency_ms" = "system.operations"
"properties.tab" = "user.behavior"
"properties.article" = "user.behavior"
"properties.topic" = "user.behavior"
"properties.from" = "user.behavior"
"properties.to" = "user.behavior"
"properties.amount" = "user.behavior.purchase_history"
"properties.currency" = "user.behavior.purchase_history"
"profile.plan" = "user.behavior"
"profile.role" = "user.job_title"
"group.plan" = "user.behavior"
"#;

/// What tells the demo's vendors apart.
struct DemoVendor {
    id: &'static str,
    name: &'static str,
    region: &'static str,
    purpose: &'static str,
    /// Lines of `[contract]`.
    contract: &'static str,
    /// Lines of `[receives]`.
    receives: &'static str,
}

impl DemoVendor {
    fn file(&self, sink: SocketAddr) -> String {
        let Self {
            id,
            name,
            region,
            purpose,
            contract,
            receives,
        } = self;
        format!(
            "name = \"{name}\"\nkind = \"mixpanel\"\nendpoint = \"http://{sink}\"\nregion = \"{region}\"\n\
             purpose = \"{purpose}\"\ntoken_file = \"secrets/{id}.token\"\nprojects = [\"console\"]\nconsent = \"opt_out\"\n\n\
             [contract]\n{contract}\n[receives]\n{receives}"
        )
    }
}

/// A good contract and a broad table.
const MIXPANEL: DemoVendor = DemoVendor {
    id: "mixpanel",
    name: "Mixpanel",
    region: "EU",
    purpose: "analytics.reporting",
    contract: r#"reference = "DPA-2025-014"
signed = 2025-01-10
expires = 2027-12-31
reviewed = 2026-09-01
breach_notice_hours = 48
retention_days = 365
subprocessors = ["Google Cloud"]
certifications = [{ kind = "SOC 2", expires = 2027-03-01 }]
"#,
    receives: r#""user.unique_id" = "token"
"user.device.device_id" = "token"
"user.contact.organization.id" = "token"
"user.behavior" = "clear"
"user.behavior.browsing_history" = "path"
"user.behavior.referrer" = "origin"
"user.device" = "family"
"user.location" = "country"
"system.operations" = "clear"
"#,
};

/// Sends mail, so it knows names and addresses.
const LUMEN: DemoVendor = DemoVendor {
    id: "lumen-mail",
    name: "Lumen Mail",
    region: "EU",
    purpose: "marketing.communications.email",
    contract: r#"reference = "DPA-2026-003"
signed = 2026-02-01
expires = 2027-01-31
reviewed = 2026-02-01
breach_notice_hours = 24
retention_days = 180
nothing_sent_before = true
"#,
    receives: r#""user.unique_id" = "token"
"user.contact.email" = "clear"
"user.name" = "clear"
"user.behavior" = "clear"
"user.behavior.browsing_history" = "withheld"
"#,
};

/// Another region and an old contract: what `check` warns of.
const BEACON: DemoVendor = DemoVendor {
    id: "beacon-crm",
    name: "Beacon CRM",
    region: "US",
    purpose: "functional.service.improve",
    contract: r#"reference = "MSA-77"
signed = 2024-06-01
expires = 2027-05-31
nothing_sent_before = true
"#,
    receives: r#""user.unique_id" = "token"
"user.contact" = "token"
"user.contact.organization.id" = "token"
"user.contact.organization" = "clear"
"user.job_title" = "clear"
"user.behavior" = "clear"
"#,
};
