//! Members of objects: duplicate keys are found without a hash table in the usual case.
//!
//! Invariant: of equal keys the last value stays, at the place of the first.

use cofferdam_model::Value;
use std::borrow::Cow;
use std::collections::HashMap;

/// A key and its value.
pub(crate) type Member<'a> = (Cow<'a, str>, Value<'a>);

/// Objects larger than this are checked with a hash table, so that hostile keys cost no quadratic time.
const PAIRWISE_MAX: usize = 64;
const BLOOM_WORDS: usize = 32;

/// Removes earlier members of equal key and gives how many there were.
pub(crate) fn dedupe(members: &mut Vec<Member<'_>>) -> u32 {
    if members.len() > PAIRWISE_MAX {
        return dedupe_large(members);
    }
    let mut seen = [0_u64; BLOOM_WORDS];
    let mut suspicious = false;
    for (key, _) in members.iter() {
        let hash = cheap_hash(key.as_bytes());
        if let Some(word) = seen.get_mut((hash >> 6) as usize % BLOOM_WORDS) {
            let bit = 1_u64 << (hash & 63);
            suspicious |= *word & bit != 0;
            *word |= bit;
        }
    }
    if !suspicious || !any_pair(members) {
        return 0;
    }
    dedupe_large(members)
}

/// Length and three bytes: enough to tell the keys of one event apart nearly always.
fn cheap_hash(key: &[u8]) -> u32 {
    let byte = |at: usize| key.get(at).map_or(0, |byte| u32::from(*byte));
    let length = key.len();
    let mixed = u32::try_from(length).unwrap_or(u32::MAX)
        ^ byte(1) << 8
        ^ byte(length / 2) << 16
        ^ byte(length.wrapping_sub(1)) << 24;
    mixed.wrapping_mul(0x9E37_79B1) >> 16
}

fn any_pair(members: &[Member<'_>]) -> bool {
    members.iter().enumerate().any(|(at, (key, _))| {
        members
            .get(at + 1..)
            .unwrap_or_default()
            .iter()
            .any(|(other, _)| other == key)
    })
}

fn dedupe_large(members: &mut Vec<Member<'_>>) -> u32 {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(members.len());
    let mut kept: Vec<Member<'_>> = Vec::with_capacity(members.len());
    let mut duplicates = 0;
    for (key, value) in members.drain(..) {
        let place = *places.entry(key.clone().into_owned()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(earlier) => {
                earlier.1 = value;
                duplicates += 1;
            }
            None => kept.push((key, value)),
        }
    }
    *members = kept;
    duplicates
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_last_value_stays_at_the_first_place(keys in proptest::collection::vec("[a-c]{0,3}", 0..120)) {
            let mut members: Vec<Member<'_>> = keys
                .iter()
                .zip(0_i64..)
                .map(|(key, number)| (Cow::Borrowed(key.as_str()), Value::Int(number)))
                .collect();
            let before = members.len();
            let duplicates = dedupe(&mut members);
            prop_assert_eq!(members.len() + duplicates as usize, before);
            let mut first_seen: Vec<&str> = Vec::new();
            for key in &keys {
                if !first_seen.contains(&key.as_str()) {
                    first_seen.push(key);
                }
            }
            let order: Vec<&str> = members.iter().map(|(key, _)| key.as_ref()).collect();
            prop_assert_eq!(order, first_seen);
            for (key, value) in &members {
                let last = keys.iter().rposition(|other| other == key).unwrap();
                prop_assert_eq!(value, &Value::Int(i64::try_from(last).unwrap()));
            }
        }
    }
}
