//! What workers clean up in the background.

mod retention;
mod sweep;

pub use sweep::PendingDeletion;
