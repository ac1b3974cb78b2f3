//! What an alert's mail says.
//!
//! Invariant: a figure is said only where enough people are behind it; a line that a person drew is always said.

use super::evaluate::Reading;
use super::{AlertCondition, AlertDraft, ChangeAgainst, ChangeDirection, ThresholdDirection};

/// Subject and text.
pub(super) fn mail(
    alert: &AlertDraft,
    reading: &Reading,
    is_group: bool,
    web_url: &str,
) -> (String, String) {
    let word = if reading.holds { "Firing" } else { "Over" };
    let subject = format!("{word}: {}", alert.name);
    let mut text = format!(
        "The alert \"{}\" of project {} {}.\n\nIt fires when {}.\nBucket: {}\n",
        alert.name,
        alert.project,
        if reading.holds { "fires" } else { "is over" },
        condition(&alert.condition),
        reading.bucket,
    );
    if is_group {
        text.push_str(&format!("Figure: {}\n", number(reading.value)));
        if let Some(base) = reading.base {
            text.push_str(&format!("Compared with: {}\n", number(base)));
        }
        if let Some(change) = reading.change_percent {
            text.push_str(&format!("Change: {change:+.1} %\n"));
        }
    } else {
        text.push_str("The figures are not in this mail: too few people are behind them.\n");
    }
    if !web_url.is_empty() {
        text.push_str(&format!("\n{web_url}/\n"));
    }
    (subject, text)
}

fn condition(condition: &AlertCondition) -> String {
    match condition {
        AlertCondition::Threshold { direction, value } => {
            let side = match direction {
                ThresholdDirection::Above => "above",
                ThresholdDirection::Below => "below",
            };
            format!("the figure is {side} {}", number(*value))
        }
        AlertCondition::Change {
            direction,
            percent,
            against,
        } => {
            let verb = match direction {
                ChangeDirection::Rise => "rises",
                ChangeDirection::Fall => "falls",
                ChangeDirection::Any => "changes",
            };
            let against = match against {
                ChangeAgainst::PreviousBucket => "the bucket before",
                ChangeAgainst::PreviousPeriod => "the same bucket of the period before",
            };
            format!(
                "the figure {verb} by more than {} % against {against}",
                number(*percent)
            )
        }
    }
}

/// A figure for people: whole numbers plain, others with up to four digits behind the point.
pub(in super::super) fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}
