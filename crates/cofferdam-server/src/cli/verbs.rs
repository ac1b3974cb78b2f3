//! The verbs that are one or two admin API calls, and how their answers read as text.

use super::{Cli, EXIT_DONE, EXIT_FAILED, EXIT_LOCKED, EXIT_REFUSED, Verb, output};
use crate::client::{AdminApi, ApiAnswer, escaped};
use anyhow::Context;
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Read};
use std::path::PathBuf;

pub(super) mod print;
mod query;

pub(super) use query::QueryArguments;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArguments {
    /// File with one event as the SDK sends it (`-` = standard input).
    event: PathBuf,
    /// The project; default: the first one.
    #[arg(long)]
    project: Option<String>,
}

/// Arguments of `radius`.
#[derive(Debug, clap::Args)]
pub struct RadiusArguments {
    /// The vendor's id.
    vendor: String,
    /// First day, UTC (YYYY-MM-DD); default: the first of coverage, or on record.
    #[arg(long)]
    since: Option<String>,
    /// Last day, UTC (YYYY-MM-DD); default: today, or the last on record.
    #[arg(long)]
    until: Option<String>,
    /// `sent` in the window, or `held` = all sent and not confirmed deleted; default: both, with --json `sent`.
    #[arg(long, value_parser = ["sent", "held"])]
    basis: Option<String>,
}

/// `vendor …`.
#[derive(Debug, Subcommand)]
pub enum VendorVerb {
    /// All vendors and how they are doing.
    List,
    /// One vendor: contract, table, delivery.
    Show {
        /// The vendor's id.
        vendor: String,
    },
    /// Stop everything that goes to the vendor, now; the backlog is dropped.
    Contain {
        /// The vendor's id.
        vendor: String,
        /// Why; goes into the audit log.
        #[arg(long, default_value = "")]
        reason: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Declare days for which it is not known what a vendor got. It cannot be taken back.
    Gap(GapArguments),
    /// Let data flow again, starting with what happens from now on.
    Resume {
        /// The vendor's id.
        vendor: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Arguments of `vendor gap`.
#[derive(Debug, clap::Args)]
pub struct GapArguments {
    /// The vendor's id.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    vendor: Option<String>,
    /// Every vendor, as after a restore.
    #[arg(long)]
    all: bool,
    /// First day, UTC (YYYY-MM-DD).
    #[arg(long)]
    since: String,
    /// Last day, UTC (YYYY-MM-DD).
    #[arg(long)]
    until: String,
    /// Why; shown with every radius that it touches.
    #[arg(long)]
    reason: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// `deletions …`.
#[derive(Debug, Subcommand)]
pub enum DeletionsVerb {
    /// What vendors have not confirmed yet, with the ids to ask them for.
    List,
    /// Record that a vendor has deleted what requests name; what it still holds shrinks by it.
    Confirm {
        /// Ids of requests, as listed.
        #[arg(required = true)]
        ids: Vec<i64>,
        /// The vendor has only said that it will.
        #[arg(long)]
        acknowledged: bool,
    },
}

/// `fields …`.
#[derive(Debug, Subcommand)]
pub enum FieldsVerb {
    /// Every field that was seen, its category and who may have it.
    List,
    /// Say what a field is.
    Set {
        /// Field path, e.g. properties.plan.
        path: String,
        /// Data category, e.g. user.behavior.
        category: String,
    },
    /// Take back what was said about a field.
    Unset {
        /// Field path.
        path: String,
    },
}

/// Arguments of `erase`.
#[derive(Debug, clap::Args)]
pub struct EraseArguments {
    /// The person: a number, or id:<distinct_id>.
    person: String,
    /// The project; default: the first one.
    #[arg(long)]
    project: Option<String>,
    /// File with an address of the person (`-` = standard input), kept sealed for notices until the last vendor has confirmed.
    #[arg(long, value_name = "FILE")]
    contact_file: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Arguments of `snapshot`.
#[derive(Debug, clap::Args)]
pub struct SnapshotArguments {
    /// Directory to write; absent or empty.
    dir: PathBuf,
}

/// `key …`.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Re-wrap every key under a new master key; nobody is renamed.
    RotateMaster {
        /// File for the new master key; made if absent.
        #[arg(long, value_name = "FILE")]
        new_key_file: PathBuf,
    },
    /// Encrypt the master key to age recipients.
    Backup {
        /// An age recipient (age1…); may be repeated.
        #[arg(long = "recipient", required = true)]
        recipients: Vec<String>,
        /// File to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// What a verb asks the API, and how to show the answer.
struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
    /// Where both bases are shown: the path of the second answer.
    held: Option<String>,
    show: fn(&Value),
}

impl Call {
    fn get(path: impl Into<String>, show: fn(&Value)) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
            held: None,
            show,
        }
    }

    fn post(path: impl Into<String>, body: Value, show: fn(&Value)) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            body: Some(body),
            held: None,
            show,
        }
    }
}

pub(super) fn run(cli: &Cli) -> u8 {
    let call = match call(cli) {
        Ok(Some(call)) => call,
        Ok(None) => {
            output::error("nothing was done");
            return EXIT_REFUSED;
        }
        Err(error) => {
            output::error(&format!("{error:#}"));
            return EXIT_FAILED;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&format!("cannot start: {error}"));
            return EXIT_FAILED;
        }
    };
    runtime.block_on(async {
        let api = match super::reach(cli).await {
            Ok(api) => api,
            Err(code) => return code,
        };
        let code = finish(cli, &call, ask(&api, &call).await);
        crate::serve::leave(api).await;
        code
    })
}

