//! From the journal to items: read at the cursor, decrypt, decode, minimize for one vendor.
//!
//! Called by the worker in a blocking task; nothing here is durable and nothing leaves.
//! Invariant: every record up to the new cursor became an item or was counted with the reason why not.

use crate::batch::Ready;
use crate::dialect::Lane;
use crate::told::Told;
use crate::{EgressError, EgressOptions, VendorOptions};
use cofferdam_journal::Entry;
use cofferdam_ledger::FieldKey;
use cofferdam_model::{Day, Refusal, TimestampMs};
use cofferdam_policy::{
    ConsentState, Exposure, Fate, Policy, PolicyId, Record, SendContext, VendorItem, VendorSubject,
    record,
};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Fields by path and reason.
pub(crate) type FieldCounts = HashMap<(Arc<str>, Refusal), u64>;

/// A stretch of the journal, read.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// The next record to look at.
    pub(crate) cursor: u64,
    pub(crate) items: Vec<Ready>,
    /// Records that became no item.
    pub(crate) refused: BTreeMap<Refusal, u64>,
    pub(crate) withheld: FieldCounts,
    pub(crate) would_withhold: FieldCounts,
    /// Records and journal bytes looked at.
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Days on which the first and last of the records were received.
    pub(crate) days: Option<(Day, Day)>,
    /// What the vendor will have been told with these items; empty where records were passed unseen.
    pub(crate) told: Told,
}

impl Collected {
    fn refuse(&mut self, refusal: Refusal, count: u64) {
        *self.refused.entry(refusal).or_default() += count;
    }
}

/// What one stretch is minimized under, and the fates that came of it.
struct Terms<'a> {
    policy: &'a Policy,
    purpose: &'a str,
    epoch: u32,
    today: Day,
    archived: HashMap<PolicyId, Option<Arc<Policy>>>,
    /// By their place in memory, which each keeps while it is in here.
    fates: HashMap<usize, Met, RandomState>,
}

/// A fate that some records had.
struct Met {
    fate: Arc<Fate>,
    fields: Arc<[FieldKey]>,
    records: u64,
}

impl Terms<'_> {
    /// The exposed fields as the ledger names them; the record counts as one of that fate.
    fn meet(&mut self, fate: &Arc<Fate>) -> Arc<[FieldKey]> {
        let met = self.fates.entry(Arc::as_ptr(fate).addr());
        let met = met.or_insert_with(|| Met {
            fate: Arc::clone(fate),
            fields: keys(&fate.exposures),
            records: 0,
        });
        met.records += 1;
        Arc::clone(&met.fields)
    }

    /// Counts what was withheld of all records.
    fn count(self, out: &mut Collected) {
        for met in self.fates.into_values() {
            let of = |counts: &mut FieldCounts, fields: &[(Arc<str>, Refusal)]| {
                for (path, refusal) in fields {
                    count(counts, path, *refusal, met.records);
                }
            };
            of(&mut out.withheld, &met.fate.withheld);
            of(&mut out.would_withhold, &met.fate.would_withhold);
        }
    }
}

/// Reads the journal for one vendor.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) options: EgressOptions,
    pub(crate) vendor: VendorOptions,
}

