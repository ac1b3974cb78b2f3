//! Walks a value field by field and decides what is kept of each.
//!
//! Called by admit for every property; text goes to `text`, URLs to `url`. One buffer for the path, one for values, one for
//! what will be sealed: no allocation per field. Invariant: each field gets a decision, or the whole item is refused.

use crate::admitted::{Field, Kept, Node};
use crate::classify::{Basis, Carrier, Class};
use crate::compile::{IntakeTable, ProjectTable};
use crate::paths::{BOOL, NESTED, NUMBER, PathInfo, TEXT, VARIANTS};
use crate::rules::{FieldKind, KeyContext};
use crate::{detect, forms, values};
use cofferdam_model::{Category, Limits, Refusal, Value};
use std::sync::Arc;

/// How many layers of JSON in strings are looked into, objects and arrays included.
pub(super) const STRING_DEPTH_MAX: usize = 16;

/// The walk over one item.
pub(super) struct Walker<'p> {
    pub(super) project: &'p ProjectTable,
    intake: &'p IntakeTable,
    limits: &'p Limits,
    pub(super) carrier: Carrier,
    at: String,
    pub(super) fields: Vec<Field>,
    pub(super) values: Vec<u8>,
    pub(super) blob: Vec<u8>,
    pub(super) classes: Vec<Class>,
    pub(super) extra: Vec<Arc<PathInfo>>,
    pub(super) found: Vec<(u32, u16)>,
    pub(super) refused: Option<Refusal>,
}

/// What the walk needs to know of a class.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) category: Category,
    pub(super) kind: FieldKind,
    pub(super) context: KeyContext,
    detected: bool,
}

impl<'p> Walker<'p> {
    pub(super) fn new(
        project: &'p ProjectTable,
        intake: &'p IntakeTable,
        limits: &'p Limits,
        properties: usize,
    ) -> Self {
        Self {
            project,
            intake,
            limits,
            carrier: Carrier::Top,
            at: String::with_capacity(64),
            fields: Vec::with_capacity(properties + 24),
            values: Vec::with_capacity(properties * 24),
            blob: Vec::with_capacity(128),
            classes: Vec::new(),
            extra: Vec::new(),
            found: Vec::new(),
            refused: None,
        }
    }

    /// A field of the SDK's envelope.
    pub(super) fn envelope(&mut self, carrier: Carrier, key: &str, text: &str) {
        self.carrier = carrier;
        let mut at = std::mem::take(&mut self.at);
        at.clear();
        at.push_str(key);
        self.text(&mut at, text, 0);
        self.at = at;
    }

    /// A property, with all that is in it.
    pub(super) fn property(&mut self, key: &str, value: &Value<'_>) {
        let mut at = std::mem::take(&mut self.at);
        at.clear();
        at.push_str(key);
        self.value(&mut at, value, 0);
        self.at = at;
    }

    /// A property that is only named.
    pub(super) fn named(&mut self, key: &str) {
        let path = self.path(key);
        self.leaf(path, TEXT, Node::Null, &super::NOTHING);
    }

    pub(super) fn value(&mut self, at: &mut String, value: &Value<'_>, depth: usize) {
        if self.fields.len() >= self.limits.fields_max {
            self.refused = Some(Refusal::TooManyFields);
            return;
        }
        match value {
            Value::Null => self.simple(at, NESTED, Node::Null, value),
            Value::Bool(_) => self.simple(at, BOOL, Node::Boolean, value),
            Value::Int(number) => self.integer(at, *number, value),
            Value::Float(_) => self.simple(at, NUMBER, Node::Number, value),
            Value::Text(text) => self.text(at, text, depth),
            Value::List(items) if items.is_empty() => self.simple(at, NESTED, Node::List, value),
            Value::Object(members) if members.is_empty() => {
                self.simple(at, NESTED, Node::Object, value);
            }
            Value::List(_) | Value::Object(_) if depth >= self.limits.depth_max => {
                self.refused = Some(Refusal::TooDeep);
            }
            Value::List(items) => {
                let open = self.open(at, Node::List);
                let length = at.len();
                at.push_str("[]");
                for item in items {
                    self.value(at, item, depth + 1);
                }
                at.truncate(length);
                self.close(open);
            }
            Value::Object(members) => {
                let open = self.open(at, Node::Object);
                let length = at.len();
                for (key, member) in members {
                    at.push('.');
                    at.push_str(key);
                    self.value(at, member, depth + 1);
                    at.truncate(length);
                }
                self.close(open);
            }
        }
    }

    /// Begins a field that holds others.
    pub(super) fn open(&mut self, at: &str, node: Node) -> usize {
        let path = self.path(at);
        self.fields.push(Field {
            path,
            at: 0,
            len: 0,
            class: NESTED,
            node,
            kept: Kept::Inside,
            home: false,
        });
        self.fields.len()
    }

    pub(super) fn close(&mut self, open: usize) {
        let inside = to_u32(self.fields.len() - open);
        if let Some(field) = open.checked_sub(1).and_then(|at| self.fields.get_mut(at)) {
            field.len = inside;
        }
    }

