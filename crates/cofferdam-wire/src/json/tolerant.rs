//! The slow pass: reads what SDKs send beside valid JSON, keeps the good items of a batch and says why the others go.
//!
//! Runs only after the strict pass gave up. Reads `NaN` and `Infinity`, numbers that no double holds, lone surrogates, raw control
//! characters, unknown escapes and trailing commas; counts each.
//! Invariant: an item that passes a cap is skipped without recursion and without allocation; time is linear in the text.

use super::members::{Member, dedupe};
use super::{Caps, Item, Refused, UNREADABLE, non_finite};
use crate::notes::{Notes, bump};
use crate::utf8;
use cofferdam_model::{Refusal, Value};
use std::borrow::Cow;

/// A position in the text and what may still be taken.
pub(super) struct Reader<'a, 'c> {
    text: &'a str,
    at: usize,
    caps: &'c Caps,
    notes: &'c mut Notes,
    item_fields_left: usize,
    /// Members and elements that the request may still have.
    pub(super) fields_left: usize,
}

const TOO_DEEP: Refused = Refused {
    refusal: Refusal::TooDeep,
    message: "it is nested too deep",
};
const TOO_MANY_FIELDS: Refused = Refused {
    refusal: Refusal::TooManyFields,
    message: "it, or the whole batch, has too many members",
};
const KEY_TOO_LONG: Refused = Refused {
    refusal: Refusal::TooLarge,
    message: "a key is too long",
};
const TOO_LARGE: Refused = Refused {
    refusal: Refusal::TooLarge,
    message: "it is too large",
};

impl<'a, 'c> Reader<'a, 'c> {
    pub(super) fn new(text: &'a str, caps: &'c Caps, notes: &'c mut Notes) -> Self {
        Self {
            text,
            at: 0,
            caps,
            notes,
            item_fields_left: 0,
            fields_left: caps.request_fields_max,
        }
    }

