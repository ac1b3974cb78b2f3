//! Forgetting people.

use cofferdam_model::{PersonNumber, Region, VendorId};

/// Whom to forget.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// By any of the person's numbers.
    Number(PersonNumber),
    /// By any of the person's ids, as sent.
    Id(&'a str),
}

/// How far a deletion request to a vendor got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionState {
    /// Queued or sent.
    Requested,
    /// The vendor said that it will.
    Acknowledged,
    /// The vendor said that it has.
    Done,
}

/// A deletion to ask of a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionRequest {
    /// Id of the request.
    pub id: i64,
    /// Id of the erasure that it belongs to.
    pub erasure: i64,
    /// The vendor.
    pub vendor: VendorId,
    /// Region of the destination.
    pub region: Region,
    /// Epoch of the token.
    pub epoch: u32,
    /// The number of the id.
    pub number: PersonNumber,
    /// Whether the id was `$device:…`: the token is then of what follows the prefix.
    pub device: bool,
    /// The vendor's token of the id, unshaped.
    pub token: [u8; 32],
    /// How far it got.
    pub state: DeletionState,
    /// When it was queued, milliseconds since 1970.
    pub asked_at: i64,
}

/// What an erasure did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Id of the erasure.
    pub erasure: i64,
    /// All numbers of the person.
    pub numbers: Vec<PersonNumber>,
    /// What to ask of vendors: each id's token in every epoch of every vendor that ever had tokens.
    pub requests: Vec<DeletionRequest>,
}
