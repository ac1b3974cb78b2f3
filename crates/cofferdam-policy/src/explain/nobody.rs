//! Seals and tokens that mean nothing, for explanations: no key is touched when somebody only asks why.
//!
//! Invariant: what these make is thrown away with the explanation's working copy.

use cofferdam_model::{
    Day, IdKey, IdKind, PersonNumber, ProjectName, Pseudonyms, SealError, Sealer, TokenDomain,
};

/// The keyless one.
#[derive(Debug)]
pub(super) struct Nobody;

impl Sealer for Nobody {
    fn seal(&self, _: PersonNumber, _: &[u8], _: &[u8], _: &mut Vec<u8>) -> Result<(), SealError> {
        Ok(())
    }

    fn open(&self, _: PersonNumber, _: &[u8], _: &[u8]) -> Result<Vec<u8>, SealError> {
        Err(SealError::UnknownPerson)
    }
}

impl Pseudonyms for Nobody {
    fn id_key(&self, _: &ProjectName, _: &str) -> IdKey {
        IdKey([0; 16])
    }

    fn insert_key(&self, _: &ProjectName, _: Option<Day>, _: &str, _: &str, _: &str) -> [u8; 16] {
        [0; 16]
    }

    fn token(&self, _: &TokenDomain, _: IdKind, _: &str) -> [u8; 32] {
        [0x5A; 32]
    }
}
