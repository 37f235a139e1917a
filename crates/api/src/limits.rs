//! What keeps one client from slowing down the others.
//!
//! - `request_rates`: requests of one API key.
//! - `key_lookups`: database queries for keys that are not in the cache.
//! - `refusal_delay`: the pace of refused authentications during a flood.
//! - `pool_shares`: connections of the pool that one project uses at the same time.
//! - `create_quotas`: creates of a project.
//! - `active_room`: the limit of active exports, without a count at every create.
//! - `headers`: the headers of a 429.
//!
//! The limits of active exports and stored bytes are checked by the statement of the create (`exports-database`).

mod active_room;
mod bucket;
mod create_quotas;
mod headers;
mod key_lookups;
mod pool_shares;
mod refusal_delay;
mod request_rates;

pub(crate) use active_room::ActiveRoom;
pub(crate) use create_quotas::CreateQuotas;
pub(crate) use headers::headers;
pub(crate) use key_lookups::{Confirmed, KeyLookups};
pub(crate) use pool_shares::{PoolShares, Share};
pub(crate) use refusal_delay::RefusalDelay;
pub(crate) use request_rates::RequestRates;
