//! The people behind a cell of a retention table.

use super::{FEW, Found, MANY, Plan, RetentionRequest};
use crate::bars::no_such;
use crate::people::People;
use crate::sweep::{Source, Sweep};
use crate::{Inputs, QueryError, QueryLimits};
use cofferdam_model::TimestampMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A cell of a retention table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionBar {
    /// The cohort's start as the answer names it; absent means all cohorts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<String>,
    /// The bucket, from 0; absent means all who were born.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<usize>,
    /// Whether those are meant who did not come back in the bucket.
    #[serde(default)]
    pub not: bool,
    /// The segment as the answer names it; absent means everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Vec<Option<String>>>,
}

/// The people behind a cell.
pub(crate) fn behind(
    inputs: Inputs<'_>,
    request: &RetentionRequest,
    bar: &RetentionBar,
) -> Result<People, QueryError> {
    let (reader, limits) = (inputs.store.reader(), QueryLimits::default());
    let catalog = reader.catalog(&request.project);
    let plan = Plan::new(request, inputs.context(&catalog, &limits))?;
    let (from, to) = (TimestampMs(plan.wanted.from), TimestampMs(plan.wanted.to));
    let parts = reader.parts(&request.project, from, to);
    let mut sweep = Sweep::new(&parts, &plan.wanted, inputs.merges, inputs.progress);
    if plan.rules.ends.len() < FEW {
        of::<_, 1>(&mut sweep, &plan, bar, &limits)
    } else {
        of::<_, MANY>(&mut sweep, &plan, bar, &limits)
    }
}

/// The people behind a cell, from any source of rows.
pub(crate) fn of<S: Source, const W: usize>(
    sweep: &mut Sweep<'_, S>,
    plan: &Plan,
    bar: &RetentionBar,
    limits: &QueryLimits,
) -> Result<People, QueryError> {
    let labels: Vec<&String> = plan.cohorts.labels.iter().collect();
    let cohort = match &bar.cohort {
        None => None,
        Some(given) => {
            let at = labels.iter().position(|label| *label == given);
            let known = labels.iter().map(|label| (*label).clone());
            Some(at.ok_or_else(|| no_such("cohort", given, known))?)
        }
    };
    let buckets = plan.rules.ends.len();
    if let Some(bucket) = bar.bucket.filter(|bucket| *bucket >= buckets) {
        let known = (0..buckets).map(|bucket| bucket.to_string());
        return Err(no_such("bucket", &bucket.to_string(), known));
    }
    let found = Found::<W>::new(sweep, plan, limits)?;
    let place = match &bar.segment {
        None => None,
        Some(given) => {
            let texts = |label: &[Option<String>]| {
                let parts = label.iter().flatten().map(String::as_str);
                parts.collect::<Vec<_>>().join(", ")
            };
            let at = found.labels().position(|label| label == *given);
            let known = found.labels().map(|label| texts(&label));
            Some(at.ok_or_else(|| no_such("segment", &texts(given), known))?)
        }
    };
    let is_meant = |person: usize| {
        let members = found
            .births
            .of(person)
            .filter_map(|birth| found.member(birth));
        let mut members = members.filter(|member| {
            cohort.is_none_or(|at| member.cohort == at) && place.is_none_or(|at| member.place == at)
        });
        members.any(|member| {
            let came = |bucket: usize| member.counts.get(bucket).copied().unwrap_or(false);
            bar.bucket.is_none_or(|bucket| came(bucket) != bar.not)
        })
    };
    let people = 0..found.births.people();
    Ok(people
        .filter(|person| is_meant(*person))
        .filter_map(|person| u32::try_from(person).ok())
        .collect())
}
