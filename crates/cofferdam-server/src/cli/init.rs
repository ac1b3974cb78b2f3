//! `cofferdam init`.

use super::{Cli, EXIT_CONFIG, EXIT_DONE, EXIT_FAILED, output};
use crate::clock::SystemEntropy;
use crate::config::init::{InitOptions, init};
use std::path::PathBuf;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub struct InitArguments {
    /// Folder to write; default: the folder of --config.
    folder: Option<PathBuf>,
    /// Name of the first project: letters, digits, `-` and `_`.
    #[arg(long, default_value = "console")]
    project: String,
    /// Region of its data.
    #[arg(long, default_value = "EU")]
    region: String,
    /// Time zone of its reports, e.g. Europe/Berlin.
    #[arg(long, default_value = "UTC")]
    timezone: String,
}

pub(super) fn run(arguments: &InitArguments, cli: &Cli) -> u8 {
    let beside = cli.config.parent().map(PathBuf::from).unwrap_or_default();
    let options = InitOptions {
        folder: arguments.folder.clone().unwrap_or(beside),
        project: arguments.project.clone(),
        region: arguments.region.clone(),
        timezone: arguments.timezone.clone(),
    };
    match init(&options, &SystemEntropy) {
        Ok(done) if cli.json => {
            output::json(&serde_json::json!({
                "config": done.config, "project": options.project, "token": done.token, "files": done.files,
            }));
            EXIT_DONE
        }
        Ok(done) => {
            for file in &done.files {
                output::line(&format!("wrote {}", file.display()));
            }
            output::line("");
            let program = super::program();
            output::line(&format!(
                "Next: {program} --config {} check, then serve.",
                done.config.display()
            ));
            output::line(&format!(
                "Point an SDK here: mixpanel.init(\"{}\", {{ api_host: \"http://127.0.0.1:8686\" }})",
                done.token
            ));
            output::line("Back up secrets/master.key: without it the data cannot be read.");
            EXIT_DONE
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            output::error(&format!("init: {error}; nothing was written"));
            EXIT_CONFIG
        }
        Err(error) => {
            output::error(&format!("init: {error}; nothing that existed was changed"));
            EXIT_FAILED
        }
    }
}
