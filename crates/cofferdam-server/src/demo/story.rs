//! The story behind the demo: a month in the life of an API company, as the people of it would cause it.
//!
//! Pure and seeded: the same seed tells the same story. Goes on to `requests`, which says it in the SDKs' own bytes.
//! Invariant: every name, address and key in here is made up, on reserved example domains.

mod cast;

use cofferdam_model::{MS_PER_DAY, TimestampMs};
use serde_json::{Map, Value, json};

pub use cast::{Cast, Member, Organization, Random};

/// Something that an SDK would send.
#[derive(Clone, Debug)]
pub struct Moment {
    /// When it happened.
    pub time: TimestampMs,
    /// Who: index into the cast's people.
    pub person: usize,
    /// What.
    pub act: Act,
}

/// What an SDK would be asked to send.
#[derive(Clone, Debug)]
pub enum Act {
    /// `track` in the browser.
    Track(&'static str, Map<String, Value>),
    /// `identify` after sign-in: from now on the person's id is the user's.
    Identify,
    /// `people.set` in the browser.
    Profile(Map<String, Value>),
    /// `get_group(...).set(...)` on the server.
    Group(Map<String, Value>),
    /// `track` on the server (Node or Python).
    ServerTrack(&'static str, Map<String, Value>),
}

/// How much happens.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// People who ever appear.
    pub people: usize,
    /// Organizations.
    pub organizations: usize,
    /// Days of the story.
    pub days: i64,
    /// Seed of the story.
    pub seed: u64,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            people: 2_400,
            organizations: 160,
            days: 30,
            seed: 20_261_108,
        }
    }
}

/// Tells the story: the cast, and its moments in order of time.
#[must_use]
pub fn tell(scale: Scale, start: TimestampMs) -> (Cast, Vec<Moment>) {
    let mut random = Random::new(scale.seed);
    let cast = Cast::new(scale, &mut random);
    let mut moments = Vec::new();
    for person in 0..cast.people.len() {
        life(&cast, person, scale, start, &mut random, &mut moments);
    }
    moments.sort_by_key(|moment| moment.time);
    (cast, moments)
}

/// One visit of somebody who already knows the company, starting at `now`.
#[must_use]
pub fn visit(cast: &Cast, person: usize, now: TimestampMs, random: &mut Random) -> Vec<Moment> {
    let mut moments = Vec::new();
    let mut teller = Teller {
        cast,
        person,
        random,
        moments: &mut moments,
        now,
    };
    arrive(&mut teller, 2);
    work(&mut teller, 2);
    // It all happens now: a browser does not report the future.
    for moment in &mut moments {
        moment.time = now;
    }
    moments
}

fn properties(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A working-hours instant on a day, fewer at weekends.
fn instant(random: &mut Random, start: TimestampMs, day: i64) -> TimestampMs {
    let hour = 7 + random.below(6) + random.below(7);
    let within = i64::try_from(random.below(3_600_000)).unwrap_or(0);
    TimestampMs(start.0 + day * MS_PER_DAY + i64::try_from(hour).unwrap_or(0) * 3_600_000 + within)
}

fn is_weekend(start: TimestampMs, day: i64) -> bool {
    // 1970-01-01 was a Thursday.
    let weekday = (i64::from(start.day().0) + day + 3).rem_euclid(7);
    weekday >= 5
}

struct Teller<'a> {
    cast: &'a Cast,
    person: usize,
    random: &'a mut Random,
    moments: &'a mut Vec<Moment>,
    now: TimestampMs,
}

impl Teller<'_> {
    fn say(&mut self, act: Act) {
        self.moments.push(Moment {
            time: self.now,
            person: self.person,
            act,
        });
        self.now.0 += 2_000 + i64::try_from(self.random.below(90_000)).unwrap_or(0);
    }

    fn track(&mut self, name: &'static str, value: Value) {
        self.say(Act::Track(name, properties(value)));
    }

    fn server(&mut self, name: &'static str, value: Value) {
        self.say(Act::ServerTrack(name, properties(value)));
    }
}

fn life(
    cast: &Cast,
    person: usize,
    scale: Scale,
    start: TimestampMs,
    random: &mut Random,
    moments: &mut Vec<Moment>,
) {
    let Some(member) = cast.people.get(person) else {
        return;
    };
    let mut known = member.knows_us_already;
    let mut visits = 0;
    for day in member.first_day..scale.days {
        let quiet = is_weekend(start, day) && !random.chance(25);
        let comes = day == member.first_day || random.chance(member.percent_active);
        if quiet || !comes {
            continue;
        }
        visits += 1;
        let now = instant(random, start, day);
        let mut teller = Teller {
            cast,
            person,
            random: &mut *random,
            moments: &mut *moments,
            now,
        };
        arrive(&mut teller, visits);
        if !known && (visits >= 2 || teller.random.chance(60)) && member.signs_up {
            sign_up(&mut teller);
            known = true;
        } else if known {
            work(&mut teller, visits);
        }
    }
}

