//! The entries of the exposure log, encoded and decoded.
//!
//! Written by the ledger's write path, read back by recovery; both apply them through the same function (`state.rs`).
//! Invariant: an entry stands for itself once the field sets that it names were defined earlier in the same log.

use crate::codec::{Reader, Writer};
use crate::{FieldKey, Gap, Items, Outcome};
use cofferdam_model::{Category, Day, Form};
use std::sync::Arc;

/// One item, with the field set's number in this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) set: u32,
    pub(crate) person: Option<u32>,
    pub(crate) organization: Option<u32>,
    pub(crate) is_event: bool,
    /// Day of a seen or past item; a possible item has its batch's day.
    pub(crate) day: Day,
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    FieldSet {
        set: u32,
        fields: Vec<FieldKey>,
    },
    Possible {
        batch: u64,
        stream: Arc<str>,
        outbox_seq: Option<u64>,
        day: Day,
        items: Vec<Item>,
    },
    Settle {
        batch: u64,
        outcome: Outcome,
    },
    Seen {
        from_seq: u64,
        next_seq: u64,
        streams: Vec<(Arc<str>, Vec<Item>)>,
    },
    Gap {
        stream: Option<Arc<str>>,
        gap: Gap,
    },
    Deleted {
        stream: Arc<str>,
        as_of: Day,
        persons: Vec<u32>,
    },
    /// What a vendor was sent by others, each item with its own day; `through` counts the lines of `source` up to here.
    Past {
        stream: Arc<str>,
        source: Arc<str>,
        through: u64,
        items: Vec<Item>,
    },
}

impl Entry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Self::FieldSet { set, fields } => {
                out.byte(1);
                out.number(u64::from(*set));
                out.count(fields.len());
                fields.iter().for_each(|field| write_field(&mut out, field));
            }
            Self::Possible {
                batch,
                stream,
                outbox_seq,
                day,
                items,
            } => {
                out.byte(2);
                out.number(*batch);
                out.text(stream);
                out.byte(u8::from(outbox_seq.is_some()));
                out.number(outbox_seq.unwrap_or(0));
                out.day(*day);
                write_items(&mut out, items, *day);
            }
            Self::Settle { batch, outcome } => {
                out.byte(3);
                out.number(*batch);
                write_selection(&mut out, &outcome.delivered);
                write_selection(&mut out, &outcome.refused);
                write_selection(&mut out, &outcome.unknown);
            }
            Self::Seen {
                from_seq,
                next_seq,
                streams,
            } => {
                out.byte(4);
                out.number(*from_seq);
                out.number(*next_seq);
                out.count(streams.len());
                for (stream, items) in streams {
                    out.text(stream);
                    let day = items.first().map_or(Day(0), |item| item.day);
                    out.day(day);
                    write_items(&mut out, items, day);
                }
            }
            Self::Gap { stream, gap } => {
                out.byte(5);
                out.byte(u8::from(stream.is_some()));
                out.text(stream.as_deref().unwrap_or(""));
                write_gap(&mut out, gap);
            }
            Self::Deleted {
                stream,
                as_of,
                persons,
            } => {
                out.byte(6);
                out.text(stream);
                out.day(*as_of);
                out.count(persons.len());
                persons.iter().for_each(|&p| out.number(u64::from(p)));
            }
            Self::Past {
                stream,
                source,
                through,
                items,
            } => {
                out.byte(7);
                out.text(stream);
                out.text(source);
                out.number(*through);
                let day = items.first().map_or(Day(0), |item| item.day);
                out.day(day);
                write_items(&mut out, items, day);
            }
        }
        out.bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let entry = Self::read(&mut reader)?;
        reader.is_empty().then_some(entry)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.byte()? {
            1 => Self::FieldSet {
                set: reader.number32()?,
                fields: {
                    let count = reader.count()?;
                    (0..count)
                        .map(|_| read_field(reader))
                        .collect::<Option<_>>()?
                },
            },
            2 => {
                let (batch, stream) = (reader.number()?, Arc::from(reader.text()?));
                let (has, seq) = (reader.byte()?, reader.number()?);
                let day = reader.day()?;
                let items = read_items(reader, day)?;
                Self::Possible {
                    batch,
                    stream,
                    outbox_seq: (has == 1).then_some(seq),
                    day,
                    items,
                }
            }
            3 => Self::Settle {
                batch: reader.number()?,
                outcome: Outcome {
                    delivered: read_selection(reader)?,
                    refused: read_selection(reader)?,
                    unknown: read_selection(reader)?,
                },
            },
            4 => {
                let (from_seq, next_seq) = (reader.number()?, reader.number()?);
                let mut streams = Vec::new();
                for _ in 0..reader.count()? {
                    let stream = Arc::from(reader.text()?);
                    let day = reader.day()?;
                    streams.push((stream, read_items(reader, day)?));
                }
                Self::Seen {
                    from_seq,
                    next_seq,
                    streams,
                }
            }
            5 => {
                let (has, stream) = (reader.byte()?, Arc::from(reader.text()?));
                Self::Gap {
                    stream: (has == 1).then_some(stream),
                    gap: read_gap(reader)?,
                }
            }
            6 => Self::Deleted {
                stream: Arc::from(reader.text()?),
                as_of: reader.day()?,
                persons: {
                    let count = reader.count()?;
                    (0..count)
                        .map(|_| reader.number32())
                        .collect::<Option<_>>()?
                },
            },
            7 => {
                let (stream, source) = (Arc::from(reader.text()?), Arc::from(reader.text()?));
                let (through, day) = (reader.number()?, reader.day()?);
                Self::Past {
                    stream,
                    source,
                    through,
                    items: read_items(reader, day)?,
                }
            }
            _ => return None,
        })
    }
}

