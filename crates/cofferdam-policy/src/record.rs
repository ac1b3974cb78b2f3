//! Records as bytes: one self-contained entry per intake request, as the journal holds it.
//!
//! Encoded from admitted records only; decoded by every consumer of the journal. Each name (path, class, event, project,
//! refusal) is written where it is first used and is a small number from then on; so is the layout of a record's fields. A
//! value equal to the one that the same field had before in the entry is not written again. What identifies a person is sealed
//! once for all records of the entry, and stands behind them.
//! Invariant: identifying values leave memory only inside a sealed part; decoding never panics.

mod decode;
mod definition;
mod encode;
mod kinds;
mod sealed;

use crate::Record;
use cofferdam_model::Definition;

pub use decode::decode;
pub use encode::encode;
pub(crate) use sealed::Part;

/// The newest format that this version reads, and the one that it writes.
pub const VERSION: u8 = 2;
/// The oldest: there each record had a sealed part of its own.
const VERSION_MIN: u8 = 1;

/// What an entry holds.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the records depend on and what may not be durable yet.
    pub definitions: Vec<Definition>,
    /// The records, in the order of the request.
    pub records: Vec<Record>,
}

/// Bits 4 and 5 of a field's head; 0: the value is with the record. The value is the next in the sealed part.
const KEPT_SEALED: u8 = 1;
/// There is none; the refusal is in the layout.
const KEPT_WITHHELD: u8 = 2;
/// Bit of the field's head: home may have it.
const HOME: u8 = 0x40;
/// Bit of a class's basis: a name around the field is known to nobody.
const STRAY: u8 = 0x80;
/// Bit of the field's head: it is made of the fields that follow.
const INSIDE: u8 = 0x80;

const FLAG_UPDATE: u8 = 1;
const FLAG_VERIFIED: u8 = 2;
const FLAG_ORGANIZATION: u8 = 4;
const FLAG_TIME: u8 = 8;
const FLAG_TIME_UNUSABLE: u8 = 16;
