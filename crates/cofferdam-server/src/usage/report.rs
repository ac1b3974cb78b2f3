//! The API board's report: requests, errors and latency over time, of all or by key, organization and endpoint.
//!
//! Invariant: counts are exact; percentiles are within [`PERCENTILE_ERROR`]; series beyond the limit are in the last one, whose
//! names are `$other`.

use super::cell::{CLASSES, Cell, PERCENTILE_ERROR};
use super::table::{HOUR, MINUTE, MINUTES_KEPT_MS, NameKind, Usage, decoded, find, shown};
use crate::error::ApiError;
use cofferdam_access::{Permit, ReadReport};
use cofferdam_model::{Day, ProjectName, TimestampMs};
use cofferdam_vault::Vault;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use utoipa::ToSchema;

/// Most buckets.
const BUCKETS_MAX: i64 = 10_000;
/// Most series of an answer.
const SERIES_MAX: usize = 100;
/// Series where the request names no limit.
const SERIES_DEFAULT: usize = 20;
/// Cells of an answer under way that are kept in memory.
const CELLS_MAX: usize = 500_000;
/// The names of what is beyond the limit.
const OTHER: &str = "$other";

/// What is asked.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageReportRequest {
    /// The project.
    pub project: String,
    /// First day, UTC.
    #[schema(value_type = String)]
    pub from: Day,
    /// Last day, UTC, inclusive.
    #[schema(value_type = String)]
    pub to: Day,
    /// Length of a bucket; minutes are kept for two days.
    #[serde(default)]
    pub unit: UsageUnit,
    /// What series are told apart by; empty for one series of all.
    #[serde(default)]
    pub by: Vec<UsageBy>,
    /// Only this key: the key itself, or its hash from an answer.
    #[serde(default)]
    pub key: Option<String>,
    /// Only this organization: its id, or its hash.
    #[serde(default)]
    pub organization: Option<String>,
    /// Only this endpoint, e.g. `GET /v1/models`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Most series, by requests; default 20, at most 100.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// Length of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UsageUnit {
    /// A minute.
    Minute,
    /// An hour.
    #[default]
    Hour,
    /// A UTC day.
    Day,
}

/// What series are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UsageBy {
    /// The key.
    Key,
    /// The organization.
    Organization,
    /// Method and endpoint.
    Endpoint,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UsageReport {
    /// Start of each bucket, UTC.
    pub buckets: Vec<String>,
    /// The series, by requests descending.
    pub series: Vec<UsageSeries>,
    /// Percentiles from 1 ms on are off by at most this share of them; below 1 ms they are told as 0.5.
    pub percentile_error: f64,
}

/// The requests of a key, organization or endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UsageSeries {
    /// The key's hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The organization's hash; empty where requests named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Method and endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Over the whole range.
    pub total: UsageTotals,
    /// Requests by bucket.
    pub requests: Vec<u64>,
    /// Failed requests by bucket.
    pub errors: Vec<u64>,
    /// Median latency by bucket, milliseconds; `null` without requests.
    pub p50: Vec<Option<f64>>,
    /// 95th percentile.
    pub p95: Vec<Option<f64>>,
    /// 99th percentile.
    pub p99: Vec<Option<f64>>,
}

/// Figures over a range.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UsageTotals {
    /// Requests.
    pub requests: u64,
    /// Failed requests: status 400 and above.
    pub errors: u64,
    /// Of them, by class: `auth` (401, 403), `not_found` (404), `rate_limited` (429), `client` (other 4xx), `server` (5xx).
    pub classes: BTreeMap<String, u64>,
    /// Bytes sent.
    pub bytes: u64,
    /// Median latency, milliseconds.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}

/// Names of a series by number, 0 where it is not told apart by them: key, organization, endpoint.
type Group = (i64, i64, i64);

