//! One worker at a time has an export, whatever becomes of workers.

mod by_hand;
mod sharing;
mod shutdown;
mod stopped;
mod takeover;
