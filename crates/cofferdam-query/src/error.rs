//! Why a report cannot be computed, in the terms of the request, and the limits on requests.

use cofferdam_store::StoreError;
use thiserror::Error;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The request names or asks for something that does not exist or does not fit.
    #[error("{message}")]
    Invalid {
        /// Where in the request, e.g. `events[0].filters[1].property`.
        path: String,
        /// What is wrong; the request's own words in backticks.
        message: String,
        /// What is allowed there; empty where that is no short list.
        allowed: Vec<String>,
        /// Names near to what was given, nearest first.
        suggestions: Vec<String>,
    },
    /// The request passes a limit.
    #[error("{message}")]
    TooLarge {
        /// Where in the request.
        path: String,
        /// Which limit, with figures.
        message: String,
    },
    /// A query in SQL does not parse, names what does not exist, or cannot be computed.
    #[error("{message}")]
    Sql {
        /// What is wrong; the query's own words in backticks.
        message: String,
        /// Where in the query, if that is known.
        at: Option<TextPlace>,
        /// What is allowed there; empty where that is no short list.
        allowed: Vec<String>,
        /// Names near to what was given, nearest first.
        suggestions: Vec<String>,
    },
    /// Whoever asked did not want the answer any more.
    #[error("the report was cancelled")]
    Cancelled,
    /// It took longer than is allowed.
    #[error(
        "the report took longer than {seconds} s; ask for fewer days, or for fewer or rarer events"
    )]
    TooSlow {
        /// How long it may take, seconds.
        seconds: u64,
    },
    /// The store failed.
    #[error("the event store could not be read")]
    Store(#[from] StoreError),
}

/// A place in a text, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPlace {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl QueryError {
    /// With `name` before the path, but for paths that begin with `but`.
    pub(crate) fn below(mut self, name: &str, but: &str) -> Self {
        if let Self::Invalid { path, .. } | Self::TooLarge { path, .. } = &mut self
            && !path.starts_with(but)
        {
            *path = format!("{name}.{path}");
        }
        self
    }

    /// With the column of a text in the request, from 1, before the message.
    pub(crate) fn in_column(mut self, column: usize) -> Self {
        if let Self::Invalid { message, .. } = &mut self {
            *message = format!("column {column}: {message}");
        }
        self
    }
}

/// Limits on a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Most buckets.
    pub buckets_max: usize,
    /// Most event selections.
    pub events_max: usize,
    /// Most filters of one event selection.
    pub filters_max: usize,
    /// Most breakdown properties.
    pub breakdowns_max: usize,
    /// Segments shown of one event selection; the rest is `$other`.
    pub segments_max: usize,
    /// Distinct segments counted before new ones go to `$other` unseen.
    pub distinct_max: usize,
    /// Memory for sets of people, bytes.
    pub people_bytes_max: usize,
    /// Memory for the rows of the people that a report follows, bytes; more are followed in several passes.
    pub timeline_bytes_max: usize,
    /// Memory for the values that a percentile looks at, bytes.
    pub values_bytes_max: usize,
    /// Most formulas.
    pub formulas_max: usize,
    /// Most buckets of a rolling window.
    pub rolling_max: usize,
    /// Most figures kept at a time: event selections by segments by buckets. Ten times as many are looked at for rolling ones.
    pub cells_max: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            buckets_max: 10_000,
            events_max: 20,
            filters_max: 20,
            breakdowns_max: 3,
            segments_max: 50,
            distinct_max: 200_000,
            people_bytes_max: 1 << 30,
            timeline_bytes_max: 1 << 30,
            values_bytes_max: 1 << 29,
            formulas_max: 20,
            rolling_max: 400,
            cells_max: 4_000_000,
        }
    }
}
