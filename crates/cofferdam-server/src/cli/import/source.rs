//! The file of an import, as stretches of lines: plain or gzip, JSON lines or CSV, a file or standard input.
//!
//! Invariant: a stretch is bounded in lines and bytes, and so is a line: one that is longer stands in its stretch as a line that
//! is no JSON, with the reason.

use anyhow::Context;
use bytes::Bytes;
use cofferdam_wire::export::LINE_BYTES_MAX;
use cofferdam_wire::export::csv::Columns;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Lines of a stretch.
const LINES_MAX: usize = 2_000;
/// A stretch ends with the line that passes this, bytes.
const BYTES_MAX: usize = 4 * 1024 * 1024;
const BUFFER_BYTES: usize = 1024 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];
/// Stands for a line that is not handed over, so that the others keep their places; it is rejected as one that is no JSON.
const PLACEHOLDER: &[u8] = b"-";

/// Where a line stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// From 1; of a row of CSV its first line.
    pub(super) line: u64,
    /// Bytes before it, unpacked.
    pub(super) offset: u64,
    /// Of a row of CSV: its number, from 1, without the header.
    pub(super) row: Option<u64>,
    /// Why it is not handed over.
    pub(super) problem: Option<&'static str>,
}

/// Some lines.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    pub(super) bytes: Bytes,
    pub(super) places: Vec<Place>,
}

impl Stretch {
    pub(super) fn len(&self) -> u64 {
        self.places.len() as u64
    }
}

/// An input that was opened.
pub(super) struct Source {
    /// Hash of the bytes of a file, or of the beginning of what can be read once.
    pub(super) fingerprint: String,
    pub(super) is_resumable: bool,
    /// Bytes of the file as it is; 0 where that is not known.
    pub(super) size: u64,
    read: Arc<AtomicU64>,
    lines: Lines,
}

type Input = Box<dyn BufRead + Send>;

enum Lines {
    Plain {
        input: Input,
        next: Place,
    },
    Csv {
        rows: Box<csv::Reader<Input>>,
        columns: Columns,
        row: u64,
    },
}

impl Source {
    /// Opens a file, or standard input for `-`; with a mapping it is CSV.
    pub(super) fn open(path: &Path, map: Option<&[(String, String)]>) -> anyhow::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let (raw, fingerprint, size): (Box<dyn Read + Send>, String, u64);
        let is_resumable = path.as_os_str() != "-";
        let layout = map.map(|map| format!("csv\n{map:?}\n")).unwrap_or_default();
        if is_resumable {
            let mut file = File::open(path)?;
            let mut hash = Sha256::new_with_prefix(layout);
            let mut buffer = vec![0; BUFFER_BYTES];
            size = loop_read(&mut file, &mut buffer, &mut hash)?;
            fingerprint = hex::encode(hash.finalize());
            raw = Box::new(File::open(path)?);
        } else {
            let mut begin = Vec::new();
            let limit = BUFFER_BYTES as u64;
            io::stdin().lock().take(limit).read_to_end(&mut begin)?;
            let hash = Sha256::new_with_prefix(layout).chain_update(&begin);
            fingerprint = hex::encode(hash.finalize());
            size = 0;
            raw = Box::new(Cursor::new(begin).chain(io::stdin()));
        }
        let counted = Counted {
            inner: raw,
            read: Arc::clone(&read),
        };
        let mut input: Input = Box::new(BufReader::with_capacity(BUFFER_BYTES, counted));
        if input.fill_buf()?.starts_with(&GZIP_MAGIC) {
            input = Box::new(BufReader::with_capacity(
                BUFFER_BYTES,
                MultiGzDecoder::new(input),
            ));
        }
        let lines = match map {
            None => Lines::Plain {
                input,
                next: Place::default(),
            },
            Some(map) => {
                let mut rows = csv::Reader::from_reader(input);
                let header = rows.headers().context("the header cannot be read")?;
                let columns = Columns::new(header.iter().map(str::to_owned).collect(), map)?;
                Lines::Csv {
                    rows: Box::new(rows),
                    columns,
                    row: 0,
                }
            }
        };
        Ok(Self {
            fingerprint,
            is_resumable,
            size,
            read,
            lines,
        })
    }

    /// How many bytes of the file were read.
    pub(super) fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }

    /// Reads stretches behind the first `skip` lines on a thread of its own, some ahead.
    pub(super) fn read_ahead(
        mut self,
        skip: u64,
        ahead: usize,
    ) -> mpsc::Receiver<io::Result<Stretch>> {
        let (sender, receiver) = mpsc::channel(ahead);
        std::thread::spawn(move || {
            let mut unused = Vec::new();
            for _ in 0..skip {
                unused.clear();
                match self.lines.next(&mut unused) {
                    Ok(Some(_)) => {}
                    Ok(None) => return,
                    Err(error) => {
                        let _ = sender.blocking_send(Err(error));
                        return;
                    }
                }
            }
            loop {
                let stretch = self.lines.stretch();
                if matches!(&stretch, Ok(stretch) if stretch.places.is_empty()) {
                    return;
                }
                let is_error = stretch.is_err();
                if sender.blocking_send(stretch).is_err() || is_error {
                    return;
                }
            }
        });
        receiver
    }
}

