//! The door: consent, time, then every field through the walker.
//!
//! From wire's events to admitted records. Invariant: what no recipient may have at the time of arrival, and every secret,
//! ends here.

mod derived;
mod text;
mod url;
mod walk;

use crate::admitted::{Admitted, Blob, Body, Event, NAME_FIELD, Sort, TimeNote, Update};
use crate::classify::{Basis, Carrier, Class};
use crate::compile::{ProjectTable, Tables};
use crate::names;
use crate::paths::PathInfo;
use crate::rules::FieldKind;
use crate::{ConsentMode, IntakeContext, PolicyId, ResolvedIdentity};
use cofferdam_model::{
    IncomingEvent, IncomingUpdate, Operation, PersonNumber, Provenance, Refusal, Subject,
    TimestampMs, Value,
};
use std::sync::Arc;
use walk::Walker;

/// A time before 1971 is a client without a clock.
const TIME_MIN: i64 = 31_536_000_000;
/// How far a client's clock may run ahead, milliseconds.
const TIME_AHEAD_MAX: i64 = 3_600_000;

/// Admits an event.
pub(crate) fn event(
    tables: &Tables,
    policy: PolicyId,
    context: &IntakeContext<'_>,
    event: &IncomingEvent<'_>,
    identity: &ResolvedIdentity<'_>,
) -> Result<Admitted<Event>, Refusal> {
    let project = project(tables, context)?;
    if event.name.is_empty() {
        return Err(Refusal::MissingEventName);
    }
    let intake = project
        .intake(context.received.day())
        .ok_or(Refusal::PolicyBroken)?;
    let mut walker = Walker::new(project, intake, context, event.properties.len());
    if let Some(id) = event
        .identity
        .distinct_id
        .as_deref()
        .filter(|id| !id.is_empty())
    {
        walker.envelope(Carrier::Top, "distinct_id", id);
    }
    walker.envelope(Carrier::Property, "$insert_id", identity.insert_id);
    walker.carrier = Carrier::Property;
    let mut sent = derived::Sent::default();
    for (key, value) in &event.properties {
        sent.note(key);
        walker.value(&names::plain(key), value, 0);
    }
    derived::add(&mut walker, context, sent);
    let name = name(&mut walker, &event.name);
    let (time, time_note) = time(event.time, context.received);
    Ok(Admitted {
        inner: Event {
            body: Body {
                person: identity.person,
                organization: identity.organization,
                insert_key: identity.insert_key,
                time,
                time_note,
                sort: Sort::Event { name },
                ..body(walker, project, policy, context)?
            },
        },
    })
}

/// Admits a profile or group update.
pub(crate) fn update(
    tables: &Tables,
    policy: PolicyId,
    context: &IntakeContext<'_>,
    update: &IncomingUpdate<'_>,
    identity: &ResolvedIdentity<'_>,
) -> Result<Admitted<Update>, Refusal> {
    let project = project(tables, context)?;
    if update.operation == Operation::Delete && context.provenance == Provenance::Claimed {
        return Err(Refusal::ClaimedDelete);
    }
    let intake = project
        .intake(context.received.day())
        .ok_or(Refusal::PolicyBroken)?;
    let mut walker = Walker::new(project, intake, context, update.values.len());
    let (group, person) = match &update.subject {
        Subject::Group { key, id } => {
            walker.envelope(Carrier::Top, "group_id", id);
            walker.carrier = Carrier::Group;
            (Some(name(&mut walker, key)), PersonNumber::ORGANIZATIONS)
        }
        Subject::Person => {
            if let Some(id) = update
                .identity
                .distinct_id
                .as_deref()
                .filter(|id| !id.is_empty())
            {
                walker.envelope(Carrier::Top, "distinct_id", id);
            }
            walker.carrier = Carrier::Profile;
            (None, identity.person)
        }
    };
    for (key, value) in &update.values {
        let key = names::plain(key);
        if update.operation == Operation::Unset {
            walker.named(&key);
        } else {
            walker.value(&key, value, 0);
        }
    }
    let (time, time_note) = time(update.time, context.received);
    Ok(Admitted {
        inner: Update {
            body: Body {
                person,
                organization: identity.organization,
                insert_key: identity.insert_key,
                time,
                time_note,
                sort: Sort::Update {
                    operation: update.operation,
                    group,
                },
                ..body(walker, project, policy, context)?
            },
        },
    })
}

