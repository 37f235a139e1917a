//! A cache of valid API keys, so that not every request queries the database.
//!
//! An entry is valid for [`TTL`], counted on a monotonic clock from before the database query, and never longer than the key itself.
//! So an expired key stops working on time, and a revoked key after that time, even if the database is unavailable. Refused keys are
//! in `limits::key_lookups`. The cache contains only hashes of keys.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use exports_database::Authenticated;
use sha2::{Digest, Sha256};

use crate::caller::Access;

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
    access: Access,
    valid_until: Instant,
}

impl KeyHash {
    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }
}

impl ApiKeyCache {
    /// The access of the key, if there is a valid entry.
    pub(crate) fn get(&self, key: KeyHash, now: Instant) -> Option<Access> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&key)?;
        entry.is_valid(now).then(|| entry.access.clone())
    }

    /// Adds a key that the database confirmed, and returns its access. `queried_at` is the time before the query.
    pub(crate) fn insert(
        &self,
        key: KeyHash,
        confirmed: Authenticated,
        queried_at: Instant,
    ) -> Access {
        let lifetime = confirmed
            .remaining
            .map_or(TTL, |remaining| remaining.min(TTL));
        let access = Access::from(confirmed);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= CAPACITY {
            entries.retain(|_, entry| entry.is_valid(queried_at));
        }
        if entries.len() >= CAPACITY {
            entries.clear();
        }
        let entry = Entry {
            access: access.clone(),
            valid_until: queried_at + lifetime,
        };
        entries.insert(key, entry);
        access
    }
}

impl Entry {
    fn is_valid(&self, now: Instant) -> bool {
        now < self.valid_until
    }
}

#[cfg(test)]
mod tests {
    use exports_domain::{KeyId, LimitOverrides, Scope};
    use uuid::Uuid;

    use super::*;

    fn confirmed(remaining: Option<Duration>) -> Authenticated {
        Authenticated {
            project: "proj_a".parse().unwrap(),
            key: KeyId(Uuid::nil()),
            scope: Scope::Write,
            remaining,
            suspended: false,
            limits: LimitOverrides::default(),
        }
    }

    #[test]
    fn an_entry_expires_after_its_ttl_or_with_its_key() {
        let (cache, key, queried_at) = (ApiKeyCache::default(), KeyHash::of("key"), Instant::now());
        assert!(cache.get(key, queried_at).is_none());
        for (remaining, lifetime) in [
            (None, TTL),
            (Some(TTL * 2), TTL),
            (Some(TTL / 3), TTL / 3),
            (Some(Duration::ZERO), Duration::ZERO),
        ] {
            let access = cache.insert(key, confirmed(remaining), queried_at);
            let at = |age| cache.get(key, queried_at + age);
            assert_eq!(at(lifetime), None, "{remaining:?}");
            if let Some(before) = lifetime.checked_sub(Duration::from_millis(1)) {
                assert_eq!(at(before).as_ref(), Some(&access), "{remaining:?}");
            }
        }
        assert!(cache.get(KeyHash::of("other"), queried_at).is_none());
    }

    #[test]
    fn the_cache_never_exceeds_its_capacity() {
        let (cache, start) = (ApiKeyCache::default(), Instant::now());
        for number in 0..=CAPACITY {
            let key = KeyHash::of(&number.to_string());
            let access = cache.insert(key, confirmed(None), start);
            assert_eq!(cache.get(key, start), Some(access));
            assert!(cache.0.lock().unwrap().len() <= CAPACITY);
        }
    }
}
