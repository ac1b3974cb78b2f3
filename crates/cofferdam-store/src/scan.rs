//! The scan: one version's files and tail as column batches, day by day.
//!
//! Query asks with a [`ScanRequest`]; batches are plain columns.
//! Invariant: every row that the request wants comes exactly once, rows outside the time range or of other events never.

use crate::Map;
use crate::StoreError;
use crate::batch::{Codes, Column, ColumnBatch, ColumnData, Scalar, ScanRequest, pick};
use crate::read::{Reader, codes, data, overlay, times, u32s};
use crate::schema::{ProjectSchema, id};
use crate::version::{DataFile, ProjectView, TailRow, Version};
use cofferdam_model::{Day, ProjectName, TimestampMs};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Where a requested column is in a file.
pub(crate) struct Source {
    id: Option<i32>,
    /// The property's name, where some of its values are in `properties_rest`.
    in_rest: Option<Arc<str>>,
}

/// Yields the rows of a version. Blocking.
pub(crate) fn scan(
    version: &Version,
    project: &ProjectName,
    request: &ScanRequest,
    batch: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let Some(view) = version.projects.get(project) else {
        return Ok(());
    };
    let (from, to) = (request.from, request.to);
    let mut tail: BTreeMap<Day, Vec<TailRow>> = BTreeMap::new();
    for row in version.tail(|row| {
        row.event.project == *project
            && (from..to).contains(&row.event.time)
            && request
                .events
                .as_ref()
                .is_none_or(|events| events.iter().any(|event| **event == *row.event.name))
    }) {
        tail.entry(row.event.time.day()).or_default().push(row);
    }
    let mut days: Vec<Day> = view.days.keys().chain(tail.keys()).copied().collect();
    days.sort_unstable();
    days.dedup();
    let sources = sources(&view.schema, &request.columns);
    for day in days {
        if scan_files(view, day, request, &sources, batch)?.is_break() {
            return Ok(());
        }
        if let Some(mut rows) = tail.remove(&day) {
            rows.sort_unstable_by_key(TailRow::order);
            if batch(tail_batch(day, &rows, &request.columns)).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

pub(crate) fn sources(schema: &ProjectSchema, columns: &[Column]) -> Vec<Source> {
    columns
        .iter()
        .map(|column| match column {
            Column::Organization => Source {
                id: Some(id::ORGANIZATION),
                in_rest: None,
            },
            Column::Seq => Source {
                id: Some(id::SEQ),
                in_rest: None,
            },
            Column::Property(name) => match schema.property(name) {
                Some(property) => Source {
                    id: property.column.as_ref().map(|(id, _)| *id),
                    in_rest: property.in_rest.then(|| Arc::clone(name)),
                },
                // Beyond the limit of listed properties, or unknown.
                None => Source {
                    id: None,
                    in_rest: Some(Arc::clone(name)),
                },
            },
        })
        .collect()
}

fn scan_files(
    view: &ProjectView,
    day: Day,
    request: &ScanRequest,
    sources: &[Source],
    batch: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    for file in view.days.get(&day).into_iter().flatten() {
        let overlaps = file.time_min < request.to && file.time_max >= request.from;
        if overlaps
            && file.has_any(request.events.as_deref())
            && scan_file(file, request, sources, batch)?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

pub(crate) fn scan_file(
    file: &DataFile,
    request: &ScanRequest,
    sources: &[Source],
    batch: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    let mut wanted = vec![id::PERSON, id::TIME, id::EVENT];
    let mut column_of = |id: i32| {
        wanted
            .iter()
            .position(|known| *known == id)
            .unwrap_or_else(|| {
                wanted.push(id);
                wanted.len() - 1
            })
    };
    let positions: Vec<Option<usize>> = sources
        .iter()
        .map(|source| source.id.map(&mut column_of))
        .collect();
    let needs_rest = file.has_rest && sources.iter().any(|source| source.in_rest.is_some());
    let rest = needs_rest.then(|| column_of(id::REST));
    let whole = file.time_min >= request.from && file.time_max < request.to;
    for arrays in Reader::open(&file.path, true)?.columns(&wanted)? {
        let arrays = arrays?;
        let at = |position: usize| arrays.get(position).and_then(Option::as_ref);
        let person = u32s(at(0))?;
        let rows = person.len();
        let columns = sources
            .iter()
            .zip(&positions)
            .map(|(source, position)| {
                let column = data(position.and_then(at), rows);
                match (&source.in_rest, rest.and_then(at)) {
                    (Some(property), Some(rest)) => overlay(column, rest, property),
                    _ => column,
                }
            })
            .collect();
        let mut decoded = ColumnBatch {
            day: file.day,
            person,
            time: times(at(1))?,
            event: at(2)
                .and_then(codes)
                .ok_or_else(|| StoreError::damaged("a file without events"))?,
            columns,
        };
        trim(&mut decoded, request, whole);
        if !decoded.is_empty() && batch(decoded).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Drops rows outside the range or of other events.
fn trim(batch: &mut ColumnBatch, request: &ScanRequest, whole: bool) {
    let wanted: Option<Vec<bool>> = request.events.as_ref().map(|events| {
        let names = batch.event.names.iter();
        names.map(|name| events.contains(name)).collect()
    });
    let all_events = wanted
        .as_ref()
        .is_none_or(|wanted| wanted.iter().all(|wanted| *wanted));
    if whole && all_events {
        return;
    }
    let range = request.from.0..request.to.0;
    let keep: Vec<bool> = batch
        .time
        .iter()
        .zip(&batch.event.codes)
        .map(|(time, code)| {
            range.contains(time)
                && wanted
                    .as_ref()
                    .is_none_or(|wanted| wanted.get(*code as usize).copied().unwrap_or(false))
        })
        .collect();
    if keep.iter().all(|keep| *keep) {
        return;
    }
    pick(&mut batch.person, &keep);
    pick(&mut batch.time, &keep);
    pick(&mut batch.event.codes, &keep);
    for column in &mut batch.columns {
        column.take(&keep);
    }
}

fn tail_batch(day: Day, rows: &[TailRow], columns: &[Column]) -> ColumnBatch {
    let mut event = Coder::default();
    ColumnBatch {
        day,
        person: rows.iter().map(|row| row.event.person.0).collect(),
        time: rows.iter().map(|row| row.event.time.0).collect(),
        event: {
            for row in rows {
                event.push(&row.event.name);
            }
            event.codes
        },
        columns: columns
            .iter()
            .map(|column| tail_column(rows, column))
            .collect(),
    }
}

pub(crate) fn tail_column(rows: &[TailRow], column: &Column) -> ColumnData {
    match column {
        Column::Organization => ColumnData::Int(
            rows.iter()
                .map(|row| row.event.organization.map(|number| i64::from(number.0)))
                .collect(),
        ),
        Column::Seq => {
            ColumnData::Int(rows.iter().map(|row| Some(row.seq.cast_signed())).collect())
        }
        Column::Property(name) => {
            let scalars: Vec<Scalar> = rows
                .iter()
                .map(|row| {
                    row.event
                        .properties
                        .iter()
                        .find(|(path, _)| path == name)
                        .map_or(Scalar::Null, |(_, value)| Scalar::from_value(value))
                })
                .collect();
            compact(scalars)
        }
    }
}

/// The narrowest column that holds the values.
fn compact(scalars: Vec<Scalar>) -> ColumnData {
    let all = |wanted: fn(&Scalar) -> bool| {
        scalars
            .iter()
            .all(|scalar| *scalar == Scalar::Null || wanted(scalar))
    };
    if all(|_| false) {
        return ColumnData::Absent(scalars.len());
    }
    if all(|scalar| matches!(scalar, Scalar::Text(_))) {
        let mut coder = Coder::default();
        for scalar in &scalars {
            match scalar {
                Scalar::Text(text) => coder.push(text),
                _ => coder.codes.codes.push(Codes::NULL),
            }
        }
        return ColumnData::Text(coder.codes);
    }
    ColumnData::Mixed(scalars)
}

/// Builds dictionary-coded text.
#[derive(Default)]
pub(crate) struct Coder {
    pub(crate) codes: Codes,
    known: Map<Arc<str>, u32>,
}

impl Coder {
    /// Goes on after these codes.
    pub(crate) fn of(codes: Codes) -> Self {
        let known = (0..)
            .zip(&codes.names)
            .map(|(code, name)| (Arc::clone(name), code));
        Self {
            known: known.collect(),
            codes,
        }
    }

    pub(crate) fn push(&mut self, text: &str) {
        let code = match self.known.get(text) {
            Some(code) => *code,
            None => {
                let code = u32::try_from(self.codes.names.len()).unwrap_or(Codes::NULL);
                let name: Arc<str> = Arc::from(text);
                self.codes.names.push(Arc::clone(&name));
                self.known.insert(name, code);
                code
            }
        };
        self.codes.codes.push(code);
    }
}

/// The insert keys of a day, of files and tail. Blocking.
pub(crate) fn keys(
    version: &Version,
    project: &ProjectName,
    day: Day,
) -> Result<Vec<u64>, StoreError> {
    let mut keys: Vec<u64> = version
        .tail(|row| row.event.project == *project && row.event.time.day() == day)
        .iter()
        .map(|row| row.event.insert_key)
        .collect();
    let files = version
        .projects
        .get(project)
        .and_then(|view| view.days.get(&day));
    for file in files.into_iter().flatten() {
        for arrays in Reader::open(&file.path, false)?.columns(&[id::INSERT_KEY])? {
            keys.extend(crate::read::u64s(arrays?.first().and_then(Option::as_ref))?);
        }
    }
    Ok(keys)
}

/// First and last UTC day with a row of a project.
pub(crate) fn days(version: &Version, project: &ProjectName) -> Option<(Day, Day)> {
    let tail = version.tail(|row| row.event.project == *project);
    let view = version.projects.get(project)?;
    let days = || {
        view.days
            .keys()
            .copied()
            .chain(tail.iter().map(|row| TimestampMs::day(row.event.time)))
    };
    Some((days().min()?, days().max()?))
}
