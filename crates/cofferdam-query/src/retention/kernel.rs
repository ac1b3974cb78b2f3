//! Births and returns, row by row as the sweep brings them.
//!
//! Invariant: a person's rows come in time order, so that the first birth is the first; memory is bounded by the number of births.

use crate::QueryError;
use crate::sweep::Hits;

/// Bit of a birth in a row's mask.
pub(crate) const BORN: u32 = 1;
/// Bit of a return.
pub(crate) const RETURNED: u32 = 2;

/// Which bucket a return falls into.
#[derive(Debug)]
pub(crate) enum Axis {
    /// By milliseconds since the birth.
    Rolling {
        /// Milliseconds.
        unit: i64,
    },
    /// By the number of calendar units since the birth's.
    Calendar,
}

/// The rules, made ready.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) axis: Axis,
    /// Where buckets end, in units.
    pub(crate) ends: Vec<u32>,
    /// Whether buckets are one unit each, so that nothing needs to be searched.
    pub(crate) even: bool,
    /// Whether returns after the last bucket matter; they stand in one more, which is not shown.
    pub(crate) beyond: bool,
    pub(crate) recurring: bool,
    pub(crate) birth_returns: bool,
}

/// Somebody's membership in a cohort.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    /// The one before of the same person, plus one.
    next: u32,
    /// Calendar unit of the birth.
    pub(crate) unit: u32,
    pub(crate) time: i64,
    pub(crate) value: u32,
}

/// All births so far.
#[derive(Debug)]
pub(crate) struct Births<'a> {
    rules: &'a Rules,
    /// Per person the last birth, plus one.
    last: Vec<u32>,
    pub(crate) all: Vec<Birth>,
    /// Per birth the buckets with a return, a bit each.
    returns: Vec<u64>,
    /// Words per birth.
    words: usize,
    births_max: usize,
}

impl<'a> Births<'a> {
    pub(crate) fn new(rules: &'a Rules, bytes_max: usize) -> Self {
        let words = (rules.ends.len() + 1).div_ceil(64);
        Self {
            rules,
            last: Vec::new(),
            all: Vec::new(),
            returns: Vec::new(),
            words,
            births_max: bytes_max / (size_of::<Birth>() + 8 * words),
        }
    }

    /// Adds a day's rows. `unit_of` finds a time's calendar unit; `is_cohort` says whether births of it are asked for.
    pub(crate) fn add(
        &mut self,
        hits: &Hits,
        unit_of: &impl Fn(i64) -> u32,
    ) -> Result<(), QueryError> {
        let values = hits.values.first();
        let rows = hits.person.iter().zip(&hits.time).zip(&hits.mask);
        for (at, ((&person, &time), &mask)) in rows.enumerate() {
            let (place, time) = (person as usize, hits.start + i64::from(time));
            let known = self.last.get(place).copied().unwrap_or(0);
            let mut is_birth = false;
            if mask & BORN != 0 && (known == 0 || self.rules.recurring) {
                let unit = unit_of(time);
                let same = known
                    .checked_sub(1)
                    .and_then(|last| self.all.get(last as usize))
                    .is_some_and(|last| last.unit == unit);
                if !same {
                    let value = values
                        .and_then(|values| values.get(at))
                        .copied()
                        .unwrap_or(0);
                    self.bear(
                        place,
                        Birth {
                            next: known,
                            unit,
                            time,
                            value,
                        },
                    )?;
                    is_birth = true;
                }
            }
            if mask & RETURNED != 0 && (known != 0 || is_birth) {
                self.come_back(place, time, is_birth, unit_of);
            }
        }
        Ok(())
    }

    fn bear(&mut self, person: usize, birth: Birth) -> Result<(), QueryError> {
        if self.all.len() >= self.births_max {
            return Err(QueryError::TooLarge {
                path: "from".to_owned(),
                message: "keeping so many births takes too much memory; ask for fewer days"
                    .to_owned(),
            });
        }
        if person >= self.last.len() {
            self.last.resize((person + 1).max(self.last.len() * 2), 0);
        }
        self.all.push(birth);
        self.returns.resize(self.all.len() * self.words, 0);
        if let Some(last) = self.last.get_mut(person) {
            *last = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        }
        Ok(())
    }

    /// Marks the bucket of a return, in every cohort that the person is in. The event of a birth is none in the cohort that it began,
    /// unless it is asked for.
    fn come_back(
        &mut self,
        person: usize,
        time: i64,
        is_birth: bool,
        unit_of: &impl Fn(i64) -> u32,
    ) {
        let mut next = self.last.get(person).copied().unwrap_or(0);
        let mut skip = is_birth && !self.rules.birth_returns;
        while let Some(number) = next.checked_sub(1) {
            let Some(birth) = self.all.get(number as usize).copied() else {
                return;
            };
            next = birth.next;
            if std::mem::take(&mut skip) {
                continue;
            }
            let units = match self.rules.axis {
                Axis::Rolling { unit } => (time - birth.time) / unit,
                Axis::Calendar => i64::from(unit_of(time)) - i64::from(birth.unit),
            };
            if let Some(bucket) = self.bucket(units) {
                let word = number as usize * self.words + bucket / 64;
                if let Some(word) = self.returns.get_mut(word) {
                    *word |= 1 << (bucket % 64);
                }
            }
        }
    }

    fn bucket(&self, units: i64) -> Option<usize> {
        let units = usize::try_from(units).ok()?;
        let ends = &self.rules.ends;
        let bucket = if self.rules.even {
            units
        } else {
            ends.partition_point(|end| *end as usize <= units)
        };
        let bucket = bucket.min(ends.len());
        (bucket < ends.len() || self.rules.beyond).then_some(bucket)
    }

    /// Whether a birth has a return in a bucket.
    pub(crate) fn is_back(&self, birth: usize, bucket: usize) -> bool {
        let word = self.returns.get(birth * self.words + bucket / 64);
        word.is_some_and(|word| word >> (bucket % 64) & 1 == 1)
    }
}
