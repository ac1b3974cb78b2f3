//! Numbers with letters in fixed places: fiscal codes, NIF, NINO, PAN, NRIC, personal codes, licences, passports, crypto addresses.
//!
//! Invariant: random base-36 ids are lower case; without words that announce them these numbers count in upper case only.

use super::super::scan::{ALNUM, DIGIT, Scan, Words, at, kind};
use super::checks::is_date;
use crate::rules::{KeyContext, RuleId};

macro_rules! rules {
    ($($name:ident = $id:literal;)*) => { $(const $name: RuleId = RuleId::value($id);)* };
}

rules! {
    ES_NIF = "value.es_nif";
    IT_FISCAL_CODE = "value.it_fiscal_code";
    FI_HETU = "value.fi_hetu";
    UK_NINO = "value.uk_nino";
    UK_DRIVING = "value.uk_driving_licence";
    US_MBI = "value.us_mbi";
    IN_PAN = "value.in_pan";
    SG_NRIC = "value.sg_nric";
    DE_SOCIAL = "value.de_social_security";
    PASSPORT = "value.passport";
    LICENSE = "value.drivers_license";
}

/// Words that announce such a number, so that lower case is read too.
const WORDS: Words = Words::of(&[
    "nif",
    "nie",
    "dni",
    "nino",
    "insurance",
    "pan",
    "nric",
    "fin",
    "hetu",
    "id code",
    "fiscal",
]);

const PASSPORT_WORDS: Words = Words::of(&[
    "passport",
    "reisepass",
    "pasaporte",
    "passaporto",
    "travel document",
    "\u{c5ec}\u{ad8c}",
]);

const LICENSE_WORDS: Words = Words::of(&[
    "driver's lic",
    "drivers lic",
    "driver lic",
    "driving lic",
    "license number",
    "licence number",
    "f\u{fc}hrerschein",
    "driver\u{2019}s lic",
]);

/// Looks at every word that mixes letters and digits. `-` and ` ` inside some numbers are handled by their own shapes.
pub(in crate::detect) fn lettered(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    let mut position = 0;
    while position < bytes.len() {
        let start = position;
        let mut digits = 0;
        for byte in bytes.get(start..).unwrap_or(&[]) {
            let kind = kind(*byte);
            if kind & ALNUM == 0 {
                break;
            }
            digits += usize::from(kind & DIGIT);
            position += 1;
        }
        if position == start {
            position += 1;
            continue;
        }
        let letters = position - start - digits;
        let before = scan.before(start);
        let spaced_nino = digits == 0
            && letters == 2
            && at(bytes, position) == b' '
            && at(bytes, position + 1).is_ascii_digit();
        if spaced_nino {
            spaced(scan, start, position);
        }
        if digits == 0 || before == b'_' || at(bytes, position) == b'_' {
            continue;
        }
        let Some(word) = scan.text.get(start..position) else {
            continue;
        };
        if letters > 0 && matches!(word.len(), 8..=12 | 15 | 16) {
            short(scan, word, start, position);
        } else if word.len() >= 26 {
            super::crypto::address(scan, word, start, position);
        }
        spaced(scan, start, position);
        announced(scan, word, start, position);
    }
}

/// Pattern of a word: `A` upper-case letter, `9` digit, `a` lower-case letter.
fn is_shape(word: &str, shape: &str) -> bool {
    word.len() == shape.len()
        && word
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, kind)| match kind {
                b'A' => byte.is_ascii_uppercase(),
                b'9' => byte.is_ascii_digit(),
                _ => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            })
}

fn short(scan: &mut Scan<'_>, word: &str, start: usize, end: usize) {
    let lower = word.bytes().any(|byte| byte.is_ascii_lowercase());
    if lower && !scan.says(KeyContext::NATIONAL, WORDS) {
        return;
    }
    let upper = lower.then(|| word.to_ascii_uppercase());
    let word = upper.as_deref().unwrap_or(word);
    let rule = match word.len() {
        9 if nif(word) => ES_NIF,
        8 if is_shape(word, "9999999A") && nif(&format!("0{word}")) => ES_NIF,
        9 if is_shape(word, "AA999999A") && nino(word) => UK_NINO,
        9 if sg_nric(word) => SG_NRIC,
        10 if pan(word) => IN_PAN,
        15 if gstin(word) => IN_PAN,
        11 if mbi(word) => US_MBI,
        11 if hetu(word) => FI_HETU,
        12 if de_social(word) => DE_SOCIAL,
        16 if fiscal_code(word) => IT_FISCAL_CODE,
        16 if uk_driving(word) => UK_DRIVING,
        _ => return,
    };
    scan.certain(rule, start, end);
}

