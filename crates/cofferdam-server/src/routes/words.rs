//! Policy in words: one plain sentence for each line of a vendor's table.

use cofferdam_model::{Category, Form};

/// What a category is called in a sentence.
#[must_use]
pub(super) fn category(category: Category) -> &'static str {
    match category.key() {
        "secret" => "secrets",
        "unclassified" => "fields that no rule knows",
        "user.unique_id" => "who the person is",
        "user.unique_id.pseudonymous" => "pseudonyms",
        "user.name" | "user.name.first" | "user.name.last" => "names",
        "user.contact.email" => "e-mail addresses",
        "user.contact.phone_number" => "phone numbers",
        "user.contact.organization" => "organization names",
        "user.contact.organization.id" => "which organization it is",
        "user.contact" => "contact details",
        "user.behavior" => "what people do",
        "user.behavior.browsing_history" => "pages visited",
        "user.behavior.referrer" => "where people came from",
        "user.behavior.search_history" => "what people searched for",
        "user.behavior.purchase_history" => "purchases",
        "user.device" => "devices and browsers",
        "user.device.ip_address" => "IP addresses",
        "user.device.device_id" => "device ids",
        "user.device.user_agent" => "user agents",
        "user.device.operating_system" => "operating systems",
        "user.location" | "user.location.imprecise" => "where people are",
        "user.location.precise" => "exact positions",
        "user.content" => "free text",
        "user.job_title" => "job titles",
        "user.demographic.language" => "languages",
        "system.operations" => "technical facts of a call, such as its status and duration",
        key => key,
    }
}

/// A line of a vendor's table as a sentence.
#[must_use]
pub(super) fn sentence(of: Category, form: Form) -> String {
    let what = category(of);
    match form {
        Form::Clear => format!("Gets {what}, as sent."),
        Form::Token => format!("Gets {what} only as a pseudonym that no other vendor shares."),
        Form::Country => format!("Gets {what} as the country."),
        Form::Region => format!("Gets {what} as the region."),
        Form::City => format!("Gets {what} as the city."),
        Form::Family => format!("Gets {what} as the family and major version."),
        Form::Origin => format!("Gets {what} as the site only, without path."),
        Form::Path => format!("Gets {what} as site and path, without query."),
        Form::Subnet => format!("Gets {what} as the network only."),
        Form::Day => format!("Gets {what} as the day only."),
        Form::Sealed => format!("Keeps {what} sealed under the person's key."),
        Form::Withheld => format!("Does not get {what}."),
    }
}
