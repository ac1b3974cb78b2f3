//! The table of rules by which Cofferdam knows what a field is, and the classification of fields by their path.
//!
//! Paths come from admit while it walks an event; the answer depends on path, carrier and value type only, so that the
//! caller can cache it. Values are looked at by `detect`, whose rules stand in the same table.
//! Invariant: ids are stable and unique; every rule can be switched off by id, and a test shows what is missed then.

mod containers;
mod content;
mod fields;
mod index;
mod key_context;
mod mixpanel;
mod secrets;
mod tokens;
mod values;

pub(crate) use containers::{is_known, is_way_known};
pub use key_context::KeyContext;

use cofferdam_model::{Category, IdKind};
use serde::Serialize;
use std::fmt;

/// How the forms apply to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// A value without structure that a form could use.
    Plain,
    /// An identifier, to be tokenized with its kind.
    Id(IdKind),
    /// A URL, absolute or relative, or a part of one; see `address`.
    Url,
    /// A user agent string.
    UserAgent,
    /// The name of a browser.
    Browser,
    /// The name of an operating system.
    System,
    /// The version of a browser, system, app or library.
    Version,
    /// A device's model or make.
    Device,
    /// An IP address.
    Ip,
    /// A time or date.
    Time,
    /// The name or code of a country.
    Country,
    /// The name or code of a region or state.
    Region,
    /// The name of a city.
    City,
    /// Text that a person wrote or reads: detected personal data inside is masked even where it is declared.
    FreeText,
}

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A property of an event.
    Event,
    /// A property of a person's profile.
    Profile,
    /// A property of a group.
    Group,
}

/// The type of a field's value, as far as rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    Text,
    /// Null, an array or an object: the rule holds for what is inside.
    Nested,
}

/// Why a field was classified as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The operator's `fields.toml`.
    FieldsToml,
    /// A property that the SDK or the vendor defines.
    Builtin,
    /// The words of the key's name.
    KeyToken(&'static str),
    /// The name of an enclosing object.
    Parent(&'static str),
    /// Something found in the value.
    Detector,
}

/// Whether a rule holds data back or lets it through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Without the rule, personal data or a secret would pass as unclassified.
    Protects,
    /// Without the rule, an ordinary value would be held back as unclassified.
    Permits,
}

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// Its category.
    pub category: Category,
    /// The rule that says so.
    pub rule: RuleId,
    /// What the rule saw.
    pub evidence: Evidence,
    /// How forms apply to it.
    pub kind: FieldKind,
}

/// A rule's place in the table. The text is stable, the number is not: store the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u16);

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Stable id, e.g. `key.email`.
    pub id: &'static str,
    /// One line for the operator.
    pub about: &'static str,
    /// What it finds.
    pub category: Category,
    /// How forms apply to what it finds.
    pub kind: FieldKind,
    /// The value types that it can hold for.
    types: Types,
    /// Whole keys, compared exactly.
    exact: List,
    /// Words of a key, lower case, separated by spaces.
    phrases: List,
}

/// Keys or phrases, separated by commas.
#[derive(Clone, Copy, Debug)]
struct List(&'static str);

impl List {
    fn iter(self) -> impl Iterator<Item = &'static str> {
        self.0
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
    }
}

/// A set of value types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Types(u8);

impl Types {
    const TEXT: Self = Self(1);
    const NUMBER: Self = Self(2);
    const BOOL: Self = Self(4);
    const TEXT_NUMBER: Self = Self(3);
    const ANY: Self = Self(7);

    const fn holds(self, value_type: ValueType) -> bool {
        let bit = match value_type {
            ValueType::Text => Self::TEXT.0,
            ValueType::Number => Self::NUMBER.0,
            ValueType::Bool => Self::BOOL.0,
            ValueType::Nested => return true,
        };
        self.0 & bit != 0
    }
}