/// Forms with separators: `AA 12 34 56 B`, `010594-9032`, `1EG4-TE5-MK73`, `12345678-Z`.
fn spaced(scan: &mut Scan<'_>, start: usize, end: usize) {
    let bytes = scan.bytes();
    let compact = |from: usize, to: usize| {
        bytes.get(from..to).map(|slice| {
            slice
                .iter()
                .filter(|byte| byte.is_ascii_alphanumeric())
                .map(|byte| char::from(*byte))
                .collect::<String>()
        })
    };
    let bounded = |to: usize| !at(bytes, to).is_ascii_alphanumeric();
    let to = start + 13;
    if end - start == 2
        && bounded(to)
        && let Some(word) = compact(start, to).map(|word| word.to_ascii_uppercase())
        && is_shape(&word, "AA999999A")
        && nino(&word)
    {
        scan.certain(UK_NINO, start, to);
    }
    if at(bytes, end) == b'-' {
        let to = end + 2;
        if matches!(end - start, 7 | 8)
            && bounded(to)
            && let Some(word) = compact(start, to)
        {
            let word = if word.len() == 8 {
                format!("0{word}")
            } else {
                word
            };
            if nif(&word) {
                scan.certain(ES_NIF, start, to);
            }
        }
        let to = end + 5;
        if end - start == 6
            && bounded(to)
            && let Some(word) = bytes
                .get(start..to)
                .and_then(|word| std::str::from_utf8(word).ok())
            && hetu(word)
        {
            scan.certain(FI_HETU, start, to);
        }
        let to = start + 13;
        if end - start == 4
            && at(bytes, end + 4) == b'-'
            && bounded(to)
            && let Some(word) = compact(start, to)
            && mbi(&word)
        {
            scan.certain(US_MBI, start, to);
        }
    }
}

/// Numbers without a usable check, where the key or the text announces them.
fn announced(scan: &mut Scan<'_>, word: &str, start: usize, end: usize) {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if !(6..=16).contains(&word.len()) || digits < 5 {
        return;
    }
    if word.len() <= 10 && scan.has_word(PASSPORT_WORDS) {
        scan.likely(PASSPORT, start, end);
    } else if scan.has_word(LICENSE_WORDS) {
        scan.likely(LICENSE, start, end);
    }
}

/// Spanish NIF (digits and letter) and NIE (X, Y or Z first): letter by the number modulo 23.
fn nif(word: &str) -> bool {
    const LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let bytes = word.as_bytes();
    let first = match at(bytes, 0).to_ascii_uppercase() {
        b'X' => b'0',
        b'Y' => b'1',
        b'Z' => b'2',
        digit => digit,
    };
    let digits = std::iter::once(&first).chain(bytes.iter().take(8).skip(1));
    let Some(number) = digits.into_iter().try_fold(0_usize, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + usize::from(byte - b'0'))
    }) else {
        return false;
    };
    bytes.len() == 9 && LETTERS.get(number % 23) == Some(&at(bytes, 8).to_ascii_uppercase())
}

