//! The table turned into two hash maps, built once; and the lookup of a path in them.
//!
//! Order of decision for a key: exact name; secrets among its words; the longest, then rightmost, phrase; then the names of the
//! enclosing objects. Invariant: the answer depends on path, carrier, value type and switches only.

use super::{
    Carrier, Classified, Effect, Evidence, FieldKind, RuleId, RuleSwitches, ValueType, all,
    is_secret, tokens,
};
use cofferdam_model::{Category, IdKind};
use foldhash::fast::FixedState;
use std::collections::HashMap as StdMap;
use std::sync::LazyLock;

/// A table that is only looked up in, never filled from outside.
type HashMap<K, V> = StdMap<K, V, FixedState>;

/// Longest phrase, in words.
const PHRASE_WORDS_MAX: usize = 5;

/// Words that turn a phrase into a statement about it: `email_count`, `password_changed`, `phone_type`.
const ABOUT: &[&str] = &[
    "changed",
    "confirmed",
    "count",
    "enabled",
    "disabled",
    "expired",
    "expires",
    "failed",
    "failures",
    "format",
    "forgotten",
    "length",
    "limit",
    "missing",
    "optional",
    "present",
    "provided",
    "required",
    "requested",
    "reset",
    "sent",
    "opened",
    "clicked",
    "bounced",
    "delivered",
    "set",
    "size",
    "strength",
    "total",
    "type",
    "types",
    "updated",
    "valid",
    "verified",
    "verification",
    "visible",
    "attempts",
    "policy",
    "provider",
    "added",
    "removed",
    "shown",
    "created",
    "exists",
    "used",
    "status",
    "rotated",
    "revoked",
    "template",
    "step",
    "method",
    "frequency",
    "notifications",
];

/// Words before a phrase that ask a question about it: `has_email`, `is_admin`, `num_emails`.
const ASKING: &[&str] = &[
    "has", "is", "num", "n", "can", "should", "was", "did", "show", "hide", "enable",
];

/// Words that are written together with a phrase: `useremail`, `customerphone`.
const PREFIXES: &[&str] = &[
    "user", "customer", "client", "contact", "member", "billing", "shipping", "home", "work", "my",
    "primary", "new", "old", "login", "account", "invitee", "guest",
];

pub(super) struct Index {
    ids: HashMap<&'static str, RuleId>,
    exact: HashMap<&'static str, RuleId>,
    phrases: HashMap<Box<str>, (RuleId, &'static str)>,
}

/// The index, built at first use.
pub(super) fn index() -> &'static Index {
    static INDEX: LazyLock<Index> = LazyLock::new(Index::build);
    &INDEX
}

#[derive(Clone, Copy)]
struct Hit {
    rule: RuleId,
    phrase: &'static str,
    words: usize,
    start: usize,
    end: usize,
}

impl Index {
    fn build() -> Self {
        let mut index = Self {
            ids: HashMap::default(),
            exact: HashMap::default(),
            phrases: HashMap::default(),
        };
        for id in all() {
            let rule = id.rule();
            index.ids.insert(rule.id, id);
            for key in rule.exact.iter() {
                index.exact.insert(key, id);
            }
            for phrase in rule.phrases.iter() {
                index
                    .phrases
                    .insert(tokens::words(phrase).join(" ").into(), (id, phrase));
            }
        }
        for id in all() {
            for phrase in id.rule().phrases.iter() {
                index.add_joined(id, phrase);
            }
        }
        index
    }

    /// Spellings without a boundary: `firstname`, `useremail`.
    fn add_joined(&mut self, id: RuleId, phrase: &'static str) {
        let joined: String = phrase.split(' ').collect();
        if joined.len() >= 5 {
            if id.rule().effect() == Effect::Protects {
                for prefix in PREFIXES {
                    self.phrases
                        .entry(format!("{prefix}{joined}").into())
                        .or_insert((id, phrase));
                }
            }
            self.phrases.entry(joined.into()).or_insert((id, phrase));
        }
    }

    pub(super) fn by_id(&self, id: &str) -> Option<RuleId> {
        self.ids.get(id).copied()
    }

    /// Whether a rule has that very name.
    pub(super) fn is_exact(&self, name: &str, switches: &RuleSwitches) -> bool {
        let found = self.exact.get(name);
        found.is_some_and(|rule| switches.is_on(*rule))
    }

