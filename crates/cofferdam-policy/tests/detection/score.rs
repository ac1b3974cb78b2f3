//! Recall and precision of the detectors on labelled text; shared by the test that holds them to bars and by the intake bench.
//!
//! A line is positive for a type if it is labelled as holding at least one entity of it (the line's own type, or one of its
//! spans); every other line is a negative. Detected = at least one finding of the type's rules. Invariant: values are printed
//! never, only line numbers.

use cofferdam_policy::detect::inspect;
use cofferdam_policy::rules::{KeyContext, RuleSwitches};
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    label: String,
    text: String,
    positive: bool,
    #[serde(default)]
    spans: Vec<(String, usize, usize)>,
}

/// Name, labels, rules, least recall, least precision (0 = printed only).
pub(crate) type Kind = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    f64,
    f64,
);

pub(crate) const KINDS: &[Kind] = &[
    ("e-mail", &["EMAIL_ADDRESS"], &["value.email"], 0.99, 0.99),
    (
        "ip",
        &["IP_ADDRESS"],
        &["value.ipv4", "value.ipv6"],
        0.99,
        0.99,
    ),
    ("iban", &["IBAN_CODE"], &["value.iban"], 0.99, 0.99),
    (
        "card",
        &["CREDIT_CARD"],
        &["value.card", "value.card_context"],
        0.95,
        0.99,
    ),
    ("us ssn", &["US_SSN"], &["value.us_ssn"], 0.9, 0.9),
    (
        "phone",
        &[
            "PHONE",
            "PHONE_NUMBER",
            "PH_MOBILE_NUMBER",
            "TR_PHONE_NUMBER",
        ],
        &["value.phone_international", "value.phone_national"],
        0.0,
        0.0,
    ),
    ("mac", &["MAC_ADDRESS"], &["value.mac"], 0.9, 0.8),
    ("url", &["URL"], &["value.url"], 0.0, 0.0),
    ("us itin", &["US_ITIN"], &["value.us_itin"], 0.0, 0.0),
    ("us mbi", &["US_MBI"], &["value.us_mbi"], 0.0, 0.0),
    ("us npi", &["US_NPI"], &["value.us_npi"], 0.0, 0.0),
    ("uk nhs", &["UK_NHS"], &["value.uk_nhs"], 0.0, 0.0),
    ("uk nino", &["UK_NINO"], &["value.uk_nino"], 0.0, 0.0),
    (
        "uk driving",
        &["UK_DRIVING_LICENCE"],
        &["value.uk_driving_licence"],
        0.0,
        0.0,
    ),
    ("ca sin", &["CA_SIN"], &["value.ca_sin"], 0.0, 0.0),
    ("au tfn", &["AU_TFN"], &["value.au_tfn"], 0.0, 0.0),
    (
        "au business",
        &["AU_ABN", "AU_ACN"],
        &["value.au_business"],
        0.0,
        0.0,
    ),
    (
        "au medicare",
        &["AU_MEDICARE"],
        &["value.au_medicare"],
        0.0,
        0.0,
    ),
    (
        "es nif/nie",
        &["ES_NIF", "ES_NIE"],
        &["value.es_nif"],
        0.0,
        0.0,
    ),
    (
        "it fiscal",
        &["IT_FISCAL_CODE"],
        &["value.it_fiscal_code"],
        0.0,
        0.0,
    ),
    ("pl pesel", &["PL_PESEL"], &["value.pl_pesel"], 0.0, 0.0),
    (
        "fi hetu",
        &["FI_PERSONAL_IDENTITY_CODE"],
        &["value.fi_hetu"],
        0.0,
        0.0,
    ),
    (
        "se number",
        &["SE_PERSONNUMMER", "SE_ORGANISATIONSNUMMER"],
        &["value.se_personnummer"],
        0.0,
        0.0,
    ),
    ("de tax id", &["DE_TAX_ID"], &["value.de_tax_id"], 0.0, 0.0),
    (
        "de social",
        &["DE_SOCIAL_SECURITY"],
        &["value.de_social_security"],
        0.0,
        0.0,
    ),
    (
        "in aadhaar",
        &["IN_AADHAAR"],
        &["value.in_aadhaar"],
        0.0,
        0.0,
    ),
    (
        "in pan/gstin",
        &["IN_PAN", "IN_GSTIN"],
        &["value.in_pan"],
        0.0,
        0.0,
    ),
    ("sg nric", &["SG_NRIC_FIN"], &["value.sg_nric"], 0.0, 0.0),
    (
        "kr rrn/frn",
        &["KR_RRN", "KR_FRN"],
        &["value.kr_rrn"],
        0.0,
        0.0,
    ),
    ("th tnin", &["TH_TNIN"], &["value.th_tnin"], 0.0, 0.0),
    (
        "tr national",
        &["TR_NATIONAL_ID"],
        &["value.tr_national_id"],
        0.0,
        0.0,
    ),
    ("za id", &["ZA_ID_NUMBER"], &["value.za_id"], 0.0, 0.0),
    ("crypto", &["CRYPTO"], &["value.crypto"], 0.0, 0.0),
];

#[derive(Default)]
pub(crate) struct Score {
    hit: u32,
    pub(crate) missed: Vec<usize>,
    pub(crate) wrong: Vec<usize>,
}

impl Score {
    pub(crate) fn recall(&self) -> f64 {
        f64::from(self.hit) / (f64::from(self.hit) + self.missed.len() as f64).max(1.0)
    }

    pub(crate) fn precision(&self) -> f64 {
        let found = f64::from(self.hit) + self.wrong.len() as f64;
        if found > 0.0 {
            f64::from(self.hit) / found
        } else {
            1.0
        }
    }
}

/// The labelled lines, found upwards from this crate.
pub(crate) fn data() -> Option<String> {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data/detection/dev.jsonl"))
        .chain(std::env::var_os("COFFERDAM_DETECTION_DATA").map(PathBuf::from))
        .find_map(|path| std::fs::read_to_string(path).ok())
}

/// Number of lines, and a score for each of [`KINDS`].
#[expect(
    clippy::unwrap_used,
    reason = "labelled data that cannot be read measures nothing"
)]
pub(crate) fn score(text: &str) -> (usize, Vec<Score>) {
    let lines: Vec<Line> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut scores: Vec<Score> = KINDS.iter().map(|_| Score::default()).collect();
    for (number, line) in lines.iter().enumerate() {
        let found = inspect(&line.text, KeyContext::NONE, &RuleSwitches::ALL_ON);
        for ((_, labels, rules, ..), score) in KINDS.iter().zip(&mut scores) {
            let positive = line.positive && labels.contains(&line.label.as_str())
                || line
                    .spans
                    .iter()
                    .any(|span| labels.contains(&span.0.as_str()));
            let detected = found
                .iter()
                .any(|found| rules.contains(&found.rule.as_str()));
            match (positive, detected) {
                (true, true) => score.hit += 1,
                (true, false) => score.missed.push(number + 1),
                (false, true) => score.wrong.push(number + 1),
                (false, false) => {}
            }
        }
    }
    (lines.len(), scores)
}
