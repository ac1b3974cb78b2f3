//! What a vendor's answer means for the items of a request.
//!
//! Invariant: nothing of the vendor's text survives; only what is documented counts as delivered, everything else is an unknown
//! outcome and repeated (insert ids make that safe).

use crate::Reason;
use crate::dialect::Lane;
use cofferdam_outbound::{OutboundError, OutboundResponse};
use std::time::Duration;

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The vendor has every item.
    Delivered,
    /// The vendor has every item but these, which it refused for good: position within the request, and why.
    Partial(Vec<(u32, Reason)>),
    /// The vendor took nothing because something in the request is wrong: halve it, a single item is a dead letter.
    Halve(Reason),
    /// The credentials, the address or the whole request are refused: wait long, show it.
    Refused(Failure),
    /// Not taken, said so by the vendor or by a connection that never was: try again later, also what must not be doubled.
    NotTaken(Failure),
    /// Nobody knows whether it was taken: try again later, except what must not be doubled.
    Unknown(Failure),
}

/// Why an attempt failed, for status and back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
}

/// Reads the outcome of one request with `items` items.
pub(crate) fn judge(
    lane: Lane,
    items: usize,
    result: &Result<OutboundResponse, OutboundError>,
) -> Verdict {
    match result {
        Ok(response) => {
            let retry_after = response
                .header("retry-after")
                .and_then(|text| text.trim().parse().ok());
            judge_answer(
                lane,
                items,
                response.status,
                &response.body,
                retry_after.map(Duration::from_secs),
            )
        }
        Err(error) => {
            let failure = Failure {
                code: error.code(),
                status: None,
                retry_after: None,
            };
            match error {
                OutboundError::NotSent(_) => Verdict::NotTaken(failure),
                OutboundError::Unknown(_) => Verdict::Unknown(failure),
            }
        }
    }
}

fn judge_answer(
    lane: Lane,
    items: usize,
    status: u16,
    body: &[u8],
    retry_after: Option<Duration>,
) -> Verdict {
    let failure = |code| Failure {
        code,
        status: Some(status),
        retry_after,
    };
    match status {
        200 | 400 => lane
            .read(status, body, items)
            .unwrap_or(Verdict::Unknown(failure("unreadable_answer"))),
        413 => Verdict::Halve(Reason::TooLarge),
        401 | 403 => Verdict::Refused(failure("unauthorized")),
        425 | 429 => Verdict::NotTaken(failure("rate_limited")),
        408 | 500..=599 => Verdict::Unknown(failure("server_error")),
        402..=499 => Verdict::Refused(failure("refused")),
        _ => Verdict::Unknown(failure("unexpected_status")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge_answer};
    use crate::Reason;
    use crate::dialect::Lane;
    use std::time::Duration;

    fn events(status: u16, body: &str) -> Verdict {
        judge_answer(Lane::Events, 3, status, body.as_bytes(), None)
    }

    #[test]
    fn only_a_whole_report_counts_as_delivered() {
        assert_eq!(
            events(
                200,
                r#"{"code":200,"num_records_imported":3,"status":"OK"}"#
            ),
            Verdict::Delivered
        );
        for garbage in [
            "",
            "1",
            "OK",
            "<html>",
            "{}",
            r#"{"code":200,"num_records_imported":2,"status":"OK"}"#,
            r#"{"status":"#,
        ] {
            assert!(
                matches!(events(200, garbage), Verdict::Unknown(_)),
                "{garbage}"
            );
        }
    }

    #[test]
    fn partial_success_names_the_failed_by_position() {
        let report = r#"{"code":400,"error":"some","failed_records":[{"index":2,"insert_id":"a","field":"properties.time","message":"m"},
            {"index":0,"insert_id":"b","field":"event","message":"m"}],"num_records_imported":1,"status":"Bad Request"}"#;
        assert_eq!(
            events(400, report),
            Verdict::Partial(vec![(0, Reason::Event), (2, Reason::Time)])
        );
        let outside = report.replace("\"index\":2", "\"index\":3");
        assert!(
            matches!(events(400, &outside), Verdict::Unknown(_)),
            "a position that was not sent"
        );
    }

    #[test]
    fn statuses_mean_what_the_table_says() {
        assert_eq!(events(413, ""), Verdict::Halve(Reason::TooLarge));
        assert!(matches!(events(401, ""), Verdict::Refused(_)));
        assert!(matches!(events(403, ""), Verdict::Refused(_)));
        assert!(matches!(events(404, ""), Verdict::Refused(_)));
        assert!(matches!(events(500, ""), Verdict::Unknown(_)));
        assert!(matches!(events(503, "1"), Verdict::Unknown(_)));
        assert!(matches!(events(204, ""), Verdict::Unknown(_)));
        let Verdict::NotTaken(failure) =
            judge_answer(Lane::Events, 3, 429, b"", Some(Duration::from_secs(9)))
        else {
            panic!("429 is an answer that says nothing was taken");
        };
        assert_eq!(failure.retry_after, Some(Duration::from_secs(9)));
    }

    #[test]
    fn updates_are_taken_with_status_one_only() {
        let people =
            |status, body: &str| judge_answer(Lane::People, 3, status, body.as_bytes(), None);
        assert_eq!(
            people(200, r#"{"status":1,"error":null}"#),
            Verdict::Delivered
        );
        assert_eq!(
            people(200, r#"{"status":0,"error":"x"}"#),
            Verdict::Halve(Reason::Request)
        );
        assert!(matches!(people(200, "hello"), Verdict::Unknown(_)));
        assert!(matches!(people(502, "1"), Verdict::Unknown(_)));
    }
}
