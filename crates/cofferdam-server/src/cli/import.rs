//! `cofferdam import`: reads an export, hands it over in stretches, keeps a file of what was rejected, and prints what became of it.
//!
//! The file is read here, by whoever runs the verb; the lines go to the admin API (`routes/imports.rs`), over the control socket
//! or in this process.
//! Invariant: what was rejected is in the rejects file before the next stretch is asked for, so that a run that goes on misses
//! none; the rejects file names places and reasons and never what stands there.

mod rejects;
mod show;
mod source;

use super::{Cli, EXIT_CONFIG, EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, output, verbs};
use crate::client::{AdminApi, ApiAnswer};
use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use hyper::{Method, StatusCode};
use rejects::Rejects;
use serde_json::{Value, json};
use source::{Source, Stretch};
use std::path::PathBuf;
use std::time::Duration;

/// How often a stretch is given again while the server cannot make it durable.
const TRIES: u32 = 30;
/// Wait between two of these.
const RETRY: Duration = Duration::from_secs(1);
/// Stretches that are read ahead.
const AHEAD: usize = 2;

/// `import …`.
#[derive(Debug, Subcommand)]
pub enum ImportVerb {
    /// Mixpanel: the raw event export (JSON lines), or profiles as the Engage API lists them.
    Mixpanel {
        #[command(flatten)]
        common: Common,
        /// What the file holds.
        #[arg(long, value_enum, default_value_t = Kind::Events)]
        kind: Kind,
    },
    /// PostHog: the event export (JSON lines); profile updates in it are taken as well.
    Posthog {
        #[command(flatten)]
        common: Common,
    },
    /// Any events as CSV with a header; columns that are not mapped become properties.
    Csv {
        #[command(flatten)]
        common: Common,
        /// Which column is what: event=NAME,time=NAME,distinct_id=NAME,insert_id=NAME; what is not mapped has its own name.
        #[arg(long, value_name = "PART=COLUMN", value_delimiter = ',', value_parser = mapping)]
        map: Vec<(String, String)>,
    },
}

/// What a file of Mixpanel's holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Events.
    Events,
    /// Profiles.
    People,
}

/// What every import takes.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// The file, plain or gzip; `-` = standard input (which cannot be taken up where it was left: it is read from the start).
    file: PathBuf,
    /// The project; default: the first one.
    #[arg(long)]
    project: Option<String>,
    /// The vendor that had all of this in clear: writes the ledger too, so that its blast radius covers it.
    #[arg(long, value_name = "VENDOR")]
    as_sent_to: Option<String>,
    /// File for what is rejected: line, reason and path, never the line. Default: FILE.rejects.jsonl.
    #[arg(long, value_name = "PATH")]
    rejects: Option<PathBuf>,
}

impl ImportVerb {
    fn common(&self) -> &Common {
        match self {
            Self::Mixpanel { common, .. } | Self::Posthog { common } | Self::Csv { common, .. } => {
                common
            }
        }
    }

    /// The format's name in the API. Rows of CSV become lines of Mixpanel's.
    fn format(&self) -> &'static str {
        match self {
            Self::Mixpanel {
                kind: Kind::People, ..
            } => "mixpanel_people",
            Self::Mixpanel { .. } | Self::Csv { .. } => "mixpanel_events",
            Self::Posthog { .. } => "posthog_events",
        }
    }
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let (part, column) = text.split_once('=').ok_or("write PART=COLUMN")?;
    Ok((part.trim().to_owned(), column.trim().to_owned()))
}

/// Why a run ended early, with the exit code.
struct Stopped {
    code: u8,
    complaint: Complaint,
}

enum Complaint {
    Text(String),
    /// The API's answer.
    Answer(Value),
}

impl From<anyhow::Error> for Stopped {
    fn from(error: anyhow::Error) -> Self {
        Self {
            code: EXIT_FAILED,
            complaint: Complaint::Text(format!("{error:#}")),
        }
    }
}

