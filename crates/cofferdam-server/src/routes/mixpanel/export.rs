//! `/api/2.0/export`: stored events, one JSON object a line, oldest first.
//!
//! Rows come from the store a few thousand at a time and leave as they come; whoever goes away ends it.
//! Invariant: text of a field that no rule knows is shown for groups of people only, so it is neither in a line nor may a condition
//! ask for it (P2).

use super::asked::Asked;
use super::names::Names;
use crate::error::ApiError;
use crate::shown::{Shown, shows_text};
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cofferdam_access::{Permit, ReadEvents};
use cofferdam_model::PersonNumber;
use cofferdam_query::{QueryError, Rows, RowsRequest};
use cofferdam_store::{CatalogInfo, ColumnKind, StoredRow};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Frame;
use serde_json::{Map, Value, json};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Most events where a limit is asked for, as at Mixpanel.
const LIMIT_MAX: u32 = 100_000;
/// Bytes that leave at a time.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that wait for a slow reader.
const CHUNKS: usize = 4;

/// Stored events as lines.
pub(super) async fn export(asked: Asked) -> Result<Response, ApiError> {
    let (from, to) = (asked.day("from_date")?, asked.day("to_date")?);
    if to < from {
        return Err(ApiError::invalid("to_date", "it lies before from_date"));
    }
    let limit = match asked.text("limit") {
        None => None,
        Some(_) => Some(asked.number("limit", LIMIT_MAX, LIMIT_MAX)?),
    };
    let events = asked.list("event")?;
    let request = RowsRequest {
        project: asked.project.clone(),
        from: from.start(),
        to: cofferdam_model::Day(to.0.saturating_add(1)).start(),
        events: events.map(|names| names.into_iter().map(Arc::from).collect()),
        condition: asked.text("where").map(str::to_owned),
    };
    let catalog = asked.system.store.catalog(&asked.project);
    let rows = Rows::new(request, &catalog)?;
    check(&asked, &rows, &catalog)?;
    let about = format!("project/{}/export", asked.project);
    let access = &asked.system.access;
    let permit: Permit<ReadEvents> = access.permit(&asked.asking.0, &about).await?;
    let names = Names::of(&asked, &about).await?;
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let takes_gzip = asked.takes_gzip;
    let lines = Lines {
        organization_key: organization_key(&asked),
        in_ms: asked.flag("time_in_ms"),
        asked,
        names,
        limit,
    };
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let failed = sender.clone();
        let sink = Sink(sender);
        let written = if takes_gzip {
            let mut gzip = GzEncoder::new(
                BufWriter::with_capacity(CHUNK_BYTES, sink),
                Compression::fast(),
            );
            lines
                .write(&rows, &permit, &handle, &mut gzip)
                .and_then(|()| gzip.finish()?.flush())
        } else {
            let mut plain = BufWriter::with_capacity(CHUNK_BYTES, sink);
            lines
                .write(&rows, &permit, &handle, &mut plain)
                .and_then(|()| plain.flush())
        };
        // The reader must not take a part for the whole.
        if let Err(error) = written {
            tracing::warn!(%error, "an export ended early");
            let _ = failed.blocking_send(Err(error));
        }
    });
    let mut response = Body::new(Chunks(receiver)).into_response();
    let headers = response.headers_mut();
    let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, text);
    if takes_gzip {
        let gzip = header::HeaderValue::from_static("gzip");
        headers.insert(header::CONTENT_ENCODING, gzip);
    }
    Ok(response)
}

/// Refuses a condition on text that is not shown.
fn check(asked: &Asked, rows: &Rows, catalog: &CatalogInfo) -> Result<(), ApiError> {
    let policy = asked.system.policies.active();
    let mut shown = Shown::new(&policy, &asked.project);
    for name in rows.properties() {
        let mut known = catalog.properties.iter();
        let info = known.find(|info| &*info.property == name);
        let is_text = info.is_none_or(|info| {
            info.mixed || matches!(info.kind, ColumnKind::Text | ColumnKind::Json)
        });
        let category = shown.category(&format!("properties.{name}"), &json!(""));
        if is_text && !shows_text(category) {
            let message = format!(
                "no rule knows `{name}`: its text is shown for groups of people only; name the field in fields.toml"
            );
            return Err(ApiError::invalid("where", message));
        }
    }
    Ok(())
}

fn organization_key(asked: &Asked) -> Option<String> {
    let projects = asked.system.pipeline.projects();
    projects.named(&asked.project)?.organization_key.clone()
}

/// How rows become lines.
struct Lines {
    asked: Asked,
    names: Names,
    organization_key: Option<String>,
    in_ms: bool,
    limit: Option<u32>,
}

impl Lines {
    fn write(
        mut self,
        rows: &Rows,
        permit: &Permit<ReadEvents>,
        handle: &Handle,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let system = Arc::clone(&self.asked.system);
        let (policy, project) = (system.policies.active(), self.asked.project.clone());
        let mut shown = Shown::new(&policy, &project);
        let mut left = self.limit;
        let mut failed = None;
        let done = rows.each(permit, &system.store, &AtomicBool::new(false), &mut |row| {
            if left == Some(0) {
                return ControlFlow::Break(());
            }
            left = left.map(|left| left - 1);
            let line = handle.block_on(self.line(&mut shown, row));
            let written = line.and_then(|line| {
                serde_json::to_writer(&mut *out, &line)?;
                out.write_all(b"\n")
            });
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        match (done, failed) {
            (Ok(()) | Err(QueryError::Cancelled), None) => Ok(()),
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(io::Error::other(error)),
        }
    }

    async fn line(&mut self, shown: &mut Shown<'_>, row: StoredRow) -> io::Result<Value> {
        let owner = PersonNumber(row.person);
        let time = if self.in_ms {
            row.time.0
        } else {
            row.time.0.div_euclid(1000)
        };
        let person = self.names.person(owner).await.map_err(io::Error::other)?;
        let mut properties = Map::new();
        properties.insert("time".to_owned(), json!(time));
        properties.insert("distinct_id".to_owned(), json!(person));
        let insert_id = format!("{:016x}", row.insert_key);
        properties.insert("$insert_id".to_owned(), json!(insert_id));
        if let (Some(key), Some(number)) = (&self.organization_key, row.organization) {
            let name = self.names.organization(number).await;
            properties.insert(key.clone(), json!(name.map_err(io::Error::other)?));
        }
        for (path, value) in row.properties {
            if let Some(value) = shown.part(&format!("properties.{path}"), value) {
                properties.entry(path).or_insert(value);
            }
        }
        for (path, sealed) in row.sealed {
            let value = self.names.opened(owner, &path, &sealed);
            if let Some(value) = value.map_err(io::Error::other)? {
                properties.entry(path).or_insert(value);
            }
        }
        Ok(json!({ "event": &*row.event, "properties": properties }))
    }
}

/// What is written goes to the answer's body; a reader that went away is an error.
struct Sink(mpsc::Sender<io::Result<Bytes>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = Bytes::copy_from_slice(bytes);
        match self.0.blocking_send(Ok(chunk)) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The answer's body.
struct Chunks(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let chunk = self.0.poll_recv(context);
        chunk.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
