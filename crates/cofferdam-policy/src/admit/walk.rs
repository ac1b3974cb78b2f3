//! Walks a value field by field and decides what is kept of each.
//!
//! Called by admit for every property; text goes to `text`, URLs to `url`. One buffer for longer paths, one for values, one
//! for what will be sealed: no allocation per field. Invariant: each field gets a decision, or the whole item is refused.

use crate::admitted::{EXTRA, Field, Kept, Node};
use crate::classify::{Basis, Carrier, Class};
use crate::compile::{IntakeRow, IntakeTable, ProjectTable};
use crate::detect::{self, Detections};
use crate::names::{self, STEP};
use crate::paths::{BOOL, NESTED, NUMBER, PATH_BYTES_MAX, PathInfo, TEXT, VARIANTS};
use crate::rules::{FieldKind, KeyContext};
use crate::{ForgottenIds, IntakeContext, forms, values};
use cofferdam_model::{Category, IdKind, Limits, Refusal, Value};
use std::sync::Arc;

/// How many layers of JSON in strings are looked into, objects and arrays included.
pub(super) const STRING_DEPTH_MAX: usize = 16;

/// Room in the buffer for longer paths, bytes, so that it does not grow by small steps.
const PATH_BYTES: usize = 128;

/// Most bytes of paths that are not remembered, in one item.
const EXTRA_BYTES_MAX: usize = 256 * 1024;

/// The walk over one item.
pub(super) struct Walker<'p> {
    pub(super) project: &'p ProjectTable,
    intake: &'p IntakeTable,
    pub(super) limits: &'p Limits,
    forgotten: Option<&'p dyn ForgottenIds>,
    pub(super) carrier: Carrier,
    /// The path of the field before, by which the next is guessed.
    before: Option<&'p PathInfo>,
    /// A buffer for paths longer than a property's name.
    pub(super) at: String,
    pub(super) fields: Vec<Field>,
    pub(super) values: Vec<u8>,
    pub(super) blob: Vec<u8>,
    pub(super) classes: Vec<Class>,
    pub(super) extra: Vec<Arc<PathInfo>>,
    /// How long the paths in `extra` are together.
    extra_bytes: usize,
    pub(super) found: Vec<(u32, u16)>,
    pub(super) refused: Option<Refusal>,
}

/// What the walk needs to know of a field: its path, what it is there, and what becomes of such values.
#[derive(Clone, Copy)]
pub(super) struct View<'p> {
    pub(super) path: u32,
    pub(super) class: u16,
    pub(super) category: Category,
    pub(super) kind: FieldKind,
    pub(super) context: KeyContext,
    detected: bool,
    /// As [`Class::stray`].
    pub(super) stray: bool,
    pub(super) row: &'p IntakeRow,
}

impl View<'_> {
    pub(super) fn is_free_text(&self) -> bool {
        self.kind == FieldKind::FreeText || self.row.free_text
    }
}

impl<'p> Walker<'p> {
    pub(super) fn new(
        project: &'p ProjectTable,
        intake: &'p IntakeTable,
        context: &IntakeContext<'p>,
        properties: usize,
    ) -> Self {
        Self {
            project,
            intake,
            limits: context.limits,
            forgotten: context.forgotten,
            carrier: Carrier::Top,
            before: None,
            at: String::new(),
            fields: Vec::with_capacity(properties + 8),
            values: Vec::with_capacity(properties * 32),
            blob: Vec::with_capacity(128),
            classes: Vec::new(),
            extra: Vec::new(),
            extra_bytes: 0,
            found: Vec::new(),
            refused: None,
        }
    }

    /// A field of the SDK's envelope. Whoever it is about was looked up before: what is about somebody forgotten does not come here.
    pub(super) fn envelope(&mut self, carrier: Carrier, key: &str, text: &str) {
        self.carrier = carrier;
        let forgotten = self.forgotten.take();
        self.text(key, text, 0);
        self.forgotten = forgotten;
    }

    /// A property that is only named.
    pub(super) fn named(&mut self, key: &str) {
        let view = self.field(key, TEXT);
        self.leaf(view, Node::Null, &super::NOTHING);
    }

