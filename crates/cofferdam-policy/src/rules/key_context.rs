//! What a field's name tells the detectors about its values.
//!
//! Computed once per path and cached by the caller. Invariant: a context only widens what detectors accept, it never hides.

use super::tokens;

/// A set of hints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyContext(u16);

macro_rules! hints {
    ($($(#[$doc:meta])* $name:ident = $bit:literal: [$($word:literal),* $(,)?];)*) => {
        impl KeyContext {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            fn hint(word: &str) -> Self {
                let mut context = Self::NONE;
                $(if [$($word),*].contains(&word) { context = context.with(Self::$name); })*
                context
            }
        }
    };
}

hints! {
    /// The key names an e-mail address.
    EMAIL = 0: ["email", "mail", "emails", "hashed", "md", "sha", "recipient", "em"];
    /// The key names an id or a person.
    ID = 1: ["id", "ids", "uid", "user", "customer", "contact", "member", "visitor", "gravatar", "avatar", "person", "subscriber", "distinct", "hash"];
    /// The key names a phone number.
    PHONE = 2: ["phone", "telephone", "tel", "mobile", "cell", "msisdn", "whatsapp", "fax", "sms", "telefon", "handy", "phonenumber", "call", "caller"];
    /// The key names a payment card.
    CARD = 3: ["card", "cc", "ccnum", "credit", "debit", "pan", "visa", "mastercard", "amex", "cardnumber", "creditcard", "payment", "kreditkarte"];
    /// The key names a government or tax id.
    NATIONAL = 4: ["ssn", "national", "tax", "tin", "itin", "passport", "social", "insurance", "licence", "license", "identity", "government", "sin", "nhs", "nino", "nif", "nie", "dni", "pesel", "tfn", "abn", "acn", "medicare", "aadhaar", "nric", "bsn", "cpf", "fiscal", "personnummer", "hetu", "rrn", "vat"];
    /// The key names a credential.
    SECRET = 5: ["secret", "token", "key", "apikey", "password", "passwd", "pwd", "auth", "authorization", "credential", "credentials", "bearer", "signature", "sig", "jwt", "session", "cookie", "csrf", "nonce", "private", "hmac", "code", "otp"];
    /// The key names a bank account.
    BANK = 6: ["iban", "bank", "account", "routing", "aba", "sort", "swift", "bic", "konto"];
    /// The key names a version or build.
    VERSION = 7: ["version", "build", "release", "firmware", "os", "sdk", "lib", "revision", "kernel"];
    /// The key names a time, a count or a measure.
    MEASURE = 8: ["time", "timestamp", "ts", "date", "at", "ms", "seconds", "duration", "count", "size", "width", "height", "amount", "price", "total", "bytes", "offset", "epoch", "latency"];
    /// The key names a place.
    PLACE = 9: ["location", "coordinates", "coords", "geo", "gps", "latlng", "lat", "lng", "position"];
    /// The key names a technical id that is made of digits or hex: insert ids, traces, commits.
    TECHNICAL = 10: ["insert", "trace", "span", "commit", "request", "build", "checksum", "etag", "digest", "sha", "revision", "order", "invoice", "event"];
}

impl KeyContext {
    /// No hint.
    pub const NONE: Self = Self(0);

    /// The hints of a path as `classify` takes it.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let own = path
            .rsplit(['?', '#'])
            .next()
            .filter(|own| !own.is_empty())
            .unwrap_or(path)
            .trim_end_matches("[]");
        tokens::words(own)
            .iter()
            .fold(Self::NONE, |context, word| context.with(Self::hint(word)))
    }

    /// Both sets of hints.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The set without some hints.
    #[must_use]
    pub const fn without(self, hints: Self) -> Self {
        Self(self.0 & !hints.0)
    }

    /// Whether any of the hints is there.
    #[must_use]
    #[inline]
    pub const fn any(self, hints: Self) -> bool {
        self.0 & hints.0 != 0
    }
}
