//! Drives the demo: sinks up, system open, thirty days sent through real sockets, then real time until stopped.
//!
//! Each sender keeps its people's requests in order; the clock follows the requests. Invariant: a day ends only when every
//! vendor that is up has its events, so that exposures lie on the day on which they happened.

use super::folder::{self, VENDORS};
use super::requests::{DemoRequest, requests};
use super::sinks::Sink;
use super::story::{Cast, Random, Scale, tell, visit};
use super::{DemoOptions, summary};
use crate::clock::{HandClock, SystemClock, SystemEntropy};
use crate::config;
use crate::serve::Listeners;
use crate::system::{Seams, System};
use anyhow::Context;
use axum::body::Body;
use cofferdam_access::Caller;
use cofferdam_egress::{SendState, Timer};
use cofferdam_model::{Clock, Day, TimestampMs, VendorId};
use hyper::Request;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Requests under way at once; each sender is one connection.
const SENDERS: usize = 32;
/// How often somebody visits once the story is told.
const VISIT_EVERY: Duration = Duration::from_millis(1_500);
/// The vendor that is down, and its days of the story.
const DOWN: (usize, i64, i64) = (1, 10, 12);
/// The vendor that is contained, and the day of the story.
const CONTAINED: (usize, i64) = (2, 20);

/// Runs the demo to its end.
pub(super) async fn run(options: &DemoOptions, json: bool) -> anyhow::Result<()> {
    let temporary;
    let dir = match &options.dir {
        Some(dir) => dir.clone(),
        None => {
            temporary = TemporaryDir::new()?;
            temporary.0.clone()
        }
    };
    let sinks = [
        Sink::start().await?,
        Sink::start().await?,
        Sink::start().await?,
    ];
    let addresses = sinks.each_ref().map(|sink| sink.address);
    let written = folder::write(&dir, addresses, port(options).await)?;
    let scale = if options.small {
        Scale {
            people: 240,
            organizations: 16,
            ..Scale::default()
        }
    } else {
        Scale::default()
    };
    let start =
        Day(i32::try_from(i64::from(SystemClock.now().day().0) - scale.days).unwrap_or(0)).start();
    let clock = Arc::new(HandClock::new(start));
    let loaded = config::load(&written.config, &BTreeMap::new(), start.day());
    let config = loaded
        .into_result()
        .map_err(|problems| anyhow::anyhow!("the demo's configuration: {problems:?}"))?;
    let seams = Seams {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        entropy: Arc::new(SystemEntropy),
        timer: Arc::new(HandTimer {
            clock: Arc::clone(&clock),
        }),
        is_demo: true,
        ..Seams::default()
    };
    let system = System::open(config, seams).await?;
    let listeners = Listeners::open(&system).await?;
    say(
        json,
        &format!(
            "telling {} days of an API company with {} people …",
            scale.days, scale.people
        ),
    );
    let (cast, moments) = tell(scale, start);
    let sent = requests(
        &cast,
        &moments,
        &written.token,
        &written.import_secret,
        scale.seed,
    );
    let theater = Theater {
        system: &system,
        clock: &clock,
        sinks: &sinks,
        intake: listeners.intake,
        start,
        scale,
    };
    theater.play(sent, json).await?;
    clock.set(SystemClock.now());
    clock.release();
    system.flush().await?;
    let link = sign_in_link(&system, listeners.admin)?;
    summary::welcome(json, &link, &written, listeners.intake);
    let told = Told {
        cast: &cast,
        token: &written.token,
        import_secret: &written.import_secret,
        seed: scale.seed ^ 1,
    };
    live_on(options, &theater, &told).await?;
    summary::print(&system, json, &link).await?;
    listeners.close().await;
    system.close().await;
    Ok(())
}

/// Lets people go on visiting in real time until the end: the given seconds, or Ctrl-C.
async fn live_on(
    options: &DemoOptions,
    theater: &Theater<'_>,
    told: &Told<'_>,
) -> anyhow::Result<()> {
    let end = async {
        match options.exit_after {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => {
                let _ = tokio::signal::ctrl_c().await;
            }
        }
    };
    tokio::pin!(end);
    let mut random = Random::new(told.seed);
    loop {
        tokio::select! {
            () = &mut end => return Ok(()),
            () = tokio::time::sleep(VISIT_EVERY) => {
                let people = told.cast.people.len();
                let person = usize::try_from(random.below(people as u64)).unwrap_or(0);
                if told.cast.people.get(person).is_some_and(|member| member.knows_us_already) {
                    let moments = visit(told.cast, person, theater.clock.now(), &mut random);
                    let sent = requests(told.cast, &moments, told.token, told.import_secret, random.draw());
                    theater.send_all(sent).await?;
                }
            }
        }
    }
}

/// What was told, to go on with.
struct Told<'a> {
    cast: &'a Cast,
    token: &'a str,
    import_secret: &'a str,
    seed: u64,
}

fn say(json: bool, text: &str) {
    if !json {
        eprintln!("{text}");
    }
}

