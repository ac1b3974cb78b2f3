//! Why: what happens to each field of an event, for `cofferdam explain`, the field inbox and the live view.
//!
//! Made by running the very decisions of admit and minimize. Invariant: it holds no value.

mod nobody;

use crate::admitted::{Admitted, Body, Event, Kept, NAME_FIELD, Node, Record};
use crate::classify::{BEHAVIOR, Basis, CONTENT, Class, UNCLASSIFIED};
use crate::minimize::{self, Outcome, Sender};
use crate::rules::{Evidence, FieldKind};
use crate::{IntakeContext, Minimized, Policy, PolicyId, SendContext, ValueType, Vendor};
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
    /// Whether personal data in it is masked, for everybody, before any form.
    pub masked: bool,
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
    /// Whether it stands under a name that nobody knows, so that no vendor gets it.
    pub is_stray: bool,
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
    let home_refused = at_home.err();
    let at_home = fates(body, home_refused, home);
    let send = SendContext {
        epoch: 0,
        today: day,
        consent: crate::ConsentState::default(),
        opted_in_since: None,
        admitted_under: policy,
    };
    let mut vendors = Vec::new();
    let (mut columns, mut envelopes) = (Vec::new(), Vec::new());
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
        let minimized = minimize::vendor(&sender, &record, Some(&mut trace));
        envelopes.push((vendor.source.id.clone(), envelope(&minimized)));
        let refused = minimized.err();
        columns.push((vendor.source.id.clone(), fates(body, refused, trace)));
        vendors.push(VendorOutcome {
            vendor: vendor.source.id.clone(),
            refused,
            observed: vendor.is_observed(day),
        });
    }
    let home = home_refused.map_or(FieldOutcome::Form(Form::Clear), FieldOutcome::Refused);
    let mut fields = of_envelope(policy, body, home, &envelopes);
    let of_record = body
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
            let masked = is_masked(body, number, class);
            Some(FieldExplanation {
                masked,
                path: Arc::clone(&info.path),
                value_type: field.node.value_type(),
                category: class.category,
                rule: class.rule.to_arc(),
                evidence: evidence(class),
                because: because(class.category, &evidence(class), masked, home, &vendors),
                home,
                vendors,
            })
        });
    fields.extend(of_record);
    Explanation {
        policy: policy.id(),
        refused: None,
        vendors,
        fields,
    }
}

/// What a vendor gets of the event's name and its time, which are no fields of the record.
type Envelope = [FieldOutcome; 2];

fn envelope(minimized: &Result<Minimized<Vendor>, Refusal>) -> Envelope {
    let exposures = match minimized.as_ref().map(Minimized::item) {
        Ok(item) => &item.fate().exposures,
        Err(refusal) => return [FieldOutcome::Refused(*refusal); 2],
    };
    ["event", "time"].map(|path| {
        let form = exposures.iter().find(|exposure| *exposure.path == *path);
        form.map_or(FieldOutcome::Refused(Refusal::Withheld), |exposure| {
            FieldOutcome::Form(exposure.form)
        })
    })
}

/// The event's name and time, as fields like any other.
fn of_envelope(
    policy: &Policy,
    body: &Body,
    home: FieldOutcome,
    envelopes: &[(VendorId, Envelope)],
) -> Vec<FieldExplanation> {
    let mut projects = policy.tables().projects.iter();
    let time = projects
        .find(|project| project.source.name == body.project)
        .map_or(BEHAVIOR, |project| project.classifier.time_category());
    let of = |number: usize, path: &str, category: Category, value_type: ValueType| {
        let vendors: Vec<(VendorId, FieldOutcome)> = envelopes
            .iter()
            .filter_map(|(id, envelope)| Some((id.clone(), *envelope.get(number)?)))
            .collect();
        let masked = path == "event" && body.found.iter().any(|(field, _)| *field == NAME_FIELD);
        let evidence = "every event has it";
        FieldExplanation {
            path: Arc::from(path),
            value_type,
            category,
            rule: Arc::from("sdk.envelope"),
            evidence: Arc::from(evidence),
            because: because(category, evidence, masked, home, &vendors),
            home,
            vendors,
            masked,
        }
    };
    vec![
        of(0, "event", BEHAVIOR, ValueType::Text),
        of(1, "time", time, ValueType::Integer),
    ]
}

/// Whether what was found in a text is masked in it: of what is not withheld for it, free text and parts of URLs.
fn is_masked(body: &Body, number: usize, class: &Class) -> bool {
    let is_found = body
        .found
        .iter()
        .any(|(field, _)| *field as usize == number);
    let is_text = class.kind == FieldKind::FreeText || class.category.is_within(CONTENT);
    let node = body.fields.get(number).map(|field| field.node);
    let is_url = matches!(node, Some(Node::Url | Node::UrlText));
    is_found && class.basis != Basis::Detected && (is_text || is_url)
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
    for exposure in &minimized.item().fate().exposures {
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
    if class.stray && class.category != UNCLASSIFIED {
        let own = evidence(&Class {
            stray: false,
            ..class.clone()
        });
        return Arc::from(format!("{own}, but nobody knows a name around it"));
    }
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
fn because(
    category: Category,
    evidence: &str,
    masked: bool,
    home: FieldOutcome,
    vendors: &[(VendorId, FieldOutcome)],
) -> String {
    let mut text = format!("It is `{category}` ({evidence}); home ");
    say(&mut text, home, masked);
    for (vendor, outcome) in vendors {
        text.push_str(&format!("; {vendor} "));
        say(&mut text, *outcome, masked);
    }
    text.push('.');
    text
}

fn say(text: &mut String, outcome: FieldOutcome, masked: bool) {
    match outcome {
        FieldOutcome::Form(Form::Clear) if masked => {
            text.push_str("gets it with the personal data in it masked");
        }
        FieldOutcome::Form(Form::Clear) => text.push_str("gets it as sent"),
        FieldOutcome::Form(Form::Sealed) => text.push_str("keeps it sealed"),
        FieldOutcome::Form(form) => text.push_str(&format!("gets its {}", form.as_str())),
        FieldOutcome::Refused(refusal) => {
            text.push_str(&format!("does not get it, because {}", refusal.because()));
        }
    }
}
