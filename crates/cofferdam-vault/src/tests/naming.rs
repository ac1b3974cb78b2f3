//! Keyed names: what counts as the same group and as the same event, and what only looks like it.

use super::{Fixture, project};
use cofferdam_model::{Day, Pseudonyms};

#[tokio::test]
async fn a_group_is_named_by_key_and_id_and_by_nothing_that_looks_like_them() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let number = |group, id| {
        let found = vault.resolve_organization(&project(), group, id, true);
        found.unwrap().number
    };
    let names = [
        (Some("a"), "b:c"),
        (Some("a:b"), "c"),
        (None, "a:b:c"),
        (None, "c"),
    ];
    let numbers: Vec<_> = names.map(|(group, id)| number(group, id)).into();
    for (at, one) in numbers.iter().enumerate() {
        assert!(!numbers[at + 1..].contains(one), "{:?}", names[at]);
        assert_eq!(number(names[at].0, names[at].1), *one);
    }
    let unseen = vault.resolve_organization(&project(), None, "new", false);
    assert_eq!(unseen, None);
}

#[tokio::test]
async fn an_event_is_the_same_on_its_day_only() {
    let fixture = Fixture::new();
    let vault = fixture.vault().await;
    let key = |day: Option<i32>| vault.insert_key(&project(), day.map(Day), "e", "u1", "i1");
    assert_eq!(key(Some(20_000)), key(Some(20_000)));
    assert_ne!(key(Some(20_000)), key(Some(20_001)));
    assert_ne!(key(Some(20_000)), key(None));
}
