//! A version in parts: each file, and each day's tail, with its columns on demand.
//!
//! For reports that follow people through time: they read the hot columns of every part and others only where they must.
//! Invariant: every column of a part has the part's rows in the same order, by (person, time, seq); a part may hold rows outside
//! the range that was asked for, and of any event.

use crate::StoreError;
use crate::batch::{Codes, Column, ColumnBatch, ColumnData, ScanRequest};
use crate::hot::{HotCache, HotColumns};
use crate::scan::{Coder, scan_file, sources, tail_column};
use crate::schema::ProjectSchema;
use crate::version::{DataFile, TailRow, Version};
use cofferdam_model::{Day, ProjectName, TimestampMs};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Rows of one UTC day that were sorted together.
#[derive(Clone, Debug)]
pub struct Part {
    day: Day,
    pub(crate) rows: Rows,
    pub(crate) schema: Arc<ProjectSchema>,
    hot: Arc<HotCache>,
}

#[derive(Clone, Debug)]
pub(crate) enum Rows {
    File(Arc<DataFile>),
    Tail(Arc<[TailRow]>),
}

/// The parts with rows in a range, by day; the tail of a day comes after its files.
pub(crate) fn parts(
    version: &Version,
    hot: &Arc<HotCache>,
    project: &ProjectName,
    from: TimestampMs,
    to: TimestampMs,
) -> Vec<Part> {
    let Some(view) = version.projects.get(project) else {
        return Vec::new();
    };
    let part = |day, rows| Part {
        day,
        rows,
        schema: Arc::clone(&view.schema),
        hot: Arc::clone(hot),
    };
    let mut days: BTreeMap<Day, Vec<Part>> = BTreeMap::new();
    for file in view.days.values().flatten() {
        if file.time_min < to && file.time_max >= from {
            let rows = Rows::File(Arc::clone(file));
            days.entry(file.day).or_default().push(part(file.day, rows));
        }
    }
    let mut tail: BTreeMap<Day, Vec<TailRow>> = BTreeMap::new();
    let is_wanted =
        |row: &TailRow| row.event.project == *project && (from..to).contains(&row.event.time);
    for row in version.tail(is_wanted) {
        tail.entry(row.event.time.day()).or_default().push(row);
    }
    for (day, mut rows) in tail {
        rows.sort_unstable_by_key(TailRow::order);
        days.entry(day)
            .or_default()
            .push(part(day, Rows::Tail(rows.into())));
    }
    days.into_values().flatten().collect()
}

impl Part {
    /// The UTC day.
    #[must_use]
    pub fn day(&self) -> Day {
        self.day
    }

    /// Whether any of these events may be in it; `None` stands for all events.
    #[must_use]
    pub fn has_any(&self, events: Option<&[Arc<str>]>) -> bool {
        match &self.rows {
            Rows::File(file) => file.has_any(events),
            Rows::Tail(_) => true,
        }
    }

    /// Who, when and what. Blocking.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn hot(&self) -> Result<Arc<HotColumns>, StoreError> {
        let rows = match &self.rows {
            Rows::File(file) => return self.hot.of(file),
            Rows::Tail(rows) => rows,
        };
        let mut event = Coder::default();
        for row in rows.iter() {
            event.push(&row.event.name);
        }
        let person: Vec<u32> = rows.iter().map(|row| row.event.person.0).collect();
        let time: Vec<i64> = rows.iter().map(|row| row.event.time.0).collect();
        let mut hot = HotColumns::default();
        hot.extend(self.day, &person, &time, &event.codes)?;
        Ok(Arc::new(hot))
    }

    /// Other columns, in the order asked. Blocking.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn columns(&self, columns: &[Column]) -> Result<Vec<ColumnData>, StoreError> {
        let file = match &self.rows {
            Rows::Tail(rows) => {
                return Ok(columns
                    .iter()
                    .map(|column| tail_column(rows, column))
                    .collect());
            }
            Rows::File(file) => file,
        };
        let request = ScanRequest {
            from: TimestampMs(i64::MIN),
            to: TimestampMs(i64::MAX),
            columns: columns.to_vec(),
            events: None,
        };
        let mut all: Vec<Option<ColumnData>> = columns.iter().map(|_| None).collect();
        let sources = sources(&self.schema, columns);
        let _ = scan_file(file, &request, &sources, &mut |batch: ColumnBatch| {
            for (all, next) in all.iter_mut().zip(batch.columns) {
                *all = Some(match all.take() {
                    None => next,
                    Some(before) => before.append(next),
                });
            }
            ControlFlow::Continue(())
        })?;
        Ok(all
            .into_iter()
            .map(|column| column.unwrap_or(ColumnData::Absent(0)))
            .collect())
    }
}

impl ColumnData {
    /// This column, then the other one.
    fn append(self, other: Self) -> Self {
        match (self, other) {
            (Self::Absent(one), Self::Absent(other)) => Self::Absent(one + other),
            (Self::Bool(one), Self::Bool(other)) => Self::Bool([one, other].concat()),
            (Self::Int(one), Self::Int(other)) => Self::Int([one, other].concat()),
            (Self::Float(one), Self::Float(other)) => Self::Float([one, other].concat()),
            (Self::Text(one), Self::Text(other)) => Self::Text(one.append(&other)),
            (one, other) => Self::Mixed(
                [&one, &other]
                    .into_iter()
                    .flat_map(|column| (0..column.len()).map(|row| column.scalar(row)))
                    .collect(),
            ),
        }
    }
}

impl Codes {
    /// These codes, then the others'. Batches of a file mostly share their names.
    fn append(mut self, other: &Self) -> Self {
        if self.names == other.names {
            self.codes.extend_from_slice(&other.codes);
            return self;
        }
        let mut coder = Coder::of(self);
        for row in 0..other.codes.len() {
            match other.text(row) {
                Some(text) => coder.push(text),
                None => coder.codes.codes.push(Self::NULL),
            }
        }
        coder.codes
    }
}
