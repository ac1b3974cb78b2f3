//! What waits in the outbox, when somebody is forgotten or says no, or the contract gets narrower: it does not go, not again
//! either; the rest does; what may have left stays in the ledger.

use crate::bench::{Bench, PATIENCE, Setup, id, project, source};
use crate::vendor::{Behaviour, Received, Vendor, marker};
use cofferdam_access::{Erase, Permit};
use cofferdam_egress::{Hook, Step, VendorStatus};
use cofferdam_model::{Category, Form, Operation, Refusal};
use cofferdam_policy::{Policy, PolicyId};
use cofferdam_vault::{Choice, Scope, Who};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, mpsc};

const DOWN: Behaviour = Behaviour::Answer(500, "", "");

async fn forget(bench: &Bench, person: &str) {
    let permit: Permit<Erase> = Permit::for_system(&bench.audit, "test").await.unwrap();
    let (project, who) = (project(), Who::Id(person));
    let erased = bench.vault.erase(&permit, &project, who, None);
    erased.await.unwrap();
}

pub(crate) async fn object(bench: &Bench, person: &str) {
    let number = bench.vault.lookup(&project(), person).unwrap();
    let scope = Scope::Vendor(id("a"));
    let said = bench.vault.set_choice(number, scope, Choice::Objected);
    said.await.unwrap();
}

/// Puts a policy in force that differs from the one at intake.
pub(crate) fn change(bench: &Bench, edit: impl FnOnce(&mut cofferdam_policy::PolicySource)) {
    let mut changed = source(&[id("a")]);
    edit(&mut changed);
    let policy = Policy::compile(PolicyId(2), changed).unwrap();
    bench.policies.send_replace(Arc::new(policy));
}

/// Markers in the requests from one on; -1 where there is none.
fn markers(requests: &[Received]) -> BTreeSet<i64> {
    requests
        .iter()
        .flat_map(Received::items)
        .map(|item| marker(&item))
        .collect()
}

fn insert_ids(requests: &[Received]) -> BTreeSet<String> {
    requests
        .iter()
        .flat_map(Received::items)
        .map(|item| item["properties"]["$insert_id"].to_string())
        .collect()
}

