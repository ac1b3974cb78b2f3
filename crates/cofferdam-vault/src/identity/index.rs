//! Everybody, in memory: id key → number, and per number the sealing key, the cluster and a few flags.
//!
//! Filled from the database at start and by intake; about 70 bytes an id. Rows live in pages that never move, so that no copy of
//! a key is left behind by a growing vector.
//! Invariant: a row's `canonical` is the smallest number of its cluster, and `next` goes round the cluster exactly once.

use crate::crypt::Secret;
use cofferdam_model::{Definition, PersonNumber};
use foldhash::HashMap;
use hashbrown::HashTable;
use zeroize::Zeroize;

const PAGE: usize = 1024;
/// Most ids of one person, as at the vendor; bounds every walk round a cluster.
pub(crate) const CLUSTER_IDS_MAX: usize = 500;
/// How long late copies of a forgotten person's events are refused, milliseconds.
pub(crate) const TOMBSTONE_MS: i64 = 30 * cofferdam_model::MS_PER_DAY;

const PRESENT: u8 = 1;
/// The id is a device's.
const ANONYMOUS: u8 = 2;
const FORGOTTEN: u8 = 4;
/// Its definition is not confirmed durable.
const PENDING: u8 = 8;
/// One of its links is not confirmed durable.
const PENDING_LINK: u8 = 16;
/// On canonical rows: somebody in the cluster is not anonymous.
const IDENTIFIED: u8 = 32;

struct Row {
    id_key: [u8; 16],
    secret: [u8; 32],
    canonical: u32,
    next: u32,
    flags: u8,
}

/// A forgotten id: the number that it had (unknown after a restore), and when it was forgotten, milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tombstone {
    pub(crate) number: Option<u32>,
    pub(crate) erased_at: i64,
}

/// The index.
#[derive(Default)]
pub(crate) struct People {
    pages: Vec<Box<[Row]>>,
    table: HashTable<u32>,
    next_number: u32,
    links: Vec<(PersonNumber, PersonNumber)>,
    /// Definitions that the database does not have yet.
    recent: HashMap<u32, Definition>,
    /// Links that are not confirmed durable, under both their numbers.
    pending_links: HashMap<u32, Vec<Definition>>,
    tombstones: HashMap<[u8; 16], Tombstone>,
    newest_tombstone: Option<i64>,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People")
            .field("numbers", &self.next_number)
            .field("links", &self.links.len())
            .finish_non_exhaustive()
    }
}

impl Drop for People {
    fn drop(&mut self) {
        for row in self.pages.iter_mut().flatten() {
            row.secret.zeroize();
        }
    }
}

impl People {
    /// A row, and its slot of the table (4 bytes and a control byte) at the table's emptiest, 7/16.
    #[cfg(test)]
    pub(crate) const BYTES_PER_ID_MAX: usize = size_of::<Row>() + 5 * 16 / 7 + 1;

    pub(crate) fn find(&self, key: &[u8; 16]) -> Option<u32> {
        self.table
            .find(spread(key), |number| {
                self.row(*number).is_some_and(|row| row.id_key == *key)
            })
            .copied()
    }

    /// When somebody was forgotten last, milliseconds since 1970; `None` where nobody was.
    pub(crate) fn newest_tombstone(&self) -> Option<i64> {
        self.newest_tombstone
    }

    pub(crate) fn tombstone(&self, key: &[u8; 16]) -> Option<Tombstone> {
        self.tombstones.get(key).copied()
    }

    pub(crate) fn next_number(&self) -> u32 {
        self.next_number
    }

    pub(crate) fn links(&self) -> &[(PersonNumber, PersonNumber)] {
        &self.links
    }

    pub(crate) fn canonical(&self, number: u32) -> u32 {
        self.row(number).map_or(number, |row| row.canonical)
    }

    /// All numbers of the person, ascending.
    pub(crate) fn cluster(&self, number: u32) -> Vec<u32> {
        let mut numbers = vec![number];
        let mut at = self.row(number).map_or(number, |row| row.next);
        while at != number {
            numbers.push(at);
            at = self.row(at).map_or(number, |row| row.next);
        }
        numbers.sort_unstable();
        numbers
    }

    pub(crate) fn is_anonymous(&self, number: u32) -> bool {
        self.has(number, ANONYMOUS)
    }

    /// Whether somebody in the number's cluster is not anonymous.
    pub(crate) fn is_identified(&self, number: u32) -> bool {
        self.has(self.canonical(number), IDENTIFIED)
    }

