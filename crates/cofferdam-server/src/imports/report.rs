//! What became of an import: what was kept, refused and already there, and what each field was taken for.
//!
//! Invariant: names of fields, categories, forms and reasons with counts; never a value.

use crate::pipeline::Imported;
use crate::projector::home_form;
use cofferdam_model::{Category, Day, Form, Refusal};
use cofferdam_policy::{Policy, Record, ShapeField};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use utoipa::ToSchema;

/// Most fields that a report lists; the others are counted.
const FIELDS_MAX: usize = 2_000;

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Lines read, empty ones included.
    pub lines: u64,
    /// Events that are durable, those that were already there included.
    pub events: u64,
    /// Profile updates that are durable.
    pub updates: u64,
    /// Events that were already there when they came: repeated in the file, imported before, or taken by a run that was killed.
    pub already_there: u64,
    /// Events and updates, or lines, that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// First UTC day of the events.
    #[schema(value_type = Option<String>)]
    pub first_day: Option<Day>,
    /// Last UTC day of the events.
    #[schema(value_type = Option<String>)]
    pub last_day: Option<Day>,
    /// Values that were found to be secrets, and dropped.
    pub secrets_dropped: u64,
    /// Events and profiles that are in the ledger as what the vendor had.
    pub in_ledger: u64,
    /// What each field was taken for, ascending by path.
    pub fields: Vec<ImportedField>,
    /// Values of fields that are not listed, because there are too many.
    pub fields_left_out: u64,
}

/// One field of an import.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct ImportedField {
    /// Path with its prefix.
    pub path: String,
    /// What it was taken for.
    #[schema(value_type = String)]
    pub category: Category,
    /// The form in which home keeps it; `withheld` where it does not.
    #[schema(value_type = String)]
    pub form: Form,
    /// Why it is withheld: the refusal's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// How many values.
    pub count: u64,
}

/// The shapes of some records: those of an export have one of a few.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// Each shape, and how many records have it.
    pub(super) all: Vec<(Arc<[ShapeField]>, u64)>,
    /// Of each record: which of them.
    pub(super) of: Vec<usize>,
}

impl Shapes {
    pub(super) fn new(records: &[Record]) -> Self {
        let mut shapes = Self::default();
        let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
        for record in records {
            let shape = record.shape();
            let alike = known.entry(hash(&shape)).or_default();
            let found = alike.iter().copied().find(|at| {
                let known = shapes.all.get(*at);
                known.is_some_and(|(known, _)| *known == shape)
            });
            let at = found.unwrap_or_else(|| {
                alike.push(shapes.all.len());
                shapes.all.push((shape, 0));
                shapes.all.len() - 1
            });
            if let Some((_, count)) = shapes.all.get_mut(at) {
                *count += 1;
            }
            shapes.of.push(at);
        }
        shapes
    }
}

fn hash(shape: &[ShapeField]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for field in shape {
        field.path.hash(&mut hasher);
        field.refusal.hash(&mut hasher);
    }
    hasher.finish()
}

impl ImportReport {
    /// Adds a stretch.
    pub(super) fn add(
        &mut self,
        policy: &Policy,
        shapes: &Shapes,
        imported: &Imported,
        lines: u64,
    ) {
        self.lines += lines;
        self.already_there += imported.duplicates as u64;
        for rejected in &imported.rejected {
            let code = rejected.refusal.code().to_owned();
            *self.refused.entry(code).or_default() += 1;
        }
        for record in &imported.records {
            if record.is_event() {
                self.events += 1;
                let day = record.time().day();
                self.first_day = Some(self.first_day.map_or(day, |first| first.min(day)));
                self.last_day = Some(self.last_day.map_or(day, |last| last.max(day)));
            } else {
                self.updates += 1;
            }
        }
        self.add_fields(policy, shapes);
    }

    fn add_fields(&mut self, policy: &Policy, shapes: &Shapes) {
        let fields = std::mem::take(&mut self.fields).into_iter();
        let mut counts: BTreeMap<ImportedField, u64> = fields
            .map(|field| {
                (
                    ImportedField {
                        count: 0,
                        ..field.clone()
                    },
                    field.count,
                )
            })
            .collect();
        let fields = shapes.all.iter().flat_map(|(shape, count)| {
            let fields = shape.iter();
            fields.map(move |field| ((&field.path, &field.category, &field.refusal), count))
        });
        for ((path, category, refusal), count) in fields {
            if *refusal == Some(Refusal::Secret) {
                self.secrets_dropped += count;
            }
            let field = ImportedField {
                path: path.to_string(),
                category: *category,
                form: match refusal {
                    None => home_form(policy, *category),
                    Some(_) => Form::Withheld,
                },
                refusal: refusal.map(|refusal| refusal.code().to_owned()),
                count: 0,
            };
            if counts.len() >= FIELDS_MAX && !counts.contains_key(&field) {
                self.fields_left_out += count;
            } else {
                *counts.entry(field).or_default() += count;
            }
        }
        let counts = counts.into_iter();
        self.fields = counts
            .map(|(field, count)| ImportedField { count, ..field })
            .collect();
    }
}
