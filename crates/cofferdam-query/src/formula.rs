//! Formulas over event selections, bucket by bucket.
//!
//! Invariant: a result that does not exist, as of a division by zero or of an average over nothing, is null.

use crate::answer::{Figure, FormulaSeries};
use crate::expression::{Expression, Value, parse_formula};
use crate::selection::at_most;
use crate::{QueryError, QueryLimits, SegmentationRequest};

/// A formula made ready.
#[derive(Debug)]
pub(crate) struct Formula {
    name: String,
    expression: Expression,
}

/// The series of one segment: per event selection whether it has rows, and its figures.
pub(crate) type Inputs<'a> = [(bool, &'a [Option<Figure>])];

impl Formula {
    /// Parses the request's formulas.
    pub(crate) fn all(
        request: &SegmentationRequest,
        limits: &QueryLimits,
    ) -> Result<Vec<Self>, QueryError> {
        at_most("formulas", request.formulas.len(), limits.formulas_max)?;
        (0..)
            .zip(&request.formulas)
            .map(|(at, formula)| {
                let at = |field| format!("formulas[{at}].{field}");
                let expression = parse_formula(&formula.expression, request.events.len())
                    .map_err(|fault| fault.at(&at("expression")))?;
                Ok(Self {
                    name: formula.name.clone(),
                    expression,
                })
            })
            .collect()
    }

    /// Its series of a segment; `None` where no selection that it names has rows there.
    pub(crate) fn series(
        &self,
        segment: &[Option<String>],
        inputs: &Inputs<'_>,
        buckets: usize,
    ) -> Option<FormulaSeries> {
        let mut named = (0..)
            .zip(inputs)
            .filter(|(input, _)| self.expression.uses(*input))
            .peekable();
        if named.peek().is_some() && !named.any(|(_, (touched, _))| *touched) {
            return None;
        }
        let value = |bucket| {
            let values: Vec<Value> = inputs
                .iter()
                .map(|(_, figures)| {
                    let figure = figures.get(bucket).copied().flatten();
                    figure.map_or(Value::Undefined, |figure: Figure| {
                        Value::number(figure.number())
                    })
                })
                .collect();
            match self.expression.value(&values) {
                Value::Number(number) => Some(Figure::Number(number)),
                _ => None,
            }
        };
        Some(FormulaSeries {
            name: self.name.clone(),
            segment: segment.to_vec(),
            values: (0..buckets).map(value).collect(),
        })
    }
}
