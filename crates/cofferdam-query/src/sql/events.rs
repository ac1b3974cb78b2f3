//! The table `events`: the parts of one version of the store, as `DataFusion` reads tables.
//!
//! Parts are read on blocking threads, a batch at a time, for as long as somebody takes the batches; persons are replaced by the
//! canonical ones on the way.
//! Invariant: every stored row comes exactly once; no more than a few batches of each share are in memory.

use super::pruning::wanted;
use crate::Progress;
use cofferdam_model::{MergeMap, PersonNumber};
use cofferdam_store::{EventTable, Part, PartBounds};
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{SchemaRef, UInt32Type};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// Batches that wait for whoever computes, of each share.
const WAITING: usize = 2;

/// The table.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) table: Arc<EventTable>,
    pub(super) parts: Vec<Part>,
    pub(super) merges: Arc<MergeMap>,
    pub(super) progress: Arc<Progress>,
    /// Into how many shares the parts are divided, each read by a thread.
    pub(super) shares: usize,
}

impl Events {
    /// The parts that may have rows that pass all filters.
    fn wanted(&self, session: &dyn Session, filters: &[Expr]) -> Result<Vec<Part>> {
        let Some(filter) = conjunction(filters.to_vec()) else {
            return Ok(self.parts.clone());
        };
        let fields = DFSchema::try_from(Arc::clone(&self.table.schema))?;
        let filter = session.create_physical_expr(filter, &fields)?;
        let bounds: Vec<PartBounds<'_>> = self.parts.iter().map(Part::bounds).collect();
        let wanted = wanted(filter, &self.table.schema, &bounds);
        let parts = self.parts.iter().zip(wanted);
        Ok(parts
            .filter(|(_, wanted)| *wanted)
            .map(|(part, _)| part.clone())
            .collect())
    }
}

#[async_trait::async_trait]
impl TableProvider for Events {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    /// Filters spare whole parts; which rows pass is decided above.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = projection.cloned();
        let columns = columns.unwrap_or_else(|| (0..self.table.columns.len()).collect());
        let schema: SchemaRef = Arc::new(self.table.schema.project(&columns)?);
        let parts = self.wanted(session, filters)?;
        self.progress.expect(parts.len());
        let shares = self.shares.min(parts.len()).max(1);
        let mut divided: Vec<Vec<Part>> = vec![Vec::new(); shares];
        for (at, part) in parts.into_iter().enumerate() {
            if let Some(share) = divided.get_mut(at % shares) {
                share.push(part);
            }
        }
        let streams = divided.into_iter().map(|parts| {
            Arc::new(Share(Arc::new(Reading {
                table: Arc::clone(&self.table),
                person: schema.column_with_name("person").map(|(at, _)| at),
                schema: Arc::clone(&schema),
                columns: columns.clone(),
                merges: Arc::clone(&self.merges),
                progress: Arc::clone(&self.progress),
                batch_rows: session.config().batch_size(),
                parts,
            }))) as Arc<dyn PartitionStream>
        });
        let streams = streams.collect();
        let plan =
            StreamingTableExec::try_new(Arc::clone(&schema), streams, None, [], false, limit)?;
        Ok(Arc::new(plan))
    }
}

/// Parts that one thread reads after each other.
#[derive(Debug)]
struct Share(Arc<Reading>);

#[derive(Debug)]
struct Reading {
    table: Arc<EventTable>,
    parts: Vec<Part>,
    /// Positions in the table.
    columns: Vec<usize>,
    /// Of these columns.
    schema: SchemaRef,
    /// Which of these columns is the person's.
    person: Option<usize>,
    merges: Arc<MergeMap>,
    progress: Arc<Progress>,
    batch_rows: usize,
}

impl PartitionStream for Share {
    fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.0.schema), WAITING);
        let (sender, reading) = (stream.tx(), Arc::clone(&self.0));
        stream.spawn_blocking(move || reading.send(&sender));
        stream.build()
    }
}

impl Reading {
    fn send(&self, sender: &Sender<Result<RecordBatch>>) -> Result<()> {
        let failed = |error| DataFusionError::External(Box::new(error));
        for part in &self.parts {
            let batches = part.batches(&self.table, &self.columns, self.batch_rows);
            for batch in batches.map_err(failed)? {
                let batch = self.canonical(batch.map_err(failed)?)?;
                if sender.blocking_send(Ok(batch)).is_err() {
                    // Nobody wants more.
                    return Ok(());
                }
            }
            self.progress.step();
        }
        Ok(())
    }

    /// The batch with persons as they are after all merges.
    fn canonical(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let Some(person) = self.person else {
            return Ok(batch);
        };
        let mut columns = batch.columns().to_vec();
        if let Some(column) = columns.get_mut(person) {
            let persons = column.as_primitive::<UInt32Type>();
            let canonical: ArrayRef =
                Arc::new(persons.unary::<_, UInt32Type>(|person| {
                    self.merges.canonical(PersonNumber(person)).0
                }));
            *column = canonical;
        }
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    }
}
