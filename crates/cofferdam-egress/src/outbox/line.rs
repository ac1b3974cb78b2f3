//! A line as bytes: the length of its head, the head as JSON, then the request bodies one after another.
//!
//! Invariant: bodies are kept byte for byte; decoding never panics.

use crate::book::{Change, Line, Part};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Head<'a> {
    line: &'a Line,
    bodies: Vec<usize>,
}

#[derive(Deserialize)]
struct OwnedHead {
    line: Line,
    bodies: Vec<usize>,
}

pub(super) fn encode(line: &Line) -> Vec<u8> {
    let bodies: Vec<&Bytes> = parts(&line.change).map(|part| &part.body).collect();
    let head = Head {
        line,
        bodies: bodies.iter().map(|body| body.len()).collect(),
    };
    // A line holds nothing that JSON cannot.
    let head = serde_json::to_vec(&head).unwrap_or_default();
    let sum: usize = bodies.iter().map(|body| body.len()).sum();
    let mut out = Vec::with_capacity(8 + head.len() + sum);
    out.extend_from_slice(&(head.len() as u64).to_le_bytes());
    out.extend_from_slice(&head);
    for body in bodies {
        out.extend_from_slice(body);
    }
    out
}

pub(super) fn decode(bytes: &[u8]) -> Option<Line> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (head, mut rest) =
        rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let OwnedHead { mut line, bodies } = serde_json::from_slice(head).ok()?;
    let mut bodies = bodies.into_iter();
    for part in parts_mut(&mut line.change) {
        let (body, behind) = rest.split_at_checked(bodies.next()?)?;
        part.body = Bytes::copy_from_slice(body);
        rest = behind;
    }
    (rest.is_empty() && bodies.next().is_none()).then_some(line)
}

fn parts(change: &Change) -> Box<dyn Iterator<Item = &Part> + '_> {
    match change {
        Change::Queued(batch) | Change::Rebuilt(batch) => Box::new(batch.parts.iter()),
        Change::Kept { open, .. } => Box::new(open.iter().flat_map(|batch| &batch.parts)),
        Change::Halved(parts) => Box::new(parts.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

fn parts_mut(change: &mut Change) -> Box<dyn Iterator<Item = &mut Part> + '_> {
    match change {
        Change::Queued(batch) | Change::Rebuilt(batch) => Box::new(batch.parts.iter_mut()),
        Change::Kept { open, .. } => Box::new(open.iter_mut().flat_map(|batch| &mut batch.parts)),
        Change::Halved(parts) => Box::new(parts.iter_mut()),
        _ => Box::new(std::iter::empty()),
    }
}
