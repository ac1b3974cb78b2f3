//! Bytes per event on the bench's data. Needs `COFFERDAM_BENCH_EVENTS`: the `events_ut.parquet` that gen_events.py wrote.

use super::support::{StandingClock, T0, event, options, project};
use crate::Store;
use crate::schema::id;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMillisecondType, UInt64Type};
use cofferdam_model::{TimestampMs, Value};
use cofferdam_policy::{HomeEvent, HomeItem};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

/// The bench's events, in the order of time, as a journal has them.
fn events(path: &str) -> Vec<HomeEvent> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    let mut events = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let texts: Vec<(Arc<str>, Vec<Option<String>>)> = batch
            .schema()
            .fields()
            .iter()
            .zip(batch.columns())
            .skip(2)
            .map(|(field, column)| {
                let column = arrow_select::take::take(
                    column,
                    &arrow_array::UInt64Array::from_iter_values(0..column.len() as u64),
                    None,
                );
                let column = column.unwrap();
                let dictionary = column.as_any_dictionary();
                let names = dictionary.values().as_string::<i32>();
                let keys = dictionary.normalized_keys();
                let values = keys.iter().map(|key| Some(names.value(*key).to_owned()));
                (Arc::from(field.name().as_str()), values.collect())
            })
            .collect();
        let subjects = batch.column(0).as_primitive::<UInt64Type>();
        let times = batch.column(1).as_primitive::<TimestampMillisecondType>();
        for row in 0..batch.num_rows() {
            let next = u32::try_from(numbers.len()).unwrap();
            let person = *numbers.entry(subjects.value(row)).or_insert(next);
            let name = texts[0].1[row].clone().unwrap();
            let mut one = event(person, 0, &name, 0, &[]);
            one.time = TimestampMs(times.value(row));
            one.organization = None;
            for (property, values) in &texts[1..] {
                let value = values[row].clone().unwrap();
                if !value.is_empty() {
                    one.properties
                        .push((Arc::clone(property), Value::Text(value.into())));
                }
            }
            events.push(one);
        }
    }
    events.sort_by_key(|event| event.time);
    // A keyed hash has no pattern: Weyl sequence through a finalizer (Steele, Lea, Flood 2014).
    for (n, event) in (1u64..).zip(&mut events) {
        let mut key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        event.insert_key = key ^ (key >> 31);
    }
    events
}

#[tokio::test]
async fn bytes_per_event_on_the_bench_data() {
    let Ok(path) = std::env::var("COFFERDAM_BENCH_EVENTS") else {
        eprintln!("skipped: COFFERDAM_BENCH_EVENTS is not set");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    // Long after, so that every day is merged whole.
    options.clock = Arc::new(StandingClock(T0 + 900 * 86_400_000));
    let store = Store::open(options).await.unwrap();
    let events = events(&path);
    let total = events.len() as u64;
    let mut seq = 0;
    for chunk in events.chunks(50_000) {
        let items: Vec<(u64, HomeItem)> = (seq..)
            .zip(chunk.iter().cloned().map(HomeItem::Event))
            .collect();
        seq += chunk.len() as u64;
        store.ingest_items(items, seq).await.unwrap();
        store.flush().await.unwrap();
    }
    store.compact().await.unwrap();
    let version = store.inner.version();
    let files = version.files().count();
    let bytes: u64 = version.files().map(|(_, file)| file.bytes).sum();
    let sizes: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT column_id, sum(column_size_bytes) FROM ducklake_file_column_stats WHERE data_file_id IN (SELECT data_file_id FROM ducklake_data_file WHERE end_snapshot IS NULL) GROUP BY 1",
    )
    .fetch_all(&store.inner.catalog.pool)
    .await
    .unwrap();
    let of = |wanted: &dyn Fn(i64) -> bool| -> f64 {
        let bytes: i64 = sizes
            .iter()
            .filter(|(id, _)| wanted(*id))
            .map(|(_, b)| b)
            .sum();
        bytes as f64 / total as f64
    };
    let fixed = [id::PERSON, id::TIME, id::EVENT].map(i64::from);
    let nine = of(&|id| fixed.contains(&id) || id >= i64::from(crate::schema::id::FIRST_PROPERTY));
    let seq_and_key = of(&|id| [3, 6].contains(&id));
    println!(
        "{total} events in {files} files: nine columns {nine:.2} B, with seq and insert key {:.2} B, whole files {:.2} B an event",
        nine + seq_and_key,
        bytes as f64 / total as f64
    );
    for (id, bytes) in &sizes {
        println!("column {id}: {:.3} B", *bytes as f64 / total as f64);
    }
    assert_eq!(store.catalog(&project()).rows, total);
}
