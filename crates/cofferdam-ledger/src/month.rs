//! Month files: the immutable cells of one stream and calendar month, with a roll-up of the month.
//!
//! Written by a checkpoint (old file joined with what grew), read by positional reads; the page cache is the cache.
//! Invariant: a file never changes after it was written; every cell's bytes carry a checksum that is verified on each read.

use crate::LedgerError;
use crate::cell::{self, Cell, Events, Meta, Table};
use crate::codec::{Reader, Writer};
use crate::faults::Faults;
use crate::{FieldKey, entry};
use cofferdam_model::Day;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"CFDLMON1";
/// Index offset, index length, index checksum, magic.
const TRAILER_BYTES: u64 = 8 + 4 + 4 + 8;

/// Months since year 0.
pub(crate) fn month_of(day: Day) -> i32 {
    let (year, month, _) = day.civil();
    year * 12 + month.cast_signed() - 1
}

/// Path of a month file.
pub(crate) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join("cells").join(format!("{number:010}.cells"))
}

/// An open month file with its index.
#[derive(Debug)]
pub(crate) struct MonthFile {
    pub(crate) path: PathBuf,
    file: File,
    pub(crate) bytes: u64,
    pub(crate) stream: Arc<str>,
    pub(crate) month: i32,
    pub(crate) table: Table,
    /// By day, ascending.
    pub(crate) cells: Vec<Meta>,
    /// The union of all cells, where there is more than one.
    pub(crate) rollup: Option<Meta>,
}

impl MonthFile {
    /// Opens a file and reads its index.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = File::open(path).map_err(LedgerError::io("open", path))?;
        let bytes = file
            .metadata()
            .map_err(LedgerError::io("inspect", path))?
            .len();
        let damaged = |at: u64, what| LedgerError::Damaged {
            path: path.to_path_buf(),
            at,
            what,
        };
        let at = bytes
            .checked_sub(TRAILER_BYTES)
            .ok_or_else(|| damaged(0, "it is too short"))?;
        let mut trailer = [0; TRAILER_BYTES as usize];
        file.read_exact_at(&mut trailer, at)
            .map_err(LedgerError::io("read", path))?;
        let (offset, rest) = trailer.split_at(8);
        let (len, rest) = rest.split_at(4);
        let (crc, magic) = rest.split_at(4);
        let offset = u64::from_le_bytes(offset.try_into().unwrap_or_default());
        let len = u32::from_le_bytes(len.try_into().unwrap_or_default());
        if magic != MAGIC || offset.checked_add(u64::from(len)) != Some(at) {
            return Err(damaged(at, "the trailer is broken"));
        }
        let mut index = vec![0; len as usize];
        file.read_exact_at(&mut index, offset)
            .map_err(LedgerError::io("read", path))?;
        if crc != crc32fast::hash(&index).to_le_bytes() {
            return Err(damaged(offset, "the index does not match its checksum"));
        }
        let mut month = Self {
            path: path.to_path_buf(),
            file,
            bytes,
            stream: Arc::from(""),
            month: 0,
            table: Table::default(),
            cells: Vec::new(),
            rollup: None,
        };
        month
            .read_index(&mut Reader::new(&index))
            .ok_or_else(|| damaged(offset, "the index is broken"))?;
        Ok(month)
    }

    fn read_index(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.stream = Arc::from(reader.text()?);
        self.month = reader.day()?.0;
        for _ in 0..reader.count()? {
            let lasting = reader.byte()? == 1;
            let key: FieldKey = entry::read_field(reader)?;
            self.table.fields.push(cell::FieldOf { key, lasting });
        }
        for _ in 0..reader.count()? {
            self.cells.push(cell::read_meta(reader)?);
        }
        if reader.byte()? == 1 {
            self.rollup = Some(cell::read_meta(reader)?);
        }
        reader.is_empty().then_some(())
    }

    /// Reads a cell's bytes into `bytes` (resized to fit) and verifies the checksum.
    pub(crate) fn read(&self, meta: &Meta, bytes: &mut [u8]) -> Result<(), LedgerError> {
        self.file
            .read_exact_at(bytes, meta.offset)
            .map_err(LedgerError::io("read", &self.path))?;
        if crc32fast::hash(bytes) != meta.crc {
            return Err(self.damaged(meta, "a cell does not match its checksum"));
        }
        Ok(())
    }

    /// A cell's bytes.
    pub(crate) fn bytes_of(&self, meta: &Meta) -> Result<Vec<u8>, LedgerError> {
        let mut bytes = vec![0; meta.len as usize];
        self.read(meta, &mut bytes)?;
        Ok(bytes)
    }

    /// Some of a cell's bytes, not verified by a checksum.
    pub(crate) fn part(&self, offset: u64, len: usize) -> Result<Vec<u8>, LedgerError> {
        let mut bytes = vec![0; len];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(LedgerError::io("read", &self.path))?;
        Ok(bytes)
    }

    /// A cell in full.
    pub(crate) fn cell(&self, meta: &Meta) -> Result<Cell, LedgerError> {
        let bytes = self.bytes_of(meta)?;
        cell::decode(meta, &self.table, &bytes)
            .ok_or_else(|| self.damaged(meta, "a cell does not decode"))
    }

    pub(crate) fn damaged(&self, meta: &Meta, what: &'static str) -> LedgerError {
        LedgerError::Damaged {
            path: self.path.clone(),
            at: meta.offset,
            what,
        }
    }
}

