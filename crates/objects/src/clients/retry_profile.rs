//! Timeouts and retries of a client.

use std::sync::Arc;
use std::time::Duration;

use object_store::client::ClientConfigKey;
use object_store::{BackoffConfig, RetryConfig};

use crate::transport::{Connector, RetryLimits};

/// The timeouts and retries of a client. The cloud's variables (`AWS_TIMEOUT`, `AWS_READ_TIMEOUT`, `AWS_CONNECT_TIMEOUT`, …) override the
/// timeouts.
pub(super) struct RetryProfile {
    request_timeout: &'static str,
    /// How long a request may make no progress.
    stall_limit: &'static str,
    connect_timeout: &'static str,
    retries: RetryLimits,
}

/// For file content. A part of 8 MiB takes 67 s at 1 Mbit/s, and some stores need minutes to complete an upload of thousands of
/// parts, so the 30 s of `object_store` are too short for a whole request. A store that is silent for 30 s fails the request
/// earlier, and so at most two tries fit into the minute of retries. One minute of retries covers a restart of the store. Longer outages are
/// left to the retries of the job, which do not hold a database snapshot open.
pub(super) const TRANSFER: RetryProfile = RetryProfile {
    request_timeout: "120s",
    stall_limit: "30s",
    connect_timeout: "5s",
    retries: RetryLimits {
        count: 10,
        window: Duration::from_mins(1),
    },
};

/// For HEAD, DELETE and abort, which a working store completes at once. Less than 10 s in total, so that callers get the reason
/// before their own timeout.
pub(super) const QUICK: RetryProfile = RetryProfile {
    request_timeout: "8s",
    stall_limit: "8s",
    connect_timeout: "3s",
    retries: RetryLimits {
        count: 2,
        window: Duration::from_secs(5),
    },
};

impl RetryProfile {
    pub(super) fn timeouts(&self) -> [(ClientConfigKey, &'static str); 3] {
        [
            (ClientConfigKey::Timeout, self.request_timeout),
            (ClientConfigKey::ReadTimeout, self.stall_limit),
            (ClientConfigKey::ConnectTimeout, self.connect_timeout),
        ]
    }

    pub(super) fn connector(&self, roots: &[reqwest::Certificate]) -> Connector {
        Connector {
            retries: self.retries,
            roots: roots.to_vec(),
            signer: Arc::default(),
            metadata_host: None,
            allows_metadata_v1: false,
        }
    }
}

/// The transport retries, so the client does not.
pub(super) fn no_retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 0,
        retry_timeout: Duration::ZERO,
    }
}
