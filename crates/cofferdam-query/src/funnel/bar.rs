//! The people behind a funnel's bar.
//!
//! Invariant: attempts are made, and placed in segments, exactly as for the counts.

use super::attempt::{Attempt, Rules};
use super::plan::Plan;
use super::request::{Excluded, FunnelOrder, FunnelRequest};
use super::{Found, Places, Report};
use crate::bars::no_such;
use crate::people::People;
use crate::sweep::{Source, Sweep};
use crate::timeline::each_person;
use crate::{Inputs, QueryError, QueryLimits};
use cofferdam_model::TimestampMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A bar of a funnel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FunnelBar {
    /// The step, counted from 1.
    pub step: u32,
    /// Whether those are meant who reached it, or those who did not.
    #[serde(default)]
    pub outcome: FunnelOutcome,
    /// The bucket of entries as the trend names it; absent means the whole range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The segment as the answer names it; absent means everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Vec<Option<String>>>,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunnelOutcome {
    /// It reached the step.
    #[default]
    Reached,
    /// It reached the step before (the last that cannot be left out), not this one.
    Dropped,
    /// It met an exclusion; the step counts for nothing.
    Excluded,
}

impl FunnelBar {
    fn fits(&self, rules: &Rules, attempt: &Attempt) -> bool {
        if self.outcome == FunnelOutcome::Excluded {
            return attempt.excluded;
        }
        if attempt.excluded && rules.excluded == Excluded::Removed {
            return false;
        }
        let step = self.step.saturating_sub(1);
        let reached = |step: u32| match rules.order {
            FunnelOrder::Any => attempt.reached.count_ones() > step,
            _ => attempt.reached >> step & 1 == 1,
        };
        if self.outcome == FunnelOutcome::Reached {
            return reached(step);
        }
        let before = (0..step).rev().find(|at| rules.optional >> at & 1 == 0);
        before.is_some_and(reached) && !reached(step)
    }
}

/// The people behind a bar.
pub(crate) fn behind(
    inputs: Inputs<'_>,
    request: &FunnelRequest,
    bar: &FunnelBar,
) -> Result<People, QueryError> {
    let (reader, limits) = (inputs.store.reader(), QueryLimits::default());
    let catalog = reader.catalog(&request.project);
    let plan = Plan::new(request, inputs.context(&catalog, &limits))?;
    let (from, to) = (TimestampMs(plan.wanted.from), TimestampMs(plan.wanted.to));
    let parts = reader.parts(&request.project, from, to);
    let mut sweep = Sweep::new(&parts, &plan.wanted, inputs.merges, inputs.progress);
    of(&mut sweep, &plan, bar, &limits)
}

/// The people behind a bar, from any source of rows.
pub(crate) fn of<S: Source>(
    sweep: &mut Sweep<'_, S>,
    plan: &Plan,
    bar: &FunnelBar,
    limits: &QueryLimits,
) -> Result<People, QueryError> {
    let first = u32::from(bar.outcome == FunnelOutcome::Dropped) + 1;
    let last = u32::try_from(plan.rules.steps).unwrap_or(u32::MAX);
    if !(first..=last).contains(&bar.step) {
        let known = (first..=last).map(|step| step.to_string());
        return Err(no_such("step", &bar.step.to_string(), known));
    }
    let mut entries = plan.whole.from().0..plan.whole.to().0;
    if let Some(bucket) = &bar.bucket {
        let labels = plan.trend.as_ref().map_or(&[][..], |trend| &trend.labels);
        let at = labels.iter().position(|label| label == bucket);
        let (Some(at), Some(trend)) = (at, &plan.trend) else {
            return Err(no_such("bucket", bucket, labels.iter().cloned()));
        };
        entries = trend.start(at)..trend.end(at);
    }
    let mut rules = plan.rules.clone();
    let place = match &bar.segment {
        None => {
            rules.by_value = false;
            None
        }
        Some(segment) => {
            let mut all = Report::new(plan);
            each_person(sweep, limits.timeline_bytes_max, &mut |_, hits| {
                all.person(hits);
                Ok(())
            })?;
            let places = Places::new(sweep, plan, &all.entered, limits);
            let at = places.labels().position(|label| label == *segment);
            let at = at.ok_or_else(|| {
                let given: Vec<&str> = segment.iter().flatten().map(String::as_str).collect();
                let known = places.labels().map(|label| {
                    let parts = label.into_iter().map(Option::unwrap_or_default);
                    parts.collect::<Vec<_>>().join(", ")
                });
                no_such("segment", &given.join(", "), known)
            })?;
            Some((places, at))
        }
    };
    let (mut people, mut found) = (People::default(), Found::default());
    each_person(sweep, limits.timeline_bytes_max, &mut |person, hits| {
        // A bucket's funnel begins with the bucket, as in the trend.
        let rows = if bar.bucket.is_some() {
            let first = hits.partition_point(|hit| hit.time < entries.start);
            hits.get(first..).unwrap_or(&[])
        } else {
            hits
        };
        let is_behind = found.of(&rules, rows, &entries).iter().any(|attempt| {
            let is_there = place
                .as_ref()
                .is_none_or(|(places, at)| places.of(plan, attempt) == *at);
            is_there && bar.fits(&rules, attempt)
        });
        if is_behind {
            people.insert(person);
        }
        Ok(())
    })?;
    Ok(people)
}
