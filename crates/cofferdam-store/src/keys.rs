//! Exact deduplication: the insert keys of each project and UTC day of event time, loaded when a day is first touched.
//!
//! Ingest asks before it takes an event; a day's keys come from its files and from the tail.
//! A day costs little more than 8 bytes a key, since this is what grows with every event that is stored.
//! Invariant: a loaded day has the key of every stored event of that day; an evicted day is loaded again before it is asked.

use crate::{Map, Set};
use cofferdam_model::{Day, ProjectName};

/// New keys of a day that wait until they are sorted in: at least so many, and a share of those sorted.
const RECENT_MIN: usize = 4096;
const RECENT_SHARE: usize = 16;

/// The keys of one day.
#[derive(Debug, Default)]
struct DayKeys {
    /// Ascending, without spare room.
    sorted: Vec<u64>,
    /// Not among the sorted.
    recent: Set<u64>,
    used: u64,
}

impl DayKeys {
    fn new(mut keys: Vec<u64>, used: u64) -> Self {
        keys.sort_unstable();
        keys.dedup();
        keys.shrink_to_fit();
        Self {
            sorted: keys,
            recent: Set::default(),
            used,
        }
    }

    fn len(&self) -> usize {
        self.sorted.len() + self.recent.len()
    }

    fn insert(&mut self, key: u64) -> bool {
        if self.sorted.binary_search(&key).is_ok() || !self.recent.insert(key) {
            return false;
        }
        if self.recent.len() >= RECENT_MIN.max(self.sorted.len() / RECENT_SHARE) {
            self.sorted.reserve_exact(self.recent.len());
            self.sorted.extend(std::mem::take(&mut self.recent));
            self.sorted.sort_unstable();
        }
        true
    }
}

/// Keys by day, bounded.
#[derive(Debug)]
pub(crate) struct Keys {
    days: Map<(ProjectName, Day), DayKeys>,
    keys_max: usize,
    clock: u64,
}

impl Keys {
    pub(crate) fn new(keys_max: usize) -> Self {
        Self {
            days: Map::default(),
            keys_max,
            clock: 0,
        }
    }

    pub(crate) fn has_day(&self, day: &(ProjectName, Day)) -> bool {
        self.days.contains_key(day)
    }

    pub(crate) fn load(&mut self, day: (ProjectName, Day), keys: Vec<u64>) {
        self.clock += 1;
        let used = self.clock;
        self.days.insert(day, DayKeys::new(keys, used));
    }

    /// Whether the key is new; it is known from now on. The day must be loaded.
    pub(crate) fn insert(&mut self, day: &(ProjectName, Day), key: u64) -> bool {
        self.clock += 1;
        let clock = self.clock;
        self.days.get_mut(day).is_some_and(|day| {
            day.used = clock;
            day.insert(key)
        })
    }

    /// Forgets days of a project before `before`.
    pub(crate) fn retain(&mut self, project: &ProjectName, before: Day) {
        self.days
            .retain(|(name, day), _| name != project || *day >= before);
    }

    /// Evicts the days not used for longest until the bound holds; the last day always stays.
    pub(crate) fn shrink(&mut self) {
        let mut total: usize = self.days.values().map(DayKeys::len).sum();
        while total > self.keys_max && self.days.len() > 1 {
            let Some(oldest) = self
                .days
                .iter()
                .min_by_key(|(_, day)| day.used)
                .map(|(name, _)| name.clone())
            else {
                return;
            };
            if let Some(gone) = self.days.remove(&oldest) {
                total -= gone.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Keys, RECENT_MIN};
    use cofferdam_model::{Day, ProjectName};
    use std::collections::HashSet;

    #[test]
    fn a_key_is_new_once_whether_it_waits_or_is_sorted_in() {
        let day = (ProjectName::from("console"), Day(20_000));
        let mut keys = Keys::new(usize::MAX);
        keys.load(day.clone(), vec![5, 1, 5]);
        let mut known: HashSet<u64> = [1, 5].into();
        for n in 0..RECENT_MIN as u64 * 20 {
            // Every third comes again, soon or late.
            let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (RECENT_MIN as u64 * 15);
            assert_eq!(keys.insert(&day, key), known.insert(key), "{n}");
        }
        assert_eq!(keys.days[&day].len(), known.len());
        assert!(keys.days[&day].sorted.len() > RECENT_MIN);
        assert!(known.iter().all(|&key| !keys.insert(&day, key)));
    }
}
