//! Everything that Cofferdam leaves behind, as bytes to search: files, Parquet columns, SQLite cells, journal, logs, answers.

use crate::support::TestServer;
use cofferdam_policy::record;
use hyper::Method;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// Bytes and where they are from.
pub(super) type Place = (String, Vec<u8>);

/// Every file below a folder.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// Every file as it is.
pub(super) fn raw(dir: &Path) -> Vec<Place> {
    files(dir)
        .into_iter()
        .map(|path| {
            (
                format!("file {}", path.strip_prefix(dir).unwrap().display()),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect()
}

/// Every value of every column of a Parquet file, and its metadata.
pub(super) fn parquet(path: &Path) -> Vec<u8> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut bytes = format!("{:?}", reader.metadata()).into_bytes();
    for row in reader.get_row_iter(None).unwrap() {
        for (name, field) in row.unwrap().get_column_iter() {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(b'=');
            match field {
                Field::Bytes(value) => bytes.extend_from_slice(value.data()),
                Field::Str(text) => bytes.extend_from_slice(text.as_bytes()),
                other => bytes.extend_from_slice(other.to_string().as_bytes()),
            }
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Every cell of every table of a database.
pub(super) async fn sqlite(path: &Path) -> Vec<u8> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'")
            .fetch_all(&pool)
            .await
            .unwrap();
    let mut bytes = Vec::new();
    for table in tables {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM \"{table}\"")))
            .fetch_all(&pool)
            .await
            .unwrap();
        for row in rows {
            for column in 0..row.len() {
                bytes.extend(
                    row.try_get_unchecked::<Option<Vec<u8>>, _>(column)
                        .unwrap()
                        .unwrap_or_default(),
                );
                bytes.push(b'\n');
            }
        }
    }
    pool.close().await;
    bytes
}

/// Every journal entry decrypted: its own bytes, and its records as they are decoded.
pub(super) fn journal(server: &TestServer) -> (Vec<u8>, u64) {
    let (mut bytes, mut next, mut records) = (Vec::new(), 0, 0);
    loop {
        let entries = server.system.journal.read(next, 8 * 1024 * 1024).unwrap();
        let Some(last) = entries.last() else { break };
        next = last.next_seq();
        for entry in entries {
            let plain = server
                .system
                .vault
                .decrypt_entry(entry.tag, &entry.payload)
                .unwrap();
            let decoded = record::decode(&plain).unwrap();
            records += decoded.records.len() as u64;
            for one in &decoded.records {
                bytes.extend(
                    format!(
                        "{:?} {:?} {:?}\n",
                        one.shape(),
                        one.findings(),
                        one.event_name()
                    )
                    .bytes(),
                );
            }
            bytes.extend(plain);
        }
    }
    (bytes, records)
}

/// What the API says of events, fields and numbers.
pub(super) async fn answers(server: &TestServer) -> Vec<Place> {
    let token = format!("Bearer {}", server.admin_token());
    let mut places = Vec::new();
    for path in [
        "/metrics",
        "/api/v1/live?limit=200",
        "/api/v1/overview",
        "/api/v1/fields",
        "/api/v1/vendors",
        "/api/v1/vendors/crm",
        "/api/v1/vendors/analytics/radius",
        "/api/v1/status",
    ] {
        let headers = [("authorization", token.as_str())];
        let (status, body) = crate::support::call(
            server.listeners.admin,
            Method::GET,
            path,
            &headers,
            "".into(),
        )
        .await;
        assert_eq!(status, 200, "{path}");
        places.push((format!("answer {path}"), body.to_vec()));
    }
    places
}

/// The log of everything in this process at its finest, from the first call on.
pub(super) fn log() -> Arc<Mutex<Vec<u8>>> {
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    Arc::clone(LOG.get_or_init(|| {
        let log: Arc<Mutex<Vec<u8>>> = Arc::default();
        let writer = Arc::clone(&log);
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || Writer(Arc::clone(&writer)))
            .init();
        log
    }))
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
