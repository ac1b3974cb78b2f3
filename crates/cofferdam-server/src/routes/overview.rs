//! Overview: what came in, where it went, what was withheld and why.

use super::api::{Answer, Shared};
use super::vendors::DeliveryState;
use crate::auth::Asking;
use crate::counters::Count;
use crate::error::ApiError;
use crate::projector::home_form;
use crate::system::System;
use axum::Json;
use axum::extract::State;
use cofferdam_access::ReadRadius;
use cofferdam_ledger::{Basis, RadiusRequest};
use cofferdam_model::{Category, Day, Form, Refusal, VendorId};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The overview.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Overview {
    accepted: u64,
    stored: u64,
    duplicates: u64,
    people: u64,
    refused: Vec<RefusedCount>,
    per_day: Vec<PerDay>,
    vendors: Vec<VendorLine>,
    flows: Vec<Flow>,
    withheld: Vec<WithheldLine>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RefusedCount {
    project: String,
    reason: &'static str,
    because: &'static str,
    count: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct PerDay {
    #[schema(value_type = String)]
    day: Day,
    accepted: u64,
    stored: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct VendorLine {
    id: String,
    name: String,
    state: DeliveryState,
    delivered: u64,
    possible: u64,
    backlog: u64,
}

/// People whose data of a category reached a recipient in a form.
#[derive(Debug, Serialize, ToSchema)]
struct Flow {
    source: String,
    #[schema(value_type = String)]
    category: Category,
    form: &'static str,
    recipient: String,
    people: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct WithheldLine {
    recipient: String,
    reason: &'static str,
    because: &'static str,
    #[schema(required)]
    category: Option<&'static str>,
    values: u64,
}

/// What came in, where it went, what was withheld and why.
#[utoipa::path(get, path = "/api/v1/overview", responses((status = 200, body = Overview)))]
pub(super) async fn overview(State(system): Shared, asking: Asking) -> Answer<Overview> {
    let permit = system
        .access
        .permit::<ReadRadius>(&asking.0, "overview")
        .await?;
    let statuses = system.egress.status().await;
    let config = system.config();
    let mut tally = Tally::default();
    for (count, amount) in system.counters.totals() {
        tally.add(&count, amount);
    }
    for status in &statuses {
        for (refusal, count) in &status.totals.withheld {
            tally.withheld.push(withheld_line(
                status.vendor.to_string(),
                *refusal,
                None,
                *count,
            ));
        }
        let mut by_reason: BTreeMap<Refusal, u64> = BTreeMap::new();
        for withheld in &status.withheld {
            *by_reason.entry(withheld.refusal).or_default() += withheld.count;
        }
        for (refusal, count) in by_reason {
            tally.withheld.push(withheld_line(
                status.vendor.to_string(),
                refusal,
                None,
                count,
            ));
        }
    }
    tally
        .withheld
        .sort_by_key(|line| std::cmp::Reverse(line.values));
    let vendors = config
        .vendors
        .iter()
        .map(|vendor| {
            let status = statuses.iter().find(|status| status.vendor == vendor.id);
            VendorLine {
                id: vendor.id.to_string(),
                name: vendor.name.clone(),
                state: status.map_or(DeliveryState::External, |status| status.state.into()),
                delivered: status.map_or(0, |status| status.totals.delivered),
                possible: status.map_or(0, |status| status.totals.announced),
                backlog: status.map_or(0, |status| status.backlog_records),
            }
        })
        .collect();
    let ids: Vec<VendorId> = config
        .vendors
        .iter()
        .map(|vendor| vendor.id.clone())
        .collect();
    let source = config
        .projects
        .iter()
        .map(|project| project.name.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let worker = std::sync::Arc::clone(&system);
    let (people, flows) =
        tokio::task::spawn_blocking(move || flows(&worker, &permit, &ids, &source)).await??;
    Ok(Json(Overview {
        accepted: tally.accepted,
        stored: tally.stored,
        duplicates: tally.duplicates,
        people,
        refused: tally.refused,
        per_day: tally
            .days
            .into_iter()
            .map(|(day, (accepted, stored))| PerDay {
                day,
                accepted,
                stored,
            })
            .collect(),
        vendors,
        flows,
        withheld: tally.withheld,
    }))
}

#[derive(Default)]
struct Tally {
    accepted: u64,
    stored: u64,
    duplicates: u64,
    refused: Vec<RefusedCount>,
    days: BTreeMap<Day, (u64, u64)>,
    withheld: Vec<WithheldLine>,
}

impl Tally {
    fn add(&mut self, count: &Count, amount: u64) {
        match count {
            Count::Accepted(day) => {
                self.accepted += amount;
                self.days.entry(*day).or_default().0 += amount;
            }
            Count::Stored(day) => {
                self.stored += amount;
                self.days.entry(*day).or_default().1 += amount;
            }
            Count::Refused(_, Refusal::Duplicate) => self.duplicates += amount,
            Count::Refused(project, refusal) => self.refused.push(RefusedCount {
                project: project.to_string(),
                reason: refusal.code(),
                because: refusal.because(),
                count: amount,
            }),
            Count::Withheld(recipient, category, refusal) => {
                self.withheld.push(withheld_line(
                    recipient.to_string(),
                    *refusal,
                    Some(category.key()),
                    amount,
                ));
            }
            Count::Note(_) => {}
        }
    }
}

fn withheld_line(
    recipient: String,
    refusal: Refusal,
    category: Option<&'static str>,
    values: u64,
) -> WithheldLine {
    WithheldLine {
        recipient,
        reason: refusal.code(),
        because: refusal.because(),
        category,
        values,
    }
}

/// Flows by the ledger: people by category and form, for each vendor from what was sent, for home from what was seen.
fn flows(
    system: &System,
    permit: &cofferdam_access::Permit<ReadRadius>,
    vendors: &[VendorId],
    source: &str,
) -> Result<(u64, Vec<Flow>), ApiError> {
    let merges = system.vault.merge_map();
    let today = system.clock.now().day();
    let mut flows: BTreeMap<(Category, Form, String), u64> = BTreeMap::new();
    for vendor in vendors {
        // Further than today where the clock was ahead when something was sent.
        let last = system.ledger.days(vendor)?.map(|(_, last)| last);
        let request = RadiusRequest {
            vendor: vendor.clone(),
            since: Day(0),
            until: last.map_or(today, |last| last.max(today)),
            basis: Basis::Sent,
            retention_verified_days: None,
            retention_claimed_days: None,
            known: Vec::new(),
        };
        let radius = system.ledger.radius(
            permit,
            &request,
            &merges,
            &cofferdam_ledger::Coverage::default(),
        )?;
        for field in radius.fields {
            let people = flows
                .entry((field.category, field.form, vendor.to_string()))
                .or_default();
            *people = (*people).max(field.people);
        }
    }
    let policy = system.policies.active();
    let mut people = 0;
    for project in system.pipeline.projects().all() {
        let seen = system
            .ledger
            .seen_fields(permit, &project.name, Day(0), today, &merges)?;
        people += seen.iter().map(|field| field.people).max().unwrap_or(0);
        for field in seen {
            let form = if field.form == Form::Withheld {
                Form::Withheld
            } else {
                home_form(&policy, field.category)
            };
            let reached = flows
                .entry((field.category, form, "home".to_owned()))
                .or_default();
            *reached = (*reached).max(field.people);
        }
    }
    let flows = flows
        .into_iter()
        .filter(|((_, form, _), people)| *people > 0 && *form != Form::Withheld)
        .map(|((category, form, recipient), people)| Flow {
            source: source.to_owned(),
            category,
            form: form.as_str(),
            recipient,
            people,
        })
        .collect();
    Ok((people, flows))
}
