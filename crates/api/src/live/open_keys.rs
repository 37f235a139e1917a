//! The keys of all waiters: a waiter ends when its key is not valid any more, or when its project is suspended.

use std::collections::HashMap;

use exports_database::ValidKey;
use exports_domain::KeyId;
use tokio::sync::watch;

use crate::error::ApiError;

/// Why a request may not wait any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The key was revoked, or has expired.
    Key,
    /// The project is suspended.
    Project,
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Key => Self::Unauthorized,
            Refused::Project => Self::ProjectSuspended,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct OpenKeys(HashMap<KeyId, OpenKey>);

#[derive(Debug, Default)]
struct OpenKey {
    waiters: usize,
    /// The database has confirmed it since its first waiter.
    is_checked: bool,
    refused: watch::Sender<Option<Refused>>,
}

impl OpenKeys {
    /// Counts a waiter, and returns what ends it.
    pub(super) fn enter(&mut self, key: KeyId) -> watch::Receiver<Option<Refused>> {
        let open = self.0.entry(key).or_default();
        open.waiters += 1;
        // This request may have been accepted from the cache of keys.
        open.is_checked = false;
        open.refused.subscribe()
    }

    pub(super) fn leave(&mut self, key: KeyId) {
        if let Some(open) = self.0.get_mut(&key) {
            open.waiters -= 1;
            if open.waiters == 0 {
                self.0.remove(&key);
            }
        }
    }

    /// All keys, and whether one of them was not checked yet.
    pub(super) fn all(&self) -> (Vec<KeyId>, bool) {
        let has_new = self.0.values().any(|open| !open.is_checked);
        (self.0.keys().copied().collect(), has_new)
    }

    /// The database has answered which of these keys are valid.
    pub(super) fn checked(&mut self, asked: &[KeyId], valid: &[ValidKey]) {
        let valid: HashMap<_, _> = valid.iter().map(|it| (it.key, it.is_suspended)).collect();
        for key in asked {
            let Some(open) = self.0.get_mut(key) else {
                continue;
            };
            let refused = match valid.get(key) {
                Some(false) => {
                    open.is_checked = true;
                    continue;
                }
                Some(true) => Refused::Project,
                None => Refused::Key,
            };
            open.refused.send_replace(Some(refused));
            // A later waiter begins anew: the project may be resumed by then.
            open.refused = watch::Sender::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(receiver: &watch::Receiver<Option<Refused>>) -> Option<Refused> {
        *receiver.borrow()
    }

    #[test]
    fn waiters_end_for_the_reason_of_their_key_and_later_ones_begin_anew() {
        let mut keys = OpenKeys::default();
        let [kept, revoked, suspended] = [1, 2, 3].map(|n| KeyId(uuid::Uuid::from_u128(n)));
        let waiters = [kept, revoked, suspended].map(|key| keys.enter(key));
        let (asked, has_new) = keys.all();
        assert!(has_new);
        let valid = |key, is_suspended| ValidKey { key, is_suspended };
        keys.checked(&asked, &[valid(kept, false), valid(suspended, true)]);
        let ends = waiters.each_ref().map(end);
        assert_eq!(ends, [None, Some(Refused::Key), Some(Refused::Project)]);

        let later = keys.enter(suspended);
        assert_eq!(end(&later), None);
        keys.checked(&[suspended], &[valid(suspended, false)]);
        assert_eq!(end(&later), None);
        for key in [kept, revoked, suspended, suspended] {
            keys.leave(key);
        }
        assert_eq!(keys.all(), (Vec::new(), false));
    }
}
