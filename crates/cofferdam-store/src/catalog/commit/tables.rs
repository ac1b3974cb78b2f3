//! The part of a commit that makes projects, tables and columns.
//!
//! Invariant: a column's id is its Parquet field id, and is never given to another column.

use super::{Commit, directory, doing, quoted, run, uuid};
use crate::StoreError;
use crate::catalog::kind_code;
use crate::schema::{FIXED, ProjectSchema, ducklake_type};
use cofferdam_model::ProjectName;

impl Commit {
    /// The events table of a project, made if absent, with the columns that the catalog does not have yet.
    pub(crate) async fn events_table(
        &mut self,
        project: &ProjectName,
        schema: &ProjectSchema,
    ) -> Result<i64, StoreError> {
        let table = match self.find_table(project, "events").await? {
            Some(table) => table,
            None => {
                let table = self.create_table(project, "events", &FIXED).await?;
                self.partition_by_day(table).await?;
                table
            }
        };
        self.save_properties(project, table, schema).await?;
        Ok(table)
    }

    async fn find_table(
        &mut self,
        project: &ProjectName,
        name: &str,
    ) -> Result<Option<i64>, StoreError> {
        let found: Option<(i64,)> = sqlx::query_as(
            "SELECT table_id FROM ducklake_table JOIN ducklake_schema USING (schema_id) WHERE schema_name = ? AND table_name = ?",
        )
        .bind(project.as_str())
        .bind(name)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(doing())?;
        Ok(found.map(|(table,)| table))
    }

    async fn schema_id(&mut self, project: &ProjectName) -> Result<i64, StoreError> {
        let found: Option<(i64,)> =
            sqlx::query_as("SELECT schema_id FROM ducklake_schema WHERE schema_name = ?")
                .bind(project.as_str())
                .fetch_optional(&mut *self.tx)
                .await
                .map_err(doing())?;
        if let Some((schema,)) = found {
            return Ok(schema);
        }
        let schema = self.catalog_id();
        let path = format!("{}/", directory(project));
        run!(
            self.tx,
            "INSERT INTO ducklake_schema VALUES (?, ?, ?, NULL, ?, ?, 1)",
            schema,
            uuid(schema),
            self.snapshot,
            project.as_str(),
            path
        );
        self.changes
            .push(format!("created_schema:{}", quoted(project.as_str())));
        Ok(schema)
    }

    /// Makes a table with the given columns (name, DuckLake type); their field ids are their positions from 1.
    pub(crate) async fn create_table(
        &mut self,
        project: &ProjectName,
        name: &str,
        columns: &[(&str, &str)],
    ) -> Result<i64, StoreError> {
        let schema = self.schema_id(project).await?;
        let table = self.catalog_id();
        run!(
            self.tx,
            "INSERT INTO ducklake_table VALUES (?, ?, ?, NULL, ?, ?, ?, 1)",
            table,
            uuid(table),
            self.snapshot,
            schema,
            name,
            format!("{name}/")
        );
        for (id, (name, kind)) in (1..).zip(columns) {
            self.add_column(table, id, name, kind).await?;
        }
        run!(
            self.tx,
            "INSERT INTO ducklake_table_stats VALUES (?, 0, 0, 0)",
            table
        );
        self.changes.push(format!(
            "created_table:{}.{}",
            quoted(project.as_str()),
            quoted(name)
        ));
        self.altered.push(table);
        Ok(table)
    }

    async fn add_column(
        &mut self,
        table: i64,
        id: i64,
        name: &str,
        kind: &str,
    ) -> Result<(), StoreError> {
        run!(
            self.tx,
            "INSERT INTO ducklake_column VALUES (?, ?, NULL, ?, ?, ?, ?, NULL, 'NULL', 1, NULL, 'literal', 'duckdb')",
            id,
            self.snapshot,
            table,
            id,
            name,
            kind
        );
        Ok(())
    }

    async fn partition_by_day(&mut self, table: i64) -> Result<(), StoreError> {
        let partition = self.catalog_id();
        run!(
            self.tx,
            "INSERT INTO ducklake_partition_info VALUES (?, ?, ?, NULL)",
            partition,
            table,
            self.snapshot
        );
        for (index, part) in (0i64..).zip(["year", "month", "day"]) {
            run!(
                self.tx,
                "INSERT INTO ducklake_partition_column VALUES (?, ?, ?, ?, ?)",
                partition,
                table,
                index,
                i64::from(crate::schema::id::TIME),
                part
            );
        }
        let sort = self.catalog_id();
        run!(
            self.tx,
            "INSERT INTO ducklake_sort_info VALUES (?, ?, ?, NULL)",
            sort,
            table,
            self.snapshot
        );
        for (index, column) in (0i64..).zip(["person", "\"time\"", "seq"]) {
            run!(
                self.tx,
                "INSERT INTO ducklake_sort_expression VALUES (?, ?, ?, ?, 'duckdb', 'ASC', 'NULLS_LAST')",
                sort,
                table,
                index,
                column
            );
        }
        Ok(())
    }

    async fn save_properties(
        &mut self,
        project: &ProjectName,
        table: i64,
        schema: &ProjectSchema,
    ) -> Result<(), StoreError> {
        let mut added = false;
        for (position, property) in (0i64..).zip(&schema.properties) {
            if !property.unsaved {
                continue;
            }
            let column = property.column.as_ref();
            let known = sqlx::query(
                "UPDATE cofferdam_property SET in_rest = ? WHERE project = ? AND property = ?",
            )
            .bind(property.in_rest)
            .bind(project.as_str())
            .bind(&*property.name)
            .execute(&mut *self.tx)
            .await
            .map_err(doing())?;
            if known.rows_affected() > 0 {
                continue;
            }
            run!(
                self.tx,
                "INSERT INTO cofferdam_property VALUES (?, ?, ?, ?, ?, ?, ?)",
                project.as_str(),
                position,
                &*property.name,
                kind_code(property.kind),
                column.map(|(id, _)| i64::from(*id)),
                column.map(|(_, name)| &**name),
                property.in_rest
            );
            if let Some((id, name)) = column {
                self.add_column(table, i64::from(*id), name, ducklake_type(property.kind))
                    .await?;
                run!(
                    self.tx,
                    "INSERT INTO ducklake_column_tag VALUES (?, ?, ?, NULL, 'comment', ?)",
                    table,
                    i64::from(*id),
                    self.snapshot,
                    format!("properties.{}", property.name)
                );
                added = true;
            }
        }
        if added && !self.altered.contains(&table) {
            self.altered.push(table);
            self.changes.push(format!("altered_table:{table}"));
        }
        Ok(())
    }
}
