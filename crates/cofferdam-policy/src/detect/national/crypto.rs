//! Cryptocurrency addresses: they name an account as surely as an IBAN does.
//!
//! Invariant: Bitcoin's newer addresses count by their check sum, older ones where words announce them, Ethereum's by shape.

use super::super::scan::{Scan, Words, at};
use crate::rules::RuleId;

const CRYPTO: RuleId = RuleId::value("value.crypto");

/// Words that announce an address.
const WORDS: Words = Words::of(&["btc", "bitcoin", "wallet", "crypto", "address"]);

/// Bitcoin and Ethereum addresses.
pub(super) fn address(scan: &mut Scan<'_>, word: &str, start: usize, end: usize) {
    let hex = word.strip_prefix("0x");
    let ethereum =
        hex.is_some_and(|hex| hex.len() == 40 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let legacy = matches!(at(word.as_bytes(), 0), b'1' | b'3')
        && word.len() <= 35
        && word
            .bytes()
            .all(|byte| !matches!(byte, b'0' | b'O' | b'I' | b'l'))
        && word.bytes().any(|byte| byte.is_ascii_uppercase())
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
        && scan.has_word(WORDS);
    if ethereum || bech32(word) {
        scan.certain(CRYPTO, start, end);
    } else if legacy {
        scan.likely(CRYPTO, start, end);
    }
}

/// Checksum of bech32 and bech32m for Bitcoin's main network.
fn bech32(word: &str) -> bool {
    const CHARACTERS: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let Some(data) = word.strip_prefix("bc1") else {
        return false;
    };
    let mut check = 1_u32;
    let mut step = |value: u32| {
        let top = check >> 25;
        check = (check & 0x1ff_ffff) << 5 ^ value;
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                check ^= generator;
            }
        }
    };
    for byte in *b"bc" {
        step(u32::from(byte >> 5));
    }
    step(0);
    for byte in *b"bc" {
        step(u32::from(byte & 31));
    }
    for byte in data.bytes() {
        let Some(value) = CHARACTERS.iter().position(|character| *character == byte) else {
            return false;
        };
        step(u32::try_from(value).unwrap_or(0));
    }
    matches!(check, 1 | 0x2bc8_30a3)
}
