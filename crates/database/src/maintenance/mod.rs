//! Clean-up that the janitor of every worker runs.

mod retention;
mod sweep;

pub use sweep::PendingDeletion;
