//! The client against listeners on loopback that misbehave in every way.
//!
//! The listeners speak raw TCP, so that what was received is known to the byte.

use crate::{
    Destination, NotSent, Outbound, OutboundError, OutboundOptions, OutboundRequest,
    OutboundResponse, Purpose, Resolution, Unknown, Verb,
};
use cofferdam_model::VendorId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

fn events() -> Purpose {
    Purpose::VendorEvents(VendorId::from("sink"))
}

fn request(url: &str) -> OutboundRequest {
    OutboundRequest {
        purpose: events(),
        verb: Verb::Post,
        url: url.to_owned(),
        headers: vec![("content-type", "application/json".to_owned())],
        body: bytes::Bytes::from_static(b"[1]"),
        reuse: true,
        generation: None,
    }
}

fn client(options: OutboundOptions, url: &str) -> Arc<Outbound> {
    let client = Outbound::new(options).unwrap();
    client.declare(vec![Destination::parse(events(), url).unwrap()]);
    Arc::new(client)
}

fn loopback() -> OutboundOptions {
    OutboundOptions {
        allow_loopback_vendors: true,
        ..OutboundOptions::default()
    }
}

/// Reads one request with a content length; `None` at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))?
                .parse::<usize>()
                .unwrap();
            if body.len() >= length {
                return Some(String::from_utf8_lossy(&received).into_owned());
            }
        }
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
}

/// A listener that answers each request with `answer` and counts connections.
async fn answering(
    answer: &'static str,
) -> (String, Arc<AtomicUsize>, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/import?strict=1", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::unbounded_channel();
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let sender = sender.clone();
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut stream).await {
                    let _ = sender.send(request);
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, connections, receiver)
}

async fn send(options: OutboundOptions, url: &str) -> Result<OutboundResponse, OutboundError> {
    client(options, url).send(request(url)).await
}

#[tokio::test]
async fn an_answer_comes_back_and_the_connection_is_used_again() {
    let (url, connections, mut received) =
        answering("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno").await;
    let client = client(loopback(), &url);
    for _ in 0..3 {
        let answer = client.send(request(&url)).await.unwrap();
        assert_eq!(
            (
                answer.status,
                answer.header("retry-after"),
                &answer.body[..]
            ),
            (429, Some("7"), &b"no"[..])
        );
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let first = received.recv().await.unwrap();
    assert!(
        first.starts_with("POST /import?strict=1 HTTP/1.1\r\n"),
        "{first}"
    );
    assert!(
        first.contains("host: 127.0.0.1:") && first.ends_with("\r\n\r\n[1]"),
        "{first}"
    );
    let mut fresh = request(&url);
    fresh.reuse = false;
    client.send(fresh).await.unwrap();
    assert_eq!(
        connections.load(Ordering::SeqCst),
        2,
        "a request that must not be repeated gets a fresh connection"
    );
}

#[tokio::test]
async fn a_redirect_is_an_error_and_not_followed() {
    let (target, target_connections, _received) =
        answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
        let answer = format!("HTTP/1.1 307 Go\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let error = send(loopback(), &url).await.unwrap_err();
    assert_eq!(error, Unknown::Redirect { status: 307 }.into());
    assert_eq!(target_connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_large_answer_is_capped_with_and_without_a_length() {
    let options = || OutboundOptions {
        answer_bytes_max: 64,
        ..loopback()
    };
    let (url, ..) = answering("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789").await;
    assert_eq!(
        send(options(), &url).await.unwrap_err(),
        Unknown::AnswerTooLarge.into()
    );
    let (url, ..) = answering("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n41\r\n01234567890123456789012345678901234567890123456789012345678901234\r\n").await;
    assert_eq!(
        send(options(), &url).await.unwrap_err(),
        Unknown::AnswerTooLarge.into()
    );
}

#[tokio::test]
async fn silence_is_an_unknown_outcome_once_the_request_was_written() {
    let (url, ..) = answering("").await;
    let options = OutboundOptions {
        total_timeout: Duration::from_secs(2),
        ..loopback()
    };
    assert_eq!(
        send(options, &url).await.unwrap_err(),
        Unknown::Timeout.into()
    );
}

#[tokio::test]
async fn a_handshake_that_never_ends_times_out_with_nothing_sent() {
    let (url, ..) = answering("").await;
    let url = url.replace("http://", "https://");
    let options = OutboundOptions {
        connect_timeout: Duration::from_secs(1),
        ..loopback()
    };
    assert_eq!(
        send(options, &url).await.unwrap_err(),
        NotSent::Timeout.into()
    );
}

#[tokio::test]
async fn a_refused_connection_and_a_failed_handshake_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(
        send(loopback(), &url).await.unwrap_err(),
        NotSent::Connect.into()
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"this is no TLS record at all, and long enough to be read as one")
            .await
            .unwrap();
    });
    assert_eq!(
        send(loopback(), &url).await.unwrap_err(),
        NotSent::Tls.into()
    );
}

#[tokio::test]
async fn a_reset_after_the_request_and_within_the_answer_is_unknown() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.set_zero_linger().unwrap();
        });
        assert_eq!(
            send(loopback(), &url).await.unwrap_err(),
            Unknown::Broken.into()
        );
    }
}

