//! The naive model: every exposure as a row, every answer by looking at all rows.

use crate::{Basis, FieldKey, Radius, RadiusRequest};
use cofferdam_model::{Category, Day, Form, MergeMap, PersonNumber};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) fn key(path: &str, category: &str, form: Form) -> FieldKey {
    FieldKey {
        path: Arc::from(path),
        category: Category::parse(category).unwrap(),
        form,
    }
}

/// The field sets that tests draw from.
pub(crate) fn field_sets() -> Vec<Vec<FieldKey>> {
    let id = key("distinct_id", "user.unique_id", Form::Token);
    let event = key("event", "user.behavior", Form::Clear);
    let city = key("properties.$city", "user.location", Form::Country);
    let email = key("profile.$email", "user.contact.email", Form::Token);
    let plan = key("properties.plan", "user.behavior", Form::Clear);
    let group = key("group.plan", "user.behavior", Form::Clear);
    vec![
        vec![id.clone(), event.clone()],
        vec![id.clone(), event.clone(), city.clone()],
        vec![id.clone(), event, city, plan],
        vec![id, email],
        vec![group],
    ]
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) vendor: usize,
    pub(crate) day: Day,
    pub(crate) person: Option<u32>,
    pub(crate) organization: Option<u32>,
    pub(crate) set: usize,
    pub(crate) is_event: bool,
    pub(crate) delivered: bool,
    pub(crate) batch: u64,
    pub(crate) position: u32,
    pub(crate) settled: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) rows: Vec<Row>,
    pub(crate) links: Vec<(PersonNumber, PersonNumber)>,
    /// Vendor, numbers, last day covered.
    pub(crate) deleted: Vec<(usize, Vec<u32>, Day)>,
}

#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Expected {
    people: u64,
    people_possible: u64,
    organizations: u64,
    events: u64,
    fields: Vec<(FieldKey, u64, Day, Day)>,
    categories: Vec<(Category, u64)>,
}

impl Model {
    pub(crate) fn merges(&self) -> MergeMap {
        MergeMap::from_links(&self.links)
    }

    fn is_lasting(row: &Row, field: &FieldKey) -> bool {
        !row.is_event || field.path.starts_with("profile.") || field.path.starts_with("group.")
    }

    pub(crate) fn expected(&self, vendor: usize, request: &RadiusRequest) -> Expected {
        let sets = field_sets();
        let merges = self.merges();
        let held = request.basis == Basis::Held;
        let oldest = match request.retention_verified_days {
            Some(days) if held => request.until.0 - days as i32,
            _ => i32::MIN,
        };
        let in_window = |row: &&Row| {
            row.vendor == vendor && row.day <= request.until && (held || row.day >= request.since)
        };
        let (mut people, mut delivered) = (BTreeSet::new(), BTreeSet::new());
        let mut organizations = BTreeSet::new();
        let mut fields: BTreeMap<FieldKey, (BTreeSet<u32>, Day, Day, bool)> = BTreeMap::new();
        let mut events = 0;
        for row in self.rows.iter().filter(in_window) {
            let young = row.day.0 >= oldest;
            let counting: Vec<&FieldKey> = sets[row.set]
                .iter()
                .filter(|field| young || Self::is_lasting(row, field))
                .collect();
            events += u64::from(row.is_event && young);
            let gone = held
                && row.person.is_some_and(|person| {
                    self.deleted.iter().any(|(of, numbers, as_of)| {
                        *of == vendor && numbers.contains(&person) && row.day <= *as_of
                    })
                });
            for field in &counting {
                let of = fields.entry((*field).clone()).or_insert((
                    BTreeSet::new(),
                    row.day,
                    row.day,
                    false,
                ));
                of.1 = of.1.min(row.day);
                of.2 = of.2.max(row.day);
                of.3 |= row.person.is_some();
                if let Some(person) = row.person.filter(|_| !gone) {
                    of.0.insert(merges.canonical(PersonNumber(person)).0);
                }
            }
            if !young && counting.is_empty() {
                continue;
            }
            organizations.extend(row.organization);
            if let Some(person) = row.person.filter(|_| !gone) {
                let canonical = merges.canonical(PersonNumber(person)).0;
                people.insert(canonical);
            }
        }
        // Delivery is known by person and day, not by field.
        for row in self
            .rows
            .iter()
            .filter(in_window)
            .filter(|row| row.delivered)
        {
            let person = row.person.unwrap();
            let held_that_day = self.rows.iter().filter(in_window).any(|other| {
                other.day == row.day
                    && other.person == row.person
                    && (row.day.0 >= oldest
                        || sets[other.set].iter().any(|f| Self::is_lasting(other, f)))
            });
            let gone = held
                && self.deleted.iter().any(|(of, numbers, as_of)| {
                    *of == vendor && numbers.contains(&person) && row.day <= *as_of
                });
            if held_that_day && !gone {
                delivered.insert(merges.canonical(PersonNumber(person)).0);
            }
        }
        let mut categories: BTreeMap<Category, (BTreeSet<u32>, bool)> = BTreeMap::new();
        for (field, (people, _, _, named)) in &fields {
            let of = categories.entry(field.category).or_default();
            of.0.extend(people);
            of.1 |= !named;
        }
        Expected {
            people: people.len() as u64,
            people_possible: people.difference(&delivered).count() as u64,
            organizations: organizations.len() as u64,
            events,
            fields: fields
                .into_iter()
                .filter(|(_, (people, _, _, named))| !people.is_empty() || !named)
                .map(|(field, (people, first, last, _))| (field, people.len() as u64, first, last))
                .collect(),
            categories: categories
                .into_iter()
                .filter(|(_, (people, nobody))| !people.is_empty() || *nobody)
                .map(|(category, (people, _))| (category, people.len() as u64))
                .collect(),
        }
    }
}

/// The same of an answer. Basis held does not promise organizations of what aged out.
pub(crate) fn seen_in(radius: &Radius) -> Expected {
    Expected {
        people: radius.people,
        people_possible: radius.people_possible,
        organizations: radius.organizations,
        events: radius.events,
        fields: radius
            .fields
            .iter()
            .map(|field| {
                let key = FieldKey {
                    path: Arc::clone(&field.field),
                    category: field.category,
                    form: field.form,
                };
                (key, field.people, field.first, field.last)
            })
            .collect(),
        categories: radius
            .categories
            .iter()
            .map(|category| (category.category, category.people))
            .collect(),
    }
}

impl Expected {
    /// Without what basis held with a retention may round up: organizations, and people without delivery (until a checkpoint
    /// joins a late confirmation with the day that it belongs to).
    pub(crate) fn rounded(mut self, most: &Self) -> Self {
        assert!(self.organizations <= most.organizations);
        assert!(self.people_possible <= most.people_possible);
        (self.organizations, self.people_possible) = (most.organizations, most.people_possible);
        self
    }
}
