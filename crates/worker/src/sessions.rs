//! Connections to the source that wait for the next export.

use std::sync::{Arc, Mutex, PoisonError};

use exports_storage::source::SourceSession;

/// The sessions of slots that have nothing to do, kept because opening one takes longer than a
/// small export. There are never more than slots.
#[derive(Clone, Default)]
pub(crate) struct IdleSessions(Arc<Mutex<Vec<SourceSession>>>);

impl IdleSessions {
    pub(crate) fn take(&self) -> Option<SourceSession> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(crate) fn give_back(&self, session: SourceSession) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session);
    }
}
