//! Which parts a query can leave unread: by their days and events, before any file is opened.
//!
//! Invariant: a part is left out only where no row of it can pass the filters.

use cofferdam_store::PartBounds;
use datafusion::arrow::array::{ArrayRef, BooleanArray, TimestampMillisecondArray, UInt64Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprSimplifier};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use std::collections::HashSet;
use std::sync::Arc;

/// Per part whether it may have a row that passes.
pub(super) fn wanted(
    filter: Arc<dyn PhysicalExpr>,
    schema: &SchemaRef,
    bounds: &[PartBounds<'_>],
) -> Vec<bool> {
    let all = || vec![true; bounds.len()];
    // Casts of values are worked out first; what is not a plain value spares nothing.
    let Ok(filter) = PhysicalExprSimplifier::new(schema).simplify(filter) else {
        return all();
    };
    let predicate = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(schema))
        .build(filter);
    // Whatever cannot be decided here is decided row by row later.
    predicate.map_or_else(all, |predicate| {
        predicate.prune(&Bounds(bounds)).unwrap_or_else(|_| all())
    })
}

/// What is known of parts, as `DataFusion` asks for it.
struct Bounds<'a>(&'a [PartBounds<'a>]);

impl Bounds<'_> {
    fn times(&self, of: impl Fn((i64, i64)) -> i64) -> ArrayRef {
        Arc::new(TimestampMillisecondArray::from_iter_values(
            self.0.iter().map(|part| of(part.time)),
        ))
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        (column.name == "time").then(|| self.times(|(min, _)| min))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        (column.name == "time").then(|| self.times(|(_, max)| max))
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let never_null = ["person", "time", "seq", "event", "verified"];
        never_null
            .contains(&column.name.as_str())
            .then(|| Arc::new(UInt64Array::from_iter_values(self.0.iter().map(|_| 0))) as ArrayRef)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(UInt64Array::from_iter_values(
            self.0.iter().map(|part| part.rows),
        )))
    }

    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        if column.name != "event" {
            return None;
        }
        let asked: HashSet<&str> = values
            .iter()
            .filter_map(|value| value.try_as_str().flatten())
            .collect();
        let of = |part: &PartBounds<'_>| {
            let events = part.events?;
            let known = events.iter().filter(|event| asked.contains(&***event));
            match known.count() {
                0 => Some(false),
                some if some == events.len() => Some(true),
                _ => None,
            }
        };
        Some(self.0.iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::wanted;
    use cofferdam_store::PartBounds;
    use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    use datafusion::common::DFSchema;
    use datafusion::prelude::SessionContext;
    use std::sync::Arc;

    /// Four days from 2026-03-01 on; `late` is in the last two only, the last one's events are not known.
    fn read(filter: &str) -> Vec<bool> {
        let names: Vec<Arc<str>> = ["early", "late"].map(Arc::from).to_vec();
        // 2026-03-01T00:00:00Z.
        let first = 1_772_323_200_000;
        let bounds: Vec<PartBounds<'_>> = (0..4)
            .map(|day| PartBounds {
                time: (first + day * 86_400_000, first + (day + 1) * 86_400_000 - 1),
                events: match day {
                    0 | 1 => Some(&names[..1]),
                    2 => Some(&names[..]),
                    _ => None,
                },
                rows: 10,
            })
            .collect();
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        let schema = Arc::new(Schema::new(vec![
            Field::new("time", time, false),
            Field::new("event", DataType::Utf8View, false),
            Field::new("plan", DataType::Utf8View, true),
        ]));
        let fields = DFSchema::try_from(Arc::clone(&schema)).unwrap();
        let session = SessionContext::new();
        let filter = session.parse_sql_expr(filter, &fields).unwrap();
        let filter = session.create_physical_expr(filter, &fields).unwrap();
        wanted(filter, &schema, &bounds)
    }

    #[test]
    fn days_and_events_that_cannot_pass_are_not_read() {
        let (no, yes) = (false, true);
        for (filter, expected) in [
            ("time >= '2026-03-03'", [no, no, yes, yes]),
            (
                "time >= TIMESTAMP '2026-03-02' AND time < '2026-03-03'",
                [no, yes, no, no],
            ),
            (
                "time BETWEEN '2026-03-01T23:00:00' AND '2026-03-02T01:00:00'",
                [yes, yes, no, no],
            ),
            ("event = 'late'", [no, no, yes, yes]),
            ("event IN ('late', 'never')", [no, no, yes, yes]),
            ("event = 'never'", [no, no, no, yes]),
            ("event <> 'early'", [no, no, yes, yes]),
            ("event = 'late' AND time < '2026-03-04'", [no, no, yes, no]),
            (
                "event = 'late' OR time < '2026-03-02'",
                [yes, yes, yes, yes],
            ),
            ("plan = 'free'", [yes, yes, yes, yes]),
            ("event LIKE 'l%'", [yes, yes, yes, yes]),
        ] {
            assert_eq!(read(filter), expected, "{filter}");
        }
    }
}
