//! Opening, appending and reading in tests.

use bytes::Bytes;
use cofferdam_journal::{
    Append, Appended, Entry, FileLayer, Journal, JournalError, JournalOptions, Key, Recovery,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A clock that is moved by hand; starts on some day of 2026.
#[derive(Clone, Debug)]
pub(crate) struct Hands(pub Arc<AtomicU64>);

impl Hands {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000_000)))
    }

    pub(crate) fn forward(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn back(&self, ms: u64) {
        self.0.fetch_sub(ms, Ordering::SeqCst);
    }

    pub(crate) fn options(&self) -> JournalOptions {
        let time = Arc::clone(&self.0);
        let mut options = JournalOptions::new(Arc::new(move || time.load(Ordering::SeqCst)));
        options.resume_min = Duration::from_millis(1);
        options.resume_max = Duration::from_millis(4);
        options
    }
}

pub(crate) const DIR: &str = "/journal";

pub(crate) fn open(hands: &Hands, layer: Arc<dyn FileLayer>) -> (Journal, Recovery) {
    Journal::open(DIR, hands.options(), layer).unwrap()
}

/// A key that looks random, as hashes do.
pub(crate) fn key(number: u64) -> Key {
    let mixed = |salt: u64| {
        let mut value = number
            .wrapping_add(salt)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        value = (value ^ (value >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 29)
    };
    let mut key = [0; 16];
    key[..8].copy_from_slice(&mixed(1).to_le_bytes());
    key[8..].copy_from_slice(&mixed(77).to_le_bytes());
    key
}

pub(crate) fn entry(keys: Vec<Key>, payload: impl Into<Bytes>) -> Append {
    Append {
        keys,
        tag: 7,
        payload: payload.into(),
    }
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

pub(crate) fn append(journal: &Journal, append: Append) -> Result<Appended, JournalError> {
    run(journal.append(append))
}

/// As a well-behaved client: tries again after `retry_after` until it works.
pub(crate) fn insist(journal: &Journal, entry: &Append) -> Appended {
    for _ in 0..10_000 {
        match append(journal, entry.clone()) {
            Ok(appended) => return appended,
            Err(error) => std::thread::sleep(error.retry_after().unwrap()),
        }
    }
    panic!("the journal did not resume");
}

/// Everything that can be read.
pub(crate) fn all(journal: &Journal) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut cursor = 0;
    loop {
        let more = journal.read(cursor, 5_000).unwrap();
        let Some(last) = more.last() else { break };
        cursor = last.next_seq();
        entries.extend(more);
    }
    entries
}

/// How often to repeat: `few` in CI, `many` when everything is to be proved.
pub(crate) fn count(few: u64, many: u64) -> u64 {
    if std::env::var_os("COFFERDAM_PROVE").is_some_and(|value| value == "1") {
        many
    } else {
        few
    }
}
