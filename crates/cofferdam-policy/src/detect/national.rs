//! Government, tax and health numbers: those of digits, and those with letters.
//!
//! Formats and check digits are published by their issuers. Invariant: bare digits need a key or words that announce them;
//! separated or lettered forms stand on their check digit.

mod checks;
mod crypto;
mod lettered;

pub(super) use lettered::lettered;

use super::card::luhn;
use super::digits::Candidate;
use super::scan::{Scan, Words};
use crate::rules::{KeyContext, RuleId};
use checks::{is_date, weighted};

macro_rules! rules {
    ($($name:ident = $id:literal;)*) => { $(const $name: RuleId = RuleId::value($id);)* };
}

rules! {
    US_SSN = "value.us_ssn";
    US_ITIN = "value.us_itin";
    US_NPI = "value.us_npi";
    BANK_ROUTING = "value.bank_routing";
    CA_SIN = "value.ca_sin";
    UK_NHS = "value.uk_nhs";
    AU_TFN = "value.au_tfn";
    AU_BUSINESS = "value.au_business";
    AU_MEDICARE = "value.au_medicare";
    PL_PESEL = "value.pl_pesel";
    SE_PERSONNUMMER = "value.se_personnummer";
    DE_TAX_ID = "value.de_tax_id";
    IN_AADHAAR = "value.in_aadhaar";
    KR_RRN = "value.kr_rrn";
    TH_TNIN = "value.th_tnin";
    TR_NATIONAL_ID = "value.tr_national_id";
    ZA_ID = "value.za_id";
    BR_CPF = "value.br_cpf";
    FR_NIR = "value.fr_nir";
}

/// One national number of digits.
struct Number {
    rule: RuleId,
    /// Shapes (group lengths) in which it stands on its own; bare digits are among them only with a strong check.
    shapes: &'static [u32],
    /// Lengths that are enough where it is announced.
    lengths: &'static [usize],
    /// Words that announce it.
    words: Words,
    check: fn(&Candidate) -> bool,
}

const NUMBERS: &[Number] = &[
    Number {
        rule: US_ITIN,
        shapes: &[324],
        lengths: &[9],
        words: Words::of(&["itin", "taxpayer"]),
        check: checks::us_itin,
    },
    Number {
        rule: US_SSN,
        shapes: &[324],
        lengths: &[9],
        words: Words::of(&["ssn", "social security", "social sec"]),
        check: checks::us_ssn,
    },
    Number {
        rule: CA_SIN,
        shapes: &[],
        lengths: &[9],
        words: Words::of(&["sin", "social insurance"]),
        check: |n| !matches!(n.digit(0), 0 | 8) && luhn(n.digits()),
    },
    Number {
        rule: AU_TFN,
        shapes: &[],
        lengths: &[9],
        words: Words::of(&["tfn", "tax file"]),
        check: |n| weighted(n, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11),
    },
    Number {
        rule: AU_BUSINESS,
        shapes: &[2333],
        lengths: &[9, 11],
        words: Words::of(&["abn", "acn", "australian business", "australian company"]),
        check: checks::au_business,
    },
    Number {
        rule: BANK_ROUTING,
        shapes: &[],
        lengths: &[9],
        words: Words::of(&["routing", "aba", "rtn"]),
        check: |n| weighted(n, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10) && n.digit(0) <= 3,
    },
    Number {
        rule: US_NPI,
        shapes: &[],
        lengths: &[10],
        words: Words::of(&["npi", "provider id", "national provider"]),
        check: checks::us_npi,
    },
    Number {
        rule: AU_MEDICARE,
        shapes: &[451],
        lengths: &[10],
        words: Words::of(&["medicare"]),
        check: checks::au_medicare,
    },
    Number {
        rule: SE_PERSONNUMMER,
        shapes: &[64, 84],
        lengths: &[10, 12],
        words: Words::of(&[
            "personnummer",
            "pnr",
            "orgnummer",
            "organisationsnummer",
            "swedish",
            "samordningsnummer",
        ]),
        check: checks::se_personnummer,
    },
    Number {
        rule: UK_NHS,
        shapes: &[334],
        lengths: &[10],
        words: Words::of(&["nhs", "national health"]),
        check: checks::uk_nhs,
    },
    Number {
        rule: PL_PESEL,
        shapes: &[],
        lengths: &[11],
        words: Words::of(&["pesel"]),
        check: checks::pl_pesel,
    },
    Number {
        rule: TR_NATIONAL_ID,
        shapes: &[],
        lengths: &[11],
        words: Words::of(&["tckn", "tc kimlik", "kimlik", "t.c."]),
        check: checks::tr_national_id,
    },
    Number {
        rule: DE_TAX_ID,
        shapes: &[2333],
        lengths: &[11],
        words: Words::of(&["steuer", "tax id", "tin", "idnr"]),
        check: checks::de_tax_id,
    },
    Number {
        rule: BR_CPF,
        shapes: &[3332],
        lengths: &[11],
        words: Words::of(&["cpf"]),
        check: checks::br_cpf,
    },
    Number {
        rule: IN_AADHAAR,
        shapes: &[444],
        lengths: &[12],
        words: Words::of(&["aadhaar", "aadhar", "uidai"]),
        check: |n| n.digit(0) >= 2 && checks::verhoeff(n.digits()),
    },
    Number {
        rule: KR_RRN,
        shapes: &[67],
        lengths: &[13],
        words: Words::of(&[
            "rrn",
            "frn",
            "korean",
            "resident registration",
            "foreigner registration",
        ]),
        check: checks::kr_rrn,
    },
    Number {
        rule: TH_TNIN,
        shapes: &[14521],
        lengths: &[13],
        words: Words::of(&["tnin", "thai", "\u{e40}\u{e25}\u{e02}"]),
        check: checks::th_tnin,
    },
    Number {
        rule: ZA_ID,
        shapes: &[6412],
        lengths: &[13],
        words: Words::of(&[
            "rsa id",
            "south african",
            "sa id",
            "id number",
            "resident number",
            "refugee",
        ]),
        check: |n| {
            is_date(n.number(0, 2), n.number(2, 4), n.number(4, 6))
                && n.digit(10) <= 2
                && luhn(n.digits())
        },
    },
    Number {
        rule: FR_NIR,
        shapes: &[113332, 1_222_332],
        lengths: &[15],
        words: Words::of(&[
            "nir",
            "securite sociale",
            "s\u{e9}curit\u{e9} sociale",
            "insee",
        ]),
        check: checks::fr_nir,
    },
];

/// Reports a national number of digits; true if it is one.
pub(super) fn digits(scan: &mut Scan<'_>, candidate: &Candidate) -> bool {
    if !matches!(candidate.separator, 0 | b' ' | b'-' | b'.' | b':' | b'?') {
        return false;
    }
    let length = candidate.digits().len();
    for number in NUMBERS {
        let shaped = !candidate.is_bare()
            && number.shapes.contains(&candidate.shape)
            && (candidate.isolated || number.rule == US_SSN);
        if !shaped && !number.lengths.contains(&length) {
            continue;
        }
        // Mixed separators are a CPF's alone.
        if candidate.separator == b'?' && number.rule != BR_CPF
            || candidate.separator == b'.' && number.rule == US_SSN
        {
            continue;
        }
        if !(number.check)(candidate) {
            continue;
        }
        if shaped {
            scan.certain(number.rule, candidate.start, candidate.end);
        } else if scan.says(KeyContext::NATIONAL, number.words) {
            scan.likely(number.rule, candidate.start, candidate.end);
        } else {
            continue;
        }
        return true;
    }
    false
}
