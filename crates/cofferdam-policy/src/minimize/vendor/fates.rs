//! Fates seen so far, so that records of the same fate share one, and those who count or compare them need look at it once.
//!
//! One per vendor of a compiled policy. Invariant: bounded; what comes out is in order, known or not, and no exposure stands in it twice.

use crate::Fate;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Most fates remembered; beyond, all are forgotten.
const FATES_MAX: usize = 1_024;

/// The memory: as fields came up, and put in order.
#[derive(Default)]
pub(crate) struct Fates(Mutex<HashMap<Fate, Arc<Fate>, RandomState>>);

impl fmt::Debug for Fates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fates")
    }
}

impl Fates {
    /// The fate in order.
    pub(crate) fn of(&self, fate: Fate) -> Arc<Fate> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ordered) = known.get(&fate) {
            return Arc::clone(ordered);
        }
        if known.len() >= FATES_MAX {
            known.clear();
        }
        let mut ordered = fate.clone();
        ordered.exposures.sort_unstable();
        ordered.exposures.dedup();
        ordered.withheld.sort_unstable();
        let ordered = Arc::new(ordered);
        known.insert(fate, Arc::clone(&ordered));
        ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exposure;
    use cofferdam_model::{Category, Form, Refusal};

    fn exposure(path: &str) -> Exposure {
        Exposure {
            path: Arc::from(path),
            category: Category::of("user.behavior"),
            form: Form::Clear,
        }
    }

    #[test]
    fn the_same_fate_is_one_and_in_order() {
        let fates = Fates::default();
        let raw = || Fate {
            exposures: vec![exposure("b"), exposure("a"), exposure("b")],
            withheld: vec![(Arc::from("z"), Refusal::NotListed)],
            would_withhold: Vec::new(),
        };
        let one = fates.of(raw());
        assert_eq!(one.exposures, [exposure("a"), exposure("b")]);
        assert!(Arc::ptr_eq(&one, &fates.of(raw())));
        let other = Fate {
            withheld: Vec::new(),
            ..raw()
        };
        assert!(fates.of(other).withheld.is_empty());
    }

    #[test]
    fn a_flood_of_fates_is_bounded() {
        let fates = Fates::default();
        for number in 0..FATES_MAX * 2 {
            let path = format!("made_up_{number}");
            let fate = Fate {
                exposures: vec![exposure(&path)],
                ..Fate::default()
            };
            assert_eq!(fates.of(fate).exposures, [exposure(&path)]);
            assert!(fates.0.lock().unwrap().len() <= FATES_MAX);
        }
    }
}
