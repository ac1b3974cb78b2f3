//! The inside of a record: a flat list of fields in the order sent, and the bytes of the values that were kept.
//!
//! Filled by admit's walker or by the record decoder. An object, array or URL is followed by what is in it (`len` fields).
//! Invariant: identifying values stand in the blob, which leaves memory only sealed.

use super::{Finding, ShapeField, ValueType};
use crate::classify::Class;
use crate::minimize::GROUP_KEY;
use crate::paths::{PathInfo, Paths, VARIANTS};
use crate::record::Part;
use crate::{PolicyId, Signals};
use cofferdam_model::{
    Operation, OrganizationNumber, PersonNumber, ProjectName, Provenance, Refusal, TimestampMs,
};
use std::sync::{Arc, OnceLock};

/// Path numbers from here on are positions in [`Body::extra`].
pub(crate) const EXTRA: u32 = 1 << 31;

/// The field number of findings in an event's name or a group's key.
pub(crate) const NAME_FIELD: u32 = u32::MAX;

/// The common part of events and updates.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) project: ProjectName,
    pub(crate) person: PersonNumber,
    pub(crate) organization: Option<OrganizationNumber>,
    pub(crate) time: TimestampMs,
    pub(crate) time_note: TimeNote,
    pub(crate) received: TimestampMs,
    pub(crate) provenance: Provenance,
    pub(crate) signals: Signals,
    pub(crate) policy: PolicyId,
    pub(crate) insert_key: [u8; 16],
    pub(crate) sort: Sort,
    pub(crate) paths: Arc<Paths>,
    /// Paths beyond the bound of `paths`.
    pub(crate) extra: Vec<Arc<PathInfo>>,
    /// Classes that a value, not its path, gave a field.
    pub(crate) classes: Vec<Class>,
    pub(crate) fields: Vec<Field>,
    /// What records with the same fields share; none where the record was not read from an entry.
    pub(crate) layout: Option<Arc<Layout>>,
    pub(crate) values: Vec<u8>,
    pub(crate) blob: Blob,
    /// Field number and class number of each finding.
    pub(crate) found: Vec<(u32, u16)>,
}

/// What sort of record it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sort {
    Event {
        name: Arc<str>,
    },
    Update {
        operation: Operation,
        group: Option<Arc<str>>,
    },
}

impl Sort {
    /// The field that names such a record.
    fn name(&self) -> &'static str {
        match self {
            Self::Event { .. } => "event",
            Self::Update { .. } => GROUP_KEY,
        }
    }
}

/// What became of the time as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeNote {
    AsSent,
    Absent,
    Unusable,
}

/// The identifying values.
#[derive(Clone, Debug)]
pub(crate) enum Blob {
    /// Not yet written.
    Plain(Vec<u8>),
    /// As read: a range of what was sealed of the person's records; `position` is this record's place in its entry.
    Sealed {
        part: Arc<Part>,
        start: usize,
        length: u32,
        position: u32,
    },
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) path: u32,
    /// Offset of the value in `values` or in the blob.
    pub(crate) at: u32,
    /// Bytes of the value; for arrays, objects and URLs the number of fields inside.
    pub(crate) len: u32,
    /// Which of the path's classes, or from [`VARIANTS`] on a position in [`Body::classes`].
    pub(crate) class: u16,
    pub(crate) node: Node,
    pub(crate) kept: Kept,
    /// Whether home may have it.
    pub(crate) home: bool,
}

impl Field {
    /// Whether another field is the same but for its value.
    #[inline]
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let inside = self.kept == Kept::Inside;
        (self.path, self.class, self.node, self.home)
            == (other.path, other.class, other.node, other.home)
            && self.kept == other.kept
            && (!inside || self.len == other.len)
    }
}

/// The fields of several records of an entry, without what is the record's own.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) fields: Vec<Field>,
    shape: OnceLock<Arc<[ShapeField]>>,
}

impl Layout {
    pub(crate) fn new(fields: Vec<Field>) -> Self {
        Self {
            fields,
            shape: OnceLock::new(),
        }
    }
}

/// What stands at a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Node {
    Null = 0,
    Boolean = 1,
    Integer = 2,
    Number = 3,
    Text = 4,
    /// A URL without parts, or a part of one.
    UrlText = 5,
    List = 6,
    Object = 7,
    /// A string that holds JSON: one field inside.
    Json = 8,
    /// A string that holds base64 of JSON: one field inside.
    Base64 = 9,
    /// A URL: its base, then its parts.
    Url = 10,
}

impl Node {
    pub(crate) const ALL: [Self; 11] = [
        Self::Null,
        Self::Boolean,
        Self::Integer,
        Self::Number,
        Self::Text,
        Self::UrlText,
        Self::List,
        Self::Object,
        Self::Json,
        Self::Base64,
        Self::Url,
    ];

    pub(crate) fn value_type(self) -> ValueType {
        match self {
            Self::Null => ValueType::Null,
            Self::Boolean => ValueType::Boolean,
            Self::Integer => ValueType::Integer,
            Self::Number => ValueType::Number,
            Self::Text => ValueType::Text,
            Self::UrlText | Self::Url => ValueType::Url,
            Self::List | Self::Object | Self::Json | Self::Base64 => ValueType::Nested,
        }
    }
}

/// Where a field's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In `values`.
    Inline,
    /// In the blob.
    Sealed,
    /// In the fields that follow.
    Inside,
    /// Nowhere.
    Withheld(Refusal),
}

impl Body {
    pub(crate) fn path(&self, field: &Field) -> Option<&PathInfo> {
        match field.path.checked_sub(EXTRA) {
            None => self.paths.get(field.path),
            Some(extra) => self.extra.get(extra as usize).map(|info| &**info),
        }
    }

    pub(crate) fn class(&self, field: &Field) -> Option<&Class> {
        self.class_numbered(field.path, field.class)
    }

    pub(crate) fn class_numbered(&self, path: u32, class: u16) -> Option<&Class> {
        match usize::from(class).checked_sub(VARIANTS) {
            Some(own) => self.classes.get(own),
            None => match path.checked_sub(EXTRA) {
                None => self.paths.get(path),
                Some(extra) => self.extra.get(extra as usize).map(|info| &**info),
            }
            .map(|info| info.class(class)),
        }
    }

    pub(crate) fn shape(&self) -> Arc<[ShapeField]> {
        match &self.layout {
            Some(layout) => Arc::clone(layout.shape.get_or_init(|| self.own_shape())),
            None => self.own_shape(),
        }
    }

    fn own_shape(&self) -> Arc<[ShapeField]> {
        self.fields
            .iter()
            .filter(|field| field.kept != Kept::Inside)
            .filter_map(|field| {
                let (info, class) = (self.path(field)?, self.class(field)?);
                Some(ShapeField {
                    path: Arc::clone(&info.path),
                    category: class.category,
                    value_type: field.node.value_type(),
                    rule: class.rule.to_arc(),
                    refusal: match field.kept {
                        Kept::Withheld(refusal) => Some(refusal),
                        _ => None,
                    },
                })
            })
            .collect()
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.found
            .iter()
            .filter_map(|(number, class)| {
                let (path, class) = if *number == NAME_FIELD {
                    (Arc::from(self.sort.name()), self.class_numbered(0, *class)?)
                } else {
                    let field = self.fields.get(*number as usize)?;
                    let class = self.class_numbered(field.path, *class)?;
                    (Arc::clone(&self.path(field)?.path), class)
                };
                Some(Finding {
                    path,
                    category: class.category,
                    rule: class.rule.to_arc(),
                })
            })
            .collect()
    }
}
