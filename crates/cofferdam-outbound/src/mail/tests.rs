//! The mailer against a relay on loopback that speaks SMTP line by line, and misbehaves at each step.

use super::{Mail, MailCredentials, MailError, MailOptions, MailTls, Mailer};
use crate::{NotSent, Resolution};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A relay that answers each line by `answer`; `None` hangs up. What it got comes out of the channel, a session at a time.
async fn relay(
    answer: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static,
) -> (SocketAddr, mpsc::UnboundedReceiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, sessions) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut got = Vec::new();
            let _ = stream.write_all(b"220 relay\r\n").await;
            let (mut line, mut in_data) = (String::new(), false);
            while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
                let text = std::mem::take(&mut line).trim_end().to_owned();
                got.push(text.clone());
                if in_data && text != "." {
                    continue;
                }
                let Some(answer) = answer(&text) else { break };
                in_data = answer.starts_with("354");
                if stream.write_all(answer.as_bytes()).await.is_err() || text == "QUIT" {
                    break;
                }
            }
            let _ = sender.send(got);
        }
    });
    (address, sessions)
}

/// A relay's answer to a line where all is well.
fn fine(line: &str) -> Option<&'static str> {
    Some(match line.split(' ').next().unwrap_or_default() {
        "EHLO" => "250-relay\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
        "AUTH" => "235 come in\r\n",
        "DATA" => "354 go on\r\n",
        "QUIT" => "221 bye\r\n",
        _ => "250 ok\r\n",
    })
}

fn options(address: SocketAddr) -> MailOptions {
    MailOptions {
        step_timeout: Duration::from_secs(20),
        ..MailOptions::new(
            "127.0.0.1",
            address.port(),
            MailTls::None,
            "Cofferdam <alerts@example.com>",
        )
    }
}

fn mail() -> Mail {
    Mail {
        id: "alert-7.2".to_owned(),
        made_ms: 1_780_315_200_000,
        to: "ops@example.org".to_owned(),
        subject: "Grüße: sign-ups fell".to_owned(),
        text: "They fell.\n.\nBy half.".to_owned(),
        html: Some("<p>They fell.</p>".to_owned()),
    }
}