    /// A property, or what is in one, with all that is in it.
    pub(super) fn value(&mut self, at: &str, value: &Value<'_>, depth: usize) {
        if !self.has_room(at) {
            return;
        }
        match value {
            Value::Null => self.simple(at, NESTED, Node::Null, value),
            Value::Bool(_) => self.simple(at, BOOL, Node::Boolean, value),
            Value::Int(_) => self.number(at, Node::Integer, value),
            Value::Float(_) => self.number(at, Node::Number, value),
            Value::Text(text) => self.text(at, text, depth),
            Value::List(items) if items.is_empty() => self.simple(at, NESTED, Node::List, value),
            Value::Object(members) if members.is_empty() => {
                self.simple(at, NESTED, Node::Object, value);
            }
            Value::List(_) | Value::Object(_) if depth >= self.limits.depth_max => {
                self.refused = Some(Refusal::TooDeep);
            }
            Value::List(items) => {
                let path = self.field(at, NESTED).path;
                let open = self.open(path, Node::List);
                let inside = self.below(at, "[]");
                for item in items {
                    self.value(&inside, item, depth + 1);
                }
                self.at = inside;
                self.close(open);
            }
            Value::Object(members) => {
                let path = self.field(at, NESTED).path;
                let open = self.open(path, Node::Object);
                let mut inside = self.below(at, "");
                inside.push(STEP);
                for (key, member) in members {
                    inside.truncate(at.len() + 1);
                    inside.push_str(&names::plain(key));
                    self.value(&inside, member, depth + 1);
                }
                self.at = inside;
                self.close(open);
            }
        }
    }

    /// Whether the item may have one more field, there; else it is refused.
    pub(super) fn has_room(&mut self, at: &str) -> bool {
        if self.fields.len() >= self.limits.fields_max || self.extra_bytes > EXTRA_BYTES_MAX {
            self.refused = Some(Refusal::TooManyFields);
        } else if at.len() > PATH_BYTES_MAX {
            self.refused = Some(Refusal::TooDeep);
        }
        self.refused.is_none()
    }

    /// A longer path, in the walk's buffer where that is free. Give it back.
    pub(super) fn below(&mut self, at: &str, more: &str) -> String {
        let mut path = std::mem::take(&mut self.at);
        path.clear();
        path.reserve(PATH_BYTES);
        path.push_str(at);
        path.push_str(more);
        path
    }

    /// Begins a field that holds others.
    pub(super) fn open(&mut self, path: u32, node: Node) -> usize {
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
        let view = self.field(at, class);
        self.leaf(view, node, value);
    }

    fn number(&mut self, at: &str, node: Node, value: &Value<'_>) {
        let mut view = self.field(at, NUMBER);
        if let FieldKind::Id(kind) = view.kind
            && self.has_forgotten()
            && values::scalar_text(value).is_some_and(|id| self.is_forgotten(kind, &id))
        {
            return self.withhold(view, node, Refusal::Forgotten);
        }
        let context = match view.kind {
            FieldKind::Id(_) => None,
            // What cannot be a time is no measure either.
            FieldKind::Time if is_time(value) => None,
            FieldKind::Time => Some(view.context.without(KeyContext::MEASURE)),
            _ => Some(view.context),
        };
        if let Some(context) = context {
            let switches = &self.project.classifier.switches;
            let found = match value {
                Value::Int(number) => detect::detect_number(*number, context, switches),
                Value::Float(number) => detect::detect_float(*number, context, switches),
                _ => Detections::default(),
            };
            if let Some(worst) = found
                .worst()
                .filter(|worst| !related(worst.category, view.category))
            {
                let class = self.detected_class(view, worst);
                self.note(class);
                view = self.view(view.path, class);
            }
        }
        self.leaf(view, node, value);
    }

