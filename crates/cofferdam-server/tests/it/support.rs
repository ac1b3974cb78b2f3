//! A whole server in this process: configuration folder, system, listeners; a fake vendor; a small HTTP client.
//!
//! Invariant: everything is on loopback and in a temporary directory; nothing waits for a time, only for an effect, and that with an end.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use cofferdam_model::{Clock, TimestampMs};
use cofferdam_server::clock::{HandClock, SystemEntropy};
use cofferdam_server::config;
use cofferdam_server::config::init::{InitOptions, init};
use cofferdam_server::serve::Listeners;
use cofferdam_server::system::{Seams, System};
use http_body_util::BodyExt;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// How long a test waits for an effect before it fails: longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// 2026-06-01T12:00:00Z.
pub(crate) const NOW: i64 = 1_780_315_200_000;

/// A configuration folder to be changed before it is opened.
pub(crate) struct Folder {
    pub(crate) dir: TempDir,
    pub(crate) config: PathBuf,
    pub(crate) token: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = InitOptions {
            folder: dir.path().to_owned(),
            project: "console".to_owned(),
            region: "EU".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
        };
        let done = init(&options, &SystemEntropy).unwrap();
        let folder = Self {
            dir,
            config: done.config,
            token: done.token,
        };
        folder.replace("cofferdam.toml", "127.0.0.1:8686", "127.0.0.1:0");
        folder.replace("cofferdam.toml", "127.0.0.1:8687", "127.0.0.1:0");
        folder.replace(
            "cofferdam.toml",
            "allow_loopback_vendors = false",
            "allow_loopback_vendors = true",
        );
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Replaces text that must be there.
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, &text.replace(from, to));
    }

    /// Adds a vendor of the Mixpanel kind at an address, with this `[receives]` table.
    pub(crate) fn vendor(&self, id: &str, address: SocketAddr, receives: &str) {
        self.write(
            &format!("secrets/{id}.token"),
            "0123456789abcdef0123456789abcdef",
        );
        self.write(
            &format!("vendors/{id}.toml"),
            &format!(
                "name = \"{id}\"\nkind = \"mixpanel\"\nendpoint = \"http://{address}\"\nregion = \"EU\"\n\
                 purpose = \"analytics.reporting\"\ntoken_file = \"secrets/{id}.token\"\nprojects = [\"console\"]\n\
                 [contract]\nexpires = 2030-01-01\nreviewed = 2026-05-01\nbreach_notice_hours = 48\nretention_days = 90\n\
                 [receives]\n{receives}\n"
            ),
        );
    }
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) folder: Folder,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) system: Arc<System>,
    pub(crate) listeners: Listeners,
}

impl TestServer {
    pub(crate) async fn start(folder: Folder) -> Self {
        let clock = Arc::new(HandClock::new(TimestampMs(NOW)));
        Self::start_at(folder, clock, Seams::default()).await
    }

    /// Starts at the clock's time, with other seams than time as given.
    pub(crate) async fn start_at(folder: Folder, clock: Arc<HandClock>, seams: Seams) -> Self {
        let seams = Seams {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ..seams
        };
        Self::start_with(folder, clock, seams).await
    }

    /// Starts with these seams.
    pub(crate) async fn start_with(folder: Folder, clock: Arc<HandClock>, seams: Seams) -> Self {
        let now = seams.clock.now().day();
        let loaded = config::load(&folder.config, &BTreeMap::new(), now);
        let config = loaded
            .into_result()
            .unwrap_or_else(|problems| panic!("{problems:?}"));
        let system = System::open(config, seams).await.unwrap();
        let listeners = Listeners::open(&system).await.unwrap();
        Self {
            folder,
            clock,
            system,
            listeners,
        }
    }

    /// Stops as SIGTERM does and gives the folder back.
    pub(crate) async fn stop(self) -> Folder {
        self.listeners.close().await;
        self.system.close().await;
        self.folder
    }

