//! What the tests need beyond Rust: the web app's packages, a Python environment, a browser. Installed here, or said clearly.

use crate::run::{command, root, step, target};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Builds the web app into web/dist.
pub(crate) fn web() -> Result<()> {
    let web = root().join("web");
    let stamp = web.join("node_modules/.package-lock.json");
    let lock = web.join("package-lock.json");
    let fresh = modified(&stamp).zip(modified(&lock)).is_some_and(|(stamp, lock)| stamp >= lock);
    if !fresh {
        step(command("npm").current_dir(&web).args(["ci", "--no-audit", "--no-fund"])).context("the web app needs Node 20 with npm")?;
    }
    step(command("npm").current_dir(&web).args(["run", "build"]))
}

fn modified(path: &std::path::Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Builds the web app where it has not been built; without Node the binary says so on its page.
pub(crate) fn web_if_absent() -> Result<()> {
    if root().join("web/dist/index.html").is_file() {
        return Ok(());
    }
    if !has("npm") {
        eprintln!("note: npm is not installed, so the web app is left out; the API and the command line work");
        return Ok(());
    }
    web()
}

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// A Python environment of ours with these packages; made where it is absent.
///
/// # Errors
/// Where Python, its venv module or a package is not to be had; the message says which.
pub(crate) fn python(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let venv = target().join("venv").join(name);
    let python = venv.join("bin/python");
    let stamp = venv.join("packages");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).ok().as_deref() == Some(wanted.as_str()) {
        return Ok(python);
    }
    step(command("python3").args(["-m", "venv"]).arg(&venv)).context("Python 3 with venv is needed (Debian: python3-venv)")?;
    step(command(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages))?;
    std::fs::write(&stamp, wanted)?;
    Ok(python)
}

/// Debian's Chromium; installed where it is absent and we are root.
///
/// # Errors
/// Where it is not there and cannot be installed.
pub(crate) fn chromium() -> Result<PathBuf> {
    let path = PathBuf::from("/usr/bin/chromium");
    if !path.is_file() && is_root() {
        step(command("apt-get").args(["update", "-qq"]))?;
        step(command("apt-get").args(["install", "-y", "-qq", "chromium"]).stdout(Stdio::null()))?;
    }
    anyhow::ensure!(path.is_file(), "Chromium is not installed (Debian: apt-get install chromium)");
    Ok(path)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The folder with fixtures and data beside the checkout, where it is there.
pub(crate) fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("COFFERDAM_SHARED").map(PathBuf::from);
    given.or_else(|| root().parent().map(|parent| parent.join("shared"))).filter(|path| path.join("fixtures").is_dir())
}
