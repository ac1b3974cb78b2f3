//! The `cofferdam` binary.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    cofferdam_server::cli::run(&cofferdam_server::cli::Cli::parse())
}
