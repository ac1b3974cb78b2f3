//! Named points at which tests make the disk fail or the process "die".
//!
//! Invariant: without a hook every point passes; a point that fails leaves the files exactly as they were at that moment.

use std::fmt;
use std::io;
use std::sync::Arc;

type Hook = Arc<dyn Fn(&'static str) -> bool + Send + Sync>;

/// Asks the hook, if there is one, whether to fail at a point.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    hook: Option<Hook>,
}

impl Faults {
    #[cfg(test)]
    pub(crate) fn with(hook: impl Fn(&'static str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            hook: Some(Arc::new(hook)),
        }
    }

    /// Fails if the hook says so.
    pub(crate) fn hit(&self, point: &'static str) -> io::Result<()> {
        match &self.hook {
            Some(hook) if hook(point) => Err(io::Error::other(point)),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}
