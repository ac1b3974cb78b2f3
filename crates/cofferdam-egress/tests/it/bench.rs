//! A whole installation in a temporary folder, and a pipeline that fills its journal.

use crate::vendor::{Played, Vendor};
use cofferdam_access::{Access, AccessOptions, Caller, Contain, Permit, ReadRadius, Resume};
use cofferdam_audit::Audit;
use cofferdam_egress::{
    Dialect, Egress, EgressLimits, EgressOptions, Hook, Policies, VendorOptions, VendorStatus,
};
use cofferdam_journal::{Append, FileLayer, Journal, JournalOptions, StdFiles};
use cofferdam_ledger::{Basis, Coverage, Ledger, LedgerOptions, Radius, RadiusRequest};
use cofferdam_model::{
    Category, Clock, Day, Definition, Entropy, Form, IdentityClaim, IncomingEvent, IncomingUpdate,
    Limits, Operation, ProjectName, Provenance, Region, Subject, TimestampMs, Value, VendorId,
};
use cofferdam_outbound::{Destination, Outbound, OutboundOptions, Purpose};
use cofferdam_policy::{
    ConsentMode, ConsentState, IntakeContext, Policy, PolicyId, PolicySource, ProjectSource,
    Record, ResolvedIdentity, Signals, VendorSource, record,
};
use cofferdam_vault::{MasterKey, Vault, VaultOptions};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

/// How long a test waits for an effect before it fails: longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// 2026-03-02T00:00:00Z.
pub(crate) const START: i64 = 1_772_409_600_000;

#[derive(Debug)]
pub(crate) struct PlayedClock(AtomicI64);

impl PlayedClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for PlayedClock {
    fn now(&self) -> TimestampMs {
        TimestampMs(self.0.load(Ordering::SeqCst))
    }
}

/// Different numbers at every call, and the same in every run.
#[derive(Debug)]
pub(crate) struct Counted(pub(crate) AtomicU64);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut x = self
                .0
                .fetch_add(1, Ordering::SeqCst)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(x ^ (x >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

pub(crate) fn id(name: &str) -> VendorId {
    VendorId::from(name)
}

pub(crate) fn project() -> ProjectName {
    ProjectName::from("console")
}

pub(crate) fn source(vendors: &[VendorId]) -> PolicySource {
    let receives: BTreeMap<Category, Form> = [
        ("user.unique_id", Form::Token),
        ("user.behavior", Form::Clear),
        ("user.device.device_id", Form::Token),
    ]
    .map(|(key, form)| (Category::of(key), form))
    .into();
    PolicySource {
        projects: vec![ProjectSource {
            name: project(),
            region: Region::from("EU"),
            organization_key: None,
            consent: ConsentMode::OptOut,
        }],
        home: [(Category::of("user.behavior"), Form::Clear)].into(),
        vendors: vendors
            .iter()
            .map(|id| VendorSource {
                id: id.clone(),
                region: Region::from("EU"),
                destination_region: None,
                purpose: "analytics.reporting".to_owned(),
                projects: vec![project()],
                consent: ConsentMode::OptOut,
                expires: None,
                observe_until: None,
                receives: receives.clone(),
            })
            .collect(),
        fields: ["properties.marker", "profile.marker"]
            .map(|path| (path.to_owned(), Category::of("user.behavior")))
            .into(),
    }
}

/// A vendor's options, with its project token.
pub(crate) fn vendor_options(name: &str, vendor: &Vendor, token: &str) -> VendorOptions {
    VendorOptions {
        id: id(name),
        dialect: Dialect::Mixpanel,
        endpoint: vendor.url.clone(),
        region: Region::from("EU"),
        token: token.to_owned(),
    }
}

/// An installation. Dropped and opened again on the same folder, it is a restart.
pub(crate) struct Bench {
    pub(crate) dir: Arc<TempDir>,
    pub(crate) clock: Arc<PlayedClock>,
    entropy: Arc<Counted>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) journal: Journal,
    pub(crate) vault: Arc<Vault>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) egress: Arc<Egress>,
    pub(crate) policies: watch::Sender<Arc<Policy>>,
}

pub(crate) struct Setup {
    pub(crate) limits: EgressLimits,
    pub(crate) hook: Option<Hook>,
    pub(crate) total_timeout: Duration,
    pub(crate) is_offline: bool,
    pub(crate) files: Arc<dyn FileLayer>,
}

impl Default for Setup {
    fn default() -> Self {
        let limits = EgressLimits {
            linger: Duration::ZERO,
            ..EgressLimits::default()
        };
        Self {
            limits,
            hook: None,
            total_timeout: PATIENCE,
            is_offline: false,
            files: Arc::new(StdFiles),
        }
    }
}

impl Bench {
    pub(crate) async fn new(vendors: &[(&str, &Vendor)], setup: Setup) -> Self {
        let clock = Arc::new(PlayedClock(AtomicI64::new(START)));
        let entropy = Arc::new(Counted(AtomicU64::new(1)));
        Self::open(
            Arc::new(tempfile::tempdir().unwrap()),
            clock,
            entropy,
            vendors,
            setup,
        )
        .await
    }

