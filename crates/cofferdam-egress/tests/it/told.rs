//! Operations that must not be doubled: set and repeatable where the vendor was told all of the value, else sent once as they are.
//! What a vendor was not to have never comes back in the value of a later operation.

use crate::bench::{Bench, Setup, id};
use crate::vendor::{Behaviour, Vendor};
use crate::withdrawal::{change, object};
use cofferdam_model::{Category, Form, Operation};
use cofferdam_vault::{Choice, Scope};
use serde_json::{Value as Json, json};

async fn started() -> (Vendor, Bench) {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    (vendor, bench)
}

/// Each update that the vendor was given, as `[operator, value]`.
fn said(vendor: &Vendor) -> Vec<Json> {
    let operators = ["$set", "$add", "$append", "$union"];
    vendor
        .received()
        .iter()
        .flat_map(|request| request.items())
        .flat_map(|item| {
            operators.map(|name| item.get(name).map(|values| json!([name, values["marker"]])))
        })
        .flatten()
        .collect()
}

async fn told(bench: &Bench, operation: Operation, marker: i64) {
    bench.update(1, operation, marker).await;
    bench.drained("a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_absolute_value_is_set_and_may_be_repeated() {
    let (vendor, bench) = started().await;
    told(&bench, Operation::Set, 70).await;
    vendor.behave(Behaviour::FailAndKeep);
    bench.update(1, Operation::Add, 7).await;
    vendor.requests(3).await;
    vendor.behave(Behaviour::Ok);
    let status = bench.drained("a").await;
    assert_eq!((status.totals.delivered, status.totals.unknown), (2, 0));
    let said = said(&vendor);
    assert!(said.len() >= 3, "{said:?}");
    assert!(said[1..].iter().all(|one| *one == json!(["$set", 77])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_of_one_batch_build_on_each_other() {
    let (vendor, bench) = started().await;
    bench.update(1, Operation::Set, 1).await;
    bench.update(1, Operation::Append, 2).await;
    bench.update(1, Operation::Union, 2).await;
    bench.update(2, Operation::Append, 3).await;
    bench.drained("a").await;
    let mut said = said(&vendor);
    said.sort_by_key(Json::to_string);
    let wanted = [
        json!(["$append", 3]),
        json!(["$set", 1]),
        json!(["$set", [1, 2]]),
        json!(["$set", [1, 2]]),
    ];
    assert_eq!(said, wanted, "what nobody set, the vendor may hold more of");
}

/// The value is set, then something happens around a `$append 2`, and a `$append 3` follows.
async fn around(happens: impl AsyncFnOnce(&Bench)) -> Vec<Json> {
    let (vendor, bench) = started().await;
    told(&bench, Operation::Set, 1).await;
    happens(&bench).await;
    told(&bench, Operation::Append, 3).await;
    said(&vendor)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_during_containment_never_comes_back() {
    let said = around(async |bench| {
        let permit = bench.permit().await;
        bench.egress.contain(&permit, &id("a")).await.unwrap();
        bench.update(1, Operation::Append, 2).await;
        bench.resume("a").await;
    });
    assert_eq!(said.await, [json!(["$set", 1]), json!(["$append", 3])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_while_the_contract_did_not_list_it_never_comes_back() {
    let said = around(async |bench| {
        change(bench, |source| {
            for vendor in &mut source.vendors {
                vendor.receives.remove(&Category::of("user.behavior"));
            }
        });
        bench.update(1, Operation::Append, 2).await;
        bench
            .until("a", "the journal's end", |status| {
                status.backlog_records == 0
            })
            .await;
        change(bench, |source| {
            for vendor in &mut source.vendors {
                let behavior = Category::of("user.behavior");
                vendor.receives.insert(behavior, Form::Clear);
            }
        });
    });
    assert_eq!(said.await, [json!(["$set", 1]), json!(["$append", 3])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_under_an_objection_never_comes_back() {
    let said = around(async |bench| {
        object(bench, "u-1").await;
        bench.update(1, Operation::Append, 2).await;
        bench
            .until("a", "the journal's end", |status| {
                status.backlog_records == 0
            })
            .await;
        let number = bench.vault.lookup(&crate::bench::project(), "u-1").unwrap();
        let scope = Scope::Vendor(id("a"));
        let said = bench.vault.set_choice(number, scope, Choice::OptedIn);
        said.await.unwrap();
    });
    assert_eq!(said.await, [json!(["$set", 1]), json!(["$append", 3])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_the_operation_goes_as_it_is() {
    let (vendor, bench) = started().await;
    told(&bench, Operation::Set, 1).await;
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    told(&bench, Operation::Append, 3).await;
    assert_eq!(said(&vendor), [json!(["$set", 1]), json!(["$append", 3])]);
}
