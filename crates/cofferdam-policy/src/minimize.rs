//! What a recipient may have of a record: the gates for the record as a whole, then each field in its form.
//!
//! From admitted records (in memory or decoded) to `Minimized<Home>` and `Minimized<Vendor>`.
//! Invariant: what goes is what the policy at intake and the policy at send both permit; a withheld field never comes back.

mod home;
mod rebuild;
mod token;
mod vendor;

use crate::admitted::{Blob, Body, Kept, Node};
use crate::classify::{Basis, Class};
use crate::compile::Tables;
use crate::paths::{BOOL, NESTED, NUMBER, PathInfo, TEXT};
use crate::values::{Bytes, Leaf};
use cofferdam_model::{Refusal, SealError, Sealer};
use std::borrow::Cow;

pub(crate) use home::home;
pub use token::spellings;
pub(crate) use vendor::{Fates, GROUP_KEY, Sender, vendor};

/// A field's fate with one recipient, for `explain`.
pub(crate) type Outcome = (usize, Result<cofferdam_model::Form, Refusal>);

/// A record, its sealed part open.
pub(crate) struct Opened<'r> {
    pub(crate) body: &'r Body,
    blob: &'r [u8],
    /// Where each sealed value stands in the blob, by field; computed for decoded records.
    sealed_at: Vec<u32>,
}

impl<'r> Opened<'r> {
    pub(crate) fn new(body: &'r Body, sealer: &dyn Sealer) -> Result<Self, Refusal> {
        let blob = match &body.blob {
            Blob::Plain(plain) => plain.as_slice(),
            Blob::Sealed {
                part,
                start,
                length,
                ..
            } => {
                let plain = part.open(body.person, sealer).map_err(of_seal)?;
                let own = plain.get(*start..).ok_or(Refusal::Malformed)?;
                own.get(..*length as usize).unwrap_or(own)
            }
        };
        let mut opened = Self {
            body,
            blob,
            sealed_at: Vec::new(),
        };
        opened.index()?;
        Ok(opened)
    }

    /// Finds the sealed values: they stand in the blob in the order of their fields.
    fn index(&mut self) -> Result<(), Refusal> {
        let mut bytes = Bytes::new(self.blob);
        let mut positions = Vec::with_capacity(self.body.fields.len());
        for field in &self.body.fields {
            positions.push(u32::try_from(bytes.offset()).unwrap_or(u32::MAX));
            if field.kept == Kept::Sealed {
                bytes.leaf().ok_or(Refusal::Malformed)?;
            }
        }
        self.sealed_at = positions;
        Ok(())
    }

    /// The kept value of a field.
    pub(crate) fn value(&self, number: usize) -> Result<Leaf<'_>, Refusal> {
        let field = self.body.fields.get(number).ok_or(Refusal::Malformed)?;
        let (bytes, at) = match field.kept {
            Kept::Withheld(refusal) => return Err(refusal),
            Kept::Inside => return Err(Refusal::Malformed),
            Kept::Inline => (self.body.values.as_slice(), field.at),
            Kept::Sealed => (
                self.blob,
                self.sealed_at.get(number).copied().unwrap_or(u32::MAX),
            ),
        };
        bytes
            .get(at as usize..)
            .and_then(|rest| Bytes::new(rest).leaf())
            .ok_or(Refusal::Malformed)
    }
}

fn of_seal(error: SealError) -> Refusal {
    match error {
        SealError::Forgotten | SealError::UnknownPerson => Refusal::Forgotten,
        SealError::Damaged => Refusal::Malformed,
    }
}

/// What a field is today: as at intake where the policy is the same or a value decided, else by today's rules.
pub(crate) fn class_today<'c>(
    tables: &Tables,
    is_same_policy: bool,
    body: &'c Body,
    info: &PathInfo,
    class: &'c Class,
    node: Node,
) -> Cow<'c, Class> {
    if is_same_policy {
        return Cow::Borrowed(class);
    }
    let project = tables
        .projects
        .iter()
        .find(|project| project.source.name == body.project);
    let Some(project) = project else {
        return Cow::Borrowed(class);
    };
    let number = project
        .paths
        .number(&project.classifier, info.carrier, &info.name);
    let variant = match node {
        Node::Boolean => BOOL,
        Node::Integer | Node::Number => NUMBER,
        Node::Text | Node::UrlText | Node::Url => TEXT,
        Node::Null | Node::List | Node::Object | Node::Json | Node::Base64 => NESTED,
    };
    let today = match number.and_then(|number| project.paths.get(number)) {
        Some(known) => known.class(variant).clone(),
        None => PathInfo::new(&project.classifier, info.carrier, &info.name)
            .class(variant)
            .clone(),
    };
    if class.basis == Basis::Detected {
        // A value decided; of the names around it today's rules speak.
        return Cow::Owned(Class {
            stray: today.stray,
            ..class.clone()
        });
    }
    match (class.basis, today.category) {
        // Several words that nobody has named since stay content.
        (Basis::Words, crate::classify::UNCLASSIFIED) => Cow::Borrowed(class),
        (Basis::Derived, _) => Cow::Owned(Class {
            basis: Basis::Derived,
            ..today
        }),
        _ => Cow::Owned(today),
    }
}
