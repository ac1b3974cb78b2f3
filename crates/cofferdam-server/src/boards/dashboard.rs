//! Dashboards: saved reports and texts on a grid, with filters for all of them.
//!
//! Invariant: a tile shows a saved report that is there; no two tiles have the same number.

use super::shelf::{Kept, Stored};
use super::{RelativeRange, ReportDraft, text};
use crate::error::ApiError;
use cofferdam_access::WriteReport;
use cofferdam_query::Filter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

const NAME_CHARS_MAX: usize = 120;
const DESCRIPTION_CHARS_MAX: usize = 2_000;
const TEXT_CHARS_MAX: usize = 10_000;
const TILES_MAX: usize = 60;
const FILTERS_MAX: usize = 10;
/// Columns of the grid.
const COLUMNS: u32 = 12;
/// Rows of the grid.
const ROWS_MAX: u32 = 10_000;
/// Least seconds between two refreshes: a board on a wall is no load test.
const REFRESH_SECONDS_MIN: u32 = 10;
const REFRESH_SECONDS_MAX: u32 = 86_400;

/// A dashboard to be kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DashboardDraft {
    /// The project.
    pub project: String,
    /// What it is called, at most 120 characters.
    pub name: String,
    /// What it is for, at most 2,000 characters.
    #[serde(default)]
    pub description: String,
    /// Added to every event of every report on it, at most 10.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// Days for every report on it; absent: each has its own.
    #[serde(default)]
    pub range: Option<RelativeRange>,
    /// Seconds after which whoever looks at it gets fresh numbers, at least 10; absent: only when asked.
    #[serde(default)]
    pub refresh_seconds: Option<u32>,
    /// What is on it, at most 60.
    #[serde(default)]
    pub tiles: Vec<Tile>,
    /// Of a change: the version that it is a change of.
    #[serde(default, skip_serializing)]
    pub version: Option<u32>,
}

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TileKind {
    /// A saved report.
    Report,
    /// A text.
    Text,
}

/// A tile on the grid of 12 columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tile {
    /// Its number, one's own choice, once on a board.
    pub id: u32,
    /// What it holds.
    pub kind: TileKind,
    /// The saved report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<u64>,
    /// The text, at most 10,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its first column, from 0.
    pub x: u32,
    /// Its first row, from 0.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A dashboard.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Dashboard {
    /// Its number; never given twice.
    pub id: u64,
    /// Counts changes, from 1.
    pub version: u32,
    /// When it was made.
    pub created: String,
    /// By whom.
    pub created_by: String,
    /// When it was last changed.
    pub updated: String,
    /// By whom.
    pub updated_by: String,
    /// What it is.
    #[serde(flatten)]
    pub dashboard: DashboardDraft,
}

/// One version of a dashboard.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DashboardVersion {
    /// Which.
    pub version: u32,
    /// Since when it was the current one.
    pub updated: String,
    /// By whom.
    pub updated_by: String,
    /// What it was.
    #[serde(flatten)]
    pub dashboard: DashboardDraft,
}

impl DashboardDraft {
    /// Checks everything but whether the reports are there.
    ///
    /// # Errors
    /// [`ApiError`] with the path of what is wrong.
    pub(crate) fn checked(mut self) -> Result<Self, ApiError> {
        self.name = text::line("name", &self.name, NAME_CHARS_MAX)?;
        self.description = text::lines("description", &self.description, DESCRIPTION_CHARS_MAX)?;
        at_most("filters", self.filters.len(), FILTERS_MAX)?;
        at_most("tiles", self.tiles.len(), TILES_MAX)?;
        if let Some(range) = self.range {
            range.check("range")?;
        }
        if self
            .refresh_seconds
            .is_some_and(|seconds| !(REFRESH_SECONDS_MIN..=REFRESH_SECONDS_MAX).contains(&seconds))
        {
            return Err(ApiError::invalid(
                "refresh_seconds",
                format!("it must be from {REFRESH_SECONDS_MIN} to {REFRESH_SECONDS_MAX}"),
            ));
        }
        let mut seen = BTreeSet::new();
        for (position, tile) in self.tiles.iter_mut().enumerate() {
            let path = format!("tiles[{position}]");
            tile.check(&path)?;
            if !seen.insert(tile.id) {
                return Err(ApiError::invalid(
                    &format!("{path}.id"),
                    "another tile has this number",
                ));
            }
        }
        Ok(self)
    }

