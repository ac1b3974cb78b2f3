//! What a field is: the operator's word first, then the rule table, cached per path and value type.
//!
//! The one place where admit, minimize and explain meet the rules and detectors. Carries no value.
//! Invariant: the answer depends on the project's policy, the path and the value's type only.

use crate::rules::{self, Evidence, FieldKind, KeyContext, RuleSwitches};
use cofferdam_model::{Category, IdKind};
use hashbrown::HashMap;
use std::sync::Arc;

/// Where a path stands; its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Carrier {
    Property,
    Profile,
    Group,
    /// `distinct_id`, `group_id`, `ip`.
    Top,
    /// An event's name: not a path, but cached like one.
    Name,
}

impl Carrier {
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Property => "properties.",
            Self::Profile => "profile.",
            Self::Group => "group.",
            Self::Top | Self::Name => "",
        }
    }

    /// The carrier of a path, and the path without its prefix.
    pub(crate) fn split(path: &str) -> (Self, &str) {
        for carrier in [Self::Property, Self::Profile, Self::Group] {
            if let Some(key) = path.strip_prefix(carrier.prefix()) {
                return (carrier, key);
            }
        }
        (Self::Top, path)
    }

    fn of_rules(self) -> rules::Carrier {
        match self {
            Self::Profile => rules::Carrier::Profile,
            Self::Group => rules::Carrier::Group,
            Self::Property | Self::Top | Self::Name => rules::Carrier::Event,
        }
    }
}

/// Why a field is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// Its path.
    Path(Evidence),
    /// It holds the organization's id, says the project.
    Organization,
    /// A detector spoke about the value.
    Detected,
    /// Nothing knows it, and it holds several words.
    Words,
    /// Made here from the connection.
    Derived,
}

/// What a field is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) category: Category,
    pub(crate) kind: FieldKind,
    pub(crate) rule: RuleName,
    pub(crate) basis: Basis,
    /// Whether a name on the way to it is one that neither a rule nor the operator knows: no contract gives it to a vendor then.
    pub(crate) stray: bool,
}

/// The stable id of a rule: of the table, or as read from a record.
#[derive(Clone, Debug)]
pub(crate) enum RuleName {
    Known(&'static str),
    Read(Arc<str>),
}

impl RuleName {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Known(id) => id,
            Self::Read(id) => id,
        }
    }

    pub(crate) fn to_arc(&self) -> Arc<str> {
        match self {
            Self::Known(id) => Arc::from(*id),
            Self::Read(id) => Arc::clone(id),
        }
    }
}

impl PartialEq for RuleName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RuleName {}

pub(crate) const UNCLASSIFIED: Category = Category::of("unclassified");
pub(crate) const CONTENT: Category = Category::of("user.content");
pub(crate) const BEHAVIOR: Category = Category::of("user.behavior");
pub(crate) const PERSON_ID: Category = Category::of("user.unique_id");
pub(crate) const GROUP_ID: Category = Category::of("user.contact.organization.id");
pub(crate) const ADDRESS: Category = Category::of("user.device.ip_address");

/// The class of what no rule knows and that holds several words.
pub(crate) const WORDS: Class = Class {
    category: CONTENT,
    kind: FieldKind::FreeText,
    rule: RuleName::Known("text.words"),
    basis: Basis::Words,
    stray: false,
};

/// A project's way to classify: the operator's overrides and the rule table.
#[derive(Debug, Default)]
pub(crate) struct Classifier {
    overrides: HashMap<(Carrier, Box<str>), Category, foldhash::fast::RandomState>,
    organization_key: Option<Box<str>>,
    pub(crate) switches: RuleSwitches,
}

impl Classifier {
    pub(crate) fn new<'s>(
        fields: impl Iterator<Item = (&'s str, Category)>,
        organization_key: Option<&str>,
        switches: RuleSwitches,
    ) -> Self {
        Self {
            overrides: fields
                .map(|(path, category)| {
                    let (carrier, key) = Carrier::split(path);
                    ((carrier, key.into()), category)
                })
                .collect(),
            organization_key: organization_key.map(Into::into),
            switches,
        }
    }

    /// What the field of that path (without prefix) is when its value has that type.
    pub(crate) fn class(&self, carrier: Carrier, key: &str, value_type: rules::ValueType) -> Class {
        if carrier == Carrier::Top {
            return self.top(key);
        }
        let class = self.by_name(carrier, key, value_type);
        Class {
            stray: self.is_stray(carrier, key, class.basis),
            ..class
        }
    }

    /// Whether a name around the field is known to nobody. Who names a container, names all that is in it.
    fn is_stray(&self, carrier: Carrier, key: &str, basis: Basis) -> bool {
        if !key.contains(['.', '?', '#']) || carrier == Carrier::Name {
            return false;
        }
        let own = key.trim_end_matches("[]");
        if self.organization_key.as_deref() == Some(own)
            || self.named(carrier, own).is_some()
            || self.enclosing(carrier, key).is_some()
        {
            return false;
        }
        // What a container says of everything in it says nothing of the names there.
        let is_parents = matches!(basis, Basis::Path(Evidence::Parent(_)));
        !rules::is_way_known(key, carrier.of_rules(), &self.switches)
            || is_parents && !own.ends_with('#') && !rules::is_known(own, &self.switches)
    }

