//! `cofferdam check`: every error and warning of the configuration folder, with file and line; among them a master key that does
//! not open the data that is there.

use super::{Cli, EXIT_CONFIG, EXIT_DONE, EXIT_FAILED, output};
use crate::config::{self, problem::Severity};

pub(super) fn run(cli: &Cli) -> u8 {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&format!("cannot start: {error}"));
            return EXIT_FAILED;
        }
    };
    let environment = config::environment();
    let loaded = runtime.block_on(config::check(&cli.config, &environment, super::today()));
    let count = |severity| {
        loaded
            .problems
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if cli.json {
        output::json(&serde_json::json!({
            "usable": loaded.is_usable(), "errors": errors, "warnings": warnings, "problems": loaded.problems,
        }));
    } else {
        for problem in &loaded.problems {
            output::line(&problem.to_string());
        }
        let several = |number: usize, one: &str, many: &str| {
            output::count(u64::try_from(number).unwrap_or(u64::MAX), one, many)
        };
        let warnings = several(warnings, "warning", "warnings");
        output::line(&match &loaded.config {
            Some(config) => format!(
                "ok: {}, {}, {warnings}",
                several(config.projects.len(), "project", "projects"),
                several(config.vendors.len(), "vendor", "vendors"),
            ),
            None => format!(
                "not usable: {}, {warnings}",
                several(errors, "error", "errors")
            ),
        });
    }
    if loaded.is_usable() {
        EXIT_DONE
    } else {
        EXIT_CONFIG
    }
}