async fn ask(api: &AdminApi, call: &Call) -> anyhow::Result<ApiAnswer> {
    let mut body = call.body.clone();
    if let Some(project) = body.as_mut().and_then(|body| body.get_mut("project"))
        && project.is_null()
    {
        *project = first_project(api).await?;
    }
    let answer = api.call(call.method.clone(), &call.path, body).await?;
    let Some(path) = call.held.as_ref().filter(|_| answer.status.is_success()) else {
        return Ok(answer);
    };
    let held = api.call(Method::GET, path, None).await?;
    if !held.status.is_success() {
        return Ok(held);
    }
    Ok(ApiAnswer {
        body: json!({ "sent": answer.body, "held": held.body }),
        ..answer
    })
}

/// The project that is meant where none is named: the first one that is in force.
pub(super) async fn first_project(api: &AdminApi) -> anyhow::Result<Value> {
    let status = api.call(Method::GET, "/api/v1/status", None).await?;
    let first = status.body.pointer("/projects/0/name").cloned();
    first.context("no project is configured; see docs/operate.md")
}

fn finish(cli: &Cli, call: &Call, answer: anyhow::Result<ApiAnswer>) -> u8 {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            output::error(&format!("{error:#}"));
            return EXIT_LOCKED;
        }
    };
    if answer.status.is_success() {
        if let Verb::Key(KeyVerb::Backup { out, .. }) = &cli.verb
            && let Err(error) = write_backup(out, &answer.body)
        {
            output::error(&format!("{}: {error}", out.display()));
            return EXIT_FAILED;
        }
        if cli.json {
            output::json(&answer.body);
        } else {
            (call.show)(&answer.body);
        }
        return EXIT_DONE;
    }
    if cli.json {
        output::json(&answer.body);
    } else {
        print::api_error(&answer.body);
    }
    if answer.status.as_u16() == 401 || answer.status.as_u16() == 403 {
        EXIT_REFUSED
    } else {
        EXIT_FAILED
    }
}

