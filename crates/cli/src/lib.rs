//! What tests and benchmarks share with `exportctl`: realistic messages that are the same
//! everywhere ([`generator`]), and their way into a database ([`seed`]).

pub mod generator;
pub mod seed;