/// The project, if home may keep anything of the person's.
fn project<'t>(
    tables: &'t Tables,
    context: &IntakeContext<'_>,
) -> Result<&'t ProjectTable, Refusal> {
    let project = tables
        .projects
        .iter()
        .find(|project| project.source.name == *context.project)
        .ok_or(Refusal::OtherProject)?;
    let (signals, consent) = (context.signals, context.consent);
    if consent.objected || (signals.opted_out && project.source.consent != ConsentMode::None) {
        return Err(Refusal::Objected);
    }
    let positive = signals.opted_in || consent.opted_in;
    if project.source.consent == ConsentMode::OptIn && !positive {
        return Err(Refusal::ConsentMissing);
    }
    Ok(project)
}

/// The time as sent where it can be true, else the time of arrival.
fn time(sent: Option<TimestampMs>, received: TimestampMs) -> (TimestampMs, TimeNote) {
    match (sent, usable_time(sent, received)) {
        (None, _) => (received, TimeNote::Absent),
        (Some(_), Some(time)) => (time, TimeNote::AsSent),
        (Some(_), None) => (received, TimeNote::Unusable),
    }
}

/// The time as sent, if it can be true: not before 1971, and at most an hour after the arrival.
#[must_use]
pub fn usable_time(sent: Option<TimestampMs>, received: TimestampMs) -> Option<TimestampMs> {
    let latest = received.0.saturating_add(TIME_AHEAD_MAX);
    sent.filter(|time| (TIME_MIN..=latest).contains(&time.0))
}

/// An event's name or a group's key, masked where it holds personal data.
fn name(walker: &mut Walker<'_>, name: &str) -> Arc<str> {
    let classifier = &walker.project.classifier;
    let number = walker.project.paths.number(classifier, Carrier::Name, name);
    let fresh;
    let info = match number.and_then(|number| walker.project.paths.get(number)) {
        Some(info) => info,
        None => {
            fresh = PathInfo::new(classifier, Carrier::Name, name);
            &fresh
        }
    };
    if let Some((category, rule)) = &info.found {
        let class = walker.own_class(Class {
            category: *category,
            kind: FieldKind::Plain,
            rule: rule.clone(),
            basis: Basis::Detected,
            stray: false,
        });
        walker.found.push((NAME_FIELD, class));
    }
    Arc::clone(&info.name)
}

fn body(
    walker: Walker<'_>,
    project: &ProjectTable,
    policy: PolicyId,
    context: &IntakeContext<'_>,
) -> Result<Body, Refusal> {
    if let Some(refusal) = walker.refused {
        return Err(refusal);
    }
    Ok(Body {
        project: project.source.name.clone(),
        person: PersonNumber(0),
        organization: None,
        time: context.received,
        time_note: TimeNote::Absent,
        received: context.received,
        provenance: context.provenance,
        signals: context.signals,
        policy,
        insert_key: [0; 16],
        sort: Sort::Update {
            operation: Operation::Set,
            group: None,
        },
        paths: Arc::clone(&project.paths),
        extra: walker.extra,
        classes: walker.classes,
        fields: walker.fields,
        layout: None,
        values: walker.values,
        blob: Blob::Plain(walker.blob),
        found: walker.found,
    })
}

/// An operand that says nothing, for operations that only name properties.
pub(crate) const NOTHING: Value<'static> = Value::Null;
