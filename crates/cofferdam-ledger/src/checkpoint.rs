//! Checkpoints: what grew in memory goes into month files, the rest into one file that names what counts.
//!
//! Order: sync the old log, start a new one, write month files, write `CHECKPOINT` beside the old and rename it, delete what no
//! longer counts. A crash before the rename leaves the old state and all logs; after it, the new.
//! Invariant: at every moment one `CHECKPOINT` with all files and logs that it names is on the disk.

use crate::cell::{Cell, Events};
use crate::codec::{Reader, Writer};
use crate::entry::{read_gap, write_gap};
use crate::ledger::{Core, Ledger, lock};
use crate::log::{self, Log, sync_dir};
use crate::month::{self, NewMonth};
use crate::state::{Batch, Books, Delta, FieldSets};
use crate::{LedgerError, cell};
use cofferdam_model::Day;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"CFDLCKPT";
const VERSION: u32 = 1;

/// What grew before a rotation of the log.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) delta: Delta,
    pub(crate) sets: FieldSets,
}

/// Cells by stream and month, then day.
pub(crate) type Grown = BTreeMap<(Arc<str>, i32), BTreeMap<Day, Cell>>;

/// What `CHECKPOINT` says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Saved {
    /// The first log that is to be replayed.
    pub(crate) first_log: u64,
    /// Stream, month, file number.
    pub(crate) files: Vec<(Arc<str>, i32, u64)>,
    pub(crate) books: Books,
}

impl Ledger {
    /// Moves what grew into immutable files and starts a fresh log. Writers go on meanwhile.
    /// Call it daily; a full log does it by itself.
    ///
    /// # Errors
    /// [`LedgerError`]; then everything counts as before, and the next checkpoint tries again.
    pub fn checkpoint(&self) -> Result<(), LedgerError> {
        let _one = lock(&self.checkpointing)?;
        self.checkpoint_now().map(|_| ())
    }

    /// The body of [`Self::checkpoint`], for callers that hold the checkpoint lock.
    /// Gives back the books as of the new log's start, and that log's number.
    pub(crate) fn checkpoint_now(&self) -> Result<(Books, u64), LedgerError> {
        let (frozen, books, first_log) = self.rotate()?;
        let mut grown = Grown::new();
        for part in &frozen {
            collect(&part.delta, &part.sets, &mut grown);
        }
        self.commit(grown, Events::Sum, books.clone(), first_log, frozen.len())?;
        Ok((books, first_log))
    }

    /// Puts what grew aside and starts a new log.
    fn rotate(&self) -> Result<(Vec<Arc<Frozen>>, Books, u64), LedgerError> {
        let mut synced = lock(&self.synced)?;
        let mut core = lock(&self.core)?;
        let hit = |point| self.faults.hit(point);
        if !core.log.poisoned {
            let done = hit("checkpoint.sync").and_then(|()| core.log.file.sync_data());
            if let Err(source) = done {
                core.log.poisoned = true;
                return Err(LedgerError::io("sync", &core.log.path)(source));
            }
            core.log.synced = core.log.end;
            if core.lost.is_empty() {
                core.durable_cursor = core.state.books.seen_cursor;
            }
        }
        let was_poisoned = core.log.poisoned;
        let (before, end) = (core.log.number, core.log.synced);
        // A half-made next log may already say where this one ends, so nothing more is written here.
        core.log.poisoned = true;
        let log = Log::create(&self.options.dir, before + 1, end, &self.faults)?;
        if was_poisoned {
            core.lost.push((before, end));
        }
        *synced = (log.number, log.synced);
        core.log = log;
        core.defined.clear();
        let delta = std::mem::take(&mut core.state.delta);
        let sets = core.state.sets.clone();
        if !delta.days.is_empty() {
            core.frozen.push(Arc::new(Frozen { delta, sets }));
        }
        let (books, number) = (core.state.books.clone(), core.log.number);
        Ok((core.frozen.clone(), books, number))
    }

