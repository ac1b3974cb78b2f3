//! Why something was refused or withheld: one enum for the whole product.
//!
//! A refusal is a value, not an error: it is counted by code and shown to the operator as "withheld, because …".
//! Invariant: codes are stable; they are metric labels, API values and documentation anchors.

use serde::{Deserialize, Serialize};

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $because:literal;)*) => {
        /// Why an event, an update or a field went no further.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Refusal { $($(#[$doc])* $variant,)* }

        impl Refusal {
            /// Every refusal, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Stable code: metric label, API value, documentation anchor.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The sentence that completes "withheld, because …".
            #[must_use]
            pub fn because(self) -> &'static str {
                match self { $(Self::$variant => $because,)* }
            }
        }
    };
}

refusals! {
    // Whole requests and events, at the door.
    /// The request or event is not in the dialect's shape.
    Malformed = "malformed", "it could not be read";
    /// No configured project has that token.
    UnknownToken = "unknown_token", "no project has this token";
    /// The page's origin is not one of the project's.
    OriginNotAllowed = "origin_not_allowed", "the page's origin is not one of the project's";
    /// A size limit was passed.
    TooLarge = "too_large", "it is larger than the limit";
    /// Nested too deep.
    TooDeep = "too_deep", "it is nested deeper than the limit";
    /// Too many properties or fields.
    TooManyFields = "too_many_fields", "it has more fields than the limit";
    /// A batch with too many items.
    TooManyItems = "too_many_items", "the batch has more items than the limit";
    /// The event has no name.
    MissingEventName = "missing_event_name", "it has no event name";
    /// The id is absent, or one that every anonymous client shares.
    RefusedId = "refused_id", "its id is absent or names nobody (null, anonymous, 0 and the like)";
    /// The event rate limit of the token or network.
    RateLimited = "rate_limited", "the token or network sent more than its limit";
    /// The limit on new people a minute.
    NewPeopleLimit = "new_people_limit", "more new people appeared than the limit allows";
    /// The limit on new field names.
    NewFieldsLimit = "new_fields_limit", "more new field names appeared than the limit allows";
    /// The person has been forgotten and this is a late copy.
    Forgotten = "forgotten", "the person has been forgotten";
    /// A claimed deletion.
    ClaimedDelete = "claimed_delete", "a public token cannot delete a person";
    /// A claimed merge of two identified people.
    ClaimedMerge = "claimed_merge", "a public token cannot merge two identified people";
    /// The same event was already accepted.
    Duplicate = "duplicate", "the same event was already accepted";
    /// The vendor's own `$ignore` marker, or a property that cannot be kept.
    Ignored = "ignored", "the sender asked to ignore it";
    // Policy, per recipient.
    /// Policy does not parse: everything is refused.
    PolicyBroken = "policy_broken", "the policy does not parse";
    /// The vendor serves other projects.
    OtherProject = "other_project", "the vendor is not configured for this project";
    /// The category is not listed for the recipient.
    NotListed = "not_listed", "the contract does not list this category";
    /// The category is listed as withheld, or at intake nobody may have it.
    Withheld = "withheld", "the policy withholds this category";
    /// No rule knows the field.
    Unclassified = "unclassified", "no rule knows this field";
    /// The form does not fit the value.
    FormNotApplicable = "form_not_applicable", "the form does not fit the value";
    /// A credential, key or other secret.
    Secret = "secret", "it is a secret";
    /// Personal data was detected inside a value that may otherwise pass.
    Detected = "detected", "personal data was detected in the value";
    /// The contract was narrowed after intake.
    Narrowed = "narrowed", "the contract was narrowed after intake";
    /// The value was not kept at intake, so that a widened contract is not retroactive.
    NotKept = "not_kept", "it was not kept at intake";
    /// The person objected to the vendor or the purpose.
    Objected = "objected", "the person objected";
    /// The recipient needs a positive signal that is not there.
    ConsentMissing = "consent_missing", "the person has not consented";
    /// The destination is not in the contract's region.
    RegionMismatch = "region_mismatch", "the destination is not in the contract's region";
    /// The vendor gets no events without `user.behavior`.
    NoBehavior = "no_behavior", "the contract does not list user.behavior, so the vendor gets no events";
    /// The contract is over.
    ContractExpired = "contract_expired", "the contract has expired";
    /// The vendor is contained.
    Contained = "contained", "the vendor is contained";
    /// Left the backlog by its quota.
    BacklogFull = "backlog_full", "the vendor's backlog passed its quota";
    /// Left the backlog by its age, or the journal no longer holds it.
    BacklogExpired = "backlog_expired", "it waited for the vendor longer than the journal keeps a backlog";
    /// The vendor refused it for good.
    VendorRefused = "vendor_refused", "the vendor refused it";
    /// Sent once with an unknown outcome and not repeatable without counting twice.
    NotRepeatable = "not_repeatable", "its outcome is unknown and repeating it would count twice";
    /// The vendor's protocol never carries the field.
    NeverSent = "never_sent", "no vendor is ever sent it, whatever its contract lists";
}
