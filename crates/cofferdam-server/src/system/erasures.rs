//! Erasures outlive a restore: their list is a file of its own, and whoever is on it and not forgotten is forgotten at the start.
//!
//! An erasure that was cut short is taken up at the start and every minute, by the vault's marks.
//! `data/erasures` holds one keyed hash a line, in hexadecimal, which says nothing without the vault. Operators keep its newest
//! copy beside their backups. Invariant: a start serves nobody before everybody on the list is forgotten.

use super::System;
use anyhow::Context;
use cofferdam_access::{Erase, Permit};
use cofferdam_model::{IdKey, PersonNumber};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

const FILE: &str = "erasures";

impl System {
    /// Forgets again whoever is on the list and is known here, and refuses the ids of the others.
    pub(super) async fn repeat_erasures(&self) -> anyhow::Result<()> {
        let listed = read(&self.data_path(FILE))?;
        let known: BTreeSet<[u8; 16]> = self.known_erasures().await?;
        let missing: Vec<IdKey> = listed.difference(&known).map(|key| IdKey(*key)).collect();
        if !missing.is_empty() {
            tracing::warn!(
                erasures = missing.len(),
                "the vault does not know of erasures that are on the list: they are repeated"
            );
            let permit = Permit::<Erase>::for_system(self.access.audit(), "restore").await?;
            let numbers = self.vault.repeat_erasures(&permit, &missing).await?;
            self.forget_in_house(&permit, &numbers).await?;
        }
        self.take_up_erasures().await;
        self.list_erasures().await
    }

    /// Finishes the erasures that were cut short or failed. What fails again is logged, shown by `status`, and tried again a minute
    /// later: the keys are gone already, and intake need not wait for the rest.
    pub(super) async fn take_up_erasures(&self) {
        if let Err(error) = self.finish_erasures().await {
            tracing::error!(error = ?error, "erasures are not finished; they are tried again");
        }
    }

    async fn finish_erasures(&self) -> anyhow::Result<()> {
        let numbers = self.vault.unfinished_erasures().await?;
        if numbers.is_empty() {
            return Ok(());
        }
        let people = numbers.len();
        tracing::warn!(people, "erasures were not finished: they are taken up");
        let permit = Permit::<Erase>::for_system(self.access.audit(), "unfinished").await?;
        self.vault.rewrite(&permit).await?;
        self.forget_in_house(&permit, &numbers).await?;
        self.list_erasures().await
    }

    /// What of a person is not in the vault: rows, profiles, the live feed, the journal's key. Takes the vault's mark away at the end.
    ///
    /// # Errors
    /// Where a part cannot be written; the mark stays, and housekeeping repeats it.
    pub async fn forget_in_house(
        &self,
        permit: &Permit<Erase>,
        numbers: &[PersonNumber],
    ) -> anyhow::Result<()> {
        // What was minimized before the key died reaches the store first, so that nothing of it comes after the erasure there.
        self.flush().await?;
        self.store.erase(permit, numbers).await?;
        self.live.forget(numbers);
        // Entries of the journal that hold the person's parts are unreadable with the person's key gone; a new entry key lets
        // the old segments die on schedule.
        self.vault.rotate_entry_key().await?;
        self.vault.finish_erasures(permit, numbers).await?;
        Ok(())
    }

    /// Adds to the list what the vault has forgotten.
    ///
    /// # Errors
    /// Where it cannot be written: the erasure holds, but a restore might undo it.
    pub async fn list_erasures(&self) -> anyhow::Result<()> {
        let path = self.data_path(FILE);
        let listed = read(&path)?;
        let known = self.known_erasures().await?;
        if known.is_subset(&listed) {
            return Ok(());
        }
        let mut lines = String::new();
        for key in known.union(&listed) {
            lines.push_str(&format!("{:032x}\n", u128::from_be_bytes(*key)));
        }
        replace(&path, &lines).with_context(|| format!("{} cannot be written", path.display()))
    }

    async fn known_erasures(&self) -> anyhow::Result<BTreeSet<[u8; 16]>> {
        let known = self.vault.erasures().await?;
        Ok(known.into_iter().map(|key| key.0).collect())
    }
}

/// Puts a whole new file in the place of the old one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let next = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let options = options.create(true).write(true).truncate(true).mode(0o600);
    let mut file = options.open(&next)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&next, path)?;
    let folder = path.parent().map(std::fs::File::open).transpose()?;
    folder.map_or(Ok(()), |folder| folder.sync_all())
}

/// The list.
fn read(path: &Path) -> anyhow::Result<BTreeSet<[u8; 16]>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    text.lines()
        .map(|line| {
            let number = u128::from_str_radix(line, 16).ok();
            let number = number.filter(|_| line.len() == 32);
            number
                .map(u128::to_be_bytes)
                .with_context(|| format!("{} has a line that is no erasure", path.display()))
        })
        .collect()
}
