//! The measured server: a child process with the whole system on a new data directory, and what it tells.
//!
//! The child prints its address and token, serves until its input ends, then prints what it counted. Invariant: nothing of the
//! load runs in it.

use crate::load::quantile;
use cofferdam_journal::{File, FileLayer, StdFiles};
use cofferdam_model::Clock;
use cofferdam_server::clock::{SystemClock, SystemEntropy};
use cofferdam_server::config::init::{InitOptions, init};
use cofferdam_server::config::{self, Config};
use cofferdam_server::counters::Count;
use cofferdam_server::serve::Listeners;
use cofferdam_server::system::{Seams, System};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const VENDOR: &str = r#"kind = "mixpanel"
region = "EU"
purpose = "analytics.reporting"
projects = ["console"]
[contract]
expires = 2099-01-01
reviewed = 2026-05-01
breach_notice_hours = 48
retention_days = 90
[receives]
"user.unique_id" = "token"
"user.behavior" = "clear"
"user.device" = "family"
"user.location" = "country"
"#;

/// What of the system runs.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// Intake only.
    Journal,
    /// Intake only, and the journal keeps nothing.
    NoJournal,
    /// Everything, with vendors at these addresses.
    Drained([SocketAddr; 2]),
}

/// A running child.
pub(crate) struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) intake: SocketAddr,
    pub(crate) token: String,
    _folder: tempfile::TempDir,
}

/// What the child counted.
pub(crate) struct Told {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    /// Median and 99th percentile of the journal's fsyncs since [`Server::forget_fsyncs`], milliseconds.
    pub(crate) fsync_ms: (f64, f64),
}

impl Server {
    pub(crate) fn start(mode: Mode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vendors = match mode {
            Mode::Drained(vendors) => vendors.map(|vendor| vendor.to_string()),
            Mode::Journal | Mode::NoJournal => ["127.0.0.1:9".to_owned(), "127.0.0.1:9".to_owned()],
        };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("serve")
            .arg(folder.path())
            .arg(match mode {
                Mode::Journal => "on",
                Mode::NoJournal => "off",
                Mode::Drained(_) => "drained",
            })
            .args(vendors)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let (intake, token) = line.trim().split_once(' ').unwrap();
        Self {
            intake: intake.parse().unwrap(),
            token: token.to_owned(),
            child,
            output,
            _folder: folder,
        }
    }

    /// User and system time of the child so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Fields 14 and 15, counted after the name in brackets; a tick is 10 ms.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks: f64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<f64>().unwrap())
            .sum();
        ticks / 100.0
    }

    /// Ends the child and reads what it counted.
    pub(crate) fn stop(mut self) -> Told {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        self.child.wait().unwrap();
        let told: Vec<f64> = line
            .split_whitespace()
            .map(|number| number.parse().unwrap())
            .collect();
        let [accepted, refused, median, p99] = <[f64; 4]>::try_from(told).unwrap();
        Told {
            accepted: accepted as u64,
            refused: refused as u64,
            fsync_ms: (median, p99),
        }
    }

    /// From now on, fsyncs are counted afresh.
    pub(crate) fn forget_fsyncs(&mut self) {
        self.tell("forget\n");
    }

    /// Waits until everything accepted is in the store's files.
    pub(crate) fn flush(&mut self) {
        self.tell("flush\n");
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "flushed\n");
    }

    fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(line.as_bytes()).unwrap();
    }
}

