//! The dialect spoken to a vendor: which requests there are, built and read by wire.
//!
//! Minimized items come in, request bodies go out; answers come back as outcomes in our words.
//! Invariant: nothing reaches a body but through wire's encoder, and nothing of an answer's text is kept.

use crate::Reason;
use crate::answer::Verdict;
use cofferdam_model::{Refusal, TimestampMs};
use cofferdam_policy::{VendorItem, VendorSubject};
use cofferdam_wire::mixpanel::send::{
    EventOut, FailedReason, ImportBatch, ImportOutcome, Pushed, SendRequest, SubjectOut,
    Unsendable, UpdateBatch, UpdateOut, UpdateOutcome, parse_import_answer, parse_update_answer,
};
use std::io::{Read, Write};

/// The dialect spoken to a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Mixpanel's ingestion API.
    Mixpanel,
}

/// A vendor's endpoint for one kind of item.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lane {
    /// Events.
    Events,
    /// Updates of people's profiles.
    People,
    /// Updates of groups.
    Groups,
}

/// A request under construction.
pub(crate) enum Builder {
    Events(ImportBatch),
    Updates(UpdateBatch),
}

impl Builder {
    pub(crate) fn new(lane: Lane, token: &str, now: TimestampMs) -> Self {
        match lane {
            Lane::Events => Self::Events(ImportBatch::new(now)),
            Lane::People => Self::Updates(UpdateBatch::people(token)),
            Lane::Groups => Self::Updates(UpdateBatch::groups(token)),
        }
    }

    /// Adds an item; `false` where it belongs into the next request.
    ///
    /// # Errors
    /// Why the vendor would never take it.
    pub(crate) fn push(&mut self, item: &VendorItem) -> Result<bool, Refusal> {
        let pushed = match (self, item) {
            (Self::Events(batch), VendorItem::Event(event)) => batch.push(&EventOut {
                name: &event.name,
                time: event.time,
                distinct_id: &event.distinct_id,
                insert_id: &event.insert_id,
                properties: &event.properties,
            }),
            (Self::Updates(batch), VendorItem::Update(update)) => batch.push(&UpdateOut {
                subject: match &update.subject {
                    VendorSubject::Person { distinct_id } => SubjectOut::Person { distinct_id },
                    VendorSubject::Group { key, id } => SubjectOut::Group { key, id },
                },
                operation: update.operation,
                values: &update.values,
            }),
            _ => return Err(Refusal::Malformed),
        };
        pushed
            .map(|pushed| pushed == Pushed::Added)
            .map_err(refusal)
    }

    fn finish(self, token: &str) -> SendRequest {
        match self {
            Self::Events(batch) => batch.finish(token, None),
            Self::Updates(batch) => batch.finish(),
        }
    }

    /// The exact bytes of the request's body.
    pub(crate) fn body(self, token: &str) -> Vec<u8> {
        self.finish(token).body
    }
}

fn refusal(why: Unsendable) -> Refusal {
    match why {
        Unsendable::NoName => Refusal::MissingEventName,
        Unsendable::RefusedId | Unsendable::NoId => Refusal::RefusedId,
        Unsendable::TooLarge => Refusal::TooLarge,
        Unsendable::Time | Unsendable::InsertId => Refusal::Malformed,
        Unsendable::Operation => Refusal::FormNotApplicable,
    }
}

impl Lane {
    /// Path with query, and headers, credentials included, of a request on this lane.
    pub(crate) fn head(self, token: &str) -> (String, Vec<(&'static str, String)>) {
        let empty = Builder::new(self, token, TimestampMs(0)).finish(token);
        (empty.path_and_query, empty.headers)
    }

    /// What an answer means; `None` where it is not as documented, so that the items may be in.
    pub(crate) fn read(self, status: u16, body: &[u8], items: usize) -> Option<Verdict> {
        match self {
            Self::Events => match parse_import_answer(status, body, items) {
                ImportOutcome::Accepted => Some(Verdict::Delivered),
                ImportOutcome::Partial { failed } => {
                    let failed = failed.iter().map(|record| {
                        (
                            u32::try_from(record.index).unwrap_or(u32::MAX),
                            record.reason.into(),
                        )
                    });
                    Some(Verdict::Partial(failed.collect()))
                }
                ImportOutcome::Refused { .. } => Some(Verdict::Halve(Reason::Request)),
                _ => None,
            },
            Self::People | Self::Groups => match parse_update_answer(status, body) {
                UpdateOutcome::Accepted => Some(Verdict::Delivered),
                UpdateOutcome::Refused { .. } => Some(Verdict::Halve(Reason::Request)),
                _ => None,
            },
        }
    }

    fn is_compressed(self) -> bool {
        self == Self::Events
    }

    /// The bodies of the two halves of a request; `None` where it does not hold `items` items, or only one.
    pub(crate) fn halve(self, body: &[u8], items: usize) -> Option<[Vec<u8>; 2]> {
        let plain = if self.is_compressed() {
            unpack(body)?
        } else {
            body.to_vec()
        };
        let elements = elements(&plain)?;
        if items < 2 || elements.len() != items {
            return None;
        }
        let (one, other) = elements.split_at(items / 2);
        let join = |half: &[&[u8]]| {
            let joined = [b"[".as_slice(), &half.join(b",".as_slice()), b"]"].concat();
            if self.is_compressed() {
                pack(&joined)
            } else {
                joined
            }
        };
        Some([join(one), join(other)])
    }
}

fn pack(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), flate2::Compression::fast());
    // Writing to memory does not fail.
    let written = encoder.write_all(plain);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

/// Our own body unpacked; capped all the same.
fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    const BYTES_MAX: u64 = 64 * 1024 * 1024;
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .take(BYTES_MAX)
        .read_to_end(&mut plain)
        .ok()?;
    Some(plain)
}

/// The elements of a JSON array of objects, as they are written.
fn elements(array: &[u8]) -> Option<Vec<&[u8]>> {
    let inner = array.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (mut out, mut depth, mut in_text, mut escaped, mut start) =
        (Vec::new(), 0usize, false, false, 0);
    for (at, byte) in inner.iter().enumerate() {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.checked_sub(1)?,
            (false, b',') if depth == 0 => {
                out.push(inner.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner.is_empty() {
        out.push(inner.get(start..)?);
    }
    Some(out)
}

impl From<FailedReason> for Reason {
    fn from(reason: FailedReason) -> Self {
        match reason {
            FailedReason::Event => Self::Event,
            FailedReason::Time => Self::Time,
            FailedReason::DistinctId => Self::DistinctId,
            FailedReason::InsertId => Self::InsertId,
            FailedReason::Properties => Self::Properties,
            FailedReason::Other => Self::Other,
        }
    }
}
