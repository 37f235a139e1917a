//! A request that waits or streams: it is counted, and it ends when its key is revoked.

use std::sync::Arc;

use exports_domain::{KeyId, ProjectId};
use exports_service::metrics::Label;
use tokio_util::sync::CancellationToken;

use super::hub::Hub;

/// What a waiter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum WaiterKind {
    /// A request that waits for its response.
    Wait,
    /// An event stream.
    Stream,
}

impl Label for WaiterKind {
    const NAME: &'static str = "kind";
}

/// Counts as open until it is dropped.
pub(crate) struct Waiter {
    pub(super) hub: Arc<Hub>,
    pub(super) project: ProjectId,
    pub(super) key: KeyId,
    pub(super) kind: WaiterKind,
    pub(super) revoked: CancellationToken,
}

impl Waiter {
    /// Returns when the key is not valid any more, or its project is suspended.
    pub(crate) async fn revoked(&self) {
        self.revoked.cancelled().await;
    }

    /// Returns when the process stops.
    pub(crate) async fn stopping(&self) {
        self.hub.stopping().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.hub.leave(self);
    }
}
