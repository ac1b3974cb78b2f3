//! The log under crashes, faults and tampering.
