//! Payment cards: issuer prefix, length, Luhn check digit, grouping.
//!
//! Invariant: under a key that names an id, a time or a measure, a bare number is a card only if the text says so.

use super::digits::Candidate;
use super::scan::{Scan, Words};
use crate::rules::{KeyContext, RuleId};

const CARD: RuleId = RuleId::value("value.card");
const CARD_CONTEXT: RuleId = RuleId::value("value.card_context");

/// Words that announce a card.
const WORDS: Words = Words::of(&[
    "card",
    "credit",
    "debit",
    "visa",
    "mastercard",
    "master card",
    "amex",
    "american express",
    "maestro",
    "diners",
    "jcb",
    "discover",
    "cvv",
    "cvc",
    "payment",
    "pay ",
    "paid",
    "charge",
    "expir",
    "cc ",
    "cc:",
    "bill",
    "tarjeta",
    "karte",
]);

/// Luhn's check digit.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(position, digit)| {
            let digit = u32::from(*digit);
            match (position % 2, digit) {
                (0, _) => digit,
                (_, 0..=4) => digit * 2,
                _ => digit * 2 - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Reports a card; true if it is one.
pub(super) fn digits(scan: &mut Scan<'_>, candidate: &Candidate) -> bool {
    let digits = candidate.digits();
    if !(12..=19).contains(&digits.len())
        || !matches!(candidate.separator, 0 | b' ' | b'-')
        || !luhn(digits)
        || digits.iter().all(|digit| digits.first() == Some(digit))
        || !(candidate.is_bare() || is_grouping(candidate.shape))
    {
        return false;
    }
    let strong = is_issued(candidate);
    let id_key = scan.context.any(
        KeyContext::ID
            .with(KeyContext::TECHNICAL)
            .with(KeyContext::MEASURE),
    );
    let (start, end) = (candidate.start, candidate.end);
    if strong && (!candidate.is_bare() || !id_key) {
        scan.certain(CARD, start, end);
        return true;
    }
    if scan.says(KeyContext::CARD, WORDS) {
        scan.likely(CARD_CONTEXT, start, end);
        return true;
    }
    false
}

fn is_grouping(shape: u32) -> bool {
    matches!(
        shape,
        4444 | 465 | 464 | 444 | 445 | 44443 | 4443 | 4442 | 446 | 66 | 88
    )
}

/// Whether the prefix belongs to an issuer that has cards of that length.
fn is_issued(candidate: &Candidate) -> bool {
    let four = candidate.number(0, 4);
    let two = four / 100;
    match candidate.digits().len() {
        16 => {
            matches!(two, 40..=49 | 51..=55 | 65 | 62)
                || matches!(four, 2221..=2720 | 6011 | 3528..=3589 | 6440..=6499)
                || matches!(
                    four,
                    5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 | 5019
                )
        }
        15 => matches!(two, 34 | 37) || matches!(four, 2131 | 1800),
        14 => matches!(four, 3000..=3059 | 3095) || matches!(two, 36 | 38 | 39),
        _ => false,
    }
}
