//! Why: what happens to each field of an event, for `cofferdam explain`, the field inbox and the live view.
//!
//! Made by running the very decisions of admit and minimize. Invariant: it holds no value.

mod nobody;

use crate::admitted::{Admitted, Body, Event, Kept, Record};
use crate::classify::{Basis, Class};
use crate::minimize::{self, Outcome, Sender};
use crate::rules::Evidence;
use crate::{IntakeContext, Policy, PolicyId, SendContext, ValueType, VendorItem};
use cofferdam_model::{Category, Form, Refusal, VendorId};
use nobody::Nobody;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

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

impl Explanation {
    /// Why the whole event is refused.
    pub(crate) fn refused(policy: PolicyId, refusal: Refusal) -> Self {
        Self {
            policy,
            refused: Some(refusal),
            vendors: Vec::new(),
            fields: Vec::new(),
        }
    }
}

/// Explains an admitted event: home and every vendor decide on it as they would, with tokens and seals that mean nothing.
pub(crate) fn explain(
    policy: &Policy,
    context: &IntakeContext<'_>,
    admitted: Admitted<Event>,
) -> Explanation {
    let record = Record::Event(admitted);
    let body = record.body();
    let day = context.received.day();
    let mut home = Vec::new();
    let at_home = minimize::home(
        policy.tables(),
        policy.id(),
        &record,
        &Nobody,
        Some(&mut home),
    );
    let at_home = fates(body, at_home.err(), home);
    let send = SendContext {
        epoch: 0,
        today: day,
        consent: crate::ConsentState::default(),
        admitted_under: policy,
    };
    let mut vendors = Vec::new();
    let mut columns = Vec::new();
    for vendor in &policy.tables().vendors {
        let mut trace = Vec::new();
        let sender = Sender {
            tables: policy.tables(),
            policy: policy.id(),
            now: vendor,
            then: vendor,
            context: &send,
            sealer: &Nobody,
            pseudonyms: &Nobody,
        };
        let refused = minimize::vendor(&sender, &record, Some(&mut trace)).err();
        columns.push((vendor.source.id.clone(), fates(body, refused, trace)));
        vendors.push(VendorOutcome {
            vendor: vendor.source.id.clone(),
            refused,
            observed: vendor.is_observed(day),
        });
    }
    let fields = body
        .fields
        .iter()
        .enumerate()
        .filter(|(_, field)| field.kept != Kept::Inside)
        .filter_map(|(number, field)| {
            let (info, class) = (body.path(field)?, body.class(field)?);
            let home = *at_home.get(number)?;
            let vendors: Vec<(VendorId, FieldOutcome)> = columns
                .iter()
                .filter_map(|(id, column)| Some((id.clone(), *column.get(number)?)))
                .collect();
            Some(FieldExplanation {
                path: Arc::clone(&info.path),
                value_type: field.node.value_type(),
                category: class.category,
                rule: class.rule.to_arc(),
                evidence: evidence(class),
                because: because(class, home, &vendors),
                home,
                vendors,
            })
        })
        .collect();
    Explanation {
        policy: policy.id(),
        refused: None,
        vendors,
        fields,
    }
}

/// What becomes of each field at a vendor. Where a path occurs more than once (lists), what goes outweighs what does not.
pub(crate) fn vendor_fields(
    sender: &Sender<'_>,
    record: &Record,
) -> Result<Vec<(Arc<str>, FieldOutcome)>, Refusal> {
    let body = record.body();
    let mut trace = Vec::new();
    let minimized = minimize::vendor(sender, record, Some(&mut trace))?;
    let mut fields: BTreeMap<Arc<str>, FieldOutcome> = BTreeMap::new();
    for (field, fate) in body.fields.iter().zip(fates(body, None, trace)) {
        let Some(info) = body.path(field).filter(|_| field.kept != Kept::Inside) else {
            continue;
        };
        let known = fields.entry(Arc::clone(&info.path)).or_insert(fate);
        if let FieldOutcome::Form(_) = fate {
            *known = fate;
        }
    }
    // The event's name and time go with every event and are no fields of the record.
    let exposures = match minimized.item() {
        VendorItem::Event(event) => &event.exposures,
        VendorItem::Update(update) => &update.exposures,
    };
    for exposure in exposures {
        fields.insert(
            Arc::clone(&exposure.path),
            FieldOutcome::Form(exposure.form),
        );
    }
    Ok(fields.into_iter().collect())
}

/// One outcome per field.
fn fates(body: &Body, refused: Option<Refusal>, trace: Vec<Outcome>) -> Vec<FieldOutcome> {
    let default = refused.unwrap_or(Refusal::Withheld);
    let mut fates: Vec<FieldOutcome> = body
        .fields
        .iter()
        .map(|field| match field.kept {
            Kept::Withheld(refusal) if refused.is_none() => FieldOutcome::Refused(refusal),
            _ => FieldOutcome::Refused(default),
        })
        .collect();
    if refused.is_none() {
        for (number, outcome) in trace {
            if let Some(fate) = fates.get_mut(number) {
                *fate = match outcome {
                    Ok(form) => FieldOutcome::Form(form),
                    Err(refusal) => FieldOutcome::Refused(refusal),
                };
            }
        }
    }
    fates
}

/// What the rule saw, in words.
pub(crate) fn evidence(class: &Class) -> Arc<str> {
    match class.basis {
        Basis::Path(Evidence::FieldsToml) => Arc::from("named in fields.toml"),
        Basis::Path(Evidence::KeyToken(words)) => Arc::from(format!("the key says `{words}`")),
        Basis::Path(Evidence::Parent(words)) => Arc::from(format!("it stands in `{words}`")),
        Basis::Path(Evidence::Detector) | Basis::Detected => Arc::from("found in the value"),
        Basis::Path(Evidence::Builtin) if class.rule.as_str() == "none" => {
            Arc::from("no rule knows the key")
        }
        Basis::Path(Evidence::Builtin) => Arc::from("a property that the SDK or vendor defines"),
        Basis::Organization => Arc::from("the project's organization_key"),
        Basis::Words => Arc::from("no rule knows the key, and the value has several words"),
        Basis::Derived => Arc::from("made from the connection"),
    }
}

/// One sentence for a human.
fn because(class: &Class, home: FieldOutcome, vendors: &[(VendorId, FieldOutcome)]) -> String {
    let mut text = format!("It is `{}` ({}); home ", class.category, evidence(class));
    say(&mut text, home);
    for (vendor, outcome) in vendors {
        text.push_str(&format!("; {vendor} "));
        say(&mut text, *outcome);
    }
    text.push('.');
    text
}

fn say(text: &mut String, outcome: FieldOutcome) {
    match outcome {
        FieldOutcome::Form(Form::Clear) => text.push_str("gets it as sent"),
        FieldOutcome::Form(Form::Sealed) => text.push_str("keeps it sealed"),
        FieldOutcome::Form(form) => text.push_str(&format!("gets its {}", form.as_str())),
        FieldOutcome::Refused(refusal) => {
            text.push_str(&format!("does not get it, because {}", refusal.because()));
        }
    }
}
