//! What an accepted event costs the server: events per CPU second of its process, over real sockets, fsync before the 200.
//!
//! `cargo run --release -p cofferdam-server --example intake [EVENTS] [CASE]`. This process sends; the server is a child of it (the
//! same file, started with `serve`), so that its CPU seconds are told apart by /proc. Two vendors are configured, the policy is the
//! whole default one, consumers are paused (`Seams::pause_consumers`), and refusals and duplicates must be 0. Each case also runs
//! with a journal that keeps nothing, in the same run. `drained` runs everything, until both vendors and the store have all.
//! Detection recall is printed at the end: speed is never by blindness.
//! Wall times on a loaded machine mean little: compare events per server core second.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement at the command line"
)]

#[path = "intake/events.rs"]
mod events;
#[path = "intake/load.rs"]
mod load;
#[path = "../../cofferdam-policy/tests/detection/score.rs"]
mod score;
#[path = "intake/server.rs"]
mod server;
#[path = "intake/vendors.rs"]
mod vendors;

use load::Case;
use server::{Mode, Server};

/// Distinct events of a measured run.
const EVENTS: usize = 200_000;
/// Events sent before the measured ones, so that memory is mapped and paths are known.
const WARM_UP: usize = 20_000;

/// The share of what the server takes by the clock at which answer times are measured, and for how long, seconds.
const CALM: f64 = 0.3;
const CALM_S: f64 = 10.0;
/// Least events per server core second over the whole way.
const DRAINED_BAR: f64 = 25_000.0;

const CASES: &[Case] = &[
    Case {
        name: "browser, base64, 50 a request",
        body: events::browser_body,
        content_type: "application/x-www-form-urlencoded",
        batch: 50,
        connections: 64,
        bar: 100_000.0,
    },
    Case {
        name: "JSON of 666 B, 50 a request",
        body: events::flat_body,
        content_type: "application/json",
        batch: 50,
        connections: 64,
        bar: 150_000.0,
    },
    Case {
        name: "browser, base64, 1 a request",
        body: events::browser_body,
        content_type: "application/x-www-form-urlencoded",
        batch: 1,
        connections: 256,
        bar: 20_000.0,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, folder, mode, one, other] = arguments.as_slice()
        && word == "serve"
    {
        return server::run(folder.as_ref(), mode, [one, other]);
    }
    let events = arguments
        .first()
        .map_or(EVENTS, |events| events.parse().unwrap());
    let only = arguments.get(1).map_or("", String::as_str);
    println!(
        "{events} distinct events a run; strings not seen before: {:.0} % (browser), {:.0} % (JSON)",
        events::unseen(events::browser_event),
        events::unseen(events::flat_event)
    );
    let mut worst = true;
    for case in CASES.iter().filter(|case| case.name.contains(only)) {
        worst &= measure(case, events);
    }
    if "drained".contains(only) {
        worst &= drained(events);
    }
    detection();
    if !worst {
        println!("a bar was missed");
    }
}

/// Seconds since 1970: what a client sends must not lie in the future.
fn now_seconds() -> u64 {
    use cofferdam_model::Clock;
    (cofferdam_server::clock::SystemClock.now().0 / 1000).cast_unsigned()
}

/// One case, with and without the journal; with it, also at less than half of what it takes.
fn measure(case: &Case, events: usize) -> bool {
    let mut rates = Vec::new();
    for mode in [Mode::Journal, Mode::NoJournal] {
        let journal = matches!(mode, Mode::Journal);
        let mut server = Server::start(mode);
        let warm_up = load::prepare(case, 0, WARM_UP, &server.token);
        let bodies = load::prepare(case, WARM_UP, events, &server.token);
        let bytes: usize = bodies.iter().map(Vec::len).sum();
        load::send(case, server.intake, warm_up, f64::INFINITY);
        let before = server.cpu_seconds();
        let sent = load::send(case, server.intake, bodies, f64::INFINITY);
        let cpu = server.cpu_seconds() - before;
        let rate = events as f64 / cpu;
        println!(
            "{:32} journal {}  {rate:>9.0} events per server core second  ({:.1} µs an event, {} B on the wire, \
             {:.0} events/s by the clock)",
            case.name,
            if journal { "on " } else { "off" },
            cpu / events as f64 * 1e6,
            bytes / events,
            events as f64 / sent.seconds,
        );
        rates.push(rate);
        let mut all = events + WARM_UP;
        let calm = if journal {
            let offered = events as f64 / sent.seconds * CALM;
            let calm_events = ((offered * CALM_S) as usize).max(case.batch);
            let bodies = load::prepare(case, all, calm_events, &server.token);
            all += calm_events;
            server.forget_fsyncs();
            Some(load::send(
                case,
                server.intake,
                bodies,
                offered / case.batch as f64,
            ))
        } else {
            None
        };
        let told = server.stop();
        if let Some(calm) = calm {
            let (fsync_median, fsync_p99) = told.fsync_ms;
            println!(
                "{:32} at {:.0} % of that: answers p50 {:.1} ms, p99 {:.1} ms; fsyncs p50 {fsync_median:.1} ms, p99 {fsync_p99:.1} ms; \
                 bars {:.1} and {:.1}",
                case.name,
                CALM * 100.0,
                calm.quantile(0.5),
                calm.quantile(0.99),
                2.0 * fsync_median + 2.0,
                10.0 * fsync_p99,
            );
        }
        assert_eq!(
            (told.accepted, told.refused),
            (all as u64, 0),
            "every event must be accepted, none refused or a duplicate"
        );
    }
    if let [on, off] = rates.as_slice() {
        println!(
            "{:32} with the journal {:.0} % of without; bar {:.0}: {}",
            case.name,
            on / off * 100.0,
            case.bar,
            if *on >= case.bar { "met" } else { "MISSED" }
        );
    }
    rates.first().is_some_and(|rate| *rate >= case.bar)
}

/// The whole way: intake, store, and both vendors, until all of it has arrived.
fn drained(events: usize) -> bool {
    let Some(case) = CASES.first() else {
        return true;
    };
    let vendors = [vendors::start(), vendors::start()];
    let mut server = Server::start(Mode::Drained(
        vendors.each_ref().map(|vendor| vendor.address),
    ));
    let requests = load::prepare(case, 0, events, &server.token);
    let before = server.cpu_seconds();
    let sent = load::send(case, server.intake, requests, f64::INFINITY);
    for vendor in &vendors {
        vendor.wait_for(events);
    }
    server.flush();
    let cpu = server.cpu_seconds() - before;
    let rate = events as f64 / cpu;
    println!(
        "drained: {rate:.0} events per server core second ({:.1} µs an event, accepted within {:.1} s); bar {DRAINED_BAR:.0}: {}",
        cpu / events as f64 * 1e6,
        sent.seconds,
        if rate >= DRAINED_BAR { "met" } else { "MISSED" }
    );
    let told = server.stop();
    assert_eq!((told.accepted, told.refused), (events as u64, 0));
    rate >= DRAINED_BAR
}

/// Recall and precision of the same build's detectors.
fn detection() {
    let Some(text) = score::data() else {
        println!("no labelled data found: detection not measured");
        return;
    };
    let (lines, scores) = score::score(&text);
    println!("detection on {lines} labelled lines: recall / precision (missed and wrong lines)");
    for ((name, _, _, recall, precision), score) in score::KINDS.iter().zip(&scores) {
        if *recall > 0.0 {
            println!(
                "{name:>8}  {:.3} / {:.3}  ({}, {}; bars {recall} / {precision})",
                score.recall(),
                score.precision(),
                score.missed.len(),
                score.wrong.len()
            );
        }
    }
}
