//! Random operations on the ledger and on the model; every answer must be equal.

use super::model::{Model, Row, field_sets, seen_in};
use crate::{
    Basis, BatchId, Coverage, FieldSetId, Items, Ledger, LedgerOptions, Outcome, PossibleItem,
    RadiusRequest, Routing, SentRecord,
};
use cofferdam_model::{Category, Day, OrganizationNumber, PersonNumber, VendorId};
use proptest::prelude::*;
use std::path::Path;

pub(crate) const DAY: i32 = 20_000;
const VENDORS: [&str; 2] = ["mixpanel", "other"];

#[derive(Clone, Debug)]
enum Step {
    Possible(usize, i32, Vec<(Option<u32>, Option<u32>, usize, bool)>),
    Settle(usize, usize, u8),
    Link(u32, u32),
    Delete(usize, Vec<u32>, i32),
    Checkpoint,
    Reopen,
    Rebuild,
    Ask(usize, i32, i32, Option<u32>, bool),
}

fn person() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..40, 65_530u32..65_545, Just(200_000)]
}

fn step() -> impl Strategy<Value = Step> {
    let item = (
        prop::option::weighted(0.9, person()),
        prop::option::of(0u32..5),
        0usize..5,
        any::<bool>(),
    );
    prop_oneof![
        6 => (0usize..2, 0i32..70, prop::collection::vec(item, 1..12))
            .prop_map(|(vendor, day, items)| Step::Possible(vendor, day, items)),
        4 => (any::<usize>(), 0usize..12, 0u8..6).prop_map(|(b, at, how)| Step::Settle(b, at, how)),
        1 => (person(), person()).prop_map(|(one, other)| Step::Link(one, other)),
        1 => (0usize..2, prop::collection::vec(person(), 1..4), 0i32..70)
            .prop_map(|(vendor, persons, day)| Step::Delete(vendor, persons, day)),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rebuild),
        4 => (0usize..2, 0i32..70, 0i32..70, prop::option::of(0u32..80), any::<bool>())
            .prop_map(|(v, since, len, retention, held)| Step::Ask(v, since, len, retention, held)),
    ]
}

pub(crate) fn open(dir: &Path) -> Ledger {
    Ledger::open(LedgerOptions::new(dir)).unwrap()
}

pub(crate) fn sets_of(ledger: &Ledger) -> Vec<FieldSetId> {
    let sets = field_sets();
    sets.iter().map(|s| ledger.field_set(s).unwrap()).collect()
}

pub(crate) fn coverage() -> Coverage {
    Coverage {
        routing: Routing::Routed,
        complete_from: Some(Day(DAY - 10)),
        complete_through: Some(Day(DAY + 1_000)),
        nothing_before: true,
        gaps: Vec::new(),
    }
}

pub(crate) fn request(vendor: usize, since: i32, until: i32, basis: Basis) -> RadiusRequest {
    RadiusRequest {
        vendor: VendorId::from(VENDORS[vendor]),
        since: Day(DAY + since),
        until: Day(DAY + until),
        basis,
        retention_verified_days: None,
        retention_claimed_days: None,
        known: Category::all().collect(),
    }
}

struct Run {
    dir: tempfile::TempDir,
    ledger: Ledger,
    sets: Vec<FieldSetId>,
    model: Model,
    batches: Vec<(BatchId, usize)>,
}

