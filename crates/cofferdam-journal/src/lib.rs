//! Append with an opaque dedupe key, group commit, recovery and cursors; bytes in, bytes out.
//!
//! Callers queue entries; one writer takes all that wait, writes them as one group, makes it durable with one fdatasync and
//! answers. Consumers read durable entries at their own cursors, and release what all have passed.
//! Invariant (P4): an append that was answered with success is read back, once, after any crash, until it is released.
//!
//! # Why this holds
//!
//! **Durable before the answer.** A group is shown to readers and its appends are answered only after the fdatasync of its
//! segment. A segment's header, and its name in the directory, are synced before its first group is written.
//!
//! **Unfinished writes.** A group is written only after the one before it was synced, so at most the last group of the newest
//! segment can be unfinished. Recovery cuts there. If a whole group's start is found further on, it was no unfinished write,
//! and opening is refused. The last whole group may be in the page cache only (the process was killed, or its fdatasync
//! failed and the kernel calls its pages clean): recovery writes the same bytes again and syncs before it shows them.
//!
//! **Failed groups.** After an error of a write or an fdatasync the segment is never written or synced again. The group's
//! keys leave the window, its seqs are burnt, its appends fail. A new segment is begun, whose header names its predecessor
//! and how many of its bytes count; it is synced, tried with a probe and read back before appends are accepted again. Then:
//! - Before that header is durable nothing later is acknowledged. A crash here leaves the failed group as the last one: it
//!   comes to light whole or not at all, at seqs that nobody else has, and its keys come to the window with it, so that a
//!   client's repeat is a duplicate of it. If it does not, its seqs were never shown and may be used.
//! - Once that header is durable, recovery does not look beyond the length it names: the failed group never comes back, and
//!   a repeat under the same keys is a new entry at new seqs.
//!
//! So a seq is shown for one record only, ever, and a key is in at most one shown record within the window. A segment that
//! was begun and given up holds no entry, and no header refers to it; recovery drops it. Any other segment outside the chain
//! of headers is a hole, and opening is refused.
//!
//! **Names.** Opening syncs the directory before anything is built on what it lists, and `release` syncs after each removal,
//! oldest first, so that no crash leaves a hole.
//!
//! **What is not covered.** If something else than a crash cuts the newest segment exactly in its last group or at a group's
//! end, acknowledged entries are gone; `Recovery::cut` says what can be known, and `JournalOptions::min_next_seq` (the highest
//! cursor of the consumers) keeps their seqs from being used again. A second process on the directory is the caller's to
//! prevent.

mod entry;
mod error;
mod file;
mod format;
mod journal;
mod options;
mod queue;
mod read;
mod recover;
mod scan;
mod segment;
mod stats;
mod window;
mod writer;

pub use entry::{Append, Appended, Cut, Duplicates, Entry, Key, NO_KEY, Recovery};
pub use error::JournalError;
pub use file::{File, FileLayer, StdFiles};
pub use journal::{Journal, Released};
pub use options::{JournalOptions, NowMs};
pub use stats::Stats;
