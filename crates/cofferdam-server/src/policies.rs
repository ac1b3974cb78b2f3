//! Compiled policies: the active one, the archive of all that were, and what happens when the folder does not parse.
//!
//! Each activated source is written to `policies/<id>.json` before it decides anything, so that any record's policy can be
//! compiled again. Invariant: a folder that does not parse stops every vendor, while intake and home keep the last good policy.

use crate::config::problem::Problem;
use cofferdam_policy::{Policy, PolicyId, PolicyProblem, PolicySource};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use thiserror::Error;
use tokio::sync::watch;

/// What went wrong with the archive of policies.
#[derive(Debug, Error)]
pub enum PoliciesError {
    /// A file of the archive cannot be read or written.
    #[error("the policy archive `{path}` cannot be used")]
    Archive {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file of the archive is not a policy.
    #[error("the archived policy `{path}` is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The policy does not compile.
    #[error("the policy does not compile: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Compile {
        /// Every problem.
        problems: Vec<PolicyProblem>,
    },
}

#[derive(Debug)]
struct State {
    active: Arc<Policy>,
    broken: Option<Vec<Problem>>,
    compiled: HashMap<PolicyId, Arc<Policy>>,
    /// The active policy's twin without vendors, once it was asked for.
    home_only: Option<Arc<Policy>>,
}

/// The policies of a data directory.
#[derive(Debug)]
pub struct Policies {
    dir: PathBuf,
    refuse_all: Arc<Policy>,
    /// One number is given at a time.
    archiving: Mutex<()>,
    state: RwLock<State>,
    sending: watch::Sender<Arc<Policy>>,
}

impl Policies {
    /// Opens the archive in `dir` (made if absent) and activates `source`.
    ///
    /// # Errors
    /// Where the archive cannot be used or the policy does not compile.
    pub fn open(dir: &Path, source: PolicySource) -> Result<Self, PoliciesError> {
        std::fs::create_dir_all(dir).map_err(|error| archive(dir, error))?;
        let refuse_all = Arc::new(Policy::refuse_all(PolicyId(0)));
        let state = State {
            active: Arc::clone(&refuse_all),
            broken: None,
            compiled: HashMap::new(),
            home_only: None,
        };
        let sending = watch::Sender::new(Arc::clone(&refuse_all));
        let policies = Self {
            dir: dir.to_owned(),
            refuse_all,
            archiving: Mutex::default(),
            state: RwLock::new(state),
            sending,
        };
        policies.activate(source)?;
        Ok(policies)
    }

    /// The policy that decides at the door and for home: the last good one.
    #[must_use]
    pub fn active(&self) -> Arc<Policy> {
        Arc::clone(&self.read().active)
    }

    /// The policy that decides what vendors get: the active one, or one that refuses everything while the folder is broken.
    #[must_use]
    pub fn sending(&self) -> Arc<Policy> {
        Arc::clone(&self.sending.borrow())
    }

    /// The policies as the vendors' workers see them.
    #[must_use]
    pub fn for_egress(self: &Arc<Self>) -> cofferdam_egress::Policies {
        let archive = Arc::clone(self);
        cofferdam_egress::Policies {
            current: self.sending.subscribe(),
            archived: Arc::new(move |id| archive.load(id).ok()),
        }
    }

    /// Why the folder does not parse, if it does not.
    #[must_use]
    pub fn broken(&self) -> Option<Vec<Problem>> {
        self.read().broken.clone()
    }

    /// Remembers that the folder does not parse; every vendor stops.
    pub fn set_broken(&self, problems: Vec<Problem>) {
        self.state
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .broken = Some(problems);
        self.sending.send_replace(Arc::clone(&self.refuse_all));
    }

    /// Archives and activates a source; an unchanged one keeps its id.
    ///
    /// # Errors
    /// Where it does not compile or cannot be archived; the active policy stays.
    pub fn activate(&self, source: PolicySource) -> Result<PolicyId, PoliciesError> {
        let policy = self.archived(source)?;
        let id = policy.id();
        self.set_active(policy);
        Ok(id)
    }

