//! Checking a funnel's request, and making it ready to run.
//!
//! Invariant: a plan that exists can be run; whatever is wrong is named by its JSON path, with what is allowed.

use super::attempt::{Exclusion, Rules, STEPS_MAX};
use super::request::{
    Attribution, FunnelCount, FunnelEntry, FunnelOrder, FunnelRequest, FunnelWindow, WindowSince,
    WindowUnit,
};
use crate::buckets::Buckets;
use crate::columns::{Columns, Context};
use crate::selection::{Selection, at_most, invalid, zone};
use crate::sweep::Wanted;
use crate::{QueryError, Unit};

/// Most exclusions.
const EXCLUSIONS_MAX: usize = 10;
/// Most properties held constant.
const HOLD_MAX: usize = 3;
/// Longest window, milliseconds: 366 days.
const WINDOW_MAX: i64 = 366 * 86_400_000;

/// A funnel made ready.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) wanted: Wanted,
    pub(crate) rules: Rules,
    /// Entries of the whole range.
    pub(crate) whole: Buckets,
    /// Entries by bucket, where a trend is asked for.
    pub(crate) trend: Option<Buckets>,
    pub(crate) has_breakdown: bool,
    pub(crate) attribution: Attribution,
}

impl Plan {
    pub(crate) fn new(request: &FunnelRequest, context: Context<'_>) -> Result<Self, QueryError> {
        let limits = context.limits;
        let steps = request.steps.len();
        at_most("steps", steps, STEPS_MAX)?;
        at_most("exclusions", request.exclusions.len(), EXCLUSIONS_MAX)?;
        at_most("hold_constant", request.hold_constant.len(), HOLD_MAX)?;
        at_most("breakdown", request.breakdown.len(), limits.breakdowns_max)?;
        if steps < 2 {
            return Err(invalid(
                "steps",
                "a funnel has at least two steps".to_owned(),
            ));
        }
        if request.steps.first().is_some_and(|step| step.optional) {
            return Err(invalid(
                "steps[0].optional",
                "the first step cannot be left out".to_owned(),
            ));
        }
        if request.order == FunnelOrder::Any && request.steps.iter().any(|step| step.optional) {
            let message = "steps in any order cannot be optional: leave the step away";
            return Err(invalid("order", message.to_owned()));
        }
        let mut columns = Columns::new(context);
        let mut selections = Vec::new();
        for (at, step) in request.steps.iter().enumerate() {
            let path = format!("steps[{at}]");
            selections.push(Selection::new(&step.selection, &path, &mut columns)?);
        }
        for (at, exclusion) in request.exclusions.iter().enumerate() {
            let (path, event) = (format!("exclusions[{at}]"), &exclusion.selection);
            selections.push(Selection::new(event, &path, &mut columns)?);
        }
        let breakdown = columns.places("breakdown", &request.breakdown)?;
        let hold = columns.places("hold_constant", &request.hold_constant)?;
        let (breakdown, hold) = (columns.positions(&breakdown), columns.positions(&hold));
        let (columns, computing) = columns.finish();
        let rules = rules(request, !breakdown.is_empty())?;
        let zone = zone(request.timezone.as_deref().unwrap_or("UTC"))?;
        let buckets =
            |unit| Buckets::new(request.from, request.to, &zone, unit, limits.buckets_max);
        let whole = buckets(Unit::Day)?;
        let has_breakdown = !breakdown.is_empty();
        let mut values = Vec::new();
        if has_breakdown || !hold.is_empty() {
            values.push(breakdown);
        }
        if !hold.is_empty() {
            values.push(hold);
        }
        // With the window counted from step to step it may be spent again for every step.
        let spans = if rules.since_step {
            i64::try_from(steps - 1).unwrap_or(1)
        } else {
            1
        };
        let to = whole
            .to()
            .0
            .saturating_add(rules.window.saturating_mul(spans));
        Ok(Self {
            wanted: Wanted {
                from: whole.from().0,
                to: to.saturating_add(1),
                selections,
                every_row: request.count == FunnelCount::Sessions
                    || request.order == FunnelOrder::Strict
                        && request.strict_among == super::request::StrictAmong::AllEvents,
                columns,
                computing,
                values,
                events: false,
            },
            rules,
            whole,
            trend: request.trend.map(buckets).transpose()?,
            has_breakdown,
            attribution: request.attribution,
        })
    }
}

