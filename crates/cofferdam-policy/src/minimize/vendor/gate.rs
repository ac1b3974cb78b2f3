//! The gates that a record as a whole must pass before a vendor gets anything of it.
//!
//! Part of `minimize_vendor`. Invariant: each gate is asked of the policy at send and of the policy at intake.

use super::{Observed, Sender};
use crate::ConsentMode;
use crate::admitted::{Body, Sort};
use crate::compile::VendorTable;
use cofferdam_model::{Day, Refusal};

/// Lets the record through, or says why not; and whether observe mode holds.
pub(super) fn pass(sender: &Sender<'_>, body: &Body) -> Result<Observed, Refusal> {
    let today = sender.context.today;
    contract(sender.now, body, today)?;
    contract(sender.then, body, body.received.day()).map_err(at_intake)?;
    // Let in for one region is not let in for another, though both may be allowed.
    let (then, now) = (&sender.then.source, &sender.now.source);
    if (&then.region, &then.destination_region) != (&now.region, &now.destination_region) {
        return Err(Refusal::RegionMismatch);
    }
    if sender.context.consent.objected {
        return Err(Refusal::Objected);
    }
    // A yes is no yes to what came before it, however long that had to wait.
    let since = sender.context.opted_in_since;
    let stood = since.is_some_and(|since| since <= body.received);
    consent(sender.now, body, sender.context.consent.opted_in)?;
    consent(sender.then, body, stood)?;
    let observed = Observed {
        now: sender.now.is_observed(today),
        then: sender.then.is_observed(body.received.day()),
    };
    if matches!(body.sort, Sort::Event { .. }) {
        let now = observed.now || sender.now.gets_events();
        let then = observed.then || sender.then.gets_events();
        if !now || !then {
            return Err(Refusal::NoBehavior);
        }
    }
    Ok(observed)
}

fn contract(vendor: &VendorTable, body: &Body, day: Day) -> Result<(), Refusal> {
    if !vendor.source.projects.contains(&body.project) {
        return Err(Refusal::OtherProject);
    }
    if !vendor.is_in_region() {
        return Err(Refusal::RegionMismatch);
    }
    if vendor.is_expired(day) {
        return Err(Refusal::ContractExpired);
    }
    Ok(())
}

/// What the vendor could not have at intake was not kept for it.
fn at_intake(_: Refusal) -> Refusal {
    Refusal::NotKept
}

/// Consent as the vendor's mode asks for it. An objection on record stops every mode and is asked before.
fn consent(vendor: &VendorTable, body: &Body, has_agreed: bool) -> Result<(), Refusal> {
    let signals = body.signals;
    match vendor.source.consent {
        ConsentMode::None => Ok(()),
        _ if signals.opted_out => Err(Refusal::Objected),
        _ if vendor.sells && (signals.gpc || signals.dnt) => Err(Refusal::Objected),
        ConsentMode::OptIn if !signals.opted_in && !has_agreed => Err(Refusal::ConsentMissing),
        ConsentMode::OptIn | ConsentMode::OptOut => Ok(()),
    }
}
