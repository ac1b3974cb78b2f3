//! Policy as written: what the server parsed from the configuration folder, before compilation.
//!
//! It serializes to canonical JSON, which is what `policies/` archives, so that any past decision can be explained again.

use cofferdam_model::{Category, Day, Form, ProjectName, Region, VendorId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of an archived policy, ascending from 1 in the order of activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyId(pub u32);

/// What is needed of the person before data flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentMode {
    /// Flows until the person says no.
    #[default]
    OptOut,
    /// Withheld until a positive signal.
    OptIn,
    /// Flows on a stated legal basis other than consent.
    None,
}

/// The whole policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySource {
    /// The projects, in the order configured.
    pub projects: Vec<ProjectSource>,
    /// What is kept in-house.
    pub home: BTreeMap<Category, Form>,
    /// The vendors, by id.
    pub vendors: Vec<VendorSource>,
    /// Field path → category: what the company knows about its own fields.
    pub fields: BTreeMap<String, Category>,
}

/// What policy needs to know of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectSource {
    /// The name.
    pub name: ProjectName,
    /// Where its data belongs.
    pub region: Region,
    /// Property that holds the organization's id, e.g. `org_id`.
    pub organization_key: Option<String>,
    /// What home needs of the person.
    pub consent: ConsentMode,
}

/// What policy needs to know of a vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorSource {
    /// The id.
    pub id: VendorId,
    /// The region that the contract promises.
    pub region: Region,
    /// The region that the endpoint's host is known to be in; `None` where unknown.
    pub destination_region: Option<Region>,
    /// fideslang data use, e.g. `analytics.reporting`.
    pub purpose: String,
    /// The projects whose data it may get.
    pub projects: Vec<ProjectName>,
    /// What it needs of the person.
    pub consent: ConsentMode,
    /// Last day of the contract.
    pub expires: Option<Day>,
    /// Until and including this day, what the SDK sends flows as it does today (observe mode).
    pub observe_until: Option<Day>,
    /// Category → form; what is not listed is withheld.
    pub receives: BTreeMap<Category, Form>,
}
