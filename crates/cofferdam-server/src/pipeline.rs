//! The way of an event, on one screen: decode → project → limits → identity → consent and policy → seal → journal → answer.
//!
//! Bytes come from the intake routes; entries go to the journal, from where every consumer reads at its own cursor.
//! Invariant: what is acknowledged is durable (P4); nothing that policy did not admit leaves this file (P1, P2).

mod forgotten;
mod steps;

use crate::counters::{Count, Counters};
use crate::geo::Geo;
use crate::policies::Policies;
use crate::projects::Projects;
use crate::rates::{Network, RateLimit};
use bytes::Bytes;
use cofferdam_access::{Import, Permit};
use cofferdam_journal::{Append, Journal, JournalError};
use cofferdam_model::{Clock, Entropy, Limits, Place, ProjectName, Refusal, TimestampMs};
use cofferdam_policy::{Policy, Record, Signals, record};
use cofferdam_vault::{Vault, VaultError};
use cofferdam_wire::{Batch, Rejected};
pub(crate) use forgotten::Forgotten;
use std::net::IpAddr;
use std::sync::{Arc, RwLock};
use steps::Admission;

/// What the pipeline works with.
#[derive(Debug)]
pub struct Pipeline {
    /// The projects by token and secret; replaced on reload.
    pub projects: RwLock<Arc<Projects>>,
    /// The policies.
    pub policies: Arc<Policies>,
    /// Keys and identity.
    pub vault: Arc<Vault>,
    /// Where entries become durable.
    pub journal: Journal,
    /// What the operator sees.
    pub counters: Arc<Counters>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids for events that have none.
    pub entropy: Arc<dyn Entropy>,
    /// Locations, if a database is configured.
    pub geo: Option<Geo>,
    /// Limits of one request.
    pub limits: Limits,
    /// Limits of a token and network.
    pub rates: Rates,
}

/// Limits of a token and network.
#[derive(Debug)]
pub struct Rates {
    /// Events a minute.
    pub events: RateLimit<(Arc<str>, Network)>,
    /// New people a minute.
    pub new_people: RateLimit<(Arc<str>, Network)>,
}

/// What is known of the sender, besides the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sender<'a> {
    /// The connection's address, through trusted proxies only.
    pub address: Option<IpAddr>,
    /// `Origin`, if the request came from a page.
    pub origin: Option<&'a str>,
    /// `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// Consent signals in headers.
    pub signals: Signals,
    /// The project secret or token shown in `Authorization`.
    pub credential: Option<&'a str>,
    /// Whether the connection is the person's own (browser), not a server's.
    pub is_person: bool,
    /// The project into which an operator imports: everything is of it, verified, and no limit of senders applies.
    pub import: Option<&'a ProjectName>,
}

/// What became of a request's items.
#[derive(Debug, Default)]
pub struct Accepted {
    /// Items that are durable, duplicates included.
    pub accepted: u32,
    /// Items that are not, by index.
    pub rejected: Vec<Rejected>,
}

impl Accepted {
    /// Whether the sender passed a limit, so that it should send the request again later.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        let limits = [Refusal::RateLimited, Refusal::NewPeopleLimit];
        self.rejected
            .iter()
            .any(|rejected| limits.contains(&rejected.refusal))
    }
}

/// What became of a stretch of an import.
#[derive(Debug)]
pub struct Imported {
    /// The records that are durable, copies included, whose people are durable as well.
    pub records: Vec<Record>,
    /// How many of the records were copies.
    pub duplicates: usize,
    /// Items that are not durable, by index.
    pub rejected: Vec<Rejected>,
}

/// Why a request could not be taken now; the sender should come again.
#[derive(Clone, Copy, Debug)]
pub struct Unavailable {
    /// Seconds after which to try again.
    pub retry_after_s: u32,
}

impl Pipeline {
    /// Takes a decoded request's items the whole way to the journal.
    ///
    /// # Errors
    /// [`Unavailable`] where durability cannot be promised now: nothing is acknowledged.
    pub async fn accept(
        &self,
        batch: Batch<'_>,
        sender: &Sender<'_>,
    ) -> Result<Accepted, Unavailable> {
        let (admission, _) = self.take(batch, sender, &self.policies.active()).await?;
        Ok(Accepted {
            accepted: admission.items_kept,
            rejected: admission.rejected,
        })
    }

    /// As [`Pipeline::accept`], for what an operator imports into a project: the same steps, under a policy that knows no vendor,
    /// so that history is kept in-house and sent to nobody.
    ///
    /// # Errors
    /// [`Unavailable`], also where that policy cannot be archived: nothing is acknowledged.
    pub async fn import(
        &self,
        _permit: &Permit<Import>,
        batch: Batch<'_>,
        project: &ProjectName,
    ) -> Result<Imported, Unavailable> {
        let policy = self.policies.home_only().map_err(|error| {
            tracing::warn!(%error, "the policy of imports cannot be archived");
            Unavailable { retry_after_s: 5 }
        })?;
        let sender = Sender {
            import: Some(project),
            ..Sender::default()
        };
        let (mut admission, duplicates) = self.take(batch, &sender, &policy).await?;
        let is_written = duplicates < admission.records.len();
        Ok(Imported {
            duplicates,
            records: admission.durable_records(is_written),
            rejected: admission.rejected,
        })
    }

