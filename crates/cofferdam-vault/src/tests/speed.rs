//! Bytes and nanoseconds. The bounds on memory are asserted; times are printed (`--nocapture`), never asserted.

use super::*;
use crate::identity::index::People;
use cofferdam_model::{IdKind, Pseudonyms, Sealer};
use std::time::Instant;

#[test]
fn an_id_takes_at_most_90_bytes() {
    const { assert!(People::BYTES_PER_ID_MAX <= 90) };
}

fn timed(what: &str, count: usize, work: &mut dyn FnMut()) {
    let start = Instant::now();
    work();
    let each = start.elapsed().as_nanos() / count as u128;
    println!("{what}: {each} ns each, {count} times");
}

/// How many ids the times are taken over: few in a plain test run, enough for steady figures under `COFFERDAM_PROVE=1`.
fn ids_count() -> u32 {
    let full = std::env::var_os("COFFERDAM_PROVE").is_some();
    if full { 200_000 } else { 2_000 }
}

#[test]
fn every_operation_works_over_many_ids_and_tells_its_time() {
    let count = ids_count();
    let entries = count as usize / 100;
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let fixture = Fixture::new();
    let vault = runtime.block_on(fixture.vault());
    let ids: Vec<(String, String)> = (0..count)
        .map(|n| (format!("user-{n}@example.com"), format!("device-{n}")))
        .collect();
    let mut journal = Vec::new();
    timed("resolve two new ids and link them", ids.len(), &mut || {
        for (user, device) in &ids {
            journaled(&vault, &by_device(device, Some(user)), &mut journal);
        }
    });
    timed("project a definition", journal.len(), &mut || {
        for (chunk, part) in journal.chunks(6_000).enumerate() {
            runtime.block_on(vault.apply(part, chunk as u64)).unwrap();
        }
    });
    timed("resolve a known id", ids.len(), &mut || {
        for (user, _) in &ids {
            vault
                .resolve(&project(), &by_id(user), Provenance::Claimed)
                .unwrap();
        }
    });
    timed("resolve known user and device", ids.len(), &mut || {
        for (user, device) in &ids {
            let claim = by_device(device, Some(user));
            vault
                .resolve(&project(), &claim, Provenance::Claimed)
                .unwrap();
        }
    });
    let domain = runtime.block_on(domain(&vault, "mixpanel"));
    timed("token", ids.len(), &mut || {
        for (user, _) in &ids {
            std::hint::black_box(vault.token(&domain, IdKind::Person, user));
        }
    });
    let mut sealed = Vec::new();
    timed("seal 100 bytes", ids.len(), &mut || {
        for number in 0..count {
            sealed.clear();
            Sealer::seal(&*vault, PersonNumber(number), b"", &[7; 100], &mut sealed).unwrap();
        }
    });
    timed("open 100 bytes", ids.len(), &mut || {
        for _ in 0..count {
            std::hint::black_box(Sealer::open(&*vault, PersonNumber(count - 1), b"", &sealed))
                .unwrap();
        }
    });
    let payload = vec![7; 50_000];
    timed("encrypt an entry of 50 kB", entries, &mut || {
        for _ in 0..entries {
            std::hint::black_box(vault.encrypt_entry(&payload));
        }
    });
    timed("merge map of a link an id", 1, &mut || {
        std::hint::black_box(vault.merge_map());
    });
    drop(vault);
    timed("open a vault, per id", 2 * ids.len(), &mut || {
        std::hint::black_box(runtime.block_on(fixture.vault()));
    });
}
