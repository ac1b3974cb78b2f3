//! `cargo xtask test`: the Rust tests, then everything that needs a second engine, a real SDK or a real browser.
//!
//! Invariant: what cannot be run is listed by name with the reason; in continuous integration that is a failure.

use crate::run::{cargo, command, root, step, target};
use crate::tools;
use anyhow::Result;
use std::path::Path;

/// One step outside Rust's own tests.
struct External {
    /// How `cargo xtask test NAME` asks for it alone.
    short: &'static str,
    name: &'static str,
    run: fn() -> Result<()>,
}

const EXTERNAL: &[External] = &[
    External {
        short: "sink",
        name: "the Python sink keeps Mixpanel's rules",
        run: sink,
    },
    External {
        short: "ledger",
        name: "a foreign recount of a messy ledger agrees with it",
        run: ledger,
    },
    External {
        short: "snapshot",
        name: "DuckDB reads a snapshot and agrees with Trends",
        run: second_engine,
    },
    External {
        short: "reports",
        name: "funnels, retention and flows recomputed in Python from what was sent",
        run: reports,
    },
    External {
        short: "mail",
        name: "an alert and a digest arrive at a mail server of somebody else",
        run: mail,
    },
    External {
        short: "clients",
        name: "the real SDKs: Python, Node, browser",
        run: real_clients,
    },
    External {
        short: "utils",
        name: "PyPI's mixpanel-utils exports, queries and imports",
        run: mixpanel_utils,
    },
    External {
        short: "web",
        name: "the web app's unit tests",
        run: web_units,
    },
    External {
        short: "pages",
        name: "the web app in a real browser",
        run: web_pages,
    },
];

/// Runs all tests; `strict` makes what could not be run a failure. With names, only those steps (`rust` is Rust's own tests).
pub(crate) fn test(strict: bool, names: &[String]) -> Result<()> {
    let known = || std::iter::once("rust").chain(EXTERNAL.iter().map(|external| external.short));
    for name in names {
        anyhow::ensure!(
            known().any(|short| short == name),
            "no step is called `{name}`; there are {}",
            known().collect::<Vec<_>>().join(", ")
        );
    }
    let wanted = |short: &str| names.is_empty() || names.iter().any(|name| name == short);
    let mut left_out: Vec<String> = Vec::new();
    let has_external = EXTERNAL.iter().any(|external| wanted(external.short));
    if has_external {
        // Before the server is built: it embeds the app.
        tools::web_if_stale()?;
    }
    if wanted("rust") {
        if tools::shared().is_none() {
            left_out.push("tests over recorded SDK requests and detection data: shared/ is not beside this checkout".to_owned());
        }
        rust(&mut left_out)?;
    }
    if has_external {
        // The server as the tests above built it: for a package alone other features are chosen, and DataFusion is built again.
        cargo(&["test", "--workspace", "--no-run", "--quiet"])?;
    }
    for external in EXTERNAL.iter().filter(|external| wanted(external.short)) {
        eprintln!("· {}", external.name);
        if let Err(error) = (external.run)() {
            if error.downcast_ref::<tools::Missing>().is_none() {
                return Err(error.context(external.name));
            }
            left_out.push(format!("{}: {error:#}", external.name));
        }
    }
    for missing in &left_out {
        eprintln!("not run: {missing}");
    }
    anyhow::ensure!(
        !strict || left_out.is_empty(),
        "{} checks could not be run",
        left_out.len()
    );
    eprintln!(
        "· all tests passed{}",
        if left_out.is_empty() {
            ""
        } else {
            "; some could not be run, see above"
        }
    );
    Ok(())
}

/// Rust's own tests; the store's read what it wrote with DuckDB where that can be had.
fn rust(left_out: &mut Vec<String>) -> Result<()> {
    let mut tests = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    tests.args(["test", "--workspace", "--quiet"]);
    match tools::python("duckdb", &tools::DUCKDB) {
        Ok(python) => {
            tests.env("COFFERDAM_DUCKDB_PYTHON", python);
        }
        Err(error) => left_out.push(format!("the store's tests against DuckDB: {error:#}")),
    }
    step(&mut tests)
}

/// The binary that the external tests drive.
pub(crate) fn binary() -> std::path::PathBuf {
    target().join("debug/cofferdam")
}

fn script(python: &Path, name: &str) -> std::process::Command {
    let mut run = command(python);
    run.arg(root().join("tests/python").join(name))
        .env("COFFERDAM", binary());
    run
}

fn sink() -> Result<()> {
    let python = tools::python("plain", &[])?;
    step(&mut script(&python, "test_mixpanel_sink.py"))
}

fn ledger() -> Result<()> {
    // With the whole workspace, so that what the tests have built is used as it is.
    cargo(&["build", "--workspace", "--example", "recount", "--quiet"])?;
    let python = tools::python("plain", &[])?;
    for seed in ["1", "2", "3"] {
        let dir = target().join("recount").join(seed);
        if dir.is_dir() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        step(
            command(target().join("debug/examples/recount"))
                .arg(&dir)
                .arg(seed),
        )?;
        step(
            script(&python, "ledger_recount.py")
                .arg(dir.join("sends.jsonl"))
                .arg(dir.join("radius.json"))
                .arg("--merges")
                .arg(dir.join("merges.json")),
        )?;
    }
    Ok(())
}

fn second_engine() -> Result<()> {
    let python = tools::python("duckdb", &tools::DUCKDB)?;
    step(&mut script(&python, "check_snapshot.py"))
}

fn reports() -> Result<()> {
    let python = tools::python("plain", &[])?;
    let seeds = if std::env::var_os("COFFERDAM_PROVE").is_some() {
        ["20261120", "20261121"].as_slice()
    } else {
        &["20261120"]
    };
    for seed in seeds {
        step(script(&python, "report_recount.py").arg(seed))?;
    }
    Ok(())
}

fn mail() -> Result<()> {
    let python = tools::python("mail", &["aiosmtpd==1.4.6"])?;
    step(&mut script(&python, "mail_walk.py"))
}

fn real_clients() -> Result<()> {
    let packages = [&["mixpanel==5.4.1"][..], &tools::DUCKDB[..]].concat();
    let python = tools::python("sdk", &packages)?;
    let clients = tools::node_packages("tests/clients")?;
    let chromium = tools::chromium()?;
    step(
        script(&python, "real_clients.py")
            .env("CLIENTS", clients)
            .env("CHROMIUM", chromium),
    )
}

fn mixpanel_utils() -> Result<()> {
    let python = tools::python("utils", &["mixpanel-utils==2.2.7"])?;
    step(&mut script(&python, "mixpanel_utils_check.py"))
}

fn web_units() -> Result<()> {
    tools::node_packages("web")?;
    step(
        command("npm")
            .current_dir(root().join("web"))
            .args(["test"]),
    )
}

fn web_pages() -> Result<()> {
    tools::node_packages("web")?;
    let chromium = tools::chromium()?;
    let python = tools::python("plain", &[])?;
    step(
        script(&python, "with_demo.py")
            .arg("node")
            .arg(root().join("web/e2e/run.mjs"))
            .env("CHROMIUM", chromium),
    )
}
