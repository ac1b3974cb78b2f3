//! Definitions to bytes: what the records of an entry depend on.
//!
//! Used by encode; decode reads them back. Invariant: keys and ids in here are wrapped or sealed by vault already.

use super::kinds;
use crate::values::{put_bytes, put_number};
use cofferdam_model::Definition;

/// Appends a definition.
pub(super) fn put(out: &mut Vec<u8>, definition: &Definition) {
    match definition {
        Definition::Person {
            project,
            key,
            number,
            wrapped_key,
            sealed_id,
            anonymous,
        } => {
            out.push(if *anonymous { 1 } else { 0 });
            put_bytes(out, project.as_str().as_bytes());
            out.extend_from_slice(&key.0);
            put_number(out, u64::from(number.0));
            put_bytes(out, wrapped_key);
            put_bytes(out, sealed_id);
        }
        Definition::Link { kind, alias, into } => {
            out.push(2);
            out.push(kinds::of_link(*kind));
            put_number(out, u64::from(alias.0));
            put_number(out, u64::from(into.0));
        }
        Definition::Organization {
            project,
            key,
            number,
            sealed_id,
        } => {
            out.push(3);
            put_bytes(out, project.as_str().as_bytes());
            out.extend_from_slice(&key.0);
            put_number(out, u64::from(number.0));
            put_bytes(out, sealed_id);
        }
    }
}
