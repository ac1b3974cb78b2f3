//! Fields that the SDK did not send but the connection tells: address, place, user agent.
//!
//! Part of admit. Invariant: what the SDK sent comes first; what is derived here goes to a vendor by its contract only,
//! never in observe mode, because the SDK does not send it.

use super::walk::Walker;
use crate::IntakeContext;
use crate::admitted::Node;
use crate::classify::Carrier;
use crate::paths::{DERIVED, TEXT};
use cofferdam_model::Value;
use std::borrow::Cow;

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
        let path = walker.path("ip");
        let text = if walker.is_wanted(path, TEXT) {
            address.to_string()
        } else {
            String::new()
        };
        walker.leaf(path, TEXT, Node::Text, &Value::Text(Cow::Owned(text)));
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
    let path = walker.path(key);
    walker.leaf(path, DERIVED, Node::Text, &Value::Text(Cow::Borrowed(text)));
}