    /// The words that are no part of any rule's phrase.
    pub(super) fn unknown_words<'w>(
        &self,
        words: &'w [String],
        switches: &RuleSwitches,
    ) -> impl Iterator<Item = &'w str> {
        let mut known = vec![false; words.len()];
        for start in 0..words.len() {
            for end in start + 1..=words.len().min(start + PHRASE_WORDS_MAX) {
                let phrase = words.get(start..end).unwrap_or(&[]).join(" ");
                if self
                    .phrase(&phrase)
                    .is_some_and(|(rule, _)| switches.is_on(rule))
                {
                    known.get_mut(start..end).unwrap_or(&mut []).fill(true);
                }
            }
        }
        let pairs = words.iter().zip(known);
        pairs
            .filter(|(_, known)| !known)
            .map(|(word, _)| word.as_str())
    }

    pub(super) fn classify(
        &self,
        path: &str,
        carrier: Carrier,
        value_type: ValueType,
        switches: &RuleSwitches,
    ) -> Option<Classified> {
        let (path, carrier) = unwrapped(path, carrier);
        let (url, own) = own_part(path);
        if own.is_empty() {
            // The fragment itself: as private as the page's address.
            return self
                .own(url, carrier, value_type, switches)
                .map(|found| Classified {
                    evidence: Evidence::Parent(found.rule.as_str()),
                    ..found
                });
        }
        let found = self.own(own, carrier, value_type, switches);
        if found.is_some() {
            return found;
        }
        if url.is_empty() {
            return self
                .enclosing(own, carrier, switches)
                .filter(|_| value_type != ValueType::Bool);
        }
        // A property's name may hold these signs too: `What is your e-mail? (work)`.
        self.by_words(path, value_type, switches).filter(|found| {
            found.rule.rule().effect() == Effect::Protects && found.kind != FieldKind::Url
        })
    }

    /// By the name alone, without what encloses it.
    fn own(
        &self,
        path: &str,
        carrier: Carrier,
        value_type: ValueType,
        switches: &RuleSwitches,
    ) -> Option<Classified> {
        self.by_exact(path, carrier, value_type, switches)
            .or_else(|| self.by_words(path, value_type, switches))
    }

    /// The whole path, then the last name in it, as it was sent.
    fn by_exact(
        &self,
        path: &str,
        carrier: Carrier,
        value_type: ValueType,
        switches: &RuleSwitches,
    ) -> Option<Classified> {
        let path = path.trim_end_matches("[]");
        if let Some((GROUPS, _)) = path.split_once('.')
            && let Some(rule) = self.exact.get(GROUPS).filter(|rule| switches.is_on(**rule))
            && rule.rule().types.holds(value_type)
        {
            // `{"company": "acme-17"}`: whatever the kind of group is called, the value is its id.
            return Some(classified(*rule, Evidence::Parent(GROUPS)));
        }
        let last = path.rsplit_once('.').map_or(path, |(_, last)| last);
        for key in [path, last] {
            let rule = self.exact.get(key).copied().or_else(|| {
                let lower = key.to_ascii_lowercase();
                self.exact.get(lower.as_str()).copied()
            });
            // A nested `id` or `name` says less than the words around it.
            if key != path
                && path.split('.').count() > 1
                && matches!(
                    key,
                    "id" | "name" | "type" | "status" | "value" | "key" | "state"
                )
            {
                continue;
            }
            let Some(rule) = rule.filter(|rule| switches.is_on(*rule)) else {
                continue;
            };
            if !rule.rule().types.holds(value_type) {
                continue;
            }
            return Some(of_carrier(rule, Evidence::Builtin, key, carrier));
        }
        None
    }

    /// The words of the last name, together with those of the names around it.
    fn by_words(
        &self,
        path: &str,
        value_type: ValueType,
        switches: &RuleSwitches,
    ) -> Option<Classified> {
        let mut words = Vec::new();
        let mut own_from = 0;
        let mut segments = path.split('.').peekable();
        while let Some(segment) = segments.next() {
            own_from = words.len();
            words.extend(tokens::words(segment.trim_end_matches("[]")));
            if segment.ends_with("[]") && segments.peek().is_some() {
                words.last_mut().map(singular);
            }
        }
        let hit = self.best(&words, own_from, value_type, switches)?;
        Some(classified(hit.rule, Evidence::KeyToken(hit.phrase)))
    }

    fn best(
        &self,
        words: &[String],
        own_from: usize,
        value_type: ValueType,
        switches: &RuleSwitches,
    ) -> Option<Hit> {
        let hits = self.hits(words, own_from, value_type, switches);
        // A longer phrase says more than a secret's word in it: `cookie consent`, `token count`, `api key id`.
        let contained = |hit: &Hit| {
            hits.iter().any(|other| {
                other.words > hit.words && other.start <= hit.start && other.end >= hit.end
            })
        };
        let best = hits
            .iter()
            .filter(|hit| !contained(hit))
            .max_by_key(|hit| (is_secret(hit.rule.rule().category), hit.words, hit.end))?;
        Some(*best)
    }

    /// Every phrase that ends in the last name.
    fn hits(
        &self,
        words: &[String],
        own_from: usize,
        value_type: ValueType,
        switches: &RuleSwitches,
    ) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut phrase = String::new();
        for start in 0..words.len() {
            phrase.clear();
            for (count, word) in words.iter().skip(start).take(PHRASE_WORDS_MAX).enumerate() {
                if count > 0 {
                    phrase.push(' ');
                }
                phrase.push_str(word);
                let end = start + count + 1;
                if end <= own_from {
                    continue;
                }
                let Some((rule, text)) = self.phrase(&phrase) else {
                    continue;
                };
                if switches.is_on(rule)
                    && rule.rule().types.holds(value_type)
                    && !is_about(words, start, end, rule)
                {
                    hits.push(Hit {
                        rule,
                        phrase: text,
                        words: count + 1,
                        start,
                        end,
                    });
                }
            }
        }
        hits
    }

    /// A phrase as it is, or in the plural.
    fn phrase(&self, phrase: &str) -> Option<(RuleId, &'static str)> {
        self.phrases
            .get(phrase)
            .or_else(|| {
                phrase
                    .strip_suffix('s')
                    .filter(|singular| singular.len() > 2)
                    .and_then(|singular| self.phrases.get(singular))
            })
            .copied()
    }

    /// What an enclosing object's name says about everything in it, where that is worth protecting.
    fn enclosing(
        &self,
        path: &str,
        carrier: Carrier,
        switches: &RuleSwitches,
    ) -> Option<Classified> {
        let mut rest = path;
        loop {
            let (parent, _) = rest.rsplit_once('.')?;
            let found = self.own(parent, carrier, ValueType::Text, switches);
            if let Some(found) = found
                && found.rule.rule().effect() == Effect::Protects
                && !matches!(found.kind, FieldKind::Id(_) | FieldKind::Url)
            {
                let name = match found.evidence {
                    Evidence::KeyToken(phrase) => phrase,
                    _ => found.rule.as_str(),
                };
                return Some(Classified {
                    evidence: Evidence::Parent(name),
                    ..found
                });
            }
            rest = parent;
        }
    }
}

