//! The metrics of a server's connections.

use prometheus::IntGauge;

use super::closed::Closed;
use crate::metrics::{Counters, Label, Registry};

/// Why a connection could not be accepted.
#[derive(Debug, Clone, Copy, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum AcceptFailure {
    /// The process or the system has no free file descriptor, or no memory for one.
    Descriptors,
    /// Anything else.
    Other,
}

impl Label for AcceptFailure {
    const NAME: &'static str = "cause";
}

/// The metrics of a server's connections.
#[derive(Debug)]
pub struct ConnectionMetrics {
    pub(super) open: IntGauge,
    pub(super) max: IntGauge,
    pub(super) waiting: IntGauge,
    pub(super) closed: Counters<Closed>,
    pub(super) accept_failures: Counters<AcceptFailure>,
}

impl ConnectionMetrics {
    /// Registers the metrics.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self {
            open: registry.gauge("exports_http_connections", "Open connections of consumers."),
            max: registry.gauge(
                "exports_http_max_connections",
                "Maximum number of open connections: EXPORTS_MAX_CONNECTIONS, or less if the limit of file \
                 descriptors requires it.",
            ),
            waiting: registry.gauge(
                "exports_http_connections_waiting",
                "1 while all connections are in use and others wait to be accepted, else 0.",
            ),
            closed: registry.counters(
                "exports_http_connections_closed_total",
                "Closed connections, by reason.",
            ),
            accept_failures: registry.counters(
                "exports_http_accept_failures_total",
                "Connections that could not be accepted, by cause (`descriptors`: no free file descriptor).",
            ),
        }
    }

    /// Metrics that are not part of any registry, for a listener that is not measured.
    #[must_use]
    pub(super) fn unregistered() -> Self {
        Self::new(&Registry::new("", ""))
    }
}
