//! `cofferdam demo`: a month of an API company's life through the real intake, on a clock that is moved by hand, with three
//! vendors as loopback sinks; then it lives on in real time.
//!
//! Invariant: everything is on loopback and in a temporary directory that is removed at the end.

mod driver;
mod folder;
pub mod requests;
pub mod sinks;
pub mod story;
mod summary;

use crate::cli;
use std::path::PathBuf;

/// Options of the demo.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoOptions {
    /// Exit that many seconds after it is ready, with a summary.
    #[arg(long, value_name = "SECONDS")]
    pub exit_after: Option<u64>,
    /// Directory to work in; default: a temporary one that is removed at the end.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Port of the web app; default: 8687, or a free one.
    #[arg(long)]
    pub port: Option<u16>,
    /// Tell a shorter story: a tenth of the people.
    #[arg(long)]
    pub small: bool,
}

/// Runs the demo.
#[must_use]
pub fn run(options: &DemoOptions, json: bool) -> u8 {
    crate::serve::init_logs("error");
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            cli::complain(&format!("cannot start: {error}"));
            return cli::EXIT_FAILED;
        }
    };
    match runtime.block_on(driver::run(options, json)) {
        Ok(()) => cli::EXIT_DONE,
        Err(error) => {
            cli::complain(&format!("demo: {error:#}"));
            cli::EXIT_FAILED
        }
    }
}