async fn send(options: MailOptions) -> Result<(), MailError> {
    Mailer::new(options).unwrap().send(&mail()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_with_both_texts_and_a_lasting_id() {
    let (address, mut sessions) = relay(fine).await;
    let credentials = MailCredentials {
        username: "u".to_owned(),
        password: "p".to_owned(),
    };
    let options = MailOptions {
        credentials: Some(credentials),
        ..options(address)
    };
    assert!(!format!("{options:?}").contains("password"));
    send(options).await.unwrap();
    let got = sessions.recv().await.unwrap();
    assert_eq!(got[0], "EHLO example.com");
    assert_eq!(got[1], "AUTH PLAIN AHUAcA==");
    assert!(
        got[2].starts_with("MAIL FROM:<alerts@example.com>"),
        "{got:?}"
    );
    assert_eq!(got[3], "RCPT TO:<ops@example.org>");
    for line in [
        "From: Cofferdam <alerts@example.com>",
        "To: ops@example.org",
        "Message-ID: <alert-7.2@example.com>",
        "Date: Mon, 01 Jun 2026 12:00:00 +0000",
        "Auto-Submitted: auto-generated",
        "..",
        "<p>They fell.</p>",
    ] {
        assert!(got.iter().any(|got| got == line), "no `{line}` in {got:#?}");
    }
    let subject = got
        .iter()
        .find(|line| line.starts_with("Subject: "))
        .unwrap();
    assert!(subject.starts_with("Subject: =?utf-8?"), "{subject}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_says_whether_the_mail_may_be_sent_again() {
    let refused = |code, is_permanent| MailError::Refused { code, is_permanent };
    type Answer = fn(&str) -> Option<&'static str>;
    let cases: [(Answer, MailError); 6] = [
        (
            |line| {
                if line.starts_with("RCPT") {
                    Some("550 nobody\r\n")
                } else {
                    fine(line)
                }
            },
            refused(550, true),
        ),
        (
            |line| {
                if line.starts_with("RCPT") {
                    Some("451 later\r\n")
                } else {
                    fine(line)
                }
            },
            refused(451, false),
        ),
        (
            |line| {
                if line.starts_with("MAIL") {
                    None
                } else {
                    fine(line)
                }
            },
            MailError::NotSent(NotSent::Closed),
        ),
        (
            |line| if line == "DATA" { None } else { fine(line) },
            MailError::NotSent(NotSent::Closed),
        ),
        (
            |line| {
                if line == "." {
                    Some("554 spam\r\n")
                } else {
                    fine(line)
                }
            },
            refused(554, true),
        ),
        (
            |line| if line == "." { None } else { fine(line) },
            MailError::Unknown,
        ),
    ];
    for (answer, expected) in cases {
        let (address, _sessions) = relay(answer).await;
        assert_eq!(send(options(address)).await, Err(expected));
    }
    assert!(MailError::NotSent(NotSent::Closed).can_be_repeated());
    assert!(refused(451, false).can_be_repeated());
    assert!(!refused(550, true).can_be_repeated());
    assert!(!MailError::Unknown.can_be_repeated());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_offers_no_tls_gets_nothing() {
    let (address, mut sessions) = relay(fine).await;
    let starttls = MailOptions {
        tls: MailTls::Starttls,
        ..options(address)
    };
    let host = "127.0.0.1".to_owned();
    assert_eq!(
        send(starttls).await,
        Err(MailError::NotSent(NotSent::TlsRequired { host }))
    );
    let got = sessions.recv().await.unwrap();
    assert!(
        !got.iter()
            .any(|line| line.starts_with("MAIL") || line.starts_with("AUTH")),
        "{got:?}"
    );
    // Nor one that speaks plainly where TLS is to begin with the first byte.
    let tls = MailOptions {
        tls: MailTls::Tls,
        ..options(address)
    };
    assert!(matches!(send(tls).await, Err(MailError::NotSent(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_must_not_lead_into_the_house() {
    let (address, mut sessions) = relay(fine).await;
    let named = |to: &str, allow_loopback| MailOptions {
        host: "mail.example.com".to_owned(),
        resolution: Resolution::Fixed(Arc::from(vec![(
            "mail.example.com".to_owned(),
            to.parse().unwrap(),
        )])),
        allow_loopback,
        ..options(address)
    };
    let denied = |host: &str| {
        let host = host.to_owned();
        Err(MailError::NotSent(NotSent::DeniedAddress { host }))
    };
    for inside in [
        "127.0.0.1",
        "10.0.0.25",
        "169.254.169.254",
        "::1",
        "fd00::1",
    ] {
        assert_eq!(
            send(named(inside, false)).await,
            denied("mail.example.com"),
            "{inside}"
        );
    }
    // An address that is written out is meant, but for those that nobody can mean.
    for never in [
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "fe80::1",
    ] {
        let options = MailOptions {
            host: never.to_owned(),
            ..options(address)
        };
        assert_eq!(send(options).await, denied(never), "{never}");
    }
    let nowhere = MailOptions {
        host: "other.example.com".to_owned(),
        ..named("127.0.0.1", true)
    };
    assert_eq!(send(nowhere).await, Err(MailError::NotSent(NotSent::Dns)));
    assert!(sessions.try_recv().is_err(), "nothing was connected to");
    send(named("127.0.0.1", true)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_mail_is_refused_before_anything_is_connected() {
    let (address, mut sessions) = relay(fine).await;
    let mailer = Mailer::new(options(address)).unwrap();
    let small = MailOptions {
        message_bytes_max: 10,
        ..options(address)
    };
    let cases = [
        (
            Mail {
                to: "nobody".to_owned(),
                ..mail()
            },
            "recipient",
        ),
        (
            Mail {
                to: "a@example.com\r\nRCPT TO:<b@example.com>".to_owned(),
                ..mail()
            },
            "recipient",
        ),
        (
            Mail {
                subject: "a\r\nBcc: b@example.com".to_owned(),
                ..mail()
            },
            "subject",
        ),
        (
            Mail {
                id: "a b".to_owned(),
                ..mail()
            },
            "id",
        ),
        (
            Mail {
                made_ms: -1,
                ..mail()
            },
            "date",
        ),
    ];
    for (mail, part) in cases {
        assert_eq!(mailer.send(&mail).await, Err(MailError::Invalid { part }));
    }
    assert_eq!(send(small).await, Err(MailError::Invalid { part: "size" }));
    let nobody = MailOptions {
        from: "nobody".to_owned(),
        ..options(address)
    };
    assert!(matches!(
        Mailer::new(nobody),
        Err(MailError::Invalid { part: "sender" })
    ));
    assert!(sessions.try_recv().is_err(), "nothing was connected to");
}