/// Runs the verb.
pub(super) fn run(verb: &ImportVerb, cli: &Cli) -> u8 {
    let map = match verb {
        ImportVerb::Csv { map, .. } => Some(map.as_slice()),
        _ => None,
    };
    let source = match Source::open(&verb.common().file, map) {
        Ok(source) => source,
        Err(error) => {
            output::error(&format!("{}: {error:#}", verb.common().file.display()));
            return EXIT_CONFIG;
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
        let done = import(&api, verb, source).await;
        crate::serve::leave(api).await;
        match done {
            Ok(done) => {
                show::report(&done, cli.json);
                EXIT_DONE
            }
            Err(stopped) => {
                match stopped.complaint {
                    Complaint::Text(text) => output::error(&text),
                    Complaint::Answer(body) if cli.json => output::json(&body),
                    Complaint::Answer(body) => verbs::print::api_error(&body),
                }
                stopped.code
            }
        }
    })
}

/// What came of a run.
struct Done {
    report: Value,
    /// Lines that earlier runs had done with.
    lines_before: u64,
    /// Where the rejected lines are listed, if there are any.
    rejects: Option<PathBuf>,
}

async fn import(api: &AdminApi, verb: &ImportVerb, source: Source) -> Result<Done, Stopped> {
    let common = verb.common();
    let project = match &common.project {
        Some(project) => json!(project),
        None => verbs::first_project(api).await?,
    };
    let asked = json!({
        "project": project, "format": verb.format(), "fingerprint": source.fingerprint,
        "resumable": source.is_resumable, "as_sent_to": common.as_sent_to,
    });
    let begun = api
        .call(Method::POST, "/api/v1/imports", Some(asked))
        .await?;
    let begun = succeeded(begun)?;
    let lines_before = begun.get("lines").and_then(Value::as_u64).unwrap_or(0);
    let path = common.rejects.clone();
    let path = path.unwrap_or_else(|| Rejects::beside(&common.file));
    let rejects = Rejects::go_on(path, lines_before);
    let mut rejects = rejects.map_err(|error| Stopped {
        code: EXIT_CONFIG,
        complaint: Complaint::Text(format!("{error:#}")),
    })?;
    if begun.get("is_done").and_then(Value::as_bool) == Some(true) {
        return Ok(Done {
            report: begun.get("report").cloned().unwrap_or_default(),
            lines_before,
            rejects: rejects.written(),
        });
    }
    let run = begun.get("run").and_then(Value::as_str).unwrap_or_default();
    let mut lines = lines_before;
    let bar = show::bar(&source);
    let read = source.progress();
    let mut stretches = source.read_ahead(lines_before, AHEAD);
    while let Some(stretch) = stretches.recv().await {
        let stretch = stretch.context("the file cannot be read")?;
        let taken = hand_over(api, run, lines, &stretch).await?;
        rejects.write(&stretch, &taken)?;
        lines += stretch.len();
        bar.set_position(read.load(std::sync::atomic::Ordering::Relaxed));
        bar.set_message(output::count(lines, "line", "lines"));
    }
    bar.finish_and_clear();
    let path = format!("/api/v1/imports/{run}/end");
    let ended = api
        .call(Method::POST, &path, Some(json!({ "lines": lines })))
        .await?;
    Ok(Done {
        report: succeeded(ended)?,
        lines_before,
        rejects: rejects.written(),
    })
}

/// Gives a stretch until it is durable, or until the server is gone.
async fn hand_over(
    api: &AdminApi,
    run: &str,
    from: u64,
    stretch: &Stretch,
) -> Result<Value, Stopped> {
    let path = format!("/api/v1/imports/{run}/lines?from={from}");
    for _ in 0..TRIES {
        let body = stretch.bytes.clone();
        let sent = api.send(Method::POST, &path, "application/x-ndjson", body);
        let answer = sent.await.with_context(|| {
            format!("the server is gone; run this again, and it goes on behind line {from}")
        })?;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return succeeded(answer);
        }
        tokio::time::sleep(RETRY).await;
    }
    let message = format!(
        "the server cannot make events durable now; run this again later, and it goes on behind line {from}"
    );
    Err(Stopped {
        code: EXIT_FAILED,
        complaint: Complaint::Text(message),
    })
}

fn succeeded(answer: ApiAnswer) -> Result<Value, Stopped> {
    if answer.status.is_success() {
        return Ok(answer.body);
    }
    let code = match answer.status.as_u16() {
        401 | 403 => EXIT_REFUSED,
        404 | 422 => EXIT_CONFIG,
        _ => EXIT_FAILED,
    };
    Err(Stopped {
        code,
        complaint: Complaint::Answer(answer.body),
    })
}
