//! Show 4: what the vendors received, counted without Cofferdam, equals the blast radius that Cofferdam tells.
//!
//! The generator puts a marker (listed in the contracts) with the true person on everything; merges, retries, time-outs, partial
//! success, a restart, day changes and contract changes happen on the way.
//! Invariant under test: people, events, fields, first and last are equal for every vendor and window, and what two vendors
//! received shares nothing that could join them.

mod generator;
mod recount;

use crate::hurry;
use crate::sink::{Dice, Mood, Sink, is_prove};
use crate::support::{Folder, NOW, TestServer};
use cofferdam_model::{Clock, TimestampMs};
use cofferdam_server::clock::HandClock;
use generator::Generator;
use hyper::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

const HOUR: i64 = 3_600_000;
const VENDORS: [&str; 3] = ["alpha", "beta", "gamma"];
const FIELDS: &str = r#"
"properties.marker" = "user.behavior"
"properties.plan" = "user.account"
"properties.seat" = "user.job_title"
"properties.calls" = "user.behavior"
"profile.marker" = "user.behavior"
"profile.plan" = "user.account"
"#;
const ALPHA: &str = "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"\n\"user.account\" = \"clear\"\n\
    \"user.device.device_id\" = \"token\"\n\"user.contact.organization.id\" = \"token\"";
const ALPHA_LATER: &str = "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"\n\"user.device\" = \"family\"\n\
    \"user.contact.organization.id\" = \"token\"";
const BETA: &str = "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"\n\"user.device\" = \"family\"\n\
    \"user.device.device_id\" = \"token\"\n\"user.contact.organization.id\" = \"token\"";
const GAMMA: &str = "\"user.behavior\" = \"clear\"\n\"user.job_title\" = \"clear\"";
const GAMMA_LATER: &str =
    "\"user.behavior\" = \"clear\"\n\"user.job_title\" = \"clear\"\n\"user.account\" = \"clear\"";

