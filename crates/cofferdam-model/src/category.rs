//! Data categories: the fideslang 3.1.4 keys (Ethyca, CC BY 4.0) and our own extensions, with sensitivity.
//!
//! Invariant: the longest matching entry of a policy wins, and an ancestor never covers the protected categories.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A data category of the built-in table; cheap to copy and compare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category(u16);

/// How bad it is to lose data of a category: the data processing context of ENISA's breach severity method (2013).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// Simple data, e.g. contact details (1).
    Simple,
    /// Behavioral data (2).
    Behavioral,
    /// Financial data (3).
    Financial,
    /// Sensitive data: special categories, credentials, government ids (4).
    Sensitive,
}

use Sensitivity::{Behavioral, Financial, Sensitive, Simple};

/// Key, sensitivity, whether it is our extension of fideslang.
type Row = (&'static str, Sensitivity, bool);

const TABLE: &[Row] = &[
    ("secret", Sensitive, true),
    ("system", Simple, false),
    ("system.authentication", Simple, false),
    ("system.operations", Simple, false),
    ("unclassified", Behavioral, true),
    ("user", Behavioral, false),
    ("user.account", Simple, false),
    ("user.account.settings", Simple, false),
    ("user.account.username", Simple, false),
    ("user.authorization", Sensitive, false),
    ("user.authorization.biometric", Sensitive, false),
    ("user.authorization.credentials", Sensitive, false),
    ("user.authorization.password", Sensitive, false),
    ("user.behavior", Behavioral, false),
    ("user.behavior.browsing_history", Behavioral, false),
    ("user.behavior.media_consumption", Behavioral, false),
    ("user.behavior.purchase_history", Behavioral, false),
    ("user.behavior.referrer", Behavioral, true),
    ("user.behavior.search_history", Behavioral, false),
    ("user.biometric", Sensitive, false),
    ("user.biometric.fingerprint", Sensitive, false),
    ("user.biometric.health", Sensitive, false),
    ("user.biometric.retinal", Sensitive, false),
    ("user.biometric.voice", Sensitive, false),
    ("user.childrens", Sensitive, false),
    ("user.contact", Simple, false),
    ("user.contact.address", Simple, false),
    ("user.contact.address.city", Simple, false),
    ("user.contact.address.country", Simple, false),
    ("user.contact.address.postal_code", Simple, false),
    ("user.contact.address.state", Simple, false),
    ("user.contact.address.street", Simple, false),
    ("user.contact.email", Simple, false),
    ("user.contact.fax_number", Simple, false),
    ("user.contact.organization", Simple, false),
    ("user.contact.organization.id", Simple, true),
    ("user.contact.phone_number", Simple, false),
    ("user.contact.url", Simple, false),
    ("user.content", Behavioral, false),
    ("user.content.private", Sensitive, false),
    ("user.content.public", Behavioral, false),
    ("user.content.self_image", Behavioral, false),
    ("user.criminal_history", Sensitive, false),
    ("user.demographic", Simple, false),
    ("user.demographic.age_range", Simple, false),
    ("user.demographic.date_of_birth", Simple, false),
    ("user.demographic.gender", Simple, false),
    ("user.demographic.language", Simple, false),
    ("user.demographic.marital_status", Simple, false),
    ("user.demographic.political_opinion", Sensitive, false),
    ("user.demographic.profile", Behavioral, false),
    ("user.demographic.race_ethnicity", Sensitive, false),
    ("user.demographic.religious_belief", Sensitive, false),
    ("user.demographic.sexual_orientation", Sensitive, false),
    ("user.device", Simple, false),
    ("user.device.cookie", Simple, false),
    ("user.device.cookie_id", Simple, false),
    ("user.device.device_id", Simple, false),
    ("user.device.ip_address", Simple, false),
    ("user.device.operating_system", Simple, true),
    ("user.device.user_agent", Simple, true),
    ("user.financial", Financial, false),
    ("user.financial.bank_account", Financial, false),
    ("user.financial.credit_card", Financial, false),
    ("user.government_id", Sensitive, false),
    ("user.government_id.birth_certificate", Sensitive, false),
    (
        "user.government_id.drivers_license_number",
        Sensitive,
        false,
    ),
    ("user.government_id.immigration", Sensitive, false),
    (
        "user.government_id.national_identification_number",
        Sensitive,
        false,
    ),
    ("user.government_id.passport_number", Sensitive, false),
    ("user.government_id.vehicle_registration", Sensitive, false),
    ("user.health_and_medical", Sensitive, false),
    ("user.health_and_medical.genetic", Sensitive, false),
    (
        "user.health_and_medical.insurance_beneficiary_id",
        Sensitive,
        false,
    ),
    ("user.health_and_medical.record_id", Sensitive, false),
    ("user.job_title", Simple, false),
    ("user.location", Behavioral, false),
    ("user.location.imprecise", Behavioral, false),
    ("user.location.precise", Behavioral, false),
    ("user.name", Simple, false),
    ("user.name.first", Simple, false),
    ("user.name.last", Simple, false),
    ("user.payment", Financial, false),
    ("user.privacy_preferences", Simple, false),
    ("user.sensor", Behavioral, false),
    ("user.social", Behavioral, false),
    ("user.telemetry", Behavioral, false),
    ("user.unique_id", Simple, false),
    ("user.unique_id.pseudonymous", Simple, false),
    ("user.user_sensor", Behavioral, false),
    ("user.workplace", Simple, false),
];

/// Categories that an ancestor in a policy never covers: they (or something below them) are named, or withheld.
const PROTECTED: &[&str] = &[
    "secret",
    "unclassified",
    "user.authorization",
    "user.contact",
    "user.content",
    "user.device.cookie_id",
    "user.device.device_id",
    "user.device.ip_address",
    "user.financial",
    "user.government_id",
    "user.name",
    "user.payment",
    "user.unique_id",
];

/// fideslang 3.1.4 data uses, the vocabulary of `purpose`.
pub const DATA_USES: &[&str] = &[
    "analytics",
    "analytics.reporting",
    "analytics.reporting.ad_performance",
    "analytics.reporting.campaign_insights",
    "analytics.reporting.content_performance",
    "analytics.reporting.system",
    "analytics.reporting.system.performance",
    "collect",
    "employment",
    "employment.recruitment",
    "essential",
    "essential.fraud_detection",
    "essential.legal_obligation",
    "essential.service",
    "essential.service.authentication",
    "essential.service.notifications",
    "essential.service.notifications.email",
    "essential.service.notifications.sms",
    "essential.service.operations",
    "essential.service.operations.improve",
    "essential.service.operations.support",
    "essential.service.payment_processing",
    "essential.service.security",
    "essential.service.upgrades",
    "finance",
    "functional",
    "functional.service",
    "functional.service.improve",
    "functional.storage",
    "functional.storage.privacy_preferences",
    "marketing",
    "marketing.advertising",
    "marketing.advertising.first_party",
    "marketing.advertising.first_party.contextual",
    "marketing.advertising.first_party.targeted",
    "marketing.advertising.frequency_capping",
    "marketing.advertising.negative_targeting",
    "marketing.advertising.profiling",
    "marketing.advertising.serving",
    "marketing.advertising.third_party",
    "marketing.advertising.third_party.targeted",
    "marketing.communications",
    "marketing.communications.email",
    "marketing.communications.sms",
    "operations",
    "personalize",
    "personalize.content",
    "personalize.content.limited",
    "personalize.content.profiled",
    "personalize.content.profiling",
    "personalize.profiling",
    "personalize.system",
    "sales",
    "third_party_sharing",
    "third_party_sharing.legal_obligation",
    "train_ai_system",
];

impl Category {
    /// The category of a key, or `None` where the vocabulary has no such key.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        let position = TABLE.binary_search_by_key(&key, |row| row.0).ok()?;
        u16::try_from(position).ok().map(Self)
    }

    /// The category of a key that is known to be in the vocabulary; for tables in source.
    ///
    /// # Panics
    /// Where the key is not in the vocabulary; a constant evaluated at build time fails the build instead.
    #[must_use]
    #[expect(
        clippy::panic,
        clippy::indexing_slicing,
        reason = "evaluated in constants: a wrong key fails the build"
    )]
    pub const fn of(key: &'static str) -> Self {
        let mut position = 0;
        while position < TABLE.len() {
            if equal(TABLE[position].0.as_bytes(), key.as_bytes()) {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the table has fewer than 65,536 rows"
                )]
                return Self(position as u16);
            }
            position += 1;
        }
        panic!("no such category");
    }

    /// How many categories there are.
    pub const COUNT: usize = TABLE.len();

    /// Position among [`Category::all`], below [`Category::COUNT`]: for tables in memory. Not stable between versions.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Every category, ascending by key.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..TABLE.len()).filter_map(|position| u16::try_from(position).ok().map(Self))
    }

    /// The key, e.g. `user.contact.email`.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.row().0
    }

    /// How bad it is to lose.
    #[must_use]
    pub fn sensitivity(self) -> Sensitivity {
        self.row().1
    }

    /// Whether the key is our extension of fideslang.
    #[must_use]
    pub fn is_extension(self) -> bool {
        self.row().2
    }

    /// Whether an ancestor in a policy does not cover this very category.
    #[must_use]
    pub fn is_protected(self) -> bool {
        PROTECTED.contains(&self.key())
    }

    /// Whether this is `root` or below it.
    #[must_use]
    pub fn is_within(self, root: Self) -> bool {
        let (key, root) = (self.key(), root.key());
        key.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The category itself, then each ancestor that may cover it in a policy, longest first.
    /// Stops at the first protected category: whatever stands above that never covers.
    pub fn covering(self) -> impl Iterator<Item = Self> {
        let mut next = Some(self);
        std::iter::from_fn(move || {
            let current = next?;
            next = if current.is_protected() {
                None
            } else {
                current
                    .key()
                    .rsplit_once('.')
                    .and_then(|(parent, _)| Self::parse(parent))
            };
            Some(current)
        })
    }

    fn row(self) -> &'static Row {
        const NONE: Row = ("unclassified", Behavioral, true);
        TABLE.get(usize::from(self.0)).unwrap_or(&NONE)
    }
}

