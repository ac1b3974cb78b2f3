//! The story in the SDKs' own bytes: what browsers and servers of the company would put on the wire.
//!
//! Invariant: only the shapes that the real Mixpanel SDKs send, so that the demo goes through the real intake.

use super::story::{Act, Cast, Member, Moment, Random};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_model::TimestampMs;
use serde_json::{Map, Value, json};

/// One HTTP request of the demo.
#[derive(Clone, Debug)]
pub struct DemoRequest {
    /// When it is sent.
    pub time: TimestampMs,
    /// Path and query.
    pub target: &'static str,
    /// Content type.
    pub content_type: &'static str,
    /// `Authorization`, for the server side.
    pub authorization: Option<String>,
    /// User agent.
    pub user_agent: &'static str,
    /// Whose browser sends it, as index into the cast; `None` for the company's servers.
    pub person: Option<usize>,
    /// Body.
    pub body: Vec<u8>,
    /// How many events or updates are in it.
    pub items: usize,
}

const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
/// The browser SDK sends at most that many events at once.
const BROWSER_BATCH_MAX: usize = 50;
/// A visit's events within this time leave in one batch.
const BROWSER_FLUSH_MS: i64 = 600_000;

/// Turns moments into requests, in order of time.
#[must_use]
pub fn requests(
    cast: &Cast,
    moments: &[Moment],
    token: &str,
    import_secret: &str,
    seed: u64,
) -> Vec<DemoRequest> {
    let mut writer = Writer {
        cast,
        token,
        authorization: format!("Basic {}", STANDARD.encode(format!("{import_secret}:"))),
        random: Random::new(seed),
        identified: cast
            .people
            .iter()
            .map(|member| member.knows_us_already)
            .collect(),
        waiting: vec![Vec::new(); cast.people.len()],
        server: Vec::new(),
        done: Vec::new(),
    };
    for moment in moments {
        writer.take(moment);
    }
    writer.finish();
    writer.done.sort_by_key(|request| request.time);
    writer.done
}

struct Writer<'a> {
    cast: &'a Cast,
    token: &'a str,
    authorization: String,
    random: Random,
    identified: Vec<bool>,
    waiting: Vec<Vec<(TimestampMs, Value)>>,
    server: Vec<(TimestampMs, Value)>,
    done: Vec<DemoRequest>,
}