    pub(crate) fn is_forgotten(&self, number: u32) -> bool {
        self.has(number, FORGOTTEN)
    }

    pub(crate) fn is_present(&self, number: u32) -> bool {
        self.has(number, PRESENT)
    }

    /// Whether anything about the number must still ride along.
    pub(crate) fn is_pending(&self, number: u32) -> bool {
        self.has(number, PENDING | PENDING_LINK)
    }

    /// The sealing key; `None` where forgotten or unknown.
    pub(crate) fn secret(&self, number: u32) -> Option<Secret> {
        let row = self.row(number)?;
        (row.flags & (PRESENT | FORGOTTEN) == PRESENT).then(|| Secret::new(row.secret))
    }

    pub(crate) fn id_key(&self, number: u32) -> Option<[u8; 16]> {
        self.row(number)
            .filter(|row| row.flags & PRESENT != 0)
            .map(|row| row.id_key)
    }

    /// A definition that the database does not have yet.
    pub(crate) fn recent(&self, number: u32) -> Option<&Definition> {
        self.recent.get(&number)
    }

    /// Takes in a person; a number that is there already stays as it is.
    pub(crate) fn insert(&mut self, number: u32, key: [u8; 16], secret: &Secret, anonymous: bool) {
        if self.is_present(number) {
            return;
        }
        self.next_number = self.next_number.max(number.saturating_add(1));
        let Some(row) = self.slot(number) else { return };
        row.id_key = key;
        row.secret.copy_from_slice(&**secret);
        // Pending links may have come before, so canonical, next and IDENTIFIED stay.
        row.flags |= PRESENT | if anonymous { ANONYMOUS } else { 0 };
        if !anonymous {
            self.set(self.canonical(number), IDENTIFIED, true);
        }
        let Self { table, pages, .. } = self;
        table.insert_unique(spread(&key), number, |number| {
            get(pages, *number).map_or(0, |row| spread(&row.id_key))
        });
    }

    /// Takes in a number whose person was forgotten.
    pub(crate) fn insert_forgotten(&mut self, number: u32) {
        self.next_number = self.next_number.max(number.saturating_add(1));
        if let Some(row) = self.slot(number) {
            row.flags |= PRESENT | FORGOTTEN;
        }
    }

    /// The id turned out to be no device's.
    pub(crate) fn identify(&mut self, number: u32) {
        self.set(number, ANONYMOUS, false);
        self.set(self.canonical(number), IDENTIFIED, true);
    }

    /// Joins two clusters. Returns whether anything changed.
    pub(crate) fn link(&mut self, one: u32, other: u32) -> bool {
        for number in [one, other] {
            self.slot(number);
            self.next_number = self.next_number.max(number.saturating_add(1));
        }
        let (one_root, other_root) = (self.canonical(one), self.canonical(other));
        if one_root == other_root {
            return false;
        }
        let (low, high) = (one_root.min(other_root), one_root.max(other_root));
        let identified = self.has(high, IDENTIFIED);
        for member in self.cluster(high) {
            if let Some(row) = self.slot(member) {
                row.canonical = low;
            }
        }
        let low_next = self.row(low).map_or(low, |row| row.next);
        let high_next = self.row(high).map_or(high, |row| row.next);
        for (number, next) in [(low, high_next), (high, low_next)] {
            if let Some(row) = self.slot(number) {
                row.next = next;
            }
        }
        if identified {
            self.set(low, IDENTIFIED, true);
        }
        self.links.push((PersonNumber(one), PersonNumber(other)));
        true
    }

    /// Keeps a definition until it is confirmed and applied.
    pub(crate) fn remember(&mut self, definition: Definition) {
        match &definition {
            Definition::Person { number, .. } => {
                self.set(number.0, PENDING, true);
                self.recent.insert(number.0, definition);
            }
            Definition::Link { alias, into, .. } => {
                for number in [alias.0, into.0] {
                    self.set(number, PENDING_LINK, true);
                    self.pending_links
                        .entry(number)
                        .or_default()
                        .push(definition.clone());
                }
            }
            Definition::Organization { .. } => {}
        }
    }

