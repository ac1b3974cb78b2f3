//! The project's own commands: `cargo xtask <command>`.
//!
//! Automation in one language; every command installs what it needs and says clearly what it cannot.

mod bench;
mod ci;
mod dist;
mod documented;
mod edges;
mod external;
mod prove;
mod reports;
mod run;
mod tidy;
mod tools;

use std::process::ExitCode;

const HELP: &str = "cargo xtask <command>

  demo [args]   build, then run the demo (`--exit-after N` ends it with a summary)
  test [name…]  everything that can be tested here, or the named steps; lists what could not be run, and why
  ci            what .ci/run runs: format, clippy, tidy, test; fails where something could not be run
  web           build the web app into web/dist
  bench [name]  release measurements as ratios and CPU seconds: intake, wire, admit, detection, journal, ledger, store,
                memory; what follows `--` goes to them
  prove [name]  the counted proofs in full size, resumable; writes docs/proofs/<name>.json
  dist          one stripped binary, tarball and systemd unit in target/dist
  tidy          the house rules on files, headers, crate edges and documents";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match command.as_str() {
        "demo" => run::demo(&rest),
        "test" => external::test(false, &rest),
        "ci" => ci::run(),
        "web" => tools::web(),
        "bench" => bench::run(&rest),
        "prove" => prove::run(&rest),
        "dist" => dist::run(),
        "tidy" => tidy::run(),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