/// The server with its vendors and what was sent so far.
struct World {
    server: TestServer,
    clock: Arc<HandClock>,
    sinks: Vec<Sink>,
    generator: Generator,
    /// Markers of the events that were acknowledged.
    all: BTreeSet<String>,
    /// Markers of the profile updates; a vendor without ids gets none.
    updates: BTreeSet<String>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let clock = Arc::new(HandClock::new(TimestampMs(NOW - 6 * HOUR)));
        let folder = Folder::new();
        folder.write("fields.toml", FIELDS);
        let mut sinks = Vec::new();
        for (id, receives) in VENDORS.into_iter().zip([ALPHA, BETA, GAMMA]) {
            let timed = Arc::clone(&clock) as Arc<dyn Clock>;
            let sink = Sink::start(Mood::Good, seed + sinks.len() as u64, timed).await;
            folder.vendor(id, sink.address, receives);
            // Each vendor has its own project token, as in life.
            folder.write(
                &format!("secrets/{id}.token"),
                &format!("{:032x}", seed + 1_000 + sinks.len() as u64),
            );
            sinks.push(sink);
        }
        let generator = Generator::new(seed, &folder.token);
        let server = TestServer::start_at(folder, Arc::clone(&clock), hurry::seams()).await;
        Self {
            server,
            clock,
            sinks,
            generator,
            all: BTreeSet::new(),
            updates: BTreeSet::new(),
        }
    }

    fn moods(&self, moods: [Mood; 3]) {
        for (sink, mood) in self.sinks.iter().zip(moods) {
            sink.set(mood);
        }
    }

    /// One request of events, so that it is one entry of the journal and is attempted as a whole. Returns its markers.
    async fn events(&mut self, count: usize) -> BTreeSet<String> {
        let (items, markers) = self.generator.events(count, self.clock.now());
        self.server.track(items).await;
        self.all.extend(markers.iter().cloned());
        markers
    }

    async fn updates(&mut self, count: usize) {
        let (items, markers) = self.generator.updates(count);
        let headers = [("content-type", "application/json")];
        let call = crate::support::call(
            self.server.listeners.intake,
            Method::POST,
            "/engage",
            &headers,
            items.to_string().into(),
        );
        let (status, body) = call.await;
        assert_eq!((status, &body[..]), (200, &b"1"[..]));
        self.updates.extend(markers);
    }

    /// Waits until every vendor has seen these.
    async fn seen(&self, markers: &BTreeSet<String>) {
        for sink in &self.sinks {
            sink.wait_for(markers).await;
        }
    }

    /// Lets every vendor recover and waits until they have seen everything.
    async fn recover(&self) {
        self.moods([Mood::Good; 3]);
        self.seen(&self.all).await;
        for sink in &self.sinks[..2] {
            sink.wait_for(&self.updates).await;
        }
    }

    fn pass(&self, hours: i64) {
        self.clock
            .set(TimestampMs(self.clock.now().0 + hours * HOUR));
    }

    async fn contract(&self, id: &str, from: &str, to: &str) {
        self.server
            .folder
            .replace(&format!("vendors/{id}.toml"), from, to);
        self.server.system.reload().await.unwrap();
    }

    async fn restart(self) -> Self {
        let Self {
            server,
            clock,
            sinks,
            generator,
            all,
            updates,
        } = self;
        let folder = server.stop().await;
        let server = TestServer::start_at(folder, Arc::clone(&clock), hurry::seams()).await;
        Self {
            server,
            clock,
            sinks,
            generator,
            all,
            updates,
        }
    }

    /// Four days, the first of which begins at six.
    async fn live(mut self, size: usize) -> Self {
        self.events(size).await;
        self.updates(size / 4).await;
        self.recover().await;
        // Before noon each vendor fails in its own way; one request is attempted, another waits behind it.
        self.moods([Mood::Status(500, None), Mood::Reset, Mood::Partial]);
        let attempted = self.events(size).await;
        self.seen(&attempted).await;
        self.events(size / 2).await;
        self.pass(6);
        self.contract("alpha", ALPHA, ALPHA_LATER).await;
        self.contract("gamma", GAMMA, GAMMA_LATER).await;
        self.events(size / 2).await;
        self.updates(size / 4).await;
        self.recover().await;
        // Attempted before midnight, taken after it: the day of the first attempt counts.
        self.moods([Mood::Hang, Mood::Garbage, Mood::Status(429, Some(2))]);
        let attempted = self.events(size).await;
        self.seen(&attempted).await;
        self.pass(12);
        self.events(size / 2).await;
        self.updates(size / 4).await;
        self.recover().await;
        // A restart with a batch half way, and a day later.
        self.generator.people_sign_in();
        self.moods([
            Mood::Reset,
            Mood::Status(503, Some(1)),
            Mood::Status(500, None),
        ]);
        let attempted = self.events(size).await;
        self.seen(&attempted).await;
        self.pass(24);
        let mut world = self.restart().await;
        world.events(size / 2).await;
        world.recover().await;
        world.pass(24);
        world.moods([Mood::Limit(7), Mood::Flapping, Mood::Slow(30)]);
        for _ in 0..3 {
            world.events(size / 2).await;
            world.updates(size / 8).await;
        }
        world.recover().await;
        world
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exactness_of_the_blast_radius_against_a_recount_of_the_vendors_bytes() {
    let seed = Dice::seed("exactness");
    let size = if is_prove() { 1_600 } else { 80 };
    let mut world = World::new(seed).await.live(size).await;
    // People who were anonymous all the time are known to be somebody only now.
    world.generator.people_sign_in();
    world.events(size).await;
    world.recover().await;
    let truth = recount::Received::of(&VENDORS, &world.sinks);
    let mut answers = Vec::new();
    let windows = [
        ("01", "04"),
        ("01", "01"),
        ("02", "02"),
        ("01", "02"),
        ("02", "03"),
        ("03", "04"),
        ("04", "04"),
        ("03", "03"),
    ];
    for vendor in VENDORS {
        for (since, until) in windows {
            let path = format!(
                "/api/v1/vendors/{vendor}/radius?since=2026-06-{since}&until=2026-06-{until}"
            );
            let (status, radius) = world.server.api(Method::GET, &path, None).await;
            assert_eq!(status, 200, "{radius}");
            truth.assert_equal(vendor, &radius);
            answers.push(radius);
        }
    }
    truth.assert_windows_differ(&answers);
    recount::python(
        world.server.folder.dir.path(),
        &VENDORS,
        &world.sinks,
        &answers,
    );
    let joinable = truth.joinable(&world.generator.listed());
    assert!(
        joinable.is_empty(),
        "the vendors can be joined by {joinable:?}"
    );
    let (people, merged) = world.generator.people();
    println!(
        "figure: exactness: {} vendors x {} windows equal; {} events and updates of {people} people, {merged} of them merged; {} requests repeated",
        VENDORS.len(),
        windows.len(),
        world.all.len() + world.updates.len(),
        world
            .sinks
            .iter()
            .map(|sink| sink.assert_repeats_identical(true))
            .sum::<usize>(),
    );
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactness_recount_notices_a_planted_difference() {
    let mut world = World::new(7).await;
    world.events(40).await;
    world.recover().await;
    let path = "/api/v1/vendors/alpha/radius?since=2026-06-01&until=2026-06-01";
    let (_, radius) = world.server.api(Method::GET, path, None).await;
    let truth = recount::Received::of(&VENDORS, &world.sinks);
    assert_eq!(truth.differences("alpha", &radius), Vec::<String>::new());
    let planted: [(&str, Value); 3] = [
        ("people", 1.into()),
        ("events", 39.into()),
        ("organizations", 99.into()),
    ];
    for (name, value) in planted {
        let mut wrong = radius.clone();
        wrong[name] = value;
        assert_eq!(truth.differences("alpha", &wrong).len(), 1, "{name}");
    }
    let mut wrong = radius.clone();
    wrong["fields"].as_array_mut().unwrap().pop();
    assert_eq!(truth.differences("alpha", &wrong).len(), 1);
    world.server.stop().await;
}

/// A batch is several requests; one that leaves for the first time a day after the others counts on its own day.
#[tokio::test(flavor = "multi_thread")]
async fn exactness_a_request_that_leaves_a_day_later_is_exposed_on_that_day() {
    let mut world = World::new(11).await;
    // While the first request is under way, events and updates gather for the next batch.
    world.moods([Mood::Wait, Mood::Good, Mood::Good]);
    let under_way = world.events(1).await;
    world.sinks[0].wait_for(&under_way).await;
    let behind = world.events(30).await;
    world.updates(30).await;
    world.moods([Mood::EventsFail, Mood::Good, Mood::Good]);
    world.sinks[0].wait_for(&behind).await;
    let early = world.sinks[0].markers();
    assert!(
        world
            .updates
            .iter()
            .all(|marker| !early.contains_key(marker)),
        "updates wait behind the events"
    );
    world.pass(24);
    world.recover().await;
    let (_, radius) = world
        .server
        .api(
            Method::GET,
            "/api/v1/vendors/alpha/radius?since=2026-06-02&until=2026-06-02",
            None,
        )
        .await;
    let truth = recount::Received::of(&VENDORS, &world.sinks);
    let said = |name: &str| {
        let fields = radius["fields"].as_array().unwrap();
        let found = fields.iter().find(|field| field["field"] == name);
        found
            .and_then(|field| field["people"].as_u64())
            .unwrap_or(0)
    };
    let people = truth.people_with("alpha", "2026-06-02", "profile.marker");
    assert!(people > 3);
    assert!(
        said("profile.marker") >= people as u64,
        "{people} people left on that day: {radius}"
    );
    world.server.stop().await;
}