fn rules(request: &FunnelRequest, has_breakdown: bool) -> Result<Rules, QueryError> {
    let steps = request.steps.len();
    let window = window_ms(request.window)?;
    if request.count == FunnelCount::Totals && request.entry == FunnelEntry::Best {
        let message = "with `totals` every attempt counts: `entry` must be `first`";
        return Err(invalid("entry", message.to_owned()));
    }
    let has_grace = request.grace_ms > 0;
    if has_grace && (request.order, request.entry) != (FunnelOrder::Loose, FunnelEntry::First) {
        let message = "a grace needs `order` to be `loose` and `entry` to be `first`";
        return Err(invalid("grace_ms", message.to_owned()));
    }
    if has_grace && i64::from(request.grace_ms) > 60_000 {
        return Err(invalid("grace_ms", "at most 60000 are allowed".to_owned()));
    }
    if let Attribution::Step(step) = request.attribution
        && !(1..=steps).contains(&(step as usize))
    {
        return Err(invalid(
            "attribution.step",
            format!("there are steps 1 to {steps}"),
        ));
    }
    if !(1..=24 * 60).contains(&request.session_gap_minutes) {
        return Err(invalid(
            "session_gap_minutes",
            "1 to 1440 minutes are allowed".to_owned(),
        ));
    }
    if request.order == FunnelOrder::Any && !request.exclusions.is_empty() {
        let message = "steps in any order have no between: exclusions need another `order`";
        return Err(invalid("exclusions", message.to_owned()));
    }
    let mut exclusions = Vec::new();
    for (at, exclusion) in request.exclusions.iter().enumerate() {
        let last = u32::try_from(steps).unwrap_or(u32::MAX);
        let (after, before) = (
            exclusion.after.unwrap_or(1),
            exclusion.before.unwrap_or(last),
        );
        if after == 0 || before <= after || before > last {
            return Err(invalid(
                &format!("exclusions[{at}].before"),
                format!("an exclusion stands after a step and before a later one of 1 to {steps}"),
            ));
        }
        exclusions.push(Exclusion {
            after: after as usize - 1,
            before: before as usize - 1,
        });
    }
    let optional = request.steps.iter().enumerate();
    Ok(Rules {
        steps,
        optional: optional.fold(0, |bits, (at, step)| bits | u32::from(step.optional) << at),
        window,
        since_step: request.window.since == WindowSince::Step,
        order: request.order,
        count: request.count,
        entry: request.entry,
        strict_among: request.strict_among,
        grace: i64::from(request.grace_ms),
        exclusions,
        excluded: request.excluded,
        session_gap: i64::from(request.session_gap_minutes) * 60_000,
        by_value: has_breakdown
            && request.attribution == Attribution::First
            && request.count != FunnelCount::Totals,
    })
}

/// Milliseconds of a window.
pub(crate) fn window_ms(window: FunnelWindow) -> Result<i64, QueryError> {
    let unit = match window.unit {
        WindowUnit::Second => 1_000,
        WindowUnit::Minute => 60_000,
        WindowUnit::Hour => 3_600_000,
        WindowUnit::Day => 86_400_000,
        WindowUnit::Week => 7 * 86_400_000,
    };
    let window = i64::from(window.length).saturating_mul(unit);
    if (1..=WINDOW_MAX).contains(&window) {
        Ok(window)
    } else {
        Err(invalid(
            "window.length",
            "a window is longer than nothing and at most 366 days".to_owned(),
        ))
    }
}
