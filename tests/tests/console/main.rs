//! The console and the API reference in a real browser: Chromium, driven over `WebDriver`, on the real API and worker.
//!
//! Every test ends with [`Console::finish`](console::Console::finish), which demands that the browser reported no violation of
//! the content security policy and no error.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod accessibility;
mod browser;
mod console;
mod create;
mod detail;
mod http;
mod keyboard;
mod list;
mod live;
mod reference;
mod screens;
mod session;
mod webdriver;
mod webhooks;