impl Rule {
    /// Whether it holds data back or lets it through.
    #[must_use]
    pub fn effect(&self) -> Effect {
        const PERMITS: &[Category] = &[
            Category::of("system"),
            Category::of("system.operations"),
            Category::of("user.account"),
            Category::of("user.account.settings"),
            Category::of("user.behavior"),
            Category::of("user.behavior.media_consumption"),
            Category::of("user.behavior.purchase_history"),
            Category::of("user.demographic.language"),
            Category::of("user.device"),
            Category::of("user.device.operating_system"),
            Category::of("user.privacy_preferences"),
            Category::of("user.telemetry"),
        ];
        if PERMITS.contains(&self.category) || self.id == "fields" {
            Effect::Permits
        } else {
            Effect::Protects
        }
    }
}

/// Makes a row; the tables are lists of these.
const fn rule(
    id: &'static str,
    category: &'static str,
    kind: FieldKind,
    types: Types,
    about: &'static str,
    exact: &'static str,
    phrases: &'static str,
) -> Rule {
    Rule {
        id,
        about,
        category: Category::of(category),
        kind,
        types,
        exact: List(exact),
        phrases: List(phrases),
    }
}

/// The parts of the table, in the order of the rule numbers. Detectors come first: their numbers are constants.
const TABLES: [&[Rule]; 5] = [
    values::RULES,
    mixpanel::RULES,
    fields::RULES,
    content::RULES,
    secrets::RULES,
];

impl RuleId {
    /// The rule of a field that `fields.toml` names.
    pub const FIELDS: Self = Self::value("fields");

    /// The number of a rule in the table of detectors.
    #[expect(
        clippy::panic,
        clippy::indexing_slicing,
        reason = "evaluated in constants: a wrong id fails the build"
    )]
    pub(crate) const fn value(id: &str) -> Self {
        let mut position = 0;
        while position < values::RULES.len() {
            if values::equal(values::RULES[position].id, id) {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the table has fewer than 512 rows"
                )]
                return Self(position as u16);
            }
            position += 1;
        }
        panic!("no such detector rule");
    }

    /// The rule with that id.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        index::index().by_id(id)
    }

    /// The row.
    #[must_use]
    pub fn rule(self) -> &'static Rule {
        let mut position = usize::from(self.0);
        for table in TABLES {
            match table.get(position) {
                Some(rule) => return rule,
                None => position -= table.len(),
            }
        }
        // Unreachable: numbers are only made from the table.
        &values::FIELDS
    }

    /// The stable id.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.rule().id
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RuleId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Every rule.
pub fn all() -> impl Iterator<Item = RuleId> {
    let count: usize = TABLES.iter().map(|table| table.len()).sum();
    (0..count).filter_map(|position| u16::try_from(position).ok().map(RuleId))
}

/// Which rules are on. All of them, but in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSwitches {
    off: [u64; 8],
}

impl RuleSwitches {
    /// Every rule is on.
    pub const ALL_ON: Self = Self { off: [0; 8] };

    /// The same with one more rule switched off.
    #[must_use]
    pub fn without(mut self, rule: RuleId) -> Self {
        if let Some(word) = self.off.get_mut(usize::from(rule.0 / 64)) {
            *word |= 1 << (rule.0 % 64);
        }
        self
    }

    /// Whether the rule is on.
    #[must_use]
    #[inline]
    pub fn is_on(&self, rule: RuleId) -> bool {
        self.off
            .get(usize::from(rule.0 / 64))
            .is_none_or(|word| word & (1 << (rule.0 % 64)) == 0)
    }
}

impl Default for RuleSwitches {
    fn default() -> Self {
        Self::ALL_ON
    }
}

/// What a field is, by its path below `properties.`, `profile.` or `group.`.
///
/// `path` may be nested (`user.email`), in an array (`emails[]`), a URL's query key (`$current_url?utm_source`), its
/// fragment (`$current_url#`) or a key in the fragment (`$current_url#access_token`). `None` = no rule knows it.
#[must_use]
pub fn classify(
    path: &str,
    carrier: Carrier,
    value_type: ValueType,
    switches: &RuleSwitches,
) -> Option<Classified> {
    index::index().classify(path, carrier, value_type, switches)
}

/// Whether values of the category are secrets: withheld from everybody, always.
#[must_use]
pub fn is_secret(category: Category) -> bool {
    const SECRET: Category = Category::of("secret");
    const AUTHORIZATION: Category = Category::of("user.authorization");
    category == SECRET || category.is_within(AUTHORIZATION)
}

#[cfg(test)]
mod tests;