    /// The steps, under a policy; with how many of the records were copies.
    async fn take(
        &self,
        batch: Batch<'_>,
        sender: &Sender<'_>,
        policy: &Policy,
    ) -> Result<(Admission, usize), Unavailable> {
        let received = self.clock.now();
        let mut admission = self.admit_all(batch, sender, policy, received);
        let mut duplicates = 0;
        if !admission.records.is_empty() {
            let append = self.seal(&mut admission)?;
            let appended = self
                .journal
                .append(append)
                .await
                .map_err(|error| unavailable(&error))?;
            duplicates = appended.duplicates.len();
            // An entry of nothing but duplicates is not written, nor are its definitions: they ride on with the next one.
            let is_written = duplicates < admission.records.len();
            if is_written {
                self.vault.confirm(&admission.definitions);
            }
            self.record_opt_ins(&admission, is_written).await?;
            self.count_appended(received, &admission, duplicates);
        }
        self.count_refused(&admission);
        Ok((admission, duplicates))
    }

    /// A yes is durable before its event is acknowledged; an objection on record outweighs it.
    async fn record_opt_ins(
        &self,
        admission: &Admission,
        is_written: bool,
    ) -> Result<(), Unavailable> {
        for person in admission.durably_opted_in(is_written) {
            match self.vault.opt_in(person).await {
                Ok(()) | Err(VaultError::NoSuchPerson) => {}
                Err(error) => {
                    tracing::warn!(%error, "an opt-in could not be recorded");
                    return Err(Unavailable { retry_after_s: 1 });
                }
            }
        }
        Ok(())
    }

    /// Project, limits, identity, consent and policy for every item; all in memory, nothing durable yet.
    fn admit_all(
        &self,
        batch: Batch<'_>,
        sender: &Sender<'_>,
        policy: &Policy,
        received: TimestampMs,
    ) -> Admission {
        let projects = self.projects();
        let place = self.place(sender);
        let mut admission = Admission::new(batch.rejected, batch.notes, batch.items.len());
        let mut step = steps::ItemStep {
            pipeline: self,
            policy,
            projects: &projects,
            shown: projects.shown(sender.credential),
            sender,
            network: Network::of(sender.address),
            place: place.as_ref(),
            received,
            last: None,
        };
        for item in &batch.items {
            let decided = step.admit(item, &mut admission);
            if let Err((project, refusal)) = decided {
                admission.refuse(steps::index_of(item), project, refusal);
            }
        }
        admission
    }

    /// One entry: definitions and records, personal parts under the persons' keys, all of it under the journal's key.
    fn seal(&self, admission: &mut Admission) -> Result<Append, Unavailable> {
        let mut plain = Vec::with_capacity(admission.records.len() * 256);
        if let Err(error) = record::encode(
            &admission.definitions,
            &admission.records,
            &*self.vault,
            &mut plain,
        ) {
            // A person was forgotten between resolving and sealing: the next try is refused as such.
            tracing::warn!(%error, "an entry could not be sealed");
            return Err(Unavailable { retry_after_s: 1 });
        }
        let (tag, sealed) = self.vault.encrypt_entry(&plain);
        Ok(Append {
            keys: std::mem::take(&mut admission.keys),
            tag,
            payload: Bytes::from(sealed),
        })
    }

    fn place(&self, sender: &Sender<'_>) -> Option<Place> {
        let address = sender.address.filter(|_| sender.is_person)?;
        self.geo.as_ref()?.place(address)
    }

    /// The projects as configured now.
    pub fn projects(&self) -> Arc<Projects> {
        Arc::clone(
            &self
                .projects
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    /// What is in the journal is counted as accepted from there, exactly; copies are not in it.
    fn count_appended(&self, received: TimestampMs, admission: &Admission, duplicates: usize) {
        // Times that policy found impossible (1970, 2099); those that are no time at all are in the wire's notes.
        let replaced = admission
            .records
            .iter()
            .filter(|record| record.is_time_replaced())
            .count();
        if replaced > 0 {
            self.counters
                .add(Count::Note(Arc::from("unusable_times")), replaced as u64);
        }
        if duplicates > 0 {
            let project = admission
                .records
                .first()
                .map_or_else(|| Arc::from(""), |record| Arc::clone(&record.project().0));
            self.counters.add_all(
                [
                    Count::Accepted(received.day()),
                    Count::Refused(project, Refusal::Duplicate),
                ]
                .map(|count| (count, duplicates as u64)),
            );
        }
    }

    fn count_refused(&self, admission: &Admission) {
        for (project, refusal) in &admission.refused {
            self.counters
                .add(Count::Refused(Arc::clone(project), *refusal), 1);
        }
        for (name, count) in admission.notes.counts() {
            if count > 0 {
                self.counters
                    .add(Count::Note(Arc::from(name)), u64::from(count));
            }
        }
    }
}

fn unavailable(error: &JournalError) -> Unavailable {
    tracing::warn!(%error, "an append was not acknowledged");
    Unavailable { retry_after_s: 5 }
}
