//! Where an address is, from an mmdb file of the operator's choice.
//!
//! Both record shapes in use are read: `MaxMind`'s nested one and the flat one of `ip-location-db`.
//! Invariant: nothing is looked up elsewhere; without a file, locations are withheld.

use cofferdam_model::Place;
use maxminddb::Reader;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::Path;

/// A location database.
#[derive(Debug)]
pub struct Geo {
    reader: Reader<Vec<u8>>,
}

#[derive(Debug, Deserialize)]
struct Record {
    country: Option<Country>,
    country_code: Option<String>,
    #[serde(default)]
    subdivisions: Vec<Named>,
    state1: Option<String>,
    city: Option<City>,
}

#[derive(Debug, Deserialize)]
struct Country {
    iso_code: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Named {
    #[serde(default)]
    names: Names,
}

#[derive(Debug, Default, Deserialize)]
struct Names {
    en: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum City {
    Flat(String),
    Nested(Named),
}

impl Geo {
    /// Reads a database file into memory.
    ///
    /// # Errors
    /// Where it cannot be read or is no mmdb file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        let reader = Reader::from_source(bytes)
            .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        Ok(Self { reader })
    }

    /// The place of an address, if the database knows its country.
    #[must_use]
    pub fn place(&self, address: IpAddr) -> Option<Place> {
        let record: Record = self.reader.lookup(address).ok()?.decode().ok()??;
        let country = record
            .country
            .and_then(|country| country.iso_code)
            .or(record.country_code)?;
        let region = record
            .subdivisions
            .into_iter()
            .next()
            .and_then(|named| named.names.en)
            .or(record.state1);
        let city = match record.city {
            Some(City::Flat(name)) => Some(name),
            Some(City::Nested(named)) => named.names.en,
            None => None,
        };
        Some(Place {
            country,
            region,
            city: city.filter(|name| !name.is_empty()),
        })
    }
}