    fn by_name(&self, carrier: Carrier, key: &str, value_type: rules::ValueType) -> Class {
        let built_in = rules::classify(key, carrier.of_rules(), value_type, &self.switches);
        let known_kind = built_in.map_or(FieldKind::Plain, |class| class.kind);
        if let Some(category) = self.named(carrier, key.trim_end_matches("[]")) {
            return declared(category, known_kind);
        }
        if self.organization_key.as_deref() == Some(key.trim_end_matches("[]")) {
            return Class {
                category: GROUP_ID,
                kind: FieldKind::Id(IdKind::Group),
                rule: RuleName::Known("project.organization_key"),
                basis: Basis::Organization,
                stray: false,
            };
        }
        if let Some(found) = built_in {
            return Class {
                category: found.category,
                kind: found.kind,
                rule: RuleName::Known(found.rule.as_str()),
                basis: Basis::Path(found.evidence),
                stray: false,
            };
        }
        match self.enclosing(carrier, key) {
            Some(category) => declared(category, known_kind),
            None => Class {
                category: UNCLASSIFIED,
                kind: FieldKind::Plain,
                rule: RuleName::Known("none"),
                basis: Basis::Path(Evidence::Builtin),
                stray: false,
            },
        }
    }

    fn named(&self, carrier: Carrier, key: &str) -> Option<Category> {
        if self.overrides.is_empty() {
            return None;
        }
        self.overrides.get(&(carrier, Box::from(key))).copied()
    }

    /// What the operator said of an object or array around the field.
    fn enclosing(&self, carrier: Carrier, key: &str) -> Option<Category> {
        let mut rest = key;
        while let Some(at) = rest.rfind(['.', '[', '?', '#']) {
            rest = rest.get(..at)?;
            if let Some(category) = self.named(carrier, rest) {
                return Some(category);
            }
        }
        None
    }

    fn top(&self, key: &str) -> Class {
        let (category, kind, basis) = match key {
            "group_id" => (GROUP_ID, FieldKind::Id(IdKind::Group), known()),
            "ip" => (ADDRESS, FieldKind::Ip, Basis::Derived),
            "distinct_id" => (PERSON_ID, FieldKind::Id(IdKind::Person), known()),
            _ => (BEHAVIOR, FieldKind::Plain, known()),
        };
        let named = self.named(Carrier::Top, key);
        Class {
            category: named.unwrap_or(category),
            kind,
            rule: RuleName::Known(if named.is_some() {
                "fields"
            } else {
                "sdk.envelope"
            }),
            basis,
            stray: false,
        }
    }

    /// The category of an event's time: behavior, unless the operator says otherwise.
    pub(crate) fn time_category(&self) -> Category {
        self.named(Carrier::Top, "time").unwrap_or(BEHAVIOR)
    }

    /// What the key tells the detectors.
    pub(crate) fn context(key: &str) -> KeyContext {
        KeyContext::of(key)
    }
}

const fn known() -> Basis {
    Basis::Path(Evidence::Builtin)
}

/// The class of a field whose category the operator named: forms apply as the path's own rule says, else as the category does.
fn declared(category: Category, known: FieldKind) -> Class {
    const KINDS: &[(Category, FieldKind)] = &[
        (GROUP_ID, FieldKind::Id(IdKind::Group)),
        (
            Category::of("user.unique_id.pseudonymous"),
            FieldKind::Id(IdKind::Other),
        ),
        (PERSON_ID, FieldKind::Id(IdKind::Person)),
        (
            Category::of("user.device.device_id"),
            FieldKind::Id(IdKind::Device),
        ),
        (
            Category::of("user.device.cookie_id"),
            FieldKind::Id(IdKind::Device),
        ),
        (ADDRESS, FieldKind::Ip),
        (Category::of("user.device.user_agent"), FieldKind::UserAgent),
        (
            Category::of("user.device.operating_system"),
            FieldKind::System,
        ),
        (
            Category::of("user.behavior.browsing_history"),
            FieldKind::Url,
        ),
        (Category::of("user.behavior.referrer"), FieldKind::Url),
        (Category::of("user.contact.url"), FieldKind::Url),
        (CONTENT, FieldKind::FreeText),
    ];
    let kind = if known == FieldKind::Plain {
        KINDS
            .iter()
            .find(|(within, _)| category.is_within(*within))
            .map_or(FieldKind::Plain, |(_, kind)| *kind)
    } else {
        known
    };
    Class {
        category,
        kind,
        rule: RuleName::Known("fields"),
        basis: Basis::Path(Evidence::FieldsToml),
        stray: false,
    }
}
