//! The rows of the detectors: what can be recognized in a value, whatever its key is called.
//!
//! `detect` names these rows by id in constants. Invariant: this table stands first, so that its numbers are constants.

use super::{FieldKind, Rule, Types, rule};

/// The row of operator rules.
pub(super) const FIELDS: Rule = detector(
    "fields",
    "unclassified",
    "named in the operator's fields.toml; the category is the one given there",
);

const fn detector(id: &'static str, category: &'static str, about: &'static str) -> Rule {
    rule(id, category, FieldKind::Plain, Types::ANY, about, "", "")
}

const GOVERNMENT: &str = "user.government_id.national_identification_number";

pub(super) const RULES: &[Rule] = &[
    FIELDS,
    // Contact.
    detector("value.email", "user.contact.email", "an e-mail address"),
    detector(
        "value.email_hash",
        "user.contact.email",
        "an unkeyed MD5, SHA-1 or SHA-256 hash under a key that names an e-mail address",
    ),
    detector(
        "value.phone_international",
        "user.contact.phone_number",
        "a phone number with + and country code",
    ),
    detector(
        "value.phone_national",
        "user.contact.phone_number",
        "a national phone number, by its punctuation or by words that announce it",
    ),
    // Network.
    detector("value.ipv4", "user.device.ip_address", "an IPv4 address"),
    detector("value.ipv6", "user.device.ip_address", "an IPv6 address"),
    detector("value.mac", "user.device.device_id", "a MAC address"),
    detector(
        "value.url",
        "user.behavior.browsing_history",
        "a URL, to be treated by its parts",
    ),
    detector(
        "value.user_agent",
        "user.device.user_agent",
        "a browser's user agent string",
    ),
    detector(
        "value.coordinates",
        "user.location.precise",
        "a pair of latitude and longitude with three or more decimals",
    ),
    // Money.
    detector(
        "value.card",
        "user.financial.credit_card",
        "a payment card number: issuer prefix, length and Luhn check digit",
    ),
    detector(
        "value.card_context",
        "user.financial.credit_card",
        "a Luhn-valid number that its key or text calls a card",
    ),
    detector(
        "value.iban",
        "user.financial.bank_account",
        "an IBAN: country, length, structure and check digits",
    ),
    detector(
        "value.bank_routing",
        "user.financial.bank_account",
        "a US bank routing number with its check digit, announced as such",
    ),
    detector(
        "value.crypto",
        "user.financial",
        "a cryptocurrency address: Bitcoin with check sum, Ethereum by shape",
    ),
    // Government ids.
    detector("value.us_ssn", GOVERNMENT, "a US social security number"),
    detector(
        "value.us_itin",
        GOVERNMENT,
        "a US individual taxpayer number",
    ),
    detector(
        "value.us_mbi",
        "user.health_and_medical.insurance_beneficiary_id",
        "a US Medicare beneficiary id",
    ),
    detector(
        "value.us_npi",
        GOVERNMENT,
        "a US national provider id with its check digit, announced as such",
    ),
    detector(
        "value.uk_nhs",
        "user.health_and_medical.record_id",
        "a UK NHS number with its check digit",
    ),
    detector(
        "value.uk_nino",
        GOVERNMENT,
        "a UK national insurance number",
    ),
    detector(
        "value.uk_driving_licence",
        "user.government_id.drivers_license_number",
        "a UK driving licence number",
    ),
    detector(
        "value.ca_sin",
        GOVERNMENT,
        "a Canadian social insurance number",
    ),
    detector("value.au_tfn", GOVERNMENT, "an Australian tax file number"),
    detector(
        "value.au_business",
        "user.contact.organization.id",
        "an Australian business or company number with its check digits",
    ),
    detector(
        "value.au_medicare",
        "user.health_and_medical.insurance_beneficiary_id",
        "an Australian Medicare number",
    ),
    detector(
        "value.es_nif",
        GOVERNMENT,
        "a Spanish NIF or NIE with its check letter",
    ),
    detector(
        "value.it_fiscal_code",
        GOVERNMENT,
        "an Italian fiscal code with its check letter",
    ),
    detector(
        "value.pl_pesel",
        GOVERNMENT,
        "a Polish PESEL with date and check digit",
    ),
    detector(
        "value.fi_hetu",
        GOVERNMENT,
        "a Finnish personal identity code with its check character",
    ),
    detector(
        "value.se_personnummer",
        GOVERNMENT,
        "a Swedish personal or organization number with its check digit",
    ),
    detector(
        "value.de_tax_id",
        GOVERNMENT,
        "a German tax id with its check digit",
    ),
    detector(
        "value.de_social_security",
        GOVERNMENT,
        "a German pension insurance number",
    ),
    detector(
        "value.in_aadhaar",
        GOVERNMENT,
        "an Indian Aadhaar number with its check digit",
    ),
    detector("value.in_pan", GOVERNMENT, "an Indian PAN or GSTIN"),
    detector(
        "value.sg_nric",
        GOVERNMENT,
        "a Singaporean NRIC or FIN with its check letter",
    ),
    detector(
        "value.kr_rrn",
        GOVERNMENT,
        "a Korean resident or foreigner registration number",
    ),
    detector(
        "value.th_tnin",
        GOVERNMENT,
        "a Thai national id with its check digit",
    ),
    detector(
        "value.tr_national_id",
        GOVERNMENT,
        "a Turkish national id with its check digits",
    ),
    detector(
        "value.za_id",
        GOVERNMENT,
        "a South African id number with date and check digit",
    ),
    detector(
        "value.br_cpf",
        GOVERNMENT,
        "a Brazilian CPF with its check digits",
    ),
    detector(
        "value.fr_nir",
        GOVERNMENT,
        "a French social security number with its check digits",
    ),
    detector(
        "value.passport",
        "user.government_id.passport_number",
        "a passport number, announced as such",
    ),
    detector(
        "value.drivers_license",
        "user.government_id.drivers_license_number",
        "a driving licence number, announced as such",
    ),
    // Secrets.
    detector("value.jwt", "secret", "a JSON web token"),
    detector("value.private_key", "secret", "a PEM private key"),
    detector("value.credentials", "secret", "Bearer or Basic credentials"),
    detector(
        "value.url_user_info",
        "secret",
        "a password in the user info of a URL",
    ),
    detector(
        "value.key_value",
        "secret",
        "a secret after password=, token: and the like inside a text",
    ),
    detector(
        "value.high_entropy",
        "secret",
        "a random string under a key that names a credential",
    ),
    detector(
        "value.path_secret",
        "secret",
        "a random string or token as a segment of a URL's path",
    ),
    detector("value.aws", "secret", "an AWS access key id"),
    detector("value.github", "secret", "a GitHub token"),
    detector("value.gitlab", "secret", "a GitLab token"),
    detector("value.slack", "secret", "a Slack token or webhook"),
    detector("value.stripe", "secret", "a Stripe key or webhook secret"),
    detector(
        "value.google",
        "secret",
        "a Google API key, OAuth token or client secret",
    ),
    detector("value.openai", "secret", "an OpenAI key"),
    detector("value.anthropic", "secret", "an Anthropic key"),
    detector("value.npm", "secret", "an npm token"),
    detector("value.pypi", "secret", "a PyPI token"),
    detector("value.sendgrid", "secret", "a SendGrid key"),
    detector("value.twilio", "secret", "a Twilio key or account id"),
    detector("value.mailgun", "secret", "a Mailgun or Mailchimp key"),
    detector("value.hugging_face", "secret", "a Hugging Face token"),
    detector("value.digitalocean", "secret", "a DigitalOcean token"),
    detector("value.shopify", "secret", "a Shopify token"),
    detector("value.square", "secret", "a Square token"),
    detector("value.docker", "secret", "a Docker Hub token"),
    detector("value.telegram", "secret", "a Telegram bot token"),
    detector("value.atlassian", "secret", "an Atlassian token"),
    detector("value.databricks", "secret", "a Databricks token"),
    detector(
        "value.vault",
        "secret",
        "a HashiCorp Vault or Terraform token",
    ),
    detector(
        "value.linear",
        "secret",
        "a Linear, Notion, Figma or Postman key",
    ),
    detector("value.posthog", "secret", "a PostHog personal key"),
    detector("value.age_key", "secret", "an age secret key"),
    // Layers.
    detector(
        "value.layer",
        "user.content",
        "structured content hidden in a string (JSON, base64, percent-encoding) that was too deep or too large to inspect",
    ),
];

/// String equality at build time.
#[expect(
    clippy::indexing_slicing,
    reason = "bounded by the length just compared"
)]
pub(super) const fn equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut i = 0;
    while i < one.len() {
        if one[i] != other[i] {
            return false;
        }
        i += 1;
    }
    true
}
