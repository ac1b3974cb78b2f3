//! Stable numbers for what is written into records: kinds, bases, operations, link kinds.
//!
//! Used by encode and decode. Invariant: a number, once used, keeps its meaning; new ones are appended.

use crate::classify::Basis;
use crate::rules::{Evidence, FieldKind};
use cofferdam_model::{IdKind, LinkKind, Operation};

const KINDS: [FieldKind; 18] = [
    FieldKind::Plain,
    FieldKind::Id(IdKind::Person),
    FieldKind::Id(IdKind::Device),
    FieldKind::Id(IdKind::Group),
    FieldKind::Id(IdKind::Event),
    FieldKind::Id(IdKind::Other),
    FieldKind::Url,
    FieldKind::UserAgent,
    FieldKind::Browser,
    FieldKind::System,
    FieldKind::Version,
    FieldKind::Device,
    FieldKind::Ip,
    FieldKind::Time,
    FieldKind::Country,
    FieldKind::Region,
    FieldKind::City,
    FieldKind::FreeText,
];

const BASES: [Basis; 6] = [
    Basis::Path(Evidence::Builtin),
    Basis::Path(Evidence::FieldsToml),
    Basis::Organization,
    Basis::Detected,
    Basis::Words,
    Basis::Derived,
];

const OPERATIONS: [Operation; 8] = [
    Operation::Set,
    Operation::SetOnce,
    Operation::Unset,
    Operation::Add,
    Operation::Append,
    Operation::Union,
    Operation::Remove,
    Operation::Delete,
];

const LINKS: [LinkKind; 4] = [
    LinkKind::Simplified,
    LinkKind::Identify,
    LinkKind::Alias,
    LinkKind::Merge,
];

fn number<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter()
        .position(|known| known == one)
        .and_then(|at| u8::try_from(at).ok())
        .unwrap_or(0)
}

pub(super) fn of_kind(kind: FieldKind) -> u8 {
    number(&KINDS, &kind)
}

pub(super) fn kind(number: u8) -> Option<FieldKind> {
    KINDS.get(usize::from(number)).copied()
}

/// The words that a rule saw are not written.
pub(super) fn of_basis(basis: Basis) -> u8 {
    number(&BASES, &basis)
}

pub(super) fn basis(number: u8) -> Option<Basis> {
    BASES.get(usize::from(number)).copied()
}

pub(super) fn of_operation(operation: Operation) -> u8 {
    number(&OPERATIONS, &operation)
}

pub(super) fn operation(number: u8) -> Option<Operation> {
    OPERATIONS.get(usize::from(number)).copied()
}

pub(super) fn of_link(link: LinkKind) -> u8 {
    number(&LINKS, &link)
}

pub(super) fn link(number: u8) -> Option<LinkKind> {
    LINKS.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules;

    #[test]
    fn every_kind_of_the_rules_has_a_number() {
        for rule in rules::all() {
            let known = rule.rule().kind;
            assert_eq!(kind(of_kind(known)), Some(known));
        }
    }
}
