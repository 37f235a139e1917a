//! Sends webhooks: claims deliveries that are due, signs and sends them, and records the results.
//!
//! `deliverer` claims and bounds how many run, `send` makes one attempt, `signature` signs it, `connector`
//! decides which addresses it may connect to. Every worker does this; a delivery is leased to one of them.

mod body;
mod connector;
mod deliverer;
mod send;
mod signature;

pub(crate) use connector::Clients;
pub(crate) use deliverer::Deliverer;
