//! The flows report: what people do before and after an event.
//!
//! Invariant: computed from one version of the store over canonical persons; every path has one event in each step or none, so
//! that the counts of a step and the links out of it add up.

mod kernel;
mod request;

#[cfg(test)]
mod tests;

use crate::buckets::Buckets;
use crate::funnel::window_ms;
use crate::selection::{Selection, at_most, invalid, zone};
use crate::sweep::{Source, Sweep, Wanted};
use crate::{QueryError, QueryLimits, Unit};
use cofferdam_access::{Permit, ReadReport};
use cofferdam_model::{MergeMap, TimestampMs};
use cofferdam_store::{CatalogInfo, Store};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use kernel::{NONE, Paths, Rules};
pub use request::{Flows, FlowsCount, FlowsEvent, FlowsLink, FlowsPath, FlowsRequest, FlowsStep};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Most events on either side.
const SIDE_MAX: u32 = 10;
/// Most events shown of a step.
const SHOWN_MAX: u32 = 100;
/// Most hidden events.
const HIDDEN_MAX: usize = 100;
/// Whole paths shown.
const TOP: usize = 20;
/// Stands for the events of a step that are not shown.
const OTHER: &str = "$other";

type Counts<K> = HashMap<K, u64, RandomState>;

/// Computes the report. Blocking: call it on a blocking thread; a set `cancelled` ends it soon.
///
/// # Errors
/// As [`crate::funnel`].
pub fn flows(
    permit: &Permit<ReadReport>,
    store: &Store,
    merges: &MergeMap,
    request: &FlowsRequest,
    cancelled: &AtomicBool,
) -> Result<Flows, QueryError> {
    let _ = permit;
    let (reader, limits) = (store.reader(), QueryLimits::default());
    let catalog = reader.catalog(&request.project);
    let plan = Plan::new(request, &catalog, &limits)?;
    let (from, to) = (TimestampMs(plan.wanted.from), TimestampMs(plan.wanted.to));
    let parts = reader.parts(&request.project, from, to);
    let mut answer = compute(&parts, &plan, merges, &limits, cancelled)?;
    answer.snapshot = reader.id().to_string();
    Ok(answer)
}

/// A request made ready.
#[derive(Debug)]
struct Plan {
    wanted: Wanted,
    rules: Rules,
    hide: Vec<String>,
    shown: usize,
}

impl Plan {
    fn new(
        request: &FlowsRequest,
        catalog: &CatalogInfo,
        limits: &QueryLimits,
    ) -> Result<Self, QueryError> {
        at_most("after", request.after as usize, SIDE_MAX as usize)?;
        at_most("before", request.before as usize, SIDE_MAX as usize)?;
        at_most("hide", request.hide.len(), HIDDEN_MAX)?;
        if request.after + request.before == 0 {
            return Err(invalid(
                "after",
                "ask for at least one event after or before".to_owned(),
            ));
        }
        if !(1..=SHOWN_MAX).contains(&request.events_max) {
            return Err(invalid(
                "events_max",
                format!("1 to {SHOWN_MAX} are allowed"),
            ));
        }
        let window = window_ms(request.window)?;
        let zone = zone(request.timezone.as_deref().unwrap_or("UTC"))?;
        let days = Buckets::new(
            request.from,
            request.to,
            &zone,
            Unit::Day,
            limits.buckets_max,
        )?;
        let mut columns = Vec::new();
        let anchor = Selection::new(&request.anchor, "anchor", &mut columns, catalog, limits)?;
        let beyond = if request.after > 0 { window } else { 0 };
        Ok(Self {
            rules: Rules {
                before: request.before as usize,
                after: request.after as usize,
                window,
                collapse: request.collapse_repeats,
                unique: request.count == FlowsCount::Uniques,
                anchors: days.from().0..days.to().0,
            },
            wanted: Wanted {
                from: days.from().0,
                to: days.to().0.saturating_add(beyond).saturating_add(1),
                selections: vec![anchor],
                every_row: true,
                columns,
                values: Vec::new(),
                events: true,
            },
            hide: request.hide.clone(),
            shown: request.events_max as usize,
        })
    }
}

fn compute<S: Source>(
    parts: &[S],
    plan: &Plan,
    merges: &MergeMap,
    limits: &QueryLimits,
    cancelled: &AtomicBool,
) -> Result<Flows, QueryError> {
    let mut sweep = Sweep::new(parts, &plan.wanted, merges, cancelled);
    let mut paths = Paths::new(&plan.rules, limits.timeline_bytes_max);
    // Numbers are given in the order of the sweep: what is hidden is looked up once for each.
    let mut hidden: Vec<bool> = Vec::new();
    sweep.run_named(&mut |hits, names| {
        for name in names.iter().skip(hidden.len()) {
            hidden.push(plan.hide.iter().any(|hide| **hide == **name));
        }
        paths.add(hits, &|event| {
            hidden.get(event as usize).copied().unwrap_or(false)
        })
    })?;
    Ok(answer(plan, &paths, sweep.events()))
}

