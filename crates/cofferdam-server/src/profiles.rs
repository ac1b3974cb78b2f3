//! What the store knows of profiles, for egress: absolute values that make an operation repeatable.
//!
//! Invariant: only values that home holds in clear.

use cofferdam_egress::ProfileValues;
use cofferdam_model::{ProjectName, Value};
use cofferdam_policy::HomeSubject;
use cofferdam_store::{Store, Subject};
use std::sync::Arc;

/// Profile values from the store.
#[derive(Debug)]
pub struct StoreProfiles {
    store: Arc<Store>,
}

impl StoreProfiles {
    /// Over this store.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }
}

impl ProfileValues for StoreProfiles {
    fn current(
        &self,
        project: &ProjectName,
        subject: &HomeSubject,
        path: &str,
        seq: u64,
    ) -> Option<Value<'static>> {
        if self.store.next_seq() <= seq {
            return None;
        }
        let subject = match subject {
            HomeSubject::Person(person) => Subject::Person(*person),
            HomeSubject::Organization(organization) => Subject::Organization(*organization),
        };
        let handle = tokio::runtime::Handle::try_current().ok()?;
        tokio::task::block_in_place(|| {
            handle.block_on(self.store.current_value(project, subject, path))
        })
        .ok()
        .flatten()
    }
}
