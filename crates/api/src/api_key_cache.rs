//! A cache of valid API keys, so that not every request queries the database.
//!
//! An entry is valid for [`TTL`], counted on a monotonic clock from before the database query. So a revoked key stops working after
//! that time, even if the database is unavailable. Rejected keys are not cached: a new key works at once. The cache contains only
//! hashes of keys.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::caller::Caller;

/// A revoked key must stop working within five seconds.
const TTL: Duration = Duration::from_secs(3);
/// About 2 MB. With more keys in use, some are looked up more often.
const CAPACITY: usize = 10_000;

#[derive(Default)]
pub(crate) struct ApiKeyCache(Mutex<HashMap<KeyHash, Entry>>);

/// The SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyHash([u8; 32]);

struct Entry {
    caller: Caller,
    queried_at: Instant,
}

impl KeyHash {
    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }
}

impl ApiKeyCache {
    /// The caller that the key belongs to, if there is a valid entry.
    pub(crate) fn get(&self, key: KeyHash, now: Instant) -> Option<Caller> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&key)?;
        entry.is_valid(now).then(|| entry.caller.clone())
    }

    /// Adds a key that the database confirmed. `queried_at` is the time before the query.
    pub(crate) fn insert(&self, key: KeyHash, caller: Caller, queried_at: Instant) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= CAPACITY {
            entries.retain(|_, entry| entry.is_valid(queried_at));
        }
        if entries.len() >= CAPACITY {
            entries.clear();
        }
        let entry = Entry { caller, queried_at };
        entries.insert(key, entry);
    }
}

impl Entry {
    fn is_valid(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.queried_at) < TTL
    }
}

#[cfg(test)]
mod tests {
    use exports_domain::{KeyId, Scope};
    use uuid::Uuid;

    use super::*;

    fn caller(project: &str) -> Caller {
        Caller {
            project: project.parse().unwrap(),
            key: KeyId(Uuid::nil()),
            scope: Scope::Write,
        }
    }

    #[test]
    fn an_entry_expires_after_its_ttl() {
        let (cache, key, queried_at) = (ApiKeyCache::default(), KeyHash::of("key"), Instant::now());
        assert_eq!(cache.get(key, queried_at), None);
        cache.insert(key, caller("proj_a"), queried_at);
        assert_eq!(cache.get(key, queried_at), Some(caller("proj_a")));
        let late = queried_at + TTL / 2;
        assert_eq!(cache.get(key, late), Some(caller("proj_a")));
        assert_eq!(cache.get(key, queried_at + TTL), None);
        assert_eq!(cache.get(KeyHash::of("other"), queried_at), None);
    }

    #[test]
    fn the_cache_never_exceeds_its_capacity() {
        let (cache, start) = (ApiKeyCache::default(), Instant::now());
        for number in 0..=CAPACITY {
            let key = KeyHash::of(&number.to_string());
            cache.insert(key, caller("proj_a"), start);
            assert_eq!(cache.get(key, start), Some(caller("proj_a")));
            assert!(cache.0.lock().unwrap().len() <= CAPACITY);
        }
    }
}
