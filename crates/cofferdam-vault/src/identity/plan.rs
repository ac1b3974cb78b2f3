//! What a claim says: whose event it is, and which two ids it says are one person.
//!
//! Pure. Follows the vendor's two ways of merging ids; where they differ the project's mode decides.

use super::IdentityMode;
use cofferdam_model::{DEVICE_PREFIX, IdentityClaim, LinkKind, is_nobody, is_uuid};

/// An id as it would be sent as `distinct_id`, without putting prefix and rest together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id<'a> {
    pub(crate) prefix: &'static str,
    pub(crate) text: &'a str,
    /// Whether an id never seen before would be a device's.
    pub(crate) anonymous: bool,
}

impl<'a> Id<'a> {
    fn plain(text: &'a str, anonymous: bool) -> Self {
        Self {
            prefix: "",
            text,
            anonymous: anonymous || text.starts_with(DEVICE_PREFIX),
        }
    }

    /// A device id, in the form in which simplified merging sends it.
    fn device(text: &'a str) -> Self {
        Self {
            prefix: DEVICE_PREFIX,
            text,
            anonymous: true,
        }
    }

    pub(crate) fn pieces(&self) -> [&'a str; 2] {
        [self.prefix, self.text]
    }
}

/// What a claim comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan<'a> {
    /// Whose event it is.
    pub(crate) subject: Id<'a>,
    /// Whether the subject is named as a user, so that it is no device whatever its shape.
    pub(crate) is_user: bool,
    /// Two ids that are said to be one person.
    pub(crate) link: Option<(LinkKind, Id<'a>, Id<'a>)>,
}

/// Reads a claim; `None` where it names nobody.
pub(crate) fn plan<'a>(mode: IdentityMode, claim: &'a IdentityClaim<'_>) -> Option<Plan<'a>> {
    let device = usable(claim.device_id.as_deref());
    let device = device.map(|id| id.strip_prefix(DEVICE_PREFIX).unwrap_or(id));
    // A user id in a device's clothes is nobody's: SDKs refuse to send one.
    let user = usable(claim.user_id.as_deref()).filter(|id| !id.starts_with(DEVICE_PREFIX));
    let distinct = usable(claim.distinct_id.as_deref());
    let distinct = distinct.map(|id| Id::plain(id, device == Some(id) && looks_made_up(id)));
    let explicit = match (&claim.link, mode) {
        (None, _) | (_, IdentityMode::Simplified) => None,
        (Some((kind, one, other)), _) => usable(Some(one))
            .zip(usable(Some(other)))
            .map(|(one, other)| explicit(*kind, one, other, device)),
    };
    let as_user = user.map(|id| Id::plain(id, false));
    let as_device = device.map(Id::device);
    let (subject, is_user) = match mode {
        IdentityMode::Both => (as_user.or(distinct).or(as_device), as_user.is_some()),
        IdentityMode::Simplified => (as_user.or(as_device).or(distinct), as_user.is_some()),
        IdentityMode::Original => {
            let named = distinct.map(|id| Some(id.text) == user);
            (
                distinct.or(as_user).or(as_device),
                named.unwrap_or(as_user.is_some()),
            )
        }
    };
    let subject = subject.or(explicit.map(|(_, _, into)| into))?;
    let paired = match mode {
        IdentityMode::Original => None,
        IdentityMode::Both | IdentityMode::Simplified => as_device
            .zip(as_user)
            .map(|(device, user)| (LinkKind::Simplified, device, user)),
    };
    Some(Plan {
        subject,
        is_user,
        link: explicit.or(paired),
    })
}

fn explicit<'a>(
    kind: LinkKind,
    one: &'a str,
    other: &'a str,
    device: Option<&str>,
) -> (LinkKind, Id<'a>, Id<'a>) {
    let shaped = |id: &'a str| Id::plain(id, device == Some(id) && looks_made_up(id));
    match kind {
        // The anonymous id comes first; it must look like one.
        LinkKind::Identify | LinkKind::Simplified => {
            (kind, Id::plain(one, looks_made_up(one)), shaped(other))
        }
        LinkKind::Alias | LinkKind::Merge => (kind, shaped(one), shaped(other)),
    }
}

fn usable(id: Option<&str>) -> Option<&str> {
    id.filter(|id| !is_nobody(id))
}

fn looks_made_up(id: &str) -> bool {
    is_uuid(id.as_bytes())
}