    /// The elements of one array after the other, until the text ends or cannot be read.
    pub(super) fn arrays(mut self) -> Vec<Item<'a>> {
        let mut items = Vec::new();
        while self.eat(b'[') {
            self.elements(&mut items);
        }
        if self.peek().is_some() && items.last() != Some(&Err(UNREADABLE)) {
            items.push(Err(UNREADABLE));
        }
        items
    }

    fn elements(&mut self, items: &mut Vec<Item<'a>>) {
        loop {
            if self.eat(b']') {
                return;
            }
            if items.len() > self.caps.items_max {
                self.at = self.text.len();
                return;
            }
            let item = self.item();
            let unreadable = item == Err(UNREADABLE);
            items.push(item);
            if unreadable {
                return;
            }
            if !self.eat(b',') && self.peek() != Some(b']') {
                items.push(Err(UNREADABLE));
                return;
            }
        }
    }

    /// Objects one after the other, until the text ends or cannot be read.
    pub(super) fn objects(&mut self) -> Vec<Item<'a>> {
        let mut items = Vec::new();
        while self.peek().is_some() && items.len() <= self.caps.items_max {
            let item = self.item();
            let unreadable = item == Err(UNREADABLE);
            items.push(item);
            if unreadable {
                break;
            }
            self.eat(b',');
        }
        items
    }

    fn item(&mut self) -> Item<'a> {
        self.item_fields_left = self.caps.item_fields_max;
        self.skip_space();
        let start = self.at;
        let read = self.value(1, "");
        let refused = match read {
            Ok(value) if self.at - start <= self.caps.item_bytes_max => return Ok(value),
            Ok(_) => TOO_LARGE,
            Err(refused) => refused,
        };
        if refused == UNREADABLE {
            return Err(UNREADABLE);
        }
        self.at = start;
        self.skip_value();
        let too_large = self.at - start > self.caps.item_bytes_max;
        Err(if too_large { TOO_LARGE } else { refused })
    }

    fn value(&mut self, depth: usize, key: &str) -> Item<'a> {
        match self.peek() {
            Some(b'{' | b'[') if depth > self.caps.depth_max => Err(TOO_DEEP),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth, key),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'+' | b'-' | b'.' | b'0'..=b'9') => self.number(key),
            Some(_) => self.word(),
            None => Err(UNREADABLE),
        }
    }

    fn object(&mut self, depth: usize) -> Item<'a> {
        self.eat(b'{');
        let mut members: Vec<Member<'a>> = Vec::new();
        loop {
            if self.eat(b'}') {
                break;
            }
            if self.peek() != Some(b'"') {
                return Err(UNREADABLE);
            }
            let key = self.string()?;
            if key.len() > self.caps.key_bytes_max {
                return Err(KEY_TOO_LONG);
            }
            if !self.eat(b':') {
                return Err(UNREADABLE);
            }
            self.take_field()?;
            let value = self.value(depth + 1, &key)?;
            members.push((key, value));
            self.separator(b'}')?;
        }
        self.notes.duplicate_keys += dedupe(&mut members);
        Ok(Value::Object(members))
    }

    fn list(&mut self, depth: usize, key: &str) -> Item<'a> {
        self.eat(b'[');
        let mut list = Vec::new();
        loop {
            if self.eat(b']') {
                return Ok(Value::List(list));
            }
            self.take_field()?;
            list.push(self.value(depth + 1, key)?);
            self.separator(b']')?;
        }
    }

    /// A comma, or the closing bracket ahead; a comma before the bracket is read as meant.
    fn separator(&mut self, close: u8) -> Result<(), Refused> {
        if self.eat(b',') {
            if self.peek() == Some(close) {
                bump(&mut self.notes.lenient_json);
            }
            return Ok(());
        }
        if self.peek() == Some(close) {
            Ok(())
        } else {
            Err(UNREADABLE)
        }
    }

    fn take_field(&mut self) -> Result<(), Refused> {
        self.item_fields_left = self
            .item_fields_left
            .checked_sub(1)
            .ok_or(TOO_MANY_FIELDS)?;
        self.fields_left = self.fields_left.checked_sub(1).ok_or(TOO_MANY_FIELDS)?;
        Ok(())
    }

    fn number(&mut self, key: &str) -> Item<'a> {
        let token = self.token();
        if let Ok(number) = token.parse::<i64>() {
            return Ok(Value::Int(number));
        }
        let digits = token.strip_prefix('-').unwrap_or(token);
        if (self.caps.is_id)(key)
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Ok(Value::Text(Cow::Borrowed(token)));
        }
        match token.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Float(number)),
            Ok(_) => Ok(non_finite(self.notes)),
            Err(_) => Err(UNREADABLE),
        }
    }

    fn word(&mut self) -> Item<'a> {
        match self.token() {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "NaN" | "Infinity" => Ok(non_finite(self.notes)),
            _ => Err(UNREADABLE),
        }
    }

    /// A run of the characters that numbers and words are made of.
    fn token(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest
            .bytes()
            .position(|byte| !matches!(byte, b'+' | b'-' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'))
            .unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Refused> {
        self.at += 1;
        let mut owned: Option<String> = None;
        loop {
            let rest = self.rest();
            let end = memchr::memchr2(b'"', b'\\', rest.as_bytes()).ok_or(UNREADABLE)?;
            let (run, after) = rest.split_at_checked(end).ok_or(UNREADABLE)?;
            if run.bytes().any(|byte| byte < 0x20) {
                bump(&mut self.notes.lenient_json);
            }
            self.at += end + 1;
            if after.starts_with('"') {
                return Ok(match owned {
                    None => Cow::Borrowed(run),
                    Some(mut text) => {
                        text.push_str(run);
                        Cow::Owned(text)
                    }
                });
            }
            let text = owned.get_or_insert_default();
            text.push_str(run);
            let char = self.escape()?;
            owned.get_or_insert_default().push(char);
        }
    }

    /// The character of an escape, after its backslash.
    fn escape(&mut self) -> Result<char, Refused> {
        let char = self.rest().chars().next().ok_or(UNREADABLE)?;
        self.at += char.len_utf8();
        Ok(match char {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            '"' | '\\' | '/' => char,
            'u' => match self.hex4(0) {
                Some(unit) => self.utf16(unit),
                None => {
                    bump(&mut self.notes.lenient_json);
                    'u'
                }
            },
            other => {
                bump(&mut self.notes.lenient_json);
                other
            }
        })
    }

    /// The character that begins with this UTF-16 unit, whose digits lie ahead.
    fn utf16(&mut self, unit: u32) -> char {
        self.at += 4;
        if let Some(char) = char::from_u32(unit) {
            return char;
        }
        if unit < 0xDC00
            && self.rest().starts_with("\\u")
            && let Some(low @ 0xDC00..=0xDFFF) = self.hex4(2)
        {
            self.at += 6;
            return utf8::join(unit, low);
        }
        bump(&mut self.notes.lone_surrogates);
        char::REPLACEMENT_CHARACTER
    }

    fn hex4(&self, offset: usize) -> Option<u32> {
        let digits = self.rest().get(offset..offset + 4)?;
        if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            u32::from_str_radix(digits, 16).ok()
        } else {
            None
        }
    }

    /// Moves behind the value ahead, whatever its depth; to the end of the text where it has no end.
    fn skip_value(&mut self) {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                None => return,
                Some(b'{' | b'[') => {
                    open += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    open = open.saturating_sub(1);
                    self.at += 1;
                }
                Some(b'"') => self.skip_string(),
                Some(b',' | b':') => self.at += 1,
                Some(_) => {
                    if self.token().is_empty() {
                        self.at += self.rest().chars().next().map_or(1, char::len_utf8);
                    }
                }
            }
            if open == 0 {
                return;
            }
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(end) = memchr::memchr2(b'"', b'\\', self.rest().as_bytes()) {
            let escaped = self.rest().as_bytes().get(end) == Some(&b'\\');
            self.at += end + 1;
            if !escaped {
                return;
            }
            self.at += self.rest().chars().next().map_or(0, char::len_utf8);
        }
        self.at = self.text.len();
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let rest = self.rest().as_bytes();
        self.at += rest
            .iter()
            .position(|byte| !byte.is_ascii_whitespace())
            .unwrap_or(rest.len());
    }

    fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.rest().as_bytes().first().copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }
}