fn loop_read(file: &mut File, buffer: &mut [u8], hash: &mut Sha256) -> io::Result<u64> {
    let mut size = 0;
    loop {
        let read = file.read(buffer)?;
        if read == 0 {
            return Ok(size);
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        size += read as u64;
    }
}

impl Lines {
    fn stretch(&mut self) -> io::Result<Stretch> {
        let mut bytes = Vec::with_capacity(BYTES_MAX / 4);
        let mut places = Vec::with_capacity(LINES_MAX);
        while places.len() < LINES_MAX && bytes.len() < BYTES_MAX {
            let Some(place) = self.next(&mut bytes)? else {
                break;
            };
            bytes.push(b'\n');
            places.push(place);
        }
        Ok(Stretch {
            bytes: bytes.into(),
            places,
        })
    }

    /// Appends the next line without its end; `None` where there is none.
    fn next(&mut self, bytes: &mut Vec<u8>) -> io::Result<Option<Place>> {
        match self {
            Self::Plain { input, next } => {
                let start = bytes.len();
                next.line += 1;
                let length = read_line(input, bytes)?;
                if length == 0 {
                    return Ok(None);
                }
                let mut place = *next;
                next.offset += length;
                if length > LINE_BYTES_MAX as u64 {
                    place.problem = Some("the line is longer than 8 MiB");
                    bytes.truncate(start);
                    bytes.extend_from_slice(PLACEHOLDER);
                }
                Ok(Some(place))
            }
            Self::Csv { rows, columns, row } => next_row(rows, columns, row, bytes),
        }
    }
}

fn next_row(
    rows: &mut csv::Reader<Input>,
    columns: &Columns,
    row: &mut u64,
    bytes: &mut Vec<u8>,
) -> io::Result<Option<Place>> {
    let mut record = csv::StringRecord::new();
    let position = rows.position().clone();
    let read = rows.read_record(&mut record);
    *row += 1;
    let mut place = Place {
        line: record.position().unwrap_or(&position).line(),
        offset: record.position().unwrap_or(&position).byte(),
        row: Some(*row),
        problem: None,
    };
    match read {
        Ok(false) => return Ok(None),
        Ok(true) if record.as_slice().len() <= LINE_BYTES_MAX / 2 => {
            let line = columns.line(record.iter());
            bytes.extend_from_slice(line.as_bytes());
            return Ok(Some(place));
        }
        Ok(true) => place.problem = Some("the row is longer than 4 MiB"),
        Err(error) => match error.into_kind() {
            csv::ErrorKind::Io(error) => return Err(error),
            csv::ErrorKind::UnequalLengths { .. } => {
                place.problem = Some("the row has more or fewer cells than the header");
            }
            csv::ErrorKind::Utf8 { .. } => place.problem = Some("the row is not UTF-8"),
            _ => place.problem = Some("the row cannot be read"),
        },
    }
    bytes.extend_from_slice(PLACEHOLDER);
    Ok(Some(place))
}

/// Appends a line without its end, or the beginning of one that is too long. Returns its whole length, its end included.
fn read_line(input: &mut Input, bytes: &mut Vec<u8>) -> io::Result<u64> {
    let start = bytes.len();
    let mut length = 0;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(length);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        let part = buffer.get(..end.unwrap_or(used)).unwrap_or_default();
        if bytes.len() - start <= LINE_BYTES_MAX {
            bytes.extend_from_slice(part);
        }
        input.consume(used);
        length += used as u64;
        if end.is_some() {
            return Ok(length);
        }
    }
}

/// Counts what is read, for the progress bar.
struct Counted {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
