//! Whose ids go nowhere: whoever names somebody forgotten beside themselves, such as the next user of the same device, is not
//! refused, but that id is withheld.
//!
//! Asked by policy for every id of a person or device. Invariant: while nobody was forgotten lately there is nobody to ask.

use cofferdam_model::ProjectName;
use cofferdam_policy::ForgottenIds;
use cofferdam_vault::Vault;

/// A project's forgotten ids.
#[derive(Debug)]
pub(crate) struct Forgotten<'a> {
    vault: &'a Vault,
    project: &'a ProjectName,
}

impl<'a> Forgotten<'a> {
    /// `None` where nobody was forgotten so short a time ago that it matters.
    pub(crate) fn of(vault: &'a Vault, project: &'a ProjectName) -> Option<Self> {
        vault.has_forgotten().then_some(Self { vault, project })
    }
}

impl ForgottenIds for Forgotten<'_> {
    fn is_forgotten(&self, id: &str) -> bool {
        self.vault.is_forgotten_id(self.project, id)
    }
}
