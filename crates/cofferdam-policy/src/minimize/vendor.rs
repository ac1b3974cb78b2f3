//! What one vendor may have: the gates (contract, region, consent), then each field in the form that both policies permit.
//!
//! Called by the vendor's worker. Global Privacy Control and Do Not Track count as an objection towards vendors whose purpose is
//! advertising, sale or sharing, unless they rest on another legal basis than consent.
//! Invariant: `exposures` names exactly what is in the item; a value with a detector's finding never goes in clear.

mod fates;
mod gate;
mod group;

use super::rebuild::{self, Recipient};
use super::{Opened, Outcome, class_today, token};
use crate::admitted::{Body, Kept, Record, Sort};
use crate::classify::{BEHAVIOR, Basis, Class, UNCLASSIFIED};
use crate::compile::{Tables, VendorTable};
use crate::forms;
use crate::paths::PathInfo;
use crate::rules::{FieldKind, RuleSwitches};
use crate::{
    Exposure, Fate, Minimized, PolicyId, SendContext, Vendor, VendorEvent, VendorItem,
    VendorSubject, VendorUpdate,
};
use cofferdam_model::{
    Category, Form, Operation, PersonNumber, Pseudonyms, Refusal, Sealer, TokenDomain, Value,
};
use std::sync::Arc;

pub(crate) use fates::Fates;
pub(crate) use group::GROUP_KEY;

/// Whose decisions: the policy at send and the one at intake, each with its entry for the vendor.
pub(crate) struct Sender<'s> {
    pub(crate) tables: &'s Tables,
    pub(crate) policy: PolicyId,
    pub(crate) now: &'s VendorTable,
    pub(crate) then: &'s VendorTable,
    pub(crate) context: &'s SendContext<'s>,
    pub(crate) sealer: &'s dyn Sealer,
    pub(crate) pseudonyms: &'s dyn Pseudonyms,
}

/// Minimizes a record for a vendor; `trace` gets every field's fate.
pub(crate) fn vendor(
    sender: &Sender<'_>,
    record: &Record,
    trace: Option<&mut Vec<Outcome>>,
) -> Result<Minimized<Vendor>, Refusal> {
    let body = record.body();
    let observed = gate::pass(sender, body)?;
    let opened = Opened::new(body, sender.sealer)?;
    let source = &sender.now.source;
    let mut picker = Picker {
        sender,
        opened: &opened,
        observed,
        domain: TokenDomain {
            vendor: source.id.clone(),
            region: source
                .destination_region
                .clone()
                .unwrap_or_else(|| source.region.clone()),
            epoch: sender.context.epoch,
        },
        fate: Fate {
            exposures: Vec::with_capacity(body.fields.len() + 4),
            withheld: Vec::with_capacity(body.fields.len()),
            would_withhold: Vec::new(),
        },
        first_refusal: None,
        trace,
    };
    let item = match &body.sort {
        Sort::Event { name } => VendorItem::Event(picker.event(body, name)?),
        Sort::Update { operation, group } => {
            VendorItem::Update(picker.update(body, *operation, group.as_ref())?)
        }
    };
    Ok(Minimized::new(item))
}

struct Picker<'p> {
    sender: &'p Sender<'p>,
    opened: &'p Opened<'p>,
    observed: Observed,
    domain: TokenDomain,
    /// As it came up: not in order yet.
    fate: Fate,
    first_refusal: Option<Refusal>,
    trace: Option<&'p mut Vec<Outcome>>,
}

/// Whether the vendor is in observe mode today, and was on the day of arrival.
#[derive(Clone, Copy)]
struct Observed {
    now: bool,
    then: bool,
}

