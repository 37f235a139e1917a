//! Keys that were good a moment ago, so that not every request asks the database for its key.
//!
//! Owns how long an answer counts: [`LIFE`], from before the database was asked, by a clock that
//! never jumps. A key that is revoked stops working when that is over, whether or not the database
//! can be reached. Refusals are not kept: a new key works at once. Keys themselves are not kept
//! either, only their hashes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use exports_domain::ProjectId;
use sha2::{Digest, Sha256};

/// Less than the five seconds in which a revoked key has to stop working.
const LIFE: Duration = Duration::from_secs(3);
/// So many keys at a time, some 2 MB; with more in use, some are asked for more often.
const MOST: usize = 10_000;

/// The answers of the last seconds.
#[derive(Default)]
pub(crate) struct KeyCache(Mutex<HashMap<KeyHash, Answer>>);

/// What is kept of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyHash([u8; 32]);

struct Answer {
    project: ProjectId,
    asked_at: Instant,
}

impl KeyHash {
    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }
}

impl KeyCache {
    /// The project that the key opens, if that is known for `now`.
    pub(crate) fn get(&self, key: KeyHash, now: Instant) -> Option<ProjectId> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.get(&key)?;
        answer.is_good(now).then(|| answer.project.clone())
    }

    /// The database said so; it was asked at `asked_at` or later.
    pub(crate) fn insert(&self, key: KeyHash, project: ProjectId, asked_at: Instant) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.retain(|_, answer| answer.is_good(asked_at));
        }
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.insert(key, Answer { project, asked_at });
    }
}

impl Answer {
    fn is_good(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.asked_at) < LIFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str) -> ProjectId {
        name.parse().unwrap()
    }

    #[test]
    fn an_answer_counts_from_when_the_database_was_asked_and_not_for_long() {
        let (cache, key, asked_at) = (KeyCache::default(), KeyHash::of("key"), Instant::now());
        assert_eq!(cache.get(key, asked_at), None);
        cache.insert(key, project("proj_a"), asked_at);
        assert_eq!(cache.get(key, asked_at), Some(project("proj_a")));
        let late = asked_at + LIFE / 2;
        assert_eq!(cache.get(key, late), Some(project("proj_a")));
        assert_eq!(cache.get(key, asked_at + LIFE), None);
        assert_eq!(cache.get(KeyHash::of("other"), asked_at), None);
    }

    #[test]
    fn there_are_never_more_answers_than_fit() {
        let (cache, start) = (KeyCache::default(), Instant::now());
        for number in 0..=MOST {
            let key = KeyHash::of(&number.to_string());
            cache.insert(key, project("proj_a"), start);
            assert_eq!(cache.get(key, start), Some(project("proj_a")));
            assert!(cache.0.lock().unwrap().len() <= MOST);
        }
    }
}
