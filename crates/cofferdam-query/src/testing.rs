//! Rows and parts for the tests of reports that follow people.

use crate::columns::Context;
use crate::sweep::Source;
use crate::{Cohorts, QueryError, QueryLimits};
use cofferdam_model::{Day, TimestampMs};
use cofferdam_store::{CatalogInfo, Codes, Column, ColumnData, ColumnInfo, ColumnKind, HotColumns};
use std::collections::BTreeMap;
use std::sync::Arc;

/// 2026-03-28T00:00:00Z: Berlin's clocks go forward on the 29th.
pub(crate) const T0: i64 = 1_774_656_000_000;
pub(crate) const EVENTS: [&str; 3] = ["login", "click", "export"];
pub(crate) const PLANS: [&str; 4] = ["free", "Pro", "team", "5"];

/// A stored event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) person: u32,
    pub(crate) time: i64,
    pub(crate) seq: u64,
    /// Of [`EVENTS`].
    pub(crate) event: usize,
    /// Of [`PLANS`].
    pub(crate) plan: Option<usize>,
    pub(crate) n: Option<i64>,
}

/// What requests are checked against, without cohorts.
pub(crate) fn context<'a>(catalog: &'a CatalogInfo, limits: &'a QueryLimits) -> Context<'a> {
    static NONE: Cohorts = Cohorts::none();
    Context {
        catalog,
        cohorts: &NONE,
        limits,
    }
}

/// The properties `plan` and `n`, and the events.
pub(crate) fn catalog() -> CatalogInfo {
    let info = |name: &str, kind| ColumnInfo {
        property: Arc::from(name),
        kind,
        mixed: false,
    };
    CatalogInfo {
        properties: vec![
            info("plan", ColumnKind::Text),
            info("n", ColumnKind::Integer),
        ],
        events: EVENTS.map(Arc::from).to_vec(),
        ..CatalogInfo::default()
    }
}

/// Rows of a day that were sorted together.
#[derive(Debug)]
pub(crate) struct Part {
    day: Day,
    rows: Vec<Row>,
}

/// The rows as the store holds them: by day, each day in up to `pieces` parts sorted by (person, time, seq).
pub(crate) fn parts(rows: &[Row], pieces: u64) -> Vec<Part> {
    let mut days: BTreeMap<(Day, u64), Vec<Row>> = BTreeMap::new();
    for row in rows {
        let day = TimestampMs(row.time).day();
        days.entry((day, row.seq % pieces)).or_default().push(*row);
    }
    days.into_iter()
        .map(|((day, _), mut rows)| {
            rows.sort_by_key(|row| (row.person, row.time, row.seq));
            Part { day, rows }
        })
        .collect()
}

impl Source for Part {
    fn day(&self) -> Day {
        self.day
    }

    fn has_any(&self, events: Option<&[Arc<str>]>) -> bool {
        let is_wanted = |row: &Row| {
            events.is_none_or(|events| events.iter().any(|event| **event == *EVENTS[row.event]))
        };
        self.rows.iter().any(is_wanted)
    }

    fn hot(&self) -> Result<Arc<HotColumns>, QueryError> {
        let since = |row: &Row| u32::try_from(row.time - self.day.start().0).unwrap();
        Ok(Arc::new(HotColumns {
            person: self.rows.iter().map(|row| row.person).collect(),
            time: self.rows.iter().map(since).collect(),
            event: self.rows.iter().map(|row| row.event as u16).collect(),
            names: EVENTS.map(Arc::from).to_vec(),
        }))
    }

    fn columns(&self, columns: &[Column]) -> Result<Vec<ColumnData>, QueryError> {
        let rows = self.rows.iter();
        Ok(columns
            .iter()
            .map(|column| match column {
                Column::Property(name) if &**name == "plan" => ColumnData::Text(Codes {
                    codes: rows
                        .clone()
                        .map(|row| row.plan.map_or(Codes::NULL, |plan| plan as u32))
                        .collect(),
                    names: PLANS.map(Arc::from).to_vec(),
                }),
                Column::Seq => ColumnData::Int(
                    rows.clone()
                        .map(|row| Some(row.seq.cast_signed()))
                        .collect(),
                ),
                _ => ColumnData::Int(rows.clone().map(|row| row.n).collect()),
            })
            .collect())
    }
}