pub(crate) fn write_field(out: &mut Writer, field: &FieldKey) {
    out.text(&field.path);
    out.text(field.category.key());
    out.text(field.form.as_str());
}

pub(crate) fn read_field(reader: &mut Reader<'_>) -> Option<FieldKey> {
    Some(FieldKey {
        path: Arc::from(reader.text()?),
        category: Category::parse(reader.text()?)?,
        form: Form::parse(reader.text()?)?,
    })
}

pub(crate) fn write_gap(out: &mut Writer, gap: &Gap) {
    out.day(gap.since);
    out.day(gap.until);
    out.text(&gap.reason);
}

pub(crate) fn read_gap(reader: &mut Reader<'_>) -> Option<Gap> {
    Some(Gap {
        since: reader.day()?,
        until: reader.day()?,
        reason: reader.text()?.to_owned(),
    })
}

fn write_items(out: &mut Writer, items: &[Item], day: Day) {
    out.count(items.len());
    for item in items {
        let other_day = item.day != day;
        out.number(u64::from(item.set) << 2 | u64::from(other_day) << 1 | u64::from(item.is_event));
        out.optional(item.person);
        out.optional(item.organization);
        if other_day {
            out.day(item.day);
        }
    }
}

fn read_items(reader: &mut Reader<'_>, day: Day) -> Option<Vec<Item>> {
    let count = reader.count()?;
    (0..count)
        .map(|_| {
            let head = reader.number()?;
            Some(Item {
                set: u32::try_from(head >> 2).ok()?,
                is_event: head & 1 == 1,
                person: reader.optional()?,
                organization: reader.optional()?,
                day: if head & 2 == 2 { reader.day()? } else { day },
            })
        })
        .collect()
}

fn write_selection(out: &mut Writer, items: &Items) {
    match items {
        Items::None => out.byte(0),
        Items::All => out.byte(1),
        Items::At(positions) => {
            out.byte(2);
            out.count(positions.len());
            positions.iter().for_each(|&at| out.number(u64::from(at)));
        }
    }
}

fn read_selection(reader: &mut Reader<'_>) -> Option<Items> {
    Some(match reader.byte()? {
        0 => Items::None,
        1 => Items::All,
        2 => {
            let count = reader.count()?;
            Items::At(
                (0..count)
                    .map(|_| reader.number32())
                    .collect::<Option<_>>()?,
            )
        }
        _ => return None,
    })
}