/// The URL that a query or fragment key belongs to (empty if none), and the part of the path that names the field itself.
fn own_part(path: &str) -> (&str, &str) {
    match path
        .find(['?', '#'])
        .and_then(|at| path.split_at_checked(at))
    {
        Some((_, "?")) | None => ("", path),
        Some((url, own)) => (url, own.trim_start_matches(['?', '#'])),
    }
}

/// Ids of groups by the group's kind.
const GROUPS: &str = "$groups";

/// What an event says of the person, as SDKs carry it: `$set.name` is the profile's `name`.
fn unwrapped(path: &str, carrier: Carrier) -> (&str, Carrier) {
    const ENVELOPES: &[&str] = &[
        "$set.",
        "$set_once.",
        "$person_properties.",
        "traits.",
        "context.traits.",
    ];
    let inside = ENVELOPES
        .iter()
        .find_map(|envelope| path.strip_prefix(envelope));
    inside.map_or((path, carrier), |inside| (inside, Carrier::Profile))
}

/// One of the things that a list holds: `members[].name` is a member's name.
fn singular(word: &mut String) {
    if word == "people" {
        "person".clone_into(word);
    } else if word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") {
        word.pop();
    }
}

/// Whether the words around a phrase make it a statement about the thing instead of the thing.
fn is_about(words: &[String], start: usize, end: usize, rule: RuleId) -> bool {
    if rule.rule().effect() == Effect::Permits {
        return false;
    }
    let after = words.get(end..).unwrap_or(&[]);
    let before = start.checked_sub(1).and_then(|at| words.get(at));
    after.iter().any(|word| ABOUT.contains(&word.as_str()))
        || before.is_some_and(|word| ASKING.contains(&word.as_str()))
}

fn classified(rule: RuleId, evidence: Evidence) -> Classified {
    let row = rule.rule();
    Classified {
        category: row.category,
        rule,
        evidence,
        kind: row.kind,
    }
}

/// What a name means where it stands: a group's name is an organization's.
fn of_carrier(rule: RuleId, evidence: Evidence, key: &str, carrier: Carrier) -> Classified {
    const ORGANIZATION: Category = Category::of("user.contact.organization");
    const ORGANIZATION_ID: Category = Category::of("user.contact.organization.id");
    let found = classified(rule, evidence);
    match (carrier, key) {
        (Carrier::Group, "$name" | "name") => Classified {
            category: ORGANIZATION,
            ..found
        },
        (Carrier::Group, "id") => Classified {
            category: ORGANIZATION_ID,
            kind: FieldKind::Id(IdKind::Group),
            ..found
        },
        _ => found,
    }
}
