//! The command line: one binary, verbs as in the design, human output by default and `--json` everywhere.
//!
//! A verb is an admin API call: over `data/control.sock` while a server holds the lock, else in this process on the directory.
//! Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 refused, 4 data directory in use or unusable.

mod check;
mod import;
mod init;
pub(crate) mod output;
mod verbs;

use crate::client::AdminApi;
use crate::config::problem::Problem;
use crate::config::{self, Config};
use crate::datadir::DataDirError;
use crate::system::MissingMasterKey;
use clap::{Parser, Subcommand};
use cofferdam_model::{Clock, Day};
use cofferdam_vault::VaultError;
use std::path::PathBuf;
use std::process::ExitCode;

/// Done.
pub const EXIT_DONE: u8 = 0;
/// The act failed.
pub const EXIT_FAILED: u8 = 1;
/// Bad usage or configuration; nothing was started.
pub const EXIT_CONFIG: u8 = 2;
/// Refused: not permitted, or not confirmed.
pub const EXIT_REFUSED: u8 = 3;
/// The data directory is in use or cannot be opened.
pub const EXIT_LOCKED: u8 = 4;

/// The exit code of what kept a system from being opened: the master key is configuration, like everything that is found before.
pub(crate) fn exit_of_opening(error: &anyhow::Error) -> Option<u8> {
    if error.is::<DataDirError>() {
        return Some(EXIT_LOCKED);
    }
    let is_key = error.chain().any(|cause| {
        cause.is::<MissingMasterKey>()
            || matches!(
                cause.downcast_ref::<VaultError>(),
                Some(
                    VaultError::KeyFile { .. }
                        | VaultError::KeyRefused { .. }
                        | VaultError::WrongMasterKey { .. }
                )
            )
    });
    is_key.then_some(EXIT_CONFIG)
}

/// Cofferdam stands between a company and its third-party vendors: analytics, firewall, exposure ledger.
#[derive(Debug, Parser)]
#[command(name = "cofferdam", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Cli {
    /// Path of cofferdam.toml.
    #[arg(
        long,
        global = true,
        default_value = "cofferdam.toml",
        value_name = "PATH",
        help_heading = "Everywhere"
    )]
    pub config: PathBuf,
    /// Print JSON instead of text.
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const AFTER_HELP: &str = "Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 refused, 4 data directory in use or unusable.\n\
    Try it without any configuration: cofferdam demo";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a whole company's month on a temporary directory, with three fake vendors, and open the web app on it.
    Demo(crate::demo::DemoOptions),
    /// Run the server.
    Serve,
    /// Write a new configuration folder with a master key.
    Init(init::InitArguments),
    /// Check configuration and policy, and warn of misconfiguration.
    Check,
    /// Take in history from a vendor's export; killed or not, run it again and it goes on.
    #[command(subcommand)]
    Import(import::ImportVerb),
    /// Explain what would happen to an event, field by field, and why.
    Explain(verbs::ExplainArguments),
    /// Ask the event store in SQL.
    Query(verbs::QueryArguments),
    /// Who is exposed at a vendor: people, fields, categories, first and last day.
    Radius(verbs::RadiusArguments),
    /// List, show, contain and resume vendors; declare what is not known of them.
    #[command(subcommand)]
    Vendor(verbs::VendorVerb),
    /// List fields and say what they are.
    #[command(subcommand)]
    Fields(verbs::FieldsVerb),
    /// Forget a person: destroy the keys, ask the vendors to delete, refuse late copies.
    Erase(verbs::EraseArguments),
    /// What vendors are asked to delete, and what they have confirmed.
    #[command(subcommand)]
    Deletions(verbs::DeletionsVerb),
    /// Write a consistent read-only copy of the event store for other engines.
    Snapshot(verbs::SnapshotArguments),
    /// Rotate and back up the master key.
    #[command(subcommand)]
    Key(verbs::KeyVerb),
}

/// Runs the command line.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    let code = match &cli.verb {
        Verb::Demo(options) => crate::demo::run(options, cli.json),
        Verb::Init(arguments) => init::run(arguments, cli),
        Verb::Check => check::run(cli),
        Verb::Import(verb) => import::run(verb, cli),
        Verb::Serve => match usable_config(cli) {
            Ok(config) => crate::serve::run(config),
            Err(code) => code,
        },
        _ => verbs::run(cli),
    };
    ExitCode::from(code)
}

/// How this program is called again from anywhere: by its full path, since it need not be on the search path.
pub(crate) fn program() -> String {
    std::env::current_exe().map_or_else(
        |_| "cofferdam".to_owned(),
        |path| path.display().to_string(),
    )
}

/// Prints a complaint to standard error.
pub(crate) fn complain(text: &str) {
    output::error(text);
}

/// Today by the system's clock.
pub(crate) fn today() -> Day {
    crate::clock::SystemClock.now().day()
}

fn load(cli: &Cli) -> Result<Config, Vec<Problem>> {
    config::load(&cli.config, &config::environment(), today()).into_result()
}

fn usable_config(cli: &Cli) -> Result<Config, u8> {
    load(cli).map_err(|problems| {
        complain_of(&problems);
        EXIT_CONFIG
    })
}

fn complain_of(problems: &[Problem]) {
    for problem in problems {
        output::error(&problem.to_string());
    }
}

/// A way to the admin API. An incident does not wait for a folder that parses: where a server runs, it answers by what it has
/// in force, and the folder's errors are only told.
async fn reach(cli: &Cli) -> Result<AdminApi, u8> {
    let problems = match load(cli) {
        Ok(config) => {
            return crate::serve::reach(config).await.map_err(|error| {
                output::error(&format!("{error:#}"));
                exit_of_opening(&error).unwrap_or(EXIT_LOCKED)
            });
        }
        Err(problems) => problems,
    };
    complain_of(&problems);
    let data_dir = config::folder::data_dir(&cli.config, &config::environment());
    match data_dir.and_then(|data_dir| crate::serve::running(&data_dir)) {
        Some(api) => {
            output::error(
                "warning: the configuration has errors; the running server answers by what it has in force",
            );
            Ok(api)
        }
        None => Err(EXIT_CONFIG),
    }
}