impl Feed {
    /// The next items from `cursor` on, under the policy in force. Empty with an unmoved cursor at the journal's end. `told` is
    /// what the vendor was told up to there. Blocking.
    pub(crate) fn collect(
        &self,
        cursor: u64,
        epoch: u32,
        policy: &Policy,
        told: Told,
    ) -> Result<Collected, EgressError> {
        let mut terms = self.terms(epoch, policy);
        let mut out = Collected {
            cursor,
            told,
            ..Collected::default()
        };
        // Reads on while little came of it, so that a vendor that gets few records does not crawl through the journal.
        while out.items.len() < self.options.limits.batch_items_max
            && out.bytes < 4 * self.options.limits.read_bytes_max as u64
        {
            let entries = self.read(out.cursor)?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                self.entry(entry, &mut terms, &mut out);
                if out.items.len() >= self.options.limits.batch_items_max {
                    break;
                }
            }
        }
        terms.count(&mut out);
        Ok(out)
    }

    /// Passes records that have waited too long, as far as one piece of the journal goes; the first one that has not, with its
    /// time of arrival. What the journal has released meanwhile was too old as well. Blocking.
    pub(crate) fn expire(
        &self,
        cursor: u64,
    ) -> Result<(Collected, Option<TimestampMs>), EgressError> {
        let mut out = Collected {
            cursor,
            ..Collected::default()
        };
        let held = self.options.journal.first_seq();
        if cursor < held {
            out.refuse(Refusal::BacklogExpired, held - cursor);
            out.records += held - cursor;
            out.cursor = held;
        }
        for entry in self.read(out.cursor)? {
            let at = TimestampMs(entry.appended_ms.cast_signed());
            if !self.is_expired(at) {
                return Ok((out, Some(at)));
            }
            let from = out.cursor.max(entry.first_seq);
            Self::pass(&entry, from, Refusal::BacklogExpired, &mut out);
            let first = out.days.map_or(at.day(), |(first, _)| first);
            out.days = Some((first, at.day()));
        }
        Ok((out, None))
    }

    /// Whether what arrived at that time has waited too long.
    pub(crate) fn is_expired(&self, arrived: TimestampMs) -> bool {
        let most = i64::try_from(self.options.limits.backlog_age_max.as_millis());
        let age = self.options.clock.now().0.saturating_sub(arrived.0);
        most.is_ok_and(|most| age > most)
    }

    /// What these records may be today; one that the journal no longer holds may be nothing. Blocking.
    pub(crate) fn again(
        &self,
        seqs: &BTreeSet<u64>,
        epoch: u32,
        policy: &Policy,
    ) -> Result<BTreeMap<u64, Result<Ready, Refusal>>, EgressError> {
        let mut terms = self.terms(epoch, policy);
        let mut told = Told::default();
        let mut found: BTreeMap<u64, Result<Ready, Refusal>> = seqs
            .iter()
            .map(|seq| (*seq, Err(Refusal::BacklogExpired)))
            .collect();
        let (mut next, last) = (seqs.first().copied(), seqs.last().copied());
        while let (Some(from), Some(last)) = (next, last)
            && from <= last
        {
            let entries = self.read(from)?;
            for entry in &entries {
                for (seq, record) in self.wanted(entry, seqs) {
                    let ready = match record {
                        Ok(record) => self.record(seq, &record, &mut terms, &mut told),
                        Err(refusal) => Err(refusal),
                    };
                    found.insert(seq, ready);
                }
            }
            next = entries.last().map(Entry::next_seq);
        }
        Ok(found)
    }

    /// The wanted records of an entry.
    fn wanted(&self, entry: &Entry, seqs: &BTreeSet<u64>) -> Vec<(u64, Result<Record, Refusal>)> {
        let wanted = || seqs.range(entry.first_seq..entry.next_seq()).copied();
        if wanted().next().is_none() {
            return Vec::new();
        }
        if self.is_expired(TimestampMs(entry.appended_ms.cast_signed())) {
            let expired = |seq| (seq, Err(Refusal::BacklogExpired));
            return wanted().map(expired).collect();
        }
        let plain = self.options.vault.decrypt_entry(entry.tag, &entry.payload);
        let decoded = plain
            .map_err(|_| Refusal::Forgotten)
            .and_then(|plain| record::decode(&plain).map_err(|_| Refusal::Malformed));
        match decoded {
            Err(refusal) => wanted().map(|seq| (seq, Err(refusal))).collect(),
            Ok(decoded) => (entry.first_seq..)
                .zip(decoded.records)
                .filter(|(seq, _)| seqs.contains(seq))
                .map(|(seq, record)| (seq, Ok(record)))
                .collect(),
        }
    }

    fn terms<'a>(&self, epoch: u32, policy: &'a Policy) -> Terms<'a> {
        let vendor = policy.vendor(&self.vendor.id);
        Terms {
            policy,
            purpose: vendor.map_or("", |vendor| vendor.purpose.as_str()),
            epoch,
            today: self.options.clock.now().day(),
            archived: HashMap::new(),
            fates: HashMap::default(),
        }
    }

    /// Counts records from `cursor` to `until` as refused without looking further at them. Blocking.
    pub(crate) fn skip(
        &self,
        cursor: u64,
        until: u64,
        refusal: Refusal,
    ) -> Result<Collected, EgressError> {
        let mut out = Collected {
            cursor,
            ..Collected::default()
        };
        for entry in self.read(cursor)? {
            let end = entry.next_seq().min(until);
            for seq in out.cursor.max(entry.first_seq)..end {
                let index = u32::try_from(seq - entry.first_seq).unwrap_or(u32::MAX);
                if !entry.duplicates.contains(index) {
                    out.refuse(refusal, 1);
                    out.records += 1;
                }
            }
            let day = TimestampMs(entry.appended_ms.cast_signed()).day();
            out.days = Some(out.days.map_or((day, day), |(first, _)| (first, day)));
            out.bytes += entry.payload.len() as u64;
            out.cursor = out.cursor.max(end);
            if out.cursor >= until {
                break;
            }
        }
        Ok(out)
    }

    fn read(&self, cursor: u64) -> Result<Vec<Entry>, EgressError> {
        self.options
            .journal
            .read(cursor, self.options.limits.read_bytes_max)
            .map_err(EgressError::Journal)
    }

    fn entry(&self, entry: &Entry, terms: &mut Terms<'_>, out: &mut Collected) {
        let from = out.cursor.max(entry.first_seq);
        out.bytes += entry.payload.len() as u64;
        let plain = match self.options.vault.decrypt_entry(entry.tag, &entry.payload) {
            Ok(plain) => plain,
            Err(error) => {
                tracing::error!(entry.seq = entry.first_seq, %error, "a journal entry cannot be decrypted and is skipped");
                return Self::pass(entry, from, Refusal::Forgotten, out);
            }
        };
        let decoded = match record::decode(&plain) {
            Ok(decoded) => decoded,
            Err(error) => {
                tracing::error!(entry.seq = entry.first_seq, %error, "a journal entry cannot be read and is skipped");
                return Self::pass(entry, from, Refusal::Malformed, out);
            }
        };
        for (seq, (index, record)) in (entry.first_seq..).zip((0u32..).zip(&decoded.records)) {
            if seq < from {
                continue;
            }
            if !entry.duplicates.contains(index) {
                out.records += 1;
                match self.record(seq, record, terms, &mut out.told) {
                    Ok(ready) => out.items.push(ready),
                    Err(refusal) => {
                        out.told.forget(record);
                        out.refuse(refusal, 1);
                    }
                }
            }
            out.cursor = seq + 1;
            if out.items.len() >= self.options.limits.batch_items_max {
                return;
            }
        }
        out.cursor = out.cursor.max(entry.next_seq());
    }

    fn pass(entry: &Entry, from: u64, refusal: Refusal, out: &mut Collected) {
        let count = entry.next_seq().saturating_sub(from);
        out.told.clear();
        out.refuse(refusal, count);
        out.records += count;
        out.cursor = out.cursor.max(entry.next_seq());
    }

    fn record(
        &self,
        seq: u64,
        record: &Record,
        terms: &mut Terms<'_>,
        told: &mut Told,
    ) -> Result<Ready, Refusal> {
        let at_intake = record.policy();
        if self.options.vault.is_forgotten(record.person()) {
            return Err(Refusal::Forgotten);
        }
        let archived = terms
            .archived
            .entry(at_intake)
            .or_insert_with(|| (self.options.policies.archived)(at_intake));
        let admitted_under = archived.clone().ok_or(Refusal::PolicyBroken)?;
        let standing = self
            .options
            .vault
            .consent(record.person())
            .vendor(&self.vendor.id, terms.purpose);
        let consent = ConsentState {
            opted_in: standing.opted_in,
            objected: standing.objected,
        };
        let context = SendContext {
            epoch: terms.epoch,
            today: terms.today,
            consent,
            opted_in_since: standing.opted_in_since,
            admitted_under: &admitted_under,
        };
        let vault = &*self.options.vault;
        let minimized =
            terms
                .policy
                .minimize_vendor(&self.vendor.id, record, &context, vault, vault)?;
        let item = minimized.into_item();
        told.forget_fields(record, &item.fate().withheld);
        let fields = terms.meet(item.fate());
        Ok(Self::ready(seq, record, item, fields, told))
    }

    fn ready(
        seq: u64,
        record: &Record,
        item: VendorItem,
        fields: Arc<[FieldKey]>,
        told: &mut Told,
    ) -> Ready {
        match item {
            VendorItem::Event(event) => Ready {
                seq,
                lane: Lane::Events,
                repeatable: true,
                person: Some(event.person),
                organization: event.organization,
                fields,
                item: VendorItem::Event(event),
            },
            VendorItem::Update(update) => {
                let update = told.note(record, update);
                Ready {
                    seq,
                    lane: match update.subject {
                        VendorSubject::Person { .. } => Lane::People,
                        VendorSubject::Group { .. } => Lane::Groups,
                    },
                    repeatable: !update.operation.doubles(),
                    person: update.person,
                    organization: update.organization,
                    fields,
                    item: VendorItem::Update(update),
                }
            }
        }
    }
}

/// Exposures as the ledger names them.
pub(crate) fn keys(exposures: &[Exposure]) -> Arc<[FieldKey]> {
    let key = |exposure: &Exposure| FieldKey {
        path: Arc::clone(&exposure.path),
        category: exposure.category,
        form: exposure.form,
    };
    exposures.iter().map(key).collect()
}

/// Counts a field of some records; new names beyond a bound are not listed.
pub(crate) fn count(counts: &mut FieldCounts, path: &Arc<str>, refusal: Refusal, records: u64) {
    const FIELDS_MAX: usize = 10_000;
    let key = (Arc::clone(path), refusal);
    if let Some(count) = counts.get_mut(&key) {
        *count += records;
    } else if counts.len() < FIELDS_MAX {
        counts.insert(key, records);
    }
}
