//! The writer's thread: takes everything that waits, writes it as one group, makes it durable, answers.
//!
//! After an error of a write or an fdatasync the segment is not touched again. The door of the queue is shut, and a new
//! segment is tried (written, synced, read back) until one works.
//! Invariant: an append is answered with success only when its records, or those they repeat, are durable.

use crate::{
    Appended, JournalError,
    file::{read_exact, write_all},
    format::{GroupBuilder, HEADER, Head, PROBE},
    journal::Shared,
    queue::{Pending, Reply, SealReply, Work},
    segment::Segment,
    stats::add,
    window::Window,
};
use std::{io, sync::Arc, time::Instant};

#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    active: Arc<Segment>,
    next_seq: u64,
    window: Window,
    group: GroupBuilder,
    /// Why there is no segment to write to yet.
    failed: Option<JournalError>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue.abandon();
    }
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        active: Arc<Segment>,
        next_seq: u64,
        window: Window,
        failed: Option<JournalError>,
    ) -> Self {
        if failed.is_some() {
            shared.queue.shut(shared.options.resume_min);
        }
        Self {
            shared,
            active,
            next_seq,
            window,
            group: GroupBuilder::default(),
            failed,
        }
    }

    /// The thread's life.
    pub(crate) fn work(mut self) {
        loop {
            let done = match self.failed.take() {
                Some(error) => Err(error),
                None => match self.shared.queue.next() {
                    Work::Group(group) => self.append(group),
                    Work::Seal(replies) => self.seal(replies),
                    Work::Tidy => self.tidy(),
                    Work::Closed => return,
                },
            };
            if let Err(error) = done {
                add(&self.shared.counters.failures, 1);
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the journal cannot write and answers 503 until a new segment works"
                );
                if self.resume().is_none() {
                    return;
                }
            }
        }
    }

    fn append(&mut self, group: Vec<Pending>) -> Result<(), JournalError> {
        let begun = Instant::now();
        let retry_after = self.shared.options.resume_min;
        if !self.window.refresh() {
            for pending in group {
                answer(
                    pending.reply,
                    Err(JournalError::Unavailable { retry_after }),
                );
            }
            return Ok(());
        }
        if self.active.durable() >= self.shared.options.segment_bytes
            && let Err(error) = self.roll()
        {
            for pending in group {
                answer(
                    pending.reply,
                    Err(JournalError::Unavailable { retry_after }),
                );
            }
            return Err(error);
        }
        let now_ms = (self.shared.options.now_ms)();
        self.window.turn(now_ms);
        let mut built = self.build(group, now_ms);
        let mut waited = std::time::Duration::ZERO;
        if !self.group.is_empty() {
            let written = self.commit(now_ms, &built);
            match written {
                Ok(took) => waited = took,
                Err(error) => {
                    self.window.roll_back();
                    // Its seqs are burnt: the group may come to light after a crash.
                    self.next_seq = self.group.next_seq();
                    for (reply, _) in built.answers.drain(..) {
                        answer(reply, Err(JournalError::NotDurable { retry_after }));
                    }
                    return Err(error);
                }
            }
        }
        let counters = &self.shared.counters;
        add(&counters.duplicates, built.duplicates);
        for (reply, appended) in built.answers {
            answer(reply, Ok(appended));
        }
        let took = begun.elapsed().saturating_sub(waited).as_nanos();
        add(&counters.writer_ns_sum, u64::try_from(took).unwrap_or(0));
        Ok(())
    }

    /// Encodes the group; entries that repeat others as a whole only wait for it.
    fn build(&mut self, group: Vec<Pending>, now_ms: u64) -> Built {
        let mut built = Built::default();
        let mut bitmap = Vec::new();
        self.group.begin(self.active.header.salt, self.next_seq);
        for pending in group {
            let append = &pending.append;
            let mut duplicates = Vec::new();
            for (index, key) in append.keys.iter().enumerate() {
                if !self.window.insert(key) {
                    duplicates.push(index as u32);
                }
            }
            let first_seq = self.group.next_seq();
            built.duplicates += duplicates.len() as u64;
            if duplicates.len() < append.keys.len() {
                bitmap.clear();
                if !duplicates.is_empty() {
                    bitmap.resize(append.keys.len().div_ceil(8), 0);
                }
                for index in &duplicates {
                    if let Some(byte) = bitmap.get_mut((index / 8) as usize) {
                        *byte |= 1_u8 << (index % 8);
                    }
                }
                let head = Head {
                    records: append.keys.len() as u32,
                    tag: append.tag,
                    payload: append.payload.len() as u32,
                    first_seq,
                    appended_ms: now_ms,
                    duplicates: duplicates.len() as u32,
                    body_crc: pending.body_crc,
                };
                self.group
                    .push(&head, &bitmap, &append.keys, &append.payload);
                built.entries += 1;
                built.records += (append.keys.len() - duplicates.len()) as u64;
                if built.tags.last() != Some(&append.tag) {
                    built.tags.push(append.tag);
                }
            }
            let appended = Appended {
                first_seq,
                duplicates,
            };
            built.answers.push((pending.reply, appended));
        }
        built
    }

    /// Writes the group and makes it durable, then shows it to the readers. Returns the time of the fdatasync.
    fn commit(&mut self, now_ms: u64, built: &Built) -> Result<std::time::Duration, JournalError> {
        let end_seq = self.group.next_seq();
        let offset = self.active.durable();
        let bytes = self.group.finish(now_ms);
        let file = self.active.file.as_ref();
        let path = &self.active.path;
        write_all(file, bytes, offset).map_err(JournalError::io("writing", path))?;
        let begun = Instant::now();
        file.sync_data()
            .map_err(JournalError::io("syncing", path))?;
        let took = begun.elapsed();
        let counters = &self.shared.counters;
        counters.fsync(took);
        add(&counters.groups, 1);
        add(&counters.entries, built.entries);
        add(&counters.records, built.records);
        add(&counters.bytes, bytes.len() as u64);
        let length = offset + bytes.len() as u64;
        self.active
            .publish(self.next_seq, end_seq, length, &built.tags);
        self.window.commit(self.next_seq, end_seq, now_ms);
        self.next_seq = end_seq;
        self.shared.durable.send_replace(end_seq);
        Ok(took)
    }

    fn tidy(&mut self) -> Result<(), JournalError> {
        let now_ms = (self.shared.options.now_ms)();
        let age_ms = now_ms.saturating_sub(self.active.header.created_ms);
        if self.active.has_records() && age_ms >= self.shared.options.segment_age_ms {
            self.roll()?;
        }
        self.window.freeze();
        Ok(())
    }

    fn seal(&mut self, replies: Vec<SealReply>) -> Result<(), JournalError> {
        let done = self.roll();
        let retry_after = self.shared.options.resume_min;
        for reply in replies {
            // A caller that has gone away needs no answer.
            let _unused = reply.send(match &done {
                Ok(()) => Ok(()),
                Err(_) => Err(JournalError::Unavailable { retry_after }),
            });
        }
        done
    }

    /// Seals the segment and begins the next.
    fn roll(&mut self) -> Result<(), JournalError> {
        if self.active.has_records() {
            self.begin(false)?;
            self.window.freeze();
        }
        Ok(())
    }

    /// Tries new segments until one works; `None` when the journal was closed meanwhile.
    fn resume(&mut self) -> Option<()> {
        let mut pause = self.shared.options.resume_min;
        loop {
            for pending in self.shared.queue.shut(pause) {
                let retry_after = pause;
                answer(
                    pending.reply,
                    Err(JournalError::Unavailable { retry_after }),
                );
            }
            if self.shared.queue.pause(pause) {
                return None;
            }
            // Every try has a seq, and so a file name, of its own.
            self.next_seq += 1;
            match self.begin(true) {
                Ok(()) => {
                    self.shared.queue.reopen();
                    tracing::info!("the journal writes again");
                    return Some(());
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the journal still cannot write"
                ),
            }
            pause = (pause * 2).min(self.shared.options.resume_max);
        }
    }

    /// Begins a segment at `next_seq`; its header, made durable, ends the one before for good.
    fn begin(&mut self, probe: bool) -> Result<(), JournalError> {
        let shared = &self.shared;
        let created = Segment::create(
            shared.layer.as_ref(),
            &shared.dir,
            self.next_seq,
            &shared.options.now_ms,
            Some(self.active.as_previous()),
        );
        let tried = created.and_then(|segment| {
            if probe {
                self.probe(&segment)
                    .map_err(JournalError::io("trying", &segment.path))?;
            }
            Ok(segment)
        });
        match tried {
            Ok(segment) => {
                self.active = Arc::new(segment);
                self.shared.add_segment(Arc::clone(&self.active));
                Ok(())
            }
            Err(error) => {
                // If it stays there, the next opening finds that nothing refers to it.
                let path = self.shared.dir.join(crate::segment::name(self.next_seq));
                let _unused = self.shared.layer.remove(&path);
                Err(error)
            }
        }
    }

    fn probe(&self, segment: &Segment) -> io::Result<()> {
        let mut group = GroupBuilder::default();
        group.begin(segment.header.salt, self.next_seq);
        let bytes = group.finish(segment.header.created_ms);
        write_all(segment.file.as_ref(), bytes, HEADER as u64)?;
        segment.file.sync_data()?;
        if read_exact(segment.file.as_ref(), PROBE, HEADER as u64)? != bytes {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let length = segment.durable() + bytes.len() as u64;
        segment.publish(self.next_seq, self.next_seq, length, &[]);
        Ok(())
    }
}

/// What a group holds beside its bytes.
#[derive(Debug, Default)]
struct Built {
    answers: Vec<(Reply, Appended)>,
    tags: Vec<u32>,
    entries: u64,
    records: u64,
    duplicates: u64,
}

/// A caller that has gone away needs no answer.
fn answer(reply: Reply, result: Result<Appended, JournalError>) {
    let _unused = reply.send(result);
}
