//! What had to be repaired or passed over in a request that was otherwise good, as counts.
//!
//! Filled by every layer of decoding; the server adds them to its metrics.
//! Invariant: counts only, never a value.

macro_rules! notes {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// Repairs and oddities of one request, counted.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Notes { $($(#[$doc])* pub $name: u32,)* }

        impl Notes {
            /// Every count with its stable code, which is a metric label.
            pub fn counts(&self) -> impl Iterator<Item = (&'static str, u32)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// Adds the other's counts.
            pub fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)*
            }
        }
    };
}

notes! {
    /// Invalid UTF-8 sequences replaced by U+FFFD.
    invalid_utf8;
    /// Surrogate pairs written as two three-byte sequences (CESU-8) and joined.
    cesu8_pairs;
    /// Surrogates without a partner replaced by U+FFFD.
    lone_surrogates;
    /// `NaN`, `Infinity` and numbers beyond a double, read as null.
    non_finite_numbers;
    /// Keys that appear twice in one object; the last value stays.
    duplicate_keys;
    /// Raw control characters, unknown escapes and trailing commas that JSON forbids, read as meant.
    lenient_json;
    /// Times that are no time; the item counts as sent now.
    unusable_times;
    /// Members beside the known ones, passed over.
    ignored_members;
    /// `$device_id`, `$user_id` or links that name nobody, not used for identity.
    refused_ids;
    /// Layers of gzip unpacked.
    gzip_layers;
    /// Base64 in which a form decoder had turned `+` into a space.
    base64_spaces;
}

/// Adds one to a count, without overflow.
pub(crate) fn bump(count: &mut u32) {
    *count = count.saturating_add(1);
}
