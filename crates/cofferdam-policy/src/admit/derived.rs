//! Fields that the SDK did not send but the connection tells: address, place, user agent.
//!
//! Part of admit. Invariant: what the SDK sent comes first; what is derived here goes to a vendor by its contract only,
//! never in observe mode, because the SDK does not send it.

use super::walk::Walker;
use crate::IntakeContext;
use crate::admitted::Node;
use crate::classify::Carrier;
use crate::paths::{DERIVED, TEXT};

/// What the SDK sent itself.
#[derive(Clone, Copy, Default)]
pub(super) struct Sent {
    address: bool,
    place: bool,
    agent: bool,
}

impl Sent {
    pub(super) fn note(&mut self, key: &str) {
        match key {
            "ip" | "$ip" => self.address = true,
            "mp_country_code" | "$country_code" | "$region" | "$city" => self.place = true,
            "$browser" | "$os" | "$user_agent" | "$raw_user_agent" => self.agent = true,
            _ => {}
        }
    }
}

pub(super) fn add(walker: &mut Walker<'_>, context: &IntakeContext<'_>, sent: Sent) {
    if let Some(address) = context.address.filter(|_| !sent.address) {
        walker.carrier = Carrier::Top;
        let view = walker.field("ip", TEXT);
        // What nobody may have need not be written down.
        let text = if view.row.forms.is_empty() {
            String::new()
        } else {
            address.to_string()
        };
        walker.text_leaf(view, Node::Text, &text);
        walker.carrier = Carrier::Property;
    }
    if let Some(place) = context.place.filter(|_| !sent.place) {
        derive(walker, "mp_country_code", &place.country);
        if let Some(region) = &place.region {
            derive(walker, "$region", region);
        }
        if let Some(city) = &place.city {
            derive(walker, "$city", city);
        }
    }
    if let Some(agent) = context.user_agent.filter(|_| !sent.agent) {
        derive(walker, "$user_agent", agent);
    }
}

fn derive(walker: &mut Walker<'_>, key: &str, text: &str) {
    let view = walker.field(key, DERIVED);
    walker.text_leaf(view, Node::Text, text);
}
