//! `cargo xtask prove`: the counted proofs in full size. One implementation each; continuous integration runs a twentieth.
//!
//! Resumable: a proof whose result for the code as committed is in docs/proofs is not run again.
//! Invariant: a result is written only after its proof ended well, with the figures that it printed.

use crate::run::{command, root, step};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a proof runs.
enum Run {
    /// A package's tests by target and filter, with `COFFERDAM_PROVE=1`.
    Tests {
        package: &'static str,
        target: &'static [&'static str],
        filter: &'static str,
    },
    /// A step of `cargo xtask test`, with `COFFERDAM_PROVE=1`; some have one size only.
    Step(&'static str),
    /// Ten minutes of coverage-guided fuzzing of the wire crate, on the stable toolchain.
    Fuzz,
}

/// One proof by name.
struct Proof {
    name: &'static str,
    run: Run,
}

const fn server(name: &'static str, filter: &'static str) -> Proof {
    Proof {
        name,
        run: Run::Tests {
            package: "cofferdam-server",
            target: &["--test", "it"],
            filter,
        },
    }
}

const fn journal(name: &'static str, filter: &'static str) -> Proof {
    Proof {
        name,
        run: Run::Tests {
            package: "cofferdam-journal",
            target: &[],
            filter,
        },
    }
}

const PROOFS: &[Proof] = &[
    journal("journal-kill", "kill"),
    journal("journal-cut", "torn"),
    server("server-kill", "kill"),
    server("upgrade", "upgrade"),
    server("leak", "leak"),
    server("exactness", "exactness"),
    server("vendor-faults", "vendor_faults"),
    server("import", "import::an_import"),
    Proof {
        name: "second-engine",
        run: Run::Step("snapshot"),
    },
    Proof {
        name: "reports",
        run: Run::Step("reports"),
    },
    Proof {
        name: "clients",
        run: Run::Step("clients"),
    },
    Proof {
        name: "fuzz",
        run: Run::Fuzz,
    },
];

pub(crate) fn run(names: &[String]) -> Result<()> {
    for name in names {
        ensure!(
            PROOFS.iter().any(|proof| proof.name == name),
            "no proof is called `{name}`; there are {}",
            PROOFS
                .iter()
                .map(|proof| proof.name)
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    let code = code()?;
    let wanted = |proof: &&Proof| names.is_empty() || names.iter().any(|name| name == proof.name);
    for proof in PROOFS.iter().filter(wanted) {
        if is_proved(proof, &code) {
            eprintln!("· {}: proved for this code", proof.name);
            continue;
        }
        eprintln!("· {}", proof.name);
        let figures = figures(proof)?;
        ensure!(
            !figures.is_empty(),
            "the proof `{}` printed no figure",
            proof.name
        );
        let result = json!({ "proof": proof.name, "code": code, "figures": figures });
        let file = file(proof);
        fs::write(&file, serde_json::to_string_pretty(&result)? + "\n")
            .with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn file(proof: &Proof) -> PathBuf {
    root()
        .join("docs/proofs")
        .join(format!("{}.json", proof.name))
}

fn is_proved(proof: &Proof, code: &str) -> bool {
    let result = fs::read(file(proof)).ok();
    result
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        .is_some_and(|result| result.get("code").and_then(Value::as_str) == Some(code))
}

/// Runs a proof and returns what it printed after `figure: `.
fn figures(proof: &Proof) -> Result<Vec<String>> {
    let printed = match proof.run {
        Run::Tests {
            package,
            target,
            filter,
        } => {
            let mut tests = command("cargo");
            tests
                .env("COFFERDAM_PROVE", "1")
                .args(["test", "--package", package])
                .args(target)
                .args(["--", filter, "--nocapture", "--test-threads=1"]);
            printed(proof, &mut tests)?
        }
        Run::Step(name) => {
            let mut test = command("cargo");
            test.env("COFFERDAM_PROVE", "1")
                .args(["xtask", "test", name]);
            printed(proof, &mut test)?
        }
        Run::Fuzz => return fuzz(proof),
    };
    // The first line that a test prints stands behind its name.
    let figures = printed
        .iter()
        .filter_map(|line| line.split_once("figure: "));
    Ok(figures
        .map(|(_, figure)| figure.trim().to_owned())
        .collect())
}

fn fuzz(proof: &Proof) -> Result<Vec<String>> {
    if !crate::tools::has("cargo-fuzz") {
        step(command("cargo").args(["install", "--locked", "cargo-fuzz"]))?;
    }
    let mut fuzz = command("cargo");
    fuzz.current_dir(root().join("crates/cofferdam-wire"))
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["fuzz", "run", "-s", "none", "mixpanel", "--"])
        .arg("-max_total_time=600");
    let printed = printed(proof, &mut fuzz)?;
    // libFuzzer's last word: `Done 123 runs in 601 second(s)`.
    let done = printed.iter().filter(|line| line.starts_with("Done "));
    Ok(done.map(|line| format!("fuzz: {line}")).collect())
}

/// Runs a command that shows its lines as they come, and returns them.
fn printed(proof: &Proof, run: &mut Command) -> Result<Vec<String>> {
    let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let lines = std::thread::scope(|scope| {
        let err = scope.spawn(|| lines(err));
        let mut all = lines(out);
        all.extend(err.join().unwrap_or_default());
        all
    });
    if !child.wait()?.success() {
        bail!("the proof `{}` failed", proof.name);
    }
    Ok(lines)
}

fn lines(stream: Option<impl Read>) -> Vec<String> {
    let stream = stream
        .into_iter()
        .flat_map(|stream| BufReader::new(stream).lines());
    stream
        .map_while(Result::ok)
        .inspect(|line| eprintln!("{line}"))
        .collect()
}

/// What was proved: the trees of everything that a proof can depend on, as committed. A commit of results changes none of them.
fn code() -> Result<String> {
    let git = |arguments: &[&str]| -> Result<String> {
        let output = command("git").args(arguments).output()?;
        ensure!(
            output.status.success(),
            "git {} failed",
            arguments.join(" ")
        );
        Ok(String::from_utf8(output.stdout)?)
    };
    let parts = ["crates", "tests", "Cargo.lock", "Cargo.toml"];
    let changed = git(&[&["status", "--porcelain", "--"][..], &parts[..]].concat())?;
    ensure!(
        changed.is_empty(),
        "commit first, so that it is known what was proved:\n{changed}"
    );
    let trees = parts.map(|part| format!("HEAD:{part}"));
    let mut arguments = vec!["rev-parse"];
    arguments.extend(trees.iter().map(String::as_str));
    let ids = git(&arguments)?;
    // Twelve digits of each tell them apart.
    let short = ids.lines().map(|id| id.get(..12).unwrap_or(id));
    Ok(short.collect::<Vec<_>>().join("-"))
}
