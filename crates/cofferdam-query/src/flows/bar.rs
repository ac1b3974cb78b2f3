//! The people behind a node or band of flows.

use super::{FlowsRequest, Plan, Ranked, paths};
use crate::bars::no_such;
use crate::people::People;
use crate::sweep::{Source, Sweep};
use crate::{Inputs, QueryError, QueryLimits};
use cofferdam_model::TimestampMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A node of flows, or a band from it to one of the next step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowsBar {
    /// Events from the anchor, negative before it.
    pub offset: i32,
    /// The event there as the answer names it: also `$other`, and for a band `$start`.
    pub event: String,
    /// For a band, the event of the next offset: also `$other` and `$end`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The people behind a node or band.
pub(crate) fn behind(
    inputs: Inputs<'_>,
    request: &FlowsRequest,
    bar: &FlowsBar,
) -> Result<People, QueryError> {
    let (reader, limits) = (inputs.store.reader(), QueryLimits::default());
    let catalog = reader.catalog(&request.project);
    let plan = Plan::new(request, inputs.context(&catalog, &limits))?;
    let (from, to) = (TimestampMs(plan.wanted.from), TimestampMs(plan.wanted.to));
    let parts = reader.parts(&request.project, from, to);
    let mut sweep = Sweep::new(&parts, &plan.wanted, inputs.merges, inputs.progress);
    of(&mut sweep, &plan, bar, &limits)
}

/// The people behind a node or band, from any source of rows.
pub(crate) fn of<S: Source>(
    sweep: &mut Sweep<'_, S>,
    plan: &Plan,
    bar: &FlowsBar,
    limits: &QueryLimits,
) -> Result<People, QueryError> {
    let before = i64::try_from(plan.rules.before).unwrap_or(0);
    let steps = plan.rules.before + 1 + plan.rules.after;
    let step = usize::try_from(i64::from(bar.offset) + before).unwrap_or(usize::MAX);
    if step >= steps || bar.to.is_some() && step + 1 >= steps {
        let known = (0..steps).map(|step| (i64::try_from(step).unwrap_or(0) - before).to_string());
        return Err(no_such("offset", &bar.offset.to_string(), known));
    }
    let paths = paths(sweep, plan, limits)?;
    let ranked = Ranked::new(plan, &paths, sweep.events());
    let is_meant = |path: &[u32]| {
        let at = |step: usize| path.get(step).copied().unwrap_or(super::NONE);
        match &bar.to {
            None => at(step) != super::NONE && ranked.label(step, at(step)) == bar.event,
            Some(to) => ranked.link(step, at(step), at(step + 1)) == Some((&bar.event, to)),
        }
    };
    let all = paths.all().zip(paths.whose());
    Ok(all
        .filter(|(path, _)| is_meant(path))
        .map(|(_, person)| *person)
        .collect())
}
