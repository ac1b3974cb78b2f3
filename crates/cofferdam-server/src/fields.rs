//! The fields that were seen: path, types, first day. What is new stands in the inbox until it is named.
//!
//! Fed by the projector from the shape of every record; kept in `control.db` with its cursor.
//! Invariant: names and types only, never a value; bounded by the limit on new field names.

use crate::rates::RateLimit;
use cofferdam_model::{Category, Day, ProjectName, TimestampMs};
use cofferdam_policy::{ShapeField, ValueType};
use sqlx::Row;
use sqlx::sqlite::SqlitePool;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Most fields remembered of one project; beyond that new ones are not listed.
const FIELDS_MAX: usize = 20_000;
const HOUR_MS: i64 = 3_600_000;

/// A field that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenField {
    /// UTC day on which it was first seen.
    pub first_day: Day,
    /// The types seen.
    pub types: BTreeSet<&'static str>,
    /// How often.
    pub count: u64,
    /// The category last decided.
    pub category: Category,
    /// The rule that decided it.
    pub rule: Arc<str>,
}

impl SeenField {
    /// The type seen that most rules hold for: text before numbers, numbers before flags.
    #[must_use]
    pub fn widest_type(&self) -> ValueType {
        [
            ValueType::Text,
            ValueType::Url,
            ValueType::Nested,
            ValueType::Number,
            ValueType::Integer,
            ValueType::Boolean,
        ]
        .into_iter()
        .find(|value_type| self.types.contains(name_of(*value_type)))
        .unwrap_or(ValueType::Null)
    }
}

#[derive(Debug, Default)]
struct State {
    fields: HashMap<ProjectName, BTreeMap<Arc<str>, SeenField>>,
    dirty: BTreeSet<(ProjectName, Arc<str>)>,
}

/// The fields of all projects.
#[derive(Debug)]
pub struct Fields {
    state: Mutex<State>,
    /// New names an hour of one project; what is beyond is not listed.
    new_names: RateLimit<ProjectName>,
}

impl Fields {
    /// Reads what was written before.
    ///
    /// # Errors
    /// Where `control.db` cannot be read.
    pub async fn open(pool: &SqlitePool, new_per_hour_max: u64) -> Result<Self, sqlx::Error> {
        let mut state = State::default();
        for row in sqlx::query("SELECT project, path, first_day, types, count FROM fields")
            .fetch_all(pool)
            .await?
        {
            let (project, path): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let (first_day, types, count): (i32, String, i64) =
                (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
            let field = SeenField {
                first_day: Day(first_day),
                types: types.split(',').filter_map(type_name).collect(),
                count: count.cast_unsigned(),
                category: Category::of("unclassified"),
                rule: Arc::from(""),
            };
            state
                .fields
                .entry(ProjectName::from(project.as_str()))
                .or_default()
                .insert(Arc::from(path), field);
        }
        Ok(Self {
            state: Mutex::new(state),
            new_names: RateLimit::new(new_per_hour_max, HOUR_MS),
        })
    }

    /// Takes note of the fields of some records, the first of which came at `received`. Returns how many new ones the limits
    /// left out.
    pub fn see(
        &self,
        project: &ProjectName,
        received: TimestampMs,
        shape: &[ShapeField],
        records: u64,
    ) -> u64 {
        let mut left_out = 0;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let fields = state.fields.entry(project.clone()).or_default();
        for field in shape {
            if let Some(seen) = fields.get_mut(&field.path) {
                seen.count += records;
                seen.category = field.category;
                seen.rule = Arc::clone(&field.rule);
                if seen.types.insert(name_of(field.value_type)) {
                    state
                        .dirty
                        .insert((project.clone(), Arc::clone(&field.path)));
                }
                continue;
            }
            let room = fields.len() < FIELDS_MAX;
            if !room || !self.new_names.take(project.clone(), 1, received) {
                left_out += records;
                continue;
            }
            let seen = SeenField {
                first_day: received.day(),
                types: BTreeSet::from([name_of(field.value_type)]),
                count: records,
                category: field.category,
                rule: Arc::clone(&field.rule),
            };
            fields.insert(Arc::clone(&field.path), seen);
            state
                .dirty
                .insert((project.clone(), Arc::clone(&field.path)));
        }
        left_out
    }

    /// The fields of a project, by path.
    #[must_use]
    pub fn of(&self, project: &ProjectName) -> Vec<(Arc<str>, SeenField)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .fields
            .get(project)
            .into_iter()
            .flatten()
            .map(|(path, seen)| (Arc::clone(path), seen.clone()))
            .collect()
    }

    /// How many fields of a project are known.
    #[must_use]
    pub fn len(&self, project: &ProjectName) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.fields.get(project).map_or(0, BTreeMap::len)
    }

    /// Writes what changed since the last write.
    ///
    /// # Errors
    /// Where it cannot be written; it is written again next time.
    pub async fn write(&self, pool: &SqlitePool) -> Result<(), sqlx::Error> {
        let rows: Vec<(ProjectName, Arc<str>, SeenField)> = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let field = |(project, path): &(ProjectName, Arc<str>)| {
                let seen = state.fields.get(project)?.get(path)?.clone();
                Some((project.clone(), Arc::clone(path), seen))
            };
            state.dirty.iter().filter_map(field).collect()
        };
        if rows.is_empty() {
            return Ok(());
        }
        let mut transaction = pool.begin().await?;
        for (project, path, seen) in &rows {
            sqlx::query("INSERT INTO fields VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET types = excluded.types, count = excluded.count")
                .bind(project.as_str())
                .bind(&**path)
                .bind(seen.first_day.0)
                .bind(seen.types.iter().copied().collect::<Vec<_>>().join(","))
                .bind(seen.count.cast_signed())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (project, path, _) in rows {
            state.dirty.remove(&(project, path));
        }
        Ok(())
    }
}

const TYPES: [&str; 7] = [
    "null", "boolean", "integer", "number", "text", "url", "nested",
];

fn type_name(text: &str) -> Option<&'static str> {
    TYPES.into_iter().find(|name| *name == text)
}

/// The name of a value's type in API and UI.
#[must_use]
pub fn name_of(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Null => "null",
        ValueType::Boolean => "boolean",
        ValueType::Integer => "integer",
        ValueType::Number => "number",
        ValueType::Text => "text",
        ValueType::Url => "url",
        ValueType::Nested => "nested",
    }
}
