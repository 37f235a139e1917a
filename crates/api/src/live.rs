//! Waiting for changes of exports: long polls and event streams.
//!
//! Waiters cost the database nothing while nothing changes. The `hub` knows who waits for what, and `reads` what has to be
//! read for them. Its `refresh` task has one connection with LISTEN, and reads the exports that have changed for all
//! waiters in one statement. Every few seconds it reads all of them, so a lost notification is found. A `watched` is an
//! export that somebody waits for, and a `watch` one waiter's view of it; a `project_log` has the latest changes of a
//! project, and `open_keys` the keys whose end ends their waiters. `rendered` is an export as JSON, shared by all who send
//! it.

mod hub;
mod open_keys;
mod project_log;
mod reads;
mod refresh;
mod rendered;
mod waiter;
mod watch;
mod watched;

pub(crate) use hub::Hub;
pub(crate) use rendered::{Rendered, deleted_event};
pub(crate) use waiter::{Waiter, WaiterKind};
pub(crate) use watch::{Latest, Watch};