    fn simple(&mut self, at: &str, class: u16, node: Node, value: &Value<'_>) {
        let path = self.path(at);
        self.leaf(path, class, node, value);
    }

    fn integer(&mut self, at: &str, number: i64, value: &Value<'_>) {
        let path = self.path(at);
        let view = self.view(path, NUMBER);
        let mut class = NUMBER;
        if !matches!(view.kind, FieldKind::Id(_) | FieldKind::Time) {
            let found =
                detect::detect_number(number, view.context, &self.project.classifier.switches);
            if let Some(worst) = found
                .worst()
                .filter(|worst| !related(worst.category, view.category))
            {
                class = self.detected_class(worst);
                self.note(class);
            }
        }
        self.leaf(path, class, Node::Integer, value);
    }

    /// The number of a path.
    pub(super) fn path(&mut self, at: &str) -> u32 {
        let classifier = &self.project.classifier;
        if let Some(number) = self.project.paths.number(classifier, self.carrier, at) {
            return number;
        }
        self.extra
            .push(Arc::new(PathInfo::new(classifier, self.carrier, at)));
        crate::admitted::EXTRA | to_u32(self.extra.len() - 1)
    }

    pub(super) fn view(&self, path: u32, class: u16) -> View {
        let info = match path.checked_sub(crate::admitted::EXTRA) {
            None => self.project.paths.get(path),
            Some(extra) => self.extra.get(extra as usize).map(|info| &**info),
        };
        let own = usize::from(class).checked_sub(VARIANTS);
        let found = match (own, info) {
            (Some(own), _) => self.classes.get(own),
            (None, Some(info)) => Some(info.class(class)),
            (None, None) => None,
        };
        let context = info.map_or(KeyContext::NONE, |info| info.context);
        found.map_or(
            View {
                category: crate::classify::UNCLASSIFIED,
                kind: FieldKind::Plain,
                context,
                detected: true,
            },
            |class| View {
                category: class.category,
                kind: class.kind,
                context,
                detected: class.basis == Basis::Detected,
            },
        )
    }

    /// A class that a value, not its path, gives a field.
    pub(super) fn own_class(&mut self, class: Class) -> u16 {
        let known = self.classes.iter().position(|known| *known == class);
        let at = known.unwrap_or_else(|| {
            self.classes.push(class);
            self.classes.len() - 1
        });
        u16::try_from(VARIANTS + at).unwrap_or(u16::MAX)
    }

    pub(super) fn detected_class(&mut self, worst: &detect::Detection) -> u16 {
        self.own_class(Class {
            category: worst.category,
            kind: worst.rule.rule().kind,
            rule: crate::classify::RuleName::Known(worst.rule.as_str()),
            basis: Basis::Detected,
        })
    }

    /// Records a finding about the field that comes next.
    pub(super) fn note(&mut self, class: u16) {
        self.found.push((to_u32(self.fields.len()), class));
    }

    pub(super) fn is_free_text(&self, view: View) -> bool {
        view.kind == FieldKind::FreeText || self.intake.row(view.category).free_text
    }

    /// Whether anybody may have values of the class.
    pub(super) fn is_wanted(&self, path: u32, class: u16) -> bool {
        !self
            .intake
            .row(self.view(path, class).category)
            .forms
            .is_empty()
    }

    /// Decides on a value that has no parts.
    pub(super) fn leaf(&mut self, path: u32, class: u16, node: Node, value: &Value<'_>) {
        let view = self.view(path, class);
        let row = self.intake.row(view.category);
        let sealed = row.identifying || view.detected;
        let target = if sealed {
            &mut self.blob
        } else {
            &mut self.values
        };
        let start = target.len();
        let refusal = if row.forms.is_empty() {
            Some(row.refusal)
        } else if row.forms.needs_original() {
            values::put_plain(target, value);
            None
        } else {
            let switches = &self.project.classifier.switches;
            let form = row.forms.finest(view.kind);
            match form.map(|form| (form, forms::coarsen(form, view.kind, value, None, switches))) {
                Some((form, Ok(value))) => {
                    values::put_coarse(target, form, &value);
                    None
                }
                Some((_, Err(refusal))) => Some(refusal),
                None => Some(Refusal::FormNotApplicable),
            }
        };
        let len = target.len() - start;
        // Secrets by their key, and keys that are personal data themselves.
        if usize::from(class) < VARIANTS && (view.detected || refusal == Some(Refusal::Secret)) {
            self.note(class);
        }
        self.fields.push(Field {
            path,
            at: to_u32(start),
            len: to_u32(len),
            class,
            node,
            kept: match (refusal, sealed) {
                (Some(refusal), _) => Kept::Withheld(refusal),
                (None, true) => Kept::Sealed,
                (None, false) => Kept::Inline,
            },
            home: row.home,
        });
    }
}

/// Whether one category is the other or around it, so that finding it there is no surprise.
pub(super) fn related(one: Category, other: Category) -> bool {
    one == other || one.is_within(other) || other.is_within(one)
}

pub(super) fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