fn nino(word: &str) -> bool {
    let bytes = word.as_bytes();
    let (first, second, last) = (at(bytes, 0), at(bytes, 1), at(bytes, 8));
    !b"DFIQUV".contains(&first)
        && !b"DFIOQUV".contains(&second)
        && !["BG", "GB", "NK", "KN", "TN", "NT", "ZZ"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
        && matches!(last, b'A'..=b'D')
}

fn sg_nric(word: &str) -> bool {
    let bytes = word.as_bytes();
    if !is_shape(word, "A9999999A") {
        return false;
    }
    let sum: usize = bytes
        .iter()
        .skip(1)
        .zip([2, 7, 6, 5, 4, 3, 2])
        .map(|(byte, weight)| usize::from(byte - b'0') * weight)
        .sum();
    let (offset, letters): (usize, &[u8]) = match at(bytes, 0) {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return false,
    };
    letters.get((sum + offset) % 11) == Some(&at(bytes, 8))
}

fn pan(word: &str) -> bool {
    is_shape(word, "AAAAA9999A") && b"PCHFATBLJG".contains(&at(word.as_bytes(), 3))
}

fn gstin(word: &str) -> bool {
    let state: Option<u8> = word.get(..2).and_then(|digits| digits.parse().ok());
    is_shape(word, "99AAAAA9999A?A?")
        && matches!(state, Some(1..=37))
        && at(word.as_bytes(), 13) == b'Z'
}

fn mbi(word: &str) -> bool {
    let bytes = word.as_bytes();
    let letter = |position: usize| {
        let byte = at(bytes, position);
        byte.is_ascii_uppercase() && !b"SLOIBZ".contains(&byte)
    };
    let digit = |position: usize| at(bytes, position).is_ascii_digit();
    bytes.len() == 11
        && matches!(at(bytes, 0), b'1'..=b'9')
        && letter(1)
        && (letter(2) || digit(2))
        && digit(3)
        && letter(4)
        && (letter(5) || digit(5))
        && digit(6)
        && letter(7)
        && letter(8)
        && digit(9)
        && digit(10)
}

/// Date, sign of the century, number, check character by modulo 31.
fn hetu(word: &str) -> bool {
    const CHARACTERS: &[u8] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let bytes = word.as_bytes();
    let number = |from: usize, to: usize| {
        word.get(from..to)
            .and_then(|digits| digits.parse::<u64>().ok())
    };
    let (Some(day), Some(month), Some(year), Some(serial)) =
        (number(0, 2), number(2, 4), number(4, 6), number(7, 10))
    else {
        return false;
    };
    let check = usize::try_from((day * 10_000_000 + month * 100_000 + year * 1000 + serial) % 31)
        .unwrap_or(0);
    bytes.len() == 11
        && b"+-ABCDEFUVWXY".contains(&at(bytes, 6))
        && is_date(year, month, day)
        && serial >= 2
        && CHARACTERS.get(check) == Some(&at(bytes, 10))
}

/// German pension insurance number: area, date, letter, serial, check digit.
fn de_social(word: &str) -> bool {
    let bytes = word.as_bytes();
    if !is_shape(word, "99999999A999") {
        return false;
    }
    let letter = u32::from(at(bytes, 8) - b'A') + 1;
    let mut digits: Vec<u32> = bytes
        .iter()
        .take(8)
        .map(|byte| u32::from(byte - b'0'))
        .collect();
    digits.extend([letter / 10, letter % 10]);
    digits.extend(
        bytes
            .iter()
            .skip(9)
            .take(2)
            .map(|byte| u32::from(byte - b'0')),
    );
    let sum: u32 = digits
        .iter()
        .zip([2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1])
        .map(|(digit, weight)| (digit * weight) / 10 + (digit * weight) % 10)
        .sum();
    let number = |from: usize, to: usize| {
        word.get(from..to)
            .and_then(|digits| digits.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let day = number(2, 4);
    let dated = is_date(0, number(4, 6), if day > 50 { day - 50 } else { day });
    dated && sum % 10 == u32::from(at(bytes, 11) - b'0')
}

/// Italian fiscal code: shape and check letter.
fn fiscal_code(word: &str) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    if !is_shape(word, "AAAAAA99A99A999A") {
        return false;
    }
    let value = |byte: u8| {
        u32::from(if byte.is_ascii_digit() {
            byte - b'0'
        } else {
            byte - b'A'
        })
    };
    let sum: u32 = word
        .bytes()
        .take(15)
        .enumerate()
        .map(|(position, byte)| {
            let value = value(byte);
            if position % 2 == 0 {
                ODD.get(value as usize).copied().unwrap_or(0)
            } else {
                value
            }
        })
        .sum();
    sum % 26 == value(at(word.as_bytes(), 15))
}

fn uk_driving(word: &str) -> bool {
    let bytes = word.as_bytes();
    let month: u64 = word
        .get(6..8)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0);
    let day: u64 = word
        .get(8..10)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0);
    bytes.iter().take(4).all(u8::is_ascii_uppercase)
        && (at(bytes, 4).is_ascii_uppercase() || at(bytes, 4) == b'9')
        && bytes.iter().skip(5).take(6).all(u8::is_ascii_digit)
        && is_date(0, if month > 50 { month - 50 } else { month }, day)
        && bytes.iter().skip(14).all(u8::is_ascii_uppercase)
        && at(bytes, 11).is_ascii_alphanumeric()
}