    /// The field of a path, whose value is of that class.
    pub(super) fn field(&mut self, at: &str, class: u16) -> View<'p> {
        let project = self.project;
        let known = project
            .paths
            .after(self.before, &project.classifier, self.carrier, at);
        if let Some((number, info)) = known {
            self.before = Some(info);
            return self.view_of(number, class, info.class(class), info.context);
        }
        let info = PathInfo::new(&project.classifier, self.carrier, at);
        self.extra_bytes += at.len();
        self.extra.push(Arc::new(info));
        self.view(EXTRA | to_u32(self.extra.len() - 1), class)
    }

    /// The same path's field, where its value gave it another class.
    pub(super) fn view(&self, path: u32, class: u16) -> View<'p> {
        let info = match path.checked_sub(EXTRA) {
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
        match found {
            Some(found) => self.view_of(path, class, found, context),
            None => View {
                path,
                class,
                category: crate::classify::UNCLASSIFIED,
                kind: FieldKind::Plain,
                context,
                detected: true,
                stray: true,
                row: self.intake.row(crate::classify::UNCLASSIFIED, true),
            },
        }
    }

    fn view_of(&self, path: u32, number: u16, class: &Class, context: KeyContext) -> View<'p> {
        View {
            path,
            class: number,
            category: class.category,
            kind: class.kind,
            context,
            detected: class.basis == Basis::Detected,
            stray: class.stray,
            row: self.intake.row(class.category, class.stray),
        }
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

    pub(super) fn detected_class(&mut self, view: View<'_>, worst: &detect::Detection) -> u16 {
        self.own_class(Class {
            category: worst.category,
            kind: worst.rule.rule().kind,
            rule: crate::classify::RuleName::Known(worst.rule.as_str()),
            basis: Basis::Detected,
            stray: view.stray,
        })
    }

    /// Records a finding about the field that comes next.
    pub(super) fn note(&mut self, class: u16) {
        self.found.push((to_u32(self.fields.len()), class));
    }

    /// Whether any id may be a forgotten one.
    pub(super) fn has_forgotten(&self) -> bool {
        self.forgotten.is_some()
    }

    /// Whether a text where a person's or device's id stands names somebody who was forgotten. Ids of other things may be the same
    /// small numbers, and get tokens of their own.
    pub(super) fn is_forgotten(&self, kind: IdKind, id: &str) -> bool {
        matches!(kind, IdKind::Person | IdKind::Device)
            && self
                .forgotten
                .is_some_and(|forgotten| forgotten.is_forgotten(id))
    }

    /// A field whose value nobody gets.
    pub(super) fn withhold(&mut self, view: View<'_>, node: Node, refusal: Refusal) {
        self.fields.push(Field {
            path: view.path,
            at: 0,
            len: 0,
            class: view.class,
            node,
            kept: Kept::Withheld(refusal),
            home: view.row.home,
        });
    }

    /// Decides on a value that has no parts.
    pub(super) fn leaf(&mut self, view: View<'_>, node: Node, value: &Value<'_>) {
        let row = view.row;
        let sealed = row.identifying || view.detected;
        let target = if sealed {
            &mut self.blob
        } else {
            &mut self.values
        };
        let start = target.len();
        let refusal = if row.original {
            values::put_plain(target, value);
            None
        } else if row.forms.is_empty() {
            Some(row.refusal)
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
        if usize::from(view.class) < VARIANTS && (view.detected || refusal == Some(Refusal::Secret))
        {
            self.note(view.class);
        }
        self.fields.push(Field {
            path: view.path,
            at: to_u32(start),
            len: to_u32(len),
            class: view.class,
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

/// Whether a number can be a time: from 1990 to 2100, in seconds or milliseconds.
fn is_time(value: &Value<'_>) -> bool {
    const SECONDS: std::ops::Range<f64> = 631_152_000.0..4_102_444_800.0;
    value
        .as_f64()
        .is_some_and(|number| SECONDS.contains(&number) || SECONDS.contains(&(number / 1000.0)))
}

/// Whether one category is the other or around it, so that finding it there is no surprise.
pub(super) fn related(one: Category, other: Category) -> bool {
    one == other || one.is_within(other) || other.is_within(one)
}

pub(super) fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