/// The child.
pub(crate) fn run(folder: &Path, mode: &str, vendors: [&str; 2]) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (config, token) = configuration(folder, vendors);
        let fsyncs = Arc::new(Mutex::new(Vec::new()));
        let journal_files = Arc::new(Files {
            keep: mode != "off",
            fsyncs: Arc::clone(&fsyncs),
        });
        let seams = Seams {
            pause_consumers: mode != "drained",
            journal_files,
            ..Seams::default()
        };
        let system = System::open(config, seams).await.unwrap();
        let listeners = Listeners::open(&system).await.unwrap();
        println!("{} {token}", listeners.intake);
        let (say, mut heard) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in io::stdin().lines() {
                say.send(line.unwrap()).unwrap();
            }
        });
        while let Some(line) = heard.recv().await {
            if line == "flush" {
                system.flush().await.unwrap();
                println!("flushed");
            } else {
                fsyncs.lock().unwrap().clear();
            }
        }
        // Nobody counts what is accepted while the consumers pause: it has its numbers in the journal.
        let accepted = *system.journal.durable().borrow();
        let is_refused = |count: &Count| matches!(count, Count::Refused(..));
        let counts = system.counters.totals().into_iter();
        let refused: u64 = counts
            .filter(|(count, _)| is_refused(count))
            .map(|(_, amount)| amount)
            .sum();
        let mut fsyncs = fsyncs.lock().unwrap().clone();
        fsyncs.sort_by(f64::total_cmp);
        let (median, p99) = (quantile(&fsyncs, 0.5), quantile(&fsyncs, 0.99));
        println!("{accepted} {refused} {median} {p99}");
    });
    // The directory goes away with the parent: there is nothing to drain.
    std::process::exit(0);
}

/// The default folder with two vendors and no limit on new people: every seventh event brings one.
fn configuration(folder: &Path, vendors: [&str; 2]) -> (Config, String) {
    let options = InitOptions {
        folder: folder.to_owned(),
        project: "console".to_owned(),
        region: "EU".to_owned(),
        timezone: "Europe/Berlin".to_owned(),
    };
    let done = init(&options, &SystemEntropy).unwrap();
    let text = std::fs::read_to_string(&done.config)
        .unwrap()
        .replace("127.0.0.1:8686", "127.0.0.1:0")
        .replace("127.0.0.1:8687", "127.0.0.1:0")
        .replace(
            "allow_loopback_vendors = false",
            "allow_loopback_vendors = true",
        )
        .replace(
            "[vault]",
            "[limits]\nnew_people_per_minute_max = 0\n\n[vault]",
        );
    std::fs::write(&done.config, text).unwrap();
    for (vendor, address) in ["one", "two"].into_iter().zip(vendors) {
        let token = folder.join(format!("secrets/{vendor}.token"));
        std::fs::write(token, "0123456789abcdef0123456789abcdef").unwrap();
        let file = folder.join(format!("vendors/{vendor}.toml"));
        let head = format!(
            "name = \"{vendor}\"\ntoken_file = \"secrets/{vendor}.token\"\nendpoint = \"http://{address}\"\n"
        );
        std::fs::write(file, head + VENDOR).unwrap();
    }
    let loaded = config::load(&done.config, &BTreeMap::new(), SystemClock.now().day());
    (loaded.into_result().unwrap(), done.token)
}

/// The journal's files: segments' fsyncs are timed. With `keep` off, segments keep nothing and cost nothing; the dedupe window's
/// runs are real, but never synced.
#[derive(Debug)]
struct Files {
    keep: bool,
    fsyncs: Arc<Mutex<Vec<f64>>>,
}

#[derive(Debug)]
struct Timed {
    file: Arc<dyn File>,
    fsyncs: Arc<Mutex<Vec<f64>>>,
}

impl File for Timed {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn sync_data(&self) -> io::Result<()> {
        let begun = Instant::now();
        let synced = self.file.sync_data();
        let took_ms = begun.elapsed().as_secs_f64() * 1000.0;
        self.fsyncs.lock().unwrap().push(took_ms);
        synced
    }
}

#[derive(Debug)]
struct Nothing(AtomicU64);

impl File for Nothing {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0
            .fetch_max(offset + bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.load(Ordering::Relaxed))
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

impl FileLayer for Files {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        StdFiles.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        StdFiles.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let is_segment = path.extension().is_some_and(|extension| extension == "seg");
        match (is_segment, self.keep) {
            (true, false) => Ok(Arc::new(Nothing(AtomicU64::new(0)))),
            (true, true) => Ok(Arc::new(Timed {
                file: StdFiles.create(path)?,
                fsyncs: Arc::clone(&self.fsyncs),
            })),
            (false, _) => StdFiles.create(path),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        StdFiles.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        StdFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        StdFiles.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.keep {
            StdFiles.sync_dir(dir)
        } else {
            Ok(())
        }
    }
}
