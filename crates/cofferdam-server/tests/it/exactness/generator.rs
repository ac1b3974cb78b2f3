//! People who begin anonymous, sign in, get a second device, share one; the generator knows who is who.
//!
//! Invariant: the person in a marker is the one that all merges lead to, and no part of a marker is an id that was sent.

use crate::sink::Dice;
use cofferdam_model::TimestampMs;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Names of events; they go out in clear.
const EVENTS: [&str; 3] = ["Key Created", "Call Made", "Page Seen"];
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36";

struct Person {
    /// The person to whom this one turns out to belong, by position; itself, if nobody.
    label: usize,
    user: Option<String>,
    device: String,
    signed_in: bool,
}

pub(super) struct Generator {
    dice: Dice,
    token: String,
    people: Vec<Person>,
    serial: usize,
}

impl Generator {
    pub(super) fn new(seed: u64, token: &str) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed);
        let id = |dice: &mut Dice| format!("{:016x}{:016x}", dice.next(), dice.next());
        let mut people: Vec<Person> = (0..48)
            .map(|label| Person {
                label,
                user: (label % 5 != 0).then(|| format!("user_{}", id(&mut dice))),
                device: id(&mut dice),
                signed_in: label % 3 == 0,
            })
            .collect();
        // Second devices of the same users, used before they sign in there.
        for label in (1..48).step_by(5) {
            let second = Person {
                label,
                user: people[label].user.clone(),
                device: id(&mut dice),
                signed_in: false,
            };
            people.push(second);
        }
        // A shared device: it stays with the first who signed in on it, the second is another person all the same.
        let label = people.len();
        let shared = Person {
            label,
            user: Some(format!("user_{}", id(&mut dice))),
            device: people[3].device.clone(),
            signed_in: true,
        };
        people.push(shared);
        Self {
            dice,
            token: token.to_owned(),
            people,
            serial: 0,
        }
    }

    /// Everybody who has an account signs in, on each device, at the next event.
    pub(super) fn people_sign_in(&mut self) {
        for person in &mut self.people {
            person.signed_in = true;
        }
    }

    /// True people, and how many of them were seen under several ids.
    pub(super) fn people(&self) -> (usize, usize) {
        let labels: BTreeSet<usize> = self.people.iter().map(|person| person.label).collect();
        let merged: BTreeSet<usize> = self
            .people
            .iter()
            .filter(|person| person.user.is_some())
            .map(|person| person.label)
            .collect();
        (labels.len(), merged.len())
    }

    fn marker(&mut self, label: usize) -> String {
        self.serial += 1;
        format!("p{label}o{}n{}", label % 7, self.serial)
    }

    pub(super) fn events(&mut self, count: usize, now: TimestampMs) -> (Value, BTreeSet<String>) {
        let mut markers = BTreeSet::new();
        let items = (0..count).map(|_| {
            // All in turn, so that everybody who can be merged is.
            let position = self.serial % self.people.len();
            let label = self.people[position].label;
            let marker = self.marker(label);
            markers.insert(marker.clone());
            self.event(position, &marker, now)
        });
        (Value::from(items.collect::<Vec<_>>()), markers)
    }

    fn event(&mut self, position: usize, marker: &str, now: TimestampMs) -> Value {
        let (insert_id, roll) = (
            format!("{:032x}", u128::from(self.dice.next())),
            self.dice.below(100),
        );
        let run = format!("{:08x}-5eed-4000-8000-{roll:012x}", self.serial);
        let person = &self.people[position];
        let mut properties = json!({
            "token": self.token, "marker": marker, "$insert_id": insert_id, "time": now.0 - i64::try_from(roll).unwrap() * 1_000,
            "$device_id": person.device, "plan": if roll % 2 == 0 { "pro" } else { "free" }, "seat": "admin", "calls": roll,
            "org_id": format!("org_{:08}", person.label % 7 + 90_210), "$browser": "Chrome", "$browser_version": 125, "$os": "Linux",
            "$current_url": format!("https://platform.example.com/orgs/org_{:08}/runs/{run}?session={insert_id}#/runs/{run}", person.label % 7 + 90_210), "$user_agent": AGENT,
            "$referrer": format!("https://search.example.net/?q={insert_id}"), "gclid": format!("g{insert_id}"),
            "email": format!("person{}@example.com", person.label), "session_id": format!("s{insert_id}"), "mp_lib": "web",
        });
        match &person.user {
            Some(user) if person.signed_in => {
                properties["$user_id"] = json!(user);
                properties["distinct_id"] = json!(user);
            }
            _ => properties["distinct_id"] = json!(format!("$device:{}", person.device)),
        }
        json!({ "event": EVENTS[usize::try_from(roll).unwrap() % EVENTS.len()], "properties": properties })
    }

    pub(super) fn updates(&mut self, count: usize) -> (Value, BTreeSet<String>) {
        let mut markers = BTreeSet::new();
        let items = (0..count).filter_map(|turn| {
            let position = (self.serial + turn) % self.people.len();
            let label = self.people[position].label;
            let user = self.people[position].user.clone()?;
            let marker = self.marker(label);
            markers.insert(marker.clone());
            Some(json!({ "$token": self.token, "$distinct_id": user, "$set": { "marker": marker, "plan": "pro", "$email": "x@example.com" } }))
        });
        (Value::from(items.collect::<Vec<_>>()), markers)
    }

    /// What goes to several vendors in clear because their contracts list it.
    pub(super) fn listed(&self) -> BTreeSet<String> {
        let clear = ["https://search.example.net/", "Chrome 125; Linux"];
        EVENTS
            .iter()
            .chain(&clear)
            .map(|text| (*text).to_owned())
            .collect()
    }
}
