//! The question and the answer of a blast radius, in the shape that the HTTP API shows.
//!
//! Asked by the server and by response; computed in `answer.rs` from cells.
//! Invariant: `not_exposed` is empty wherever the ledger cannot know (P3).

use crate::Gap;
use cofferdam_model::category::Sensitivity;
use cofferdam_model::{Category, Day, Form, VendorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// What was sent in the window.
    #[default]
    Sent,
    /// All that was ever sent up to the window's end and is not confirmed deleted.
    Held,
}

/// How much of the traffic to a vendor passes through here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Routing {
    /// All of it.
    Routed,
    /// Some of it.
    Partial,
    /// None of it that is known.
    #[default]
    None,
}

/// What the ledger can know about a vendor; the caller knows it from configuration, contracts and scans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// How much of the traffic passes here.
    pub routing: Routing,
    /// First day from which everything is recorded; days before are a gap.
    pub complete_from: Option<Day>,
    /// Last day up to which everything is recorded; days after are a gap.
    pub complete_through: Option<Day>,
    /// Whether the vendor is known to have received nothing before `complete_from`. Without it, basis held has a gap there.
    pub nothing_before: bool,
    /// Further gaps; those recorded with [`crate::Ledger::gap`] are added by the ledger.
    pub gaps: Vec<Gap>,
}

/// Whom and when a radius is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadiusRequest {
    /// The vendor.
    pub vendor: VendorId,
    /// First UTC day of first attempts, inclusive. Basis held counts from the first exposure instead.
    pub since: Day,
    /// Last UTC day of first attempts, inclusive.
    pub until: Day,
    /// What is counted.
    pub basis: Basis,
    /// Basis held: days after which the vendor was *verified* to have deleted event data. Counted from the day of the send,
    /// which is never before the event: what is left can only be more than what is held.
    pub retention_verified_days: Option<u32>,
    /// Basis held: the contract's claimed retention in days, for the second, smaller figure.
    pub retention_claimed_days: Option<u32>,
    /// The categories that `not_exposed` and `unknown` speak of: those seen, and those that policy knows of.
    pub known: Vec<Category>,
}

/// One field in a radius.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldRadius {
    /// Field path.
    #[schema(value_type = String)]
    pub field: Arc<str>,
    /// Category at the time of the send.
    #[schema(value_type = String)]
    pub category: Category,
    /// Form in which it went.
    #[schema(value_type = String)]
    pub form: Form,
    /// Distinct canonical persons.
    pub people: u64,
    /// First UTC day in the window.
    #[schema(value_type = String)]
    pub first: Day,
    /// Last UTC day in the window.
    #[schema(value_type = String)]
    pub last: Day,
}

/// One category in a radius.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CategoryRadius {
    /// The category.
    #[schema(value_type = String)]
    pub category: Category,
    /// How bad it is to lose.
    #[schema(value_type = String)]
    pub sensitivity: Sensitivity,
    /// Distinct canonical persons of whom a field of it went out.
    pub people: u64,
}

/// The blast radius of one vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Radius {
    /// The vendor.
    #[schema(value_type = String)]
    pub vendor: VendorId,
    /// What is counted.
    pub basis: Basis,
    /// First UTC day, inclusive; for basis held that of the first exposure.
    #[schema(value_type = String)]
    pub since: Day,
    /// Last UTC day, inclusive.
    #[schema(value_type = String)]
    pub until: Day,
    /// Distinct canonical persons, possible or delivered.
    pub people: u64,
    /// Of them, those without any confirmed delivery.
    pub people_possible: u64,
    /// Basis held: people if the contract's claimed retention is believed too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub people_claimed_retention: Option<u64>,
    /// Distinct organizations of the events and updates: one of each, so that of a list only the first counts.
    pub organizations: u64,
    /// Whether there may be more organizations than counted: ids of organizations, or values of fields that may hold them, went out.
    pub organizations_at_least: bool,
    /// Events attempted (each once, however often retried).
    pub events: u64,
    /// Per field, category and form; ascending.
    pub fields: Vec<FieldRadius>,
    /// Per category; ascending.
    pub categories: Vec<CategoryRadius>,
    /// Known categories of which nothing went out. Empty wherever the ledger cannot know.
    #[schema(value_type = Vec<String>)]
    pub not_exposed: Vec<Category>,
    /// Known categories of which the ledger cannot say that nothing went out.
    #[schema(value_type = Vec<String>)]
    pub unknown: Vec<Category>,
    /// How much of the traffic passes here.
    pub coverage: Routing,
    /// First day from which everything is recorded.
    #[schema(value_type = Option<String>, required)]
    pub complete_from: Option<Day>,
    /// Last day up to which everything is recorded.
    #[schema(value_type = Option<String>, required)]
    pub complete_through: Option<Day>,
    /// Days of the window about which the ledger cannot know.
    pub gaps: Vec<Gap>,
}

/// One person in a radius, for the gated stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonRadius {
    /// Canonical number.
    pub person: u32,
    /// Whether any delivery in the window was confirmed.
    pub delivered: bool,
    /// The fields of this person that went out.
    pub fields: Vec<crate::FieldKey>,
}

/// What went to one vendor about one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonExposure {
    /// The vendor.
    pub vendor: VendorId,
    /// Field path.
    pub field: Arc<str>,
    /// Category at the time of the send.
    pub category: Category,
    /// Form in which it went.
    pub form: Form,
    /// First UTC day.
    pub first: Day,
    /// Last UTC day.
    pub last: Day,
}
