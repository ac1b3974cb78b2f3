//! The same text in plain signs: full-width letters and digits, odd spaces, dots and hyphens, and signs that nobody sees.
//!
//! So that `bob＠example.com` and `4111 1111` with a no-break space are found like what they stand for.
//! Invariant: an ASCII text costs one look, and allocates nothing.

/// The text as a reader sees it, if that differs.
pub(super) fn fold(text: &str) -> Option<String> {
    if text.is_ascii() || text.chars().all(|sign| plain(sign) == Some(sign)) {
        return None;
    }
    Some(text.chars().filter_map(plain).collect())
}

/// Whether nobody sees the sign.
pub(crate) fn is_unseen(sign: char) -> bool {
    matches!(sign, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// What a sign stands for; `None` where it stands for nothing.
fn plain(sign: char) -> Option<char> {
    let from = |first: u32, base: char| char::from_u32(u32::from(sign) - first + u32::from(base));
    match sign {
        sign if sign.is_ascii() => Some(sign),
        sign if is_unseen(sign) => None,
        '\u{ff01}'..='\u{ff5e}' => from(0xff01, '!'),
        '\u{fe6b}' => Some('@'),
        '\u{3002}' | '\u{ff61}' | '\u{2024}' | '\u{fe52}' => Some('.'),
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            Some(' ')
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' => Some('-'),
        '\u{660}'..='\u{669}' => from(0x660, '0'),
        '\u{6f0}'..='\u{6f9}' => from(0x6f0, '0'),
        '\u{966}'..='\u{96f}' => from(0x966, '0'),
        sign => Some(sign),
    }
}
