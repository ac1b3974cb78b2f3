//! A store in a temporary directory, events by hand, and a clock that stands.

use crate::profile;
use crate::{Column, ColumnBatch, LocalFiles, Scalar, ScanRequest, Store, StoreOptions};
use cofferdam_model::{
    Clock, OrganizationNumber, PersonNumber, ProjectName, Provenance, TimestampMs, Value,
};
use cofferdam_policy::{HomeEvent, HomeItem, PolicyId};
use serde_json::Value as Json;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// 2026-03-01T00:00:00Z.
pub(crate) const T0: i64 = 1_772_323_200_000;

#[derive(Debug)]
pub(crate) struct StandingClock(pub(crate) i64);

impl Clock for StandingClock {
    fn now(&self) -> TimestampMs {
        TimestampMs(self.0)
    }
}

pub(crate) fn options(dir: &Path) -> StoreOptions {
    let mut options = StoreOptions::new(
        dir.join("store"),
        dir.join("catalog.db"),
        Arc::new(StandingClock(T0 + 40 * 86_400_000)),
    );
    options.files = Arc::new(LocalFiles);
    options
}

pub(crate) async fn store(dir: &Path) -> Store {
    Store::open(options(dir)).await.unwrap()
}

pub(crate) fn project() -> ProjectName {
    ProjectName::from("console")
}

pub(crate) fn event(
    person: u32,
    time: i64,
    name: &str,
    key: u64,
    properties: &[(&str, Value<'static>)],
) -> HomeEvent {
    HomeEvent {
        project: project(),
        person: PersonNumber(person),
        organization: person
            .is_multiple_of(2)
            .then_some(OrganizationNumber(person / 2)),
        time: TimestampMs(T0 + time),
        received: TimestampMs(T0 + time),
        provenance: Provenance::Claimed,
        insert_key: key,
        policy: PolicyId(1),
        name: name.to_owned(),
        properties: properties
            .iter()
            .map(|(name, value)| (Arc::from(*name), value.clone()))
            .collect(),
        sealed: Vec::new(),
        withheld: Vec::new(),
    }
}

pub(crate) fn items(first_seq: u64, events: Vec<HomeEvent>) -> (Vec<(u64, HomeItem)>, u64) {
    let next = first_seq + events.len() as u64;
    let items = (first_seq..)
        .zip(events.into_iter().map(HomeItem::Event))
        .collect();
    (items, next)
}

pub(crate) fn text(text: &str) -> Value<'static> {
    Value::Text(text.to_owned().into())
}

/// Person, time since T0, seq, event, then the columns asked for.
pub(crate) type Row = (u32, i64, i64, String, Vec<Scalar>);

pub(crate) fn request(columns: &[&str]) -> ScanRequest {
    ScanRequest {
        from: TimestampMs(i64::MIN / 2),
        to: TimestampMs(i64::MAX / 2),
        columns: std::iter::once(Column::Seq)
            .chain(
                columns
                    .iter()
                    .map(|name| Column::Property(Arc::from(*name))),
            )
            .collect(),
        events: None,
    }
}

/// The value of a person's profile property that the catalog has in clear.
pub(crate) async fn profile_value(store: &Store, person: u32, path: &str) -> Option<Json> {
    let stored = store.inner.catalog.profile(&project(), 0, person).await;
    let state = profile::parse(stored.unwrap()).unwrap();
    state.values.get(path).cloned()
}

/// All rows, by seq.
pub(crate) fn rows(store: &Store, request: &ScanRequest) -> Vec<Row> {
    let mut rows = Vec::new();
    store
        .scan(&project(), request, &mut |batch: ColumnBatch| {
            let seqs = &batch.columns[0];
            for row in 0..batch.len() {
                let Scalar::Int(seq) = seqs.scalar(row) else {
                    panic!("no seq");
                };
                rows.push((
                    batch.person[row],
                    batch.time[row] - T0,
                    seq,
                    batch.event.text(row).unwrap().to_string(),
                    batch.columns[1..]
                        .iter()
                        .map(|column| column.scalar(row))
                        .collect(),
                ));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    rows.sort_by_key(|row| row.2);
    rows
}