impl Usage {
    /// Answers a report.
    ///
    /// # Errors
    /// 422 for the request, 500 where the database fails.
    pub async fn report(
        &self,
        _permit: &Permit<ReadReport>,
        vault: &Vault,
        request: &UsageReportRequest,
        now: TimestampMs,
    ) -> Result<UsageReport, ApiError> {
        let range = Range::of(request, now)?;
        let limit = request.limit.unwrap_or(SERIES_DEFAULT);
        if !(1..=SERIES_MAX).contains(&limit) {
            let message = format!("an answer has from 1 to {SERIES_MAX} series");
            return Err(ApiError::invalid("limit", message));
        }
        let cells = match self.filters(vault, request).await? {
            None => HashMap::new(),
            Some(filters) => self.cells(request, &range, filters).await?,
        };
        let mut totals: HashMap<Group, Cell> = HashMap::new();
        for ((group, _), cell) in &cells {
            totals.entry(*group).or_default().add(cell);
        }
        let mut groups: Vec<(Group, u64)> = totals
            .iter()
            .map(|(group, cell)| (*group, cell.requests))
            .collect();
        groups.sort_unstable_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
        let shown: HashMap<Group, usize> = groups
            .iter()
            .take(limit)
            .enumerate()
            .map(|(at, (group, _))| (*group, at))
            .collect();
        let count = groups.len().min(limit) + usize::from(groups.len() > limit);
        let mut sums = vec![vec![Cell::default(); range.buckets]; count];
        for ((group, bucket), cell) in &cells {
            let series = shown.get(group).copied().unwrap_or(limit);
            if let Some(sum) = sums
                .get_mut(series)
                .and_then(|series| series.get_mut(*bucket))
            {
                sum.add(cell);
            }
        }
        let mut series = Vec::with_capacity(count);
        for (at, cells) in sums.iter().enumerate() {
            let group = groups
                .get(at)
                .filter(|_| at < limit)
                .map(|(group, _)| *group);
            series.push(self.series(request, group, cells).await?);
        }
        Ok(UsageReport {
            buckets: range.labels(),
            series,
            percentile_error: PERCENTILE_ERROR,
        })
    }

    /// The numbers that the request filters by, 0 for no filter; `None` where a name is not known, so that nothing is found.
    async fn filters(
        &self,
        vault: &Vault,
        request: &UsageReportRequest,
    ) -> Result<Option<Group>, ApiError> {
        let project = ProjectName::from(request.project.as_str());
        let mut connection = self.pool.acquire().await?;
        let mut numbers = [0; 3];
        let asked = [
            (NameKind::Key, &request.key),
            (NameKind::Organization, &request.organization),
            (NameKind::Endpoint, &request.endpoint),
        ];
        for (number, (kind, text)) in numbers.iter_mut().zip(asked) {
            let Some(text) = text else { continue };
            let name = shown(vault, &project, kind, text);
            let found = match find(&mut connection, &project, kind, &name).await? {
                Some(found) => Some(found),
                // A hash from an answer.
                None => find(&mut connection, &project, kind, text).await?,
            };
            match found {
                Some(found) => *number = found,
                None => return Ok(None),
            }
        }
        let [key, organization, endpoint] = numbers;
        Ok(Some((key, organization, endpoint)))
    }

    /// The cells of the range, by series and bucket.
    async fn cells(
        &self,
        request: &UsageReportRequest,
        range: &Range,
        (key, organization, endpoint): Group,
    ) -> Result<HashMap<(Group, usize), Cell>, ApiError> {
        let by = |what| request.by.contains(&what);
        let mut cells: HashMap<(Group, usize), Cell> = HashMap::new();
        let mut rows = sqlx::query_as::<_, (i64, i64, i64, i64, Vec<u8>)>(
            "SELECT start, key, organization, endpoint, cell FROM cells WHERE project = ? AND start >= ? AND start < ? \
             AND (?4 = 0 OR key = ?4) AND (?5 = 0 OR organization = ?5) AND (?6 = 0 OR endpoint = ?6)",
        )
        .bind(&request.project)
        .bind(range.from)
        .bind(range.to)
        .bind(key)
        .bind(organization)
        .bind(endpoint)
        .fetch(&self.pool);
        while let Some((start, key, organization, endpoint, cell)) = rows.try_next().await? {
            let part = |what, number| if by(what) { number } else { 0 };
            let group = (
                part(UsageBy::Key, key),
                part(UsageBy::Organization, organization),
                part(UsageBy::Endpoint, endpoint),
            );
            let place = (group, range.bucket(start));
            if cells.len() >= CELLS_MAX && !cells.contains_key(&place) {
                let message = "more keys, organizations and endpoints than one answer can count; narrow the range or filter";
                return Err(ApiError::invalid("by", message));
            }
            cells.entry(place).or_default().add(&decoded(&cell)?);
        }
        Ok(cells)
    }

