//! A stop that waits for nothing: neither for a disk nor for a worker that is being replaced.
//!
//! The server asks for it before the permit, and holds the stop where no permit can be had.
//! Invariant: what is stopped here stays so until somebody resumes it or the process ends; to survive that, it must be contained.

use crate::egress::Egress;
use cofferdam_access::Leave;
use cofferdam_model::VendorId;
use cofferdam_outbound::Purpose;

impl Egress {
    /// Closes the way out to a vendor. Once this returns no further byte goes out.
    pub fn cut(&self, _leave: &Leave, vendor: &VendorId) {
        let purpose = Purpose::VendorEvents(vendor.clone());
        self.options().outbound.cut(&purpose);
    }

    /// Holds the vendor, and others with its account, as contained, though nothing of it is recorded yet. Each worker makes it
    /// durable as soon as it can.
    pub fn hold(&self, leave: &Leave, vendor: &VendorId) {
        self.cut(leave, vendor);
        let all = self.all();
        let account = all
            .iter()
            .find(|shared| shared.vendor == *vendor)
            .and_then(|shared| shared.account);
        for shared in all {
            if shared.vendor == *vendor || (account.is_some() && shared.account == account) {
                shared.hold(&self.options().outbound);
            }
        }
    }
}