impl Run {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        Self {
            sets: sets_of(&ledger),
            ledger,
            dir,
            model: Model::default(),
            batches: Vec::new(),
        }
    }

    fn possible(
        &mut self,
        vendor: usize,
        day: i32,
        items: &[(Option<u32>, Option<u32>, usize, bool)],
    ) {
        let given: Vec<PossibleItem> = items
            .iter()
            .map(|&(person, organization, set, is_event)| PossibleItem {
                person: person.map(PersonNumber),
                organization: organization.map(OrganizationNumber),
                fields: self.sets[set],
                is_event,
            })
            .collect();
        let batch = self
            .ledger
            .possible(&VendorId::from(VENDORS[vendor]), Day(DAY + day), &given)
            .unwrap();
        self.batches.push((batch, items.len()));
        for (position, &(person, organization, set, is_event)) in items.iter().enumerate() {
            self.model.rows.push(Row {
                vendor,
                day: Day(DAY + day),
                person,
                organization,
                set,
                is_event,
                delivered: false,
                batch: batch.0,
                position: position as u32,
                settled: false,
            });
        }
    }

    fn settle(&mut self, batch: usize, at: usize, how: u8) {
        if self.batches.is_empty() {
            return;
        }
        let (id, len) = self.batches[batch % self.batches.len()];
        let one = (at % len) as u32;
        let (outcome, delivered, chosen): (Outcome, bool, Option<u32>) = match how {
            0 | 1 => (Outcome::delivered(), true, None),
            2 => (Outcome::refused(), false, None),
            3 => (Outcome::unknown(), false, None),
            4 => (
                Outcome {
                    delivered: Items::At(vec![one]),
                    ..Outcome::default()
                },
                true,
                Some(one),
            ),
            _ => (
                Outcome {
                    refused: Items::At(vec![one]),
                    ..Outcome::default()
                },
                false,
                Some(one),
            ),
        };
        self.ledger.settle(id, &outcome).unwrap();
        let rows = self.model.rows.iter_mut();
        for row in rows.filter(|row| row.batch == id.0 && !row.settled) {
            if chosen.is_none_or(|position| position == row.position) {
                row.settled = true;
                row.delivered = delivered && row.person.is_some();
            }
        }
    }

    fn reopen(&mut self) {
        self.ledger = open(self.dir.path());
        // Handles are per process, and another order must not matter.
        let mut sets: Vec<_> = field_sets().into_iter().enumerate().collect();
        sets.reverse();
        for (at, fields) in sets {
            self.sets[at] = self.ledger.field_set(&fields).unwrap();
        }
    }

    /// A rebuild from all that was sent changes nothing.
    fn rebuild(&self) {
        let records = self.model.rows.iter().map(|row| SentRecord {
            vendor: VendorId::from(VENDORS[row.vendor]),
            day: row.day,
            item: PossibleItem {
                person: row.person.map(PersonNumber),
                organization: row.organization.map(OrganizationNumber),
                fields: self.sets[row.set],
                is_event: row.is_event,
            },
            delivered: row.delivered,
        });
        assert_eq!(
            self.ledger.rebuild(records).unwrap(),
            self.model.rows.len() as u64
        );
    }

    fn ask(&self, vendor: usize, request: &RadiusRequest) {
        let merges = self.model.merges();
        let radius = self
            .ledger
            .radius_of(request, &merges, &coverage())
            .unwrap();
        let expected = self.model.expected(vendor, request);
        if request.retention_verified_days.is_some() {
            let found = seen_in(&radius);
            let expected = expected.rounded(&found);
            assert_eq!(found, expected);
        } else {
            assert_eq!(seen_in(&radius), expected);
        }
        let people: Vec<_> = self
            .ledger
            .radius_people_of(request, &merges)
            .unwrap()
            .collect();
        assert_eq!(people.len() as u64, radius.people);
        let possible = people.iter().filter(|person| !person.delivered).count();
        assert_eq!(possible as u64, radius.people_possible);
        for field in &radius.fields {
            let with = |of: &&crate::PersonRadius| {
                of.fields.iter().any(|k| {
                    (&k.path, k.category, k.form) == (&field.field, field.category, field.form)
                })
            };
            assert_eq!(people.iter().filter(with).count() as u64, field.people);
        }
    }

    /// One person over all vendors.
    fn ask_person(&self, person: u32) {
        let merges = self.model.merges();
        let cluster = merges.cluster(merges.canonical(PersonNumber(person)));
        let found = self.ledger.person_of(&cluster).unwrap();
        let sets = field_sets();
        let mut expected = std::collections::BTreeMap::new();
        for row in &self.model.rows {
            if row
                .person
                .is_some_and(|p| cluster.contains(&PersonNumber(p)))
            {
                for field in &sets[row.set] {
                    let days = expected
                        .entry((VENDORS[row.vendor], field.clone()))
                        .or_insert((row.day, row.day));
                    *days = (days.0.min(row.day), days.1.max(row.day));
                }
            }
        }
        assert_eq!(found.len(), expected.len());
        for ((vendor, field), (first, last)) in expected {
            assert!(found.iter().any(|e| {
                e.vendor.as_str() == vendor
                    && e.field == field.path
                    && e.form == field.form
                    && (e.first, e.last) == (first, last)
            }));
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Possible(vendor, day, items) => self.possible(*vendor, *day, items),
            Step::Settle(batch, at, how) => self.settle(*batch, *at, *how),
            Step::Link(one, other) => {
                self.model
                    .links
                    .push((PersonNumber(*one), PersonNumber(*other)));
            }
            Step::Delete(vendor, persons, day) => {
                let numbers: Vec<_> = persons.iter().copied().map(PersonNumber).collect();
                let (vendor_id, as_of) = (VendorId::from(VENDORS[*vendor]), Day(DAY + day));
                self.ledger
                    .deletion_confirmed(&vendor_id, &numbers, as_of)
                    .unwrap();
                self.model.deleted.push((*vendor, persons.clone(), as_of));
            }
            Step::Checkpoint => self.ledger.checkpoint().unwrap(),
            Step::Reopen => self.reopen(),
            Step::Rebuild => self.rebuild(),
            Step::Ask(vendor, since, len, retention, held) => {
                let basis = if *held { Basis::Held } else { Basis::Sent };
                let mut request = request(*vendor, *since, since + len, basis);
                request.retention_verified_days = *retention;
                self.ask(*vendor, &request);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_answer_equals_the_naive_model(steps in prop::collection::vec(step(), 1..60), person in person()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
        for vendor in 0..2 {
            run.ask(vendor, &request(vendor, 0, 140, Basis::Sent));
            run.ask(vendor, &request(vendor, 12, 42, Basis::Sent));
            run.ask(vendor, &request(vendor, 0, 140, Basis::Held));
        }
        run.ask_person(person);
        run.ledger.verify().unwrap();
        run.reopen();
        run.ask(0, &request(0, 0, 140, Basis::Sent));
        run.ledger.verify().unwrap();
    }
}
