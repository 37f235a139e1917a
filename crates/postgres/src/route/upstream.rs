//! The server behind an address, reached by our own connection.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::address::Address;
use crate::error::Error;
use crate::wire::{self, Opened, StartupSettings};

/// An address and the settings of its sessions.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) address: Address,
    /// Names and values.
    pub(super) settings: Vec<(&'static str, &'static str)>,
    /// Whether the server is a pooler such as `PgBouncer`, which shares server connections.
    is_pooler: AtomicBool,
}

impl Upstream {
    pub(super) fn new(address: Address, settings: Vec<(&'static str, &'static str)>) -> Self {
        Self {
            address,
            settings,
            is_pooler: AtomicBool::new(false),
        }
    }

    pub(super) fn is_pooler(&self) -> bool {
        self.is_pooler.load(Ordering::Relaxed)
    }

    pub(super) fn set_pooler(&self, is_pooler: bool) {
        self.is_pooler.store(is_pooler, Ordering::Relaxed);
    }

    pub(super) async fn connect(&self) -> Result<Opened, Error> {
        wire::connect(&self.address, &self.startup_settings()).await
    }

    /// A pooler may refuse settings in the startup message, so it gets them as statements.
    fn startup_settings(&self) -> StartupSettings {
        let mut options = self.address.options.clone().unwrap_or_default();
        let mut statements = Vec::new();
        for (name, value) in &self.settings {
            if self.is_pooler() {
                statements.push(format!("SET {name} = '{value}'"));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(options, " -c {name}={value}");
            }
        }
        let options = options.trim();
        StartupSettings {
            options: (!options.is_empty()).then(|| options.to_owned()),
            statements: (!statements.is_empty()).then(|| statements.join("; ")),
        }
    }
}