/// What goes into a new month file.
#[derive(Debug)]
pub(crate) struct NewMonth<'a> {
    pub(crate) stream: &'a Arc<str>,
    pub(crate) month: i32,
    /// The file that it replaces.
    pub(crate) old: Option<&'a MonthFile>,
    /// What grew, by day.
    pub(crate) grown: BTreeMap<Day, Cell>,
    pub(crate) events: Events,
}

/// Writes a month file and makes it durable (its folder entry is synced with the checkpoint).
pub(crate) fn write(path: &Path, new: &NewMonth<'_>, faults: &Faults) -> Result<(), LedgerError> {
    let io = LedgerError::io;
    let mut file = File::create(path).map_err(io("create", path))?;
    let mut built = Built {
        table: new.old.map(|old| old.table.clone()).unwrap_or_default(),
        ..Built::default()
    };
    let rollup = rollup(new)?;
    let mut days: BTreeMap<Day, Option<&Meta>> = new.grown.keys().map(|&day| (day, None)).collect();
    if let Some(old) = new.old {
        days.extend(old.cells.iter().map(|meta| (meta.days.0, Some(meta))));
    }
    for (day, old_meta) in days {
        let mut chunk = Vec::new();
        let meta = match (old_meta.zip(new.old), new.grown.get(&day)) {
            (Some((meta, old)), None) => {
                chunk = old.bytes_of(meta)?;
                meta.clone()
            }
            (old, grown) => {
                let mut cell = match old {
                    Some((meta, old)) => old.cell(meta)?,
                    None => Cell::default(),
                };
                if let Some(grown) = grown {
                    cell.join(grown, new.events);
                }
                cell::encode(&cell, (day, day), &mut built.table, &mut chunk)
                    .map_err(io("encode", path))?
            }
        };
        built.cells.push(built.placed(meta));
        built.offset += chunk.len() as u64;
        file.write_all(&chunk).map_err(io("write", path))?;
        faults.hit("month.write").map_err(io("write", path))?;
    }
    let mut chunk = Vec::new();
    if let (Some(mut rollup), Some(first), Some(last)) =
        (rollup, built.cells.first(), built.cells.last())
        && built.cells.len() > 1
    {
        rollup.events = built.cells.iter().map(|meta| meta.events).sum();
        let days = (first.days.0, last.days.1);
        let meta = cell::encode(&rollup, days, &mut built.table, &mut chunk)
            .map_err(io("encode", path))?;
        built.rollup = Some(built.placed(meta));
        built.offset += chunk.len() as u64;
    }
    built.index(new.stream, new.month, &mut chunk);
    file.write_all(&chunk).map_err(io("write", path))?;
    faults.hit("month.sync").map_err(io("sync", path))?;
    file.sync_all().map_err(io("sync", path))
}

/// The union of all days, from the old roll-up where there is one.
fn rollup(new: &NewMonth<'_>) -> Result<Option<Cell>, LedgerError> {
    let mut all = Cell::default();
    let mut days = new.grown.len();
    if let Some(old) = new.old {
        for meta in old
            .rollup
            .as_ref()
            .map_or(old.cells.as_slice(), std::slice::from_ref)
        {
            all.join(&old.cell(meta)?, Events::Sum);
        }
        days += old.cells.len();
    }
    if days < 2 {
        return Ok(None);
    }
    for grown in new.grown.values() {
        all.join(grown, Events::Sum);
    }
    Ok(Some(all))
}

#[derive(Debug, Default)]
struct Built {
    table: Table,
    cells: Vec<Meta>,
    rollup: Option<Meta>,
    offset: u64,
}

impl Built {
    fn placed(&self, meta: Meta) -> Meta {
        Meta {
            offset: self.offset,
            ..meta
        }
    }

    fn index(&self, stream: &str, month: i32, out: &mut Vec<u8>) {
        let mut index = Writer::default();
        index.text(stream);
        index.day(Day(month));
        index.count(self.table.fields.len());
        for field in &self.table.fields {
            index.byte(u8::from(field.lasting));
            entry::write_field(&mut index, &field.key);
        }
        index.count(self.cells.len());
        for meta in &self.cells {
            cell::write_meta(&mut index, meta);
        }
        index.byte(u8::from(self.rollup.is_some()));
        if let Some(rollup) = &self.rollup {
            cell::write_meta(&mut index, rollup);
        }
        let len = u32::try_from(index.bytes.len()).unwrap_or(u32::MAX);
        let crc = crc32fast::hash(&index.bytes);
        out.extend_from_slice(&index.bytes);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(MAGIC);
    }
}