fn sign_in_link(system: &System, admin: SocketAddr) -> anyhow::Result<String> {
    let token = std::fs::read_to_string(system.data_path("admin.token"))
        .context("admin.token cannot be read")?;
    Ok(format!("http://{admin}/#enroll={}", token.trim()))
}

/// The wanted port, or 8687 where it is free, or any.
async fn port(options: &DemoOptions) -> u16 {
    let wanted = options.port.unwrap_or(8687);
    match tokio::net::TcpListener::bind(("127.0.0.1", wanted)).await {
        Ok(_) => wanted,
        Err(_) => 0,
    }
}

struct Theater<'a> {
    system: &'a Arc<System>,
    clock: &'a Arc<HandClock>,
    sinks: &'a [Sink; 3],
    intake: SocketAddr,
    start: TimestampMs,
    scale: Scale,
}

impl Theater<'_> {
    /// Sends every request on its day, with what happens to the vendors in between.
    async fn play(&self, sent: Vec<DemoRequest>, json: bool) -> anyhow::Result<()> {
        let bar = indicatif::ProgressBar::new(u64::try_from(self.scale.days).unwrap_or(0));
        if json {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let mut days: BTreeMap<i64, Vec<DemoRequest>> = BTreeMap::new();
        for request in sent {
            let day = (request.time.0 - self.start.0)
                .div_euclid(cofferdam_model::MS_PER_DAY)
                .min(self.scale.days - 1);
            days.entry(day).or_default().push(request);
        }
        for (day, requests) in days {
            self.events_of_the_day(day).await?;
            self.send_all(requests).await?;
            self.wait_for_vendors(day).await;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    async fn events_of_the_day(&self, day: i64) -> anyhow::Result<()> {
        let (vendor, from, until) = DOWN;
        if let Some(sink) = self.sinks.get(vendor) {
            sink.set_down((from..until).contains(&day));
        }
        let (vendor, on) = CONTAINED;
        if day == on
            && let Some(id) = VENDORS.get(vendor)
        {
            self.system
                .contain(Caller::LocalOperator, &VendorId::from(*id), "")
                .await?;
        }
        Ok(())
    }

    /// One connection per group of people, so that each person's requests keep their order.
    async fn send_all(&self, requests: Vec<DemoRequest>) -> anyhow::Result<()> {
        let mut senders: Vec<Vec<DemoRequest>> = vec![Vec::new(); SENDERS];
        for request in requests {
            let index = request
                .person
                .map_or(0, |person| 1 + person % (SENDERS - 1));
            if let Some(sender) = senders.get_mut(index) {
                sender.push(request);
            }
        }
        let mut tasks = tokio::task::JoinSet::new();
        for requests in senders.into_iter().filter(|requests| !requests.is_empty()) {
            tasks.spawn(send(self.intake, Arc::clone(self.clock), requests));
        }
        while let Some(sent) = tasks.join_next().await {
            sent??;
        }
        Ok(())
    }

    /// Lets the clock tick on until every vendor that is up has what the day gave it.
    async fn wait_for_vendors(&self, day: i64) {
        let (down, from, until) = DOWN;
        loop {
            let statuses = self.system.egress.status().await;
            let waiting = statuses.iter().any(|status| {
                let is_down = VENDORS.get(down) == Some(&status.vendor.as_str())
                    && (from..until).contains(&day);
                status.backlog_records > 0 && !is_down && status.state != SendState::Contained
            });
            if !waiting {
                return;
            }
            self.clock.set(TimestampMs(self.clock.now().0 + 500));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn send(
    intake: SocketAddr,
    clock: Arc<HandClock>,
    requests: Vec<DemoRequest>,
) -> anyhow::Result<()> {
    let stream = tokio::net::TcpStream::connect(intake).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    for request in requests {
        clock.set(request.time);
        let mut builder = Request::builder()
            .method("POST")
            .uri(request.target)
            .header("host", "t.example.com")
            .header("content-type", request.content_type)
            .header("user-agent", request.user_agent);
        builder = match request.authorization {
            Some(authorization) => builder.header("authorization", authorization),
            None => builder.header("origin", "https://platform.example.com"),
        };
        let response = sender
            .send_request(builder.body(Body::from(request.body))?)
            .await?;
        anyhow::ensure!(
            response.status().is_success(),
            "intake answered {}",
            response.status()
        );
        http_body_util::BodyExt::collect(response.into_body()).await?;
    }
    drop(sender);
    driver.abort();
    Ok(())
}

/// Waits on the demo's clock.
#[derive(Debug)]
struct HandTimer {
    clock: Arc<HandClock>,
}

impl Timer for HandTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let until = self
            .clock
            .now()
            .0
            .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
        Box::pin(async move {
            while self.clock.now().0 < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    }
}

/// A directory that goes with the demo.
struct TemporaryDir(std::path::PathBuf);

impl TemporaryDir {
    fn new() -> anyhow::Result<Self> {
        let name = crate::config::init::random_hex::<8>(&SystemEntropy);
        let path = std::env::temp_dir().join(format!("cofferdam-demo-{name}"));
        crate::config::init::make_private_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        if let Err(error) = std::fs::remove_dir_all(path) {
            eprintln!("{} could not be removed: {error}", path.display());
        }
    }
}
