//! The routes, by listener: intake (public, CORS, no cookies), health (both), admin API and web app (never CORS).

pub mod api;
mod audit;
pub(crate) mod boards;
mod deletions;
mod explain;
mod fields;
mod gaps;
pub mod health;
mod imports;
pub mod intake;
mod keys;
mod live;
mod metrics;
pub(crate) mod mixpanel;
mod overview;
mod people;
mod radius;
pub mod reports;
pub(crate) mod sent;
mod sql;
mod status;
mod store;
mod usage;
mod vendors;
mod words;
