//! What the forms do to a value, which forms fit which kind of field, and what two forms have in common.
//!
//! Called by admit (coarse forms at the door) and by minimize (per recipient). The table is in docs/forms.md.
//! Invariant: a form that does not fit gives `FormNotApplicable`, never the value.

use crate::coarse;
use crate::rules::{FieldKind, RuleSwitches};
use cofferdam_model::{Form, Refusal, Value};
use std::borrow::Cow;

/// A set of forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FormSet(u16);

impl FormSet {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn add(&mut self, form: Form) {
        self.0 |= 1 << form as u16;
    }

    pub(crate) fn has(self, form: Form) -> bool {
        self.0 & (1 << form as u16) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether somebody needs the value as it was sent.
    pub(crate) fn needs_original(self) -> bool {
        [Form::Clear, Form::Token, Form::Sealed]
            .into_iter()
            .any(|form| self.has(form))
    }

    /// The finest coarse form in the set that fits the kind.
    pub(crate) fn finest(self, kind: FieldKind) -> Option<Form> {
        FINEST_FIRST
            .into_iter()
            .find(|form| self.has(*form) && fits(*form, kind))
    }
}

const FINEST_FIRST: [Form; 8] = [
    Form::Family,
    Form::Path,
    Form::Origin,
    Form::Subnet,
    Form::Day,
    Form::City,
    Form::Region,
    Form::Country,
];

/// Whether a form can say anything about a field of that kind.
#[must_use]
pub fn fits(form: Form, kind: FieldKind) -> bool {
    use FieldKind as K;
    match form {
        Form::Clear | Form::Token | Form::Sealed | Form::Withheld => true,
        Form::Country => kind == K::Country,
        Form::Region => matches!(kind, K::Country | K::Region),
        Form::City => matches!(kind, K::Country | K::Region | K::City),
        Form::Family => matches!(
            kind,
            K::UserAgent | K::Browser | K::System | K::Version | K::Device
        ),
        Form::Origin | Form::Path => kind == K::Url,
        Form::Subnet => kind == K::Ip,
        Form::Day => kind == K::Time,
    }
}

/// The finest form that both permit: what two policies, or two entries, have in common. `None`: nothing.
pub(crate) fn common(one: Form, other: Form) -> Option<Form> {
    use Form::{City, Clear, Country, Origin, Path, Region, Withheld};
    match (one, other) {
        (Withheld, _) | (_, Withheld) => None,
        (Clear, form) | (form, Clear) => Some(form),
        (one, other) if one == other => Some(one),
        (Path, Origin) | (Origin, Path) => Some(Origin),
        (City, form @ (Region | Country)) | (form @ (Region | Country), City) => Some(form),
        (Region, Country) | (Country, Region) => Some(Country),
        _ => None,
    }
}

/// A value in a coarse form. `kept` is the coarse form that the value is in already.
pub(crate) fn coarsen<'v>(
    form: Form,
    kind: FieldKind,
    value: &Value<'v>,
    kept: Option<Form>,
    switches: &RuleSwitches,
) -> Result<Value<'v>, Refusal> {
    let is_place = matches!(form, Form::Country | Form::Region | Form::City);
    // A place was kept as it was sent, in older records whatever it was.
    if kept == Some(form) && !is_place {
        return Ok(value.clone());
    }
    if !fits(form, kind) {
        return Err(Refusal::FormNotApplicable);
    }
    match (form, value) {
        (_, Value::Text(text)) if is_place && coarse::is_place(kind, text) => Ok(value.clone()),
        (Form::Family, Value::Text(text)) => text_or_refusal(coarse::family(kind, text)),
        (Form::Family, Value::Int(_)) if kind == FieldKind::Version => Ok(value.clone()),
        (Form::Family, Value::Float(number)) if kind == FieldKind::Version => {
            Ok(Value::Float(number.trunc()))
        }
        (Form::Origin, Value::Text(text)) => text_or_refusal(coarse::origin(text, switches)),
        (Form::Path, Value::Text(text)) => text_or_refusal(coarse::path(text, switches)),
        (Form::Subnet, Value::Text(text)) => text_or_refusal(coarse::subnet(text)),
        (Form::Day, Value::Text(text)) => text_or_refusal(coarse::day(text)),
        (Form::Day, Value::Int(_) | Value::Float(_)) => day_number(value),
        _ => Err(Refusal::FormNotApplicable),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the day of an integral time is integral and below the time"
)]
fn day_number<'v>(value: &Value<'_>) -> Result<Value<'v>, Refusal> {
    let day = value
        .as_f64()
        .and_then(coarse::day_number)
        .ok_or(Refusal::FormNotApplicable)?;
    Ok(match value {
        Value::Int(_) => Value::Int(day as i64),
        _ => Value::Float(day),
    })
}

fn text_or_refusal<'v>(text: Option<String>) -> Result<Value<'v>, Refusal> {
    text.map(|text| Value::Text(Cow::Owned(text)))
        .ok_or(Refusal::FormNotApplicable)
}

#[cfg(test)]
mod tests;