/// The call of a verb; a project that is null is the first one.
fn call(cli: &Cli) -> anyhow::Result<Option<Call>> {
    Ok(Some(match &cli.verb {
        Verb::Explain(arguments) => {
            let event = event(&arguments.event)?;
            let body = json!({ "project": arguments.project, "event": event });
            Call::post("/api/v1/explain", body, print::explanation)
        }
        Verb::Radius(arguments) => {
            let mut query = Vec::new();
            for (name, value) in [
                ("since", &arguments.since),
                ("until", &arguments.until),
                ("basis", &arguments.basis),
            ] {
                if let Some(value) = value {
                    query.push(format!("{name}={}", escaped(value)));
                }
            }
            let path = format!(
                "/api/v1/vendors/{}/radius?{}",
                escaped(&arguments.vendor),
                query.join("&")
            );
            // People see both; a program gets the one object that the API has for a basis.
            let both = arguments.basis.is_none() && !cli.json;
            Call {
                held: both.then(|| format!("{path}&basis=held")),
                ..Call::get(path, print::radius)
            }
        }
        Verb::Query(arguments) => query::call(arguments)?,
        Verb::Vendor(VendorVerb::List) => Call::get("/api/v1/vendors", print::vendors),
        Verb::Vendor(VendorVerb::Show { vendor }) => Call::get(
            format!("/api/v1/vendors/{}", escaped(vendor)),
            print::vendor,
        ),
        Verb::Vendor(VendorVerb::Contain {
            vendor,
            reason,
            yes,
        }) => {
            if !confirmed(
                *yes,
                &format!("Stop everything that goes to `{vendor}` and drop its backlog?"),
            ) {
                return Ok(None);
            }
            let path = format!("/api/v1/vendors/{}/contain", escaped(vendor));
            Call::post(path, json!({ "reason": reason }), print::contained)
        }
        Verb::Vendor(VendorVerb::Gap(arguments)) => {
            let of = arguments.vendor.as_deref().unwrap_or("every vendor");
            let question = format!(
                "Say for good that it is unknown what {of} got from {} to {}?",
                arguments.since, arguments.until
            );
            if !confirmed(arguments.yes, &question) {
                return Ok(None);
            }
            let body = json!({
                "vendor": arguments.vendor, "since": arguments.since, "until": arguments.until, "reason": arguments.reason,
            });
            Call::post("/api/v1/gaps", body, print::gap)
        }
        Verb::Vendor(VendorVerb::Resume { vendor, yes }) => {
            if !confirmed(
                *yes,
                &format!("Let data flow to `{vendor}` again, starting now?"),
            ) {
                return Ok(None);
            }
            Call::post(
                format!("/api/v1/vendors/{}/resume", escaped(vendor)),
                json!({}),
                print::resumed,
            )
        }
        Verb::Fields(FieldsVerb::List) => Call::get("/api/v1/fields", print::fields),
        Verb::Fields(FieldsVerb::Set { path, category }) => Call {
            method: Method::PUT,
            ..Call::post(
                "/api/v1/fields",
                json!({ "path": path, "category": category }),
                print::named,
            )
        },
        Verb::Fields(FieldsVerb::Unset { path }) => Call {
            method: Method::DELETE,
            ..Call::post("/api/v1/fields", json!({ "path": path }), print::unnamed)
        },
        Verb::Erase(arguments) => {
            if !confirmed(
                arguments.yes,
                "Forget this person for good? Their keys are destroyed; this cannot be undone.",
            ) {
                return Ok(None);
            }
            let person = match arguments.person.parse::<u32>() {
                Ok(number) => json!(number),
                Err(_) => json!(arguments.person),
            };
            let contact = arguments.contact_file.as_ref().map(read).transpose()?;
            let contact = contact.as_deref().map(str::trim);
            let body =
                json!({ "project": arguments.project, "person": person, "contact": contact });
            Call::post("/api/v1/people/erase", body, print::erased)
        }
        Verb::Deletions(DeletionsVerb::List) => Call::get("/api/v1/deletions", print::deletions),
        Verb::Deletions(DeletionsVerb::Confirm { ids, acknowledged }) => {
            let state = if *acknowledged {
                "acknowledged"
            } else {
                "done"
            };
            let body = json!({ "ids": ids, "state": state });
            Call::post("/api/v1/deletions", body, print::settled)
        }
        Verb::Snapshot(arguments) => {
            let dir = std::path::absolute(&arguments.dir)?;
            Call::post("/api/v1/snapshot", json!({ "dir": dir }), print::snapshot)
        }
        Verb::Key(KeyVerb::RotateMaster { new_key_file }) => {
            let file = std::path::absolute(new_key_file)?;
            Call::post(
                "/api/v1/keys/rotate-master",
                json!({ "new_key_file": file }),
                print::rotated,
            )
        }
        Verb::Key(KeyVerb::Backup { recipients, .. }) => Call::post(
            "/api/v1/keys/backup",
            json!({ "recipients": recipients }),
            print::backed_up,
        ),
        Verb::Demo(_) | Verb::Serve | Verb::Init(_) | Verb::Check | Verb::Import(_) => {
            anyhow::bail!("not an API verb")
        }
    }))
}

/// The one event of a file, which may stand in a list, as the SDKs send them.
fn event(path: &PathBuf) -> anyhow::Result<Value> {
    const MINIMAL: &str =
        r#"e.g. {"event": "Signed Up", "properties": {"distinct_id": "u-1", "plan": "free"}}"#;
    let text = read(path).with_context(|| format!("no event to explain; write one, {MINIMAL}"))?;
    let parsed = serde_json::from_str(&text);
    let parsed = parsed
        .with_context(|| format!("{} is no JSON; write one event, {MINIMAL}", path.display()))?;
    match parsed {
        Value::Array(mut events) if events.len() == 1 => Ok(events.swap_remove(0)),
        event @ Value::Object(_) => Ok(event),
        _ => anyhow::bail!("{} is not one event; write {MINIMAL}", path.display()),
    }
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .take(16 * 1024 * 1024)
            .read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}

fn confirmed(yes: bool, question: &str) -> bool {
    if yes {
        return true;
    }
    if !std::io::stdin().is_terminal() {
        output::error(&format!("{question} Say --yes to confirm."));
        return false;
    }
    output::error(&format!("{question} Type yes:"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

fn write_backup(out: &std::path::Path, body: &Value) -> std::io::Result<()> {
    let text = body.get("age").and_then(Value::as_str).unwrap_or_default();
    crate::config::init::write_new(out, text, 0o600, &mut Vec::new())
}
