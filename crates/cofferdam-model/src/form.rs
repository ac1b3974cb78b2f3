//! The forms in which a value of a category may be passed on, and the place that an address stands for.

use serde::{Deserialize, Serialize};

/// How a value of a category is passed on. The table category × form is in `docs/forms.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As sent.
    Clear,
    /// A keyed pseudonym that only this vendor, region and epoch shares.
    Token,
    /// A location as its country.
    Country,
    /// A location as its region.
    Region,
    /// A location as its city (home only).
    City,
    /// A device, browser or system as its family and major version.
    Family,
    /// A URL as scheme, host and port.
    Origin,
    /// A URL as origin and path, without user info, query and fragment.
    Path,
    /// An IP address as its /24 (IPv4) or /48 (IPv6) network.
    Subnet,
    /// A time as its UTC day.
    Day,
    /// In the vault under the person's key, readable by permitted roles (home only).
    Sealed,
    /// Not at all.
    Withheld,
}

impl Form {
    /// Every form, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Clear,
        Self::Token,
        Self::Country,
        Self::Region,
        Self::City,
        Self::Family,
        Self::Origin,
        Self::Path,
        Self::Subnet,
        Self::Day,
        Self::Sealed,
        Self::Withheld,
    ];

    /// The form's name in configuration and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Token => "token",
            Self::Country => "country",
            Self::Region => "region",
            Self::City => "city",
            Self::Family => "family",
            Self::Origin => "origin",
            Self::Path => "path",
            Self::Subnet => "subnet",
            Self::Day => "day",
            Self::Sealed => "sealed",
            Self::Withheld => "withheld",
        }
    }

    /// The form of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }

    /// Whether only home may use it.
    #[must_use]
    pub fn is_home_only(self) -> bool {
        matches!(self, Self::City | Self::Sealed)
    }
}

/// Where an address is, as coarse as the database knows. Made by the server's location database, read by policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// ISO 3166-1 alpha-2 country code, e.g. `DE`.
    pub country: String,
    /// Region or state name, where known.
    pub region: Option<String>,
    /// City name, where known.
    pub city: Option<String>,
}
