//! Why: what happens to each field of an event, for `cofferdam explain`, the field inbox and the live view.
//!
//! Made by running the very decisions of admit and minimize. Invariant: it holds no value.

use cofferdam_model::{Category, Form, Refusal, VendorId};
use serde::Serialize;
use std::sync::Arc;

use crate::{PolicyId, ValueType};

/// What happens to an event, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The policy that decided.
    pub policy: PolicyId,
    /// Why the whole event is refused, if it is.
    pub refused: Option<Refusal>,
    /// Why a vendor gets nothing of it, per vendor that gets nothing.
    pub vendors: Vec<VendorOutcome>,
    /// Every field.
    pub fields: Vec<FieldExplanation>,
}

/// Whether a vendor gets the event at all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VendorOutcome {
    /// The vendor.
    pub vendor: VendorId,
    /// Why not; `None` where it gets the event.
    pub refused: Option<Refusal>,
    /// Whether the vendor is in observe mode on the day of arrival.
    pub observed: bool,
}

/// What happens to one field, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldExplanation {
    /// Path with its prefix.
    pub path: Arc<str>,
    /// Type of the value.
    pub value_type: ValueType,
    /// What it is.
    pub category: Category,
    /// The rule that says so.
    pub rule: Arc<str>,
    /// What the rule saw; never a value.
    pub evidence: Arc<str>,
    /// What home gets.
    pub home: FieldOutcome,
    /// What each vendor gets.
    pub vendors: Vec<(VendorId, FieldOutcome)>,
    /// One sentence for a human.
    pub because: String,
}

/// The form in which a recipient gets a field, or why it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldOutcome {
    /// It goes in this form.
    Form(Form),
    /// It does not go.
    Refused(Refusal),
}

/// What a field is, by its path alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Classification {
    /// The category.
    pub category: Category,
    /// The rule that says so.
    pub rule: Arc<str>,
    /// What the rule saw.
    pub evidence: Arc<str>,
}
