//! Who may do what; mints permits after the audit leaf is durable.
//!
//! Routes and jobs come here with a caller and get a [`Permit`], which the functions of query, ledger, vault and so on take.
//! Invariant: a `Permit<A>` exists only after a leaf that says so is on disk (a [`Leave`] may come before it); a denied attempt is recorded too, and what anybody
//! can repeat without end is recorded in bounded number.

mod act;
mod bounded;
mod caller;
mod error;
mod permit;
mod token;

#[cfg(test)]
mod tests;

pub use act::{
    Act, Contain, Erase, Export, Import, ManageKeys, ReadAudit, ReadConfig, ReadEvents, ReadPeople,
    ReadRadius, ReadReport, Resume, RunSql, SendMail, WriteAlert, WriteConfig, WriteReport,
};
pub use caller::Caller;
pub use error::AccessError;
pub use permit::{Access, AccessOptions, Leave, Permit};