    async fn open(
        dir: Arc<TempDir>,
        clock: Arc<PlayedClock>,
        entropy: Arc<Counted>,
        vendors: &[(&str, &Vendor)],
        setup: Setup,
    ) -> Self {
        let path = dir.path();
        let (as_clock, as_entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::clone(&clock) as _, Arc::clone(&entropy) as _);
        let audit = Arc::new(
            Audit::open(
                &path.join("audit"),
                Arc::clone(&as_clock),
                Arc::clone(&as_entropy),
            )
            .unwrap(),
        );
        let master = MasterKey::from_bytes([7; 32]);
        let options = VaultOptions {
            path: path.join("vault.db"),
            master,
            clock: Arc::clone(&as_clock),
            entropy: Arc::clone(&as_entropy),
        };
        let vault = Vault::open(options).await.unwrap();
        let now = Arc::clone(&clock);
        let journal_options = JournalOptions::new(Arc::new(move || now.now().0 as u64));
        let (journal, _) =
            Journal::open(path.join("journal"), journal_options, Arc::new(StdFiles)).unwrap();
        let ledger = Arc::new(Ledger::open(LedgerOptions::new(path.join("ledger"))).unwrap());
        let mut names: Vec<VendorId> = vendors.iter().map(|(name, _)| id(name)).collect();
        if names.is_empty() {
            // Nobody sends yet, but what is admitted is admitted for this vendor.
            names.push(id("a"));
        }
        let policy = Arc::new(Policy::compile(PolicyId(1), source(&names)).unwrap());
        let (policies, current) = watch::channel(Arc::clone(&policy));
        let archived = Arc::clone(&policy);
        let outbound = Outbound::new(OutboundOptions {
            allow_loopback_vendors: true,
            total_timeout: setup.total_timeout,
            ..OutboundOptions::default()
        });
        let outbound = Arc::new(outbound.unwrap());
        outbound.declare(
            vendors
                .iter()
                .map(|(name, vendor)| {
                    Destination::parse(Purpose::VendorEvents(id(name)), &vendor.url).unwrap()
                })
                .collect(),
        );
        let egress = Arc::new(Egress::new(EgressOptions {
            dir: path.join("egress"),
            journal: journal.clone(),
            vault: Arc::clone(&vault),
            ledger: Arc::clone(&ledger),
            outbound,
            policies: Policies {
                current,
                archived: Arc::new(move |id| (id == PolicyId(1)).then(|| Arc::clone(&archived))),
            },
            clock: as_clock,
            timer: Arc::new(Played(Arc::clone(&clock))),
            entropy: as_entropy,
            files: setup.files,
            is_offline: setup.is_offline,
            limits: setup.limits,
            hook: setup.hook,
        }));
        let bench = Self {
            dir,
            clock,
            entropy,
            audit,
            journal,
            vault,
            ledger,
            policy,
            egress,
            policies,
        };
        let options = vendors
            .iter()
            .map(|(name, vendor)| vendor_options(name, vendor, &format!("token-{name}")));
        bench.egress.configure(options.collect()).await.unwrap();
        bench
    }

    /// Ends everything without ceremony and opens it again.
    pub(crate) async fn restart(self, vendors: &[(&str, &Vendor)], setup: Setup) -> Self {
        self.egress.shutdown().await;
        let Self {
            dir,
            clock,
            entropy,
            journal,
            egress,
            vault,
            ledger,
            audit,
            ..
        } = self;
        journal.close();
        drop((egress, vault, ledger, audit, journal));
        Self::open(dir, clock, entropy, vendors, setup).await
    }