    async fn series(
        &self,
        request: &UsageReportRequest,
        group: Option<Group>,
        cells: &[Cell],
    ) -> Result<UsageSeries, ApiError> {
        let (key, organization, endpoint) = group.unwrap_or_default();
        let name = async |what, number: i64| -> Result<Option<String>, ApiError> {
            if !request.by.contains(&what) {
                return Ok(None);
            }
            if group.is_none() {
                return Ok(Some(OTHER.to_owned()));
            }
            let name: Option<String> = sqlx::query_scalar("SELECT name FROM names WHERE id = ?")
                .bind(number)
                .fetch_optional(&self.pool)
                .await?;
            Ok(Some(name.unwrap_or_default()))
        };
        let mut total = Cell::default();
        cells.iter().for_each(|cell| total.add(cell));
        let percentiles = |share| cells.iter().map(|cell| cell.percentile(share)).collect();
        Ok(UsageSeries {
            key: name(UsageBy::Key, key).await?,
            organization: name(UsageBy::Organization, organization).await?,
            endpoint: name(UsageBy::Endpoint, endpoint).await?,
            requests: cells.iter().map(|cell| cell.requests).collect(),
            errors: cells.iter().map(Cell::failed).collect(),
            p50: percentiles(0.5),
            p95: percentiles(0.95),
            p99: percentiles(0.99),
            total: totals(&total),
        })
    }
}

fn totals(cell: &Cell) -> UsageTotals {
    UsageTotals {
        requests: cell.requests,
        errors: cell.failed(),
        classes: CLASSES
            .map(str::to_owned)
            .into_iter()
            .zip(cell.errors)
            .collect(),
        bytes: cell.bytes,
        p50: cell.percentile(0.5),
        p95: cell.percentile(0.95),
        p99: cell.percentile(0.99),
    }
}

/// The buckets, in seconds since 1970.
struct Range {
    from: i64,
    to: i64,
    seconds: i64,
    buckets: usize,
}

impl Range {
    fn of(request: &UsageReportRequest, now: TimestampMs) -> Result<Self, ApiError> {
        let from = request.from.start().0 / 1000;
        let to = request.to.start().0 / 1000 + 86_400;
        if from >= to {
            return Err(ApiError::invalid("to", "the last day is before the first"));
        }
        let seconds = match request.unit {
            UsageUnit::Minute => MINUTE,
            UsageUnit::Hour => HOUR,
            UsageUnit::Day => 86_400,
        };
        if request.unit == UsageUnit::Minute && from * 1000 < now.0 - MINUTES_KEPT_MS {
            let message = "minutes are kept for two days; ask for hours";
            return Err(ApiError::invalid("unit", message));
        }
        let buckets = (to - from) / seconds;
        if buckets > BUCKETS_MAX {
            let message = format!("{buckets} buckets are more than {BUCKETS_MAX}");
            return Err(ApiError::invalid("unit", message));
        }
        Ok(Self {
            from,
            to,
            seconds,
            buckets: usize::try_from(buckets).unwrap_or(0),
        })
    }

    fn bucket(&self, start: i64) -> usize {
        usize::try_from((start - self.from) / self.seconds).unwrap_or(usize::MAX)
    }

    fn labels(&self) -> Vec<String> {
        let starts = (0..self.buckets).filter_map(|at| i64::try_from(at).ok());
        let at = |bucket: i64| jiff::Timestamp::from_second(self.from + bucket * self.seconds);
        starts
            .map(|bucket| at(bucket).map_or_else(|_| String::new(), |at| at.to_string()))
            .collect()
    }
}