impl Picker<'_> {
    fn event(&mut self, body: &Body, name: &str) -> Result<VendorEvent, Refusal> {
        let mut distinct_id = String::new();
        let mut insert_id = String::new();
        let mut properties = Vec::with_capacity(body.fields.len());
        for (info, value) in self.values(body) {
            match (&*info.path, value) {
                ("distinct_id", Value::Text(id)) => distinct_id = id.into_owned(),
                ("properties.$insert_id", Value::Text(id)) if insert_id.is_empty() => {
                    insert_id = id.into_owned();
                }
                (_, value) => properties.push((Arc::clone(&info.name), value)),
            }
        }
        let time = self.time(body);
        self.expose("event", BEHAVIOR, Form::Clear);
        Ok(VendorEvent {
            vendor: self.sender.now.source.id.clone(),
            person: body.person,
            organization: body.organization,
            name: name.to_owned(),
            time,
            distinct_id,
            insert_id,
            properties,
            fate: self.fate(),
        })
    }

    fn update(
        &mut self,
        body: &Body,
        operation: Operation,
        group: Option<&Arc<str>>,
    ) -> Result<VendorUpdate, Refusal> {
        let mut id = None;
        let mut values = Vec::with_capacity(body.fields.len());
        let sent = body.fields.len();
        for (info, value) in self.values(body) {
            match (&*info.path, value) {
                ("distinct_id" | "group_id", Value::Text(text)) => id = Some(text.into_owned()),
                ("distinct_id" | "group_id", _) => {}
                (_, value) => values.push((Arc::clone(&info.name), value)),
            }
        }
        let refusal = self.first_refusal.unwrap_or(Refusal::NotListed);
        let id = id.ok_or(refusal)?;
        // An empty update says nothing, and a strict vendor refuses it; which names to unset stands in no value.
        let is_told_without = match operation {
            Operation::Delete => true,
            Operation::Unset => sent <= 1,
            _ => false,
        };
        if values.is_empty() && !is_told_without {
            return Err(self.first_refusal.unwrap_or(Refusal::Ignored));
        }
        if let Some(key) = group {
            self.expose_group_key(body, key)?;
        }
        Ok(VendorUpdate {
            vendor: self.sender.now.source.id.clone(),
            person: (body.person != PersonNumber::ORGANIZATIONS).then_some(body.person),
            organization: body.organization,
            subject: match group {
                None => VendorSubject::Person { distinct_id: id },
                Some(key) => VendorSubject::Group {
                    key: key.to_string(),
                    id,
                },
            },
            operation,
            time: body.time,
            values,
            fate: self.fate(),
        })
    }

    /// Path and value of everything that goes.
    fn values<'b>(&mut self, body: &'b Body) -> Vec<(&'b PathInfo, Value<'static>)> {
        let mut values: Vec<(&PathInfo, _)> = Vec::with_capacity(body.fields.len());
        let mut next = 0;
        while next < body.fields.len() {
            let (value, after) = rebuild::value(body, next, body.fields.len(), self);
            let info = body.fields.get(next).and_then(|field| body.path(field));
            if let (Some(value), Some(info)) = (value, info)
                && !rebuild::is_taken(&info.path, values.iter().map(|(info, _)| &*info.path))
            {
                values.push((info, value));
            }
            next = after;
        }
        values
    }

    /// The time, as its day where the contract says so; it needs no listing.
    fn time(&mut self, body: &Body) -> cofferdam_model::TimestampMs {
        let category = |tables: &Tables| {
            tables
                .projects
                .iter()
                .find(|project| project.source.name == body.project)
                .map_or(BEHAVIOR, |project| project.classifier.time_category())
        };
        let category = category(self.sender.tables);
        let is_day = [self.sender.now, self.sender.then]
            .iter()
            .any(|table| table.listed.form(category) == Ok(Form::Day));
        if is_day {
            self.expose("time", category, Form::Day);
            body.time.day().start()
        } else {
            self.expose("time", category, Form::Clear);
            body.time
        }
    }

    fn expose(&mut self, path: &str, category: Category, form: Form) {
        self.fate.exposures.push(Exposure {
            path: Arc::from(path),
            category,
            form,
        });
    }

    /// What became of the fields, in order.
    fn fate(&mut self) -> Arc<Fate> {
        let fates = &self.sender.now.fates;
        fates.of(std::mem::take(&mut self.fate))
    }

    fn withhold(&mut self, number: usize, refusal: Refusal) {
        let body = self.opened.body;
        if let Some(info) = body.fields.get(number).and_then(|field| body.path(field)) {
            self.fate.withheld.push((Arc::clone(&info.path), refusal));
        }
    }

    /// The form that both policies permit for a field, and what it is today.
    fn form<'c>(
        &self,
        body: &'c Body,
        info: &PathInfo,
        class: &'c Class,
        node: crate::admitted::Node,
    ) -> (
        Result<Form, Refusal>,
        std::borrow::Cow<'c, Class>,
        Option<Refusal>,
    ) {
        let is_same = self.sender.policy == body.policy;
        let today = class_today(self.sender.tables, is_same, body, info, class, node);
        if &*info.path == "properties.$insert_id" {
            return (Ok(Form::Token), today, None);
        }
        let is_derived = class.basis == Basis::Derived;
        let contract = listed(self.sender.now, &today);
        let now = observed_form(contract, self.observed.now && !is_derived);
        let before = listed(self.sender.then, class);
        let then = observed_form(before, self.observed.then && !is_derived);
        let is_free = self.is_free() && !is_derived;
        let both = match (now, then) {
            (Ok(now), Ok(then)) => forms::common(now, then).ok_or(Refusal::Narrowed),
            (Err(refusal), Ok(_)) if !is_same && before.is_ok() => {
                Err(if refusal == Refusal::NotListed {
                    Refusal::Narrowed
                } else {
                    refusal
                })
            }
            (Err(refusal), _) => Err(refusal),
            (Ok(_), Err(Refusal::Secret)) => Err(Refusal::Secret),
            (Ok(_), Err(_)) => Err(Refusal::NotKept),
        };
        let detected = class.basis == Basis::Detected;
        let both = match both {
            Ok(Form::Clear) if detected && !is_free => Err(Refusal::Detected),
            both => both,
        };
        let would = match contract {
            Ok(Form::Clear) if detected => Some(Refusal::Detected),
            Ok(form) if !forms::fits(form, today.kind) => Some(Refusal::FormNotApplicable),
            Ok(_) => None,
            Err(refusal) => Some(refusal),
        };
        (both, today, would.filter(|_| self.observed.now))
    }

    /// Whether what the SDK sends flows as it is, secrets apart.
    fn is_free(&self) -> bool {
        self.observed.now && self.observed.then
    }

    fn decide(&mut self, number: usize) -> Result<(Value<'static>, Form), Refusal> {
        let body = self.opened.body;
        let field = body.fields.get(number).ok_or(Refusal::Malformed)?;
        let (info, class) = body
            .path(field)
            .zip(body.class(field))
            .ok_or(Refusal::Malformed)?;
        if is_never_sent(&info.name) {
            return Err(Refusal::NeverSent);
        }
        let (form, today, would) = self.form(body, info, class, field.node);
        if let Kept::Withheld(refusal) = field.kept {
            return Err(form.err().unwrap_or(refusal));
        }
        let form = form?;
        let leaf = self.opened.value(number)?;
        let value = match form {
            Form::Clear
                if leaf.coarse.is_none() && today.kind == FieldKind::Url && !self.is_free() =>
            {
                token::in_url(self.sender.pseudonyms, &self.domain, leaf.value)
            }
            Form::Clear if leaf.coarse.is_none() => leaf.value.into_owned(),
            Form::Token if leaf.coarse.is_none() => {
                let token = token::of_value(
                    self.sender.pseudonyms,
                    &self.domain,
                    today.kind,
                    &leaf.value,
                )?;
                Value::Text(token.into())
            }
            Form::Clear | Form::Token => return Err(Refusal::NotKept),
            Form::Sealed | Form::Withheld => return Err(Refusal::Withheld),
            form => forms::coarsen(
                form,
                today.kind,
                &leaf.value,
                leaf.coarse,
                &RuleSwitches::ALL_ON,
            )?
            .into_owned(),
        };
        if let Some(refusal) = would {
            let would = (Arc::clone(&info.path), refusal);
            self.fate.would_withhold.push(would);
        }
        if today.stray {
            // In observe mode the names around it go too, whatever they are.
            self.expose(&info.path, UNCLASSIFIED, Form::Clear);
        }
        self.fate.exposures.push(Exposure {
            path: Arc::clone(&info.path),
            category: today.category,
            form,
        });
        Ok((value, form))
    }
}

