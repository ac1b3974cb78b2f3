//! Running programs, and the places of the repository.

use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A command in the repository's root.
pub(crate) fn command<S: AsRef<OsStr>>(program: S) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Cargo, as this process was started with.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments);
    step(&mut cargo)
}

/// Runs a command and says which it was where it fails.
pub(crate) fn step(command: &mut Command) -> Result<()> {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let line = words.join(" ");
    eprintln!("· {line}");
    let status = command
        .status()
        .with_context(|| format!("`{line}` could not be started"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

/// Builds the binary and runs the demo.
pub(crate) fn demo(rest: &[String]) -> Result<()> {
    crate::tools::web_if_stale()?;
    cargo(&["build", "--package", "cofferdam-server"])?;
    let mut demo = command(target().join("debug/cofferdam"));
    demo.arg("demo").args(rest);
    step(&mut demo)
}
