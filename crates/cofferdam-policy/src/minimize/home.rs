//! What home keeps: values in the form that `[home]` lists, identifying ones sealed under the person's key.
//!
//! Called by the store's consumer. Invariant: what home could not have at intake it does not get later.

use super::rebuild::{self, Recipient};
use super::{Opened, Outcome, class_today};
use crate::admitted::{Kept, Record, Sort};
use crate::compile::Tables;
use crate::forms;
use crate::rules::{FieldKind, RuleSwitches};
use crate::{Home, HomeEvent, HomeItem, HomeSubject, HomeUpdate, Minimized, PolicyId};
use cofferdam_model::{Form, IdKind, PersonNumber, Refusal, Sealer, Value};
use std::sync::Arc;

/// Minimizes a record for home; `trace` gets every field's fate.
pub(crate) fn home(
    tables: &Tables,
    policy: PolicyId,
    record: &Record,
    sealer: &dyn Sealer,
    trace: Option<&mut Vec<Outcome>>,
) -> Result<Minimized<Home>, Refusal> {
    let body = record.body();
    if !tables
        .projects
        .iter()
        .any(|project| project.source.name == body.project)
    {
        return Err(Refusal::OtherProject);
    }
    if matches!(body.sort, Sort::Event { .. })
        && tables.home.form(crate::classify::BEHAVIOR) != Ok(Form::Clear)
    {
        return Err(Refusal::NoBehavior);
    }
    let opened = Opened::new(body, sealer)?;
    let mut keeper = Keeper {
        tables,
        is_same_policy: policy == body.policy,
        opened: &opened,
        sealer,
        sealed: Vec::new(),
        withheld: Vec::new(),
        refused: None,
        trace,
    };
    let mut values: Vec<(Arc<str>, _)> = Vec::with_capacity(body.fields.len());
    let mut next = 0;
    while next < body.fields.len() {
        let (value, after) = rebuild::value(body, next, body.fields.len(), &mut keeper);
        let info = body.fields.get(next).and_then(|field| body.path(field));
        if let (Some(value), Some(info)) = (value, info)
            && !rebuild::is_taken(&info.name, values.iter().map(|(name, _)| &**name))
        {
            values.push((Arc::clone(&info.name), value));
        }
        next = after;
    }
    let Keeper {
        sealed,
        withheld,
        refused,
        ..
    } = keeper;
    if let Some(refusal) = refused {
        return Err(refusal);
    }
    Ok(Minimized::new(item(record, values, sealed, withheld)?))
}

fn item(
    record: &Record,
    values: Vec<(Arc<str>, Value<'static>)>,
    sealed: Vec<(Arc<str>, Vec<u8>)>,
    withheld: Vec<(Arc<str>, Refusal)>,
) -> Result<HomeItem, Refusal> {
    let body = record.body();
    Ok(match &body.sort {
        Sort::Event { name } => HomeItem::Event(HomeEvent {
            project: body.project.clone(),
            person: body.person,
            organization: body.organization,
            time: body.time,
            received: body.received,
            provenance: body.provenance,
            insert_key: body
                .insert_key
                .first_chunk()
                .map_or(0, |half| u64::from_le_bytes(*half)),
            policy: body.policy,
            name: name.to_string(),
            properties: values,
            sealed,
            withheld,
        }),
        Sort::Update { operation, group } => HomeItem::Update(HomeUpdate {
            project: body.project.clone(),
            subject: match group {
                None => HomeSubject::Person(body.person),
                Some(_) => HomeSubject::Organization(body.organization.ok_or(Refusal::Malformed)?),
            },
            operation: *operation,
            received: body.received,
            provenance: body.provenance,
            values,
            sealed,
            withheld,
        }),
    })
}

struct Keeper<'k> {
    tables: &'k Tables,
    is_same_policy: bool,
    opened: &'k Opened<'k>,
    sealer: &'k dyn Sealer,
    sealed: Vec<(Arc<str>, Vec<u8>)>,
    withheld: Vec<(Arc<str>, Refusal)>,
    refused: Option<Refusal>,
    trace: Option<&'k mut Vec<Outcome>>,
}