fn arrive(teller: &mut Teller<'_>, visit: u32) {
    let random = &mut *teller.random;
    let page = random.pick(&[
        "/",
        "/pricing",
        "/docs",
        "/docs/quickstart",
        "/docs/keys",
        "/blog/latency",
    ]);
    let campaign = random.pick(&[
        "",
        "",
        "",
        "?utm_source=newsletter&utm_campaign=november",
        "?utm_source=search&gclid=TeSter-9",
    ]);
    let referrer = random.pick(&[
        "",
        "https://search.example/?q=vector+api",
        "https://news.example/item?id=77",
        "https://forum.example/t/4",
    ]);
    let url = format!("https://platform.example.com{page}{campaign}");
    teller.track(
        "Page Viewed",
        json!({ "$current_url": url, "$referrer": referrer, "section": page }),
    );
    if visit == 1 && teller.random.chance(35) {
        let phrase = teller.random.pick(&[
            "rate limits",
            "python sdk",
            "pricing for teams",
            "how to rotate a key",
        ]);
        let results = teller.random.below(20);
        teller.track(
            "Docs Searched",
            json!({ "query": phrase, "results": results }),
        );
    }
}

fn sign_up(teller: &mut Teller<'_>) {
    let Some(member) = teller.cast.people.get(teller.person) else {
        return;
    };
    let organization = teller.cast.organization(member);
    // The usual wrong place: the address rides in the confirmation link.
    let address = member.email.replace('@', "%40");
    let method = teller.random.pick(&["password", "google", "github"]);
    teller.track(
        "Signed Up",
        json!({ "method": method,
                "$current_url": format!("https://platform.example.com/confirm?email={address}&token=s3cr3t{}", teller.person) }),
    );
    teller.say(Act::Identify);
    teller.say(Act::Profile(properties(json!({
        "$email": member.email, "$name": member.name, "plan": organization.plan, "role": member.role, "company": organization.name,
    }))));
    if member.founds {
        teller.say(Act::Group(properties(json!({ "name": organization.name, "plan": organization.plan, "seats": organization.seats }))));
    }
    if teller.random.chance(72) {
        let key = teller.random.key("sk-demo-");
        // Another one: the key itself as a property.
        let leaks = teller.random.chance(3);
        let mut created = json!({ "scope": teller.random.pick(&["read", "write", "all"]), "org_id": organization.id });
        if leaks && let Value::Object(map) = &mut created {
            map.insert("api_key".to_owned(), json!(key));
        }
        teller.track("API Key Created", created);
        if teller.random.chance(70) {
            first_call(teller);
        }
    }
}

fn first_call(teller: &mut Teller<'_>) {
    let Some(member) = teller.cast.people.get(teller.person) else {
        return;
    };
    let organization = teller.cast.organization(member).id.clone();
    let milliseconds = 40 + teller.random.below(400);
    teller.server("First API Call", json!({ "endpoint": "/v1/embed", "status": 200, "latency_ms": milliseconds, "org_id": organization }));
    if teller.random.chance(18) {
        teller.track("Plan Upgraded", json!({ "from": "free", "to": "team", "amount": 49, "currency": "EUR", "org_id": organization }));
    }
}

fn work(teller: &mut Teller<'_>, visit: u32) {
    let Some(member) = teller.cast.people.get(teller.person) else {
        return;
    };
    let organization = teller.cast.organization(member).id.clone();
    let tab = teller.random.pick(&["usage", "keys", "billing", "members"]);
    teller.track(
        "Dashboard Opened",
        json!({ "org_id": organization, "tab": tab }),
    );
    for _ in 0..=teller.random.below(4) {
        let endpoint = teller
            .random
            .pick(&["/v1/embed", "/v1/search", "/v1/files", "/v1/rerank"]);
        let status = if teller.random.chance(94) { 200 } else { 429 };
        let latency = 20 + teller.random.below(600);
        let tokens = teller.random.below(4_000);
        teller.server(
            "API Call",
            json!({ "endpoint": endpoint, "status": status, "latency_ms": latency, "org_id": organization, "tokens": tokens }),
        );
    }
    if teller.random.chance(30) {
        let text = teller.random.pick(&[
            "summarize our contract with the landlord",
            "translate this note to my doctor",
            "draft a reply to Dana",
        ]);
        teller.track(
            "Playground Run",
            json!({ "model": "small-2", "prompt": text, "org_id": organization }),
        );
    }
    if teller.random.chance(12) {
        help(teller);
    }
    if teller.random.chance(6) {
        let invited = teller.random.below(u64::MAX) % 900;
        teller.track("Invite Sent", json!({ "invitee_email": format!("invitee{invited}@partner.example"), "role": "member", "org_id": organization }));
    }
    if visit > 3 && teller.random.chance(4) {
        let age_days = 10 + teller.random.below(300);
        teller.track(
            "API Key Rotated",
            json!({ "age_days": age_days, "org_id": organization }),
        );
    }
}

fn help(teller: &mut Teller<'_>) {
    let Some(member) = teller.cast.people.get(teller.person) else {
        return;
    };
    let article = teller.random.pick(&[
        "billing-faq",
        "rotate-keys",
        "rate-limits",
        "delete-account",
    ]);
    teller.track("Help Article Viewed", json!({ "article": article, "$current_url": format!("https://help.example.com/a/{article}") }));
    if teller.random.chance(40) {
        // And the third: free text with a person in it.
        let priority = teller.random.pick(&["low", "normal", "high"]);
        teller.track(
            "Ticket Submitted",
            json!({ "topic": article, "subject": format!("Please call {} about the invoice", member.name),
                    "reply_to": member.email, "phone": member.phone, "priority": priority }),
        );
    }
}
