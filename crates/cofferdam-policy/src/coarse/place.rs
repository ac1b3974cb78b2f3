//! Places in text: what may pass as a region or a city.
//!
//! Used by the forms `region` and `city`. There is no list of all of them, so that a text must at least look like one.
//! Invariant: nothing with an address's numbers, with signs that names of places don't have, or as long as a sentence passes.

/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 64;
/// Most words of a name: `Autonomous Region in Muslim Mindanao` has five.
const WORDS_MAX: usize = 6;
/// Most digits behind a name: `Paris 15`.
const DISTRICT_DIGITS_MAX: usize = 2;

/// A code of ISO 3166-2, with its country or without (`DE-BE`, `CA`, `13`), or a name.
pub(super) fn is_region(text: &str) -> bool {
    let code = match text.split_once('-') {
        Some((country, code)) if super::country::is_country(country) => code,
        _ => text,
    };
    (1..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
        || is_city(text)
}

/// A name of a few words; the last may be a district's number.
pub(super) fn is_city(text: &str) -> bool {
    let text = text.trim_matches(' ');
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return false;
    }
    let name = match text.rsplit_once(' ') {
        Some((name, district)) if is_district(district) => name,
        _ => text,
    };
    name.split(' ').count() <= WORDS_MAX
        && name.contains(char::is_alphabetic)
        && name.chars().all(is_of_names)
}

fn is_district(text: &str) -> bool {
    text.len() <= DISTRICT_DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters and the marks of scripts, and the few signs in names of places.
fn is_of_names(sign: char) -> bool {
    match sign {
        ' ' | '-' | '\'' | '.' | '(' | ')' | '/' | '’' | 'ʻ' | '‘' | '·' | '–' => true,
        sign if sign.is_ascii() => sign.is_ascii_alphabetic(),
        sign => {
            sign.is_alphabetic()
                || !sign.is_numeric()
                    && matches!(sign, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{65f}' | '\u{900}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
        }
    }
}