    /// Writes month files and `CHECKPOINT`; afterwards the first `settled` frozen parts are in the files.
    pub(crate) fn commit(
        &self,
        grown: Grown,
        events: Events,
        books: Books,
        first_log: u64,
        settled: usize,
    ) -> Result<(), LedgerError> {
        let dir = &self.options.dir;
        let mut written: Vec<(Arc<str>, i32, u64)> = Vec::with_capacity(grown.len());
        for ((stream, month), grown) in grown {
            let (old, number) = {
                let mut core = lock(&self.core)?;
                core.next_file += 1;
                (core.files.one(&stream, month)?, core.next_file - 1)
            };
            let new = NewMonth {
                stream: &stream,
                month,
                old: old.as_deref(),
                grown,
                events,
            };
            month::write(&month::path_of(dir, number), &new, &self.faults)?;
            written.push((stream, month, number));
        }
        let cells = dir.join("cells");
        let done = self.faults.hit("checkpoint.cells");
        done.and_then(|()| sync_dir(&cells))
            .map_err(LedgerError::io("sync", &cells))?;
        let mut files: BTreeMap<(Arc<str>, i32), u64> = BTreeMap::new();
        let cursor = books.seen_cursor;
        {
            let core = lock(&self.core)?;
            for (stream, month, number) in core.files.list() {
                files.insert((Arc::clone(stream), month), number);
            }
        }
        let mut replaced = Vec::new();
        for (stream, month, number) in &written {
            replaced.extend(files.insert((Arc::clone(stream), *month), *number));
        }
        let saved = Saved {
            first_log,
            files: files.into_iter().map(|((s, m), n)| (s, m, n)).collect(),
            books,
        };
        self.save(&saved)?;
        let mut core = lock(&self.core)?;
        for (stream, month, number) in &written {
            core.files.put(stream, *month, *number);
        }
        let settled = settled.min(core.frozen.len());
        core.frozen.drain(..settled);
        core.lost.retain(|(number, _)| *number >= first_log);
        core.durable_cursor = core.durable_cursor.max(cursor);
        drop(core);
        self.sweep(&replaced, first_log);
        Ok(())
    }

    fn save(&self, saved: &Saved) -> Result<(), LedgerError> {
        let dir = &self.options.dir;
        let (path, beside) = (dir.join("CHECKPOINT"), dir.join("CHECKPOINT.new"));
        let write = || -> std::io::Result<()> {
            use std::io::Write;
            let mut file = std::fs::File::create(&beside)?;
            file.write_all(&saved.encode()?)?;
            self.faults.hit("checkpoint.write")?;
            file.sync_all()?;
            self.faults.hit("checkpoint.rename")?;
            std::fs::rename(&beside, &path)?;
            self.faults.hit("checkpoint.renamed")?;
            sync_dir(dir)
        };
        write().map_err(LedgerError::io("write", &path))
    }

    /// Deletes what no longer counts. What cannot be deleted now is deleted at the next start.
    fn sweep(&self, replaced: &[u64], first_log: u64) {
        if self.faults.hit("checkpoint.sweep").is_err() {
            return;
        }
        let dir = &self.options.dir;
        for &number in replaced {
            if let Err(error) = std::fs::remove_file(month::path_of(dir, number)) {
                tracing::warn!(error = %error, "an outdated ledger file stays until the next start");
            }
        }
        for number in log::numbers(dir).unwrap_or_default() {
            if number < first_log
                && let Err(error) = std::fs::remove_file(log::path_of(dir, number))
            {
                tracing::warn!(error = %error, "an outdated ledger log stays until the next start");
            }
        }
    }
}

/// Adds what grew to cells by month.
pub(crate) fn collect(delta: &Delta, sets: &FieldSets, into: &mut Grown) {
    for ((stream, day), growing) in &delta.days {
        let cell = growing.to_cell(sets, stream.starts_with("s/"));
        into.entry((Arc::clone(stream), month::month_of(*day)))
            .or_default()
            .entry(*day)
            .or_default()
            .join(&cell, Events::Sum);
    }
}

