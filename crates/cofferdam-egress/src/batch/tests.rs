//! Arrangement of items into requests, against its rules.

use super::{Plan, Ready, assemble};
use crate::dialect::Lane;
use cofferdam_model::{
    Operation, OrganizationNumber, PersonNumber, Refusal, TimestampMs, Value, VendorId,
};
use cofferdam_policy::{VendorEvent, VendorItem, VendorSubject, VendorUpdate};
use proptest::prelude::*;
use std::io::Read;
use std::sync::Arc;

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);

fn ready(lane: Lane, subject: u32, repeatable: bool, number: usize) -> Ready {
    let marker: (Arc<str>, Value<'static>) = (Arc::from("n"), Value::Int(number as i64));
    let item = match lane {
        Lane::Events => VendorItem::Event(VendorEvent {
            vendor: VendorId::from("v"),
            person: PersonNumber(subject),
            organization: None,
            name: "Sign up, \"quoted\" [".to_owned(),
            time: NOW,
            distinct_id: format!("p{subject}"),
            insert_id: format!("i{number}"),
            properties: vec![marker],
            fate: Arc::default(),
        }),
        Lane::People | Lane::Groups => VendorItem::Update(VendorUpdate {
            vendor: VendorId::from("v"),
            person: Some(PersonNumber(subject)),
            organization: Some(OrganizationNumber(subject)),
            subject: match lane {
                Lane::Groups => VendorSubject::Group {
                    key: "org_id".to_owned(),
                    id: format!("g{subject}"),
                },
                _ => VendorSubject::Person {
                    distinct_id: format!("p{subject}"),
                },
            },
            operation: if repeatable {
                Operation::Set
            } else {
                Operation::Union
            },
            time: NOW,
            values: vec![marker],
            fate: Arc::default(),
        }),
    };
    Ready {
        seq: number as u64,
        item,
        lane,
        repeatable: repeatable || lane == Lane::Events,
        person: Some(PersonNumber(subject)),
        organization: Some(OrganizationNumber(subject)),
        fields: Arc::default(),
    }
}

fn items() -> impl Strategy<Value = Vec<Ready>> {
    let lane = prop_oneof![Just(Lane::Events), Just(Lane::People), Just(Lane::Groups)];
    prop::collection::vec((lane, 0u32..4, any::<bool>()), 0..60).prop_map(|items| {
        items
            .into_iter()
            .enumerate()
            .map(|(number, (lane, subject, repeatable))| ready(lane, subject, repeatable, number))
            .collect()
    })
}

/// The markers in a body, in order.
fn markers(lane: Lane, body: &[u8]) -> Vec<usize> {
    let mut plain = Vec::new();
    match lane {
        Lane::Events => {
            flate2::read::GzDecoder::new(body)
                .read_to_end(&mut plain)
                .unwrap();
        }
        Lane::People | Lane::Groups => plain.extend_from_slice(body),
    }
    let items: Vec<serde_json::Value> = serde_json::from_slice(&plain).unwrap();
    let places = ["/properties/n", "/$set/n", "/$union/n"];
    items
        .iter()
        .map(|item| {
            places
                .iter()
                .find_map(|place| item.pointer(place))
                .unwrap()
                .as_u64()
                .unwrap() as usize
        })
        .collect()
}

fn of(plan: &Plan) -> Vec<usize> {
    markers(plan.lane, &plan.body)
}

proptest! {
    #[test]
    fn every_item_goes_once_in_order_within_limits(items in items(), items_max in 1usize..8) {
        let assembled = assemble(&items, "token", NOW, items_max);
        let mut seen = vec![0; items.len()];
        let mut position = 0;
        let mut last_of = std::collections::HashMap::new();
        for plan in &assembled.plans {
            let markers = of(plan);
            prop_assert!(markers.len() <= items_max && !markers.is_empty());
            prop_assert_eq!(markers.len(), plan.items.len());
            for (number, at) in markers.iter().zip(&plan.items) {
                let item = &items[*number];
                seen[*number] += 1;
                prop_assert_eq!(*at, position);
                position += 1;
                prop_assert_eq!(assembled.metas[*at as usize].person, item.person);
                prop_assert_eq!((item.lane, item.repeatable), (plan.lane, plan.repeatable));
                let before = last_of.insert((item.lane, item.person), *number);
                prop_assert!(before.is_none_or(|before| before < *number), "order of one subject");
            }
        }
        prop_assert!(seen.iter().all(|count| *count == 1));
    }

    #[test]
    fn halves_hold_the_same_items_in_the_same_order(items in items()) {
        for plan in &assemble(&items, "token", NOW, 2000).plans {
            let count = plan.items.len();
            let halves = plan.lane.halve(&plan.body, count);
            prop_assert_eq!(halves.is_none(), count < 2);
            if let Some([one, other]) = halves {
                prop_assert_eq!([markers(plan.lane, &one), markers(plan.lane, &other)].concat(), of(plan));
            }
        }
    }
}

#[test]
fn what_the_vendor_would_never_take_is_left_out_and_counted() {
    let mut items: Vec<Ready> = (0..5)
        .map(|number| ready(Lane::Events, 1, true, number))
        .collect();
    if let VendorItem::Event(event) = &mut items[2].item {
        event.time = TimestampMs(NOW.0 + 3 * 3_600_000);
    }
    let assembled = assemble(&items, "token", NOW, 2000);
    assert_eq!(assembled.unsendable, [Refusal::Malformed]);
    assert_eq!(assembled.metas.len(), 4);
    assert_eq!(assembled.plans.len(), 1);
    assert_eq!(of(&assembled.plans[0]), [0, 1, 3, 4]);
}
