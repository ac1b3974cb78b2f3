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

/// Somebody's membership in a cohort. It lies where the person's number says, so that a day's rows, which come by number, find
/// it near the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth<const W: usize> {
    /// [`NEVER`] where the person was not born.
    pub(crate) time: i64,
    /// Calendar unit of the birth.
    unit: u32,
    pub(crate) value: u32,
    /// The buckets with a return, a bit each.
    returns: [u64; W],
    /// The person's birth before this one in [`Births::earlier`], plus one.
    next: u32,
}

/// The time of a birth that was none.
const NEVER: i64 = i64::MIN;

impl<const W: usize> Birth<W> {
    const NONE: Self = Self {
        time: NEVER,
        unit: 0,
        value: 0,
        returns: [0; W],
        next: 0,
    };

    /// Whether somebody came back in a bucket.
    pub(crate) fn is_back(&self, bucket: usize) -> bool {
        let word = self.returns.get(bucket / 64);
        word.is_some_and(|word| word >> (bucket % 64) & 1 == 1)
    }
}

/// All births so far. `W` words hold a bit for each bucket.
#[derive(Debug)]
pub(crate) struct Births<'a, const W: usize> {
    rules: &'a Rules,
    /// Per person the last birth.
    last: Vec<Birth<W>>,
    /// Births that another one of the same person came after.
    earlier: Vec<Birth<W>>,
    births_max: usize,
}

impl<'a, const W: usize> Births<'a, W> {
    pub(crate) fn new(rules: &'a Rules, bytes_max: usize) -> Self {
        Self {
            rules,
            last: Vec::new(),
            earlier: Vec::new(),
            births_max: bytes_max / size_of::<Birth<W>>(),
        }
    }

    /// All births.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Birth<W>> {
        let is_birth = |birth: &&Birth<W>| birth.time != NEVER;
        self.last.iter().filter(is_birth).chain(&self.earlier)
    }

    /// All births of a person.
    pub(crate) fn of(&self, person: usize) -> impl Iterator<Item = &Birth<W>> {
        let last = self.last.get(person).filter(|birth| birth.time != NEVER);
        std::iter::successors(last, |birth| {
            self.earlier.get(birth.next.checked_sub(1)? as usize)
        })
    }

    /// One more than the highest person who may be born.
    pub(crate) fn people(&self) -> usize {
        self.last.len()
    }

    /// Adds a day's rows. `unit_of` finds a time's calendar unit.
    pub(crate) fn add(
        &mut self,
        hits: &Hits,
        unit_of: &impl Fn(i64) -> u32,
    ) -> Result<(), QueryError> {
        let most = hits.person.iter().max().map_or(0, |max| *max as usize + 1);
        if most + self.earlier.len() > self.births_max {
            return Err(QueryError::TooLarge {
                path: "from".to_owned(),
                message: "keeping so many people takes too much memory; ask for fewer days"
                    .to_owned(),
            });
        }
        if most > self.last.len() {
            self.last.resize(most, Birth::NONE);
        }
        let values = hits.values.first();
        let rows = hits.person.iter().zip(&hits.time).zip(&hits.mask);
        for (at, ((&person, &time), &mask)) in rows.enumerate() {
            let Some(last) = self.last.get_mut(person as usize) else {
                continue;
            };
            let time = hits.start + i64::from(time);
            let mut is_birth = false;
            if mask & BORN != 0 && (last.time == NEVER || self.rules.recurring) {
                let unit = unit_of(time);
                if last.time == NEVER || last.unit != unit {
                    let mut next = 0;
                    if last.time != NEVER {
                        self.earlier.push(*last);
                        next = u32::try_from(self.earlier.len()).unwrap_or(u32::MAX);
                    }
                    let value = values.and_then(|values| values.get(at));
                    *last = Birth {
                        time,
                        unit,
                        value: value.copied().unwrap_or(0),
                        returns: [0; W],
                        next,
                    };
                    is_birth = true;
                }
            }
            if mask & RETURNED == 0 || last.time == NEVER {
                continue;
            }
            // The event of a birth is no return in the cohort that it began, unless it is asked for.
            if !is_birth || self.rules.birth_returns {
                self.rules.come_back(last, time, unit_of);
            }
            let mut next = last.next;
            while let Some(birth) = next.checked_sub(1) {
                let Some(birth) = self.earlier.get_mut(birth as usize) else {
                    break;
                };
                self.rules.come_back(birth, time, unit_of);
                next = birth.next;
            }
        }
        Ok(())
    }
}

impl Rules {
    /// Marks the bucket of a return.
    #[inline]
    fn come_back<const W: usize>(
        &self,
        birth: &mut Birth<W>,
        time: i64,
        unit_of: &impl Fn(i64) -> u32,
    ) {
        let units = match self.axis {
            Axis::Rolling { unit } => (time - birth.time) / unit,
            Axis::Calendar => i64::from(unit_of(time)) - i64::from(birth.unit),
        };
        if let Some(bucket) = self.bucket(units)
            && let Some(word) = birth.returns.get_mut(bucket / 64)
        {
            *word |= 1 << (bucket % 64);
        }
    }

    fn bucket(&self, units: i64) -> Option<usize> {
        let units = usize::try_from(units).ok()?;
        let bucket = if self.even {
            units
        } else {
            self.ends.partition_point(|end| *end as usize <= units)
        };
        let bucket = bucket.min(self.ends.len());
        (bucket < self.ends.len() || self.beyond).then_some(bucket)
    }
}