impl Saved {
    fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut out = Writer::default();
        out.number(self.first_log);
        out.count(self.files.len());
        for (stream, month, number) in &self.files {
            out.text(stream);
            out.day(Day(*month));
            out.number(*number);
        }
        write_books(&mut out, &self.books)?;
        let mut bytes = Vec::with_capacity(out.bytes.len() + 16);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&out.bytes).to_le_bytes());
        bytes.extend_from_slice(&out.bytes);
        Ok(bytes)
    }

    /// Reads `CHECKPOINT`; `None` where there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, LedgerError> {
        let path = dir.join("CHECKPOINT");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LedgerError::io("read", &path)(error)),
        };
        let damaged = |what| LedgerError::Damaged {
            path: path.clone(),
            at: 0,
            what,
        };
        let Some((head, body)) = bytes.split_first_chunk::<16>() else {
            return Err(damaged("it is too short"));
        };
        let (magic, rest) = head.split_at(8);
        let (version, crc) = rest.split_at(4);
        let version = u32::from_le_bytes(version.try_into().unwrap_or_default());
        if magic != MAGIC {
            return Err(damaged("it is no checkpoint"));
        }
        if version > VERSION {
            return Err(LedgerError::Newer {
                path,
                found: version,
                known: VERSION,
            });
        }
        if version != VERSION || crc != crc32fast::hash(body).to_le_bytes() {
            return Err(damaged("it does not match its checksum"));
        }
        let mut reader = Reader::new(body);
        let saved = Self::decode(&mut reader).filter(|_| reader.is_empty());
        saved.map(Some).ok_or_else(|| damaged("it does not decode"))
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let first_log = reader.number()?;
        let mut files = Vec::new();
        for _ in 0..reader.count()? {
            let stream = Arc::from(reader.text()?);
            files.push((stream, reader.day()?.0, reader.number()?));
        }
        Some(Self {
            first_log,
            files,
            books: read_books(reader)?,
        })
    }
}

fn write_books(out: &mut Writer, books: &Books) -> std::io::Result<()> {
    out.number(books.next_batch);
    out.number(books.seen_cursor);
    out.count(books.batches.len());
    for (number, batch) in &books.batches {
        out.number(*number);
        out.text(&batch.stream);
        out.day(batch.day);
        out.count(batch.persons.len());
        batch
            .persons
            .iter()
            .for_each(|&person| out.optional(person));
        write_bitmap(out, &batch.open)?;
    }
    out.count(books.outbox.len());
    for (stream, last) in &books.outbox {
        out.text(stream);
        out.number(*last);
    }
    out.count(books.gaps.len());
    for (stream, gap) in &books.gaps {
        out.byte(u8::from(stream.is_some()));
        out.text(stream.as_deref().unwrap_or(""));
        write_gap(out, gap);
    }
    out.count(books.deleted.len());
    for ((stream, as_of), people) in &books.deleted {
        out.text(stream);
        out.day(*as_of);
        write_bitmap(out, people)?;
    }
    Ok(())
}

fn read_books(reader: &mut Reader<'_>) -> Option<Books> {
    let mut books = Books {
        next_batch: reader.number()?,
        seen_cursor: reader.number()?,
        ..Books::default()
    };
    for _ in 0..reader.count()? {
        let number = reader.number()?;
        let (stream, day) = (Arc::from(reader.text()?), reader.day()?);
        let count = reader.count()?;
        let persons = (0..count)
            .map(|_| reader.optional())
            .collect::<Option<_>>()?;
        let batch = Batch {
            stream,
            day,
            persons,
            open: cell::bitmap(reader.blob()?)?,
        };
        books.batches.insert(number, batch);
    }
    for _ in 0..reader.count()? {
        let stream = Arc::from(reader.text()?);
        books.outbox.insert(stream, reader.number()?);
    }
    for _ in 0..reader.count()? {
        let (has, stream) = (reader.byte()?, Arc::from(reader.text()?));
        let gap = read_gap(reader)?;
        books.gaps.push(((has == 1).then_some(stream), gap));
    }
    for _ in 0..reader.count()? {
        let key = (Arc::from(reader.text()?), reader.day()?);
        books.deleted.insert(key, cell::bitmap(reader.blob()?)?);
    }
    Some(books)
}

fn write_bitmap(out: &mut Writer, bitmap: &RoaringBitmap) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes)?;
    out.blob(&bytes);
    Ok(())
}

impl Core {
    /// The cells of what is not yet in files, of one stream, by day within `days`.
    pub(crate) fn grown(
        &self,
        stream: &Arc<str>,
        days: std::ops::RangeInclusive<Day>,
    ) -> BTreeMap<Day, Cell> {
        let mut cells: BTreeMap<Day, Cell> = BTreeMap::new();
        let frozen = self.frozen.iter().map(|part| (&part.delta, &part.sets));
        let current = (&self.state.delta, &self.state.sets);
        for (delta, sets) in frozen.chain(std::iter::once(current)) {
            for (day, growing) in delta.of(stream).filter(|(day, _)| days.contains(day)) {
                let cell = growing.to_cell(sets, stream.starts_with("s/"));
                cells.entry(day).or_default().join(&cell, Events::Sum);
            }
        }
        cells
    }
}
