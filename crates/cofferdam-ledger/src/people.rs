//! Who is in a radius, and what went where about one person.
//!
//! The first feeds the gated stream of people, the second a person's own page and erasure.
//! Invariant: a person's fields are exactly those whose group in the radius holds the person.

use crate::answer::United;
use crate::ledger::{Ledger, lock};
use crate::month::MonthFile;
use crate::state::vendor_stream;
use crate::union::{DELIVERED, PEOPLE};
use crate::{FieldKey, LedgerError, PersonExposure, PersonRadius, RadiusRequest};
use crate::{cell, portable};
use cell::{Cell, Kept, Meta, Span};
use cofferdam_access::{Export, Permit, ReadRadius};
use cofferdam_model::{Day, MergeMap, PersonNumber, VendorId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// First and last day by field.
type Days = BTreeMap<FieldKey, (Day, Day)>;

/// Iterates the people of a radius, ascending by canonical number.
#[derive(Debug)]
pub struct RadiusPeople {
    united: United,
    next: u32,
}

impl Iterator for RadiusPeople {
    type Item = PersonRadius;

    fn next(&mut self) -> Option<PersonRadius> {
        let people = self.united.groups.bits.get(PEOPLE)?;
        let mut at = (self.next >> 6) as usize;
        let mut word = people.get(at)? & (u64::MAX << (self.next & 63));
        while word == 0 {
            at += 1;
            word = *people.get(at)?;
        }
        let person = u32::try_from(at * 64).ok()? + word.trailing_zeros();
        self.next = person + 1;
        let in_group = |group: usize| {
            let bits = self.united.groups.bits.get(group);
            let word = bits.and_then(|bits| bits.get((person >> 6) as usize));
            word.is_some_and(|word| word >> (person & 63) & 1 == 1)
        };
        let fields = self.united.plan.fields.iter();
        Some(PersonRadius {
            person,
            delivered: !self.united.plan.track_delivered || in_group(DELIVERED),
            fields: fields
                .filter(|field| in_group(field.group))
                .map(|field| field.key.clone())
                .collect(),
        })
    }
}

impl Ledger {
    /// The people of a radius with their fields.
    ///
    /// # Errors
    /// As [`Ledger::radius`].
    pub fn radius_people(
        &self,
        _permit: &Permit<Export>,
        request: &RadiusRequest,
        merges: &MergeMap,
    ) -> Result<RadiusPeople, LedgerError> {
        self.radius_people_of(request, merges)
    }

    pub(crate) fn radius_people_of(
        &self,
        request: &RadiusRequest,
        merges: &MergeMap,
    ) -> Result<RadiusPeople, LedgerError> {
        let window = request.window(request.retention_verified_days)?;
        let united = self.united(&vendor_stream(&request.vendor), window, merges)?;
        Ok(RadiusPeople { united, next: 0 })
    }

    /// Everything that was ever sent about one person, by vendor and field; give all numbers of the person's cluster.
    ///
    /// # Errors
    /// [`LedgerError`] where files cannot be read.
    pub fn person(
        &self,
        _permit: &Permit<ReadRadius>,
        cluster: &[PersonNumber],
    ) -> Result<Vec<PersonExposure>, LedgerError> {
        self.person_of(cluster)
    }

    pub(crate) fn person_of(
        &self,
        cluster: &[PersonNumber],
    ) -> Result<Vec<PersonExposure>, LedgerError> {
        let numbers: Vec<u32> = cluster.iter().map(|person| person.0).collect();
        let mut streams = {
            let core = lock(&self.core)?;
            let mut streams = core.files.streams();
            let frozen = core.frozen.iter().map(|part| &part.delta);
            for delta in frozen.chain(std::iter::once(&core.state.delta)) {
                streams.extend(delta.days.keys().map(|(stream, _)| Arc::clone(stream)));
            }
            streams
        };
        streams.sort_unstable();
        streams.dedup();
        let mut out = Vec::new();
        for stream in streams {
            let Some(vendor) = stream.strip_prefix("v/") else {
                continue;
            };
            let vendor = VendorId::from(vendor);
            for (field, (first, last)) in self.person_at(&stream, &numbers)? {
                out.push(PersonExposure {
                    vendor: vendor.clone(),
                    field: field.path,
                    category: field.category,
                    form: field.form,
                    first,
                    last,
                });
            }
        }
        Ok(out)
    }

    fn person_at(&self, stream: &Arc<str>, numbers: &[u32]) -> Result<Days, LedgerError> {
        let (files, grown) = {
            let mut core = lock(&self.core)?;
            let files = core.files.of(stream, i32::MIN..=i32::MAX)?;
            (files, core.grown(stream, Day(i32::MIN)..=Day(i32::MAX)))
        };
        let mut days = Days::new();
        for file in files {
            if let Some(rollup) = &file.rollup
                && !any_of(&file, rollup, rollup.base, numbers)?
            {
                continue;
            }
            for meta in &file.cells {
                if !any_of(&file, meta, meta.base, numbers)? {
                    continue;
                }
                for (number, kept) in &meta.fields {
                    if let Some(field) = file.table.fields.get(*number as usize)
                        && any_with(&file, meta, *kept, numbers)?
                    {
                        note(&mut days, &field.key, meta.days.0);
                    }
                }
            }
        }
        for (day, cell) in grown {
            note_cell(&mut days, &cell, day, numbers);
        }
        Ok(days)
    }
}

fn note_cell(days: &mut Days, cell: &Cell, day: Day, numbers: &[u32]) {
    for (field, people) in &cell.fields {
        if numbers.iter().any(|&number| people.contains(number)) {
            note(days, &field.key, day);
        }
    }
}

fn note(days: &mut Days, field: &FieldKey, day: Day) {
    let known = days.entry(field.clone()).or_insert((day, day));
    *known = (known.0.min(day), known.1.max(day));
}

/// Whether any of the numbers has the field in a cell.
fn any_with(
    file: &MonthFile,
    meta: &Meta,
    kept: Kept,
    numbers: &[u32],
) -> Result<bool, LedgerError> {
    match kept {
        Kept::All => any_of(file, meta, meta.base, numbers),
        Kept::Own(span) => any_of(file, meta, span, numbers),
        Kept::Lacks(span) => {
            for &number in numbers {
                if any_of(file, meta, meta.base, &[number])?
                    && !any_of(file, meta, span, &[number])?
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// Whether a bitmap of a cell holds any of the numbers; reads that bitmap only.
fn any_of(file: &MonthFile, meta: &Meta, span: Span, numbers: &[u32]) -> Result<bool, LedgerError> {
    let bytes = file.part(meta.offset + u64::from(span.start), span.len as usize)?;
    for &number in numbers {
        match portable::contains(&bytes, number) {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => return Err(file.damaged(meta, "a bitmap does not parse")),
        }
    }
    Ok(false)
}
