//! Who is asking. Full identities (people, sessions, MFA) are a later issue; today there is one administrator.

/// Who is asking. Made by [`crate::Access::authenticate`], by the listener of the control socket, and by the server of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Came with the bearer token in `admin.token`.
    Admin,
    /// Came over the control socket, or holds the lock on the data directory.
    LocalOperator,
    /// Came with a project's query secret: may read reports, and events without names.
    Script,
    /// One of the product's own jobs, by name.
    System(&'static str),
    /// Came with a wrong token or none: denied everything.
    Stranger,
}

impl Caller {
    /// The name in audit leaves.
    #[must_use]
    pub fn actor(&self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::LocalOperator => "local-operator",
            Self::Script => "script",
            Self::System(_) => "system",
            Self::Stranger => "stranger",
        }
    }
}