/// Whether it is the event's address, by the names that mean one in the protocol: it is never sent, so that a vendor locates nobody.
fn is_never_sent(name: &str) -> bool {
    matches!(name.strip_suffix("[]").unwrap_or(name), "ip" | "$ip")
}

/// What a table gives, or everything but secrets in observe mode.
fn observed_form(listed: Result<Form, Refusal>, is_observed: bool) -> Result<Form, Refusal> {
    match listed {
        Err(Refusal::Secret) => Err(Refusal::Secret),
        _ if is_observed => Ok(Form::Clear),
        listed => listed,
    }
}

/// What a contract gives of a class. Words that nobody has named are content of no known field, and what stands under a name that
/// nobody knows would bring that name along: no contract lists them.
fn listed(vendor: &VendorTable, class: &Class) -> Result<Form, Refusal> {
    match vendor.listed.form(class.category) {
        Err(Refusal::Secret) => Err(Refusal::Secret),
        _ if class.basis == Basis::Words || class.stray => Err(Refusal::Unclassified),
        form => form,
    }
}

impl Recipient for Picker<'_> {
    fn leaf(&mut self, number: usize) -> Option<(Value<'static>, Form)> {
        let outcome = self.decide(number);
        if let Some(trace) = &mut self.trace {
            trace.push((
                number,
                match &outcome {
                    Ok((_, form)) => Ok(*form),
                    Err(refusal) => Err(*refusal),
                },
            ));
        }
        match outcome {
            Ok(decided) => Some(decided),
            Err(refusal) => {
                self.first_refusal.get_or_insert(refusal);
                self.withhold(number, refusal);
                None
            }
        }
    }

    fn drop_part(&mut self, number: usize) {
        let kept = self.opened.body.fields.get(number).map(|field| field.kept);
        let refusal = match kept {
            Some(Kept::Withheld(refusal)) => refusal,
            _ => Refusal::FormNotApplicable,
        };
        if let Some(trace) = &mut self.trace {
            trace.push((number, Err(refusal)));
        }
        self.withhold(number, refusal);
    }
}