/// Ten events of five people wait for a vendor that has answered 500 twice; then something happens, and the vendor recovers.
async fn attempted(
    happens: impl AsyncFnOnce(&Bench),
) -> (Bench, Vec<Received>, VendorStatus, usize) {
    let vendor = Vendor::start(None).await;
    vendor.behave(DOWN);
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    bench.events(0..10, 5).await;
    vendor.requests(2).await;
    // The worker waits for its turn or an answer: what is on its way at this moment is of before.
    happens(&bench).await;
    let failures = bench.status("a").await.failures;
    bench
        .until("a", "an attempt that began afterwards", |status| {
            status.failures >= failures + 2 || status.backlog_records == 0
        })
        .await;
    let before = vendor.received().len();
    vendor.behave(Behaviour::Ok);
    let status = bench.drained("a").await;
    (bench, vendor.received(), status, before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempted_batch_goes_on_without_who_was_forgotten() {
    let (bench, received, status, before) =
        attempted(async |bench| forget(bench, "u-3").await).await;
    let (earlier, later) = received.split_at(before);
    assert_eq!(markers(later), [0, 1, 2, 4, 5, 6, 7, 9].into());
    assert!(
        insert_ids(later).is_subset(&insert_ids(&earlier[..1])),
        "the vendor recognizes what it may have already"
    );
    let totals = status.totals;
    assert_eq!(
        (totals.announced, totals.delivered, totals.unknown),
        (10, 8, 2)
    );
    assert_eq!(totals.withheld.get(&Refusal::Forgotten), Some(&2));
    let radius = bench.radius("a").await;
    assert_eq!(
        (radius.people, radius.people_possible, radius.events),
        (5, 1, 10),
        "what may have left stays possible"
    );
    let proof = bench.egress.sent_records(&id("a")).await.unwrap();
    let delivered = proof.records.iter().filter(|record| record.delivered);
    assert_eq!((proof.records.len(), delivered.count()), (10, 8));
    assert_eq!(
        bench.egress.cursor(),
        Some(10),
        "nothing is needed any more"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempted_batch_goes_on_without_who_objected() {
    let (_, received, status, before) = attempted(async |bench| object(bench, "u-0").await).await;
    let (_, later) = received.split_at(before);
    assert_eq!(markers(later), [1, 2, 3, 4, 6, 7, 8, 9].into());
    assert_eq!(status.totals.withheld.get(&Refusal::Objected), Some(&2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_the_contract_lost_does_not_go_again() {
    let (bench, received, status, before) = attempted(async |bench| {
        change(bench, |source| {
            let withheld = Category::of("user.job_title");
            let fields = &mut source.fields;
            fields.insert("properties.marker".to_owned(), withheld);
        });
    })
    .await;
    let (earlier, later) = received.split_at(before);
    assert_eq!(markers(later), [-1].into());
    assert_eq!(insert_ids(later), insert_ids(&earlier[..1]));
    let totals = status.totals;
    assert_eq!((totals.delivered, totals.unknown), (10, 0));
    assert_eq!(bench.radius("a").await.events, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempted_event_that_the_vendor_would_not_recognize_does_not_go_again() {
    let (_, received, status, before) = attempted(async |bench| {
        change(bench, |source| {
            let receives = &mut source.vendors[0].receives;
            receives.insert(Category::of("user.unique_id"), Form::Withheld);
            receives.insert(Category::of("user.device.device_id"), Form::Withheld);
        });
    })
    .await;
    assert_eq!(received.len(), before, "nothing went any more");
    let totals = status.totals;
    assert_eq!((totals.delivered, totals.unknown), (0, 10));
    assert_eq!(totals.withheld.get(&Refusal::NotRepeatable), Some(&10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wider_contract_leaves_an_attempted_batch_as_it_is() {
    let (_, received, status, _) = attempted(async |bench| {
        change(bench, |source| {
            let receives = &mut source.vendors[0].receives;
            receives.insert(Category::of("user.contact.email"), Form::Clear);
        });
    })
    .await;
    assert_eq!(status.totals.delivered, 10);
    crate::faults::assert_identical_retries(&received);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_ledger_was_not_told_of_does_not_go_with_a_batch_made_anew() {
    let vendor = Vendor::start(None).await;
    vendor.behave(DOWN);
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    change(&bench, |source| {
        let withheld = Category::of("user.job_title");
        let fields = &mut source.fields;
        fields.insert("properties.marker".to_owned(), withheld);
    });
    bench.events(0..10, 5).await;
    vendor.requests(2).await;
    bench.policies.send_replace(Arc::clone(&bench.policy));
    object(&bench, "u-3").await;
    let failures = bench.status("a").await.failures;
    bench
        .until("a", "an attempt that began afterwards", |status| {
            status.failures >= failures + 2
        })
        .await;
    vendor.behave(Behaviour::Ok);
    let status = bench.drained("a").await;
    assert_eq!(status.totals.delivered, 8);
    assert_eq!(markers(&vendor.received()), [-1].into());
    let radius = bench.radius("a").await;
    assert!(
        !radius
            .fields
            .iter()
            .any(|field| &*field.field == "properties.marker")
    );
    bench.events(10..12, 2).await;
    bench.drained("a").await;
    assert_eq!(
        markers(&vendor.received()),
        [-1, 10, 11].into(),
        "what is announced with it goes with it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_holds_for_what_a_restart_finds() {
    let vendor = Vendor::start(None).await;
    vendor.behave(DOWN);
    let vendors = [("a", &vendor)];
    let bench = Bench::new(&vendors, Setup::default()).await;
    bench.events(0..10, 5).await;
    for person in 0..5 {
        bench.update(person, Operation::Set, 100 + person).await;
    }
    vendor.requests(1).await;
    bench.egress.shutdown().await;
    forget(&bench, "u-1").await;
    let before = vendor.received().len();
    vendor.behave(Behaviour::Ok);
    let bench = bench.restart(&vendors, Setup::default()).await;
    let status = bench.drained("a").await;
    assert_eq!(
        markers(&vendor.received()[before..]),
        [0, 2, 3, 4, 5, 7, 8, 9, 100, 102, 103, 104].into()
    );
    assert_eq!(status.totals.delivered, 12);
    assert_eq!(status.totals.withheld.get(&Refusal::Forgotten), Some(&3));
}

/// Holds the worker at a step, once, until it is let go.
pub(crate) fn held_at(step: Step) -> (Hook, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (there, arrived) = mpsc::channel();
    let (go, released) = mpsc::channel::<()>();
    let once = Mutex::new(Some((there, released)));
    let hook: Hook = Arc::new(move |now| {
        if now == step
            && let Some((there, released)) = once.lock().unwrap().take()
        {
            there.send(()).unwrap();
            let _ = released.recv_timeout(PATIENCE);
        }
        true
    });
    (hook, arrived, go)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_never_left_is_made_anew_and_the_ledger_hears_only_of_that() {
    let vendor = Vendor::start(None).await;
    let (hook, arrived, go) = held_at(Step::Queued);
    let setup = Setup {
        hook: Some(hook),
        ..Setup::default()
    };
    let bench = Bench::new(&[("a", &vendor)], setup).await;
    bench.events(0..10, 5).await;
    tokio::task::block_in_place(|| arrived.recv_timeout(PATIENCE)).unwrap();
    forget(&bench, "u-3").await;
    object(&bench, "u-4").await;
    go.send(()).unwrap();
    let status = bench.drained("a").await;
    assert_eq!(markers(&vendor.received()), [0, 1, 2, 5, 6, 7].into());
    let totals = status.totals;
    assert_eq!(
        (totals.announced, totals.delivered, totals.unknown),
        (6, 6, 0)
    );
    let radius = bench.radius("a").await;
    assert_eq!((radius.people, radius.events), (3, 6));
    let proof = bench.egress.sent_records(&id("a")).await.unwrap();
    assert_eq!(proof.records.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_be_repeated_is_neither_doubled_nor_sent_against_an_objection() {
    let vendor = Vendor::start(None).await;
    vendor.behave(Behaviour::Answer(429, "", ""));
    let vendors = [("a", &vendor)];
    let bench = Bench::new(&[], Setup::default()).await;
    bench.events(0..2, 2).await;
    bench.update(0, Operation::Add, 100).await;
    bench.update(1, Operation::Add, 101).await;
    let bench = bench.restart(&vendors, Setup::default()).await;
    vendor.requests(2).await;
    object(&bench, "u-1").await;
    let failures = bench.status("a").await.failures;
    bench
        .until("a", "an attempt that began afterwards", |status| {
            status.failures >= failures + 2
        })
        .await;
    vendor.behave(Behaviour::Ok);
    bench.drained("a").await;
    assert_eq!(vendor.taken(), [0, 100]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_keeps_what_an_open_batch_was_made_of() {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    bench.events(0..4, 2).await;
    bench.drained("a").await;
    vendor.behave(DOWN);
    bench.events(4..10, 2).await;
    let status = bench
        .until("a", "a failure", |status| status.failures > 0)
        .await;
    assert_eq!(status.cursor, 10);
    assert_eq!(bench.egress.cursor(), Some(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_for_one_destination_never_goes_to_another() {
    let (one, other) = (Vendor::start(None).await, Vendor::start(None).await);
    one.behave(DOWN);
    let bench = Bench::new(&[], Setup::default()).await;
    bench.events(0..10, 5).await;
    for person in 0..5 {
        bench.update(person, Operation::Set, 100 + person).await;
    }
    let bench = bench.restart(&[("a", &one)], Setup::default()).await;
    one.requests(1).await;
    let bench = bench.restart(&[("a", &other)], Setup::default()).await;
    let status = bench.drained("a").await;
    assert_eq!(
        markers(&other.received()),
        [100, 101, 102, 103, 104].into(),
        "the first request may have reached the one; the second was never attempted"
    );
    let totals = status.totals;
    assert_eq!((totals.delivered, totals.unknown), (5, 10));
    assert_eq!(totals.withheld.get(&Refusal::NotRepeatable), Some(&10));
    bench.events(10..12, 2).await;
    bench.drained("a").await;
    assert_eq!(markers(&other.received()[1..]), [10, 11].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_while_the_vendor_moved_to_another_region_does_not_follow() {
    let (_, received, status, before) = attempted(async |bench| {
        change(bench, |source| {
            let vendor = &mut source.vendors[0];
            vendor.region = cofferdam_model::Region::from("US");
            source.projects[0].region = cofferdam_model::Region::from("US");
        });
    })
    .await;
    assert_eq!(received.len(), before, "nothing went any more");
    let totals = status.totals;
    assert_eq!((totals.delivered, totals.unknown), (0, 10));
    assert_eq!(totals.withheld.get(&Refusal::RegionMismatch), Some(&10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_configuration_that_is_unreadable_for_a_moment_loses_nothing() {
    for step in [Step::Queued, Step::Announced] {
        let vendor = Vendor::start(None).await;
        let (hook, arrived, go) = held_at(step);
        let setup = Setup {
            hook: Some(hook),
            ..Setup::default()
        };
        let bench = Bench::new(&[("a", &vendor)], setup).await;
        bench.events(0..10, 5).await;
        tokio::task::block_in_place(|| arrived.recv_timeout(PATIENCE)).unwrap();
        let before = Arc::clone(&bench.policies.borrow());
        change(&bench, |source| source.vendors.clear());
        go.send(()).unwrap();
        bench
            .until("a", "a hold", |status| {
                status.last_error == Some("no_policy")
            })
            .await;
        bench.policies.send_replace(before);
        let status = bench.drained("a").await;
        let totals = status.totals;
        assert_eq!((totals.delivered, totals.unknown), (10, 0), "{step:?}");
        assert!(!totals.withheld.contains_key(&Refusal::PolicyBroken));
    }
}
