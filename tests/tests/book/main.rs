//! The commands of the book. Each command of the tutorial and of the how-to guides runs here, on real programs, a real
//! PostgreSQL and a store, in the order of its page, and its output is compared with the output that the page shows.
//!
//! `page` reads the blocks of a page, `script` makes a shell script of them, `session` runs it, `expected` compares outputs.
//! `consumers`, `operators`, `own_tables` and `tutorial` are the stories: a system, and the pages that are run on it.
//!
//! A comment before a block says how to run it:
//!
//! | comment | meaning |
//! |---|---|
//! | `<!-- book: not tested: REASON -->` | it is not run here |
//! | `<!-- book: given NAME … -->` | the reader sets these variables to own values; the test sets its own |
//! | `<!-- book: background until "TEXT" -->` | it keeps running; the next block follows when its output has the text |
//! | `<!-- book: the services start before this block -->` | an API and a worker run from here on |
//! | `<!-- book: file NAME -->` | the block is the content of this file |
//! | `<!-- book: output -->` | the block is the output of the block before |
//! | `<!-- book: output contains -->` | each line is a part of a line of that output |
//!
//! In an output, `…` is any text, and on a line of its own any lines; the id of the examples is any id.

mod consumers;
mod expected;
mod operators;
mod own_tables;
mod page;
mod pages;
mod script;
mod session;
mod tutorial;
