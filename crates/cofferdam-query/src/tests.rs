//! The kernel against a naive oracle, time zones by hand, and what a wrong request is told.

mod axis;
mod figures;
mod naive;
mod oracle;
mod requests;

use crate::segmentation::compute;
use crate::{
    Breakdown, CountMeasure, EventSelection, Measure, QueryError, QueryLimits, Segmentation,
    SegmentationRequest, Unit, WeekStart,
};
use cofferdam_model::{Day, MergeMap, ProjectName, TimestampMs};
use cofferdam_store::{
    CatalogInfo, Codes, Column, ColumnBatch, ColumnData, ColumnInfo, ColumnKind, Scalar,
    ScanRequest,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// 2026-03-28T00:00:00Z: Berlin's clocks go forward on the 29th.
const T0: i64 = 1_774_656_000_000;

/// Person, time, event, `plan`, `n`.
type Row = (u32, i64, usize, Option<usize>, Option<i64>);
const EVENTS: [&str; 3] = ["login", "click", "export"];
const PLANS: [&str; 4] = ["free", "Pro", "team", "5"];

fn catalog() -> CatalogInfo {
    let info = |name: &str, kind| ColumnInfo {
        property: Arc::from(name),
        kind,
        mixed: false,
    };
    CatalogInfo {
        properties: vec![
            info("plan", ColumnKind::Text),
            info("n", ColumnKind::Integer),
        ],
        events: EVENTS.map(Arc::from).to_vec(),
        ..CatalogInfo::default()
    }
}

/// Batches by day in order, as the store's scan yields them; a day's rows in two batches.
fn scan(rows: &[Row], request: &ScanRequest, sink: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>) {
    let mut days: BTreeMap<(Day, bool), Vec<&Row>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        if (request.from.0..request.to.0).contains(&row.1) {
            let day = TimestampMs(row.1).day();
            days.entry((day, at % 3 == 0)).or_default().push(row);
        }
    }
    for ((day, mixed), rows) in days {
        let names = |all: &[&str]| all.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>();
        let columns = request.columns.iter().map(|column| match column {
            Column::Property(name) if &**name == "plan" && !mixed => ColumnData::Text(Codes {
                codes: rows
                    .iter()
                    .map(|row| row.3.map_or(Codes::NULL, |plan| plan as u32))
                    .collect(),
                names: names(&PLANS),
            }),
            Column::Property(name) if &**name == "plan" => ColumnData::Mixed(
                rows.iter()
                    .map(|row| {
                        row.3.map_or(Scalar::Null, |plan| match plan {
                            3 => Scalar::Float(5.0),
                            plan => Scalar::Text(Arc::from(PLANS[plan])),
                        })
                    })
                    .collect(),
            ),
            _ => ColumnData::Int(rows.iter().map(|row| row.4).collect()),
        });
        let batch = ColumnBatch {
            day,
            person: rows.iter().map(|row| row.0).collect(),
            time: rows.iter().map(|row| row.1).collect(),
            event: Codes {
                codes: rows.iter().map(|row| row.2 as u32).collect(),
                names: names(&EVENTS),
            },
            columns: columns.collect(),
        };
        if sink(batch).is_break() {
            return;
        }
    }
}

fn run(
    rows: &[Row],
    merges: &MergeMap,
    request: &SegmentationRequest,
    limits: &QueryLimits,
) -> Result<Segmentation, QueryError> {
    compute(
        &mut |asked, sink| {
            scan(rows, asked, sink);
            Ok(())
        },
        crate::testing::context(&catalog(), limits),
        merges,
        request,
        TimestampMs(T0),
    )
}

fn simple(measure: Measure, breakdown: &[&str]) -> SegmentationRequest {
    SegmentationRequest {
        project: ProjectName::from("console"),
        events: vec![EventSelection {
            event: "login".to_owned(),
            ..EventSelection::default()
        }],
        measure,
        breakdown: breakdown.iter().copied().map(property).collect(),
        unit: Unit::Day,
        from: TimestampMs(T0).day(),
        to: TimestampMs(T0).day(),
        timezone: None,
        week_start: WeekStart::Monday,
        formulas: Vec::new(),
        compare: None,
        rolling: None,
        cumulative: false,
    }
}

fn property(name: &str) -> Breakdown {
    Breakdown::Property(name.to_owned())
}

fn expression(text: &str) -> Breakdown {
    Breakdown::Expression {
        expression: text.to_owned(),
    }
}
