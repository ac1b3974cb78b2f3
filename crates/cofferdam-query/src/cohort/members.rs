//! Finding a cohort's members.
//!
//! Invariant: who never did anything is in no cohort: "did not" and "at most" are said of the people who have an event.

use super::{CohortCondition, CohortDefinition, CohortWindow, Matching, Times, TimesOp};
use crate::bars::people_behind;
use crate::buckets::Buckets;
use crate::columns::{Columns, Context};
use crate::people::People;
use crate::selection::{Selection, at_most, invalid, zone};
use crate::sweep::{Source, Sweep, Wanted};
use crate::{EventSelection, Inputs, Progress, QueryError, QueryLimits, ReportBar, Unit};
use cofferdam_model::{Day, MergeMap, ProjectName, TimestampMs};
use jiff::tz::TimeZone;

/// Most conditions.
const CONDITIONS_MAX: usize = 20;
/// Most days back: a century.
const DAYS_MAX: i32 = 36_525;
/// All time.
const EVER: (i64, i64) = (0, i64::MAX);

/// Who is in a cohort. Blocking: call it on a blocking thread. Cohorts that it names must be among those of `inputs`.
///
/// # Errors
/// As [`crate::funnel`].
pub fn members(
    inputs: Inputs<'_>,
    project: &ProjectName,
    timezone: &str,
    definition: &CohortDefinition,
) -> Result<People, QueryError> {
    at_most("conditions", definition.conditions.len(), CONDITIONS_MAX)?;
    let (reader, limits) = (inputs.store.reader(), QueryLimits::default());
    let catalog = reader.catalog(project);
    Finder {
        context: inputs.context(&catalog, &limits),
        merges: inputs.merges,
        zone: zone(timezone)?,
        now: inputs.now,
        progress: inputs.progress,
        parts: &|from, to| reader.parts(project, TimestampMs(from), TimestampMs(to)),
        behind: &|bar| {
            if bar.project() == project {
                return people_behind(inputs, bar);
            }
            let message = "the report is one of another project".to_owned();
            Err(invalid("request.project", message))
        },
    }
    .members(definition)
}

/// What conditions are looked up in.
pub(super) struct Finder<'a, S> {
    pub(super) context: Context<'a>,
    pub(super) merges: &'a MergeMap,
    pub(super) zone: TimeZone,
    pub(super) now: TimestampMs,
    pub(super) progress: &'a Progress,
    /// The store's parts between two instants.
    pub(super) parts: &'a dyn Fn(i64, i64) -> Vec<S>,
    /// Who is behind a bar.
    pub(super) behind: &'a dyn Fn(&ReportBar) -> Result<People, QueryError>,
}

