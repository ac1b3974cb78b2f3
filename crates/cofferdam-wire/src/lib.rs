//! Vendor dialects both ways, bytes to events and back, capped and fuzzed; hostile input ends here.