#[tokio::test]
async fn a_connection_that_the_other_side_closed_while_idle_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (closed, mut was_closed) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_request(&mut stream).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
            drop(stream);
            let _ = closed.send(());
        }
    });
    let client = client(loopback(), &url);
    for _ in 0..5 {
        assert_eq!(client.send(request(&url)).await.unwrap().status, 200);
        was_closed.recv().await.unwrap();
        // Lets the connection's task read the end of the stream, so that nothing is written to it.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_is_not_declared_is_refused_before_anything_is_resolved() {
    let (url, connections, _received) =
        answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = client(loopback(), &url);
    let refused = [
        (events(), "http://127.0.0.1:1/".to_owned()),
        (events(), "https://undeclared.example.com/".to_owned()),
        (events(), url.replace("http://", "https://")),
        (Purpose::VendorControl(VendorId::from("sink")), url.clone()),
        (Purpose::VendorEvents(VendorId::from("other")), url.clone()),
    ];
    for (purpose, url) in refused {
        let error = client
            .send(OutboundRequest {
                purpose,
                ..request(&url)
            })
            .await
            .unwrap_err();
        assert!(
            matches!(error, OutboundError::NotSent(NotSent::Undeclared { .. })),
            "{url}: {error:?}"
        );
    }
    let mut injected = request(&url);
    injected.headers = vec![("x", "a\r\nb: c".to_owned())];
    assert_eq!(
        client.send(injected).await.unwrap_err(),
        NotSent::BadRequest { part: "header" }.into()
    );
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_declared_name_that_points_into_the_house_is_refused() {
    let table: Vec<(String, std::net::IpAddr)> = [
        ("metadata.example.com", "169.254.169.254"),
        ("private.example.com", "10.1.2.3"),
        ("ula.example.com", "fd00:ec2::254"),
        ("mapped.example.com", "::ffff:169.254.169.254"),
        ("zero.example.com", "0.0.0.0"),
        ("own.example.com", "127.0.0.1"),
    ]
    .map(|(host, address)| (host.to_owned(), address.parse().unwrap()))
    .into();
    let options = |allow_loopback_vendors| OutboundOptions {
        allow_loopback_vendors,
        resolution: Resolution::Fixed(table.clone().into()),
        ..OutboundOptions::default()
    };
    for (host, _) in &table {
        let error = send(options(false), &format!("https://{host}/"))
            .await
            .unwrap_err();
        assert_eq!(error, NotSent::DeniedAddress { host: host.clone() }.into());
    }
    let error = send(options(true), "https://private.example.com/")
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        OutboundError::NotSent(NotSent::DeniedAddress { .. })
    ));
    let error = send(options(false), "https://unknown.example.com/")
        .await
        .unwrap_err();
    assert_eq!(error, NotSent::Dns.into());
    let error = send(OutboundOptions::default(), "http://1.1.1.1/")
        .await
        .unwrap_err();
    assert_eq!(
        error,
        NotSent::TlsRequired {
            host: "1.1.1.1".to_owned()
        }
        .into()
    );
}

#[tokio::test]
async fn a_cut_closes_what_is_in_flight_and_refuses_the_rest() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let client = client(loopback(), &url);
    // Larger than any socket buffer: the request is still being written when the cut comes.
    let body = bytes::Bytes::from(vec![b'x'; 64 * 1024 * 1024]);
    let sending = tokio::spawn({
        let (client, request) = (
            Arc::clone(&client),
            OutboundRequest {
                body,
                ..request(&url)
            },
        );
        async move { client.send(request).await }
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut some = [0u8; 4096];
    assert!(stream.read(&mut some).await.unwrap() > 0);
    client.cut(&events());
    assert_eq!(sending.await.unwrap().unwrap_err(), Unknown::Cut.into());
    // What the reader's kernel had already taken may still be read; then comes the reset, never the end of the body.
    let mut read = 0;
    let end = loop {
        match stream.read(&mut some).await {
            Ok(0) => break "end",
            Ok(count) => read += count,
            Err(_) => break "reset",
        }
    };
    assert!(
        read < 64 * 1024 * 1024 && end == "reset",
        "{read} bytes, then {end}"
    );
    assert_eq!(
        client.send(request(&url)).await.unwrap_err(),
        NotSent::Cut.into()
    );

    client.restore(&events());
    let stale = OutboundRequest {
        generation: Some(0),
        ..request(&url)
    };
    assert_eq!(client.generation(&events()), 1);
    assert_eq!(
        client.send(stale).await.unwrap_err(),
        NotSent::Cut.into(),
        "prepared before the cut"
    );
    let answered = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
    });
    assert_eq!(client.send(request(&url)).await.unwrap().status, 200);
    answered.await.unwrap();
}

#[tokio::test]
async fn a_dropped_request_takes_its_connection_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let client = client(loopback(), &url);
    let sending = tokio::spawn({
        let (client, request) = (Arc::clone(&client), request(&url));
        async move { client.send(request).await }
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    read_request(&mut stream).await.unwrap();
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    assert!(
        stream.read(&mut [0u8; 16]).await.is_err(),
        "the connection is reset"
    );
}
