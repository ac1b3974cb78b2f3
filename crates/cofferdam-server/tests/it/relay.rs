//! A mail relay on loopback that keeps what it is given, and can be told to refuse.
//!
//! Invariant: a mail is kept before its last line is answered, so that what a sender knows to be sent is here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A running relay.
pub(crate) struct Relay {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    mails: Mutex<Vec<String>>,
    refuses: AtomicBool,
}

impl Relay {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(session(stream, Arc::clone(&shared)));
            }
        });
        Self { port, state }
    }

    /// The section of the configuration that names it.
    pub(crate) fn section(&self) -> String {
        format!(
            "[mail]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"Cofferdam <alerts@example.com>\"\n\
             recipients = [\"example.com\"]\nweb_url = \"https://cofferdam.example.com\"\n\n",
            self.port
        )
    }

    /// Whether it refuses every mail for now.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::SeqCst);
    }

    /// What it was given, head and text of each mail.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.state.mails.lock().unwrap().clone()
    }
}

async fn session(stream: TcpStream, state: Arc<State>) {
    let mut stream = BufReader::new(stream);
    let (mut mail, mut in_data, mut line) = (String::new(), false, String::new());
    let mut answer = "220 relay\r\n";
    loop {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        line.clear();
        while stream.read_line(&mut line).await.unwrap_or(0) > 0 && in_data && line != ".\r\n" {
            mail.push_str(&line);
            line.clear();
        }
        answer = match line.trim_end() {
            "" => return,
            "." => {
                in_data = false;
                state.mails.lock().unwrap().push(std::mem::take(&mut mail));
                "250 taken\r\n"
            }
            "DATA" => {
                in_data = true;
                "354 go on\r\n"
            }
            text if text.starts_with("MAIL") && state.refuses.load(Ordering::SeqCst) => {
                "451 later\r\n"
            }
            _ => "250 ok\r\n",
        };
    }
}
