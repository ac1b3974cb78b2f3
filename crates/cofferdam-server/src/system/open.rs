//! Opening a system: the order of the parts, and the tasks that keep it going.

use super::coverage::Consumers;
use super::{System, Workers};
use crate::boards::Boards;
use crate::config::Config;
use crate::counters::Counters;
use crate::datadir::DataDir;
use crate::fields::Fields;
use crate::geo::Geo;
use crate::live::Live;
use crate::mails::Mails;
use crate::pipeline::{Pipeline, Rates};
use crate::policies::Policies;
use crate::projector::Projector;
use crate::projects::Projects;
use crate::rates::RateLimit;
use crate::reports::Reports;
use crate::usage::Usage;
use anyhow::Context;
use cofferdam_access::{Access, AccessOptions};
use cofferdam_audit::Audit;
use cofferdam_egress::{Egress, EgressLimits, EgressOptions, Timer};
use cofferdam_journal::{FileLayer, Journal, JournalOptions, StdFiles};
use cofferdam_ledger::{Ledger, LedgerOptions};
use cofferdam_model::{Clock, Entropy, Limits};
use cofferdam_outbound::{Outbound, OutboundOptions};
use cofferdam_store::{Store, StoreLimits, StoreOptions};
use cofferdam_vault::{MasterKey, Vault, VaultError, VaultOptions};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, watch};

/// Time, randomness and waiting from outside.
#[derive(Clone, Debug)]
pub struct Seams {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Waiting of the vendors' workers.
    pub timer: Arc<dyn Timer>,
    /// Whether this is the demo.
    pub is_demo: bool,
    /// The files below the journal. Only the bench and fault tests put something else here.
    pub journal_files: Arc<dyn FileLayer>,
    /// What fails below the audit log. Only fault tests set any.
    pub audit_faults: cofferdam_audit::Faults,
    /// Measures intake alone: the projector and the vendors' workers are not started, so that what is accepted only lies in
    /// the journal. Only the bench sets it.
    pub pause_consumers: bool,
    /// Whether vendors get anything; a verb without a running server sends nothing.
    pub sends: bool,
}

impl Default for Seams {
    fn default() -> Self {
        Self {
            clock: Arc::new(crate::clock::SystemClock),
            entropy: Arc::new(crate::clock::SystemEntropy),
            timer: Arc::new(cofferdam_egress::TokioTimer),
            is_demo: false,
            journal_files: Arc::new(StdFiles),
            audit_faults: cofferdam_audit::Faults::default(),
            pause_consumers: false,
            sends: true,
        }
    }
}

/// Log size at which the ledger runs a checkpoint.
const LEDGER_LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How often released journal segments and unused keys are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

