//! What the programs tell on `/metrics`, and that the dashboard and the alert rules ask for nothing
//! else.

mod deployed;
mod logs;
mod service;
mod stories;
