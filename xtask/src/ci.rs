//! What continuous integration runs: format, clippy, tidy, tests, in one profile.

use crate::run::cargo;
use anyhow::Result;

pub(crate) fn run() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    crate::tidy::run()?;
    crate::tools::web_if_stale()?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ])?;
    crate::external::test(true, &[])
}
