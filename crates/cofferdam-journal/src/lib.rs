//! Append with an opaque dedupe key, group commit, recovery and cursors; bytes in, bytes out.

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