impl<S: Source> Finder<'_, S> {
    pub(super) fn members(&self, definition: &CohortDefinition) -> Result<People, QueryError> {
        let mut found: Option<People> = None;
        for (at, condition) in definition.conditions.iter().enumerate() {
            let (mut people, not) = self.find(condition, &format!("conditions[{at}]"))?;
            if not {
                let mut rest = self.everybody()?;
                rest.retain(|number| !people.contains(number));
                people = rest;
            }
            found = Some(match (found, definition.matching) {
                (None, _) => people,
                (Some(mut before), Matching::All) => {
                    before.retain(|number| people.contains(number));
                    before
                }
                (Some(mut before), Matching::Any) => {
                    before.absorb(&people);
                    before
                }
            });
        }
        found.ok_or_else(|| invalid("conditions", "no condition is given".to_owned()))
    }

    /// The people, and whether the others are meant.
    fn find(&self, condition: &CohortCondition, path: &str) -> Result<(People, bool), QueryError> {
        match condition {
            CohortCondition::Did {
                selection,
                times,
                window,
                not,
            } => {
                let range = self.range(*window, &format!("{path}.window"))?;
                let path = format!("{path}.selection");
                Ok((self.did(selection, &path, *times, range)?, *not))
            }
            CohortCondition::Cohort { cohort, not } => {
                let path = format!("{path}.cohort");
                let known = self.context.cohorts.find(cohort, &path)?;
                Ok(((*known.people).clone(), *not))
            }
            CohortCondition::Bar { bar, not } => {
                let people =
                    (self.behind)(bar).map_err(|error| error.below(&format!("{path}.bar"), "$"))?;
                Ok((people, *not))
            }
        }
    }

    /// First instant, and first after it.
    fn range(&self, window: CohortWindow, path: &str) -> Result<(i64, i64), QueryError> {
        let between = |from, to| {
            let days = Buckets::new(from, to, &self.zone, Unit::Month, usize::MAX)
                .map_err(|error| error.below(path, "$"))?;
            Ok((days.from().0, days.to().0))
        };
        match window {
            CohortWindow::Ever => Ok(EVER),
            CohortWindow::Last { last_days } => {
                let days = i32::try_from(last_days).unwrap_or(i32::MAX);
                if !(1..=DAYS_MAX).contains(&days) {
                    let message = format!("1 to {DAYS_MAX} days are allowed");
                    return Err(invalid(&format!("{path}.last_days"), message));
                }
                let now = jiff::Timestamp::from_millisecond(self.now.0).ok();
                let date = now.map(|now| now.to_zoned(self.zone.clone()).date().to_string());
                let today = date.and_then(|date| Day::parse(&date));
                let today = today.unwrap_or_else(|| self.now.day());
                between(Day(today.0 - days + 1), today)
            }
            CohortWindow::Between { from, to } => between(from, to),
        }
    }

    /// Everybody who has an event.
    fn everybody(&self) -> Result<People, QueryError> {
        let all = EventSelection {
            event: crate::selection::ALL.to_owned(),
            ..EventSelection::default()
        };
        self.did(&all, "", Times::default(), EVER)
    }

    fn did(
        &self,
        selection: &EventSelection,
        path: &str,
        times: Times,
        (from, to): (i64, i64),
    ) -> Result<People, QueryError> {
        let mut columns = Columns::new(self.context);
        let selection = Selection::new(selection, path, &mut columns)?;
        let (columns, computing) = columns.finish();
        let wanted = Wanted {
            from,
            to,
            selections: vec![selection],
            every_row: false,
            columns,
            computing,
            values: Vec::new(),
            events: false,
        };
        let parts = (self.parts)(from, to);
        let mut sweep = Sweep::new(&parts, &wanted, self.merges, self.progress);
        let (least, most) = match times.op {
            TimesOp::AtLeast => (times.count, u32::MAX),
            TimesOp::AtMost => (0, times.count),
            TimesOp::Exactly => (times.count, times.count),
        };
        if (least, most) == (1, u32::MAX) {
            let mut people = People::default();
            sweep.run(&mut |hits| {
                for person in &hits.person {
                    people.insert(*person);
                }
                Ok(())
            })?;
            return Ok(people);
        }
        let mut counts: Vec<u32> = Vec::new();
        sweep.run(&mut |hits| {
            let people = hits.person.iter().max().map_or(0, |max| *max as usize + 1);
            if people > counts.len() {
                counts.resize(people, 0);
            }
            for person in &hits.person {
                if let Some(count) = counts.get_mut(*person as usize) {
                    *count = count.saturating_add(1);
                }
            }
            Ok(())
        })?;
        let fits = |count: u32| (least..=most).contains(&count);
        let mut people: People = (0..)
            .zip(&counts)
            .filter(|(_, count)| **count > 0 && fits(**count))
            .map(|(number, _)| number)
            .collect();
        if least == 0 {
            let mut never = self.everybody()?;
            never.retain(|number| counts.get(number as usize).is_none_or(|count| *count == 0));
            people.absorb(&never);
        }
        Ok(people)
    }
}
