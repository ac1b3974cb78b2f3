//! The flows report: what people do before and after an event.
//!
//! Invariant: computed from one version of the store over canonical persons; every path has one event in each step or none, so
//! that the counts of a step and the links out of it add up.

mod bar;
mod kernel;
mod request;

#[cfg(test)]
mod tests;

use crate::buckets::Buckets;
use crate::columns::{Columns, Context};
use crate::funnel::window_ms;
use crate::selection::{Selection, at_most, invalid, zone};
use crate::sweep::{Source, Sweep, Wanted};
use crate::{Inputs, QueryError, QueryLimits, Unit};
pub use bar::FlowsBar;
pub(crate) use bar::behind;
#[cfg(test)]
pub(crate) use bar::of;
use cofferdam_model::TimestampMs;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use kernel::{NONE, Paths, Rules};
pub use request::{Flows, FlowsCount, FlowsEvent, FlowsLink, FlowsPath, FlowsRequest, FlowsStep};
use std::sync::Arc;

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
/// Stands before the first event of a path.
const START: &str = "$start";
/// Stands after the last.
const END: &str = "$end";

type Counts<K> = HashMap<K, u64, RandomState>;

/// Computes the report. Blocking: call it on a blocking thread.
///
/// # Errors
/// As [`crate::funnel`].
pub fn flows(inputs: Inputs<'_>, request: &FlowsRequest) -> Result<Flows, QueryError> {
    let (reader, limits) = (inputs.store.reader(), QueryLimits::default());
    let catalog = reader.catalog(&request.project);
    let plan = Plan::new(request, inputs.context(&catalog, &limits))?;
    let (from, to) = (TimestampMs(plan.wanted.from), TimestampMs(plan.wanted.to));
    let parts = reader.parts(&request.project, from, to);
    let mut sweep = Sweep::new(&parts, &plan.wanted, inputs.merges, inputs.progress);
    let paths = paths(&mut sweep, &plan, &limits)?;
    let mut answer = answer(&plan, &paths, sweep.events());
    answer.snapshot = reader.id().to_string();
    Ok(answer)
}

/// A request made ready.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) wanted: Wanted,
    rules: Rules,
    hide: Vec<String>,
    shown: usize,
}

impl Plan {
    pub(crate) fn new(request: &FlowsRequest, context: Context<'_>) -> Result<Self, QueryError> {
        let limits = context.limits;
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
        let mut columns = Columns::new(context);
        let anchor = Selection::new(&request.anchor, "anchor", &mut columns)?;
        let (columns, computing) = columns.finish();
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
                computing,
                values: Vec::new(),
                events: true,
            },
            hide: request.hide.clone(),
            shown: request.events_max as usize,
        })
    }
}

/// All paths.
pub(crate) fn paths<'p, S: Source>(
    sweep: &mut Sweep<'_, S>,
    plan: &'p Plan,
    limits: &QueryLimits,
) -> Result<Paths<'p>, QueryError> {
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
    Ok(paths)
}

/// The events of each step, most frequent first.
struct Ranked<'a> {
    steps: Vec<Vec<(u32, u64)>>,
    shown: usize,
    names: &'a [Arc<str>],
}

impl<'a> Ranked<'a> {
    fn new(plan: &Plan, paths: &Paths<'_>, names: &'a [Arc<str>]) -> Self {
        let mut steps: Vec<Counts<u32>> = vec![Counts::default(); paths.width()];
        for path in paths.all() {
            for (counts, event) in steps.iter_mut().zip(path) {
                if *event != NONE {
                    *counts.entry(*event).or_default() += 1;
                }
            }
        }
        let mut ranked = Self {
            steps: Vec::new(),
            shown: plan.shown,
            names,
        };
        for counts in steps {
            let mut events: Vec<(u32, u64)> = counts.into_iter().collect();
            events.sort_by(|one, other| {
                let names = || ranked.name(one.0).cmp(ranked.name(other.0));
                other.1.cmp(&one.1).then_with(names)
            });
            ranked.steps.push(events);
        }
        ranked
    }

    fn name(&self, event: u32) -> &'a str {
        let name = self.names.get(event as usize);
        name.map_or(OTHER, |name| &**name)
    }

    /// The event as its step shows it.
    fn label(&self, step: usize, event: u32) -> &'a str {
        let mut shown = self.steps.get(step).into_iter().flatten().take(self.shown);
        if shown.any(|(known, _)| *known == event) {
            self.name(event)
        } else {
            OTHER
        }
    }

    /// Both ends of a link after a step; `None` where there is none.
    fn link(&self, step: usize, from: u32, to: u32) -> Option<(&'a str, &'a str)> {
        match (from, to) {
            (NONE, NONE) => None,
            (NONE, to) => Some((START, self.label(step + 1, to))),
            (from, NONE) => Some((self.label(step, from), END)),
            (from, to) => Some((self.label(step, from), self.label(step + 1, to))),
        }
    }
}

/// Counts steps, links and whole paths.
pub(crate) fn answer(plan: &Plan, paths: &Paths<'_>, names: &[Arc<str>]) -> Flows {
    let ranked = Ranked::new(plan, paths, names);
    let mut whole: Counts<&[u32]> = Counts::default();
    for path in paths.all() {
        *whole.entry(path).or_default() += 1;
    }
    let mut links: Counts<(usize, &str, &str)> = Counts::default();
    for (path, count) in &whole {
        for (step, pair) in path.windows(2).enumerate() {
            if let [from, to] = pair
                && let Some((from, to)) = ranked.link(step, *from, *to)
            {
                *links.entry((step, from, to)).or_default() += count;
            }
        }
    }
    let name = |event: u32| ranked.name(event);
    let offset = |step: usize| {
        i32::try_from(step).unwrap_or(0) - i32::try_from(plan.rules.before).unwrap_or(0)
    };
    Flows {
        paths: paths.whose().len() as u64,
        steps: ranked
            .steps
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
