//! People's rows side by side: what the sweep finds, gathered person by person.
//!
//! For reports whose rules need a person's whole story at once. Invariant: memory stays below its bound: where all people do not
//! fit, the sweep is repeated for a part of the people at a time, with the same result.

use crate::QueryError;
use crate::sweep::{Source, Sweep};

/// A row of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    /// The selections that it meets.
    pub(crate) mask: u32,
    /// The number of the breakdown's value, 0 without breakdown.
    pub(crate) value: u32,
    /// The number of the value that must stay the same, 0 where none must.
    pub(crate) hold: u32,
}

/// Most passes over the store.
const PASSES_MAX: u32 = 64;

/// Calls `person` with every canonical person and its rows in time order.
pub(crate) fn each_person<S: Source>(
    sweep: &mut Sweep<'_, S>,
    bytes_max: usize,
    person: &mut impl FnMut(u32, &[Hit]) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    // Each row is held twice while it is put in place.
    let rows_max = bytes_max / (2 * size_of::<Hit>() + 4);
    let mut passes = 1;
    let mut pass = 0;
    while pass < passes {
        match gather(sweep, passes, pass, rows_max)? {
            Some(gathered) => {
                each(gathered, person)?;
                pass += 1;
            }
            None if pass == 0 && passes < PASSES_MAX => passes *= 2,
            None => {
                return Err(QueryError::TooLarge {
                    path: "from".to_owned(),
                    message: "following so many people takes too much memory; ask for fewer days or for rarer events"
                        .to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// Rows of a piece of the store with their persons, in the order of the sweep.
#[derive(Default)]
struct Piece {
    person: Vec<u32>,
    hits: Vec<Hit>,
}

/// The rows of one share of the people; `None` where they do not fit.
fn gather<S: Source>(
    sweep: &mut Sweep<'_, S>,
    passes: u32,
    pass: u32,
    rows_max: usize,
) -> Result<Option<Vec<Piece>>, QueryError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rows = 0;
    sweep.run(&mut |hits| {
        if rows > rows_max {
            return Ok(());
        }
        let mut piece = Piece {
            person: Vec::with_capacity(hits.len()),
            hits: Vec::with_capacity(hits.len()),
        };
        let value = |values: Option<&Vec<u32>>, at: usize| {
            values
                .and_then(|values| values.get(at))
                .copied()
                .unwrap_or(0)
        };
        let (values, holds) = (hits.values.first(), hits.values.get(1));
        let all = hits.person.iter().zip(&hits.time).zip(&hits.mask);
        for (at, ((&person, &time), &mask)) in all.enumerate() {
            if passes > 1 && person % passes != pass {
                continue;
            }
            piece.person.push(person);
            piece.hits.push(Hit {
                time: hits.start + i64::from(time),
                mask,
                value: value(values, at),
                hold: value(holds, at),
            });
        }
        rows += piece.hits.len();
        pieces.push(piece);
        Ok(())
    })?;
    Ok((rows <= rows_max).then_some(pieces))
}

/// Puts the rows in place by person, keeping their order, and passes them on.
fn each(
    pieces: Vec<Piece>,
    person: &mut impl FnMut(u32, &[Hit]) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let numbers = || pieces.iter().flat_map(|piece| &piece.person);
    let people = numbers().max().map_or(0, |max| *max as usize + 1);
    let mut next = vec![0_u32; people + 1];
    for number in numbers() {
        if let Some(count) = next.get_mut(*number as usize + 1) {
            *count += 1;
        }
    }
    let mut total = 0;
    for start in &mut next {
        total += *start;
        *start = total;
    }
    let mut placed = vec![Hit::default(); total as usize];
    for piece in pieces {
        for (number, hit) in piece.person.iter().zip(&piece.hits) {
            if let Some(at) = next.get_mut(*number as usize) {
                if let Some(slot) = placed.get_mut(*at as usize) {
                    *slot = *hit;
                }
                *at += 1;
            }
        }
    }
    // Each person's place has moved to where the next one's begins.
    let mut start = 0;
    for (number, end) in (0..).zip(next) {
        let end = end as usize;
        if end > start
            && let Some(hits) = placed.get(start..end)
        {
            person(number, hits)?;
        }
        start = start.max(end);
    }
    Ok(())
}