const fn equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut i = 0;
    while i < one.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "bounded by the length just compared"
        )]
        if one[i] != other[i] {
            return false;
        }
        i += 1;
    }
    true
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl fmt::Debug for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl Serialize for Category {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

impl<'de> Deserialize<'de> for Category {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&key)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown data category `{key}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::{Category, PROTECTED, TABLE};

    #[test]
    fn the_table_is_sorted_and_every_parent_exists() {
        assert!(TABLE.is_sorted_by_key(|row| row.0));
        for (key, ..) in TABLE {
            if let Some((parent, _)) = key.rsplit_once('.') {
                assert!(Category::parse(parent).is_some(), "{key} has no parent");
            }
        }
        assert_eq!(
            TABLE.iter().filter(|row| !row.2).count(),
            85,
            "fideslang 3.1.4 has 85 categories"
        );
        assert!(PROTECTED.iter().all(|key| Category::parse(key).is_some()));
    }

    #[test]
    fn an_ancestor_never_covers_a_protected_category() {
        let covering = |key| {
            Category::of(key)
                .covering()
                .map(Category::key)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            covering("user.behavior.search_history"),
            ["user.behavior.search_history", "user.behavior", "user"]
        );
        assert_eq!(
            covering("user.contact.address.city"),
            [
                "user.contact.address.city",
                "user.contact.address",
                "user.contact"
            ]
        );
        assert_eq!(
            covering("user.device.ip_address"),
            ["user.device.ip_address"]
        );
        assert_eq!(covering("unclassified"), ["unclassified"]);
    }
}
