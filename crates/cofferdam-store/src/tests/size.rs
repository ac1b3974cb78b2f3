//! Bytes per event on the bench's data (`cargo xtask bench store`). Needs `COFFERDAM_BENCH_EVENTS`: the `events_t.parquet` that
//! gen_events.py wrote, events in the order of time.

use super::support::{StandingClock, T0, event, options, project};
use crate::Store;
use crate::schema::id;
use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMillisecondType, UInt64Type};
use arrow_array::{AnyDictionaryArray, RecordBatch, StringArray};
use cofferdam_model::{TimestampMs, Value};
use cofferdam_policy::{HomeEvent, HomeItem};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

/// Bars, bytes an event: the nine columns, and these with seq and insert key.
const BARS: (f64, f64) = (7.5, 17.0);

/// Numbers for the bench's people, given as they come, as the vault does.
#[derive(Default)]
struct Numbers {
    known: HashMap<u64, (u32, u32)>,
    next: u32,
    /// Whether two of five people begin with another number, which a few events later turns out to be theirs.
    begin_anonymous: bool,
    /// Anonymous number and the person's own.
    links: Vec<[u32; 2]>,
}

/// Events that somebody sends before the sign-in.
const ANONYMOUS_EVENTS: u32 = 3;

impl Numbers {
    fn of(&mut self, subject: u64) -> u32 {
        let is_anonymous = self.begin_anonymous && subject % 5 < 2;
        let (number, events) = self.known.entry(subject).or_insert((self.next, 0));
        self.next += u32::from(*events == 0);
        *events += 1;
        if is_anonymous && *events == ANONYMOUS_EVENTS + 1 {
            self.links.push([*number, self.next]);
            *number = self.next;
            self.next += 1;
        }
        *number
    }
}

/// The bench's events, batch by batch in the order of time.
fn batches(path: &str) -> impl Iterator<Item = RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let reader = reader.with_batch_size(50_000).build().unwrap();
    reader.map(Result::unwrap)
}

fn events(batch: &RecordBatch, numbers: &mut Numbers, count: &mut u64) -> Vec<HomeEvent> {
    let schema = batch.schema();
    let texts: Vec<(Arc<str>, &dyn AnyDictionaryArray)> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .skip(2)
        .map(|(field, column)| (Arc::from(field.name().as_str()), column.as_any_dictionary()))
        .collect();
    let texts: Vec<(Arc<str>, Vec<usize>, &StringArray)> = texts
        .into_iter()
        .map(|(name, column)| (name, column.normalized_keys(), column.values().as_string()))
        .collect();
    let subjects = batch.column(0).as_primitive::<UInt64Type>();
    let times = batch.column(1).as_primitive::<TimestampMillisecondType>();
    let rows = (0..batch.num_rows()).map(|row| {
        let person = numbers.of(subjects.value(row));
        let text = |(_, keys, names): &(Arc<str>, Vec<usize>, &StringArray)| {
            names.value(keys[row]).to_owned()
        };
        let mut one = event(person, 0, &text(&texts[0]), 0, &[]);
        one.time = TimestampMs(times.value(row));
        one.organization = None;
        let values = texts[1..].iter().map(|column| (&column.0, text(column)));
        one.properties = values
            .filter(|(_, value)| !value.is_empty())
            .map(|(property, value)| (Arc::clone(property), Value::Text(value.into())))
            .collect();
        // A keyed hash has no pattern: Weyl sequence through a finalizer (Steele, Lea, Flood 2014).
        *count += 1;
        let mut key = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        one.insert_key = key ^ (key >> 31);
        one
    });
    rows.collect()
}

/// Stores the events; returns how many.
async fn fill(store: &Store, path: &str, numbers: &mut Numbers) -> u64 {
    let (mut total, mut count) = (0, 0);
    for batch in batches(path) {
        let events = events(&batch, numbers, &mut count).into_iter();
        let items: Vec<(u64, HomeItem)> = (total..).zip(events.map(HomeItem::Event)).collect();
        total += items.len() as u64;
        store.ingest_items(items, total).await.unwrap();
        store.flush().await.unwrap();
    }
    store.compact().await.unwrap();
    total
}

/// Makes the store that `cargo xtask bench reports` asks, in `COFFERDAM_BENCH_STORE`, and the links of its people beside it.
#[tokio::test]
async fn the_store_of_the_reports_bench() {
    let [Ok(path), Ok(dir)] =
        ["COFFERDAM_BENCH_EVENTS", "COFFERDAM_BENCH_STORE"].map(std::env::var)
    else {
        eprintln!("skipped: COFFERDAM_BENCH_STORE is not set");
        return;
    };
    let dir = std::path::Path::new(&dir);
    let mut options = options(dir);
    options.clock = Arc::new(StandingClock(T0 + 900 * 86_400_000));
    let store = Store::open(options).await.unwrap();
    let mut numbers = Numbers {
        begin_anonymous: true,
        ..Numbers::default()
    };
    let total = fill(&store, &path, &mut numbers).await;
    store.close().await;
    let links: Vec<u8> = numbers
        .links
        .iter()
        .flatten()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    std::fs::write(dir.join("links"), links).unwrap();
    println!(
        "{total} events of {} people, {} of whom began anonymous",
        numbers.known.len(),
        numbers.links.len()
    );
    assert!(total > 0);
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
    let total = fill(&store, &path, &mut Numbers::default()).await;
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
    let both = nine + seq_and_key;
    println!(
        "figure: {total} events in {files} files: nine columns {nine:.2} B (bar {}), with seq and insert key {both:.2} B (bar {}), whole files {:.2} B an event",
        BARS.0,
        BARS.1,
        bytes as f64 / total as f64
    );
    for (id, bytes) in &sizes {
        println!("column {id}: {:.3} B", *bytes as f64 / total as f64);
    }
    assert_eq!(store.catalog(&project()).rows, total);
    assert!(nine <= BARS.0 && both <= BARS.1, "a bar is missed");
}
