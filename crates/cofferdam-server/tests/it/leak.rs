//! Show 3: values that nobody may have are sent in every carrier and encoding, and then looked for everywhere.

mod fakes;
mod rules;
