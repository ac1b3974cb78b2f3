//! Exact deduplication: the insert keys of each project and UTC day of event time, loaded when a day is first touched.
//!
//! Ingest asks before it takes an event; a day's keys come from its files and from the tail.
//! Invariant: a loaded day has the key of every stored event of that day; an evicted day is loaded again before it is asked.

use crate::{Map, Set};
use cofferdam_model::{Day, ProjectName};

/// The keys of one day.
#[derive(Debug, Default)]
struct DayKeys {
    keys: Set<u64>,
    used: u64,
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
        self.days.insert(
            day,
            DayKeys {
                keys: keys.into_iter().collect(),
                used,
            },
        );
    }

    /// Whether the key is new; it is known from now on. The day must be loaded.
    pub(crate) fn insert(&mut self, day: &(ProjectName, Day), key: u64) -> bool {
        self.clock += 1;
        let clock = self.clock;
        self.days.get_mut(day).is_some_and(|day| {
            day.used = clock;
            day.keys.insert(key)
        })
    }

    /// Forgets days of a project before `before`.
    pub(crate) fn retain(&mut self, project: &ProjectName, before: Day) {
        self.days
            .retain(|(name, day), _| name != project || *day >= before);
    }

    /// Evicts the days not used for longest until the bound holds; the last day always stays.
    pub(crate) fn shrink(&mut self) {
        let mut total: usize = self.days.values().map(|day| day.keys.len()).sum();
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
                total -= gone.keys.len();
            }
        }
    }
}
