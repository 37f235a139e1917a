//! At most one worker at a time has an export.

mod by_hand;
mod sharing;
mod shutdown;
mod stopped;
mod takeover;