impl System {
    /// Opens the data directory of a configuration and starts the projector and the vendors' workers.
    ///
    /// # Errors
    /// Where any part cannot be opened; the message says which and why.
    pub async fn open(config: Config, seams: Seams) -> anyhow::Result<Arc<Self>> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let master = master_key(&config, &data_dir, &*seams.entropy)?;
        let audit = Audit::open_with(
            &data_dir.join("audit"),
            Arc::clone(&seams.clock),
            Arc::clone(&seams.entropy),
            seams.audit_faults.clone(),
        )
        .context("the audit log cannot be opened")?;
        let access = Arc::new(Access::open(&AccessOptions {
            token_file: data_dir.join("admin.token"),
            audit: Arc::new(audit),
            entropy: Arc::clone(&seams.entropy),
            clock: Arc::clone(&seams.clock),
        })?);
        let vault = Vault::open(VaultOptions {
            path: data_dir.join("vault.db"),
            master,
            clock: Arc::clone(&seams.clock),
            entropy: Arc::clone(&seams.entropy),
        })
        .await
        .map_err(|error| {
            let hint = match &error {
                VaultError::WrongMasterKey { .. } => {
                    let file = config.master_key_file.display();
                    format!("the vault cannot be opened with vault.master_key_file, {file}; after `key rotate-master` it must name the new file")
                }
                _ => "the vault cannot be opened".to_owned(),
            };
            anyhow::Error::new(error).context(hint)
        })?;
        let counters = Arc::new(
            Counters::open(&data_dir.join("control.db"))
                .await
                .context("control.db cannot be opened")?,
        );
        let fields = Arc::new(
            Fields::open(counters.pool(), config.limits.new_fields_per_hour_max)
                .await
                .context("control.db cannot be read")?,
        );
        let boards = Boards::open(counters.pool(), Arc::clone(&seams.clock))
            .await
            .context("control.db cannot be read")?;
        let usage = Usage::open(&data_dir.join("usage.db"))
            .await
            .context("usage.db cannot be opened")?;
        let store_options = StoreOptions::new(
            data_dir.join("store"),
            data_dir.join("catalog.db"),
            Arc::clone(&seams.clock),
        );
        let flush_seconds = i64::try_from(config.store.flush_seconds).unwrap_or(i64::MAX);
        let flush_ms = flush_seconds.saturating_mul(1_000);
        let store_options = StoreOptions {
            limits: StoreLimits {
                tail_ms_max: flush_ms,
                ..store_options.limits.clone()
            },
            ..store_options
        };
        let store = Arc::new(
            Store::open(store_options)
                .await
                .context("the event store cannot be opened")?,
        );
        let ledger_dir = data_dir.join("ledger");
        let ledger = tokio::task::spawn_blocking(move || {
            Ledger::open(LedgerOptions {
                dir: ledger_dir,
                log_bytes_max: LEDGER_LOG_BYTES_MAX,
            })
        })
        .await?
        .context("the ledger cannot be opened")?;
        let ledger = Arc::new(ledger);
        let policies = Arc::new(Policies::open(
            &data_dir.join("policies"),
            config.policy.clone(),
        )?);
        let seen_to = ledger.cursor()?;
        let cursor = vault
            .cursor()
            .max(store.cursor())
            .max(seen_to)
            .max(counters.cursor());
        let journal = open_journal(&data_dir, &seams, cursor).await?;
        let consumers = Consumers {
            ledger: seen_to,
            vault: vault.cursor(),
        };
        let outbound = Outbound::new(OutboundOptions {
            allow_loopback_vendors: config.server.allow_loopback_vendors,
            ..OutboundOptions::default()
        })
        .context("the outbound client cannot be made")?;
        let outbound = Arc::new(outbound);
        let mails = Mails::open(&config, counters.pool(), Arc::clone(&seams.clock))
            .await
            .context("mails cannot be sent as [mail] says")?;
        let egress = Egress::new(EgressOptions {
            dir: data_dir.join("egress"),
            journal: journal.clone(),
            vault: Arc::clone(&vault),
            ledger: Arc::clone(&ledger),
            outbound: Arc::clone(&outbound),
            policies: policies.for_egress(),
            clock: Arc::clone(&seams.clock),
            timer: Arc::clone(&seams.timer),
            entropy: Arc::clone(&seams.entropy),
            files: Arc::new(StdFiles),
            is_offline: !seams.sends,
            limits: EgressLimits {
                backlog_bytes_max: config.egress.backlog_bytes_max,
                backlog_age_max: Duration::from_secs(
                    config.journal.keep_days.saturating_mul(86_400),
                ),
                ..EgressLimits::default()
            },
            hook: None,
        });
        let pipeline = Arc::new(pipeline(
            &config, &seams, &policies, &vault, &journal, &counters,
        )?);
        let live = Arc::new(Live::default());
        let projector = Arc::new(Projector {
            journal: journal.clone(),
            vault: Arc::clone(&vault),
            store: Arc::clone(&store),
            ledger: Arc::clone(&ledger),
            policies: Arc::clone(&policies),
            counters: Arc::clone(&counters),
            fields: Arc::clone(&fields),
            live: Arc::clone(&live),
            clock: Arc::clone(&seams.clock),
            counted: AtomicU64::new(counters.cursor()),
            seen_to: AtomicU64::new(seen_to),
            visible: watch::Sender::new(0),
        });
        // What was acknowledged before the last stop is known before the first new request is taken.
        projector
            .recover()
            .await
            .context("the journal cannot be projected")?;
        // Also where there was nothing to catch up with: a flush waits for this.
        let projected = *journal.durable().borrow();
        projector
            .visible
            .send_if_modified(|next| std::mem::replace(next, projected.max(*next)) < projected);
        // Nothing of this process was encrypted under an older key.
        let workers = Workers {
            retired: vault.present_entry_tag(),
            ..Workers::default()
        };
        let (stop, stopped) = watch::channel(false);
        let tasks = if seams.pause_consumers {
            Vec::new()
        } else {
            vec![tokio::spawn(Arc::clone(&projector).run(stopped.clone()))]
        };
        let system = Arc::new(Self {
            started: seams.clock.now(),
            config: RwLock::new(Arc::new(config)),
            clock: seams.clock,
            entropy: seams.entropy,
            access,
            vault,
            journal,
            store,
            ledger,
            policies,
            outbound,
            mails,
            egress,
            pipeline,
            projector,
            counters,
            fields,
            boards,
            reports: Reports::default(),
            usage,
            imports: Arc::default(),
            live,
            config_lock: Mutex::new(()),
            workers: Mutex::new(workers),
            owed: Mutex::default(),
            is_demo: seams.is_demo,
            sends: seams.sends,
            intake_address: RwLock::new(None),
            data_dir,
            stop,
            passed: std::sync::Mutex::default(),
            tasks: Mutex::new(tasks),
        });
        if !seams.pause_consumers {
            system
                .repeat_erasures()
                .await
                .context("erasures cannot be repeated")?;
            system
                .find_gaps(consumers)
                .await
                .context("it cannot be found out what the ledger knows")?;
            let mut workers = system.workers.lock().await;
            system.start_vendors(&mut workers).await?;
        }
        let housekeeping = tokio::spawn(housekeeping(Arc::downgrade(&system), stopped));
        system.tasks.lock().await.push(housekeeping);
        if seams.sends && !seams.pause_consumers {
            let tending = super::tend::tending(Arc::downgrade(&system), system.stop.subscribe());
            system.tasks.lock().await.push(tokio::spawn(tending));
        }
        Ok(system)
    }
}

