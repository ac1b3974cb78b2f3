//! The shape of ids that SDKs make up for people who did not sign in, and of those that name nobody.
//!
//! Asked by vault (may two ids be one person?), by policy (may an id become a token?) and by the record encoder. Follows the
//! vendor's documentation. Invariant: pure; upper and lower case are alike.

/// What the id of a device begins with where it stands for a person.
pub const DEVICE_PREFIX: &str = "$device:";

/// Ids that name nobody: every client that fails to know its id sends one of these.
const NOBODY: &[&str] = &[
    "",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
];
/// A UUID that says that there is none.
const NO_UUID: &str = "00000000-0000-0000-0000-000000000000";
/// Longest of them, bytes.
const WORD_BYTES_MAX: usize = 9;
const UUID_BYTES: usize = 36;

/// Whether an id, with or without [`DEVICE_PREFIX`], names nobody; spaces around it do not count.
#[must_use]
pub fn is_nobody(id: &str) -> bool {
    let id = id.trim();
    let bare = id.strip_prefix(DEVICE_PREFIX).unwrap_or(id).trim();
    match bare.len() {
        0..=WORD_BYTES_MAX => NOBODY
            .iter()
            .any(|nobody| bare.eq_ignore_ascii_case(nobody)),
        _ => bare == NO_UUID,
    }
}

/// Whether this is `8-4-4-4-12` hex digits, as SDKs make up ids of devices.
#[must_use]
pub fn is_uuid(text: &[u8]) -> bool {
    let Ok(text) = <&[u8; UUID_BYTES]>::try_from(text) else {
        return false;
    };
    // Most texts of that length that are no UUID differ here, and the rest is compared without a branch for each byte.
    let [
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        b'-',
        _,
        _,
        _,
        _,
        b'-',
        _,
        _,
        _,
        _,
        b'-',
        _,
        _,
        _,
        _,
        b'-',
        ..,
    ] = text
    else {
        return false;
    };
    let digits = text.iter().fold(0_u32, |digits, byte| {
        digits + u32::from(byte.is_ascii_hexdigit())
    });
    digits == 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_every_client_shares_name_nobody() {
        for nobody in NOBODY {
            assert!(is_nobody(nobody) && is_nobody(&nobody.to_uppercase()));
        }
        for nobody in [
            " ",
            "$device:",
            "Anonymous",
            "$device:null",
            " undefined ",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(is_nobody(nobody), "{nobody}");
        }
        for somebody in [
            "ada",
            "00000000-0000-0000-0000-000000000001",
            "10",
            "$device:7",
        ] {
            assert!(!is_nobody(somebody), "{somebody}");
        }
    }

    #[test]
    fn a_uuid_has_its_dashes_in_their_places_and_hex_digits_in_all_others() {
        assert!(is_uuid(b"0e6a3a52-3d58-4F0C-9f7f-2f8f1c0f6a11"));
        for text in [
            "0e6a3a52-3d58-4f0c-9f7f-2f8f1c0f6a1",
            "0e6a3a52-3d58-4f0c-9f7f-2f8f1c0f6a1g",
            "0e6a3a523-d58-4f0c-9f7f-2f8f1c0f6a11",
            "0e6a3a52-3d58-4f0c-9f7f-2f8f1c0f-a11",
            "0e6a3a52-3d58-4f0c-9f7f-2f8f1c0f6a112",
        ] {
            assert!(!is_uuid(text.as_bytes()), "{text}");
        }
    }
}
