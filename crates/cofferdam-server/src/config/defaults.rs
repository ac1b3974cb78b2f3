//! Default tables: what home keeps, and which region a vendor's host is in.

use cofferdam_model::{Category, Form, Region};
use std::collections::BTreeMap;

/// The default `[home]` table, in the order in which `init` writes it.
pub const HOME: &[(&str, Form)] = &[
    ("user.behavior", Form::Clear),
    ("user.behavior.referrer", Form::Path),
    ("user.device", Form::Clear),
    ("user.device.ip_address", Form::Withheld),
    ("user.device.device_id", Form::Sealed),
    ("user.device.cookie_id", Form::Withheld),
    ("user.location.imprecise", Form::City),
    ("user.location.precise", Form::Withheld),
    ("user.unique_id", Form::Sealed),
    ("user.name", Form::Sealed),
    ("user.contact", Form::Sealed),
    ("user.contact.organization", Form::Clear),
    ("user.contact.organization.id", Form::Sealed),
    ("user.account", Form::Clear),
    ("user.account.username", Form::Sealed),
    ("user.job_title", Form::Clear),
    ("user.workplace", Form::Clear),
    ("user.demographic.language", Form::Clear),
    ("user.telemetry", Form::Clear),
    ("user.privacy_preferences", Form::Clear),
    ("user.content", Form::Withheld),
    ("user.payment", Form::Withheld),
    ("user.financial", Form::Withheld),
    ("user.government_id", Form::Withheld),
    ("system", Form::Clear),
    ("unclassified", Form::Clear),
];

/// The default `[home]` table.
#[must_use]
pub fn home() -> BTreeMap<Category, Form> {
    HOME.iter()
        .filter_map(|(key, form)| Category::parse(key).map(|category| (category, *form)))
        .collect()
}

/// Hosts whose region is published by the vendor.
const REGIONS: &[(&str, &str)] = &[
    ("api.mixpanel.com", "US"),
    ("api-eu.mixpanel.com", "EU"),
    ("api-in.mixpanel.com", "IN"),
    ("api.segment.io", "US"),
    ("events.eu1.segmentapis.com", "EU"),
    ("us.i.posthog.com", "US"),
    ("eu.i.posthog.com", "EU"),
];

/// The region that an endpoint's host is known to be in.
#[must_use]
pub fn region_of_endpoint(endpoint: &str) -> Option<Region> {
    let url = url::Url::parse(endpoint).ok()?;
    // A final dot names the same host.
    let host = url.host_str()?.trim_end_matches('.');
    REGIONS
        .iter()
        .find(|(known, _)| *known == host)
        .map(|(_, region)| Region::from(*region))
}