/// There is data, and the key that opens it is not where the configuration says.
#[derive(Debug, thiserror::Error)]
#[error(
    "the master key {} is missing, and the data directory holds data that only it opens; \
     restore it from its backup (nothing was changed)",
    .0.display()
)]
pub struct MissingMasterKey(PathBuf);

/// Reads the master key; makes one only while there is no data that another key protects.
fn master_key(
    config: &Config,
    data_dir: &DataDir,
    entropy: &dyn Entropy,
) -> anyhow::Result<MasterKey> {
    let path = &config.master_key_file;
    if path.try_exists()? {
        return MasterKey::load(path).context("the master key cannot be used");
    }
    if !data_dir.was_empty() && data_dir.join("vault.db").try_exists()? {
        return Err(MissingMasterKey(path.clone()).into());
    }
    if let Some(parent) = path.parent() {
        crate::config::init::make_private_dir(parent)?;
    }
    MasterKey::create(path, entropy).context("the master key cannot be made")
}

async fn open_journal(
    data_dir: &DataDir,
    seams: &Seams,
    min_next_seq: u64,
) -> anyhow::Result<Journal> {
    let clock = Arc::clone(&seams.clock);
    let now_ms = Arc::new(move || clock.now().0.max(0).cast_unsigned());
    let options = JournalOptions {
        min_next_seq,
        ..JournalOptions::new(now_ms)
    };
    let dir = data_dir.join("journal");
    let files = Arc::clone(&seams.journal_files);
    let (journal, recovery) =
        tokio::task::spawn_blocking(move || Journal::open(dir, options, files))
            .await?
            .context("the journal cannot be opened")?;
    if let Some(cut) = &recovery.cut {
        tracing::warn!(
            bytes = cut.bytes,
            "the unfinished end of the journal was cut off; it was never acknowledged"
        );
    }
    Ok(journal)
}

fn pipeline(
    config: &Config,
    seams: &Seams,
    policies: &Arc<Policies>,
    vault: &Arc<Vault>,
    journal: &Journal,
    counters: &Arc<Counters>,
) -> anyhow::Result<Pipeline> {
    Ok(Pipeline {
        projects: RwLock::new(Arc::new(Projects::load(config)?)),
        policies: Arc::clone(policies),
        vault: Arc::clone(vault),
        journal: journal.clone(),
        counters: Arc::clone(counters),
        clock: Arc::clone(&seams.clock),
        entropy: Arc::clone(&seams.entropy),
        geo: config.geo_database.as_deref().map(Geo::open).transpose()?,
        limits: Limits {
            body_bytes_max: config.limits.body_bytes_max,
            ..Limits::default()
        },
        rates: Rates {
            events: RateLimit::new(config.limits.events_per_minute_max, 60_000),
            new_people: RateLimit::new(config.limits.new_people_per_minute_max, 60_000),
        },
    })
}

/// Releases journal segments that every consumer has passed, destroys their keys, compacts, applies retention.
async fn housekeeping(system: std::sync::Weak<System>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(HOUSEKEEPING) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let Some(system) = system.upgrade() else {
            return;
        };
        if let Err(error) = system.keep_house().await {
            tracing::error!(error = ?error, "housekeeping failed; it is tried again");
        }
    }
}
