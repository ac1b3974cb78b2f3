//! Absolute profile values, so that an operation that cannot be repeated becomes one that can.

use cofferdam_model::{ProjectName, Value};
use cofferdam_policy::HomeSubject;

/// What Cofferdam itself knows of profiles. Implemented by the server over the store.
pub trait ProfileValues: Send + Sync + std::fmt::Debug {
    /// The property's present value (path without the `profile.` or `group.` prefix), with the journal record `seq` already
    /// applied; `None` where home does not hold it in clear, or has not come as far as `seq`.
    fn current(
        &self,
        project: &ProjectName,
        subject: &HomeSubject,
        path: &str,
        seq: u64,
    ) -> Option<Value<'static>>;
}

/// Knows nothing: every such operation is sent once, as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProfileValues;

impl ProfileValues for NoProfileValues {
    fn current(&self, _: &ProjectName, _: &HomeSubject, _: &str, _: u64) -> Option<Value<'static>> {
        None
    }
}
