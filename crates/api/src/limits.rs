//! What keeps one client from slowing down the others.
//!
//! - `request_rates`: requests of one API key.
//! - `key_lookups`: database queries for keys that are not in the cache.
//! - `pool_shares`: connections of the pool that one project uses at the same time.
//! - `headers`: the headers of a 429.
//!
//! The limits of creates, active exports and stored bytes are checked by the statement of the create
//! (`exports-database`).

mod bucket;
mod headers;
mod key_lookups;
mod pool_shares;
mod request_rates;

pub(crate) use headers::headers;
pub(crate) use key_lookups::{Confirmed, KeyLookups};
pub(crate) use pool_shares::PoolShares;
pub(crate) use request_rates::RequestRates;
