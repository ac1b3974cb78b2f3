//! The merge map: which number is the canonical one of a person.
//!
//! Built by vault from the durable links, versioned, and handed to every query and to the ledger, so that "people" always means
//! distinct canonical persons after all merges known at query time.
//! Invariant: `canonical(canonical(n)) == canonical(n)`, and the canonical number of a cluster is its smallest.

use crate::PersonNumber;

/// Number → canonical number. Numbers beyond the map are their own canonical number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeMap {
    version: u64,
    canonical: Vec<u32>,
    merged: Vec<u32>,
}

impl MergeMap {
    /// A map with nobody merged.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Grows with every change; equal versions of one installation mean equal maps.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The canonical number of `person`.
    #[must_use]
    pub fn canonical(&self, person: PersonNumber) -> PersonNumber {
        PersonNumber(
            self.canonical
                .get(person.0 as usize)
                .copied()
                .unwrap_or(person.0),
        )
    }

    /// All numbers whose canonical number is another one, ascending.
    #[must_use]
    pub fn merged(&self) -> &[u32] {
        &self.merged
    }

    /// Number → canonical number for the numbers below its length; the rest are canonical themselves.
    #[must_use]
    pub fn table(&self) -> &[u32] {
        &self.canonical
    }

    /// Joins the clusters of two numbers. Returns whether anything changed.
    pub fn link(&mut self, one: PersonNumber, other: PersonNumber) -> bool {
        let (one, other) = (self.canonical(one).0, self.canonical(other).0);
        if one == other {
            return false;
        }
        let (low, high) = (one.min(other), one.max(other));
        self.grow(high);
        let members: Vec<u32> = std::iter::once(high)
            .chain(self.merged.iter().copied().filter(|&m| self.is(m, high)))
            .collect();
        for member in members {
            if let Some(slot) = self.canonical.get_mut(member as usize) {
                *slot = low;
            }
        }
        if let Err(position) = self.merged.binary_search(&high) {
            self.merged.insert(position, high);
        }
        self.version += 1;
        true
    }

    /// Builds the map of many links at once, in near-linear time; the version is the number of links given.
    #[must_use]
    pub fn from_links(links: &[(PersonNumber, PersonNumber)]) -> Self {
        let mut map = Self::default();
        for &(one, other) in links {
            map.grow(one.0.max(other.0));
            let (one, other) = (map.find(one.0), map.find(other.0));
            if let Some(slot) = map.canonical.get_mut(one.max(other) as usize) {
                *slot = one.min(other);
            }
        }
        for number in 0..u32::try_from(map.canonical.len()).unwrap_or(u32::MAX) {
            let root = map.find(number);
            if root != number {
                map.merged.push(number);
            }
        }
        map.version = links.len() as u64;
        map
    }

    /// All numbers of the person that `person` belongs to, ascending.
    #[must_use]
    pub fn cluster(&self, person: PersonNumber) -> Vec<PersonNumber> {
        let canonical = self.canonical(person).0;
        std::iter::once(canonical)
            .chain(
                self.merged
                    .iter()
                    .copied()
                    .filter(|&member| self.is(member, canonical)),
            )
            .map(PersonNumber)
            .collect()
    }

    fn is(&self, member: u32, canonical: u32) -> bool {
        self.canonical.get(member as usize) == Some(&canonical)
    }

    fn grow(&mut self, number: u32) {
        let len = u32::try_from(self.canonical.len()).unwrap_or(u32::MAX);
        if number >= len {
            self.canonical.extend(len..=number);
        }
    }

    fn find(&mut self, number: u32) -> u32 {
        let mut root = number;
        while let Some(&parent) = self.canonical.get(root as usize)
            && parent != root
        {
            root = parent;
        }
        let mut at = number;
        while let Some(slot) = self.canonical.get_mut(at as usize)
            && *slot != root
        {
            at = std::mem::replace(slot, root);
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use super::MergeMap;
    use crate::PersonNumber;
    use proptest::prelude::*;

    fn naive(links: &[(u32, u32)], n: u32) -> Vec<u32> {
        let mut label: Vec<u32> = (0..n).collect();
        for &(a, b) in links {
            let (a, b) = (label[a as usize], label[b as usize]);
            for slot in &mut label {
                if *slot == a.max(b) {
                    *slot = a.min(b);
                }
            }
        }
        label
    }

    proptest! {
        #[test]
        fn both_ways_of_building_agree_with_relabelling(links in prop::collection::vec((0u32..40, 0u32..40), 0..60)) {
            let expected = naive(&links, 40);
            let numbers: Vec<_> = links.iter().map(|&(a, b)| (PersonNumber(a), PersonNumber(b))).collect();
            let bulk = MergeMap::from_links(&numbers);
            let mut step = MergeMap::new();
            for &(a, b) in &numbers {
                step.link(a, b);
            }
            for number in 0..40u32 {
                prop_assert_eq!(bulk.canonical(PersonNumber(number)).0, expected[number as usize]);
                prop_assert_eq!(step.canonical(PersonNumber(number)).0, expected[number as usize]);
            }
            prop_assert_eq!(bulk.merged(), step.merged());
            for number in 0..40u32 {
                let cluster: Vec<u32> = bulk.cluster(PersonNumber(number)).iter().map(|p| p.0).collect();
                let wanted: Vec<u32> = (0..40).filter(|&m| expected[m as usize] == expected[number as usize]).collect();
                prop_assert_eq!(cluster, wanted);
            }
        }
    }
}