    /// Whatever must ride along with a record about these numbers.
    pub(crate) fn pending(&self, numbers: &[u32]) -> Vec<Definition> {
        let mut definitions: Vec<Definition> = Vec::new();
        let mut people = numbers.to_vec();
        for number in numbers.iter().filter(|n| self.has(**n, PENDING_LINK)) {
            for link in self.pending_links.get(number).into_iter().flatten() {
                if let Definition::Link { alias, into, .. } = link
                    && !definitions.contains(link)
                {
                    people.extend([alias.0, into.0]);
                    definitions.push(link.clone());
                }
            }
        }
        people.sort_unstable();
        people.dedup();
        let persons = people.iter().filter(|number| self.has(**number, PENDING));
        // Persons first: a reader meets a number before the links that use it.
        persons
            .filter_map(|number| self.recent.get(number).cloned())
            .chain(definitions)
            .collect()
    }

    /// The definition is durable in the journal.
    pub(crate) fn confirm(&mut self, definition: &Definition) {
        match definition {
            Definition::Person { number, .. } => {
                // A newer definition of the same number may have taken its place.
                if self
                    .recent
                    .get(&number.0)
                    .is_none_or(|recent| recent == definition)
                {
                    self.set(number.0, PENDING, false);
                }
            }
            Definition::Link { alias, into, .. } => {
                for number in [alias.0, into.0] {
                    let Some(links) = self.pending_links.get_mut(&number) else {
                        continue;
                    };
                    links.retain(|link| link != definition);
                    if links.is_empty() {
                        self.pending_links.remove(&number);
                        self.set(number, PENDING_LINK, false);
                    }
                }
            }
            Definition::Organization { .. } => {}
        }
    }

    /// The definition is in the database.
    pub(crate) fn applied(&mut self, definition: &Definition) {
        self.confirm(definition);
        if let Definition::Person { number, .. } = definition
            && self.recent.get(&number.0) == Some(definition)
        {
            self.recent.remove(&number.0);
        }
    }

    /// Takes a person's number out of the index, destroys the key and refuses the id from now on.
    pub(crate) fn forget(&mut self, number: u32, erased_at: i64) {
        let key = match self.row(number) {
            Some(row) if row.flags & (PRESENT | FORGOTTEN) == PRESENT => row.id_key,
            _ => return,
        };
        if let Ok(entry) = self
            .table
            .find_entry(spread(&key), |found| *found == number)
        {
            entry.remove();
        }
        if let Some(row) = self.slot(number) {
            row.secret.zeroize();
            row.flags |= FORGOTTEN;
            row.flags &= !PENDING;
        }
        let number = Some(number);
        self.bury(key, Tombstone { number, erased_at });
    }

    pub(crate) fn bury(&mut self, key: [u8; 16], tombstone: Tombstone) {
        self.newest_tombstone = self.newest_tombstone.max(Some(tombstone.erased_at));
        self.tombstones.insert(key, tombstone);
    }

    /// Drops what was kept for the database; the person is forgotten there as well.
    pub(crate) fn drop_recent(&mut self, number: u32) {
        self.recent.remove(&number);
    }

    fn has(&self, number: u32, flag: u8) -> bool {
        self.row(number).is_some_and(|row| row.flags & flag != 0)
    }

    fn set(&mut self, number: u32, flag: u8, on: bool) {
        if let Some(row) = self.slot(number) {
            if on {
                row.flags |= flag;
            } else {
                row.flags &= !flag;
            }
        }
    }

    fn row(&self, number: u32) -> Option<&Row> {
        get(&self.pages, number)
    }

    /// The row of a number, making pages up to it.
    fn slot(&mut self, number: u32) -> Option<&mut Row> {
        let (page, at) = (number as usize / PAGE, number as usize % PAGE);
        while self.pages.len() <= page {
            let first = self.pages.len() * PAGE;
            let numbers = first..first + PAGE;
            self.pages.push(
                numbers
                    .filter_map(|n| u32::try_from(n).ok())
                    .map(empty)
                    .collect(),
            );
        }
        self.pages.get_mut(page)?.get_mut(at)
    }
}

fn get(pages: &[Box<[Row]>], number: u32) -> Option<&Row> {
    pages
        .get(number as usize / PAGE)?
        .get(number as usize % PAGE)
}

fn empty(number: u32) -> Row {
    Row {
        id_key: [0; 16],
        secret: [0; 32],
        canonical: number,
        next: number,
        flags: 0,
    }
}

/// Id keys are keyed hashes, so that part of one is as good a hash as any and nobody can make them collide.
fn spread(key: &[u8; 16]) -> u64 {
    key.first_chunk::<8>()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
