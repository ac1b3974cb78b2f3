//! What a vendor was sent before it was routed through here, or past it: told by an import of the vendor's own export.
//!
//! The server's imports call it; the entries go the way of all others. Such days stay outside coverage: an import says what a
//! vendor has, never that it has nothing else.
//! Invariant: durable when it returns; a stretch of a source that is given again adds nobody twice and counts no event twice.

use crate::entry::{Entry, Item};
use crate::state::{past_source, vendor_stream};
use crate::{Ledger, LedgerError, PastItem};
use cofferdam_model::VendorId;

impl Ledger {
    /// Records what a vendor has by its own account, as delivered on the days of the items. `source` names what tells it (a
    /// fingerprint, never a file's name) and `through` is how much of it is told with this call, so that a stretch that is told
    /// again after a crash counts its events only once. Durable when it returns.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing may be taken as recorded.
    pub fn past(
        &self,
        vendor: &VendorId,
        source: &str,
        through: u64,
        items: &[PastItem],
    ) -> Result<(), LedgerError> {
        let items = items.iter().map(|item| Item {
            set: item.fields.0,
            person: item.person.map(|person| person.0),
            organization: item.organization.map(|number| number.0),
            is_event: item.is_event,
            day: item.day,
        });
        self.record(&Entry::Past {
            stream: vendor_stream(vendor),
            source: past_source(vendor, source),
            through,
            items: items.collect(),
        })?;
        self.checkpoint_if_full();
        Ok(())
    }
}