    /// The active policy without its vendors: what is admitted under it is kept in-house and can be sent to nobody, whatever
    /// later policies permit.
    ///
    /// # Errors
    /// Where it cannot be archived.
    pub fn home_only(&self) -> Result<Arc<Policy>, PoliciesError> {
        if let Some(policy) = &self.read().home_only {
            return Ok(Arc::clone(policy));
        }
        let active = self.active();
        let policy = self.archived(PolicySource {
            vendors: Vec::new(),
            ..active.source().clone()
        })?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.compiled.insert(policy.id(), Arc::clone(&policy));
        if state.active.id() == active.id() {
            state.home_only = Some(Arc::clone(&policy));
        }
        Ok(policy)
    }

    /// A source with its id, archived. Of the archive only the last are looked at: the active one, and its twin without vendors.
    fn archived(&self, source: PolicySource) -> Result<Arc<Policy>, PoliciesError> {
        let _one = self
            .archiving
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let last = self.last_archived()?;
        if let Some(last) = last {
            let policy = self.load(last)?;
            if *policy.source() == source {
                return Ok(policy);
            }
            let before = PolicyId(last.0.saturating_sub(1));
            if policy.source().vendors.is_empty()
                && let Ok(policy) = self.load(before)
                && *policy.source() == source
            {
                return Ok(policy);
            }
        }
        let id = PolicyId(last.map_or(1, |last| last.0 + 1));
        let policy =
            Policy::compile(id, source).map_err(|problems| PoliciesError::Compile { problems })?;
        let path = self.path(id);
        write_durably(&self.dir, &path, policy.source()).map_err(|error| archive(&path, error))?;
        Ok(Arc::new(policy))
    }

    /// An archived policy, to decide about records that were admitted under it.
    ///
    /// # Errors
    /// Where it is not in the archive or damaged.
    pub fn load(&self, id: PolicyId) -> Result<Arc<Policy>, PoliciesError> {
        if let Some(policy) = self.read().compiled.get(&id) {
            return Ok(Arc::clone(policy));
        }
        let path = self.path(id);
        let bytes = std::fs::read(&path).map_err(|error| archive(&path, error))?;
        let source = serde_json::from_slice(&bytes).map_err(|_| PoliciesError::Damaged { path })?;
        let policy =
            Policy::compile(id, source).map_err(|problems| PoliciesError::Compile { problems })?;
        let policy = Arc::new(policy);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.compiled.insert(id, Arc::clone(&policy));
        Ok(policy)
    }

    fn set_active(&self, policy: Arc<Policy>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.compiled.insert(policy.id(), Arc::clone(&policy));
        state.active = Arc::clone(&policy);
        state.broken = None;
        state.home_only = None;
        drop(state);
        self.sending.send_replace(policy);
    }

    fn last_archived(&self) -> Result<Option<PolicyId>, PoliciesError> {
        let entries = std::fs::read_dir(&self.dir).map_err(|error| archive(&self.dir, error))?;
        Ok(entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                entry
                    .file_name()
                    .to_str()?
                    .strip_suffix(".json")?
                    .parse()
                    .ok()
            })
            .max()
            .map(PolicyId))
    }

    fn path(&self, id: PolicyId) -> PathBuf {
        self.dir.join(format!("{:06}.json", id.0))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn archive(path: &Path, source: std::io::Error) -> PoliciesError {
    PoliciesError::Archive {
        path: path.to_owned(),
        source,
    }
}

/// Temporary file, fsync, rename, directory fsync: a crash leaves the old archive or the new.
fn write_durably(dir: &Path, path: &Path, source: &PolicySource) -> std::io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(&serde_json::to_vec(source)?)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(dir)?.sync_all()
}