    /// The tile of that number.
    pub(crate) fn tile(&self, id: u32) -> Option<&Tile> {
        self.tiles.iter().find(|tile| tile.id == id)
    }

    /// The board without the tiles that show a report.
    pub(super) fn without_report(mut self, report: u64) -> Self {
        self.tiles.retain(|tile| tile.report != Some(report));
        self
    }
}

impl Tile {
    fn check(&mut self, path: &str) -> Result<(), ApiError> {
        let (wanted, unwanted, has_both) = match self.kind {
            TileKind::Report => (
                "report",
                "text",
                (self.report.is_some(), self.text.is_some()),
            ),
            TileKind::Text => (
                "text",
                "report",
                (self.text.is_some(), self.report.is_some()),
            ),
        };
        if !has_both.0 {
            let message = format!("a tile of this kind has a `{wanted}`");
            return Err(ApiError::invalid(&format!("{path}.{wanted}"), message));
        }
        if has_both.1 {
            let message = format!("a tile of this kind has no `{unwanted}`");
            return Err(ApiError::invalid(&format!("{path}.{unwanted}"), message));
        }
        if let Some(written) = &mut self.text {
            *written = text::lines(&format!("{path}.text"), written, TEXT_CHARS_MAX)?;
        }
        for (side, size, from, room, max) in [
            ("width", self.width, ("x", self.x), COLUMNS, COLUMNS),
            ("height", self.height, ("y", self.y), ROWS_MAX, 100),
        ] {
            if size == 0 || size > max {
                return Err(ApiError::invalid(
                    &format!("{path}.{side}"),
                    format!("it must be from 1 to {max}"),
                ));
            }
            if from.1 > room - size {
                let message = format!("the tile ends beyond the grid's {room}");
                return Err(ApiError::invalid(&format!("{path}.{}", from.0), message));
            }
        }
        Ok(())
    }
}

fn at_most(path: &str, count: usize, max: usize) -> Result<(), ApiError> {
    if count <= max {
        return Ok(());
    }
    Err(ApiError::invalid(
        path,
        format!("{count} are more than {max}"),
    ))
}

impl Kept for DashboardDraft {
    const SORT: &'static str = "dashboard";
    const NOUN: &'static str = "dashboard";
    const COUNT_MAX: usize = 1_000;
    type Write = WriteReport;

    fn project(&self) -> &str {
        &self.project
    }

    fn base(&self) -> Option<u32> {
        self.version
    }

    fn references(&self) -> Vec<(String, &'static str, u64)> {
        let tiles = self.tiles.iter().enumerate();
        tiles
            .filter_map(|(position, tile)| {
                let path = format!("tiles[{position}].report");
                Some((path, ReportDraft::SORT, tile.report?))
            })
            .collect()
    }
}

impl From<Stored<DashboardDraft>> for Dashboard {
    fn from(stored: Stored<DashboardDraft>) -> Self {
        Self {
            id: stored.id,
            version: stored.version,
            created: stored.created,
            created_by: stored.created_by,
            updated: stored.updated,
            updated_by: stored.updated_by,
            dashboard: stored.content,
        }
    }
}

impl From<Stored<DashboardDraft>> for DashboardVersion {
    fn from(stored: Stored<DashboardDraft>) -> Self {
        Self {
            version: stored.version,
            updated: stored.updated,
            updated_by: stored.updated_by,
            dashboard: stored.content,
        }
    }
}
