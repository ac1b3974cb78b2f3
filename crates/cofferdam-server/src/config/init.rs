//! Writes a new configuration folder: the main file with every default explained, a master key, a first vendor as an example.
//!
//! Invariant: nothing that exists is overwritten; secrets are made owner-only before they have content.

use super::defaults;
use super::resolve::{NAME, is_name};
use super::sections::{EgressSection, JournalSection, LimitsSection, StoreSection};
use cofferdam_model::Entropy;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What `init` asks for.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Folder to write; made if absent.
    pub folder: PathBuf,
    /// Name of the first project.
    pub project: String,
    /// Region of the first project's data.
    pub region: String,
    /// Time zone of the first project's reports.
    pub timezone: String,
}

/// What `init` wrote.
#[derive(Clone, Debug)]
pub struct Initialized {
    /// Path of `cofferdam.toml`.
    pub config: PathBuf,
    /// The new project's token.
    pub token: String,
    /// Every file written.
    pub files: Vec<PathBuf>,
}

/// Writes the folder.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] where the folder would not be usable; where a file exists already (nothing is overwritten) or
/// cannot be written.
pub fn init(options: &InitOptions, entropy: &dyn Entropy) -> io::Result<Initialized> {
    usable(options).map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
    let folder = &options.folder;
    std::fs::create_dir_all(folder.join("vendors"))?;
    make_private_dir(&folder.join("secrets"))?;
    let token = random_hex::<16>(entropy);
    let config = folder.join("cofferdam.toml");
    let mut files = Vec::new();
    write_new(&config, &main_file(options, &token), 0o644, &mut files)?;
    write_new(&folder.join("fields.toml"), FIELDS, 0o644, &mut files)?;
    write_new(
        &folder.join("vendors/README.md"),
        VENDORS_README,
        0o644,
        &mut files,
    )?;
    write_new(
        &folder.join("secrets/master.key"),
        &format!("{}\n", random_hex::<32>(entropy)),
        0o600,
        &mut files,
    )?;
    write_new(
        &folder.join(format!("secrets/{}.import", options.project)),
        &format!("{}\n", random_hex::<32>(entropy)),
        0o600,
        &mut files,
    )?;
    write_new(
        &folder.join(".gitignore"),
        "/secrets/\n/data/\n",
        0o644,
        &mut files,
    )?;
    Ok(Initialized {
        config,
        token,
        files,
    })
}

/// What `check` would say of the main file's own values.
fn usable(options: &InitOptions) -> Result<(), String> {
    if !is_name(&options.project) {
        return Err(format!("--project `{}`: {NAME}", options.project));
    }
    if !is_name(&options.region) {
        return Err(format!(
            "--region `{}`: write a short name, e.g. EU",
            options.region
        ));
    }
    if !crate::zones::is_known(&options.timezone) {
        return Err(format!(
            "--timezone `{}` is not a time zone of the IANA database; write e.g. Europe/Berlin",
            options.timezone
        ));
    }
    Ok(())
}

/// `N` random bytes as lower-case hexadecimal.
pub fn random_hex<const N: usize>(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    hex::encode(bytes)
}

/// Makes a directory that only the owner can enter.
///
/// # Errors
/// Where it cannot be made.
pub fn make_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a file that must not exist yet.
///
/// # Errors
/// Where it exists or cannot be written.
pub fn write_new(path: &Path, text: &str, mode: u32, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options
        .open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    files.push(path.to_owned());
    Ok(())
}

