//! The blast radius: from a request and what is known about coverage to the answer.
//!
//! The server and response ask with a permit; people are canonical persons after the merges given.
//! Invariant: over a gap, without coverage, or where an unclassified value or free text went out in clear, nothing is called
//! "not exposed".

use crate::ledger::{Core, Ledger, lock};
use crate::plan::{Plan, Snapshot, Window};
use crate::state::{seen_stream, vendor_stream};
use crate::union::{DELIVERED, Groups, PEOPLE, unite};
use crate::{
    Basis, CategoryRadius, Coverage, FieldRadius, Gap, LedgerError, Radius, RadiusRequest, Routing,
};
use cofferdam_access::{Permit, ReadRadius};
use cofferdam_model::{Category, Day, Form, MergeMap, ProjectName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The first day that there can be.
const EVER: Day = Day(-719_528);

impl Ledger {
    /// The blast radius of a vendor.
    ///
    /// # Errors
    /// [`LedgerError::Window`] where the window ends before it begins; others where files cannot be read.
    pub fn radius(
        &self,
        _permit: &Permit<ReadRadius>,
        request: &RadiusRequest,
        merges: &MergeMap,
        coverage: &Coverage,
    ) -> Result<Radius, LedgerError> {
        self.radius_of(request, merges, coverage)
    }

    /// Which fields a project's senders sent in a window, and of how many people: basis of `plan` and of the field inbox.
    ///
    /// # Errors
    /// As [`Self::radius`].
    pub fn seen_fields(
        &self,
        _permit: &Permit<ReadRadius>,
        project: &ProjectName,
        since: Day,
        until: Day,
        merges: &MergeMap,
    ) -> Result<Vec<FieldRadius>, LedgerError> {
        let found = self.united(&seen_stream(project), Window::sent(since, until), merges)?;
        Ok(found.fields())
    }

    pub(crate) fn radius_of(
        &self,
        request: &RadiusRequest,
        merges: &MergeMap,
        coverage: &Coverage,
    ) -> Result<Radius, LedgerError> {
        let stream = vendor_stream(&request.vendor);
        let window = request.window(request.retention_verified_days)?;
        let found = self.united(&stream, window, merges)?;
        let people_claimed_retention = match request.retention_claimed_days {
            Some(claimed) if request.basis == Basis::Held => {
                let days = request
                    .retention_verified_days
                    .map_or(claimed, |v| v.min(claimed));
                let plan = found.snapshot.plan(request.window(Some(days))?, false);
                Some(count_people(&plan, &found.snapshot, merges)?)
            }
            _ => None,
        };
        let since = match request.basis {
            Basis::Sent => request.since,
            Basis::Held => found.plan.first.unwrap_or(request.since),
        };
        let gaps = self.gaps(&stream, request, coverage)?;
        let fields = found.fields();
        let exposed: BTreeSet<Category> = fields.iter().map(|field| field.category).collect();
        let blind = !gaps.is_empty()
            || coverage.routing != Routing::Routed
            || fields
                .iter()
                .any(|field| field.form == Form::Clear && may_hold_anything(field.category));
        let known: BTreeSet<Category> = request.known.iter().copied().collect();
        let rest = known
            .into_iter()
            .filter(|known| !exposed.iter().any(|exposed| exposed.is_within(*known)))
            .collect();
        let (not_exposed, unknown) = if blind {
            (Vec::new(), rest)
        } else {
            (rest, Vec::new())
        };
        let people = found.groups.count(PEOPLE);
        let delivered = match found.plan.track_delivered {
            true => found.groups.count(DELIVERED),
            false => people,
        };
        Ok(Radius {
            vendor: request.vendor.clone(),
            basis: request.basis,
            since,
            until: request.until,
            people,
            people_possible: people - delivered.min(people),
            people_claimed_retention,
            organizations: found.plan.organizations()?,
            organizations_at_least: fields
                .iter()
                .any(|field| may_name_organizations(field.category)),
            events: found.plan.events,
            categories: found.categories(),
            fields,
            not_exposed,
            unknown,
            coverage: coverage.routing,
            complete_from: coverage.complete_from,
            complete_through: coverage.complete_through,
            gaps,
        })
    }

    pub(crate) fn united(
        &self,
        stream: &Arc<str>,
        window: Window,
        merges: &MergeMap,
    ) -> Result<United, LedgerError> {
        let snapshot = lock(&self.core)
            .and_then(|mut core| core.snapshot(stream, window.since, window.until))?;
        let plan = snapshot.plan(window, true);
        let deleted = match window.deletions {
            true => snapshot.deleted.as_slice(),
            false => &[],
        };
        let mut groups = unite(&plan.sources, plan.groups, plan.track_delivered, deleted)?;
        groups.merge(merges);
        Ok(United {
            snapshot,
            plan,
            groups,
        })
    }

    fn gaps(
        &self,
        stream: &Arc<str>,
        request: &RadiusRequest,
        coverage: &Coverage,
    ) -> Result<Vec<Gap>, LedgerError> {
        let core = lock(&self.core)?;
        let recorded = core.gaps_of(stream);
        let mut gaps: BTreeSet<Gap> = recorded.chain(coverage.gaps.iter()).cloned().collect();
        drop(core);
        let gap = |since, until, reason: &str| Gap {
            since,
            until,
            reason: reason.to_owned(),
        };
        let held = request.basis == Basis::Held;
        match coverage.complete_from {
            Some(from) if !(held && coverage.nothing_before) => {
                gaps.insert(gap(EVER, Day(from.0 - 1), "before coverage"));
            }
            Some(_) => {}
            None => {
                gaps.insert(gap(EVER, request.until, "without coverage"));
            }
        }
        if let Some(through) = coverage.complete_through {
            gaps.insert(gap(Day(through.0 + 1), Day(i32::MAX), "after coverage"));
        }
        let since = if held { EVER } else { request.since };
        let clipped = gaps.into_iter().map(|gap| Gap {
            since: gap.since.max(since),
            until: gap.until.min(request.until),
            ..gap
        });
        Ok(clipped.filter(|gap| gap.since <= gap.until).collect())
    }
}

/// Whether values of this category are, or may be, ids of organizations, of which an item counts only one.
fn may_name_organizations(category: Category) -> bool {
    category.is_within(Category::of("user.contact.organization.id")) || may_hold_anything(category)
}

/// What nobody named, and free text: names in it no detector finds.
fn may_hold_anything(category: Category) -> bool {
    ["unclassified", "user.content"]
        .into_iter()
        .any(|open| category.is_within(Category::of(open)))
}

impl Core {
    fn gaps_of(&self, stream: &Arc<str>) -> impl Iterator<Item = &Gap> {
        let gaps = self.state.books.gaps.iter();
        gaps.filter(move |(of, _)| of.as_ref().is_none_or(|of| of == stream))
            .map(|(_, gap)| gap)
    }
}

impl RadiusRequest {
    /// The days that count. Retention is counted so that a day on the border still counts.
    pub(crate) fn window(&self, retention_days: Option<u32>) -> Result<Window, LedgerError> {
        if self.since > self.until {
            return Err(LedgerError::Window {
                since: self.since,
                until: self.until,
            });
        }
        if self.basis == Basis::Sent {
            return Ok(Window::sent(self.since, self.until));
        }
        let kept = retention_days.and_then(|days| i32::try_from(days).ok());
        let oldest = kept.map_or(EVER, |days| Day(self.until.0.saturating_sub(days)));
        Ok(Window {
            since: EVER,
            until: self.until,
            events_since: oldest.max(EVER),
            deletions: true,
        })
    }
}

fn count_people(plan: &Plan, snapshot: &Snapshot, merges: &MergeMap) -> Result<u64, LedgerError> {
    let mut groups = unite(&plan.sources, plan.groups, false, &snapshot.deleted)?;
    groups.merge(merges);
    Ok(groups.count(PEOPLE))
}

/// A question's united groups.
#[derive(Debug)]
pub(crate) struct United {
    pub(crate) snapshot: Snapshot,
    pub(crate) plan: Plan,
    pub(crate) groups: Groups,
}

impl United {
    /// Fields with their people; a field of which everybody is deleted is gone.
    pub(crate) fn fields(&self) -> Vec<FieldRadius> {
        let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
        let fields = self.plan.fields.iter().map(|field| {
            let people = counts.entry(field.group);
            let people = *people.or_insert_with(|| self.groups.count(field.group));
            (field, people)
        });
        fields
            .filter(|(field, people)| *people > 0 || !field.has_people)
            .map(|(field, people)| FieldRadius {
                field: Arc::clone(&field.key.path),
                category: field.key.category,
                form: field.key.form,
                people,
                first: field.first,
                last: field.last,
            })
            .collect()
    }

    fn categories(&self) -> Vec<CategoryRadius> {
        let mut groups: BTreeMap<Category, (BTreeSet<usize>, bool)> = BTreeMap::new();
        for field in &self.plan.fields {
            let of = groups.entry(field.key.category).or_default();
            of.0.insert(field.group);
            of.1 |= !field.has_people;
        }
        let counted = groups.into_iter().map(|(category, (groups, nobody))| {
            // Group 0 is everybody: nobody else can be in another one.
            let people = match groups.contains(&PEOPLE) {
                true => self.groups.count(PEOPLE),
                false => self
                    .groups
                    .count_any(&groups.into_iter().collect::<Vec<_>>()),
            };
            (category, people, nobody)
        });
        counted
            .filter(|(_, people, nobody)| *people > 0 || *nobody)
            .map(|(category, people, _)| CategoryRadius {
                category,
                sensitivity: category.sensitivity(),
                people,
            })
            .collect()
    }
}
