//! What every program tells of the service's own database.

use std::borrow::Cow;

use exports_postgres::PoolUse;
use prometheus::IntGauge;

use crate::metrics::label::{Gauges, Label};
use crate::metrics::registry::Registry;

/// Whether the database answers, and how far its pool of connections is used.
#[derive(Debug)]
pub struct DatabaseMetrics {
    up: IntGauge,
    connections: Gauges<Connections>,
    max_connections: IntGauge,
}

#[derive(Debug, Clone, Copy)]
enum Connections {
    Idle,
    Used,
}

impl Label for Connections {
    const NAME: &'static str = "state";
    const ALL: &'static [Self] = &[Self::Idle, Self::Used];

    fn value(self) -> Cow<'static, str> {
        match self {
            Self::Idle => "idle".into(),
            Self::Used => "used".into(),
        }
    }
}

impl DatabaseMetrics {
    /// Registers them.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self {
            up: registry.gauge(
                "exports_database_up",
                "Whether the database answered this scrape within two seconds.",
            ),
            connections: registry.gauges(
                "exports_database_pool_connections",
                "Connections of this process's pool, by what they do.",
            ),
            max_connections: registry.gauge(
                "exports_database_pool_max_connections",
                "The most connections that the pool can have.",
            ),
        }
    }

    /// Sets all of them.
    pub fn set(&self, up: bool, pool: PoolUse) {
        self.up.set(up.into());
        self.connections.set(Connections::Idle, pool.idle.into());
        self.connections.set(Connections::Used, pool.used.into());
        self.max_connections.set(pool.max.into());
    }
}