impl Keeper<'_> {
    fn decide(&mut self, number: usize) -> Result<(Option<Value<'static>>, Form), Refusal> {
        let body = self.opened.body;
        let field = body.fields.get(number).ok_or(Refusal::Malformed)?;
        let (info, class) = body
            .path(field)
            .zip(body.class(field))
            .ok_or(Refusal::Malformed)?;
        if let Kept::Withheld(refusal) = field.kept {
            return Err(refusal);
        }
        let today = class_today(
            self.tables,
            self.is_same_policy,
            body,
            info,
            class,
            field.node,
        );
        let form = self.tables.home.form(today.category)?;
        if !field.home {
            return Err(Refusal::NotKept);
        }
        let leaf = self.opened.value(number)?;
        let value = match form {
            Form::Clear if leaf.coarse.is_none() => leaf.value.into_owned(),
            Form::Clear => return Err(Refusal::NotKept),
            Form::Sealed => {
                let is_in_vault = matches!(
                    today.kind,
                    FieldKind::Id(IdKind::Person | IdKind::Device | IdKind::Event)
                );
                if !is_in_vault {
                    let sealed = self.seal(&info.name, &leaf.value)?;
                    self.sealed.push((Arc::clone(&info.name), sealed));
                }
                return Ok((None, Form::Sealed));
            }
            form => forms::coarsen(
                form,
                today.kind,
                &leaf.value,
                leaf.coarse,
                &RuleSwitches::ALL_ON,
            )?
            .into_owned(),
        };
        Ok((Some(value), form))
    }

    fn seal(&mut self, name: &str, value: &Value<'_>) -> Result<Vec<u8>, Refusal> {
        let json = serde_json::to_vec(value).map_err(|_| Refusal::Malformed)?;
        let context = ["home:", name].concat();
        let mut sealed = Vec::with_capacity(json.len() + 40);
        let person: PersonNumber = self.opened.body.person;
        match self
            .sealer
            .seal(person, context.as_bytes(), &json, &mut sealed)
        {
            Ok(()) => Ok(sealed),
            Err(error) => {
                self.refused = Some(super::of_seal(error));
                Err(super::of_seal(error))
            }
        }
    }
}

impl Recipient for Keeper<'_> {
    fn leaf(&mut self, number: usize) -> Option<(Value<'static>, Form)> {
        let outcome = self.decide(number);
        if let Some(trace) = &mut self.trace {
            let fate = match &outcome {
                Ok((_, form)) => Ok(*form),
                Err(refusal) => Err(*refusal),
            };
            trace.push((number, fate));
        }
        match outcome {
            Ok((value, form)) => value.map(|value| (value, form)),
            Err(refusal) => {
                let body = self.opened.body;
                if let Some(info) = body.fields.get(number).and_then(|field| body.path(field)) {
                    self.withheld.push((Arc::clone(&info.path), refusal));
                }
                None
            }
        }
    }

    /// Home keeps the parts of a URL that may be sealed even where the base is coarse; the others go with the base.
    fn drop_part(&mut self, number: usize) {
        let body = self.opened.body;
        let field = body.fields.get(number);
        let category = field
            .and_then(|field| body.class(field))
            .map(|class| class.category);
        let is_sealed =
            category.is_some_and(|category| self.tables.home.form(category) == Ok(Form::Sealed));
        if is_sealed {
            self.leaf(number);
            return;
        }
        let refusal = match field.map(|field| field.kept) {
            Some(Kept::Withheld(refusal)) => refusal,
            _ => Refusal::FormNotApplicable,
        };
        if let Some(trace) = &mut self.trace {
            trace.push((number, Err(refusal)));
        }
        if let Some(info) = field.and_then(|field| body.path(field)) {
            self.withheld.push((Arc::clone(&info.path), refusal));
        }
    }
}
