//! What a decision needs to know besides the data: who sent it, what the person said, who is asking.
//!
//! Filled in by the server's pipeline (intake) and by egress (sending). Invariant: everything that varies is in here, so
//! that the same input gives the same decision.

use crate::Policy;
use cofferdam_model::{
    Day, Limits, OrganizationNumber, PersonNumber, Place, ProjectName, Provenance, TimestampMs,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What the person's browser or SDK said about consent, with the very request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Signals {
    /// `Sec-GPC: 1`.
    pub gpc: bool,
    /// `DNT: 1`.
    pub dnt: bool,
    /// The SDK carries an opt-in.
    pub opted_in: bool,
    /// The SDK carries an opt-out.
    pub opted_out: bool,
}

/// What is recorded of the person's will towards one recipient (home or one vendor and its purpose), at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConsentState {
    /// A positive signal is on record.
    pub opted_in: bool,
    /// The person objected to the recipient, to its purpose, or to everything.
    pub objected: bool,
}

/// Knows whom the vault forgot a short time ago; asked of the ids of people and devices only.
pub trait ForgottenIds: std::fmt::Debug {
    /// Whether the id, in this spelling or the other one of the same device, named somebody who was forgotten.
    fn is_forgotten(&self, id: &str) -> bool;
}

/// What is known at the door, once for all items of a request.
#[derive(Clone, Copy, Debug)]
pub struct IntakeContext<'a> {
    /// The project of the item's token.
    pub project: &'a ProjectName,
    /// When the request arrived.
    pub received: TimestampMs,
    /// How far the sender can be believed.
    pub provenance: Provenance,
    /// Consent signals of the request.
    pub signals: Signals,
    /// The person's will towards home.
    pub consent: ConsentState,
    /// The person's address, where the connection is the person's (`None` for servers' requests and `ip=0`).
    pub address: Option<IpAddr>,
    /// The place of that address.
    pub place: Option<&'a Place>,
    /// The `User-Agent` header, where the connection is the person's.
    pub user_agent: Option<&'a str>,
    /// Limits on what is accepted.
    pub limits: &'a Limits,
    /// Whose ids go nowhere, whoever names them beside their own; `None` where nobody was forgotten, which costs nothing.
    pub forgotten: Option<&'a dyn ForgottenIds>,
}

/// Who it is, as vault resolved it.
#[derive(Clone, Copy, Debug)]
pub struct ResolvedIdentity<'a> {
    /// The person; for a group's update [`PersonNumber::ORGANIZATIONS`].
    pub person: PersonNumber,
    /// The organization, if one is named.
    pub organization: Option<OrganizationNumber>,
    /// Keyed hash of (project, event, distinct id as sent, insert id); zeros: never a duplicate.
    pub insert_key: [u8; 16],
    /// The event's id as sent, or made up by the pipeline where absent. Updates may leave it empty.
    pub insert_id: &'a str,
}

/// What is known when a record is about to be sent to one vendor.
#[derive(Clone, Copy, Debug)]
pub struct SendContext<'a> {
    /// The vendor's key epoch.
    pub epoch: u32,
    /// Today, UTC: contracts expire and observe mode ends by it.
    pub today: Day,
    /// The person's will towards the vendor.
    pub consent: ConsentState,
    /// Since when the positive signal on record stands: it speaks for what came after it only.
    pub opted_in_since: Option<TimestampMs>,
    /// The policy under which the record was admitted: what goes is what both permit.
    pub admitted_under: &'a Policy,
}
