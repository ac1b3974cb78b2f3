//! The file of what an import rejected.
//!
//! Invariant: line, byte offset, reason and path of each, never anything that stands there (P2); whoever goes on with an import
//! finds exactly the rejects of the lines before.

use super::source::{Place, Stretch};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The rejects file; made with the first reject.
pub(super) struct Rejects {
    path: PathBuf,
    file: Option<File>,
}

impl Rejects {
    /// The default place.
    pub(super) fn beside(file: &Path) -> PathBuf {
        if file.as_os_str() == "-" {
            return PathBuf::from("import.rejects.jsonl");
        }
        let mut name = file.as_os_str().to_owned();
        name.push(".rejects.jsonl");
        PathBuf::from(name)
    }

    /// Keeps what a file says of the first `lines` lines; with none, an old file goes.
    pub(super) fn go_on(path: PathBuf, lines: u64) -> anyhow::Result<Self> {
        let mut kept = Vec::new();
        if path.try_exists()? {
            for line in BufReader::new(File::open(&path)?).lines() {
                let line = line?;
                let read: Option<Value> = serde_json::from_str(&line).ok();
                let number = read.and_then(|read| number(&read));
                // The last one of a run that was killed may be torn.
                anyhow::ensure!(
                    number.is_some() || line.starts_with("{\"line\""),
                    "{} is there and is not a list of rejects; name another file with --rejects",
                    path.display()
                );
                if number.is_some_and(|number| number <= lines) {
                    kept.push(line);
                }
            }
            if kept.is_empty() {
                std::fs::remove_file(&path)?;
            }
        }
        let mut rejects = Self { path, file: None };
        if !kept.is_empty() {
            let mut file = BufWriter::new(rejects.create()?);
            for line in kept {
                writeln!(file, "{line}")?;
            }
            file.flush()?;
        }
        Ok(rejects)
    }

    fn create(&mut self) -> anyhow::Result<&File> {
        if self.file.is_none() {
            self.file = Some(File::create(&self.path)?);
        }
        self.file
            .as_ref()
            .ok_or_else(|| anyhow::anyhow!("there is no rejects file"))
    }

    /// Writes what an answer says of a stretch; durable when it returns.
    pub(super) fn write(&mut self, stretch: &Stretch, taken: &Value) -> anyhow::Result<()> {
        let rejected = taken.get("rejected").and_then(Value::as_array);
        let mut text = String::new();
        for reject in rejected.into_iter().flatten() {
            let at = reject.get("line").and_then(Value::as_u64).unwrap_or(0);
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            let place = stretch.places.get(at).copied().unwrap_or_default();
            text.push_str(&line(place, reject).to_string());
            text.push('\n');
        }
        if text.is_empty() {
            return Ok(());
        }
        let mut file = self.create()?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        Ok(())
    }

    /// The path, if anything was rejected.
    pub(super) fn written(self) -> Option<PathBuf> {
        self.file.map(|_| self.path)
    }
}

fn line(place: Place, reject: &Value) -> Value {
    let text = |key: &str| reject.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut line = Map::new();
    line.insert("line".to_owned(), json!(place.line));
    if let Some(row) = place.row {
        line.insert("row".to_owned(), json!(row));
    }
    line.insert("offset".to_owned(), json!(place.offset));
    line.insert("code".to_owned(), json!(text("code")));
    let reason = place.problem.unwrap_or_else(|| text("message"));
    line.insert("reason".to_owned(), json!(reason));
    line.insert("path".to_owned(), json!(text("path")));
    Value::Object(line)
}

/// Which line, or row of CSV, a reject is of; `None` where it is none.
fn number(reject: &Value) -> Option<u64> {
    reject.get("reason")?;
    reject.get("row").or(reject.get("line"))?.as_u64()
}
