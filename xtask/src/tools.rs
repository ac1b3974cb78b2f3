//! What the tests need beyond Rust: the web app's packages, a Python environment, a browser. Installed here, or said clearly.

use crate::run::{command, root, step, target};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// The second engine of the tests.
pub(crate) const DUCKDB: [&str; 3] = [
    "duckdb==1.5.5",
    "duckdb-extension-ducklake==1.5.5",
    "duckdb-extension-sqlite-scanner==1.5.5",
];

/// Something that this machine does not have, so that a check could not be run.
#[derive(Debug)]
pub(crate) struct Missing(String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

fn missing(what: &str) -> anyhow::Error {
    anyhow::Error::new(Missing(what.to_owned()))
}

/// Installs the npm packages of a folder and returns the folder.
///
/// # Errors
/// Where npm is not there or the packages are not to be had.
pub(crate) fn node_packages(folder: &str) -> Result<PathBuf> {
    let folder = root().join(folder);
    if !has("npm") {
        return Err(missing("npm is not installed (Node 20)"));
    }
    let stamp = folder.join("node_modules/.package-lock.json");
    let fresh = modified(&stamp)
        .zip(modified(&folder.join("package-lock.json")))
        .is_some_and(|(stamp, lock)| stamp >= lock);
    if !fresh {
        step(
            command("npm")
                .current_dir(&folder)
                .args(["ci", "--no-audit", "--no-fund"]),
        )
        .map_err(|error| missing(&format!("{error:#}")))?;
    }
    Ok(folder)
}

/// Builds the web app into web/dist.
pub(crate) fn web() -> Result<()> {
    let web = node_packages("web")?;
    step(command("npm").current_dir(&web).args(["run", "build"]))
}

fn modified(path: &std::path::Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

/// Builds the web app where it has not been built since its sources changed; without Node the binary says so on its page.
pub(crate) fn web_if_stale() -> Result<()> {
    let folder = root().join("web");
    let built = changed(&folder.join("dist/index.html"));
    let sources = WEB_SOURCES.map(|source| newest(&folder.join(source)));
    if built.is_some() && sources.into_iter().flatten().max() <= built {
        return Ok(());
    }
    if !has("npm") {
        eprintln!(
            "note: npm is not installed, so the web app is left out; the API and the command line work"
        );
        return Ok(());
    }
    web()
}

/// What the built web app depends on, below `web/`.
const WEB_SOURCES: [&str; 6] = [
    "src",
    "static",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "vite.config.ts",
];

/// When a file was last changed; `None` where there is none.
fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|data| data.modified()).ok()
}

/// The latest change of a file, or of anything in a folder.
fn newest(place: &Path) -> Option<SystemTime> {
    let Ok(entries) = fs::read_dir(place) else {
        return changed(place);
    };
    let inside = entries.filter_map(|entry| newest(&entry.ok()?.path()));
    inside.max().max(changed(place))
}

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
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
    let made = step(command("python3").args(["-m", "venv"]).arg(&venv));
    made.map_err(|_| {
        missing("Python 3 with venv is needed (Debian: apt-get install python3-venv)")
    })?;
    if !packages.is_empty() {
        let mut pip = command(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(packages);
        step(&mut pip).map_err(|error| missing(&format!("{error:#}")))?;
    }
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
        step(
            command("apt-get")
                .args(["install", "-y", "-qq", "chromium"])
                .stdout(Stdio::null()),
        )?;
    }
    if path.is_file() {
        Ok(path)
    } else {
        Err(missing(
            "Chromium is not installed (Debian: apt-get install chromium)",
        ))
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The folder with fixtures and data beside the checkout, where it is there.
pub(crate) fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("COFFERDAM_SHARED").map(PathBuf::from);
    given
        .or_else(|| root().parent().map(|parent| parent.join("shared")))
        .filter(|path| path.join("fixtures").is_dir())
}
