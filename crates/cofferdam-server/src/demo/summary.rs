//! What the demo prints: how to look at it, and what it came to.

use super::folder::{DemoFolder, VENDORS};
use crate::cli::output::grouped;
use crate::client::AdminApi;
use crate::http;
use crate::system::System;
use hyper::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// Says where to look and what to try; as JSON one line for programs that wait for it.
pub(super) fn welcome(as_json: bool, link: &str, folder: &DemoFolder, intake: SocketAddr) {
    if as_json {
        let intake = format!("http://{intake}");
        println!(
            "{}",
            json!({ "ready": true, "link": link, "intake": intake, "token": folder.token, "config": folder.config })
        );
        return;
    }
    let config = folder.config.display();
    println!(
        "Cofferdam is ready. Open this link, it signs you in:\n\n    {link}\n\nThree things to try:"
    );
    println!(
        "  1. Blast radius: which people and fields are exposed at Beacon CRM, contained on day 20?"
    );
    let program = crate::cli::program();
    println!("       {program} --config {config} radius beacon-crm");
    println!("  2. Fields: name a new field in the inbox, and see on Vendors who gets it then.");
    println!("  3. Send an event of your own and watch it on Live:");
    println!(
        "       curl -s http://{intake}/track -d 'data=[{{\"event\":\"Hello\",\"properties\":{{\"token\":\"{}\",\"distinct_id\":\"me\",\"email\":\"me@example.com\"}}}}]'",
        folder.token
    );
    println!();
}

/// Prints the summary: accepted, stored, delivered, withheld by reason, radius with its time.
pub(super) async fn print(system: &Arc<System>, as_json: bool, link: &str) -> anyhow::Result<()> {
    let api = AdminApi::Local {
        router: http::control(system),
        system: Arc::clone(system),
    };
    let overview = get(&api, "/api/v1/overview").await?;
    let mut radii = Vec::new();
    for vendor in VENDORS {
        radii.push(get(&api, &format!("/api/v1/vendors/{vendor}/radius")).await?);
    }
    let mut withheld: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for line in field(&overview, "withheld")
        .as_array()
        .into_iter()
        .flatten()
    {
        *withheld
            .entry(
                field(line, "reason")
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            )
            .or_default() += field(line, "values").as_u64().unwrap_or(0);
    }
    if as_json {
        let summary = json!({
            "link": link, "accepted": field(&overview, "accepted"), "stored": field(&overview, "stored"), "people": field(&overview, "people"),
            "vendors": field(&overview, "vendors"), "withheld": withheld, "radius": radii,
        });
        println!("{summary}");
        return Ok(());
    }
    println!(
        "accepted {} events and updates, stored {} events of {} people",
        number(&overview, "accepted"),
        number(&overview, "stored"),
        number(&overview, "people")
    );
    for vendor in field(&overview, "vendors").as_array().into_iter().flatten() {
        println!(
            "  {}: delivered {}, state {}",
            field(vendor, "name").as_str().unwrap_or_default(),
            number(vendor, "delivered"),
            field(vendor, "state").as_str().unwrap_or_default()
        );
    }
    println!("withheld, by reason:");
    for (reason, values) in &withheld {
        println!("  {}: {}", reason.replace('_', " "), grouped(*values));
    }
    for radius in &radii {
        println!(
            "blast radius of {}: {} people, {} fields, in {} µs",
            field(radius, "vendor").as_str().unwrap_or_default(),
            number(radius, "people"),
            field(radius, "fields").as_array().map_or(0, Vec::len),
            number(radius, "elapsed_us")
        );
    }
    Ok(())
}

async fn get(api: &AdminApi, path: &str) -> anyhow::Result<Value> {
    let answer = api.call(Method::GET, path, None).await?;
    anyhow::ensure!(
        answer.status.is_success(),
        "{path}: {} {}",
        answer.status,
        answer.body
    );
    Ok(answer.body)
}

/// A count of a JSON object, its digits grouped.
fn number(value: &Value, name: &str) -> String {
    grouped(field(value, name).as_u64().unwrap_or(0))
}

/// A member of a JSON object; null where it is not there.
fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}
