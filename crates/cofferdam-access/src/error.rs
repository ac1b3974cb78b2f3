//! Why there is no permit, or no access control at all.

use cofferdam_audit::AuditError;
use thiserror::Error;

/// No permit was made.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The caller may not do this. The attempt is in the audit log.
    #[error("`{actor}` may not do `{act}`")]
    Denied {
        /// Who asked.
        actor: &'static str,
        /// What for.
        act: &'static str,
    },
    /// The audit leaf is not durable, so the act does not happen.
    #[error("the act cannot be recorded, so it does not happen")]
    Audit(#[from] AuditError),
    /// The token file cannot be read or made.
    #[error("cannot {action} the token file `{path}`")]
    TokenFile {
        /// What was attempted.
        action: &'static str,
        /// Which file.
        path: std::path::PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The token file does not hold 64 hex digits, or others may read it.
    #[error("the token file `{path}` is refused: {problem}")]
    TokenRefused {
        /// Which file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}
