//! The way of an event when nothing is wrong: what arrives, in what order, and what is durable before.

use crate::bench::{Bench, Setup, id, radius};
use crate::vendor::{Behaviour, Vendor, marker};
use cofferdam_access::{Permit, ReadRadius};
use cofferdam_egress::SendState;
use cofferdam_model::{Operation, Refusal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_arrives_once_and_only_what_the_contract_lists() {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    for start in (0..5_000).step_by(500) {
        bench.events(start..start + 500, 37).await;
    }
    let status = bench.drained("a").await;
    let mut taken = vendor.taken();
    taken.sort_unstable();
    assert_eq!(taken, (0..5_000).collect::<Vec<_>>());
    assert_eq!(
        (
            status.totals.delivered,
            status.totals.announced,
            status.totals.refused_sum()
        ),
        (5_000, 5_000, 0)
    );
    let raw: String = vendor
        .received()
        .iter()
        .map(|request| serde_json::to_string(&request.items()).unwrap())
        .collect();
    // With its quotes: a token may hold the letters by chance.
    assert!(
        raw.contains("Sign up") && !raw.contains("ada@example.com") && !raw.contains("\"u-1\"")
    );
    assert!(
        status
            .withheld
            .iter()
            .any(|field| &*field.field == "properties.email"),
        "{:?}",
        status.withheld
    );
    let radius = bench.radius("a").await;
    assert_eq!(
        (radius.people, radius.people_possible, radius.events),
        (37, 0, 5_000)
    );
    let proof = bench.egress.sent_records(&id("a")).await.unwrap();
    assert!(
        proof.is_complete
            && proof.records.len() == 5_000
            && proof.records.iter().all(|record| record.delivered)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exposure_is_durable_before_the_first_byte_leaves() {
    type Context = (
        Arc<cofferdam_ledger::Ledger>,
        Arc<cofferdam_vault::Vault>,
        Permit<ReadRadius>,
    );
    let context: Arc<OnceLock<Context>> = Arc::default();
    let people = Arc::new(AtomicU64::new(0));
    let probe = {
        let (context, people) = (Arc::clone(&context), Arc::clone(&people));
        Arc::new(move || {
            let (ledger, vault, permit) = context.get().unwrap();
            people.fetch_max(radius(ledger, vault, permit, "a").people, Ordering::SeqCst);
        })
    };
    let vendor = Vendor::start(Some(probe)).await;
    vendor.behave(Behaviour::Hang);
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    let permit = Permit::for_system(&bench.audit, "test").await.unwrap();
    context
        .set((Arc::clone(&bench.ledger), Arc::clone(&bench.vault), permit))
        .unwrap();
    bench.events(0..10, 10).await;
    vendor.requests(1).await;
    assert_eq!(
        people.load(Ordering::SeqCst),
        10,
        "when the first byte arrived the ledger knew all of them"
    );
    assert_eq!(
        bench.radius("a").await.people_possible,
        10,
        "and nothing is confirmed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_of_one_person_keep_their_order() {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    let operations = [
        Operation::Add,
        Operation::Append,
        Operation::SetOnce,
        Operation::Union,
        Operation::Set,
        Operation::SetOnce,
    ];
    for (number, operation) in (0i64..).zip(operations) {
        for person in 0..3 {
            bench.update(person, operation, person * 100 + number).await;
        }
    }
    bench.drained("a").await;
    let taken = vendor.taken();
    for person in 0..3 {
        let of: Vec<i64> = taken
            .iter()
            .copied()
            .filter(|marker| marker / 100 == person)
            .collect();
        assert_eq!(
            of,
            (0..6)
                .map(|number| person * 100 + number)
                .collect::<Vec<_>>()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_be_doubled_goes_once_where_the_outcome_is_unknown() {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    vendor.behave(Behaviour::FailAndKeep);
    bench.update(1, Operation::Add, 5).await;
    let status = bench.drained("a").await;
    assert_eq!((status.totals.delivered, status.totals.unknown), (0, 1));
    assert_eq!(
        status.totals.withheld.get(&Refusal::NotRepeatable),
        None,
        "it was sent, so it is not withheld"
    );
    assert_eq!(vendor.received().len(), 1);
    // An answer that says that nothing was taken is not an unknown outcome.
    vendor.behave(Behaviour::Answer(429, "", "retry-after: 1\r\n"));
    bench.update(1, Operation::Append, 6).await;
    vendor.requests(3).await;
    vendor.behave(Behaviour::Ok);
    let status = bench.drained("a").await;
    assert_eq!((status.totals.delivered, status.totals.unknown), (1, 1));
    assert_eq!(vendor.taken(), [5, 6]);
    assert_eq!(bench.radius("a").await.people, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_vendors_share_no_value_that_could_be_joined() {
    let (one, other) = (Vendor::start(None).await, Vendor::start(None).await);
    let bench = Bench::new(&[("a", &one), ("b", &other)], Setup::default()).await;
    bench.events(0..50, 7).await;
    bench.drained("a").await;
    bench.drained("b").await;
    bench
        .until("a", "rest", |status| status.state == SendState::Idle)
        .await;
    let ids = |vendor: &Vendor| {
        let items = vendor
            .received()
            .iter()
            .flat_map(|request| request.items())
            .collect::<Vec<_>>();
        assert!(items.iter().all(|item| marker(item) >= 0));
        let of = |name: &str| {
            items
                .iter()
                .map(|item| item["properties"][name].to_string())
                .collect::<std::collections::BTreeSet<_>>()
        };
        (of("distinct_id"), of("$insert_id"))
    };
    let (one, other) = (ids(&one), ids(&other));
    assert_eq!((one.0.len(), other.0.len(), one.1.len()), (7, 7, 50));
    assert!(one.0.is_disjoint(&other.0) && one.1.is_disjoint(&other.1));
}
