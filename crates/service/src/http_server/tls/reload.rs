//! Reads the files again, and uses a new pair.
//!
//! The content is compared, not the time of change: Kubernetes replaces a symbolic link above the files. A new content counts
//! when two readings in a row are equal. So two files that are replaced one after the other are not used half.

use std::time::Duration;

use super::Tls;
use super::files::Content;
use super::key::{self, TlsError};

const INTERVAL: Duration = Duration::from_secs(2);

impl Tls {
    /// Reads the files every two seconds, for ever.
    pub(in super::super) async fn reload(mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let files = self.files.clone();
            // The reading does not panic. If it did, the current key would stay in use.
            if let Ok(read) = tokio::task::spawn_blocking(move || files.read()).await {
                self.seen(read);
            }
        }
    }

    /// Handles one reading.
    pub(super) fn seen(&mut self, read: Result<Content, TlsError>) {
        if self.last == read && self.settled != read {
            match read.as_ref().map_err(TlsError::clone).and_then(key::parse) {
                Ok(key) => {
                    self.key.replace(key);
                    tracing::info!("new connections get the new TLS certificate");
                }
                Err(error) => tracing::warn!(
                    variable = error.variable(),
                    %error,
                    "the changed TLS certificate or key cannot be used: the previous pair stays in use"
                ),
            }
            self.settled.clone_from(&read);
        }
        self.last = read;
    }
}
