//! What people said about vendors and purposes.
//!
//! Intake records the SDKs' opt-in and opt-out signals, operators record objections; intake and egress ask before anything flows.
//! Invariant: a choice holds for the whole person, however many ids were merged before or after; an objection outweighs.

use crate::VaultError;
use crate::vault::Vault;
use cofferdam_model::{PersonNumber, TimestampMs, VendorId};
use sqlx::Connection;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// What a choice is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything, in-house analytics included (SDK opt-out and opt-in).
    All,
    /// One vendor.
    Vendor(VendorId),
    /// A fideslang data use and everything below it, e.g. `marketing`.
    Purpose(String),
}

/// What a person chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Said yes.
    OptedIn,
    /// Said no.
    Objected,
    /// Took back whatever was said.
    Withdrawn,
}

/// What a person's choices mean for one recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// There is a positive signal.
    pub opted_in: bool,
    /// Since when the first of the positive signals stands.
    pub opted_in_since: Option<TimestampMs>,
    /// There is an objection; it outweighs any positive signal.
    pub objected: bool,
}

/// All choices of one person, over all merged numbers.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    choices: Vec<Said>,
}

/// A choice on record.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) scope: Scope,
    pub(crate) objected: bool,
    pub(crate) at: TimestampMs,
}

impl Consent {
    /// The standing of a vendor with a purpose (a fideslang data use).
    #[must_use]
    pub fn vendor(&self, vendor: &VendorId, purpose: &str) -> Standing {
        self.standing(|scope| match scope {
            Scope::All => true,
            Scope::Vendor(id) => id == vendor,
            Scope::Purpose(root) => is_within(purpose, root),
        })
    }

    /// The standing of in-house analytics, whose purpose is `analytics`.
    #[must_use]
    pub fn home(&self) -> Standing {
        self.standing(|scope| match scope {
            Scope::All => true,
            Scope::Vendor(_) => false,
            Scope::Purpose(root) => root == "analytics",
        })
    }

    fn standing(&self, applies: impl Fn(&Scope) -> bool) -> Standing {
        let mut standing = Standing::default();
        for said in self.choices.iter().filter(|said| applies(&said.scope)) {
            standing.objected |= said.objected;
            if !said.objected {
                standing.opted_in = true;
                let since = standing
                    .opted_in_since
                    .map_or(said.at, |at| at.min(said.at));
                standing.opted_in_since = Some(since);
            }
        }
        standing
    }
}

impl Scope {
    fn text(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Vendor(vendor) => format!("vendor:{vendor}"),
            Self::Purpose(purpose) => format!("purpose:{purpose}"),
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "all" {
            return Some(Self::All);
        }
        let (kind, name) = text.split_once(':')?;
        match kind {
            "vendor" => Some(Self::Vendor(VendorId::from(name))),
            "purpose" => Some(Self::Purpose(name.to_owned())),
            _ => None,
        }
    }
}

fn is_within(purpose: &str, root: &str) -> bool {
    purpose
        .strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Vault {
    /// A person's choices, over all merged numbers.
    #[must_use]
    pub fn consent(&self, person: PersonNumber) -> Consent {
        if self
            .choices
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
        {
            return Consent::default();
        }
        let cluster = self.cluster(person);
        let choices = self.choices.read().unwrap_or_else(PoisonError::into_inner);
        let found = cluster.iter().filter_map(|number| choices.get(number));
        Consent {
            choices: found.flatten().cloned().collect(),
        }
    }

    /// Records a choice, durably; it takes the place of whatever the person said about the same scope.
    ///
    /// # Errors
    /// [`VaultError::NoSuchPerson`] for a number that nobody has (a choice must not wait for whoever gets it); with any other
    /// [`VaultError`] an objection holds in memory all the same.
    pub async fn set_choice(
        &self,
        person: PersonNumber,
        scope: Scope,
        choice: Choice,
    ) -> Result<(), VaultError> {
        let failed = || VaultError::database("store a choice in");
        let mut connection = self.database.lock().await;
        let cluster = self.cluster(person);
        if !self.is_present(person) || self.is_forgotten(person) {
            return Err(VaultError::NoSuchPerson);
        }
        let at = self.clock.now();
        if choice == Choice::Objected {
            self.hold(person, &cluster, &scope, choice, at);
        }
        let mut transaction = connection.begin().await.map_err(failed())?;
        for number in &cluster {
            sqlx::query("DELETE FROM choices WHERE person = ? AND scope = ?")
                .bind(*number)
                .bind(scope.text())
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
        if choice != Choice::Withdrawn {
            sqlx::query("INSERT INTO choices (person, scope, objected, at) VALUES (?, ?, ?, ?)")
                .bind(person.0)
                .bind(scope.text())
                .bind(choice == Choice::Objected)
                .bind(at.0)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        self.hold(person, &cluster, &scope, choice, at);
        Ok(())
    }

    /// Records that the person's SDK said yes, to everything; whatever the person said about everything before stays.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn opt_in(&self, person: PersonNumber) -> Result<(), VaultError> {
        let has_said = self
            .consent(person)
            .choices
            .iter()
            .any(|said| said.scope == Scope::All);
        if has_said {
            return Ok(());
        }
        self.set_choice(person, Scope::All, Choice::OptedIn).await
    }

    /// Memory's side of [`Vault::set_choice`].
    fn hold(
        &self,
        person: PersonNumber,
        cluster: &[u32],
        scope: &Scope,
        choice: Choice,
        at: TimestampMs,
    ) {
        let mut choices = self.choices.write().unwrap_or_else(PoisonError::into_inner);
        for number in cluster {
            if let Some(said) = choices.get_mut(number) {
                said.retain(|one| one.scope != *scope);
                if said.is_empty() {
                    choices.remove(number);
                }
            }
        }
        if choice != Choice::Withdrawn {
            let said = choices.entry(person.0).or_default();
            said.push(Said {
                scope: scope.clone(),
                objected: choice == Choice::Objected,
                at,
            });
        }
        drop(choices);
        self.withdrawals.fetch_add(1, Ordering::SeqCst);
    }

    /// Grows whenever a choice changes or somebody is forgotten: what was permitted before must be asked for again. It begins at
    /// 0 with the process.
    #[must_use]
    pub fn withdrawals(&self) -> u64 {
        self.withdrawals.load(Ordering::SeqCst)
    }

    /// Whether the number was forgotten.
    #[must_use]
    pub fn is_forgotten(&self, person: PersonNumber) -> bool {
        self.people
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_forgotten(person.0)
    }

    fn is_present(&self, person: PersonNumber) -> bool {
        self.people
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_present(person.0)
    }

    pub(crate) fn cluster(&self, person: PersonNumber) -> Vec<u32> {
        self.people
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .cluster(person.0)
    }
}