fn main_file(options: &InitOptions, token: &str) -> String {
    let InitOptions {
        project,
        region,
        timezone,
        ..
    } = options;
    let others = other_sections();
    let mut home = String::new();
    for (category, form) in defaults::HOME {
        home.push_str(&format!(
            "{:<40} = \"{}\"\n",
            format!("\"{category}\""),
            form.as_str()
        ));
    }
    format!(
        r#"# Cofferdam. Every key is explained in docs/operate.md; `cofferdam check` reads this file and says what is wrong.
data_dir = "data"                      # relative to this file; holds everything; owner-only

[server]
listen = "127.0.0.1:8686"              # intake: where the SDKs send to
admin_listen = "127.0.0.1:8687"        # web app and API
public_url = ""                        # how browsers reach intake, e.g. "https://t.example.com"
tls_cert_file = ""                     # with tls_key_file; else put a proxy before it
tls_key_file = ""
trusted_proxies = []                   # networks whose X-Forwarded-For is believed
allow_loopback_vendors = false         # true for tests and demos only

[vault]
master_key_file = "secrets/master.key" # back it up: `cofferdam key backup`

[geo]
database_file = ""                     # an mmdb file; without one, locations are withheld

[[project]]
name = "{project}"
token = "{token}"                      # public: the SDKs carry it
import_secret_file = "secrets/{project}.import"
region = "{region}"
timezone = "{timezone}"
organization_key = "org_id"
consent = "opt_out"                    # opt_out | opt_in | none
origins = []                           # e.g. ["https://platform.example.com"]

# What is kept in-house, by data category; the longest match wins, what is not listed is withheld.
[home]
{home}
{others}"#
    )
}

/// A key, its default, and what it is of.
type Line = (&'static str, u64, &'static str);

/// The sections that need no change, with their defaults, as comments.
fn other_sections() -> String {
    let limits = LimitsSection::default();
    let journal = JournalSection::default();
    let store = StoreSection::default();
    let egress = EgressSection::default();
    let lines: [(&str, &[Line]); 4] = [
        (
            "limits",
            &[
                (
                    "events_per_minute_max",
                    limits.events_per_minute_max,
                    "per project and network; 0 = no limit",
                ),
                (
                    "new_people_per_minute_max",
                    limits.new_people_per_minute_max,
                    "per project and network; 0 = no limit",
                ),
                (
                    "new_fields_per_hour_max",
                    limits.new_fields_per_hour_max,
                    "that the inbox lists, per project; 0 = no limit",
                ),
                (
                    "body_bytes_max",
                    u64::try_from(limits.body_bytes_max).unwrap_or(u64::MAX),
                    "of one request",
                ),
            ],
        ),
        (
            "journal",
            &[
                (
                    "keep_hours",
                    journal.keep_hours,
                    "after every consumer has passed",
                ),
                (
                    "keep_days",
                    journal.keep_days,
                    "that a record may wait for one vendor",
                ),
            ],
        ),
        (
            "store",
            &[
                ("retention_days", store.retention_days, "0 = for ever"),
                (
                    "usage_retention_days",
                    store.usage_retention_days,
                    "of the API board; 0 = for ever",
                ),
                (
                    "flush_seconds",
                    store.flush_seconds,
                    "until events are cut into files",
                ),
            ],
        ),
        (
            "egress",
            &[(
                "backlog_bytes_max",
                egress.backlog_bytes_max,
                "that may wait for one vendor",
            )],
        ),
    ];
    let mut text =
        String::from("# What follows are the defaults; take the `#` away to change one.\n");
    for (section, keys) in lines {
        text.push_str(&format!("\n# [{section}]\n"));
        for (key, value, what) in keys {
            text.push_str(&format!("{:<38} # {what}\n", format!("# {key} = {value}")));
        }
    }
    text
}

const FIELDS: &str = r#"# What we know about our own fields: field path = data category.
# The field inbox of the web app writes here; a vendor never gets a field that no rule and no line here names.
# "properties.plan" = "user.behavior"
"#;

const VENDORS_README: &str = r#"# Vendors

One TOML file a vendor; the file's name is the vendor's id. What `[receives]` does not list is withheld.

```toml
name = "Mixpanel"
kind = "mixpanel"
endpoint = "https://api-eu.mixpanel.com"
region = "EU"
purpose = "analytics.reporting"
token_file = "secrets/mixpanel.token"
projects = ["console"]
consent = "opt_out"

[contract]
reference = "DPA-2026-001"
expires = 2027-12-31
reviewed = 2026-09-01
breach_notice_hours = 48
retention_days = 365

[receives]
"user.unique_id" = "token"
"user.behavior" = "clear"
"user.device" = "family"
"user.location" = "country"
```
"#;
