//! A request that waits or streams: it is counted, and it ends when its key is revoked or its project is suspended.

use std::sync::Arc;

use exports_domain::{KeyId, ProjectId};
use exports_service::metrics::Label;
use tokio::sync::watch;

use super::hub::Hub;
use super::open_keys::Refused;

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
    pub(super) refused: watch::Receiver<Option<Refused>>,
}

impl Waiter {
    /// Returns when the key is not valid any more, or its project is suspended.
    pub(crate) async fn refused(&self) -> Refused {
        let mut receiver = self.refused.clone();
        let refused = receiver.wait_for(Option::is_some).await.map(|it| *it);
        match refused {
            Ok(Some(refused)) => refused,
            // The sender lives until it has sent, or until there is no waiter.
            Ok(None) | Err(_) => std::future::pending().await,
        }
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