/// Counts steps, links and whole paths.
fn answer(plan: &Plan, paths: &Paths<'_>, names: &[Arc<str>]) -> Flows {
    let width = paths.width();
    let mut steps: Vec<Counts<u32>> = vec![Counts::default(); width];
    let mut whole: Counts<&[u32]> = Counts::default();
    for path in paths.events.chunks(width) {
        for (counts, event) in steps.iter_mut().zip(path) {
            if *event != NONE {
                *counts.entry(*event).or_default() += 1;
            }
        }
        *whole.entry(path).or_default() += 1;
    }
    let name = |event: u32| names.get(event as usize).map_or(OTHER, |name| &**name);
    let ranked = |counts: &Counts<u32>| {
        let mut ranked: Vec<(u32, u64)> = counts
            .iter()
            .map(|(event, count)| (*event, *count))
            .collect();
        ranked.sort_by(|one, other| {
            other
                .1
                .cmp(&one.1)
                .then_with(|| name(one.0).cmp(name(other.0)))
        });
        ranked
    };
    let ranked: Vec<Vec<(u32, u64)>> = steps.iter().map(ranked).collect();
    let is_shown = |step: usize, event: u32| {
        let shown = ranked.get(step).into_iter().flatten().take(plan.shown);
        shown.into_iter().any(|(known, _)| *known == event)
    };
    let mut links: Counts<(usize, &str, &str)> = Counts::default();
    for (path, count) in &whole {
        for (step, pair) in path.windows(2).enumerate() {
            let label = |step: usize, event: u32| {
                if is_shown(step, event) {
                    name(event)
                } else {
                    OTHER
                }
            };
            let link = match pair {
                [NONE, NONE] => continue,
                [NONE, to] => ("$start", label(step + 1, *to)),
                [from, NONE] => (label(step, *from), "$end"),
                [from, to] => (label(step, *from), label(step + 1, *to)),
                _ => continue,
            };
            *links.entry((step, link.0, link.1)).or_default() += count;
        }
    }
    let offset = |step: usize| {
        i32::try_from(step).unwrap_or(0) - i32::try_from(plan.rules.before).unwrap_or(0)
    };
    Flows {
        paths: (paths.events.len() / width) as u64,
        steps: ranked
            .iter()
            .enumerate()
            .map(|(step, events)| FlowsStep {
                offset: offset(step),
                events: shown(events, plan.shown, &name),
            })
            .collect(),
        links: sorted(links)
            .into_iter()
            .map(|((step, from, to), count)| FlowsLink {
                offset: offset(step),
                from: from.to_owned(),
                to: to.to_owned(),
                count,
            })
            .collect(),
        top: top(plan, whole, &name),
        snapshot: String::new(),
    }
}

fn shown<'a>(events: &[(u32, u64)], max: usize, name: &impl Fn(u32) -> &'a str) -> Vec<FlowsEvent> {
    let one = |event: &str, count| FlowsEvent {
        event: event.to_owned(),
        count,
    };
    let mut shown: Vec<FlowsEvent> = events
        .iter()
        .take(max)
        .map(|(event, count)| one(name(*event), *count))
        .collect();
    let rest: u64 = events.iter().skip(max).map(|(_, count)| count).sum();
    if rest > 0 {
        shown.push(one(OTHER, rest));
    }
    shown
}

/// By step, then by count descending, then by name.
fn sorted<'a>(links: Counts<(usize, &'a str, &'a str)>) -> Vec<((usize, &'a str, &'a str), u64)> {
    let mut all: Vec<_> = links.into_iter().collect();
    all.sort_by(|one, other| {
        (one.0.0.cmp(&other.0.0))
            .then(other.1.cmp(&one.1))
            .then(one.0.cmp(&other.0))
    });
    all
}

fn top<'a>(plan: &Plan, whole: Counts<&[u32]>, name: &impl Fn(u32) -> &'a str) -> Vec<FlowsPath> {
    let texts = |path: &[u32]| -> Vec<&'a str> {
        path.iter()
            .filter(|event| **event != NONE)
            .map(|event| name(*event))
            .collect()
    };
    let mut all: Vec<(&[u32], u64)> = whole.into_iter().collect();
    all.sort_by(|one, other| {
        other
            .1
            .cmp(&one.1)
            .then_with(|| texts(one.0).cmp(&texts(other.0)))
    });
    let path = |(path, count): (&[u32], u64)| FlowsPath {
        events: texts(path).into_iter().map(str::to_owned).collect(),
        anchor: u32::try_from(
            path.iter()
                .take(plan.rules.before)
                .filter(|event| **event != NONE)
                .count(),
        )
        .unwrap_or(0),
        count,
    };
    all.into_iter().take(TOP).map(path).collect()
}
