//! Imports of history: stretches of lines from a vendor's export, through the same pipeline as every event.
//!
//! The command line reads the file and hands over stretches; each is admitted, sealed and appended ([`Pipeline::import`]), told to
//! the ledger where a vendor had it before, and remembered in `control.db` once the caller comes for the next.
//!
//! **Exactly once, killed anywhere.** A stretch counts as done only when the next one (or the end) is asked for; whatever was
//! killed before is given again, from the line that `control.db` names. Given again, an event is known by its insert id, and one
//! that came without gets an id from the file's fingerprint, its line and its text: two equal lines are two events, one line given
//! twice is one. The journal knows these ids for seven days; after that the store does, which compares within project and UTC day
//! of event time with the ids of all that it holds of that day, however old. That is why an event without a usable time is
//! rejected: its day would be the day of the import, and another one on the next try. Profile updates set values, and are given
//! again in the file's order, so that the last one wins each time. The ledger counts a stretch of a file once.
//! Invariant: nothing is acknowledged, told to the ledger or remembered before it is durable; in that order.

mod ids;
mod progress;
mod report;

use crate::pipeline::{Pipeline, Unavailable};
use crate::policies::PoliciesError;
use crate::system::System;
use cofferdam_access::{Caller, Import, Permit};
use cofferdam_ledger::{FieldKey, LedgerError, PastItem};
use cofferdam_model::{Category, Form, Incoming, PersonNumber, ProjectName, Refusal, VendorId};
use cofferdam_policy::{Policy, Record, usable_time};
use cofferdam_wire::export::{self, ExportFormat};
use cofferdam_wire::{Notes, Rejected};
pub use progress::Progress;
use report::Shapes;
pub use report::{ImportReport, ImportedField};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// Runs that are remembered; the oldest one is forgotten, and its caller begins again.
const RUNS_MAX: usize = 64;
/// What an event's name is, and its time where nothing else is said of it.
const BEHAVIOR: Category = Category::of("user.behavior");

