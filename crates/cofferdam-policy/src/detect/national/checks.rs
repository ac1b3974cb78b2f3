//! Check digits of national numbers, from their issuers' published rules.
//!
//! Invariant: each takes a candidate of the right length, and is false for any other.

use super::super::card::luhn;
use super::super::digits::Candidate;

/// Sum of digits times weights.
pub(super) fn weighted(number: &Candidate, weights: &[u32]) -> u32 {
    if number.digits().len() < weights.len() {
        return 1;
    }
    number
        .digits()
        .iter()
        .zip(weights)
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum()
}

/// Whether year (two digits), month and day can be a date.
pub(super) fn is_date(_year: u64, month: u64, day: u64) -> bool {
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 29,
        _ => return false,
    };
    (1..=days).contains(&day)
}

pub(super) fn us_ssn(number: &Candidate) -> bool {
    number.digits().len() == 9
        && !matches!(number.number(0, 3), 0 | 666 | 900..=999)
        && number.number(3, 5) != 0
        && number.number(5, 9) != 0
        && number.number(0, 9) != 123_456_789
}

pub(super) fn us_itin(number: &Candidate) -> bool {
    number.digits().len() == 9
        && number.digit(0) == 9
        && matches!(number.number(3, 5), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// Luhn over the number with the card issuer prefix 80840.
pub(super) fn us_npi(number: &Candidate) -> bool {
    let mut digits = [8, 0, 8, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (slot, digit) in digits.iter_mut().skip(5).zip(number.digits()) {
        *slot = *digit;
    }
    number.digits().len() == 10 && matches!(number.digit(0), 1 | 2) && luhn(&digits)
}

/// ABN of 11 digits (mod 89), ACN of 9 (mod 10).
pub(super) fn au_business(number: &Candidate) -> bool {
    match number.digits().len() {
        11 => {
            number.digit(0) > 0
                && (weighted(number, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) - 10)
                    .is_multiple_of(89)
        }
        9 => {
            let remainder = weighted(number, &[8, 7, 6, 5, 4, 3, 2, 1]) % 10;
            (10 - remainder) % 10 == number.digit(8)
        }
        _ => false,
    }
}

pub(super) fn au_medicare(number: &Candidate) -> bool {
    number.digits().len() == 10
        && matches!(number.digit(0), 2..=6)
        && weighted(number, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == number.digit(8)
}

pub(super) fn uk_nhs(number: &Candidate) -> bool {
    let sum = weighted(number, &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    number.digits().len() == 10 && sum > 0 && (11 - sum % 11) % 11 == number.digit(9)
}

/// Date (or a day above 60, or an organization's third digit above 1) and Luhn over the last ten digits.
pub(super) fn se_personnummer(number: &Candidate) -> bool {
    let from = match number.digits().len() {
        10 => 0,
        12 if matches!(number.number(0, 2), 19 | 20) => 2,
        _ => return false,
    };
    let day = number.number(from + 4, from + 6);
    let month = number.number(from + 2, from + 4);
    let person = is_date(0, month, if day > 60 { day - 60 } else { day });
    let organization = from == 0 && number.digit(2) >= 2;
    (person || organization) && number.digits().get(from..).is_some_and(luhn)
}

pub(super) fn pl_pesel(number: &Candidate) -> bool {
    let sum = weighted(number, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    number.digits().len() == 11
        && sum.is_multiple_of(10)
        && is_date(0, number.number(2, 4) % 20, number.number(4, 6))
}

pub(super) fn tr_national_id(number: &Candidate) -> bool {
    let odd: u32 = [0, 2, 4, 6, 8].into_iter().map(|at| number.digit(at)).sum();
    let even: u32 = [1, 3, 5, 7].into_iter().map(|at| number.digit(at)).sum();
    let sum: u32 = (0..10).map(|at| number.digit(at)).sum();
    number.digits().len() == 11
        && number.digit(0) != 0
        && (odd * 7 + 90 - even) % 10 == number.digit(9)
        && sum % 10 == number.digit(10)
}

/// ISO 7064 mod 11,10.
pub(super) fn de_tax_id(number: &Candidate) -> bool {
    let mut product = 10;
    for digit in number.digits().iter().take(10) {
        let sum = (u32::from(*digit) + product) % 10;
        product = if sum == 0 { 10 } else { sum } * 2 % 11;
    }
    number.digits().len() == 11 && number.digit(0) != 0 && (11 - product) % 10 == number.digit(10)
}

pub(super) fn br_cpf(number: &Candidate) -> bool {
    let check = |length: u32| {
        let sum: u32 = (0..length)
            .map(|at| number.digit(at as usize) * (length + 1 - at))
            .sum();
        sum * 10 % 11 % 10
    };
    number.digits().len() == 11
        && number
            .digits()
            .iter()
            .any(|digit| number.digits().first() != Some(digit))
        && check(9) == number.digit(9)
        && check(10) == number.digit(10)
}

pub(super) fn kr_rrn(number: &Candidate) -> bool {
    number.digits().len() == 13
        && is_date(0, number.number(2, 4), number.number(4, 6))
        && matches!(number.digit(6), 1..=8)
}

pub(super) fn th_tnin(number: &Candidate) -> bool {
    let sum = weighted(number, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    number.digits().len() == 13 && number.digit(0) > 0 && (11 - sum % 11) % 10 == number.digit(12)
}

/// Key of 97 over the first thirteen digits, sex and month in range.
pub(super) fn fr_nir(number: &Candidate) -> bool {
    number.digits().len() == 15
        && matches!(number.digit(0), 1 | 2)
        && matches!(number.number(3, 5), 1..=12 | 20 | 30..=42 | 50..=99)
        && 97 - number.number(0, 13) % 97 == number.number(13, 15)
}

/// Verhoeff's dihedral check.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    const MULTIPLY: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const PERMUTE: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let look = |table: &[[u8; 10]], row: usize, column: u8| {
        table
            .get(row)
            .and_then(|row| row.get(usize::from(column)))
            .copied()
            .unwrap_or(10)
    };
    digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |check, (at, digit)| {
            look(
                &MULTIPLY,
                usize::from(check),
                look(&PERMUTE, at % 8, *digit),
            )
        })
        == 0
}
