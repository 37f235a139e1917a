//! The limit of open files: raised at start, and what it allows.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors for everything except connections of consumers: the database, the listeners, the log, the runtime.
const RESERVED: u64 = 64;

/// A connection and the file, or the connection to the store, that it downloads.
const PER_CONNECTION: u64 = 2;

/// The limit of open files of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// The limit in force; `None` if the system does not say.
    pub limit: Option<u64>,
}

impl Descriptors {
    /// Raises the soft limit to the hard limit. Many systems start programs with a soft limit of 1024 for the sake of `select`,
    /// which this service does not use.
    #[must_use]
    pub fn raise() -> Self {
        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
            return Self { limit: None };
        };
        let is_raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
        Self {
            limit: Some(if is_raised { hard } else { soft }),
        }
    }

    /// The number of connections that the limit allows, at most `wanted`.
    #[must_use]
    pub fn connections(self, wanted: usize) -> usize {
        let allowed = self.limit.map_or(u64::MAX, |limit| {
            limit.saturating_sub(RESERVED) / PER_CONNECTION
        });
        usize::try_from(allowed).map_or(wanted, |allowed| wanted.min(allowed.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_the_hard_limit() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(Descriptors::raise().limit, Some(hard));
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }

    #[test]
    fn a_low_limit_lowers_the_number_of_connections() {
        for (limit, wanted, connections) in [
            (None, 2048, 2048),
            (Some(1_048_576), 2048, 2048),
            (Some(4160), 2048, 2048),
            (Some(1024), 2048, 480),
            (Some(256), 2048, 96),
            (Some(256), 10, 10),
            (Some(16), 2048, 1),
        ] {
            let found = Descriptors { limit }.connections(wanted);
            assert_eq!(found, connections, "{limit:?}");
        }
    }
}
