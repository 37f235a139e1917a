//! Connections to the source that wait for the next export.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exports_settings::error_line;
use exports_storage::Source;
use exports_storage::source::SourceSession;

/// One for each slot at most, kept because opening one takes longer than a small export. Those
/// that a large export has besides are closed at its end: they are little beside it, and an idle
/// worker holds no more of the source than it needs.
#[derive(Clone)]
pub(crate) struct IdleSessions {
    sessions: Arc<Mutex<Vec<SourceSession>>>,
    most: usize,
}

impl IdleSessions {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            sessions: Arc::default(),
            most,
        }
    }

    /// Opens the first, so that the first export finds one.
    pub(crate) async fn open_first(&self, source: &Source) {
        match source.open_session().await {
            Ok(session) => self.give_back(session),
            Err(error) => {
                let error = error_line(&error);
                tracing::debug!(error, "no session is opened before it is needed");
            }
        }
    }

    pub(crate) fn take(&self) -> Option<SourceSession> {
        self.lock().pop()
    }

    pub(crate) fn give_back(&self, session: SourceSession) {
        let mut sessions = self.lock();
        if sessions.len() < self.most {
            sessions.push(session);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SourceSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
