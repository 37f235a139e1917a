//! One worker at a time has an export, whatever becomes of workers.

mod sharing;
mod shutdown;
mod stopped;
mod takeover;
