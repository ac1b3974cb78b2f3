//! What a request was read as, in a form that golden files can hold.

use cofferdam_model::{IdentityClaim, Incoming, Limits, Subject, Value};
use cofferdam_wire::mixpanel::{AnswerStyle, Endpoint, Outcome, Request, answer, decode};
use serde_json::{Value as Json, json};
use std::borrow::Cow;

/// Decodes, parses and answers a request.
pub(crate) fn request(endpoint: Endpoint, request: &Request<'_>) -> Json {
    let limits = Limits::default();
    let style = AnswerStyle::of(endpoint, request);
    let decoded = match decode(endpoint, request, &limits) {
        Ok(decoded) => decoded,
        Err(malformed) => return refused(&style, endpoint, malformed),
    };
    let batch = match decoded.parse(&limits) {
        Ok(batch) => batch,
        Err(malformed) => return refused(&decoded.style(), endpoint, malformed),
    };
    let kept = u32::try_from(batch.items.len()).unwrap();
    let outcome = Outcome::Kept {
        items: kept,
        rejected: &batch.rejected,
    };
    let notes: serde_json::Map<_, _> = batch
        .notes
        .counts()
        .filter(|(_, count)| *count > 0)
        .map(|(code, count)| (code.to_owned(), count.into()))
        .collect();
    let rejected: Vec<Json> = batch
        .rejected
        .iter()
        .map(|rejected| {
            json!([
                rejected.index,
                rejected.refusal.code(),
                rejected.field,
                rejected.message
            ])
        })
        .collect();
    json!({
        "items": batch.items.iter().map(item).collect::<Vec<_>>(),
        "rejected": rejected,
        "notes": notes,
        "token": decoded.token(),
        "credentials": format!("{:?}", decoded.credentials()),
        "answer": shown_answer(&decoded.style(), endpoint, &outcome),
    })
}

fn refused(style: &AnswerStyle, endpoint: Endpoint, malformed: cofferdam_wire::Malformed) -> Json {
    json!({
        "malformed": malformed.to_string(),
        "answer": shown_answer(style, endpoint, &Outcome::Malformed(malformed)),
    })
}

fn shown_answer(style: &AnswerStyle, endpoint: Endpoint, outcome: &Outcome<'_>) -> Json {
    let answer = answer(style, endpoint, outcome);
    json!([
        answer.status,
        answer.content_type,
        String::from_utf8_lossy(&answer.body)
    ])
}

fn item(item: &Incoming<'_>) -> Json {
    match item {
        Incoming::Event(event) => json!({
            "event": event.name,
            "index": event.index,
            "token": event.token,
            "time": event.time,
            "insert_id": event.insert_id,
            "identity": identity(&event.identity),
            "properties": members(&event.properties),
        }),
        Incoming::Update(update) => json!({
            "update": update.operation,
            "index": update.index,
            "token": update.token,
            "time": update.time,
            "subject": match &update.subject {
                Subject::Person => json!("person"),
                Subject::Group { key, id } => json!([key, id]),
            },
            "identity": identity(&update.identity),
            "values": members(&update.values),
        }),
    }
}

fn identity(claim: &IdentityClaim<'_>) -> Json {
    json!({
        "distinct_id": claim.distinct_id,
        "device_id": claim.device_id,
        "user_id": claim.user_id,
        "link": claim.link,
    })
}

fn members(members: &[(Cow<'_, str>, Value<'_>)]) -> Json {
    let map = members.iter().map(|(key, value)| {
        (
            key.clone().into_owned(),
            serde_json::to_value(value).unwrap(),
        )
    });
    Json::Object(map.collect())
}
