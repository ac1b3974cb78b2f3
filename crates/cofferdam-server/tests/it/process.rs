//! The real binary: `cofferdam serve` on a written folder, with the system's clock, to be killed and started again.
//!
//! Invariant: the ports are the folder's for good, so that clients find the next process where the last one was.

use crate::support::{Folder, call};
use hyper::Method;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A folder whose server listens on two free ports.
pub(crate) struct Place {
    pub(crate) folder: Folder,
    pub(crate) intake: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let (intake, admin) = (free_port(), free_port());
        folder.replace(
            "cofferdam.toml",
            "\nlisten = \"127.0.0.1:0\"",
            &format!("\nlisten = \"{intake}\""),
        );
        folder.replace(
            "cofferdam.toml",
            "admin_listen = \"127.0.0.1:0\"",
            &format!("admin_listen = \"{admin}\""),
        );
        Self {
            folder,
            intake,
            admin,
        }
    }

    /// The command that serves this place; its log goes to `serve.log`.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        command
            .args([
                "--config".as_ref(),
                self.folder.config.as_os_str(),
                "serve".as_ref(),
            ])
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.log_file());
        command
    }

    pub(crate) fn log_file(&self) -> std::fs::File {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path("serve.log"));
        log.unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path("serve.log")).unwrap_or_default()
    }

    /// Waits until intake is ready; returns how long that took.
    pub(crate) async fn ready(&self, child: &mut Child) -> Duration {
        let started = Instant::now();
        while !is_ready(self.intake).await {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", self.log());
            }
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "never ready: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        started.elapsed()
    }

    pub(crate) async fn api(&self, method: Method, path: &str, body: &str) -> Value {
        let token = std::fs::read_to_string(self.folder.path("data/admin.token")).unwrap();
        let bearer = format!("Bearer {}", token.trim());
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let (status, bytes) =
            call(self.admin, method, path, &headers, body.to_owned().into()).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).unwrap()
    }
}

/// Sends a signal through `kill`, which is everywhere, and waits for the end.
pub(crate) fn terminate(child: &mut Child) -> std::process::ExitStatus {
    let sent = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    child.wait().unwrap()
}

async fn is_ready(address: SocketAddr) -> bool {
    let Ok(stream) = tokio::net::TcpStream::connect(address).await else {
        return false;
    };
    let mut connection = crate::load::Connection::over(stream).await;
    matches!(connection.get("/readyz").await, Some(200))
}

/// A port below those that outgoing connections get, and of this call alone, so that nobody takes it between two processes.
fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let block = 10_000 + u16::try_from(std::process::id() % 200).unwrap() * 100;
    loop {
        let port = block + NEXT.fetch_add(1, Ordering::Relaxed) % 100;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
