//! Limits on everything that comes from outside, in one place, with units.

/// Limits of one intake request and of what is in it. Defaults follow the vendors' own documented limits where there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body as it arrives, bytes.
    pub body_bytes_max: usize,
    /// Largest body after decompression, bytes.
    pub decoded_bytes_max: usize,
    /// Most events or updates in one request.
    pub batch_items_max: usize,
    /// Largest single event, bytes of its JSON.
    pub event_bytes_max: usize,
    /// Most properties of one event, nested ones not counted.
    pub properties_max: usize,
    /// Deepest nesting of arrays and objects below `properties`.
    pub depth_max: usize,
    /// Most fields of one event after recursion into objects, arrays and strings.
    pub fields_max: usize,
    /// Longest event name, property name or id, bytes.
    pub name_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 10 * 1024 * 1024,
            decoded_bytes_max: 20 * 1024 * 1024,
            batch_items_max: 2_000,
            event_bytes_max: 1024 * 1024,
            properties_max: 1_000,
            depth_max: 32,
            fields_max: 2_000,
            name_bytes_max: 255,
        }
    }
}
