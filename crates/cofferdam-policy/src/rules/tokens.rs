//! Splits a key into its words: `customerEmail`, `customer_email`, `customer-email` and `Customer E-Mail 2` alike.
//!
//! Invariant: words are lower-case ASCII or whole non-ASCII words with the common accents removed; at most 16 are kept.

/// Most words that are kept.
pub(super) const WORDS_MAX: usize = 16;

/// Words of one key.
pub(super) fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut previous = Class::Other;
    let mut characters = key.chars().peekable();
    while let Some(character) = characters.next() {
        let class = Class::of(character);
        let next = characters.peek().copied().map_or(Class::Other, Class::of);
        let boundary = match (previous, class) {
            (_, Class::Other) => true,
            (Class::Lower, Class::Upper) => true,
            // The last capital of an acronym begins the next word: `APIKey`, `userIPAddress`.
            (Class::Upper, Class::Upper) => next == Class::Lower,
            (before, Class::Digit) => before != Class::Digit,
            (Class::Digit, _) => true,
            _ => false,
        };
        if boundary {
            push(&mut words, &mut word);
        }
        if class != Class::Other {
            fold(character, &mut word);
        }
        previous = class;
    }
    push(&mut words, &mut word);
    words
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Other,
}

impl Class {
    fn of(character: char) -> Self {
        if character.is_ascii_digit() {
            Self::Digit
        } else if character.is_uppercase() {
            Self::Upper
        } else if character.is_alphabetic() {
            Self::Lower
        } else {
            Self::Other
        }
    }
}

fn push(words: &mut Vec<String>, word: &mut String) {
    if !word.is_empty() && words.len() < WORDS_MAX {
        words.push(std::mem::take(word));
    }
    word.clear();
}

/// Lower case without the accents that keys are written with and without.
fn fold(character: char, word: &mut String) {
    for lower in character.to_lowercase() {
        match lower {
            'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' => word.push('a'),
            'é' | 'è' | 'ê' | 'ë' => word.push('e'),
            'í' | 'ì' | 'î' | 'ï' | 'ı' => word.push('i'),
            'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'ø' => word.push('o'),
            'ú' | 'ù' | 'û' | 'ü' => word.push('u'),
            'ñ' => word.push('n'),
            'ç' => word.push('c'),
            'ß' => word.push_str("ss"),
            other => word.push(other),
        }
    }
}