/// Why a stretch was not taken.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The run is not known (any more), or not the caller's.
    #[error("this import was taken over or the server was restarted; begin again")]
    NoSuchRun,
    /// The stretch is not the next one.
    #[error("the next line is {next}")]
    NotNext {
        /// The line to go on with, from 0.
        next: u64,
    },
    /// It cannot be made durable now.
    #[error("it cannot be made durable now")]
    Unavailable(Unavailable),
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    /// The policy failed.
    #[error("the policy cannot be used")]
    Policies(#[from] PoliciesError),
    /// `control.db` failed.
    #[error("the progress cannot be written")]
    Database(#[from] sqlx::Error),
    /// A task ended early.
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
}

/// What is imported, and as what.
#[derive(Clone, Debug)]
pub struct Job {
    /// Into which project.
    pub project: ProjectName,
    /// What the lines are, with its name.
    pub format: (ExportFormat, &'static str),
    /// Hash of the file's bytes, or of how an input begins that is read once; 64 hex digits.
    pub fingerprint: String,
    /// The vendor that had all of it.
    pub as_sent_to: Option<VendorId>,
    /// Whether the fingerprint is the whole file's, so that a run goes on where the one before ended.
    pub resumable: bool,
}

/// A run: from one permit to the end of the input or of the caller.
#[derive(Debug)]
struct Run {
    permit: Permit<Import>,
    job: Job,
    /// What the ledger knows the input by.
    source: String,
    committed: Progress,
    /// What the last stretch came to; remembered when the caller comes again.
    pending: Option<Progress>,
}

/// The imports under way.
#[derive(Debug, Default)]
pub struct Imports {
    runs: Mutex<Runs>,
}

#[derive(Debug, Default)]
struct Runs {
    by_id: HashMap<String, (Job, Arc<tokio::sync::Mutex<Run>>)>,
    /// Oldest first.
    order: Vec<String>,
}

impl System {
    /// Begins a run, or goes on with what an earlier one of the same input did. Returns the run's id and where to go on.
    ///
    /// # Errors
    /// [`ImportError::Database`].
    pub async fn begin_import(
        &self,
        permit: Permit<Import>,
        job: Job,
    ) -> Result<(String, Progress), ImportError> {
        let id = crate::config::init::random_hex::<16>(&*self.entropy);
        let committed = match job.resumable {
            true => progress::load(self.counters.pool(), &job).await?,
            false => Progress::default(),
        };
        let source = match job.resumable {
            true => format!("{}/{}/{}", job.project, job.format.1, job.fingerprint),
            // Whether it is the same input nobody can say: its events count again rather than not.
            false => format!("{}/{id}", job.project),
        };
        let mut runs = self.imports.lock();
        runs.take_over(&job);
        let run = Arc::new(tokio::sync::Mutex::new(Run {
            permit,
            job: job.clone(),
            source,
            committed: committed.clone(),
            pending: None,
        }));
        runs.by_id.insert(id.clone(), (job, run));
        runs.order.push(id.clone());
        Ok((id, committed))
    }

    /// Takes a stretch of lines that begins at line `from` (from 0). Returns what was rejected, by line of the stretch.
    ///
    /// # Errors
    /// [`ImportError`]: nothing of the stretch counts, and it is to be given again.
    pub async fn import_lines(
        &self,
        id: &str,
        from: u64,
        bytes: Vec<u8>,
    ) -> Result<Vec<Rejected>, ImportError> {
        let run = self.imports.find(id)?;
        let mut run = run.lock().await;
        self.settle_import(&mut run, from, false).await?;
        let mut notes = Notes::default();
        let text = export::text(bytes, &mut notes);
        let lines = text.lines().count() as u64;
        let mut batch = export::read(run.job.format.0, &text, &self.pipeline.limits);
        batch.notes.add(&notes);
        let received = self.clock.now();
        let job = &run.job;
        let (mut kept, mut without_time) = (Vec::new(), Vec::new());
        for item in std::mem::take(&mut batch.items) {
            match &item {
                Incoming::Event(event) if usable_time(event.time, received).is_none() => {
                    without_time.push(no_time(event.index));
                }
                _ => kept.push(item),
            }
        }
        batch.items = kept;
        batch.rejected.extend(without_time);
        ids::fill(&mut batch.items, &job.fingerprint, from, &text);
        let pipeline: &Pipeline = &self.pipeline;
        let imported = pipeline.import(&run.permit, batch, &job.project).await;
        let mut imported = imported.map_err(ImportError::Unavailable)?;
        imported.rejected.sort_by_key(|rejected| rejected.index);
        let policy = self.policies.home_only()?;
        let mut progress = run.committed.clone();
        let shapes = Shapes::new(&imported.records);
        if let Some(vendor) = run.job.as_sent_to.clone() {
            let items = self.past_items(&policy, &shapes, &imported.records)?;
            progress.report.in_ledger += items.len() as u64;
            let (ledger, source) = (Arc::clone(&self.ledger), run.source.clone());
            tokio::task::spawn_blocking(move || {
                ledger.past(&vendor, &source, from + lines, &items)
            })
            .await??;
        }
        progress.lines = from + lines;
        progress.report.add(&policy, &shapes, &imported, lines);
        run.pending = Some(progress);
        Ok(imported.rejected)
    }

    /// The input ended after so many lines.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn end_import(&self, id: &str, lines: u64) -> Result<ImportReport, ImportError> {
        let run = self.imports.find(id)?;
        let mut run = run.lock().await;
        self.settle_import(&mut run, lines, true).await?;
        Ok(run.committed.report.clone())
    }

    /// What came before line `next` is done with, if that is where the run stands.
    async fn settle_import(
        &self,
        run: &mut Run,
        next: u64,
        is_done: bool,
    ) -> Result<(), ImportError> {
        if let Some(pending) = run.pending.take_if(|pending| pending.lines == next) {
            run.committed = pending;
        } else if run.committed.lines != next {
            return Err(ImportError::NotNext {
                next: run.committed.lines,
            });
        }
        run.pending = None;
        run.committed.is_done = is_done;
        progress::store(self.counters.pool(), &run.job, &run.committed).await?;
        Ok(())
    }

    /// The records as a vendor had them: every field, in clear.
    fn past_items(
        &self,
        policy: &Policy,
        shapes: &Shapes,
        records: &[Record],
    ) -> Result<Vec<PastItem>, LedgerError> {
        let time = policy.source().fields.get("time").copied();
        let own = [("event", BEHAVIOR), ("time", time.unwrap_or(BEHAVIOR))];
        let clear = |path: &Arc<str>, category| FieldKey {
            path: Arc::clone(path),
            category,
            form: Form::Clear,
        };
        // Of each shape: as an update, as an event.
        let mut sets = Vec::with_capacity(shapes.all.len());
        for (shape, _) in &shapes.all {
            let fields = shape.iter();
            let mut keys: Vec<FieldKey> = fields
                .map(|field| clear(&field.path, field.category))
                .collect();
            let update = self.ledger.field_set(&keys)?;
            keys.extend(own.map(|(path, category)| clear(&Arc::from(path), category)));
            sets.push([update, self.ledger.field_set(&keys)?]);
        }
        let items = records.iter().zip(&shapes.of);
        let items = items.filter_map(|(record, shape)| {
            let [update, event] = *sets.get(*shape)?;
            let person = record.person();
            Some(PastItem {
                person: Some(person).filter(|person| *person != PersonNumber::ORGANIZATIONS),
                organization: record.organization(),
                day: record.time().day(),
                fields: if record.is_event() { event } else { update },
                is_event: record.is_event(),
            })
        });
        Ok(items.collect())
    }
}

impl Imports {
    fn lock(&self) -> std::sync::MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the run is this caller's.
    ///
    /// # Errors
    /// [`ImportError::NoSuchRun`].
    pub async fn check(&self, id: &str, caller: Caller) -> Result<(), ImportError> {
        let run = self.find(id)?;
        let is_own = run.lock().await.permit.caller() == caller;
        is_own.then_some(()).ok_or(ImportError::NoSuchRun)
    }

    fn find(&self, id: &str) -> Result<Arc<tokio::sync::Mutex<Run>>, ImportError> {
        let runs = self.lock();
        let run = runs.by_id.get(id).map(|(_, run)| Arc::clone(run));
        run.ok_or(ImportError::NoSuchRun)
    }
}

impl Runs {
    /// Forgets runs of the same input, whose caller is gone or doubled, and those beyond the bound. A stretch that one of them is
    /// at work on just now is finished, and comes again with this one: that changes nothing.
    fn take_over(&mut self, job: &Job) {
        self.by_id.retain(|_, (of, _)| !of.is_same(job));
        let by_id = &self.by_id;
        self.order.retain(|id| by_id.contains_key(id));
        while self.order.len() >= RUNS_MAX {
            let oldest = self.order.remove(0);
            self.by_id.remove(&oldest);
        }
    }
}

impl Job {
    fn is_same(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
            && self.project == other.project
            && self.format.1 == other.format.1
            && self.as_sent_to == other.as_sent_to
    }
}

fn no_time(index: u32) -> Rejected {
    Rejected {
        index,
        refusal: Refusal::Malformed,
        field: "properties.time",
        message: "an imported event's time lies between 1971 and now",
    }
}
