//! Values that are unique to one place of one request, and where each may be seen.
//!
//! Invariant: a canary is never sent twice, and its needle is long and random enough not to appear by chance.

use super::finder::Finder;

/// Who may have a canary's value in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Nobody, nowhere.
    Nobody,
    /// Only the vendor whose contract lists e-mail addresses.
    Crm,
    /// Only the vendor whose contract lists what people write.
    Support,
    /// Everybody: behavior, listed in every contract and at home. These show that the search works at all.
    Everybody,
    /// Put there by the test, to show that the search finds it.
    Planted,
}

#[derive(Debug)]
pub(super) struct Canary {
    /// Carrier and encoding, for the failure message.
    pub(super) what: &'static str,
    pub(super) allowed: Allowed,
    /// What is looked for.
    pub(super) needle: String,
}

/// Makes canaries from a seed.
pub(super) struct Canaries {
    state: u64,
    pub(super) all: Vec<Canary>,
    pub(super) finder: Finder,
}

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const MIXED: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ234567";

impl Canaries {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: seed,
            all: Vec::new(),
            finder: Finder::default(),
        }
    }

    /// The next random number (splitmix64).
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn text(&mut self, letters: &[u8], length: usize) -> String {
        (0..length)
            .map(|_| char::from(letters[self.next() as usize % letters.len()]))
            .collect()
    }

    fn digits(&mut self, length: usize) -> String {
        let first = char::from(b'1' + (self.next() % 9) as u8);
        std::iter::once(first)
            .chain((1..length).map(|_| char::from(b'0' + (self.next() % 10) as u8)))
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }

    /// Registers a value and gives it back.
    fn keep(&mut self, what: &'static str, allowed: Allowed, needle: &str) -> usize {
        let number = self.all.len();
        self.finder.add(needle.as_bytes(), number);
        self.all.push(Canary {
            what,
            allowed,
            needle: needle.to_owned(),
        });
        number
    }

    /// A word of letters, such as a name.
    pub(super) fn word(&mut self, what: &'static str, allowed: Allowed) -> String {
        let word = format!("zq{}", self.text(LETTERS, 10));
        self.keep(what, allowed, &word);
        word
    }

    /// An e-mail address.
    pub(super) fn email(&mut self, what: &'static str, allowed: Allowed) -> String {
        format!("{}@example.com", self.word(what, allowed))
    }

    /// Random letters and digits after a provider's prefix.
    pub(super) fn secret(&mut self, what: &'static str, prefix: &str, length: usize) -> String {
        let letters = if prefix.starts_with("AKIA") {
            UPPER
        } else {
            MIXED
        };
        let body = self.text(letters, length);
        self.keep(what, Allowed::Nobody, &body);
        format!("{prefix}{body}")
    }

    /// A JSON web token whose claims hold a name.
    pub(super) fn jwt(&mut self, what: &'static str) -> String {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let name = self.word(what, Allowed::Nobody);
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{name}","iat":1780315200}}"#));
        let signature = self.text(MIXED, 43);
        self.keep(what, Allowed::Nobody, &signature);
        format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{claims}.{signature}")
    }

    pub(super) fn phone(&mut self, what: &'static str) -> String {
        let number = format!("+4915{}", self.digits(9));
        self.keep(what, Allowed::Nobody, &number[1..]);
        number
    }

    pub(super) fn ipv4(&mut self, what: &'static str) -> String {
        let mut part = || 100 + self.next() % 120;
        let address = format!("198.{}.{}.{}", part(), part(), part());
        self.keep(what, Allowed::Nobody, &address);
        address
    }

    pub(super) fn ipv6(&mut self, what: &'static str) -> String {
        let mut part = || 0x1000 + self.next() % 0xE000;
        let address = format!(
            "2001:db8:{:x}:{:x}:{:x}:{:x}:{:x}:1",
            part(),
            part(),
            part(),
            part(),
            part()
        );
        self.keep(what, Allowed::Nobody, &address);
        address
    }

    /// A card number with its check digit.
    pub(super) fn card(&mut self, what: &'static str) -> String {
        let body = format!("4539{}", self.digits(11));
        let sum: u32 = body
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, digit)| {
                let digit = u32::from(digit - b'0');
                if place % 2 == 0 {
                    digit * 2 / 10 + digit * 2 % 10
                } else {
                    digit
                }
            })
            .sum();
        let card = format!("{body}{}", (10 - sum % 10) % 10);
        let number = self.keep(what, Allowed::Nobody, &card);
        // As a number in the journal's own bytes, too: whole, below zero, with a point.
        let value: u64 = card.parse().unwrap();
        self.finder.add(&varint(value << 1), number);
        self.finder.add(&varint((value << 1) - 1), number);
        self.finder.add(&(value as f64).to_le_bytes(), number);
        card
    }

    /// A German IBAN with its check digits.
    pub(super) fn iban(&mut self, what: &'static str) -> String {
        let account = self.digits(18);
        let rest = format!("{account}131400")
            .bytes()
            .fold(0_u32, |rest, digit| {
                (rest * 10 + u32::from(digit - b'0')) % 97
            });
        self.keep(what, Allowed::Nobody, &account);
        format!("DE{:02}{account}", 98 - rest)
    }

    /// A US social security number.
    pub(super) fn ssn(&mut self, what: &'static str) -> String {
        let ssn = format!(
            "{:03}-{:02}-{:04}",
            100 + self.next() % 500,
            10 + self.next() % 89,
            1000 + self.next() % 8999
        );
        self.keep(what, Allowed::Nobody, &ssn);
        ssn
    }

    /// Lower-case hex, such as a hash.
    pub(super) fn hex(&mut self, what: &'static str, length: usize) -> String {
        let text = self.text(b"0123456789abcdef", length);
        let number = self.keep(what, Allowed::Nobody, &text);
        self.finder.add(&hex::decode(&text).unwrap(), number);
        text
    }
}

fn varint(number: u64) -> Vec<u8> {
    let (mut rest, mut bytes) = (number, Vec::new());
    while rest >= 0x80 {
        bytes.push((rest & 0x7F) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}
