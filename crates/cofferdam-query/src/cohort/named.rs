//! Which cohorts a request names.

use super::{CohortCondition, CohortDefinition};
use crate::{
    Breakdown, EventSelection, FlowsRequest, FunnelRequest, Measure, ReportBar, RetentionRequest,
    SegmentationRequest,
};
use std::collections::BTreeSet;

/// Something that may name cohorts.
pub trait NamesCohorts {
    /// Adds the ids that it names.
    fn add_cohorts(&self, ids: &mut BTreeSet<String>);

    /// The ids that it names.
    fn cohorts(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        self.add_cohorts(&mut ids);
        ids
    }
}

impl<T: NamesCohorts> NamesCohorts for [T] {
    fn add_cohorts(&self, ids: &mut BTreeSet<String>) {
        self.iter().for_each(|one| one.add_cohorts(ids));
    }
}

impl NamesCohorts for EventSelection {
    fn add_cohorts(&self, ids: &mut BTreeSet<String>) {
        ids.extend(self.cohorts.iter().map(|filter| filter.cohort.clone()));
    }
}

impl NamesCohorts for Breakdown {
    fn add_cohorts(&self, ids: &mut BTreeSet<String>) {
        if let Self::Cohort { cohort } = self {
            ids.insert(cohort.clone());
        }
    }
}

impl NamesCohorts for SegmentationRequest {
    fn add_cohorts(&self, ids: &mut BTreeSet<String>) {
        self.events.add_cohorts(ids);
        self.breakdown.add_cohorts(ids);
        if let Measure::Property(measure) = &self.measure {
            measure.property.add_cohorts(ids);
        }
    }
}

impl NamesCohorts for FunnelRequest {
    fn add_cohorts(&self, ids: &mut BTreeSet<String>) {
        for step in &self.steps {
            step.selection.add_cohorts(ids);
        }
        for exclusion in &self.exclusions {
            exclusion.selection.add_cohorts(ids);
        }
        self.breakdown.add_cohorts(ids);
        self.hold_constant.add_cohorts(ids);
    }
}

impl NamesCohorts for RetentionRequest {
    fn add_cohorts(&self, ids: &mut BTreeSet<String>) {
        self.born.add_cohorts(ids);
        self.returned.add_cohorts(ids);
        self.breakdown.add_cohorts(ids);
    }
}

impl NamesCohorts for FlowsRequest {
    fn add_cohorts(&self, ids: &mut BTreeSet<String>) {
        self.anchor.add_cohorts(ids);
    }
}

impl NamesCohorts for ReportBar {
    fn add_cohorts(&self, ids: &mut BTreeSet<String>) {
        match self {
            Self::Segmentation { request, .. } => request.add_cohorts(ids),
            Self::Funnel { request, .. } => request.add_cohorts(ids),
            Self::Retention { request, .. } => request.add_cohorts(ids),
            Self::Flows { request, .. } => request.add_cohorts(ids),
        }
    }
}

impl NamesCohorts for CohortDefinition {
    fn add_cohorts(&self, ids: &mut BTreeSet<String>) {
        for condition in &self.conditions {
            match condition {
                CohortCondition::Did { selection, .. } => selection.add_cohorts(ids),
                CohortCondition::Cohort { cohort, .. } => {
                    ids.insert(cohort.clone());
                }
                CohortCondition::Bar { bar, .. } => bar.add_cohorts(ids),
            }
        }
    }
}
