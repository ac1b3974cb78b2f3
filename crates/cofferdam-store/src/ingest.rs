//! Taking items into the tail: exact deduplication, schema growth, profile updates, the live feed.
//!
//! The server's consumer calls it in journal order; the next flush makes it durable.
//! Invariant: everything that can fail happens before anything changes; a replayed item changes nothing.

use crate::StoreError;
use crate::profile::{self, row_key};
use crate::schema::ProjectSchema;
use crate::store::{IngestReport, RecentEvent, Store, Subject, Writer};
use crate::version::{ProjectView, TailRow, Version};
use cofferdam_model::{Day, ProjectName};
use cofferdam_policy::{HomeEvent, HomeItem};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError};

impl Store {
    /// As [`Store::ingest`], for items whose proof has been taken off.
    pub(crate) async fn ingest_items(
        &self,
        items: Vec<(u64, HomeItem)>,
        next_seq: u64,
    ) -> Result<IngestReport, StoreError> {
        let mut writer = self.inner.writer.lock().await;
        let current = self.inner.version();
        let items: Vec<(u64, HomeItem)> = items
            .into_iter()
            .filter(|(seq, _)| *seq >= current.next_seq)
            .collect();
        self.load_keys(&mut writer, &current, &items).await?;
        self.load_profiles(&mut writer, &items).await?;
        let mut version = (*current).clone();
        let mut report = IngestReport::default();
        let mut rows = Vec::with_capacity(items.len());
        for (seq, item) in items {
            match item {
                HomeItem::Update(update) => {
                    writer.profiles.apply(&update);
                    report.updates += 1;
                }
                HomeItem::Event(event) => {
                    let day = (event.project.clone(), event.time.day());
                    if expired(&writer, &day) {
                        report.expired += 1;
                    } else if writer.keys.insert(&day, event.insert_key) {
                        self.learn(&mut version, &event);
                        rows.push(TailRow {
                            seq,
                            event: Arc::new(event),
                        });
                        report.events += 1;
                    } else {
                        report.duplicates += 1;
                    }
                }
            }
        }
        writer.keys.shrink();
        self.remember(&rows);
        if !rows.is_empty() {
            version
                .tail_since
                .get_or_insert_with(|| self.inner.options.clock.now());
            version.log_len = version.log.extend(rows);
        }
        version.next_seq = version.next_seq.max(next_seq);
        self.inner.publish(version);
        Ok(report)
    }

    /// Loads the keys of the days that the items are of.
    async fn load_keys(
        &self,
        writer: &mut Writer,
        version: &Arc<Version>,
        items: &[(u64, HomeItem)],
    ) -> Result<(), StoreError> {
        let mut missing: BTreeSet<(ProjectName, Day)> = BTreeSet::new();
        for (_, item) in items {
            if let HomeItem::Event(event) = item {
                let day = (event.project.clone(), event.time.day());
                if !writer.keys.has_day(&day) {
                    missing.insert(day);
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let version = Arc::clone(version);
        let loaded = tokio::task::spawn_blocking(move || {
            missing
                .into_iter()
                .map(|day| crate::scan::keys(&version, &day.0, day.1).map(|keys| (day, keys)))
                .collect::<Result<Vec<_>, _>>()
        })
        .await
        .map_err(|_| StoreError::Task)??;
        for (day, keys) in loaded {
            writer.keys.load(day, keys);
        }
        Ok(())
    }

    async fn load_profiles(
        &self,
        writer: &mut Writer,
        items: &[(u64, HomeItem)],
    ) -> Result<(), StoreError> {
        for (_, item) in items {
            if let HomeItem::Update(update) = item {
                let key: (ProjectName, Subject) =
                    (update.project.clone(), profile::subject(update));
                if !writer.profiles.has(&key) {
                    let (kind, number) = row_key(key.1);
                    let stored = self.inner.catalog.profile(&key.0, kind, number).await?;
                    writer.profiles.load(key, profile::parse(stored)?);
                }
            }
        }
        Ok(())
    }

    /// Registers the event's name and properties.
    fn learn(&self, version: &mut Version, event: &HomeEvent) {
        let limits = &self.inner.options.limits;
        let view = version
            .projects
            .entry(event.project.clone())
            .or_insert_with(|| ProjectView {
                schema: Arc::new(ProjectSchema::new(
                    limits.columns_max,
                    limits.properties_max,
                )),
                days: Arc::default(),
            });
        if !view.schema.events.contains(event.name.as_str()) {
            let name = Arc::from(event.name.as_str());
            Arc::make_mut(&mut view.schema).events.insert(name);
        }
        for (name, value) in &event.properties {
            if !view.schema.knows(name, value) {
                Arc::make_mut(&mut view.schema).learn(name, value);
            }
        }
    }

    /// Puts the newest events into the live feed.
    fn remember(&self, rows: &[TailRow]) {
        let max = self.inner.options.limits.recent_max;
        let mut recent = self
            .inner
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let new = rows.iter().skip(rows.len().saturating_sub(max));
        recent.extend(new.map(|row| RecentEvent {
            seq: row.seq,
            event: Arc::clone(&row.event),
        }));
        trim(&mut recent, max);
    }
}

fn trim(recent: &mut VecDeque<RecentEvent>, max: usize) {
    let extra = recent.len().saturating_sub(max);
    recent.drain(..extra);
}

fn expired(writer: &Writer, day: &(ProjectName, Day)) -> bool {
    writer
        .retention
        .get(&day.0)
        .is_some_and(|before| day.1 < *before)
}