    /// Appends events with these markers, as one entry, for people of `people` different ids.
    pub(crate) async fn events(&self, markers: std::ops::Range<i64>, people: i64) {
        let limits = Limits::default();
        let project = project();
        let (mut definitions, mut records, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for marker in markers {
            let distinct_id = format!("u-{}", marker % people);
            let insert_id = format!("i-{marker}");
            let claim = IdentityClaim {
                distinct_id: Some(Cow::Borrowed(&distinct_id)),
                ..IdentityClaim::default()
            };
            let event = IncomingEvent {
                index: 0,
                token: None,
                name: Cow::Borrowed("Sign up"),
                time: Some(self.clock.now()),
                insert_id: Some(Cow::Borrowed(&insert_id)),
                identity: claim.clone(),
                properties: vec![
                    (Cow::Borrowed("marker"), Value::Int(marker)),
                    (
                        Cow::Borrowed("email"),
                        Value::Text(Cow::Borrowed("ada@example.com")),
                    ),
                ],
            };
            let (identity, more) = self.resolve(&claim);
            let insert_key = self.key(marker);
            let identity = ResolvedIdentity {
                insert_key,
                insert_id: &insert_id,
                ..identity
            };
            let admitted = self
                .policy
                .admit(&self.context(&project, &limits), &event, &identity)
                .unwrap();
            records.push(Record::from(admitted));
            definitions.extend(more);
            keys.push(insert_key);
        }
        self.append(&definitions, &records, keys).await;
    }

    /// Appends one profile update of the person `u-<person>`.
    pub(crate) async fn update(&self, person: i64, operation: Operation, marker: i64) {
        let (limits, project) = (Limits::default(), project());
        let distinct_id = format!("u-{person}");
        let claim = IdentityClaim {
            distinct_id: Some(Cow::Borrowed(&distinct_id)),
            ..IdentityClaim::default()
        };
        let update = IncomingUpdate {
            index: 0,
            token: None,
            subject: Subject::Person,
            operation,
            time: None,
            identity: claim.clone(),
            values: vec![(Cow::Borrowed("marker"), Value::Int(marker))],
        };
        let (identity, definitions) = self.resolve(&claim);
        let admitted = self
            .policy
            .admit_update(&self.context(&project, &limits), &update, &identity)
            .unwrap();
        self.append(&definitions, &[Record::from(admitted)], vec![[0; 16]])
            .await;
    }

    fn key(&self, marker: i64) -> [u8; 16] {
        u128::from(marker as u64 + 1).to_le_bytes()
    }

    fn context<'a>(&self, project: &'a ProjectName, limits: &'a Limits) -> IntakeContext<'a> {
        IntakeContext {
            project,
            received: self.clock.now(),
            provenance: Provenance::Verified,
            signals: Signals::default(),
            consent: ConsentState::default(),
            address: None,
            place: None,
            user_agent: None,
            limits,
            forgotten: None,
        }
    }

    fn resolve(&self, claim: &IdentityClaim<'_>) -> (ResolvedIdentity<'static>, Vec<Definition>) {
        let resolved = self
            .vault
            .resolve(&project(), claim, Provenance::Verified)
            .unwrap();
        let identity = ResolvedIdentity {
            person: resolved.person,
            organization: None,
            insert_key: [0; 16],
            insert_id: "",
        };
        (identity, resolved.definitions)
    }

    async fn append(&self, definitions: &[Definition], records: &[Record], keys: Vec<[u8; 16]>) {
        let mut plain = Vec::new();
        record::encode(definitions, records, &*self.vault, &mut plain).unwrap();
        let (tag, payload) = self.vault.encrypt_entry(&plain);
        let appended = self
            .journal
            .append(Append {
                keys,
                tag,
                payload: payload.into(),
            })
            .await
            .unwrap();
        self.vault.confirm(definitions);
        self.vault
            .apply(definitions, appended.first_seq + records.len() as u64)
            .await
            .unwrap();
    }

    /// Waits until a condition on a vendor's status holds.
    pub(crate) async fn until(
        &self,
        vendor: &str,
        what: &str,
        holds: impl Fn(&VendorStatus) -> bool,
    ) -> VendorStatus {
        let polled = async {
            loop {
                let status = self.status(vendor).await;
                if holds(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, polled).await {
            Ok(status) => status,
            Err(_) => panic!("{what} never came: {:?}", self.status(vendor).await),
        }
    }

    pub(crate) async fn drained(&self, vendor: &str) -> VendorStatus {
        self.until(vendor, "an empty backlog", |status| {
            status.backlog_records == 0
        })
        .await
    }

    pub(crate) async fn status(&self, vendor: &str) -> VendorStatus {
        self.egress
            .status()
            .await
            .into_iter()
            .find(|status| status.vendor == id(vendor))
            .unwrap()
    }

    pub(crate) async fn permit(&self) -> Permit<Contain> {
        Permit::for_system(&self.audit, "test").await.unwrap()
    }

    /// Ends a containment, as the operator.
    pub(crate) async fn resume(&self, vendor: &str) {
        let access = Access::open(&AccessOptions {
            token_file: self.dir.path().join("admin.token"),
            audit: Arc::clone(&self.audit),
            entropy: Arc::clone(&self.entropy) as _,
            clock: Arc::clone(&self.clock) as _,
        });
        let permit: Permit<Resume> = access
            .unwrap()
            .permit(&Caller::LocalOperator, vendor)
            .await
            .unwrap();
        self.egress.resume(&permit, &id(vendor)).await.unwrap();
    }

    /// What the ledger says of a vendor, over all days.
    pub(crate) async fn radius(&self, vendor: &str) -> Radius {
        let permit: Permit<ReadRadius> = Permit::for_system(&self.audit, "test").await.unwrap();
        radius(&self.ledger, &self.vault, &permit, vendor)
    }
}

/// What the ledger says of a vendor, over all days.
pub(crate) fn radius(
    ledger: &Ledger,
    vault: &Vault,
    permit: &Permit<ReadRadius>,
    vendor: &str,
) -> Radius {
    let request = RadiusRequest {
        vendor: id(vendor),
        since: Day(0),
        until: Day(30_000),
        basis: Basis::Sent,
        retention_verified_days: None,
        retention_claimed_days: None,
        known: Vec::new(),
    };
    ledger
        .radius(permit, &request, &vault.merge_map(), &Coverage::default())
        .unwrap()
}
