//! Single answers: replays, what cannot be known, `seen`, the shape of the JSON.

use super::model::key;
use super::property::{DAY, coverage, open, request, sets_of};
use crate::{
    Basis, Coverage, FieldSetId, Gap, Outcome, PastItem, PossibleItem, RadiusRequest, Routing,
    SeenItem,
};
use cofferdam_model::{Category, Day, Form, MergeMap, PersonNumber, ProjectName, VendorId};

fn item(fields: FieldSetId, person: u32) -> PossibleItem {
    PossibleItem {
        person: Some(PersonNumber(person)),
        organization: None,
        fields,
        is_event: true,
    }
}

#[test]
fn a_replayed_outbox_number_counts_its_events_once() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = VendorId::from("mixpanel");
    for _ in 0..3 {
        let ledger = open(dir.path());
        let sets = sets_of(&ledger);
        let batch = ledger
            .possible_once(&vendor, 7, Day(DAY), &[item(sets[0], 1)])
            .unwrap();
        ledger.settle(batch, &Outcome::delivered()).unwrap();
        ledger.checkpoint().unwrap();
        let radius = ledger
            .radius_of(
                &request(0, 0, 1, Basis::Sent),
                &MergeMap::new(),
                &coverage(),
            )
            .unwrap();
        assert_eq!(
            (radius.events, radius.people, radius.people_possible),
            (1, 1, 0)
        );
    }
}

#[test]
fn a_past_that_is_told_again_counts_once_on_its_own_days_and_is_no_coverage() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = VendorId::from("mixpanel");
    let told = |ledger: &crate::Ledger, through, days: &[(u32, i32)]| {
        let sets = sets_of(ledger);
        let items: Vec<PastItem> = days
            .iter()
            .map(|(person, day)| PastItem {
                person: Some(PersonNumber(*person)),
                organization: None,
                day: Day(DAY + day),
                fields: sets[0],
                is_event: true,
            })
            .collect();
        ledger.past(&vendor, "f1", through, &items).unwrap();
    };
    let first = [(1, -400), (2, -400), (1, -399)];
    // The second time is a stretch that is told again after a crash.
    for _ in 0..2 {
        let ledger = open(dir.path());
        told(&ledger, 3, &first);
        ledger.checkpoint().unwrap();
    }
    told(&open(dir.path()), 4, &[(9, -398)]);
    let ledger = open(dir.path());
    let ask = |since, until| {
        let request = request(0, since, until, Basis::Sent);
        let radius = ledger
            .radius_of(&request, &MergeMap::new(), &coverage())
            .unwrap();
        assert!(radius.not_exposed.is_empty() && !radius.gaps.is_empty());
        (radius.events, radius.people, radius.people_possible)
    };
    assert_eq!(ask(-400, -398), (4, 3, 0));
    assert_eq!(ask(-400, -400), (2, 2, 0));
    assert_eq!(ask(-398, -398), (1, 1, 0));
    assert_eq!(ledger.announced(&vendor).unwrap(), None);
    assert_eq!(ledger.vendors().unwrap(), [vendor]);
    ledger.verify().unwrap();
}

#[test]
fn nothing_is_called_not_exposed_where_it_cannot_be_known() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let sets = sets_of(&ledger);
    let vendor = VendorId::from("mixpanel");
    ledger
        .possible(&vendor, Day(DAY), &[item(sets[0], 1)])
        .unwrap();
    let ask = |request: &RadiusRequest, coverage: &Coverage| {
        ledger
            .radius_of(request, &MergeMap::new(), coverage)
            .unwrap()
    };
    let email = Category::of("user.contact.email");
    let plain = ask(&request(0, 0, 1, Basis::Sent), &coverage());
    assert!(plain.not_exposed.contains(&email) && plain.unknown.is_empty());
    assert!(!plain.not_exposed.contains(&Category::of("user.behavior")));
    assert!(
        !plain.not_exposed.contains(&Category::of("user")),
        "a part of it went out"
    );
    let blind =
        |radius: &crate::Radius| radius.not_exposed.is_empty() && radius.unknown.contains(&email);
    let partial = Coverage {
        routing: Routing::Partial,
        ..coverage()
    };
    assert!(blind(&ask(&request(0, 0, 1, Basis::Sent), &partial)));
    assert!(blind(&ask(
        &request(0, 0, 1, Basis::Sent),
        &Coverage::default()
    )));
    let early = ask(&request(0, -11, 1, Basis::Sent), &coverage());
    assert!(blind(&early));
    assert_eq!(
        (early.gaps[0].since, early.gaps[0].until),
        (Day(DAY - 11), Day(DAY - 11))
    );
    let held = ask(
        &request(0, 0, 1, Basis::Held),
        &Coverage {
            nothing_before: false,
            ..coverage()
        },
    );
    assert!(blind(&held), "the vendor may hold what was sent before");
    assert!(!blind(&ask(&request(0, 0, 1, Basis::Held), &coverage())));
    let gap = Gap {
        since: Day(DAY + 5),
        until: Day(DAY + 6),
        reason: "outage".into(),
    };
    ledger.gap(Some(&vendor), &gap).unwrap();
    ledger.gap(Some(&vendor), &gap).unwrap();
    assert!(!blind(&ask(&request(0, 0, 4, Basis::Sent), &coverage())));
    assert_eq!(
        ask(&request(0, 0, 5, Basis::Sent), &coverage()).gaps.len(),
        1
    );
    assert!(blind(&ask(&request(0, 6, 9, Basis::Sent), &coverage())));
    let open = [
        (20, "unclassified", Form::Clear, true),
        (21, "user.content", Form::Clear, true),
        (22, "user.content", Form::Token, false),
    ];
    for (day, category, form, is_blind) in open {
        let strange = ledger
            .field_set(&[key("properties.x", category, form)])
            .unwrap();
        ledger
            .possible(&vendor, Day(DAY + day), &[item(strange, 1)])
            .unwrap();
        let on_it = ask(&request(0, day, day, Basis::Sent), &coverage());
        assert_eq!(blind(&on_it), is_blind, "{category} as {form:?}");
    }
    assert!(!blind(&ask(&request(0, 18, 19, Basis::Sent), &coverage())));
}

