//! Waiting for changes of exports: long polls and event streams.
//!
//! Waiters cost the database nothing while nothing changes. The `hub` knows who waits for what. Its `refresh` task has one
//! connection with LISTEN, and reads the exports that have changed for all waiters in one statement. Every few seconds
//! it reads all of them, so a lost notification is found. A `watch` is one waiter's view of one export; a `project_log`
//! has the latest changes of a project. `rendered` is an export as JSON, shared by all who send it.

mod hub;
mod open_keys;
mod project_log;
mod refresh;
mod rendered;
mod waiter;
mod watch;

pub(crate) use hub::Hub;
pub(crate) use rendered::{Rendered, deleted_event};
pub(crate) use waiter::{Waiter, WaiterKind};
pub(crate) use watch::{Latest, Watch};