    pub(crate) fn admin_token(&self) -> String {
        std::fs::read_to_string(self.system.data_path("admin.token"))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Calls the admin API with the token.
    pub(crate) async fn api(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let token = format!("Bearer {}", self.admin_token());
        let headers = [
            ("authorization", token.as_str()),
            ("content-type", "application/json"),
        ];
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let (status, bytes) = call(self.listeners.admin, method, path, &headers, body.into()).await;
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        let token = format!("Bearer {}", self.admin_token());
        let headers = [("authorization", token.as_str())];
        let (_, text) = call(
            self.listeners.admin,
            Method::GET,
            "/metrics",
            &headers,
            "".into(),
        )
        .await;
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Sends events as raw JSON to `/track` and asserts that they were accepted.
    pub(crate) async fn track(&self, events: Value) {
        let headers = [("content-type", "application/json")];
        let (status, body) = call(
            self.listeners.intake,
            Method::POST,
            "/track?verbose=1",
            &headers,
            events.to_string().into(),
        )
        .await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }

    /// Makes everything acknowledged visible.
    pub(crate) async fn flush(&self) {
        self.system.flush().await.unwrap();
    }
}

/// What the vendor `acme` of these tests may have.
pub(crate) const RECEIVES: &str = "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"";

/// One event of a person.
pub(crate) fn event(token: &str, id: &str) -> Value {
    json!([{ "event": "Signed Up", "properties": { "token": token, "distinct_id": id, "$insert_id": format!("insert-{id}") } }])
}

/// A server with the vendor `acme`.
pub(crate) async fn server_with_vendor() -> (TestServer, FakeVendor) {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    folder.vendor("acme", vendor.address, RECEIVES);
    (TestServer::start(folder).await, vendor)
}

/// Starts again so many days after the tests' first day.
pub(crate) async fn again(folder: Folder, days: i64) -> TestServer {
    let now = TimestampMs(NOW + days * 86_400_000);
    TestServer::start_at(folder, Arc::new(HandClock::new(now)), Seams::default()).await
}

/// Runs a verb of the command line on a folder, beside its server if there is one. Blocking.
pub(crate) fn verb(config: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cofferdam"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Stops a server and waits until its databases are closed too, so that its files can be copied: a database that is open has a
/// write-ahead log.
pub(crate) async fn stopped(server: TestServer) -> Folder {
    let folder = server.stop().await;
    let is_open = || {
        let mut entries = std::fs::read_dir(folder.path("data")).unwrap();
        entries.any(|entry| entry.unwrap().path().to_string_lossy().ends_with("-wal"))
    };
    until("the end of every database", async || !is_open()).await;
    folder
}

/// Waits for an effect that nothing announces; fails with its name.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let polled = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, polled).await;
    assert!(came.is_ok(), "{what} never came");
}

/// One HTTP request on a new connection.
pub(crate) async fn call(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> (u16, Bytes) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "t.example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender
        .send_request(request.body(Body::from(body)).unwrap())
        .await
        .unwrap();
    let status = response.status().as_u16();
    (
        status,
        response.into_body().collect().await.unwrap().to_bytes(),
    )
}

/// A fake vendor that records what it is given and answers as Mixpanel does.
pub(crate) struct FakeVendor {
    pub(crate) address: SocketAddr,
    pub(crate) received: Arc<Mutex<Vec<(String, Value)>>>,
    arrived: tokio::sync::watch::Receiver<usize>,
}

type Received = (
    Arc<Mutex<Vec<(String, Value)>>>,
    tokio::sync::watch::Sender<usize>,
);

impl FakeVendor {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (sender, arrived) = tokio::sync::watch::channel(0);
        let router = Router::new()
            .fallback(record)
            .with_state(Arc::new((Arc::clone(&received), sender)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            received,
            arrived,
        }
    }

    /// Waits until so many items have arrived and returns all of them with their paths.
    pub(crate) async fn wait_for(&self, items: usize) -> Vec<(String, Value)> {
        let mut arrived = self.arrived.clone();
        let came = arrived.wait_for(|arrived| *arrived >= items);
        let came = tokio::time::timeout(PATIENCE, came).await.is_ok();
        let received = self.received.lock().unwrap().clone();
        assert!(came, "{items} items never came, only {received:?}");
        received
    }
}

async fn record(
    State(state): State<Arc<Received>>,
    request: axum::extract::Request,
) -> (StatusCode, String) {
    let path = request.uri().path().to_owned();
    let bytes = request.into_body().collect().await.unwrap().to_bytes();
    let text = if bytes.starts_with(&[0x1f, 0x8b]) {
        unzip(&bytes)
    } else {
        bytes.to_vec()
    };
    let items: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let count = items.len();
    let total = {
        let mut received = state.0.lock().unwrap();
        received.extend(items.into_iter().map(|item| (path.clone(), item)));
        received.len()
    };
    state.1.send_replace(total);
    let answer = if path.starts_with("/import") {
        format!(r#"{{"code":200,"num_records_imported":{count},"status":"OK"}}"#)
    } else {
        r#"{"error":null,"status":1}"#.to_owned()
    };
    (StatusCode::OK, answer)
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut text = Vec::new();
    flate2::bufread::GzDecoder::new(bytes)
        .read_to_end(&mut text)
        .unwrap();
    text
}

/// The folder `shared/` beside the checkout, where there is one.
pub(crate) fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("COFFERDAM_SHARED").map(PathBuf::from);
    let start = Path::new(env!("CARGO_MANIFEST_DIR"));
    given.or_else(|| {
        start
            .ancestors()
            .map(|at| at.join("shared"))
            .find(|at| at.join("fixtures").is_dir())
    })
}