#[test]
fn seen_is_exact_over_replays() {
    let dir = tempfile::tempdir().unwrap();
    let project = ProjectName::from("console");
    for _ in 0..2 {
        let ledger = open(dir.path());
        let sets = sets_of(&ledger);
        let seen = |person| SeenItem {
            person: Some(PersonNumber(person)),
            day: Day(DAY + person as i32),
            fields: sets[1],
            is_event: true,
        };
        ledger
            .seen(&[(project.clone(), vec![seen(0), seen(1)])], 2)
            .unwrap();
        ledger.seen(&[(project.clone(), vec![seen(2)])], 3).unwrap();
        ledger.seen(&[(project.clone(), vec![seen(2)])], 3).unwrap();
        ledger.sync().unwrap();
        assert_eq!(ledger.cursor().unwrap(), 3);
        let window = crate::plan::Window::sent(Day(DAY), Day(DAY + 9));
        let stream = crate::state::seen_stream(&project);
        let united = ledger.united(&stream, window, &MergeMap::new()).unwrap();
        assert_eq!(united.plan.events, 3);
        assert!(united.fields().iter().all(|field| field.people == 3));
        ledger.checkpoint().unwrap();
    }
}

#[test]
fn a_radius_serializes_as_the_api_says() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let sets = sets_of(&ledger);
    ledger
        .possible(&VendorId::from("mixpanel"), Day(DAY), &[item(sets[0], 1)])
        .unwrap();
    let mut request = request(0, 0, 1, Basis::Sent);
    request.known = vec![Category::of("user.behavior"), Category::of("user.name")];
    let radius = ledger
        .radius_of(&request, &MergeMap::new(), &coverage())
        .unwrap();
    insta::assert_json_snapshot!(radius, @r#"
    {
      "vendor": "mixpanel",
      "basis": "sent",
      "since": "2024-10-04",
      "until": "2024-10-05",
      "people": 1,
      "people_possible": 1,
      "organizations": 0,
      "organizations_at_least": false,
      "events": 1,
      "fields": [
        {
          "field": "distinct_id",
          "category": "user.unique_id",
          "form": "token",
          "people": 1,
          "first": "2024-10-04",
          "last": "2024-10-04"
        },
        {
          "field": "event",
          "category": "user.behavior",
          "form": "clear",
          "people": 1,
          "first": "2024-10-04",
          "last": "2024-10-04"
        }
      ],
      "categories": [
        {
          "category": "user.behavior",
          "sensitivity": "behavioral",
          "people": 1
        },
        {
          "category": "user.unique_id",
          "sensitivity": "simple",
          "people": 1
        }
      ],
      "not_exposed": [
        "user.name"
      ],
      "unknown": [],
      "coverage": "routed",
      "complete_from": "2024-09-24",
      "complete_through": "2027-07-01",
      "gaps": []
    }
    "#);
}

#[test]
fn organizations_are_at_least_so_many_where_ids_of_them_went() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let sets = sets_of(&ledger);
    let vendor = VendorId::from("mixpanel");
    let ask = || {
        let asked = request(0, 0, 1, Basis::Sent);
        let radius = ledger.radius_of(&asked, &MergeMap::new(), &coverage());
        radius.unwrap().organizations_at_least
    };
    ledger
        .possible(&vendor, Day(DAY), &[item(sets[0], 1)])
        .unwrap();
    assert!(!ask(), "no field of these holds an id of an organization");
    let field = key("profile.teams", "user.contact.organization.id", Form::Token);
    let set = ledger.field_set(&[field]).unwrap();
    ledger.possible(&vendor, Day(DAY), &[item(set, 1)]).unwrap();
    assert!(ask());
}

#[test]
fn the_days_on_record_are_the_vendors_own_wherever_they_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let sets = sets_of(&ledger);
    let (one, other) = (VendorId::from("mixpanel"), VendorId::from("other"));
    assert_eq!(ledger.days(&one).unwrap(), None);
    for day in [70, 0, 3] {
        let items = [item(sets[0], 1)];
        ledger.possible(&one, Day(DAY + day), &items).unwrap();
    }
    let items = [item(sets[0], 1)];
    ledger.possible(&other, Day(DAY + 400), &items).unwrap();
    let days = Some((Day(DAY), Day(DAY + 70)));
    assert_eq!(ledger.days(&one).unwrap(), days);
    ledger.checkpoint().unwrap();
    assert_eq!(ledger.days(&one).unwrap(), days, "also from files");
    let items = [item(sets[0], 1)];
    ledger.possible(&one, Day(DAY - 1), &items).unwrap();
    assert_eq!(
        ledger.days(&one).unwrap(),
        Some((Day(DAY - 1), Day(DAY + 70)))
    );
}
