//! The fast pass: valid JSON within the caps, read by sonic-rs straight into values that borrow from the text.
//!
//! Anything else (bad syntax, a cap passed, a number that no double holds) ends the pass with `None`, and the tolerant pass
//! says what exactly is wrong. Never uses serde's `IgnoredAny`: sonic-rs skips recursively without a bound.
//! Invariant: recursion is bounded by the depth cap; nothing escapes from a failed pass.

use super::Caps;
use super::members::{Member, dedupe};
use crate::notes::Notes;
use cofferdam_model::Value;
use serde::de::{DeserializeSeed, Deserializer as _, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Deepest level for which the size of the last object is remembered as a guess for the next.
const GUESSED_LEVELS: usize = 4;
/// Largest such guess, so that one large object does not make a thousand small ones large.
const GUESS_MAX: usize = 48;
/// Members for which room is made at first.
const FIRST_ROOM: usize = 4;
/// Doubles from here on may stand for whole numbers that lost digits.
const EXACT_MAX: f64 = 9_223_372_036_854_775_807.0;

/// An array of items.
pub(super) fn array<'a>(text: &'a str, caps: &Caps, notes: &mut Notes) -> Option<Vec<Value<'a>>> {
    let mut state = State::new(caps, caps.request_fields_max, notes);
    let mut deserializer = sonic_rs::Deserializer::from_str(text);
    let values = deserializer.deserialize_seq(Items(&mut state)).ok()?;
    deserializer.end().ok()?;
    Some(values)
}

/// One item; `fields_left` is what the request may still have.
pub(super) fn object<'a>(
    text: &'a str,
    caps: &Caps,
    fields_left: &mut usize,
    notes: &mut Notes,
) -> Option<Value<'a>> {
    let mut state = State::new(caps, *fields_left, notes);
    let mut deserializer = sonic_rs::Deserializer::from_str(text);
    let mut value = Value::Null;
    Node::new(&mut state, 1, &mut value)
        .deserialize(&mut deserializer)
        .ok()?;
    deserializer.end().ok()?;
    *fields_left = state.request_fields_left;
    Some(value)
}

struct State<'c> {
    caps: &'c Caps,
    notes: &'c mut Notes,
    request_fields_left: usize,
    item_fields_left: usize,
    item_bytes_left: usize,
    guesses: [usize; GUESSED_LEVELS],
}

impl<'c> State<'c> {
    fn new(caps: &'c Caps, fields_left: usize, notes: &'c mut Notes) -> Self {
        Self {
            caps,
            notes,
            request_fields_left: fields_left,
            item_fields_left: caps.item_fields_max,
            item_bytes_left: caps.item_bytes_max,
            guesses: [0; GUESSED_LEVELS],
        }
    }

    fn next_item(&mut self) {
        self.item_fields_left = self.caps.item_fields_max;
        self.item_bytes_left = self.caps.item_bytes_max;
    }

    /// Takes the bytes that JSON needs at least for this content.
    fn take_bytes<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.item_bytes_left = self.item_bytes_left.checked_sub(bytes).ok_or_else(cap)?;
        Ok(())
    }

    fn take_field<E: Error>(&mut self) -> Result<(), E> {
        self.item_fields_left = self.item_fields_left.checked_sub(1).ok_or_else(cap)?;
        self.request_fields_left = self.request_fields_left.checked_sub(1).ok_or_else(cap)?;
        Ok(())
    }

    fn guess(&self, depth: usize) -> usize {
        self.guesses.get(depth).copied().unwrap_or(0)
    }

    fn remember(&mut self, depth: usize, members: usize) {
        if let Some(guess) = self.guesses.get_mut(depth) {
            *guess = members.min(GUESS_MAX);
        }
    }
}

#[cold]
fn cap<E: Error>() -> E {
    E::custom("a cap was passed")
}

struct Items<'s, 'c>(&'s mut State<'c>);

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = Vec<Value<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        let mut value = Value::Null;
        while elements
            .next_element_seed(Node::new(self.0, 1, &mut value))?
            .is_some()
        {
            values.push(std::mem::replace(&mut value, Value::Null));
            self.0.next_item();
            if values.len() > self.0.caps.items_max {
                return Err(cap());
            }
        }
        Ok(values)
    }
}

/// A value at a depth, written where it will stay: handing values up through results costs a tenth of the whole pass.
struct Node<'s, 'c, 'de> {
    state: &'s mut State<'c>,
    depth: usize,
    slot: &'s mut Value<'de>,
}

impl<'s, 'c, 'de> Node<'s, 'c, 'de> {
    fn new(state: &'s mut State<'c>, depth: usize, slot: &'s mut Value<'de>) -> Self {
        Self { state, depth, slot }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_, 'de> {
    type Value = ();

    #[inline]
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        *self.slot = Value::Null;
        Ok(())
    }

    fn visit_bool<E: Error>(self, bool: bool) -> Result<(), E> {
        *self.slot = Value::Bool(bool);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        *self.slot = Value::Int(number);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        *self.slot = Value::Int(i64::try_from(number).map_err(|_| cap())?);
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        if number.abs() >= EXACT_MAX {
            return Err(cap());
        }
        *self.slot = Value::Float(number);
        Ok(())
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        self.state.take_bytes(text.len() + 2)?;
        *self.slot = Value::Text(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.state.take_bytes(text.len() + 2)?;
        *self.slot = Value::Text(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if self.depth > self.state.caps.depth_max {
            return Err(cap());
        }
        let mut list = Vec::new();
        let mut value = Value::Null;
        while elements
            .next_element_seed(Node::new(self.state, self.depth + 1, &mut value))?
            .is_some()
        {
            self.state.take_field()?;
            self.state.take_bytes(2)?;
            list.push(std::mem::replace(&mut value, Value::Null));
        }
        *self.slot = Value::List(list);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if self.depth > self.state.caps.depth_max {
            return Err(cap());
        }
        let mut members: Vec<Member<'de>> = Vec::new();
        let mut filled = 0;
        while let Some(key) = entries.next_key_seed(Key)? {
            if key.len() > self.state.caps.key_bytes_max {
                return Err(cap());
            }
            self.state.take_field()?;
            self.state.take_bytes(key.len() + 5)?;
            if filled == members.len() {
                let room = self.state.guess(self.depth).max(filled * 2).max(FIRST_ROOM);
                members.resize_with(room, || (Cow::Borrowed(""), Value::Null));
            }
            if let Some(member) = members.get_mut(filled) {
                member.0 = key;
                entries.next_value_seed(Node::new(self.state, self.depth + 1, &mut member.1))?;
            }
            filled += 1;
        }
        members.truncate(filled);
        self.state.remember(self.depth, filled);
        self.state.notes.duplicate_keys += dedupe(&mut members);
        *self.slot = Value::Object(members);
        Ok(())
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    #[inline]
    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
