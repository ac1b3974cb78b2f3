//! Segments: the values of the breakdown's columns, row by row, as small numbers.
//!
//! Invariant: a value reads the same in every part of the store, so that equal segments of two batches are equal.

use crate::filter::text;
use cofferdam_store::{Codes, ColumnData, Scalar};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// A segment: per breakdown property its value as text.
pub(crate) type Segment = Vec<Option<Arc<str>>>;

/// Per row a local code, and the segment of each code.
pub(crate) fn segments(
    breakdown: &[usize],
    columns: &[ColumnData],
    rows: usize,
) -> (Vec<u32>, Vec<Segment>) {
    let mut codes = vec![0u32; rows];
    let mut labels: Vec<Segment> = vec![Vec::new()];
    for column in breakdown {
        let Some(column) = columns.get(*column) else {
            continue;
        };
        let (inner, texts) = coded(column);
        if labels.len() == 1 && labels.first().is_some_and(Vec::is_empty) {
            // The first column's codes are those of its texts.
            (codes, labels) = (inner, texts.into_iter().map(|text| vec![text]).collect());
            continue;
        }
        let mut pairs: HashMap<(u32, u32), u32, RandomState> = HashMap::default();
        let mut joined = Vec::new();
        for (code, inner) in codes.iter_mut().zip(inner) {
            *code = *pairs.entry((*code, inner)).or_insert_with(|| {
                let mut label = labels.get(*code as usize).cloned().unwrap_or_default();
                label.push(texts.get(inner as usize).cloned().flatten());
                joined.push(label);
                u32::try_from(joined.len() - 1).unwrap_or(u32::MAX)
            });
        }
        labels = joined;
    }
    (codes, labels)
}

/// A column as codes and the text of each.
pub(crate) fn coded(column: &ColumnData) -> (Vec<u32>, Vec<Option<Arc<str>>>) {
    if let ColumnData::Text(Codes { codes, names }) = column {
        let unset = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let texts = names.iter().cloned().map(Some).chain([None]).collect();
        return (codes.iter().map(|code| unset.min(*code)).collect(), texts);
    }
    if let ColumnData::Int(values) = column {
        return numbered(values.iter().copied(), Scalar::Int);
    }
    if let ColumnData::Float(values) = column {
        let bits = values.iter().map(|value| value.map(f64::to_bits));
        return numbered(bits, |bits| Scalar::Float(f64::from_bits(bits)));
    }
    let mut known: HashMap<Option<Arc<str>>, u32, RandomState> = HashMap::default();
    let mut texts = Vec::new();
    let mut last: Option<(Scalar, u32)> = None;
    let codes = (0..column.len())
        .map(|row| {
            let scalar = column.scalar(row);
            if let Some((same, code)) = &last
                && *same == scalar
            {
                return *code;
            }
            let shown = text(&scalar);
            let code = *known.entry(shown).or_insert_with_key(|shown| {
                texts.push(shown.clone());
                u32::try_from(texts.len() - 1).unwrap_or(u32::MAX)
            });
            last = Some((scalar, code));
            code
        })
        .collect();
    (codes, texts)
}

/// Numbers as codes: each different one becomes a text once.
fn numbered<K: Copy + Eq + Hash>(
    values: impl Iterator<Item = Option<K>>,
    scalar: impl Fn(K) -> Scalar,
) -> (Vec<u32>, Vec<Option<Arc<str>>>) {
    let mut known: HashMap<Option<K>, u32, RandomState> = HashMap::default();
    let mut texts = Vec::new();
    let codes = values
        .map(|value| {
            *known.entry(value).or_insert_with(|| {
                texts.push(value.and_then(|value| text(&scalar(value))));
                u32::try_from(texts.len() - 1).unwrap_or(u32::MAX)
            })
        })
        .collect();
    (codes, texts)
}