impl Writer<'_> {
    fn take(&mut self, moment: &Moment) {
        let Some(member) = self.cast.people.get(moment.person) else {
            return;
        };
        match &moment.act {
            Act::Track(name, properties) => {
                let event = self.browser_event(member, moment, name, properties);
                self.push_browser(moment.person, moment.time, event);
            }
            Act::Identify => {
                if let Some(identified) = self.identified.get_mut(moment.person) {
                    *identified = true;
                }
                let extra = json!({ "$anon_distinct_id": format!("$device:{}", member.device_id) });
                let extra = extra.as_object().cloned().unwrap_or_default();
                let event = self.browser_event(member, moment, "$identify", &extra);
                self.push_browser(moment.person, moment.time, event);
            }
            Act::Profile(set) => {
                let update = json!([{ "$set": set, "$token": self.token, "$distinct_id": member.user_id,
                    "$device_id": member.device_id, "$user_id": member.user_id }]);
                self.flush_browser(moment.person);
                self.form(
                    moment.person,
                    moment.time,
                    "/engage/?verbose=1&ip=1",
                    &update,
                );
            }
            Act::Group(set) => {
                let organization = self.cast.organization(member);
                let update = json!([{ "$token": self.token, "$group_key": "org_id", "$group_id": organization.id, "$set": set }]);
                self.form(moment.person, moment.time, "/groups/?verbose=1", &update);
            }
            Act::ServerTrack(name, properties) => {
                let mut all = properties.clone();
                all.insert("distinct_id".to_owned(), json!(member.user_id));
                all.insert("$user_id".to_owned(), json!(member.user_id));
                all.insert("time".to_owned(), json!(moment.time.0));
                all.insert(
                    "$insert_id".to_owned(),
                    json!(format!(
                        "{:016x}{:016x}",
                        self.random.draw(),
                        self.random.draw()
                    )),
                );
                all.insert("mp_lib".to_owned(), json!("python"));
                all.insert("$lib_version".to_owned(), json!("5.4.1"));
                self.server
                    .push((moment.time, json!({ "event": name, "properties": all })));
                let waited = self
                    .server
                    .first()
                    .map_or(0, |(first, _)| moment.time.0 - first.0);
                if self.server.len() >= 100 || waited > BROWSER_FLUSH_MS {
                    self.flush_server();
                }
            }
        }
    }

    fn browser_event(
        &mut self,
        member: &Member,
        moment: &Moment,
        name: &str,
        properties: &Map<String, Value>,
    ) -> Value {
        let identified = self.identified.get(moment.person).copied().unwrap_or(false);
        let distinct_id = if identified {
            member.user_id.clone()
        } else {
            format!("$device:{}", member.device_id)
        };
        let systems = ["Windows", "Mac OS X", "Linux"];
        let browsers = ["Chrome", "Firefox", "Safari"];
        let pick = |list: &[&str]| {
            list.get(moment.person % list.len().max(1))
                .copied()
                .unwrap_or("")
                .to_owned()
        };
        let mut all = json!({
            "$os": pick(&systems), "$browser": pick(&browsers), "$browser_version": 140 + moment.person % 17,
            "$screen_height": 1080, "$screen_width": 1920, "mp_lib": "web", "$lib_version": "2.83.0",
            "$insert_id": self.insert_id(), "time": seconds(moment.time), "token": self.token,
            "distinct_id": distinct_id, "$device_id": member.device_id,
            "$initial_referrer": "$direct", "$initial_referring_domain": "$direct",
        });
        if let Some(map) = all.as_object_mut() {
            if identified {
                map.insert("$user_id".to_owned(), json!(member.user_id));
            }
            for (key, value) in properties {
                map.insert(key.clone(), value.clone());
            }
        }
        json!({ "event": name, "properties": all })
    }

    /// 16 characters of base 36, as the browser SDK makes them.
    fn insert_id(&mut self) -> String {
        (0..16)
            .map(|_| {
                u32::try_from(self.random.below(36))
                    .ok()
                    .and_then(|digit| char::from_digit(digit, 36))
                    .unwrap_or('0')
            })
            .collect()
    }

    fn push_browser(&mut self, person: usize, time: TimestampMs, event: Value) {
        let Some(waiting) = self.waiting.get_mut(person) else {
            return;
        };
        let stale = waiting
            .first()
            .is_some_and(|(first, _)| time.0 - first.0 > BROWSER_FLUSH_MS);
        if stale || waiting.len() >= BROWSER_BATCH_MAX {
            self.flush_browser(person);
        }
        if let Some(waiting) = self.waiting.get_mut(person) {
            waiting.push((time, event));
        }
    }

    fn flush_browser(&mut self, person: usize) {
        let Some(waiting) = self.waiting.get_mut(person) else {
            return;
        };
        let events = std::mem::take(waiting);
        if let Some((last, _)) = events.last() {
            let last = *last;
            let batch = Value::Array(events.into_iter().map(|(_, event)| event).collect());
            self.form(person, last, "/track/?verbose=1&ip=1", &batch);
        }
    }

    fn flush_server(&mut self) {
        let events = std::mem::take(&mut self.server);
        if let Some((last, _)) = events.last() {
            let time = *last;
            let items = events.len();
            let batch = Value::Array(events.into_iter().map(|(_, event)| event).collect());
            self.done.push(DemoRequest {
                time,
                target: "/import?strict=1",
                content_type: "application/json",
                authorization: Some(self.authorization.clone()),
                user_agent: "python-requests/2.32",
                person: None,
                body: batch.to_string().into_bytes(),
                items,
            });
        }
    }

    fn form(&mut self, person: usize, time: TimestampMs, target: &'static str, batch: &Value) {
        let encoded = STANDARD.encode(batch.to_string());
        let escaped = encoded
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        self.done.push(DemoRequest {
            time,
            target,
            content_type: "application/x-www-form-urlencoded",
            authorization: None,
            user_agent: BROWSER,
            person: Some(person),
            body: format!("data={escaped}").into_bytes(),
            items: batch.as_array().map_or(1, Vec::len),
        });
    }

    fn finish(&mut self) {
        for person in 0..self.waiting.len() {
            self.flush_browser(person);
        }
        self.flush_server();
    }
}

/// Epoch seconds with milliseconds, as the browser SDK writes them.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this century are exact in a double"
)]
fn seconds(time: TimestampMs) -> f64 {
    time.0 as f64 / 1000.0
}
