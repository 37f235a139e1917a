//! The metrics of the service's own database, which every service has.

use exports_postgres::PoolUse;
use prometheus::IntGauge;

use crate::metrics::label::{Gauges, Label};
use crate::metrics::registry::Registry;

/// Availability of the database, and use of its connection pool.
#[derive(Debug)]
pub struct DatabaseMetrics {
    up: IntGauge,
    connections: Gauges<ConnectionState>,
    max_connections: IntGauge,
}

#[derive(Debug, Clone, Copy, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
enum ConnectionState {
    Idle,
    Used,
}

impl Label for ConnectionState {
    const NAME: &'static str = "state";
}

impl DatabaseMetrics {
    /// Registers the metrics.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self {
            up: registry.gauge(
                "exports_database_up",
                "1 if the database answered this scrape within two seconds, else 0.",
            ),
            connections: registry.gauges(
                "exports_database_pool_connections",
                "Connections in the pool of this process, by state.",
            ),
            max_connections: registry.gauge(
                "exports_database_pool_max_connections",
                "Maximum number of connections in the pool of this process.",
            ),
        }
    }

    /// Sets all metrics.
    pub fn set(&self, up: bool, pool: PoolUse) {
        self.up.set(up.into());
        self.connections
            .set(ConnectionState::Idle, pool.idle.into());
        self.connections
            .set(ConnectionState::Used, pool.used.into());
        self.max_connections.set(pool.max.into());
    }
}
