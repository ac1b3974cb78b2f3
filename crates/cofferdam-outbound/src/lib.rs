//! The one guarded way out of this machine: allow-list, pinned DNS, limits, and a switch that stops bytes at once.
//!
//! Requests come from egress (vendors) and later from hooks, identity provider and witness; they go to declared hosts only.
//! Invariant (P10, P9): a host that is not declared for the purpose, or resolves to an address that no declared service can
//! have, is refused before a byte leaves; after [`Outbound::cut`] returns, no further byte goes out for that purpose.
//!
//! Built on hyper's HTTP/1 connection itself rather than on a client with its own pool, because two things must be exact:
//! whether any byte of a request has left (the ledger and at-most-once operations depend on it), and that a cut closes the
//! socket, with what the kernel still holds, before it returns.

mod address;
mod client;
mod connect;
mod destination;
mod error;
mod exchange;
mod mail;
mod pool;
mod socket;

pub use client::{Outbound, OutboundOptions, OutboundRequest, OutboundResponse, Resolution, Verb};
pub use destination::{Destination, Purpose, Scheme};
pub use error::{NotSent, OutboundError, Unknown};
pub use mail::{
    Mail, MailCredentials, MailError, MailOptions, MailTls, Mailer, is_mail_address, is_mail_sender,
};

#[cfg(test)]
mod tests;
