//! Rows of people whose numbers meet on one day, put in the order of time and arrival.

use super::{Hits, Source};
use crate::QueryError;
use cofferdam_store::{Column, ColumnData};
use foldhash::fast::RandomState;
use hashbrown::HashSet;

/// Moves the rows of doubted people to the end, sorted; where times are equal, in the order in which the rows arrived.
pub(super) fn order<S: Source>(
    day: &[S],
    doubted: &HashSet<u32, RandomState>,
    hits: &mut Hits,
) -> Result<(), QueryError> {
    let is_doubted: Vec<bool> = hits
        .person
        .iter()
        .map(|person| doubted.contains(person))
        .collect();
    let mut aside: Vec<usize> = (0..hits.len())
        .filter(|at| is_doubted.get(*at).copied().unwrap_or(false))
        .collect();
    let key = |hits: &Hits, at: usize| {
        let person = hits.person.get(at).copied().unwrap_or(0);
        (person, hits.time.get(at).copied().unwrap_or(0))
    };
    aside.sort_by_key(|&at| key(hits, at));
    let ties = aside.windows(2).any(|pair| match pair {
        [one, other] => key(hits, *one) == key(hits, *other),
        _ => false,
    });
    if ties {
        let mut seqs = Vec::new();
        for part in day {
            seqs.push(part.columns(&[Column::Seq])?);
        }
        let seq = |at: usize| {
            let (part, row) = hits.origin.get(at).copied().unwrap_or_default();
            match seqs.get(part as usize).and_then(|columns| columns.first()) {
                Some(ColumnData::Int(values)) => values.get(row as usize).copied().flatten(),
                _ => None,
            }
        };
        aside.sort_by_key(|&at| (key(hits, at), seq(at)));
    }
    let calm = || (0..is_doubted.len()).filter(|at| !is_doubted.get(*at).copied().unwrap_or(false));
    let places: Vec<usize> = calm().chain(aside.iter().copied()).collect();
    hits.person = picked(&hits.person, &places);
    hits.time = picked(&hits.time, &places);
    hits.mask = picked(&hits.mask, &places);
    hits.origin = picked(&hits.origin, &places);
    for values in &mut hits.values {
        *values = picked(values, &places);
    }
    Ok(())
}

fn picked<T: Copy>(values: &[T], places: &[usize]) -> Vec<T> {
    places
        .iter()
        .filter_map(|at| values.get(*at).copied())
        .collect()
}
