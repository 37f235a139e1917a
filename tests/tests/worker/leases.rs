//! At most one worker at a time holds the lease of an export.

mod by_hand;
mod sharing;
mod shutdown;
mod stopped;
mod takeover;
