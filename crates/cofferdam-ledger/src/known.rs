//! What the ledger knows of at all: vendors, announcements, the last day.
//!
//! Those who start it compare this with what they know themselves: a ledger that knows less has lost something.
//! Invariant: a question of this file changes nothing.

use crate::LedgerError;
use crate::ledger::{Core, Ledger, lock};
use crate::state::vendor_stream;
use cofferdam_model::{Day, VendorId};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Ledger {
    /// Every vendor that something was announced for, ascending.
    ///
    /// # Errors
    /// [`LedgerError::Lock`].
    pub fn vendors(&self) -> Result<Vec<VendorId>, LedgerError> {
        let core = lock(&self.core)?;
        let streams = core.streams();
        let vendors = streams
            .iter()
            .filter_map(|stream| stream.strip_prefix("v/"));
        Ok(vendors.map(VendorId::from).collect())
    }

    /// The last number that a vendor's outbox has announced; see [`Self::possible_once`].
    ///
    /// # Errors
    /// [`LedgerError::Lock`].
    pub fn announced(&self, vendor: &VendorId) -> Result<Option<u64>, LedgerError> {
        let core = lock(&self.core)?;
        Ok(core.state.books.outbox.get(&vendor_stream(vendor)).copied())
    }

    /// The first and the last UTC day on which anything was announced for a vendor, also where the clock was wrong; `None` where
    /// nothing was.
    ///
    /// # Errors
    /// Where files cannot be read.
    pub fn days(&self, vendor: &VendorId) -> Result<Option<(Day, Day)>, LedgerError> {
        let mut core = lock(&self.core)?;
        let stream = vendor_stream(vendor);
        let deltas = core.frozen.iter().map(|frozen| &frozen.delta);
        let deltas = deltas.chain([&core.state.delta]);
        let grown = deltas.flat_map(|delta| delta.days.keys());
        let grown = grown.filter(|(of, _)| *of == stream).map(|(_, day)| *day);
        let mut days: Vec<Day> = grown.collect();
        for file in core.files.ends(&stream)? {
            days.extend(
                file.cells
                    .iter()
                    .flat_map(|cell| [cell.days.0, cell.days.1]),
            );
        }
        Ok(days.iter().min().copied().zip(days.iter().max().copied()))
    }

    /// The last UTC day of which anything was recorded when this ledger was opened: what had been lost of it by then happened on
    /// that day or later.
    #[must_use]
    pub fn known_until(&self) -> Option<Day> {
        self.known_until
    }
}

/// The last day of which anything is recorded; of month files, which are not opened for this, the month's first.
pub(crate) fn last_day(core: &Core) -> Option<Day> {
    let deltas = core.frozen.iter().map(|frozen| &frozen.delta);
    let days = deltas.chain([&core.state.delta]);
    let days = days.flat_map(|delta| delta.days.keys().map(|(_, day)| *day));
    let month = core.files.list().map(|(_, month, _)| month).max();
    let first = month.and_then(|month| {
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        Day::parse(&format!("{year:04}-{month:02}-01"))
    });
    days.max().max(first)
}

impl Core {
    fn streams(&self) -> BTreeSet<Arc<str>> {
        let deltas = self.frozen.iter().map(|frozen| &frozen.delta);
        let grown = deltas.chain([&self.state.delta]);
        let grown = grown.flat_map(|delta| delta.days.keys().map(|(stream, _)| Arc::clone(stream)));
        let announced = self.state.books.outbox.keys().map(Arc::clone);
        grown.chain(announced).chain(self.files.streams()).collect()
    }
}
